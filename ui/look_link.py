"""What stands in the address of the Attention page, and the link that opens the same view again.

Knows the query parameters: `model` or `base`, `text`, `pair`, and whatever the views add. A text that would make the
address long stands in it deflated; one that is too long even so does not. Knows no models and no components.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from urllib.parse import quote, urlencode

PLAIN = 900  # bytes, percent-encoded: longer texts are deflated
LONGEST = 12_000  # characters of all texts in an address; servers on the way refuse more than about 16,000
MOST_CHARACTERS = 200_000  # of a text that comes out of an address, whatever it claims


def text_params(text: str, pair: str | None) -> dict[str, str] | None:
    """The query parameters that hold the texts; None where they are too long for an address."""
    found: dict[str, str] = {}
    for name, value in (("text", text), ("pair", pair or "")):
        if value and len(quote(_encodable(value))) > PLAIN:
            found[f"{name}_z"] = _deflated(value)
        elif value:
            found[name] = value
    return found if sum(len(quote(_encodable(v))) for v in found.values()) <= LONGEST else None


def texts_of(params: dict[str, str]) -> tuple[str | None, str | None]:
    """The texts that query parameters hold; None for one that is not there or cannot be read."""

    def value(name: str) -> str | None:
        if name in params:
            return params[name][:MOST_CHARACTERS]
        return _inflated(params[f"{name}_z"]) if f"{name}_z" in params else None

    return value("text"), value("pair")


def query(params: dict[str, str]) -> str:
    """What follows the question mark: percent-encoded, spaces as %20, which all programs read."""
    return urlencode({name: _encodable(value) for name, value in params.items()}, quote_via=quote)


def _deflated(text: str) -> str:
    packed = zlib.compress(_encodable(text).encode(), 9)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _inflated(packed: str) -> str | None:
    try:
        raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        whole = zlib.decompressobj().decompress(raw, 4 * MOST_CHARACTERS)  # no more, however small the packet
    except (ValueError, binascii.Error, zlib.error):
        return None
    return whole.decode("utf-8", "replace")[:MOST_CHARACTERS]


def _encodable(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
