"""Which format a file has, by its content; the name is only a hint. Refuses what is no table, in a sentence.

Knows magic bytes. Does not know encodings or cells.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from core.errors import BadFile

_HEAD = 64 * 1024

# (first bytes, what the file is, what to do instead)
_SAVE = "Save the table in it as CSV or Excel and upload that."
_REFUSED: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF document", "Copy the texts into a spreadsheet and upload that."),
    (b"\x7fELF", "a program", "Upload a table of texts: CSV, Excel, Parquet or JSON."),
    (b"\x89PNG", "a picture", "Upload a table of texts: CSV, Excel, Parquet or JSON."),
    (b"\xff\xd8\xff", "a picture", "Upload a table of texts: CSV, Excel, Parquet or JSON."),
    (b"GIF8", "a picture", "Upload a table of texts: CSV, Excel, Parquet or JSON."),
    (b"\x1f\x8b", "a compressed file (gzip)", "Unpack it and upload the file inside."),
    (b"BZh", "a compressed file (bzip2)", "Unpack it and upload the file inside."),
    (b"\xfd7zXZ\x00", "a compressed file (xz)", "Unpack it and upload the file inside."),
    (b"\x28\xb5\x2f\xfd", "a compressed file (zstd)", "Unpack it and upload the file inside."),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "Unpack it and upload the file inside."),
    (b"Rar!", "a RAR archive", "Unpack it and upload the file inside."),
    (b"{\\rtf", "a rich-text document", _SAVE),
    (b"SQLite format 3\x00", "a SQLite database", _SAVE),
    (b"ARROW1", "an Arrow file", "Save it as Parquet and upload that."),
    (b"\x93NUMPY", "a NumPy array", _SAVE),
    (b"\x89HDF", "an HDF5 file", _SAVE),
)


def identify(path: Path, file_name: str) -> str:
    """`excel`, `parquet` or `text` (what is CSV or JSON shows after decoding).

    Raises BadFile for an empty file and for anything that is known not to be a table.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if not head:
        raise BadFile(f"“{file_name}” is empty (0 bytes). Choose another file.")
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _inside_zip(path, file_name)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "excel"  # xls, or an encrypted workbook: calamine tells them apart
    _refuse_known(head, file_name)
    _refuse_binary(head, file_name)
    return "text"


def refuse_markup(start: str, file_name: str) -> None:
    """Raises BadFile for XML and HTML, which spreadsheet programs also save under .xls."""
    opening = start.lstrip("\ufeff \t\r\n")[:200].lower()
    if opening.startswith(("<!doctype html", "<html", "<table")):
        raise BadFile(
            f"“{file_name}” is a web page (HTML), even if a spreadsheet program opens it. "
            "Open it there and save it as .xlsx or CSV."
        )
    if opening.startswith("<?xml") or (opening.startswith("<!doctype") and "<" in opening[1:]):
        raise BadFile(f"“{file_name}” is an XML document, not a table. {_SAVE}")


def is_json(text_start: str, file_name: str) -> bool:
    """True where the content is JSON or JSONL.

    A CSV may begin with a bracket as well, so without the name's support the first value must be complete
    JSON that is followed by nothing, a new line or another value.
    """
    start = text_start.lstrip("\ufeff \t\r\n")
    if not start.startswith(("{", "[")):
        return False
    if Path(file_name).suffix.lower() in (".json", ".jsonl", ".ndjson", ".geojson"):
        return True
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(start)
    except (ValueError, RecursionError):
        # Too long to end within the sample, or broken: an opening that only JSON has decides.
        return start[1:].lstrip().startswith(('"', "{", "[")) and '":' in start[:2000].replace('" :', '":')
    after = start[end:]
    return (
        not after.strip() or after.lstrip(" \t\r").startswith("\n") or after.lstrip().startswith(("{", "["))
    )


def _inside_zip(path: Path, file_name: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            kind = archive.read("mimetype")[:100] if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError):
        raise BadFile(
            f"“{file_name}” is a damaged workbook or archive. Save it again and upload the new file."
        ) from None
    if names & {"xl/workbook.xml", "xl/workbook.bin"} or b"opendocument.spreadsheet" in kind:
        return "excel"
    if any(n.startswith("word/") for n in names) or b"opendocument.text" in kind:
        raise BadFile(f"“{file_name}” is a text document (Word), not a table. {_SAVE}")
    if any(n.startswith("ppt/") for n in names):
        raise BadFile(f"“{file_name}” is a presentation, not a table. {_SAVE}")
    raise BadFile(f"“{file_name}” is a zip archive. Unpack it and upload the file inside.")


def _refuse_known(head: bytes, file_name: str) -> None:
    for magic, what, advice in _REFUSED:
        if head.startswith(magic):
            raise BadFile(f"“{file_name}” is {what}, not a table. {advice}")
    if head.startswith(b"MZ") and b"\x00" in head[:1024]:
        raise BadFile(f"“{file_name}” is a program, not a table. Upload CSV, Excel, Parquet or JSON.")
    if head.startswith(b"RIFF") and head[8:12] in (b"WEBP", b"WAVE", b"AVI "):
        raise BadFile(f"“{file_name}” is a picture or a recording, not a table of texts.")
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise BadFile(
            f"“{file_name}” is a Python pickle, which can run code when it is opened. "
            "Save the table as CSV or Parquet and upload that."
        )


def _refuse_binary(head: bytes, file_name: str) -> None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")) or looks_like_utf16(head):
        return
    control = sum(head.count(bytes([c])) for c in range(32) if c not in (9, 10, 12, 13, 27))
    if b"\x00" in head or control > len(head) / 50:
        raise BadFile(
            f"“{file_name}” holds binary data, not text, whatever its name says. "
            "Upload a table as CSV, TSV, Excel, Parquet, JSON or JSONL."
        )


def looks_like_utf16(head: bytes) -> str | None:
    """The codec of UTF-16 without a byte order mark: every other byte of Western text is zero."""
    sample = head[: len(head) // 2 * 2][:8192]
    if len(sample) < 8:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) / 2
    if odd > half * 0.7 and even < half * 0.05:
        return "utf-16-le"
    if even > half * 0.7 and odd < half * 0.05:
        return "utf-16-be"
    return None
