"""Names tokens for a reader. Knows the marks of the three families of tokenizers, and no tokenizer itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache


def display_tokens(tokens: Sequence[str], special: Sequence[bool] | None = None) -> list[str]:
    """Tokens as a reader wants them, and still what they are.

    A piece that continues a word keeps the marker "##", for every family of tokenizers; a piece that begins
    a word loses its "Ġ" or "▁". White space is drawn (␣ ⏎ ⇥). Special tokens stay as they are.
    Bytes of a byte-level tokenizer that form text are shown as that text, others as they are.
    """
    special = special or (False,) * len(tokens)
    words = [t for t, s in zip(tokens, special, strict=True) if not s]
    style = _style(words)
    shown, first = [], True
    for token, is_special in zip(tokens, special, strict=True):
        if is_special:
            shown.append(token)
            first = True  # a text's first piece begins a word, whatever its marker
        else:
            shown.append(_display(token, style, first))
            first = False
    return shown


def _style(words: list[str]) -> str:
    """Which family of tokenizers named these pieces. Markers of one family may be letters in another."""
    if any(w.startswith("▁") for w in words):
        return "sentencepiece"
    if any(w.startswith("##") for w in words):
        return "wordpiece"
    return "bytes" if any(_from_bytes(w) != w for w in words) else "wordpiece"


def _display(token: str, style: str, first: bool) -> str:
    if style == "wordpiece":
        return _drawn(token)
    if style == "sentencepiece":
        body, begins = token.removeprefix("▁"), token.startswith("▁")
        body = body.replace("▁", " ")
    else:
        text = _from_bytes(token)
        body, begins = text.removeprefix(" "), text.startswith(" ")
    if not body:
        return "␣"
    word = body[0].isalnum()  # punctuation needs no sign that no space stood before it
    return _drawn(body) if begins or first or not word else "##" + _drawn(body)


def _drawn(text: str) -> str:
    return text.replace("\n", "⏎").replace("\r", "⏎").replace("\t", "⇥").replace(" ", "␣")


def _from_bytes(token: str) -> str:
    """Undoes the printable stand-ins of byte-level BPE; half a character stays as it is."""
    table = _byte_of()
    if not all(c in table for c in token):
        return token
    try:
        return bytes(table[c] for c in token).decode("utf-8")
    except UnicodeDecodeError:
        return token


@cache
def _byte_of() -> dict[str, int]:
    """Stand-in character -> byte: printable Latin-1 stands for itself, the other bytes for U+0100 onwards."""
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in own]
    return {chr(b): b for b in own} | {chr(0x100 + n): b for n, b in enumerate(others)}
