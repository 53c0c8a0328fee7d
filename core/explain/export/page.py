"""A whole map of attention as one HTML file that needs nothing else: no server, no network, no Python.

The drawing is the app's own: the page holds the same scripts (`ui/components/attention`, read as text) and the same
packet, deflated. Knows how the parts are put together. Does not know what the scripts draw.
"""

from __future__ import annotations

import base64
import html as escaping
import zlib
from collections.abc import Mapping
from pathlib import Path

from core.errors import FinesiftError
from core.explain.export.palette import PALETTE, VARIABLES
from core.explain.look import Look
from core.explain.picture import Picture

MOST_BYTES = 3_000_000
_HOPELESS = 6_000_000  # weights that 3 MB do not hold at 8 bits each, however they deflate
_HERE = Path(__file__).parent
_DRAWING = Path(__file__).resolve().parents[3] / "ui" / "components" / "attention"
_ENTRY = "mount.js"  # of the app's frame, which a file has no use for
_FONTS = {
    "--st-font": "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
    "--st-heading-font": "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
    "--st-code-font": "ui-monospace, Consolas, monospace",
    "--st-base-font-size": "15px",
    "--st-base-radius": "6px",
}


def page(
    picture: Picture,
    look: Look,
    title: str,
    caption: str = "",
) -> bytes:
    """The page, under 3 MB: all heads of all layers where they fit, at 16 or 8 bits a weight; else what `look` shows.

    Texts are put in as text. Raises FinesiftError where not even that fits."""
    weights = picture.attention.weights.size * (1 if picture.base is None else 2)
    ways = [(True, 16), (True, 8)] if weights <= _HOPELESS else []  # deflating what cannot fit takes seconds
    for whole, bits in (*ways, (False, 16), (False, 8)):
        made = _page(picture, look, title, _told(caption, whole), whole, bits)
        if len(made) <= MOST_BYTES:
            return made
    raise FinesiftError(
        "This text is too long for one HTML file. Shorten it, or take the weights as .npz instead."
    )


def _told(caption: str, whole: bool) -> str:
    part = "" if whole else "This text is long: only what was on show when it was saved is in this file."
    return " ".join(sentence for sentence in (caption, part) if sentence)


def _page(
    picture: Picture,
    look: Look,
    title: str,
    caption: str,
    whole: bool,
    bits: int,
) -> bytes:
    packet = picture.pack(look, colors=PALETTE, bits=bits, everything=whole)
    names = (_DRAWING / "files.txt").read_text(encoding="utf-8").split()
    parts = {
        "title": escaping.escape(title),
        "caption": escaping.escape(caption),
        "light": _variables({**_FONTS, **VARIABLES["light"]}),
        "dark": _variables(VARIABLES["dark"]),
        "css": _joined(names, ".css"),
        "view": (_DRAWING / "view.html").read_text(encoding="utf-8"),
        "script": _joined([name for name in names if name != _ENTRY], ".js"),
        "packet": base64.b64encode(zlib.compress(packet, 6)).decode("ascii"),
    }
    frame = (_HERE / "page.html").read_text(encoding="utf-8")
    pieces = frame.split(
        "@"
    )  # text, name, text, name, …: each place is filled once, what fills it is never read again
    return "".join(parts[piece] if at % 2 else piece for at, piece in enumerate(pieces)).encode()


def _joined(names: list[str], ending: str) -> str:
    return "\n".join((_DRAWING / name).read_text(encoding="utf-8") for name in names if name.endswith(ending))


def _variables(values: Mapping[str, str]) -> str:
    return " ".join(f"{name}: {value};" for name, value in values.items())
