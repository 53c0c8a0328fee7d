"""A grid of heads as files that need nothing else: an HTML table with a sentence for each head, and a figure (PNG, SVG).

Knows layers by row, heads by column, a word and a colour in each cell. Does not know what they mean.
"""

from __future__ import annotations

import html as escaping
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from core.explain.export.palette import VARIABLES

_HERE = Path(__file__).parent
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_EMPTY, _INK, _QUIET = "#F0F2F3", "#1B2228", "#4E5864"
_WIDE, _HIGH = 0.72, 0.42  # inches of a cell


@dataclass(frozen=True)
class Square:
    text: str  # in the cell; a line break makes two lines
    color: str  # "#RRGGBB" behind it; "" for none
    ink: str  # "#RRGGBB" of the text; "" for the usual
    told: str  # the whole of it in words


def page(squares: Sequence[Sequence[Square]], title: str, caption: str = "") -> bytes:
    """One page with the (L, H) squares as a table; pointing at a cell says the whole of it. Texts come in as text."""
    heads = len(squares[0]) if squares else 0
    header = "".join(f'<th scope="col">{head + 1}</th>' for head in range(heads))
    rows = "".join(
        f'<tr><th scope="row">Layer {layer + 1}</th>{"".join(_cell(square) for square in row)}</tr>'
        for layer, row in enumerate(squares)
    )
    parts = {
        "title": escaping.escape(title),
        "caption": escaping.escape(caption),
        "light": _variables(VARIABLES["light"]),
        "dark": _variables(VARIABLES["dark"]),
        "media": "@media",
        "table": f'<thead><tr><th scope="col">head</th>{header}</tr></thead><tbody>{rows}</tbody>',
    }
    frame = (_HERE / "grid.html").read_text(encoding="utf-8").split("@")
    # each place is filled once, what fills it is never read again
    return "".join(parts[piece] if at % 2 else piece for at, piece in enumerate(frame)).encode()


def _cell(square: Square) -> str:
    colors = "".join(
        f"{name}:{value};"
        for name, value in (("background", square.color), ("color", square.ink))
        if _COLOR.fullmatch(value)
    )
    words = "<br>".join(escaping.escape(line) for line in square.text.split("\n"))
    return f'<td style="{colors}" title="{escaping.escape(square.told)}">{words}</td>'


def _variables(values: dict[str, str]) -> str:
    return " ".join(f"{name}: {value};" for name, value in values.items())


def figure(squares: Sequence[Sequence[Square]], title: str, caption: str = "", kind: str = "png") -> bytes:
    """The (L, H) squares as they stand on the light screen; `kind` “png” or “svg”."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    from core.explain.export.figure import FORMATS, settings

    if kind not in FORMATS:
        raise ValueError(f"a figure is one of {', '.join(FORMATS)}, not {kind!r}")
    layers, heads = len(squares), len(squares[0]) if squares else 0
    with rc_context(settings()):
        made = Figure(figsize=(_WIDE * (heads + 1.4), _HIGH * (layers + 1) + 0.9), facecolor="white")
        (FigureCanvasAgg if kind == "png" else FigureCanvasSVG)(made)
        axes = made.add_axes((0, 0, 1, 1))
        for layer, row in enumerate(squares):
            axes.text(-0.6, layer, f"Layer {layer + 1}", ha="right", va="center", fontsize=9, color=_QUIET)
            for head, square in enumerate(row):
                fill = square.color if _COLOR.fullmatch(square.color) else _EMPTY
                axes.add_patch(
                    Rectangle((head - 0.48, layer - 0.46), 0.96, 0.92, facecolor=fill, linewidth=0)
                )
                ink = square.ink if _COLOR.fullmatch(square.ink) else _INK
                axes.text(
                    head, layer, square.text, ha="center", va="center", fontsize=8, color=ink, parse_math=False
                )  # fmt: skip
        for head in range(heads):
            axes.text(head, -0.75, str(head + 1), ha="center", va="center", fontsize=9, color=_QUIET)
        axes.text(-0.6, -0.75, "head", ha="right", va="center", fontsize=9, color=_QUIET)
        axes.text(-0.5, -1.5, title, ha="left", va="center", fontsize=12, color=_INK, parse_math=False)
        if caption:
            axes.text(-0.5, layers, caption, ha="left", va="top", fontsize=8, color=_QUIET, parse_math=False)
        axes.set_xlim(-2, heads)
        axes.set_ylim(layers + 0.6, -2)
        axes.axis("off")
        out = BytesIO()
        made.savefig(
            out,
            format=kind,
            dpi=200,
            bbox_inches="tight",
            metadata={"Date": None} if kind == "svg" else {"Software": None},
        )
    return out.getvalue()
