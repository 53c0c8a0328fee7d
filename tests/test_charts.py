"""Figures are drawn from records, to the letter, and hold what the records say."""

import json
import random

import plotly.graph_objects as go
import pytest

from core.records import ClassScore, Evaluated, Interval, Scores, Step
from ui import charts
from ui.colors import ACCENT, BACKGROUND, HUES, QUIET, SECOND, class_colors, contrast, text_on

EVIL = "<b>bold</b> & $x^2$ %{y}"


def steps(n: int) -> list[Step]:
    rng = random.Random(0)
    return [
        Step(
            i + 1,
            (i + 1) / 100,
            2.0 / (1 + i / 50) + rng.random() * 0.2,
            1e-4,
            1.0,
            16 * i,
            40.0,
            0,
            i * 0.4,
            1.0,
        )
        for i in range(n)
    ]


def evaluations() -> list[Evaluated]:
    return [
        Evaluated(s, s / 100, 1 / s, a, a - 0.05, a + 0.05, a - 0.02, best, 1.0)
        for s, a, best in ((100, 0.6, True), (200, 0.8, True), (300, 0.7, False))
    ]


def scores(n: int) -> Scores:
    labels = (*(f"class {i:02d}" for i in range(n - 1)), EVIL)
    confusion = tuple(
        tuple(8 if i == j else (2 if j == (i + 1) % n else 0) for j in range(n)) for i in range(n)
    )
    per_class = tuple(ClassScore(name, 10, 10, 0.8, 0.8, 0.8, 0.49, 0.94) for name in labels)
    half = Interval(0.8, 0.7, 0.9)
    return Scores(10 * n, half, half, per_class, confusion, labels)


def every_figure(theme: str) -> list[go.Figure]:
    counts = {EVIL: 5, "b": 3, "2021-01-01": 2}
    return [
        charts.learning_curves(steps(50), evaluations(), theme=theme),
        charts.learning_curves([], [], theme=theme),
        charts.compare_runs([(EVIL, evaluations()), ("b", [])], theme=theme),
        charts.class_balance(counts, {"train": {EVIL: 3}}, theme=theme),
        charts.class_balance({}, theme=theme),
        charts.length_histogram([3, 9, 200], 128, theme=theme),
        charts.length_histogram([], None, theme=theme),
        charts.confusion(scores(3), theme=theme),
        charts.confusion(scores(77), theme=theme),
        charts.per_class(scores(4), theme=theme),
        charts.probabilities(list(counts), [0.2, 0.5, 0.3], theme=theme),
    ]


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [s for v in value.values() for s in strings(v)]
    if isinstance(value, list):
        return [s for v in value for s in strings(v)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_name_reaches_a_figure_as_markup(theme: str) -> None:
    for figure in every_figure(theme):
        for text in strings(json.loads(figure.to_json())):
            assert "<b>" not in text
            assert "$" not in text


def test_names_never_stand_in_a_template_that_plotly_evaluates() -> None:
    for figure in every_figure("light"):
        for trace in figure.data:
            assert "bold" not in (trace.hovertemplate or "")


def test_a_class_named_like_a_date_stays_a_name() -> None:
    figure = charts.class_balance({"2021-01-01": 2, "1e3": 1})
    assert list(figure.data[0].y) == [0, 1]
    assert list(figure.layout.yaxis.ticktext) == ["2021-01-01", "1e3"]


def test_learning_curves_are_thinned_and_keep_ends_and_spikes() -> None:
    many = steps(20_000)
    spike = many[7_777]
    many[7_777] = Step(**{**spike.to_json(), "loss": 99.0})
    raw = charts.learning_curves(many, evaluations()).data[0]
    assert len(raw.x) <= charts.MAX_POINTS
    assert (raw.x[0], raw.x[-1]) == (1, 20_000)
    assert 99.0 in raw.y


def test_the_learning_figure_shows_loss_accuracy_band_and_the_best() -> None:
    figure = charts.learning_curves(steps(30), evaluations())
    by_name = {trace.name: trace for trace in figure.data}
    assert list(by_name["validation"].y) == [1 / 100, 1 / 200, 1 / 300]
    assert list(by_name["accuracy"].y) == [0.6, 0.8, 0.7]
    assert list(by_name["macro-F1"].x) == [100, 200, 300]
    assert list(by_name["best so far, kept"].x) == [200]
    band = by_name["accuracy, 95 % interval"]
    assert max(band.y) == pytest.approx(0.85)
    assert min(band.y) == pytest.approx(0.55)
    assert figure.layout.uirevision == "curves"


def test_smoothing_starts_at_the_first_value_and_skips_what_is_no_number() -> None:
    assert charts.smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    assert charts.smoothed([2.0, float("nan"), 2.0]) == pytest.approx([2.0, 2.0, 2.0])


def test_many_classes_are_gathered_and_no_text_is_lost() -> None:
    counts = {f"c{i}": 100 - i for i in range(77)}
    bars = charts.class_balance(counts).data[0]
    assert len(bars.x) == 31
    assert sum(bars.x) == sum(counts.values())


def test_the_length_histogram_counts_every_text_and_says_the_share_cut() -> None:
    lengths = [10] * 90 + [300] * 10
    figure = charts.length_histogram(lengths, 128)
    assert sum(figure.data[0].y) == 100
    assert "10.0 %" in figure.layout.annotations[0].text


def test_a_text_of_just_the_maximum_length_is_not_called_cut() -> None:
    figure = charts.length_histogram([128] * 4 + [129], 128)
    assert "20.0 %" in figure.layout.annotations[0].text


def test_confusion_rows_are_shares_of_the_true_class() -> None:
    heat = charts.confusion(scores(4)).data[0]
    assert [sum(row) for row in heat.z] == pytest.approx([1.0] * 4)
    assert heat.z[0][0] == pytest.approx(0.8)


def test_seventy_seven_classes_leave_each_row_enough_height_to_read() -> None:
    figure = charts.confusion(scores(77))
    assert figure.layout.height / 77 >= 12
    assert len(figure.layout.yaxis.ticktext) == 77


def test_probabilities_are_ranked_and_cut_at_the_top() -> None:
    figure = charts.probabilities(["a", "b", "c"], [0.2, 0.5, 0.3], top=2)
    assert list(figure.layout.yaxis.ticktext) == ["b", "c"]
    assert list(figure.data[0].x) == [0.5, 0.3]


def test_a_class_keeps_its_colour_whatever_else_is_shown() -> None:
    colors = class_colors(["b", "a", "c"])
    assert colors == class_colors(["c", "b", "a", "a"])
    figure = charts.probabilities(["c", "a"], [0.1, 0.9], colors=colors)
    assert list(figure.data[0].marker.color) == [colors["a"], colors["c"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_class_colours_stand_out_from_the_background(theme: str) -> None:
    assert all(contrast(color, BACKGROUND[theme]) >= 3.0 for color in HUES[theme])
    many = class_colors([str(i) for i in range(77)], theme)
    assert len(set(many.values())) == 77
    assert all(contrast(color, BACKGROUND[theme]) >= 3.0 for color in many.values())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_accents_read_as_text(theme: str) -> None:
    assert contrast(ACCENT[theme], BACKGROUND[theme]) >= 4.5
    assert contrast(SECOND[theme], BACKGROUND[theme]) >= 4.5
    assert contrast(QUIET[theme], BACKGROUND[theme]) >= 4.5


def test_text_on_a_colour_is_the_better_of_black_and_white() -> None:
    assert text_on("#000000") == "#FFFFFF"
    assert text_on("#F2E95C") == "#000000"
