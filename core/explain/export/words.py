"""Coloured words as files that need nothing else: an HTML page with the app's own drawing, and a figure (PNG, SVG).

Knows what `ui/components/words/words.js` is given: "texts" (words, the gaps before them, the tail), "rows" (title, note,
signed, steps, figures), "scales" (theme -> signed and amount shades, each background and text colour), "legend", "zero".
Does not know methods or models. In figures each word stands by itself in the order of the text, so right-to-left text is
better saved as a page.
"""

from __future__ import annotations

import html as escaping
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from core.explain.export.figure import FONTS, FORMATS
from core.explain.export.palette import BACKGROUND, VARIABLES

_HERE = Path(__file__).parent
_DRAWING = Path(__file__).resolve().parents[3] / "ui" / "components" / "words"
_ENTRY = "export default function ("  # of words.js, which a page calls by name
_MORE = {
    "--st-font": "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
    "--st-base-radius": "6px",
    "--st-border-color": "rgb(128 128 128 / 0.35)",
}
_QUIET, _INK = "#4E5864", "#1B2228"
_WIDTH, _MARGIN = 900.0, 24.0  # pixels at 100 to the inch
_LINE, _SIZE = 26.0, 11  # pixels from line to line, points of a word
MOST_WORDS = 2000  # of a row in a figure


def page(data: Mapping[str, Any], title: str, caption: str = "") -> bytes:
    """The page. Texts are put in as data, which no browser takes for markup."""
    script = (_DRAWING / "words.js").read_text(encoding="utf-8")
    if _ENTRY not in script:
        raise ValueError("words.js has no entry that a page could call")
    parts = {
        "title": escaping.escape(title),
        "caption": escaping.escape(caption),
        "light": _variables({**_MORE, **VARIABLES["light"]}),
        "dark": _variables(VARIABLES["dark"]),
        "css": (_DRAWING / "words.css").read_text(encoding="utf-8"),
        "script": script.replace(_ENTRY, "function drawWords("),
        "data": json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"),
    }
    frame = (_HERE / "words.html").read_text(encoding="utf-8").split("@")
    # each place is filled once, what fills it is never read again
    return "".join(parts[piece] if at % 2 else piece for at, piece in enumerate(frame)).encode()


def figure(data: Mapping[str, Any], title: str, caption: str = "", kind: str = "png") -> bytes:
    """The rows as they stand on the light screen, one below the other; `kind` “png” or “svg”."""
    import warnings

    from matplotlib import font_manager, rc_context

    if kind not in FORMATS:
        raise ValueError(f"a figure is one of {', '.join(FORMATS)}, not {kind!r}")
    known = {entry.name for entry in font_manager.fontManager.ttflist}
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "finesift",
        "font.family": [name for name in FONTS if name in known],
        "text.usetex": False,
    }
    with warnings.catch_warnings(), rc_context(settings):
        warnings.simplefilter("ignore", UserWarning)  # a glyph that no font here has: an empty box
        sheet = _Sheet(kind)
        sheet.sentence(title, 13, _INK)
        if caption:
            sheet.sentence(caption, 8, _QUIET)
        for row in data["rows"]:
            sheet.row(row, data)
        sheet.legend(data)
        return sheet.file()


def _variables(values: Mapping[str, str]) -> str:
    return " ".join(f"{name}: {value};" for name, value in values.items())


class _Sheet:
    """A page that grows downwards, in pixels; the file is cut to what stands on it."""

    def __init__(self, kind: str) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        self.kind = kind
        self.figure = Figure(figsize=(_WIDTH / 100, 1), dpi=100, facecolor=BACKGROUND["light"])
        self._measure = FigureCanvasAgg(self.figure).get_renderer()
        (FigureCanvasAgg if kind == "png" else FigureCanvasSVG)(self.figure)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.axis("off")
        self.y = _MARGIN

    def width(self, text: str, size: int, weight: str = "normal") -> float:
        from matplotlib.font_manager import FontProperties

        font = FontProperties(size=size, weight=weight)
        found, *_ = self._measure.get_text_width_height_descent(text, font, False)
        return float(found)

    def put(self, x: float, text: str, size: int, color: str, weight: str = "normal") -> float:
        """Writes at the line, and tells where the text ends."""
        self.axes.text(
            x, self.y, text, fontsize=size, color=color, va="center", fontweight=weight, parse_math=False
        )
        return x + self.width(text, size, weight)

    def sentence(self, text: str, size: int, color: str) -> None:
        x = _MARGIN
        for word in text.split():
            if x > _MARGIN and x + self.width(word, size) > _WIDTH - _MARGIN:
                x, self.y = _MARGIN, self.y + 1.9 * size
            x = self.put(x, word, size, color) + 0.55 * size
        self.y += 2.2 * size

    def row(self, row: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        self.y += 8
        x = self.put(_MARGIN, row["title"], 10, _INK, "bold")
        self.put(x + 12, row["note"], 8, _QUIET)
        self.y += _LINE
        shades = data["scales"]["light"]["signed" if row["signed"] else "amount"]
        number = 0
        for text in data["texts"]:
            x = _MARGIN
            for gap, word in zip(text["gaps"], text["words"], strict=True):
                if number >= MOST_WORDS:
                    break
                step = row["steps"][number] + (data["zero"] if row["signed"] else 0)
                x = self._word(x, gap, word, shades[step])
                number += 1
            self.y += _LINE + 4

    def _word(self, x: float, gap: str, word: str, shade: list[str]) -> float:
        from matplotlib.patches import FancyBboxPatch

        paper, ink = shade
        size = self.width(word, _SIZE)
        x += 5 if gap else 0
        if "\n" in gap or (x > _MARGIN and x + size > _WIDTH - _MARGIN):
            x, self.y = _MARGIN, self.y + _LINE
        box = FancyBboxPatch(
            (x, self.y - 8.5), size + 3, 17, boxstyle="round,pad=0,rounding_size=3", facecolor=paper, edgecolor="none"
        )  # fmt: skip
        self.axes.add_patch(box)
        self.put(x + 1.5, word, _SIZE, ink)
        return x + size + 4

    def legend(self, data: Mapping[str, Any]) -> None:
        scales = data["scales"]["light"]
        x = _MARGIN
        if data["legend"] and any(row["signed"] for row in data["rows"]):
            x = self._scale(x, scales["signed"], *data["legend"]) + 24
        if any(not row["signed"] for row in data["rows"]):
            self._scale(x, scales["amount"], "little", "much of it is read")
        self.y += _LINE

    def _scale(self, x: float, shades: list[list[str]], low: str, high: str) -> float:
        from matplotlib.patches import Rectangle

        x = self.put(x, low, 8, _QUIET) + 6
        for paper, _ in shades:
            self.axes.add_patch(Rectangle((x, self.y - 6), 7, 12, facecolor=paper, edgecolor="none"))
            x += 7
        return self.put(x + 6, high, 8, _QUIET)

    def file(self) -> bytes:
        height = self.y + _MARGIN / 2
        self.figure.set_size_inches(_WIDTH / 100, height / 100)
        self.axes.set_xlim(0, _WIDTH)
        self.axes.set_ylim(height, 0)
        out = BytesIO()
        self.figure.savefig(
            out,
            format=self.kind,
            dpi=200 if self.kind == "png" else 100,
            facecolor=BACKGROUND["light"],
            metadata={"Date": None} if self.kind == "svg" else {"Software": None},
        )
        return out.getvalue()
