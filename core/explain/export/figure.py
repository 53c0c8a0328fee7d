"""One plane of attention as a figure for paper or slides: lines between tokens beside the matrix, PNG or SVG (matplotlib).

Knows arrays and words. Does not know models, or the screen's component. Tokens are drawn to the letter: no formulas, no
markup. An SVG keeps them as text, in the fonts of whoever opens it; a PNG needs fonts of this machine for all scripts.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
FORMATS = {"png": "image/png", "svg": "image/svg+xml"}
MOST_LINES = 2000  # more would blur into a surface
MOST_TOKENS = 128  # on a side of a figure; of longer texts the first ones
# families tried in turn for each character; those that are not installed are passed over
FONTS = (
    "DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Arial Unicode MS",
    "Microsoft YaHei", "PingFang SC", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Emoji", "Symbola",
)  # fmt: skip
_PITCH = 0.24  # inches of one token


def figure(
    plane: Array,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
    caption: str = "",
    kind: str = "png",
    signed: bool = False,
    colors: Sequence[str] = ("#F3F8FB", "#72B0C8", "#0B4E68"),
) -> bytes:
    """The plane (T, S) as a file of `kind` “png” or “svg”: left its lines, right the matrix.

    `rows`, `columns`: T and S names. `signed`: differences, on a scale centred on zero; `colors` then run from the least
    over zero to the most, else from zero to the most."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    if kind not in FORMATS:
        raise ValueError(f"a figure is one of {', '.join(FORMATS)}, not {kind!r}")
    left_out = max(0, len(rows) - MOST_TOKENS, len(columns) - MOST_TOKENS)
    plane = np.asarray(plane, dtype=np.float64)[:MOST_TOKENS, :MOST_TOKENS]
    rows, columns = list(rows)[:MOST_TOKENS], list(columns)[:MOST_TOKENS]
    words = f"{caption} The first {MOST_TOKENS} tokens are drawn." if left_out else caption
    with warnings.catch_warnings(), rc_context(settings()):
        warnings.simplefilter("ignore", UserWarning)  # a glyph that no font here has: an empty box
        tall = _PITCH * max(len(rows), len(columns))
        made = Figure(figsize=(7.0 + _PITCH * len(columns), tall + 2.4), facecolor="white")
        (FigureCanvasAgg if kind == "png" else FigureCanvasSVG)(made)
        lines, matrix = made.subplots(1, 2, width_ratios=[4.2, 2.2 + _PITCH * len(columns)])
        made.subplots_adjust(wspace=0.45)
        scale = _Scale(plane, colors, signed)
        _lines(lines, plane, rows, columns, scale)
        _matrix(matrix, plane, rows, columns, scale)
        made.suptitle(title, fontsize=12, parse_math=False)
        if words:
            made.text(
                0.5, 0.005, words, ha="center", va="bottom", fontsize=7, color="#4E5864", parse_math=False
            )
        out = BytesIO()
        made.savefig(
            out,
            format=kind,
            dpi=200,
            bbox_inches="tight",
            metadata={"Date": None} if kind == "svg" else {"Software": None},
        )
    return out.getvalue()


def settings() -> Any:  # matplotlib types the names of all its settings
    from matplotlib import font_manager

    known = {entry.name for entry in font_manager.fontManager.ttflist}
    return {
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "finesift",  # the same picture is the same file
        "font.family": [name for name in FONTS if name in known],
        "text.usetex": False,
    }


class _Scale:
    """From a weight to a colour."""

    def __init__(self, plane: Array, colors: Sequence[str], signed: bool) -> None:
        from matplotlib.colors import LinearSegmentedColormap, Normalize

        most = float(np.abs(plane).max(initial=0.0)) or 1.0
        self.top, self.signed = most, signed
        self.map = LinearSegmentedColormap.from_list("finesift", list(colors))
        self.norm = Normalize(-most if signed else 0.0, most)

    def color(self, weight: float) -> Any:
        return self.map(self.norm(weight))


def _lines(axes: Any, plane: Array, rows: Sequence[str], columns: Sequence[str], scale: _Scale) -> None:
    from matplotlib.collections import LineCollection

    order = np.argsort(np.abs(plane), axis=None)[-MOST_LINES:]
    strength = np.abs(plane.ravel()[order]) / scale.top
    order, strength = order[strength >= 0.02], strength[strength >= 0.02]
    at = np.linspace(0, 1, 60)
    bend = 3 * at**2 - 2 * at**3  # leaves and arrives level
    paths = [
        np.column_stack([at, (k // len(columns)) * (1 - bend) + (k % len(columns)) * bend])
        for k in order.tolist()
    ]
    strong = [
        scale.color(float(plane.ravel()[k])) if scale.signed else scale.color(scale.top)
        for k in order.tolist()
    ]
    shades = [
        (*color[:3], 0.1 + 0.85 * share) for color, share in zip(strong, strength.tolist(), strict=True)
    ]
    axes.add_collection(
        LineCollection(paths, colors=shades, linewidths=[0.4 + 2.6 * s for s in strength.tolist()])
    )
    for x, side, names in ((-0.03, "right", rows), (1.03, "left", columns)):
        for k, name in enumerate(names):
            axes.text(x, k, name, ha=side, va="center", fontsize=9, parse_math=False)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(max(len(rows), len(columns)) - 0.5, -0.5)
    axes.axis("off")


def _matrix(axes: Any, plane: Array, rows: Sequence[str], columns: Sequence[str], scale: _Scale) -> None:
    picture = axes.imshow(plane, cmap=scale.map, norm=scale.norm, interpolation="nearest", aspect="equal")
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=8, parse_math=False)
    axes.set_yticks(range(len(rows)), rows, fontsize=8, parse_math=False)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    for spine in axes.spines.values():
        spine.set_visible(False)
    bar = axes.figure.colorbar(picture, ax=axes, shrink=0.5, pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7, length=0)
