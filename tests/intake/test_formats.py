"""JSON, Parquet and Excel, each built here: what comes in must come out to the letter."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import BadFile
from tests.intake.support import cells, rows, s, workbook

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
