"""Which colour a class has. Pure: knows no Streamlit; the theme comes in as “light” or “dark”.

The eight hues are those of Okabe and Ito (2008, “Color Universal Design”), moved in lightness until each
reads at 3 to 1 against its background and stays apart from the others under simulated red, green and blue
blindness. Colour never stands alone: every chart and chip writes the name of the class beside it.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable

HUES = {
    "light": ("#0068A8", "#C58400", "#00A07A", "#A03A78", "#4197D8", "#CF5200", "#5A5300", "#4A4F57"),
    "dark": ("#3F97DB", "#EFAA1A", "#1FBF93", "#C9699F", "#93D5FA", "#DE6420", "#F2E95C", "#D9DCE1"),
}
BACKGROUND = {"light": "#FFFFFF", "dark": "#14181D"}
QUIET = {"light": "#4E5864", "dark": "#B9C1CA"}  # axis texts, 7 to 1 on the background
ACCENT = {"light": "#0B6A88", "dark": "#53B4D3"}  # the accent as a line or text, 4.5 to 1 on the background
MUTED = {"light": "#8A929C", "dark": "#7C8691"}  # bars and lines that carry no class
SECOND = {"light": "#B4530A", "dark": "#F0A35E"}  # what is set against the accent: validation, a threshold

# One hue from faint to strong, for shares and attention; the faint end is nearly the background.
SEQUENTIAL = {
    "light": ("#F3F8FB", "#DCEBF2", "#BFDBE7", "#9BC7D9", "#72B0C8", "#4A97B4", "#2B7E9D", "#146684", "#0B4E68", "#073649"),
    "dark": ("#182128", "#1B2E39", "#1D3D4C", "#1F4E62", "#216178", "#27768F", "#388CA6", "#58A4BB", "#86BFD1", "#BFDDE8"),
}  # fmt: skip
# Blue below zero, orange above, neutral at zero.
DIVERGING = {
    "light": ("#0B4E68", "#2B7E9D", "#72B0C8", "#BFDBE7", "#EEF3F5", "#F6EFE8", "#F3D3B5", "#E3A46B", "#C4701F", "#85460B"),
    "dark": ("#A6D5E6", "#58A4BB", "#2D7890", "#21495A", "#1F2A32", "#2A2724", "#573A20", "#94591D", "#CF8437", "#F4C592"),
}  # fmt: skip


def class_colors(labels: Iterable[str], theme: str = "light") -> dict[str, str]:
    """A colour for each class of a data set, as “#RRGGBB”.

    The order is that of the sorted names, so a class has the same colour on every page. The ninth and later
    classes take the hues again, each round at another lightness.
    """
    hues = HUES["dark" if theme == "dark" else "light"]
    names = sorted(set(labels))
    rounds = -(-len(names) // len(hues))
    return {
        name: _variant(hues[i % len(hues)], i // len(hues), rounds, dark=theme == "dark")
        for i, name in enumerate(names)
    }


def _variant(color: str, turn: int, rounds: int, *, dark: bool) -> str:
    """The hue at the lightness of its round: away from the background, so that contrast only grows."""
    if turn == 0:
        return color
    hue, lightness, saturation = colorsys.rgb_to_hls(*_rgb(color))
    end = 0.93 if dark else 0.12
    lightness += (end - lightness) * turn / rounds
    return _hex(colorsys.hls_to_rgb(hue, lightness, saturation * (1 - 0.35 * turn / rounds)))


def blend(color: str, background: str, share: float) -> str:
    """`share` of the colour over the background, as an opaque colour."""
    pairs = zip(_rgb(color), _rgb(background), strict=True)
    return _hex(tuple(share * a + (1 - share) * b for a, b in pairs))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def text_on(color: str) -> str:
    """Black or white, whichever reads better on the colour."""
    return "#FFFFFF" if contrast("#FFFFFF", color) >= contrast("#000000", color) else "#000000"


def _luminance(color: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _rgb(color: str) -> tuple[float, float, float]:
    return tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[return-value]


def _hex(rgb: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(255 * min(1.0, max(0.0, c))):02X}" for c in rgb)
