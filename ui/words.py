"""Figures and times as words, and user text made harmless for Streamlit's Markdown. Pure functions.

Knows nothing of Streamlit's API, the store or the pages.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta

from core.records import Interval, JobState

JOINER = "\u2060"  # word joiner: no width, no line break

# ------------------------------------------------------------------------------------- user text

# Streamlit replaces these in the parsed text, where a backslash no longer protects: they are broken
# up by an invisible joiner instead. Emoji names, typographic arrows, addresses.
_BREAKS = (
    (re.compile(r":(?=[\w+-]+:)"), ":" + JOINER),
    (re.compile(r"(?:(?<=\s)|^)(<->|->|<-|--|>=|<=|~=)(?=\s|$)", re.MULTILINE), None),
    (re.compile(r"(https?|ftp|mailto|xmpp):(?=\S)", re.IGNORECASE), r"\1:" + JOINER),
    (re.compile(r"(www)(?=\.)", re.IGNORECASE), r"\1" + JOINER),
    (re.compile(r"(?<=\S)@(?=\w)"), "@" + JOINER),
)
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&]|:(?=\S)|(?<=:material)/)")
_LINE_START = re.compile(r"^([ \t]*)([+\-=]|\d+(?=[.)]))", re.MULTILINE)


def escape_markdown(text: str) -> str:
    """Text that Streamlit's Markdown shows to the letter, on one line: for labels, captions, messages.

    Nothing in it becomes a link, image, formula, colour, icon, emoji or HTML. Line breaks become spaces.
    Not for widgets that show plain text anyway (select boxes, data frames, text areas).
    """
    text = re.sub(r"\s*[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+\s*", " ", str(text)).strip(" \t")
    for pattern, replacement in _BREAKS:
        if replacement is None:
            text = pattern.sub(lambda found: JOINER.join(found.group(1)), text)
        else:
            text = pattern.sub(replacement, text)
    text = _SPECIAL.sub(r"\\\1", text)
    return _LINE_START.sub(_guard_line_start, text)


def _guard_line_start(found: re.Match[str]) -> str:
    space, mark = found.groups()
    return f"{space}{mark}\\" if mark[0].isdigit() else f"{space}\\{mark}"


def shorten(text: str, length: int) -> str:
    """At most `length` characters on one line; a cut is visible as “…”. Never cuts inside a combined character."""
    line = " ".join(str(text).split())
    if len(line) <= length:
        return line
    end = max(1, length - 1)
    while end > 1 and _joins_previous(line[end]):
        end -= 1
    return line[:end].rstrip() + "…"


def _joins_previous(character: str) -> bool:
    """Marks, variation selectors, joiners and skin tones, which belong to the character before them."""
    import unicodedata

    code = ord(character)
    return unicodedata.category(character) in ("Mn", "Me", "Cf") or 0x1F3FB <= code <= 0x1F3FF


# ------------------------------------------------------------------------------------- figures


def count_words(n: int) -> str:
    """1234 -> “1,234”."""
    return f"{n:,}"


def counted(n: int, one: str, many: str | None = None) -> str:
    """(1, "text") -> “1 text”; (1234, "text") -> “1,234 texts”."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def percent(share: float, digits: int = 1) -> str:
    """0.912 -> “91.2 %”; a share that is neither 0 nor 1 never reads as 0 or 100 %."""
    if not math.isfinite(share):
        return "–"
    shown = f"{100 * share:.{digits}f}"
    if 0 < share < 1 and float(shown) in (0.0, 100.0):
        edge = 10**-digits
        return f"< {edge:.{digits}f} %" if float(shown) == 0.0 else f"> {100 - edge:.{digits}f} %"
    return f"{shown} %"


def interval_words(value: float | Interval, low: float | None = None, high: float | None = None) -> str:
    """Shares with their interval: (0.912, 0.88, 0.937) -> “91.2 % (88.0–93.7)”. Takes an Interval as well."""
    if isinstance(value, Interval):
        return interval_words(value.value, value.low, value.high)
    if low is None or high is None:
        return percent(value)
    return f"{percent(value)} ({100 * low:.1f}–{100 * high:.1f})"


def number_words(value: float) -> str:
    """Three significant digits, no exponent where it can be helped: 0.0123, 4.56, 789, 12,300, 2e-05."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent):+03d}"
    rounded = float(f"{value:.2e}")
    return f"{rounded:,.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"


def bytes_words(n: float) -> str:
    """1536 -> “1.50 KB”; powers of 1,024."""
    size = float(n)
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1024:
            return f"{int(size)} {unit}" if unit == "bytes" else f"{number_words(size)} {unit}"
        size /= 1024
    return f"{number_words(size)} TB"


# ------------------------------------------------------------------------------------- times


def duration_words(seconds: float | None) -> str:
    """How long, roughly: “less than 5 s”, “about 40 s”, “about 2 min”, “about 1 h 20 min”, “about 2 days”."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return "an unknown time"
    if seconds < 5:
        return "less than 5 s"
    if seconds < 55:
        return f"about {5 * round(seconds / 5)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {max(1, minutes)} min"
    hours, rest = divmod(5 * round(seconds / 300), 60)
    if hours < 48:
        return f"about {hours} h" + (f" {rest} min" if rest else "")
    return f"about {round(seconds / 86400)} days"


def elapsed_words(seconds: float | None) -> str:
    """How long, exactly: “0.8 s”, “12 s”, “3 min 05 s”, “1 h 02 min”."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def when_words(timestamp: float | None, now: datetime | None = None) -> str:
    """Unix seconds as local time: “today 14:03”, “yesterday 09:30”, “12 Mar 18:00”, “12 Mar 2025”."""
    if timestamp is None:
        return "–"
    moment = datetime.fromtimestamp(timestamp)
    today = (now or datetime.now()).date()
    clock = f"{moment:%H:%M}"
    if moment.date() == today:
        return f"today {clock}"
    if moment.date() == today - timedelta(days=1):
        return f"yesterday {clock}"
    day = f"{moment.day} {moment:%b}"
    return f"{day} {clock}" if moment.year == today.year else f"{day} {moment.year}"


# ------------------------------------------------------------------------------------- states

_STATES = {
    JobState.QUEUED: "Waiting",
    JobState.RUNNING: "Running",
    JobState.STOPPING: "Stopping",
    JobState.FINISHED: "Finished",
    JobState.STOPPED: "Stopped",
    JobState.FAILED: "Failed",
    JobState.INTERRUPTED: "Interrupted",
}


def state_words(state: JobState | str) -> str:
    """The state of a job as one word for the screen."""
    return _STATES[JobState(state)]


PART_WORDS = {"train": "Training", "validation": "Validation", "test": "Test"}


def part_words(part: str | None) -> str:
    """The part of a row as one word; rows without text or label belong to none."""
    return PART_WORDS.get(str(part), "None") if part is not None else "None"
