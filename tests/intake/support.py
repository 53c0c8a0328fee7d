"""Rows of a table, and workbooks built by hand."""

from __future__ import annotations

import zipfile
from pathlib import Path

from core.data.table import Table


def rows(table: Table) -> list[tuple[str | None, ...]]:
    return list(zip(*(c.to_pylist() for c in table.data.columns), strict=True))


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
