"""Several people's answers as Plotly figures: figures with intervals, the confusion of two people, drift.

Records and arrays in, figures out, with the look of `ui.look`; names of labels and people pass through it. Knows no
Streamlit and no store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from core.labels.agreement import Window
from core.records import Interval
from ui.colors import ACCENT, BACKGROUND, MUTED, QUIET, SECOND, SEQUENTIAL, blend, text_on
from ui.look import finish, name_axis, plain, rows_height, wrapped
from ui.words import interval_words, percent, shorten, when_words

WRITTEN = 20  # classes up to which the counts are written into the cells


def intervals(
    names: Sequence[str],
    values: Sequence[Interval],
    details: Sequence[str],
    *,
    title: str,
    marks: Sequence[tuple[float, str]] = (),
    shares: bool = False,
    theme: str = "light",
    revision: str = "intervals",
) -> go.Figure:
    """A dot with its 95 % interval for each name, the first on top. `details`: more words for the hover. `marks`:
    values to draw a line at, with a word. `shares`: the axis is from 0 to 100 %.
    """
    hover = [
        [wrapped(name), plain(_words(one, shares)), plain(more)]
        for name, one, more in zip(names, values, details, strict=True)
    ]
    rows = list(range(len(names)))
    figure = go.Figure()
    figure.add_scatter(
        x=[one.value for one in values], y=rows, mode="markers", customdata=hover,
        marker={"size": 9, "color": ACCENT[theme]},
        hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
        error_x={"type": "data", "symmetric": False, "thickness": 1.5, "width": 4,
                 "color": blend(ACCENT[theme], BACKGROUND[theme], 0.6),
                 "array": [one.high - one.value for one in values],
                 "arrayminus": [one.value - one.low for one in values]},
    )  # fmt: skip
    least = min([0.0, *(one.low for one in values)])
    figure.update_xaxes(title_text=title, range=[least - 0.02, 1.02], tickformat=".0%" if shares else None)
    for mark, word in marks:
        figure.add_vline(x=mark, line={"color": SECOND[theme], "width": 1.2, "dash": "dash"})
        figure.add_annotation(
            x=mark, y=1, yref="paper", yanchor="bottom", showarrow=False,
            text=f"{plain(word)}<br>{percent(mark) if shares else mark}",
        )  # fmt: skip
    name_axis(figure, "y", names, small=len(names) > 30)
    row = 28 if len(names) <= 30 else 18
    figure = finish(figure, theme, height=rows_height(len(names), row), revision=revision, legend=None)
    return figure.update_layout(margin_t=44) if marks else figure


def confusion_of_two(
    cells: np.ndarray[Any, Any], labels: Sequence[str], first: str, second: str, *, theme: str = "light"
) -> go.Figure:
    """What the one said by row, what the other said of the same texts by column; the colour is the share of the row."""
    n = len(labels)
    totals = cells.sum(axis=1, keepdims=True)
    shares = cells / np.maximum(totals, 1)
    names = [wrapped(label) for label in labels]
    details = [[[names[i], names[j], f"{cells[i, j]:,}"] for j in range(n)] for i in range(n)]
    one, other = plain(shorten(first, 40)), plain(shorten(second, 40))
    figure = go.Figure(
        go.Heatmap(
            z=shares, x=list(range(n)), y=list(range(n)), zmin=0, zmax=1, customdata=details,
            colorscale=[[i / 9, color] for i, color in enumerate(SEQUENTIAL[theme])],
            hovertemplate=f"%{{customdata[2]}} texts<br>{one}: %{{customdata[0]}}<br>{other}: %{{customdata[1]}}<extra></extra>",
            xgap=1, ygap=1, showscale=False,
        )
    )  # fmt: skip
    if n <= WRITTEN:
        scale = SEQUENTIAL[theme]
        full = [(i, j) for i in range(n) for j in range(n) if cells[i, j]]
        figure.add_scatter(
            x=[j for _, j in full], y=[i for i, _ in full], text=[f"{cells[i, j]:,}" for i, j in full],
            mode="text", hoverinfo="skip",
            textfont={"color": [text_on(scale[round(shares[i, j] * (len(scale) - 1))]) for i, j in full], "size": 13},
        )  # fmt: skip
    cell = 44 if n <= 8 else 30 if n <= WRITTEN else 13
    name_axis(figure, "y", labels, title=one, small=n > WRITTEN)
    name_axis(figure, "x", labels, title=other, small=n > WRITTEN, reverse=False)
    angle = 0 if max(map(len, labels), default=0) <= 4 else -90 if n > 8 else -35
    figure.update_xaxes(tickangle=angle, showticklabels=n <= WRITTEN)
    return finish(figure, theme, height=rows_height(n, cell, extra=190), revision="confusion_of_two", legend=None)  # fmt: skip


def presence_of_two(
    cells: np.ndarray[Any, Any], labels: Sequence[str], first: str, second: str, *, theme: str = "light"
) -> go.Figure:
    """For each of several labels a text: texts to which both gave it, only the one, only the other. `cells` (C, 2, 2)."""
    parts = (
        ("both", cells[:, 1, 1], ACCENT[theme]),
        (f"only {shorten(first, 30)}", cells[:, 1, 0], SECOND[theme]),
        (f"only {shorten(second, 30)}", cells[:, 0, 1], MUTED[theme]),
    )
    figure = go.Figure()
    names = [wrapped(label) for label in labels]
    for word, counts, color in parts:
        figure.add_bar(
            x=counts, y=list(range(len(labels))), orientation="h", name=plain(word), marker_color=color,
            customdata=names, hovertemplate=f"%{{customdata}}<br>{plain(word)}: %{{x:,}} texts<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text="texts")
    name_axis(figure, "y", labels, small=len(labels) > 30)
    figure = finish(figure, theme, height=rows_height(len(labels), 26), revision="presence_of_two")
    return figure.update_layout(barmode="stack", legend_traceorder="normal")


def drift(windows: Sequence[Window], person: str, *, theme: str = "light") -> go.Figure:
    """How far a person agrees with the others along his own answers: each window as a dot at its middle, with its
    95 % interval as a band.
    """
    middle = [(one.first + one.last) / 2 for one in windows]
    values = [one.agreement for one in windows]
    figure = go.Figure()
    figure.add_scatter(
        x=[*middle, *reversed(middle)], y=[*(v.high for v in values), *(v.low for v in reversed(values))],
        fill="toself", mode="none", fillcolor=blend(ACCENT[theme], BACKGROUND[theme], 0.22), hoverinfo="skip",
    )  # fmt: skip
    details = [
        [f"answers {w.first:,} to {w.last:,}", interval_words(w.agreement), when_words(w.since / 1e6)]
        for w in windows
    ]
    figure.add_scatter(
        x=middle, y=[v.value for v in values], mode="lines+markers", customdata=details, name=plain(person),
        line={"color": ACCENT[theme], "width": 2}, marker={"size": 8, "color": ACCENT[theme]},
        hovertemplate="%{customdata[0]}, from %{customdata[2]}<br>%{customdata[1]} agree<extra></extra>",
    )  # fmt: skip
    same = sum(v.value * (w.last - w.first + 1) for v, w in zip(values, windows, strict=True))
    figure.add_hline(y=same / windows[-1].last, line={"color": QUIET[theme], "width": 1, "dash": "dot"})
    figure.update_xaxes(title_text="answers in their order", range=[0, windows[-1].last + 1])
    figure.update_yaxes(title_text="same as the others", tickformat=".0%", range=[0, 1.02])
    return finish(figure, theme, height=300, revision="drift", legend=None)


def _words(one: Interval, shares: bool) -> str:
    return interval_words(one) if shares else coefficient_words(one)


def coefficient_words(figure: Interval | None) -> str:
    """A kappa or alpha with its interval: “0.71 (0.66–0.76)”; a negative bound keeps its sign."""
    if figure is None:
        return "–"
    low, high = (f"{bound:.2f}".replace("-", "−") for bound in (figure.low, figure.high))
    return f"{figure.value:.2f} ({low}–{high})".replace("-", "−")
