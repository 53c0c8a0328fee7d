"""What a run went through, as Plotly figures: curves over steps, classes learnt and forgotten, the baseline ladder.

Records in, figures out, with the look of `ui.look`; names of classes and runs pass through it. Knows no Streamlit and
no store.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.records import Evaluated, Rung, Step
from ui.colors import ACCENT, BACKGROUND, MUTED, QUIET, SECOND, blend, class_colors
from ui.look import finish, name_axis, plain, rows_height, wrapped
from ui.words import counted, elapsed_words, interval_words, percent, shorten

MAX_POINTS = 500  # of one curve: more cannot be seen, and slows the browser

# ------------------------------------------------------------------------------------- learning


def learning_curves(
    steps: Sequence[Step], evaluations: Sequence[Evaluated], *, theme: str = "light", revision: str = "curves"
) -> go.Figure:
    """Left: training loss of each step (faint) and smoothed, validation loss. Right: accuracy and macro-F1 on the
    validation part with their 95 % bands. `revision` keeps the user's zoom while it stays the same."""
    figure = make_subplots(
        rows=1, cols=2, horizontal_spacing=0.09,
        subplot_titles=("Loss", "Validation quality, with 95 % intervals"),
    )  # fmt: skip
    accent, second = ACCENT[theme], SECOND[theme]
    shown = thin([s.loss for s in steps])
    smooth = smoothed([s.loss for s in steps])
    x = [steps[i].step for i in shown]
    epochs = [steps[i].epoch for i in shown]
    hover = "%{y:.4g} at step %{x}, epoch %{customdata:.2f}"
    figure.add_scatter(
        x=x, y=[steps[i].loss for i in shown], customdata=epochs, mode="lines", name="training, each step",
        line={"color": blend(accent, BACKGROUND[theme], 0.35), "width": 1}, hovertemplate=hover, row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=[smooth[i] for i in shown], customdata=epochs, mode="lines", name="training, smoothed",
        line={"color": accent, "width": 2.2}, hovertemplate=hover, row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(**_curve(evaluations, "loss", second, "validation", "%{y:.4g}"), row=1, col=1)
    _add_band(figure, evaluations, "accuracy", "accuracy", accent)
    _add_band(figure, evaluations, "macro_f1", "macro-F1", second)
    figure.add_scatter(**_curve(evaluations, "accuracy", accent, "accuracy", "%{y:.1%}"), row=1, col=2)
    figure.add_scatter(**_curve(evaluations, "macro_f1", second, "macro-F1", "%{y:.1%}"), row=1, col=2)
    _mark_best(figure, evaluations, second)
    figure.update_xaxes(title_text="optimizer step", rangemode="tozero")
    figure.update_yaxes(title_text="loss (nats)", rangemode="tozero", row=1, col=1)
    lows = [low for e in evaluations for low in (e.accuracy, e.accuracy_low, e.macro_f1, e.macro_f1_low)]
    begin = _tenth_below(low for low in lows if low is not None)
    figure.update_yaxes(tickformat=".0%", range=[begin, 1 + 0.02 * (1 - begin)], row=1, col=2)
    return finish(figure, theme, height=360, revision=revision, legend="bottom")


def compare_runs(
    runs: Sequence[tuple[str, Sequence[Evaluated]]], *, figure_of: str = "macro_f1", theme: str = "light"
) -> go.Figure:
    """The validation curves of several runs over epochs: (name, evaluations) each.

    `figure_of`: macro_f1, accuracy or loss."""
    colors = list(class_colors([str(i).zfill(3) for i in range(len(runs))], theme).values())
    figure = go.Figure()
    for color, (name, evaluations) in zip(colors, runs, strict=True):
        figure.add_scatter(
            x=[e.epoch for e in evaluations],
            y=[getattr(e, figure_of) for e in evaluations],
            customdata=[[plain(name)]] * len(evaluations),
            mode="lines+markers",
            name=plain(shorten(name, 40)),
            line={"color": color, "width": 2},
            marker={"size": 6},
            hovertemplate=f"%{{customdata[0]}}<br>%{{y:{'.4g' if figure_of == 'loss' else '.1%'}}}"
            " at epoch %{x:.2f}<extra></extra>",
        )
    titles = {
        "macro_f1": "macro-F1 on validation",
        "accuracy": "accuracy on validation",
        "loss": "validation loss (nats)",
    }
    figure.update_xaxes(title_text="epoch", rangemode="tozero")
    figure.update_yaxes(title_text=titles[figure_of])
    if figure_of != "loss":
        figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    return finish(figure, theme, height=360, revision=f"compare {figure_of}")


def _curve(
    evaluations: Sequence[Evaluated], field: str, color: str, name: str, value: str
) -> dict[str, object]:
    return {
        "x": [e.step for e in evaluations],
        "y": [getattr(e, field) for e in evaluations],
        "customdata": [e.epoch for e in evaluations],
        "mode": "lines+markers",
        "name": name,
        "line": {"color": color, "width": 2.2},
        "marker": {"size": 6},
        "hovertemplate": f"{value} at step %{{x}}, epoch %{{customdata:.2f}}",
    }


def _add_band(figure: go.Figure, evaluations: Sequence[Evaluated], field: str, name: str, color: str) -> None:
    """The interval of a figure around its curve, where it is known."""
    edges = [(e.step, getattr(e, f"{field}_low"), getattr(e, f"{field}_high")) for e in evaluations]
    known = [(step, low, high) for step, low, high in edges if low is not None and high is not None]
    x = [step for step, _, _ in known]
    figure.add_scatter(
        x=x + x[::-1], y=[high for _, _, high in known] + [low for _, low, _ in known][::-1],
        fill="toself", fillcolor=see_through(color, 0.14), line={"width": 0}, mode="lines",
        name=f"{name}, 95 % interval", hoverinfo="skip", showlegend=False, row=1, col=2,
    )  # fmt: skip


def see_through(color: str, share: float) -> str:
    """“#RRGGBB” as a colour that lets what lies below it through."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"


def _mark_best(figure: go.Figure, evaluations: Sequence[Evaluated], color: str) -> None:
    best = [e for e in evaluations if e.best][-1:]
    figure.add_scatter(
        x=[e.step for e in best], y=[e.macro_f1 for e in best], mode="markers", name="best so far, kept",
        marker={"symbol": "star", "size": 14, "color": color}, hovertemplate="%{y:.1%} at step %{x}", row=1, col=2,
    )  # fmt: skip


def smoothed(values: Sequence[float]) -> list[float]:
    """Exponential moving average over a fifteenth of the values, 2 to 20 of them, without the pull to zero at
    the start (bias corrected as in Adam)."""
    weight = 1 - 1 / max(2.0, min(20.0, len(values) / 15))
    result, mean, scale = [], 0.0, 0.0
    for value in values:
        if math.isfinite(value):
            mean = weight * mean + (1 - weight) * value
            scale = weight * scale + (1 - weight)
        result.append(mean / scale if scale else math.nan)
    return result


def thin(values: Sequence[float], most: int = MAX_POINTS) -> list[int]:
    """Positions of at most `most` values that keep the shape: ends, and low and high of each stretch."""
    n = len(values)
    if n <= most:
        return list(range(n))
    stretches = (most - 2) // 2
    keep = {0, n - 1}
    for k in range(stretches):
        stretch = range(k * n // stretches, (k + 1) * n // stretches)
        keep.add(min(stretch, key=values.__getitem__))
        keep.add(max(stretch, key=values.__getitem__))
    return sorted(keep)


# ------------------------------------------------------------------------------------- the optimizer


def optimizer_curves(
    steps: Sequence[Step], *, gpu: bool, theme: str = "light", revision: str = "optimizer"
) -> go.Figure:
    """Small pictures over the steps: learning rate, gradient norm (each step, and smoothed), and on a graphics card
    its memory and, where known, how busy it is."""
    use = [s for s in steps if s.device_use is not None]
    titles = ["Learning rate", "Gradient norm"]
    titles += ["GPU memory (GB)"] * gpu + ["GPU in use"] * (gpu and bool(use))
    figure = make_subplots(rows=1, cols=len(titles), horizontal_spacing=0.07, subplot_titles=titles)
    accent, faint = ACCENT[theme], blend(ACCENT[theme], BACKGROUND[theme], 0.35)

    def add(
        values: Sequence[float], of: Sequence[Step], column: int, color: str, width: float, hover: str
    ) -> None:
        shown = thin(values)
        figure.add_scatter(
            x=[of[i].step for i in shown], y=[values[i] for i in shown], mode="lines",
            line={"color": color, "width": width}, hovertemplate=f"{hover} at step %{{x}}<extra></extra>",
            row=1, col=column,
        )  # fmt: skip

    norms = [s.gradient_norm for s in steps]
    add([s.learning_rate for s in steps], steps, 1, accent, 2, "%{y:.3g}")
    add(norms, steps, 2, faint, 1, "%{y:.3g}")
    add(smoothed(norms), steps, 2, accent, 2, "%{y:.3g}, smoothed,")
    if gpu:
        add([s.memory / 2**30 for s in steps], steps, 3, accent, 2, "%{y:.3g} GB")
    if gpu and use:
        add([s.device_use or 0.0 for s in use], use, 4, accent, 2, "%{y:.0%} busy")
    figure.update_xaxes(title_text="optimizer step", rangemode="tozero", nticks=5)
    figure.update_yaxes(rangemode="tozero", nticks=5)
    figure.update_yaxes(tickformat=".2~e", row=1, col=1)
    if gpu and use:
        figure.update_yaxes(tickformat=".0%", range=[0, 1.05], row=1, col=4)
    finish(figure, theme, height=220, revision=revision, legend="bottom")
    return figure.update_layout(showlegend=False)


# ------------------------------------------------------------------------------------- classes


@dataclass(frozen=True)
class ClassChange:
    """One class at the newest look at the validation part."""

    label: str
    texts: int
    right: int
    right_at_first: int  # at the first look of the run
    gained: int  # texts right now and wrong at the look before
    lost: int  # texts wrong now and right at the look before

    @property
    def share(self) -> float:
        return self.right / self.texts if self.texts else 0.0

    @property
    def changed(self) -> int:
        return self.gained + self.lost


def class_changes(classes: Sequence[ClassChange], *, theme: str = "light") -> go.Figure:
    """Left: the share of each class that is right, at the first look (hollow) and now. Right: texts that became
    right (to the right) or wrong (to the left) since the last look. In the order given, the first on top."""
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, column_widths=[0.58, 0.42], horizontal_spacing=0.04,
        subplot_titles=("Right on validation", "Texts that changed since the last look"),
    )  # fmt: skip
    rows = list(range(len(classes)))
    first = [c.right_at_first / c.texts if c.texts else 0.0 for c in classes]
    details = [
        [
            wrapped(c.label),
            f"{c.right:,} of {counted(c.texts, 'text')} right, {c.right_at_first:,} at the first look",
            f"{c.gained:,} newly right, {c.lost:,} newly wrong",
        ]
        for c in classes
    ]
    hover = {
        "customdata": details,
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
    }
    ways = [[before, c.share, None] for before, c in zip(first, classes, strict=True)]
    figure.add_scatter(
        x=[x for way in ways for x in way], y=[y for y in rows for _ in range(3)],
        mode="lines", hoverinfo="skip", showlegend=False,
        line={"color": blend(MUTED[theme], BACKGROUND[theme], 0.6), "width": 2}, row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=first, y=rows, mode="markers", name="at the first look", **hover,
        marker={"symbol": "circle-open", "size": 9, "color": MUTED[theme], "line": {"width": 2}}, row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=[c.share for c in classes], y=rows, mode="markers", name="now", **hover,
        marker={"size": 10, "color": ACCENT[theme]}, row=1, col=1,
    )  # fmt: skip
    most = max([1, *(max(c.gained, c.lost) for c in classes)])
    for name, sign, values, color in (
        ("newly right", 1, [c.gained for c in classes], ACCENT[theme]),
        ("newly wrong", -1, [c.lost for c in classes], SECOND[theme]),
    ):
        figure.add_bar(
            x=[sign * v for v in values], y=rows, orientation="h", name=name, marker_color=color, width=0.6,
            text=[f"{v:,}" if v else "" for v in values], textposition="outside", cliponaxis=False,
            textfont={"color": QUIET[theme]}, **hover, row=1, col=2,
        )  # fmt: skip
    every = max(1, math.ceil(most / 3))
    ticks = list(range(0, most + 1, every))
    grid = blend(MUTED[theme], BACKGROUND[theme], 0.25)
    figure.update_xaxes(tickformat=".0%", range=[-0.02, 1.02], showgrid=True, gridcolor=grid, row=1, col=1)
    figure.update_xaxes(
        range=[-1.25 * most, 1.25 * most], tickvals=[-t for t in ticks[:0:-1]] + ticks,
        ticktext=[f"{t:,}" for t in [*ticks[:0:-1], *ticks]], row=1, col=2,
    )  # fmt: skip
    name_axis(figure, "y", [c.label for c in classes], small=len(classes) > 30)
    finish(
        figure, theme, height=rows_height(len(classes), 24 if len(classes) <= 30 else 18, extra=110),
        revision="changes", legend="bottom",
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": MUTED[theme], "width": 1}, row=1, col=2)
    figure.update_yaxes(showticklabels=False, row=1, col=2)
    return figure.update_layout(
        barmode="relative", legend={"yref": "container", "y": 0, "yanchor": "bottom"}, margin={"b": 64}
    )


# ------------------------------------------------------------------------------------- the ladder


def ladder(rungs: Sequence[Rung], name: Callable[[Rung], str], *, theme: str = "light") -> go.Figure:
    """Accuracy (dot) and macro-F1 (diamond) of each rung with their 95 % intervals, in the order given.

    What lies far below the others, such as the most frequent class among many, would press them together: the axis
    begins beyond it, and it is written at the edge."""
    begin = _begin(rungs)
    figure = go.Figure()
    for title, field, offset, color, symbol in (
        ("accuracy", "accuracy", -0.18, ACCENT[theme], "circle"),
        ("macro-F1", "macro_f1", 0.18, SECOND[theme], "diamond"),
    ):
        every = [(y + offset, getattr(r, field), r) for y, r in enumerate(rungs)]
        places = [place for place in every if place[1].value >= begin]
        below = [place for place in every if place[1].value < begin]
        figure.add_scatter(
            x=[i.value for _, i, _ in places], y=[y for y, _, _ in places], mode="markers",
            name=f"{title}, 95 % interval",
            customdata=[[wrapped(name(r)), interval_words(i), elapsed_words(r.seconds)] for _, i, r in places],
            marker={"size": 9, "color": color, "symbol": symbol},
            hovertemplate=f"%{{customdata[0]}}<br>{title} %{{customdata[1]}}<br>%{{customdata[2]}}<extra></extra>",
            error_x={"type": "data", "symmetric": False, "thickness": 1.5, "width": 4,
                     "color": blend(color, BACKGROUND[theme], 0.6),
                     "array": [max(0.0, i.high - i.value) for _, i, _ in places],
                     "arrayminus": [max(0.0, i.value - i.low) for _, i, _ in places]},
        )  # fmt: skip
        figure.add_scatter(
            x=[begin] * len(below), y=[y for y, _, _ in below], mode="text", textposition="middle right",
            text=[f"← {percent(i.value)}" for _, i, _ in below], hoverinfo="skip", showlegend=False,
            textfont={"color": color, "size": 12},
        )  # fmt: skip
    room = 0.02 * (1 - begin)
    title = f"share right (the axis begins at {percent(begin, 0)})" if begin else "share right"
    figure.update_xaxes(tickformat=".0%", range=[begin - room, 1 + room], title_text=title)
    name_axis(figure, "y", [name(r) for r in rungs])
    return finish(figure, theme, height=rows_height(len(rungs), 44), revision="ladder")


def _begin(rungs: Sequence[Rung]) -> float:
    """The start of the ladder's axis, in tenths: below the intervals of all that come near the best."""
    every = [i for r in rungs for i in (r.accuracy, r.macro_f1)]
    best = max((i.value for i in every), default=0.0)
    return _tenth_below(i.low for i in every if i.value >= best / 2)


def _tenth_below(shares: Iterable[float]) -> float:
    """Where an axis of these shares begins: the whole tenth below them, 0 to 0.9."""
    return min(0.9, max(0.0, math.floor(10 * min(shares, default=0.0)) / 10))
