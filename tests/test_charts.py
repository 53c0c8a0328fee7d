"""Figures are drawn from records, to the letter, and hold what the records say."""

import json
import random
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from core.records import ClassScore, Evaluated, Interval, Rung, Scores, Step
from ui import charts, curves
from ui.colors import ACCENT, BACKGROUND, HUES, QUIET, SECOND, class_colors, contrast, text_on
from ui.curves import ClassChange

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


def rungs() -> list[Rung]:
    """The most frequent class of many, word counts, and the kept full fine-tuning."""
    return [
        Rung("majority", Interval(0.013, 0.008, 0.022), Interval(0.0003, 0.0002, 0.0005), 0.01),
        Rung("tfidf", Interval(0.89, 0.87, 0.91), Interval(0.889, 0.868, 0.907), 7.2),
        Rung("full", Interval(0.946, 0.93, 0.958), Interval(0.945, 0.929, 0.957), 118.0, kept=True),
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
        curves.learning_curves(steps(50), evaluations(), theme=theme),
        curves.learning_curves([], [], theme=theme),
        curves.compare_runs([(EVIL, evaluations()), ("b", [])], theme=theme),
        curves.optimizer_curves(steps(5), gpu=True, theme=theme),
        curves.class_changes([ClassChange(EVIL, 9, 5, 2, 4, 1)], theme=theme),
        curves.class_changes([], theme=theme),
        curves.ladder(rungs(), lambda rung: EVIL, theme=theme),
        curves.ladder([], lambda rung: EVIL, theme=theme),
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
    raw = curves.learning_curves(many, evaluations()).data[0]
    assert len(raw.x) <= curves.MAX_POINTS
    assert (raw.x[0], raw.x[-1]) == (1, 20_000)
    assert 99.0 in raw.y


def test_the_learning_figure_shows_loss_accuracy_band_and_the_best() -> None:
    figure = curves.learning_curves(steps(30), evaluations())
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
    assert curves.smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    assert curves.smoothed([2.0, float("nan"), 2.0]) == pytest.approx([2.0, 2.0, 2.0])


def test_the_bands_are_drawn_only_where_an_interval_is_known() -> None:
    first, *rest = evaluations()
    known = [replace(e, macro_f1_low=e.macro_f1 - 0.1, macro_f1_high=e.macro_f1 + 0.1) for e in rest]
    figure = curves.learning_curves(steps(30), [first, *known])
    by_name = {trace.name: trace for trace in figure.data}
    band = by_name["macro-F1, 95 % interval"]
    assert set(band.x) == {200, 300}
    assert max(band.y) == pytest.approx(0.78 + 0.1)


def test_the_axis_of_quality_begins_below_the_lowest_interval() -> None:
    figure = curves.learning_curves(steps(30), evaluations())
    assert figure.layout.yaxis2.range[0] == 0.5  # accuracy 0.6, its interval from 0.55
    assert curves.learning_curves([], []).layout.yaxis2.range[0] == 0.0


def test_memory_and_use_are_curves_only_on_a_graphics_card() -> None:
    on_cpu = curves.optimizer_curves(steps(30), gpu=False)
    assert [a.text for a in on_cpu.layout.annotations] == ["Learning rate", "Gradient norm"]
    busy = [replace(s, device_use=0.9, memory=2**31) for s in steps(30)]
    on_gpu = curves.optimizer_curves(busy, gpu=True)
    assert [a.text for a in on_gpu.layout.annotations][2:] == ["GPU memory (GB)", "GPU in use"]
    assert (set(on_gpu.data[3].y), set(on_gpu.data[4].y)) == ({2.0}, {0.9})


def test_what_a_class_forgets_goes_to_the_left_and_what_it_learns_to_the_right() -> None:
    figure = curves.class_changes([ClassChange("a", 10, 4, 5, 1, 2), ClassChange("b", 8, 8, 2, 6, 0)])
    by_name = {trace.name: trace for trace in figure.data}
    assert list(by_name["newly right"].x) == [1, 6]
    assert list(by_name["newly wrong"].x) == [-2, 0]
    assert list(by_name["now"].x) == [0.4, 1.0]
    assert list(by_name["at the first look"].x) == [0.5, 0.25]
    assert "-" not in "".join(figure.layout.xaxis2.ticktext)


def test_the_axis_of_the_ladder_begins_where_the_serious_methods_are_and_says_so() -> None:
    figure = curves.ladder(rungs(), lambda rung: rung.name)
    assert "begins at 80 %" in figure.layout.xaxis.title.text
    assert list(figure.data[0].x) == [0.89, 0.946]
    assert list(figure.data[1].text) == ["← 1.3 %"]
    near = curves.ladder(
        [replace(r, accuracy=Interval(0.1, 0.02, 0.2)) for r in rungs()[:1]], lambda r: r.name
    )
    assert near.layout.xaxis.title.text == "share right"


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
