"""Files of all kinds, each built here: what comes in must come out to the letter, or be refused in a sentence."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from core.data.delimited import Delimited
from core.data.guarded import ask, open_arrow
from core.data.intake import read_table, sniff, table_of
from core.data.reader_process import answer
from core.data.table import Table, column_index, suggest_columns
from core.data.writer import TableWriter
from core.errors import BadColumn, BadFile, TooLarge
from core.records import Reading
from core.settings import MIB, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", database_url="sqlite://", max_parse_bytes=1024 * MIB)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Table]:
    """Reads without the child process, which would take half a second for each of these files. The child
    calls the same function; the tests of limits go through it."""
    number = itertools.count()

    def read(content: bytes | str, name: str = "data.csv", **reading: object) -> Table:
        path, out = tmp_path / "upload", tmp_path / f"table-{next(number)}.arrow"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        given = asdict(Reading(**{"format": "", **reading})) if reading else None  # type: ignore[arg-type]
        request = {"verb": "read", "path": path, "file_name": name, "out": out, "reading": given}
        found = answer({**request, "max_bytes": 1024 * MIB})
        return table_of(json.loads(json.dumps(found)), out)

    return read


def rows(table: Table) -> list[tuple[str | None, ...]]:
    return list(zip(*(c.to_pylist() for c in table.data.columns), strict=True))


# ------------------------------------------------------------------ nothing is renamed, dropped or retyped


def test_values_that_look_like_something_else_survive(read):
    values = ["NA", "None", "null", "nan", "00123", "1e5", "TRUE", "1.0", " padded ", "", "2024-01-01", "∅"]
    table = read("text,label\n" + "".join(f"t{i},{v}\n" for i, v in enumerate(values)))
    assert table.column(1) == values


def test_duplicate_and_empty_column_names_survive(read):
    table = read(",text,text,Label \n0,a,b,x\n")
    assert table.columns == ("", "text", "text", "Label ")
    assert rows(table) == [("0", "a", "b", "x")]


def test_line_breaks_of_all_kinds_inside_quoted_cells_survive(read):
    cell = 'first\r\nsecond\nthird\rfourth\u0085fifth\u2028sixth "quoted", with, commas'
    table = read('text,label\r\n"' + cell.replace('"', '""') + '",x\r\nplain,y\r\n')
    assert rows(table) == [(cell, "x"), ("plain", "y")]


def test_a_lone_carriage_return_in_an_unquoted_cell_is_text(read):
    table = read("text\tlabel\none\rtwo\tx\nthree\ty\n", "data.tsv")
    assert rows(table) == [("one\rtwo", "x"), ("three", "y")]


def test_a_very_long_cell_survives(read):
    cell = "word " * 60_000
    assert read(f'text,label\n"{cell}",x\nb,y\n').column(0) == [cell, "b"]


def test_ragged_rows_are_kept_and_reported(read):
    table = read("text,label\na,x\nb\nc,x,extra,more\nd,y\n")
    assert table.columns == ("text", "label", "extra cells")
    assert rows(table) == [("a", "x", None), ("b", None, None), ("c", "x", "extra,more"), ("d", "y", None)]
    assert any("1 line had fewer" in n for n in table.notes)
    assert any("1 line had more" in n for n in table.notes)


def test_rows_wider_than_the_header_get_numbered_columns(read):
    table = read("text,label\n" + "".join(f"t{i},x,{i}\n" for i in range(9)))
    assert table.columns == ("text", "label", "column 3")
    assert table.column(2) == [str(i) for i in range(9)]


def test_blank_lines_are_no_rows_and_reported(read):
    table = read("text,label\na,x\n\n\nb,y\n\n")
    assert rows(table) == [("a", "x"), ("b", "y")]
    assert any("3 lines were blank" in n for n in table.notes)


# ------------------------------------------------------------------ delimiters, quotes, headers


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_although_texts_hold_the_others(read, delimiter):
    others = "".join(d for d in ",;|" if d != delimiter)
    lines = [f"hello{others[i % 2] * (i % 3)} there{delimiter}{'xy'[i % 2]}" for i in range(12)]
    table = read("\n".join([f"text{delimiter}label", *lines]))
    assert table.reading.delimiter == delimiter
    assert table.rows == 12
    assert table.column(1) == ["x", "y"] * 6


def test_a_file_of_plain_lines_is_one_column(read):
    table = read("Hello, you.\nHow are you?\nFine, thanks, and you?\nAll well\n")
    assert table.reading.delimiter is None
    assert table.columns == ("Hello, you.",)
    assert table.column(0) == ["How are you?", "Fine, thanks, and you?", "All well"]
    assert read("text\nHello, you\nOh, no\n").column(0) == ["Hello, you", "Oh, no"]


def test_unbalanced_quotes_do_not_swallow_rows(read):
    # A quote opens in one row and closes in another: default quoting makes one row of three, silently.
    lines = [f"text {i}\tx" for i in range(30)]
    lines[4] = '"Great film\tx'
    lines[6] = 'the end"\tx'
    lines[20] = 'he said "no" to me\tx'
    table = read("text\tlabel\n" + "\n".join(lines), "data.tsv")
    assert table.rows == 30
    assert table.column(0)[4] == '"Great film'
    assert table.column(0)[6] == 'the end"'
    assert table.reading.quoting is False
    assert any("Quotation marks" in n for n in table.notes)


def test_a_quote_that_never_closes_does_not_swallow_the_rest(read):
    lines = [f"text {i}\tx" for i in range(30)]
    lines[3] = '"never closed\tx'
    table = read("text\tlabel\n" + "\n".join(lines), "data.tsv")
    assert table.rows == 30


def test_multiline_texts_are_not_mistaken_for_swallowed_rows(read):
    mails = [f'"Dear all,\n\nmail {i}, as announced:\nbye, me"' for i in range(20)]
    table = read("text,label\n" + "\n".join(f"{m},{'ab'[i % 2]}" for i, m in enumerate(mails)))
    assert table.reading.quoting is True
    assert table.column(0) == [m[1:-1] for m in mails]


def test_one_bad_quote_does_not_switch_quoting_off(read):
    lines = [f'"one, two {i}",x' for i in range(50)]
    lines[7] = '"wrong" end, really,x'
    table = read("text,label\n" + "\n".join(lines))
    assert table.reading.quoting is True
    assert table.column(0)[0] == "one, two 0"
    assert table.rows == 50


def test_quotes_escaped_by_backslashes_are_read_and_other_backslashes_stay(read):
    rows_written = [r'"He said \"hi, you\", C:\new",x', '"plain, too",y'] * 3
    table = read("text,label\n" + "\n".join(rows_written))
    assert table.column(0) == ['He said "hi, you", C:\\new', "plain, too"] * 3
    assert any("backslash" in n for n in table.notes)


def test_the_line_that_names_the_delimiter_to_excel_is_no_row(read):
    table = read("sep=;\r\ntext;label\r\na, b;x\r\n")
    assert (table.columns, rows(table)) == (("text", "label"), [("a, b", "x")])


@settings_of_hypothesis(max_examples=60, deadline=None)
@given(
    cells=st.lists(
        st.tuples(st.text(alphabet="ab \"',;\t|\r\n\\\\é", min_size=1, max_size=12), st.sampled_from("xyz")),
        min_size=8,
        max_size=40,
    ),
    delimiter=st.sampled_from(",;\t|"),
)
def test_what_python_writes_as_csv_comes_back_to_the_letter(cells, delimiter):
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("text", "label"), *cells])
    table = Delimited(written.getvalue().encode(), "data.csv")
    reading, scan = table.sniff(Reading("csv"))
    columns, surplus = table.columns(reading, scan)
    with tempfile.TemporaryDirectory() as folder:
        with TableWriter(Path(folder) / "t.arrow", len(columns)) as out:
            table.write(reading, scan, out, surplus)
        found = [tuple(row.values()) for row in open_arrow(Path(folder) / "t.arrow").to_pylist()]
    assert columns == ("text", "label")
    assert found == cells


def test_the_header_is_recognised_and_can_be_changed(read):
    assert read("what,kind\nhello,a\nbye,b\n").columns == ("what", "kind")
    data = "".join(f"some text {i},{'pos' if i % 2 else 'neg'}\n" for i in range(20))
    table = read(data)
    assert table.columns == ("column 1", "column 2")
    assert table.rows == 20
    assert read(data, header=True).rows == 19
    assert read("text,label\na,x\n", header=False).rows == 2


def test_a_reading_that_was_shown_reads_the_same(tmp_path, settings):
    path = tmp_path / "upload"
    path.write_text("text;label\n" + "größer;x\n" * 5, encoding="cp1252")
    shown = sniff(path, "data.csv", settings)
    assert (shown.format, shown.delimiter, shown.encoding, shown.header) == ("csv", ";", "cp1252", True)
    table = read_table(path, "data.csv", settings, shown)
    assert table.reading == shown
    changed = read_table(path, "data.csv", settings, replace(shown, delimiter=",", header=False))
    assert rows(changed)[0] == ("text;label",)


# ------------------------------------------------------------------ encodings


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "grüße 😀 مرحبا"),
        ("utf-8-sig", "grüße 😀"),
        ("utf-16", "grüße 😀"),
        ("utf-32", "grüße 😀"),
        ("cp1252", "Schöne Grüße aus Köln, “alles” für 5 €"),
        ("cp1250", "Přesílka došla příliš pozdě, žádám o vrácení peněz"),
        ("cp1251", "Посылка пришла слишком поздно"),
        ("cp932", "荷物の到着が遅すぎて、壊れていました"),
    ],
)
def test_texts_survive_in_every_usual_encoding(read, encoding, text):
    table = read(f"text,label\n{text.replace(',', ';')},x\n".encode(encoding))
    assert table.columns == ("text", "label")
    assert table.column(0) == [text.replace(",", ";")]


def test_utf16_without_a_mark_is_recognised(read):
    assert read("text,label\nhello there,x\n".encode("utf-16-le")).column(0) == ["hello there"]


def test_mixed_encodings_are_mended_and_reported(read):
    good = "".join(f"größer {i},x\n" for i in range(20)).encode()
    table = read(b"text,label\n" + good + b"caf\xe9 \x93ok\x94,y\n")
    assert table.column(0)[0] == "größer 0"
    assert table.column(0)[-1] == "café “ok”"
    assert any("3 bytes were read as Windows-1252" in n for n in table.notes)


def test_a_chosen_encoding_is_taken_and_its_failures_reported(read):
    assert read("text,label\ngrün,x\n".encode(), encoding="latin-1").column(0) == ["grÃ¼n"]
    table = read("text,label\ngrün,x\n".encode(), encoding="ascii")
    assert table.column(0) == ["gr\ufffd\ufffdn"]
    assert any("2 places" in n for n in table.notes)
    with pytest.raises(BadFile, match="no encoding “klingon”"):
        read("text,label\na,x\n", encoding="klingon")


# ------------------------------------------------------------------ JSON


def test_json_keeps_numbers_as_written_and_nested_values_as_json(read):
    found = read(
        '[{"text":"a","n":1e5,"f":0.10,"i":12345678901234567890,"b":true,"z":null,"l":[1,{"k":"é"}]},{"text":"b"}]',
        "data.json",
    )
    assert found.columns == ("text", "n", "f", "i", "b", "z", "l")
    assert rows(found) == [
        ("a", "1e5", "0.10", "12345678901234567890", "true", None, '[1,{"k":"é"}]'),
        ("b", None, None, None, None, None, None),
    ]


def test_every_usual_shape_of_json_is_read(read):
    expected = [("a", "x"), ("b", "y")]
    for content in (
        '[{"text":"a","label":"x"},{"text":"b","label":"y"}]',
        '{"text":["a","b"],"label":["x","y"]}',
        '{"text":{"0":"a","1":"b"},"label":{"0":"x","1":"y"}}',
        '{"version":1,"data":[{"text":"a","label":"x"},{"text":"b","label":"y"}]}',
        '{"text":"a","label":"x"}\n\n{"text":"b","label":"y"}\n',
        '[["text","label"],["a","x"],["b","y"]]',
        '{\n "text":"a",\n "label":"x"\n}\n{\n "text":"b",\n "label":"y"\n}',
    ):
        for name in ("data.json", "data.csv"):  # the name is only a hint
            table = read(content, name)
            assert table.columns == ("text", "label"), content
            assert rows(table) == expected, content


def test_json_with_splits_keeps_them(read):
    table = read('{"train":[{"text":"a"}],"dev":[{"text":"b"}],"test":[{"text":"c"}]}', "data.json")
    assert table.given_parts == ("train", "validation", "test")


def test_json_lists_by_class_keep_the_class(read):
    table = read('{"spam":[{"text":"a"}],"ham":[{"text":"b"},{"text":"c"}]}', "data.json")
    assert rows(table) == [("spam", "a"), ("ham", "b"), ("ham", "c")]


def test_lone_surrogates_and_strange_separators_in_jsonl(read):
    lines = ['{"text":"half \\ud83d of it"}', '{"text":"whole \\ud83d\\ude00"}', '{"text":"a\u0085b\u2028c"}']
    table = read("\n".join(lines), "data.jsonl")
    assert table.column(0) == ["half \ufffd of it", "whole 😀", "a\u0085b\u2028c"]
    assert any("1 cell held half of a character" in n for n in table.notes)


def test_broken_json_is_refused_with_its_place(read):
    with pytest.raises(BadFile, match="line 2"):
        read('{"text":"a"}\n{"text":"b\n', "data.jsonl")
    with pytest.raises(BadFile, match="nested too deeply"):
        read("[" * 100_000 + "]" * 100_000, "data.json")


def test_text_that_begins_with_a_bracket_is_still_a_table(read):
    assert rows(read("[removed],x\n[deleted],y\n", header=False)) == [("[removed]", "x"), ("[deleted]", "y")]


# ------------------------------------------------------------------ Parquet


def test_parquet_values_of_all_types_become_plain_text(read, tmp_path):
    import datetime as dt

    table = pa.table(
        {
            "i": pa.array([5, None]),
            "f": pa.array([0.1, 1e300]),
            "b": pa.array([True, False]),
            "t": pa.array([dt.datetime(2024, 5, 1, 10, 30), None], pa.timestamp("us")),
            "d": pa.array([dt.date(2024, 5, 1), None]),
            "l": pa.array([["a", "b"], None]),
            "s": pa.array([{"k": 1}, {"k": None}]),
            "c": pa.array(["x", "y"]).dictionary_encode(),
            "u": pa.array(["NA", None], pa.large_string()),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    found = read((tmp_path / "t.parquet").read_bytes(), "renamed.csv")
    assert found.columns == tuple("ifbtdlscu")
    assert rows(found) == [
        ("5", "0.1", "true", "2024-05-01T10:30:00", "2024-05-01", '["a","b"]', '{"k":1}', "x", "NA"),
        (None, "1e+300", "false", None, None, None, '{"k":null}', "y", None),
    ]


def test_class_numbers_of_huggingface_parquet_become_names(read, tmp_path):
    features = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}
    meta = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"text": ["a", "b", "c"], "label": [1, 0, -1]}).replace_schema_metadata(meta)
    pq.write_table(table, tmp_path / "t.parquet")
    found = read((tmp_path / "t.parquet").read_bytes(), "t.parquet")
    assert found.column(1) == ["pos", "neg", None]
    assert any("“label”" in n for n in found.notes)


def test_parquet_with_a_repeated_column_name(read, tmp_path):
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "t.parquet")
    found = read((tmp_path / "t.parquet").read_bytes(), "t.parquet")
    assert (found.columns, rows(found)) == (("text", "text"), [("a", "b")])


# ------------------------------------------------------------------ Excel

_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELS = "http://schemas.openxmlformats.org/package/2006/relationships"


def workbook(path: Path, sheets: dict[str, str], hidden: str = "") -> bytes:
    """A minimal xlsx: sheet name -> its <row> elements. Style 1 is a date."""
    state = {name: ' state="hidden"' if name == hidden else "" for name in sheets}
    listed = "".join(
        f'<sheet name="{n}" sheetId="{i}" r:id="r{i}"{state[n]}/>' for i, n in enumerate(sheets, 1)
    )
    links = "".join(
        f'<Relationship Id="r{i}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, len(sheets) + 1)
    )
    links += f'<Relationship Id="rs" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        top = f'<Relationship Id="r" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        archive.writestr("_rels/.rels", f'<Relationships xmlns="{_RELS}">{top}</Relationships>')
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{_RELS}">{links}</Relationships>'
        )
        archive.writestr(
            "xl/styles.xml",
            f'<styleSheet xmlns="{_MAIN}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
        )
        for i, content in enumerate(sheets.values(), 1):
            archive.writestr(
                f"xl/worksheets/sheet{i}.xml",
                f'<worksheet xmlns="{_MAIN}"><sheetData>{content}</sheetData></worksheet>',
            )
    return path.read_bytes()


def cells(number: int, *values: str) -> str:
    """A <row>; values are <c> contents made by `s` and friends, "" leaves a gap."""
    inside = "".join(v.replace("<c", f'<c r="{chr(65 + i)}{number}"', 1) for i, v in enumerate(values) if v)
    return f'<row r="{number}">{inside}</row>'


def s(text: str) -> str:
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def test_excel_cells_of_all_types_become_plain_text(read, tmp_path):
    content = cells(1, s("text"), s("n"), s("f"), s("d"), s("b"), s("id"))
    content += cells(
        2,
        s("hello"),
        "<c><v>5</v></c>",
        "<c><v>2.5</v></c>",
        '<c s="1"><v>45413</v></c>',
        '<c t="b"><v>1</v></c>',
        s("007"),
    )
    content += cells(3, "", "<c><v>-3</v></c>", "", "", '<c t="b"><v>0</v></c>', s("NA"))
    table = read(workbook(tmp_path / "w.xlsx", {"Data": content}), "w.csv")
    assert table.columns == ("text", "n", "f", "d", "b", "id")
    assert table.reading.format == "excel"
    assert rows(table) == [
        ("hello", "5", "2.5", "2024-05-01", "TRUE", "007"),
        (None, "-3", None, None, "FALSE", "NA"),
    ]


def test_excel_sheets_can_be_chosen_and_hidden_ones_come_last(read, tmp_path):
    sheets = {
        "Lists": cells(1, s("text")) + cells(2, s("from the hidden one")),
        "Data": cells(1, s("text")) + cells(2, s("from data")),
    }
    content = workbook(tmp_path / "w.xlsx", sheets, hidden="Lists")
    table = read(content, "w.xlsx")
    assert (table.reading.sheet, table.column(0)) == ("Data", ["from data"])
    assert table.reading.sheets == ("Data", "Lists")
    assert any("“Lists”" in n for n in table.notes)
    assert read(content, "w.xlsx", sheet="Lists").column(0) == ["from the hidden one"]
    with pytest.raises(BadFile, match="no sheet “Other”"):
        read(content, "w.xlsx", sheet="Other")


# ------------------------------------------------------------------ what is refused

_ZIP = b"PK\x03\x04" + bytes(200)


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "data.csv", "is empty"),
        (b"\n \n\n", "data.csv", "blank lines"),
        (b"text,label\n", "data.csv", "header line and no rows"),
        (b"MZ\x90\x00" + bytes(range(256)) * 8, "setup.csv", "program"),
        (b"\x7fELF" + bytes(600), "data.csv", "program"),
        (b"%PDF-1.7 text", "data.csv", "PDF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "data.csv", "picture"),
        (b"\x1f\x8b\x08" + bytes(50), "data.csv.gz", "compressed"),
        (_ZIP, "data.xlsx", "damaged workbook"),
        (b'<?xml version="1.0"?><a><b/></a>', "data.csv", "XML"),
        (b"<html><table><tr><td>a</td></tr></table></html>", "data.xls", "web page"),
        (b"\x80\x04\x95" + bytes(50), "data.pkl", "pickle"),
        (b"text,label\na\x00b,x\n", "data.csv", "binary"),
        (b"PAR1" + bytes(40) + b"PAR1", "data.parquet", "damaged Parquet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000), "data.xls", "cannot be read as a workbook"),
        (b"[]", "data.json", "no rows"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(read, content, name, says):
    with pytest.raises(BadFile) as caught:
        read(content, name)
    message = str(caught.value)
    assert says in message
    assert message.endswith(".")
    assert "Traceback" not in message


def test_a_zip_that_is_no_workbook_is_refused(read, tmp_path):
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("data.csv", "text,label\na,x\n")
    with pytest.raises(BadFile, match="zip archive"):
        read((tmp_path / "z.zip").read_bytes(), "data.csv")


def test_a_file_over_the_limit_is_refused_unread(tmp_path, settings):
    path = tmp_path / "big.csv"
    with path.open("wb") as stream:
        stream.truncate(300 * MIB)
    with pytest.raises(TooLarge, match=r"300 MB; the limit is 200 MB.*Parquet.*FINESIFT_MAX_FILE_MB"):
        read_table(path, "big.csv", settings)


def test_a_missing_file_and_a_folder_are_refused(tmp_path, settings):
    with pytest.raises(BadFile, match="cannot be opened"):
        read_table(tmp_path / "none.csv", "none.csv", settings)
    with pytest.raises(BadFile, match="folder"):
        read_table(tmp_path, "folder", settings)


# ------------------------------------------------------------------ limits

posix = pytest.mark.skipif(os.name != "posix", reason="no resource limits on this system")


@posix
def test_a_parquet_bomb_ends_as_too_large(tmp_path, settings):
    big = pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int32()), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"text": big}), tmp_path / "bomb.parquet", compression="zstd")
    assert (tmp_path / "bomb.parquet").stat().st_size < 100_000
    with pytest.raises(TooLarge, match="1,024 MB of memory"):
        read_table(tmp_path / "bomb.parquet", "bomb.parquet", settings)


@posix
def test_a_parquet_file_that_would_fill_the_disk_ends_as_too_large(tmp_path, settings):
    pq.write_table(pa.table({"text": ["ab" * 500] * 300_000}), tmp_path / "bomb.parquet", compression="zstd")
    with pytest.raises(TooLarge):
        read_table(tmp_path / "bomb.parquet", "bomb.parquet", replace(settings, max_parse_bytes=200 * MIB))
    assert not list((settings.home / "tmp").iterdir())


@posix
def test_a_workbook_with_a_cell_in_the_far_corner_ends_as_too_large(tmp_path, settings):
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    workbook(tmp_path / "bomb.xlsx", {"Data": cells(1, s("text")) + far})
    with pytest.raises(TooLarge, match="memory"):
        read_table(tmp_path / "bomb.xlsx", "bomb.xlsx", settings)


def test_a_workbook_that_unpacks_to_more_than_the_limit_is_refused(tmp_path, settings):
    many = "".join(cells(i, s("y" * 5000)) for i in range(2, 15_000))
    workbook(tmp_path / "bomb.xlsx", {"Data": cells(1, s("text")) + many})
    with pytest.raises(TooLarge, match="unpacks to"):
        read_table(tmp_path / "bomb.xlsx", "bomb.xlsx", replace(settings, max_parse_bytes=64 * MIB))


def test_reading_that_takes_too_long_is_stopped(tmp_path, settings):
    path = tmp_path / "data.csv"
    path.write_text("text,label\na,x\n", encoding="utf-8")
    with pytest.raises(TooLarge, match="seconds and was stopped"):
        read_table(path, "data.csv", replace(settings, max_parse_seconds=0.01))


def test_nothing_is_left_behind(tmp_path, settings):
    path = tmp_path / "data.csv"
    path.write_text("text,label\na,x\nb,y\n", encoding="utf-8")
    table = read_table(path, "data.csv", settings)
    assert table.column(0) == ["a", "b"]  # still readable: mapped, or in memory
    assert not list((settings.home / "tmp").iterdir())


def test_a_reader_that_breaks_down_is_a_bad_file_in_a_sentence(tmp_path, settings):
    # A request without a path is what no page sends: the child ends with a traceback.
    with pytest.raises(BadFile, match=r"“x” cannot be read \(.*\)\. Try another\.") as caught:
        ask("core.data.reader_process", {"file_name": "x"}, settings, subject="“x”", advice="Try another.")
    assert "Traceback" not in str(caught.value)


# ------------------------------------------------------------------ columns


def test_a_column_is_found_by_name_case_and_count():
    columns = ["Text", "text", "label", "", "a#2"]
    assert column_index(columns, "text") == 1
    assert column_index(columns, "LABEL") == 2
    assert column_index(columns, "text#1") == 1
    assert column_index(columns, "TEXT#2") == 1
    assert column_index(["text", "text"], "text#2") == 1
    assert column_index(columns, "") == 3
    assert column_index(columns, "a#2") == 4
    with pytest.raises(BadColumn, match=r"no column “wrong”.*“Text”, “text”, “label”"):
        column_index(columns, "wrong")


@pytest.mark.parametrize(
    ("content", "text", "label"),
    [
        ("id,label,text\n1,x,hello\n2,y,bye\n", 2, 1),
        ("count,class,tweet\n3,1,hello you\n3,2,bye you\n", 2, 1),
        ("review_id,review_text,stars_given\n1,good,5\n2,bad,1\n", 1, 2),
        ("id,review_text,label_count\n1,good,5\n2,bad,6\n", 1, None),
        ("a,b\n" + "".join(f"a long and varied text {i},{'pq'[i % 2]}\n" for i in range(20)), 0, 1),
        ("text\nhello\nbye\n", 0, None),
        ("text,split\n" + "".join(f"t {i},{'train' if i % 2 else 'test'}\n" for i in range(20)), 0, None),
    ],
)
def test_text_and_label_columns_are_guessed(read, content, text, label):
    found = suggest_columns(read(content))
    assert found == (text, label)
