"""Files of all kinds, each built here: what comes in must come out to the letter, or be refused in a sentence."""

from __future__ import annotations

import csv
import io
import os
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from core.data.delimited import Delimited
from core.data.guarded import ask, open_arrow
from core.data.intake import read_table, sniff
from core.data.table import column_index, suggest_columns
from core.data.writer import TableWriter
from core.errors import BadColumn, BadFile, TooLarge
from core.records import Reading
from core.settings import MIB
from tests.intake.support import cells, rows, s, workbook

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
