"""Figures, times and users' words on the screen."""

from datetime import datetime

import pytest

from core.records import Interval
from ui.words import (
    JOINER,
    bytes_words,
    count_words,
    counted,
    duration_words,
    elapsed_words,
    escape_markdown,
    interval_words,
    number_words,
    percent,
    shorten,
    state_words,
    when_words,
)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain words, with commas (and brackets).", "plain words, with commas (and brackets)."),
        ("![x](http://a)", r"!\[x\](http\:" + JOINER + "//a)"),
        ("<b>bold</b>", r"\<b\>bold\</b\>"),
        ("$x^2$", r"\$x^2\$"),
        ("snake_case *stars* `code`", r"snake\_case \*stars\* \`code\`"),
        ("&lt;", r"\&lt;"),
        ("Error: file", "Error: file"),
        ("# heading", r"\# heading"),
        ("- item", r"\- item"),
        ("1. first", r"1\. first"),
        ("+1", r"\+1"),
        ("two\nlines", "two lines"),
        ("a | b", r"a \| b"),
    ],
)
def test_markdown_is_escaped_to_the_letter(text: str, escaped: str) -> None:
    assert escape_markdown(text) == escaped


@pytest.mark.parametrize(
    "text", [":smile:", ":material/home:", ":red[danger]", ":red-background[x]", ":streamlit:", "a:b:c:d"]
)
def test_no_directive_icon_or_emoji_name_survives_escaping(text: str) -> None:
    escaped = escape_markdown(text)
    assert ":smile:" not in escaped
    assert ":material/" not in escaped
    assert ":streamlit:" not in escaped
    assert "[" not in escaped.replace(r"\[", "")
    assert ":b:" not in escaped


@pytest.mark.parametrize("text", ["a -> b", "a <- b", "a -- b", "a >= b", "a <-> b", "->"])
def test_arrows_are_broken_up_so_that_they_stay_as_typed(text: str) -> None:
    escaped = escape_markdown(text)
    for arrow in ("->", "<-", "--", ">=", "<->"):
        assert f" {arrow} " not in escaped.replace("\\", "")
    assert escaped.replace("\\", "").replace(JOINER, "") == text


@pytest.mark.parametrize(
    "text", ["https://a.example/x", "www.a.example", "me@a.example", "mailto:me@a.example"]
)
def test_addresses_do_not_become_links_and_read_the_same(text: str) -> None:
    escaped = escape_markdown(text)
    assert JOINER in escaped
    assert escaped.replace("\\", "").replace(JOINER, "") == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "an unknown time"),
        (float("nan"), "an unknown time"),
        (0, "less than 5 s"),
        (38, "about 40 s"),
        (54.9, "about 55 s"),
        (55, "about 1 min"),
        (125, "about 2 min"),
        (3599, "about 1 h"),
        (4800, "about 1 h 20 min"),
        (200_000, "about 2 days"),
    ],
)
def test_durations_read_as_words(seconds: float | None, words: str) -> None:
    assert duration_words(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.84, "0.8 s"), (9.96, "10 s"), (59.7, "1 min 00 s"), (185, "3 min 05 s"), (3720, "1 h 02 min")],
)
def test_elapsed_time_reads_exactly(seconds: float, words: str) -> None:
    assert elapsed_words(seconds) == words


def test_an_estimate_shows_its_interval() -> None:
    assert interval_words(0.912, 0.88, 0.937) == "91.2 % (88.0–93.7)"
    assert interval_words(Interval(0.5, 0.4, 0.6)) == "50.0 % (40.0–60.0)"
    assert interval_words(0.5) == "50.0 %"


def test_a_share_reads_as_all_or_none_only_when_it_is() -> None:
    assert percent(1.0) == "100.0 %"
    assert percent(0.99999) == "> 99.9 %"
    assert percent(0.00001) == "< 0.1 %"
    assert percent(0.0) == "0.0 %"
    assert percent(float("nan")) == "–"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (4.5678, "4.57"),
        (789.4, "789"),
        (12345, "12,300"),
        (2e-5, "2e-05"),
        (-3.14159, "-3.14"),
        (9.999, "10.0"),
    ],
)
def test_numbers_have_three_significant_digits(value: float, words: str) -> None:
    assert number_words(value) == words


def test_counts_and_sizes_read_well() -> None:
    assert count_words(1234) == "1,234"
    assert counted(1, "text") == "1 text"
    assert counted(1200, "class", "classes") == "1,200 classes"
    assert bytes_words(17) == "17 bytes"
    assert bytes_words(1536) == "1.50 KB"
    assert bytes_words(200 * 1024**2) == "200 MB"


def test_a_time_reads_relative_to_today() -> None:
    now = datetime(2026, 3, 14, 18, 0)
    assert when_words(datetime(2026, 3, 14, 14, 3).timestamp(), now) == "today 14:03"
    assert when_words(datetime(2026, 3, 13, 9, 30).timestamp(), now) == "yesterday 09:30"
    assert when_words(datetime(2026, 1, 2, 9, 30).timestamp(), now) == "2 Jan 09:30"
    assert when_words(datetime(2025, 1, 2, 9, 30).timestamp(), now) == "2 Jan 2025"
    assert when_words(None) == "–"


def test_a_cut_is_visible_and_spares_combined_characters() -> None:
    assert shorten("short", 10) == "short"
    assert shorten("one two three", 8) == "one two…"
    assert shorten("a\nb", 10) == "a b"
    cut = shorten("ab👍🏽cd", 4)
    assert cut.endswith("…")
    assert "🏽" not in cut or "👍🏽" in cut
    assert len(shorten("x" * 1000, 50)) == 50


def test_every_state_has_a_word() -> None:
    assert [state_words(s) for s in ("queued", "running", "interrupted")] == [
        "Waiting",
        "Running",
        "Interrupted",
    ]
