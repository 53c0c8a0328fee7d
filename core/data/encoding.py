"""Bytes of unknown encoding to UTF-8, without a crash and without silent loss.

Knows byte order marks, UTF-8 mixed with Windows-1252, and charset-normalizer. Does not know cells.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from core.data.formats import looks_like_utf16
from core.errors import BadFile

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins the same way
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 128 * 1024  # bytes that charset-normalizer looks at; it is slow
_PAGES = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r", "mac_roman"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
)
_WESTERN = frozenset("äöüßÄÖÜéèêëÉÈÊàâáãåæÀÂÁçÇîïíìÍôœóòõøÓùûúÚñÑ¿¡«»“”‘’„–—…•·€£§°®©™´½\xa0")
# Two to four bytes that form one character in UTF-8. By chance this hardly ever happens in other encodings.
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


@dataclass(frozen=True)
class Decoded:
    data: bytes  # valid UTF-8 without a byte order mark
    encoding: str  # the Python codec that it was read with
    notes: tuple[str, ...] = ()


def decode(data: bytes, encoding: str | None, file_name: str) -> Decoded:
    """`data` as UTF-8. With `encoding` the user's choice is taken, otherwise it is detected.

    Raises BadFile for an encoding that Python does not know, and where the decoded text has NUL characters.
    """
    chosen = encoding or detect(data)
    if chosen in ("utf-8", "utf-8-sig"):
        decoded = _from_utf8(data, chosen)
    else:
        decoded = _from_codec(data, chosen, file_name)
    if b"\x00" in decoded.data:
        raise BadFile(
            f"“{file_name}” holds binary data (NUL characters) where text was expected. "
            "Save it again as CSV in UTF-8, or choose another encoding."
        )
    return decoded


def detect(data: bytes) -> str:
    """A Python codec name: byte order mark, then strict UTF-8, then charset-normalizer."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    silent_utf16 = looks_like_utf16(data)
    if silent_utf16:
        return silent_utf16
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "utf-8" if _mostly_utf8(data) else _by_statistics(data)
    return "utf-8"


def _mostly_utf8(data: bytes) -> bool:
    """UTF-8 with a few strange bytes in it, rather than another encoding."""
    good = sum(1 for _ in _MULTIBYTE.finditer(data))
    if not good:
        return False
    stray = len(_MULTIBYTE.sub(b"", data).translate(None, bytes(range(128))))
    return good > stray


def _by_statistics(data: bytes) -> str:
    """charset-normalizer over the code pages in real use. It knows no favourites, and Western European
    texts read as well in a dozen pages; so Windows-1252 wins where it reads no worse and the letters that
    appear are those of Western European languages."""
    from charset_normalizer import from_bytes

    # Only lines with a byte beyond ASCII say anything.
    telling = b"\n".join(line for line in data.split(b"\n") if not line.isascii())[:_SAMPLE]
    matches = list(from_bytes(telling, cp_isolation=list(_PAGES)))
    if not matches:
        return "cp1252"
    likely = min(matches, key=lambda m: (round(m.chaos, 2), -m.coherence))
    for match in matches:
        western = "cp1252" in (match.encoding, *match.could_be_from_charset)
        if western and match.chaos <= likely.chaos + 0.01 and _looks_western(telling):
            return "cp1252"
    return str(likely.encoding)


def _looks_western(telling: bytes) -> bool:
    high = [c for c in telling.decode("cp1252", "replace") if c > "\x7f"]
    return sum(c not in _WESTERN for c in high) <= 0.12 * len(high)


def _from_utf8(data: bytes, name: str) -> Decoded:
    body = data.removeprefix(codecs.BOM_UTF8)
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return _mend(body)
    return Decoded(body, "utf-8-sig" if len(body) < len(data) else "utf-8")


def _mend(body: bytes) -> Decoded:
    """Reads what is not UTF-8 byte by byte as Windows-1252; what that lacks becomes U+FFFD."""
    strange: list[str] = []

    def as_western(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        western = error.object[error.start : error.end].decode("cp1252", "replace")
        strange.append(western)
        return western, error.end

    # An error handler keeps this linear in the file's size, however many strange bytes there are.
    codecs.register_error("finesift.windows-1252", as_western)
    text = body.decode("utf-8", "finesift.windows-1252")
    read, lost = sum(map(len, strange)), "".join(strange).count("\ufffd")
    note = f"The file mixes encodings: it is UTF-8, but {_count(read, 'byte was', 'bytes were')} "
    note += "read as Windows-1252."
    if lost:
        note += f" {_count(lost, 'of them has', 'of them have')} no meaning there and became “\ufffd”."
    return Decoded(text.encode(), "utf-8", (note,))


def _from_codec(data: bytes, name: str, file_name: str) -> Decoded:
    notes = [f"The file was read in the encoding {name}."]
    try:
        text = data.decode(name)
    except LookupError:
        raise BadFile(f"There is no encoding “{name}”. Choose utf-8, cp1252 or utf-16.") from None
    except UnicodeError:
        text = data.decode(name, "replace")
        notes.append(
            f"{_count(text.count(chr(0xFFFD)), 'place')} in “{file_name}” could not be read as {name} and "
            "became “\ufffd”. If the texts look wrong, choose another encoding."
        )
    return Decoded(text.removeprefix("\ufeff").encode("utf-8", "replace"), name, tuple(notes))


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
