"""CSV and TSV: delimiter, quoting and header by real parses of the file, then its rows.

Knows lines and cells. Gets UTF-8 (core.data.encoding) and does not know encodings.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.heading import looks_like_header, numbered_columns
from core.errors import BadFile
from core.records import Reading

if TYPE_CHECKING:
    from _csv import Reader as Parsed

    from core.data.writer import TableWriter

DELIMITERS = ("\t", ";", ",", "|")
_NO_DELIMITER = "\x1f"  # a control character that texts do not hold: the whole line is one cell
_SAMPLE = 1 << 20  # bytes by which the delimiter is found
_KEPT = 500  # first rows that a scan keeps
_WIDEST = 10_000  # columns

# 250 KB cells are real; the field limit is a C long, which is 32 bits wide on Windows.
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))


@dataclass
class Scan:
    """What one parse of the file showed."""

    widths: Counter[int] = field(default_factory=Counter)  # cells in a row -> rows
    first: list[list[str]] = field(default_factory=list)  # the first rows
    blank: int = 0  # lines without anything
    multiline: int = 0  # rows that span several lines
    swallowed: int = 0  # of these: rows whose every line would be a whole row of its own
    unbalanced: bool = False  # quotes that end in the middle of a cell, or never

    @property
    def rows(self) -> int:
        return self.widths.total()

    @property
    def usual(self) -> int:
        """The most common number of cells; the wider one where two are equally common."""
        return max(self.widths, key=lambda w: (self.widths[w], w), default=0)

    @property
    def regular(self) -> float:
        """The share of rows with the usual number of cells."""
        return self.widths[self.usual] / self.rows if self.rows else 0.0


class Delimited:
    """One delimited file, already UTF-8."""

    def __init__(self, data: bytes, file_name: str) -> None:
        self.file_name = file_name
        self.told: str | None = None  # the delimiter, where a first line `sep=;` tells it to Excel
        self.escaped = False  # quotes inside cells were written with a backslash
        if b"\n" not in data:
            data = data.replace(b"\r", b"\n")  # line ends of the old Macintosh
        if told := re.match(rb'"?sep=([^\r\n"])"?\r?\n', data):
            self.told = told[1].decode("ascii", "replace")
            data = data[told.end() :]
        self.data, self._return = _hide_lone_returns(data)

    def sniff(self, given: Reading) -> tuple[Reading, Scan]:
        """The reading with what `given` leaves open, and the scan of the whole file under it."""
        delimiter = given.delimiter or self.told or find_delimiter(self.data, self.file_name)
        if given.quoting is not False and b'\\"' in self.data:
            self._double_escaped_quotes(delimiter)
        quoting, scan = find_quoting(self.data, delimiter, given.quoting)
        if not scan.rows:
            raise BadFile(f"“{self.file_name}” has only blank lines. Choose another file.")
        if max(scan.widths) > _WIDEST:
            raise BadFile(
                f"“{self.file_name}” would have {max(scan.widths):,} columns, more than {_WIDEST:,}. "
                "Choose another delimiter."
            )
        header = looks_like_header(scan.first) if given.header is None else given.header
        return replace(given, format="csv", delimiter=delimiter, quoting=quoting, header=header), scan

    def columns(self, reading: Reading, scan: Scan) -> tuple[tuple[str, ...], bool]:
        """Column names, and whether the last one gathers surplus cells."""
        names = list(scan.first[0]) if reading.header else []
        data_widths = scan.widths.copy()
        if reading.header:
            data_widths[len(names)] -= 1
        body = Scan(widths=+data_widths)
        if not body.rows:
            raise BadFile(
                f"“{self.file_name}” has a header line and no rows below it. Choose another file, or say that "
                "the first line is data."
            )
        common = body.usual if body.regular >= 0.5 else 0
        width = max(len(names), common, 1)
        names += numbered_columns(width)[len(names) :]
        surplus = max(body.widths) > width
        return (*(self._restore(n) for n in names), *(["extra cells"] if surplus else [])), surplus

    def write(self, reading: Reading, scan: Scan, writer: TableWriter, surplus: bool) -> list[str]:
        """Writes all rows and returns notes on what was irregular."""
        rows = parse(self.data, reading.delimiter, reading.quoting is not False)
        if reading.header:
            next(row for row in rows if row)
        width = writer.width - surplus
        short = long = 0
        for row in rows:
            if len(row) != width:
                if not row:
                    continue
                short += len(row) < width
                if len(row) > width:
                    long += 1
                    row = [*row[:width], (reading.delimiter or "").join(row[width:])]
            writer.row([self._restore(cell) for cell in row] if self._return else row)
        return self._notes(reading, scan, short, long, width)

    def _double_escaped_quotes(self, delimiter: str | None) -> None:
        """Spark and MySQL write a quote inside a cell as \\" where CSV doubles it. Where that alone keeps
        quotes from pairing up, they are doubled; every other backslash stays."""
        if scan_rows(self.data, delimiter, True).unbalanced:
            doubled = self.data.replace(b'\\"', b'""')
            scan = scan_rows(doubled, delimiter, True)
            if not scan.unbalanced and scan.regular > 0.9:
                self.data, self.escaped = doubled, True

    def _restore(self, cell: str) -> str:
        return cell.replace(self._return, "\r") if self._return else cell

    def _notes(self, reading: Reading, scan: Scan, short: int, long: int, width: int) -> list[str]:
        notes = []
        if self.told:
            notes.append(f"The first line, “sep={self.told}”, names the delimiter and is not a row.")
        if self.escaped:
            notes.append("Quotation marks inside cells were written with a backslash, which was taken away.")
        if scan.blank:
            notes.append(f"{_lines(scan.blank)} blank and not counted as rows.")
        if short:
            notes.append(f"{_lines(short, 'had')} fewer than {width} cells; the missing ones are empty.")
        if long:
            notes.append(f"{_lines(long, 'had')} more than {width} cells; they stand in “extra cells”.")
        if reading.quoting is False:
            notes.append(
                "Quotation marks are read as ordinary text, because they do not pair up around cells."
            )
        elif scan.unbalanced:
            notes.append(
                "Some quotation marks do not pair up around cells. If texts look cut or run together, "
                "switch quoting off."
            )
        if reading.delimiter is None:
            notes.append("No delimiter was found, so every line is one text.")
        return notes


def parse(data: bytes, delimiter: str | None, quoting: bool, *, strict: bool = False) -> Parsed:
    """The rows of a file; blank lines are empty lists, `line_num` is the number of lines read so far.

    With `strict`, csv.Error is raised where quotes do not pair up.
    """
    mark = delimiter or _NO_DELIMITER
    # Lines end at LF only: str.splitlines and universal newlines also break at characters inside texts.
    lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="\n")
    if quoting:
        return csv.reader(lines, delimiter=mark, strict=strict)
    return csv.reader(lines, delimiter=mark, quoting=csv.QUOTE_NONE)


def find_delimiter(data: bytes, file_name: str) -> str | None:
    """The delimiter under which most rows have as many cells as the first; None: one cell a line."""
    sample = data[:_SAMPLE]
    if len(sample) < len(data) and b"\n" in sample:
        sample = sample[: sample.rfind(b"\n") + 1]
    hint = {".tsv": "\t", ".tab": "\t"}.get(Path(file_name).suffix.lower())
    best, best_rank = None, (0.0, False, 0)
    for delimiter in DELIMITERS:
        if delimiter.encode() not in sample:
            continue
        for quoting in (True, False):
            scan = scan_rows(sample, delimiter, quoting)
            score = _fitness(scan)
            rank = (round(score, 3), delimiter == hint, scan.usual)
            if score and rank > best_rank:
                best, best_rank = delimiter, rank
    return best


def _fitness(scan: Scan) -> float:
    """From 0 (no table under this delimiter) to 1 (every row has the same number of cells, above one)."""
    if scan.usual < 2 or not scan.first:
        return 0.0
    first = scan.first[0]
    if len(first) == scan.usual:
        named = looks_like_header(scan.first) and all(0 < len(c) < 40 for c in first)
        return scan.regular if named or scan.regular >= 0.5 else 0.0
    if len(first) > 1:  # a header of another width than the rows, but cut by the same delimiter
        return scan.regular / 2 if scan.regular >= 0.5 else 0.0
    return 0.3 if scan.rows > 5 and scan.widths[scan.usual] == scan.rows - 1 else 0.0


def find_quoting(data: bytes, delimiter: str | None, given: bool | None) -> tuple[bool, Scan]:
    """Whether quotes wrap cells, and the scan of the file read that way.

    Default quoting silently swallows rows of files in which a quote is an ordinary character: a quote at
    the start of one cell pairs up with one at the end of another, many lines below. Such rows are known by
    this: every line in them is a whole row on its own. Where quotes do not pair up, the reading under
    which fewer rows are irregular wins, then the one that explains most of the quotes.
    """
    if given is not None:
        return given, scan_rows(data, delimiter, given)
    quoted = scan_rows(data, delimiter, True)
    if b'"' not in data or not (quoted.unbalanced or quoted.swallowed):
        return True, quoted
    plain = scan_rows(data, delimiter, False)
    if delimiter is None:
        wraps = not quoted.unbalanced or _wrapped_share(data, _NO_DELIMITER) > 0.5
    elif quoted.swallowed > quoted.multiline / 2 and plain.regular >= 0.9:
        wraps = False
    elif abs(quoted.regular - plain.regular) > 0.001:
        wraps = quoted.regular > plain.regular
    else:
        wraps = _wrapped_share(data, delimiter) > 0.5
    return (True, quoted) if wraps else (False, plain)


def scan_rows(data: bytes, delimiter: str | None, quoting: bool) -> Scan:
    """Counts what a parse gives. Strict first, because only that tells whether quotes pair up."""
    if not quoting:
        return _scan(data, delimiter, quoting, strict=False)
    try:
        return _scan(data, delimiter, quoting, strict=True)
    except csv.Error:
        scan = _scan(data, delimiter, quoting, strict=False)
        scan.unbalanced = True
        return scan


def _scan(data: bytes, delimiter: str | None, quoting: bool, strict: bool) -> Scan:
    scan = Scan()
    rows = parse(data, delimiter, quoting, strict=strict)
    spans: list[tuple[int, int]] = []  # lines that rows of several lines are made of
    line = 0
    for row in rows:
        if row:
            scan.widths[len(row)] += 1
            if len(scan.first) < _KEPT:
                scan.first.append(row)
            if rows.line_num > line + 1:
                spans.append((line, rows.line_num))
        else:
            scan.blank += 1
        line = rows.line_num
    scan.multiline = len(spans)
    if spans:
        scan.swallowed = _whole_rows(data, (delimiter or _NO_DELIMITER).encode(), len(scan.first[0]), spans)
    return scan


def _whole_rows(data: bytes, mark: bytes, width: int, spans: list[tuple[int, int]]) -> int:
    """In how many of these spans every line has as many cells as the first row, quotes left aside.

    Not counted are spans with a doubled quote, which only means something inside quoted cells, and nothing
    is where the first line quotes all its cells.
    """
    first = data[: data.find(b"\n")].strip()
    if all(cell[:1] == cell[-1:] == b'"' for cell in first.split(mark)):
        return 0
    lines = enumerate(io.BytesIO(data))
    swallowed = 0
    for start, end in spans:
        inside = [next(text for number, text in lines if number >= start) for start in range(start, end)]
        swallowed += all(line.count(mark) == width - 1 and b'""' not in line for line in inside)
    return swallowed


def _wrapped_share(data: bytes, delimiter: str) -> float:
    """Of the lines with a quote in them: the share in which quotes only wrap whole cells or are doubled."""
    mark = re.escape(delimiter)
    proper = re.compile(rf'(?:(?:"(?:[^"]|"")*"|[^"{mark}]*)(?:{mark}|$))+'.encode())
    quoted = good = 0
    for line in io.BytesIO(data):
        if b'"' in line:
            quoted += 1
            good += proper.fullmatch(line.rstrip(b"\r\n")) is not None
            if quoted >= 2000:
                break
    return good / quoted if quoted else 1.0


def _hide_lone_returns(data: bytes) -> tuple[bytes, str | None]:
    """Puts a private character in place of each CR that ends no line: csv takes it for a line end."""
    lone = re.compile(rb"\r(?!\n)")
    if b"\r" not in data or not lone.search(data):
        return data, None
    spare = next(c for c in map(chr, range(0xE000, 0xF8FF)) if c.encode() not in data)
    return lone.sub(spare.encode(), data), spare


def _lines(number: int, verb: str | None = None) -> str:
    if number == 1:
        return f"1 line {verb or 'was'}"
    return f"{number:,} lines {verb or 'were'}"
