"""Parquet, group by group in little memory.

Knows Arrow types and the ClassLabel names that `datasets` leaves in the schema. Does not know other formats.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.writer import TableWriter
from core.errors import BadFile
from core.records import Reading

_ROWS = 8192  # a batch; a dictionary-encoded batch can unpack to far more than its file


class ParquetTable:
    def __init__(self, path: Path, file_name: str) -> None:
        self.file_name = file_name
        try:
            # Buffered, because pre-reading whole column chunks defeats the memory limit.
            self._file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise BadFile(
                f"“{file_name}” is a damaged Parquet file ({_brief(error)}). Save it again and upload the new file."
            ) from None
        if not self._file.metadata.num_rows or not len(self._file.schema_arrow):
            raise BadFile(f"“{file_name}” has no rows. Choose another file.")

    def reading(self) -> Reading:
        return Reading(format="parquet")

    def columns(self) -> tuple[str, ...]:
        return tuple(self._file.schema_arrow.names)

    def write(self, writer: TableWriter) -> list[str]:
        schema = self._file.schema_arrow
        features = huggingface_features(schema)
        try:
            for batch in self._file.iter_batches(batch_size=_ROWS, use_threads=False):
                writer.arrays(
                    [
                        as_strings(column, features.get(name), writer.strings)
                        for name, column in zip(schema.names, batch.columns, strict=True)
                    ]
                )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise BadFile(
                f"“{self.file_name}” cannot be read to its end ({_brief(error)}). Save it again and upload "
                "the new file."
            ) from None
        decoded = [n for n in schema.names if has_class_names(features.get(n))]
        if decoded:
            listed = ", ".join(f"“{n}”" for n in decoded)
            return [f"The numbers in {listed} were turned into the class names that the file gives for them."]
        return []


def huggingface_features(schema: pa.Schema) -> dict[str, Any]:
    """The features that `datasets` wrote into the schema; empty where there are none."""
    raw = (schema.metadata or {}).get(b"huggingface")
    if not raw:
        return {}
    try:
        features = json.loads(raw)["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def class_names(feature: Any) -> list[str]:
    """The names of a ClassLabel feature, in the order of its numbers; empty for any other feature."""
    if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
        names = feature.get("names")
        if isinstance(names, list):
            return [str(n) for n in names]
    return []


def has_class_names(feature: Any) -> bool:
    """A ClassLabel, or a list of them: its numbers become names."""
    return bool(class_names(feature) or class_names(_item_feature(feature)))


def _holds_lists_of_integers(kind: Any) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(lists and pa.types.is_integer(kind.value_type))


def _item_feature(feature: Any) -> Any:
    """The feature of a list's items, however `datasets` has written it; None where it is no list."""
    if isinstance(feature, list):
        return feature[0] if feature else None
    kind = feature.get("_type") if isinstance(feature, dict) else None
    return feature.get("feature") if kind in ("Sequence", "List", "LargeList") else None


def as_strings(column: pa.Array, feature: Any, strings: Callable[[list[str | None]], pa.Array]) -> pa.Array:
    """A column of any type as large_string: whole numbers as they are, floats by repr, times in ISO 8601,
    lists and structs as compact JSON, class numbers, also in lists, as their names (-1, no label, as null)."""
    names = class_names(feature)
    of_items = class_names(_item_feature(feature))
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if names and pa.types.is_integer(kind):
        return strings([_name(v, names) for v in column.to_pylist()])
    if of_items and _holds_lists_of_integers(kind):
        named = [None if v is None else [_name(i, of_items) for i in v] for v in column.to_pylist()]
        return strings([cell_text(v) for v in named])
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        return column.cast(pa.large_string())
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return column.cast(pa.large_string())
    return strings([cell_text(v) for v in column.to_pylist()])


def cell_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    plain = _plain(value)
    if isinstance(plain, str):
        return plain
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, list | dict):
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return repr(plain)


def _plain(value: Any) -> Any:
    """What JSON can hold."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.hex()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def _name(value: int | None, names: list[str]) -> str | None:
    if value is None or value == -1:
        return None
    return names[value] if 0 <= value < len(names) else str(value)


def _brief(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
