"""How an uploaded file was read: shown in a line, and changeable where the detection was wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.data.intake import sniff
from core.errors import FinesiftError
from core.records import Reading
from ui import state
from ui.bring import Upload
from ui.uploads import kept_upload
from ui.words import escape_markdown

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

FORMATS = {"csv": "Text table", "excel": "Excel", "parquet": "Parquet", "json": "JSON", "jsonl": "JSON lines"}
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar", "\x1f": "none: one column"}
WANTED = "data_wanted"  # session key: (file id, Reading) that was asked for
ENCODINGS = (
    "utf-8", "utf-16", "cp1252", "iso-8859-1", "iso-8859-15", "cp1250", "iso-8859-2", "cp1251", "koi8-r", "cp1253",
    "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874", "mac_roman", "shift_jis", "euc_jp", "gb18030", "big5",
    "euc_kr",
)  # fmt: skip


def reading_words(reading: Reading) -> str:
    """“Text table, utf-8, comma, quotes, header” as one line."""
    words = [FORMATS.get(reading.format, reading.format)]
    if reading.sheet is not None and len(reading.sheets) > 1:
        words.append(f"sheet “{reading.sheet}”")
    if reading.encoding:
        words.append(reading.encoding)
    if reading.delimiter:
        words.append(f"delimiter {DELIMITERS.get(reading.delimiter, reading.delimiter)}")
    if reading.quoting is not None:
        words.append("quote characters group" if reading.quoting else "quote characters are text")
    if reading.header is not None:
        words.append("first line is the header" if reading.header else "no header")
    return ", ".join(words)


def wanted_reading(file: UploadedFile | None) -> Reading | None:
    """The reading that was asked for this very file; None: detect everything."""
    file_id, wanted = st.session_state.get(WANTED, (None, None))
    return wanted if file is not None and file.file_id == file_id else None


def change_reading(file: UploadedFile, upload: Upload) -> None:
    """Show the reading and let it be changed; a change is read in another run."""
    detected = _detected(file, upload)
    if detected is None:
        return
    now = upload.table.reading if upload.table is not None else (upload.wanted or detected)
    changeable = detected.format in ("csv", "excel", "json", "jsonl")
    with st.container(key="data_reading", gap="small"):
        st.caption(f"Read as: {escape_markdown(reading_words(now))}.")
        if not changeable:
            return
        with st.expander("Read it differently", expanded=upload.fault is not None, key="data_reading_more"):
            wanted = _controls(detected, key="".join(c for c in file.file_id if c.isalnum()))
    asked = None if wanted == detected else wanted
    if asked == upload.wanted:
        return
    st.session_state[WANTED] = (file.file_id, asked)
    st.rerun()


def _detected(file: UploadedFile, upload: Upload) -> Reading | None:
    """What was detected for this file when it was first read; kept, so that a change can be taken back."""
    kept: tuple[str, Reading] | None = st.session_state.get("data_detected")
    if kept is not None and kept[0] == file.file_id:
        return kept[1]
    if upload.wanted is not None:
        return None
    if upload.table is not None:
        detected = upload.table.reading
    else:  # it could not be read as detected; read differently it may be (a file of one line, say)
        workspace = state.workspace()
        try:
            detected = sniff(kept_upload(workspace, file), file.name, workspace.settings)
        except FinesiftError:
            return None
    st.session_state["data_detected"] = (file.file_id, detected)
    return detected


def _controls(detected: Reading, *, key: str) -> Reading:
    """The widgets that apply to the format, as one reading."""
    wanted = detected
    columns = st.columns(2)
    if detected.format == "excel":
        if len(detected.sheets) > 1:
            sheet = columns[0].selectbox(
                "Sheet", detected.sheets, index=_place(detected.sheets, detected.sheet), key=f"sheet_{key}"
            )
            wanted = replace(wanted, sheet=sheet)
    elif detected.encoding is not None:
        encodings = list(dict.fromkeys([detected.encoding, *ENCODINGS]))
        encoding = columns[0].selectbox(
            "Encoding",
            encodings,
            key=f"encoding_{key}",
            accept_new_options=True,
            help="Letters such as ä or é look wrong in the preview when the encoding is wrong.",
        )
        wanted = replace(wanted, encoding=encoding or detected.encoding)
    if detected.format == "csv":
        delimiters = list(dict.fromkeys([detected.delimiter or ",", *DELIMITERS]))
        delimiter = columns[1].selectbox(
            "Delimiter",
            delimiters,
            format_func=lambda d: DELIMITERS.get(d, d),
            key=f"delimiter_{key}",
        )
        quoting = columns[0].toggle(
            "Quote characters group a cell",
            value=bool(detected.quoting),
            key=f"quoting_{key}",
            help="Off: a quotation mark is an ordinary character, as in many tab-separated files.",
        )
        wanted = replace(wanted, delimiter=delimiter, quoting=quoting)
    if detected.header is not None:
        header = columns[1].toggle("The first line is the header", value=detected.header, key=f"header_{key}")
        # another sheet may have another header: unless it was said, it is detected again
        said = header != detected.header or wanted.sheet == detected.sheet
        wanted = replace(wanted, header=header if said else None)
    return wanted


def _place(options: tuple[str, ...], value: str | None) -> int:
    return options.index(value) if value in options else 0
