"""The pictures of the lessons on attention: weights as a grid, curves with a band, paths between words.

Arrays and words in, Plotly figures out, with the look of `ui.look`. Knows no Streamlit and no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.records import Measured
from ui.colors import ACCENT, MUTED, QUIET, SECOND, SEQUENTIAL
from ui.curves import see_through
from ui.look import finish, name_axis, plain

Array = np.ndarray[Any, Any]
_CELL = 30  # pixels of one weight


def grids(
    planes: Sequence[tuple[str, Array]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    theme: str = "light",
    row_title: str = "reads",
    column_title: str = "is read",
    top: float = 1.0,
) -> go.Figure:
    """Weights side by side on one scale: (title, (T, S) shares) each, words by row and by column."""
    figure = make_subplots(
        rows=1,
        cols=len(planes),
        subplot_titles=[plain(title) for title, _ in planes],
        horizontal_spacing=0.04,
    )
    for at, (_, plane) in enumerate(planes, start=1):
        hover = [[[plain(r), plain(c)] for c in columns] for r in rows]
        figure.add_trace(
            go.Heatmap(
                z=plane, zmin=0, zmax=top, customdata=hover, showscale=False, xgap=1, ygap=1,
                colorscale=[[i / 9, color] for i, color in enumerate(SEQUENTIAL[theme])],
                hovertemplate="%{customdata[0]} reads %{z:.1%} from %{customdata[1]}<extra></extra>",
            ),
            row=1, col=at,
        )  # fmt: skip
    name_axis(figure, "y", list(rows), length=16)
    name_axis(figure, "x", list(columns), length=16, reverse=False)
    figure.update_xaxes(tickangle=-60)
    figure.update_yaxes(title_text=row_title, col=1, row=1)
    for at in range(2, len(planes) + 1):
        figure.update_yaxes(showticklabels=False, row=1, col=at)
    figure.update_xaxes(title_text=column_title)
    height = max(260, _CELL * len(rows) + 150)
    figure = finish(figure, theme, height=height, revision="grids", legend=None)
    return figure.update_layout(margin_t=40)


def bands(
    x: Sequence[float],
    curves: Mapping[str, Array],
    *,
    x_title: str,
    y_title: str,
    theme: str = "light",
    logarithmic: bool = False,
) -> go.Figure:
    """Curves with a band each: name -> (S, 3) value, low, high. The first in the accent colour."""
    figure = go.Figure()
    for color, (name, rows) in zip((ACCENT[theme], SECOND[theme]), curves.items(), strict=False):
        figure.add_scatter(
            x=[*x, *reversed(x)], y=[*rows[:, 2], *rows[::-1, 1]], fill="toself", mode="lines", line={"width": 0},
            fillcolor=see_through(color, 0.16), hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=list(x), y=rows[:, 0], mode="lines+markers", name=name, line={"color": color, "width": 2.2},
            customdata=rows[:, 1:],
            hovertemplate="%{y:.2f} (%{customdata[0]:.2f} to %{customdata[1]:.2f})<extra>" + plain(name) + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text=x_title, type="log" if logarithmic else "linear")
    if logarithmic:
        figure.update_xaxes(tickvals=list(x), ticktext=[f"{v:g}" for v in x])
    figure.update_yaxes(title_text=y_title, rangemode="tozero")
    return finish(figure, theme, height=300, revision="bands")


def race(
    curves: Mapping[str, Sequence[Measured]],
    titles: Mapping[str, str],
    chance: float,
    steps: int,
    *,
    theme: str = "light",
) -> go.Figure:
    """Accuracy over steps, with 95 % bands, and a line at what guessing gives."""
    figure = go.Figure()
    for color, (name, points) in zip((ACCENT[theme], SECOND[theme]), curves.items(), strict=False):
        x = [p.step for p in points]
        figure.add_scatter(
            x=x + x[::-1], y=[p.high for p in points] + [p.low for p in points][::-1], fill="toself", mode="lines",
            line={"width": 0}, fillcolor=see_through(color, 0.16), hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=x, y=[p.value for p in points], mode="lines", name=titles[name], line={"color": color, "width": 2.4},
            customdata=[[p.low, p.high, p.seconds] for p in points],
            hovertemplate="%{y:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})<br>after %{x:,} steps, "
            "%{customdata[2]:.1f} s<extra>" + plain(titles[name]) + "</extra>",
        )  # fmt: skip
    figure.add_hline(
        y=chance, line={"color": MUTED[theme], "width": 1.2, "dash": "dot"},
        annotation_text=f"guessing, {chance:.1%}", annotation_position="bottom right",
    )  # fmt: skip
    figure.update_xaxes(title_text="steps", range=[0, steps], tickformat=",d")
    figure.update_yaxes(title_text="right answers", tickformat=".0%", range=[0, 1.04])
    return finish(figure, theme, height=340, revision="race")


def bars(
    names: Sequence[str], series: Mapping[str, Array], *, y_title: str, theme: str = "light"
) -> go.Figure:
    """Two figures a word, side by side."""
    figure = go.Figure()
    shown = list(range(len(names)))
    for color, (name, values) in zip((ACCENT[theme], SECOND[theme]), series.items(), strict=False):
        figure.add_bar(
            x=shown, y=values, name=name, marker_color=color, customdata=[plain(n) for n in names],
            hovertemplate="%{customdata}: %{y:.3f}<extra>" + plain(name) + "</extra>",
        )  # fmt: skip
    name_axis(figure, "x", list(names), length=16, reverse=False)
    figure.update_xaxes(tickangle=-45)
    figure.update_yaxes(title_text=y_title, rangemode="tozero")
    return finish(figure, theme, height=300, revision="bars")


def paths(words: Sequence[str], one: int, other: int, *, theme: str = "light") -> go.Figure:
    """The way from one word to another: step by step through a recurrent network, and in one step by attention."""
    figure = go.Figure()
    count = len(words)
    low, high = sorted((one, other))
    for y, name in ((0.0, "recurrent"), (1.0, "attention")):
        figure.add_scatter(
            x=list(range(count)), y=[y] * count, mode="markers", name=name, showlegend=False, hoverinfo="skip",
            marker={"size": 16, "color": [ACCENT[theme] if k in (low, high) else MUTED[theme] for k in range(count)]},
        )  # fmt: skip
    for k in range(low, high):
        figure.add_annotation(
            x=k + 0.86, y=0, ax=k + 0.14, ay=0, xref="x", yref="y", axref="x", ayref="y", showarrow=True,
            arrowhead=2, arrowwidth=2, arrowcolor=SECOND[theme], text="",
        )  # fmt: skip
    if high > low:
        x = np.linspace(low, high, 40)
        lift = 0.16 + 0.05 * min(8, high - low)
        arc = 1 + lift * np.sin(np.pi * (x - low) / (high - low))
        figure.add_scatter(
            x=x, y=arc, mode="lines", line={"color": ACCENT[theme], "width": 2.4}, hoverinfo="skip", showlegend=False
        )  # fmt: skip
    figure.update_xaxes(
        tickvals=list(range(count)), ticktext=[plain(w) for w in words], range=[-0.6, count - 0.4], showgrid=False,
        tickangle=-45 if count > 12 else 0,
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=[0, 1],
        ticktext=["recurrent", "attention"],
        range=[-0.35, 1.75],
        showgrid=False,
        zeroline=False,
    )
    figure = finish(figure, theme, height=260, revision="paths", legend=None)
    steps = high - low
    figure.add_annotation(
        x=(low + high) / 2, y=0.12, yanchor="bottom", showarrow=False, font={"color": QUIET[theme], "size": 13},
        text=f"{steps:,} step{'' if steps == 1 else 's'}",
    )  # fmt: skip
    figure.add_annotation(
        x=(low + high) / 2, y=1.22 + 0.05 * min(8, steps), yanchor="bottom", showarrow=False,
        font={"color": QUIET[theme], "size": 13}, text="1 step",
    )  # fmt: skip
    return figure
