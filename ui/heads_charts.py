"""Figures of the Heads view: answers with and without heads, and the heads that matter most. Arrays in, figures out.

Knows no Streamlit and no models.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from ui.colors import ACCENT, MUTED, QUIET, SECOND
from ui.look import finish, name_axis, plain, rows_height, wrapped
from ui.words import percent

MOST_CLASSES = 8


def before_after(
    labels: Sequence[str],
    whole: Sequence[float],
    less: Sequence[float] | None,
    without: str,
    *,
    theme: str = "light",
) -> go.Figure:
    """Probabilities of the classes that are likeliest with all heads or without some; `less` None: none is off."""
    order = sorted(range(len(labels)), key=lambda c: -max(whole[c], less[c] if less is not None else 0.0))[
        :MOST_CLASSES
    ]
    order.sort(key=lambda c: -whole[c])
    figure = go.Figure()
    traces = [("all heads", whole, MUTED[theme] if less is not None else ACCENT[theme])]
    if less is not None:
        traces.append((f"without {without}", less, ACCENT[theme]))
    for name, values, color in traces:
        figure.add_bar(
            x=[values[c] for c in order],
            y=list(range(len(order))),
            orientation="h",
            name=plain(name),
            marker_color=color,
            text=[percent(values[c]) for c in order],
            textposition="outside",
            cliponaxis=False,
            customdata=[wrapped(labels[c]) for c in order],
            hovertemplate="%{customdata}<br>%{x:.5f}<extra>" + plain(name) + "</extra>",
        )
    figure.update_xaxes(
        title_text="probability", tickformat=".0%", range=[0, 1.18], tickvals=[0, 0.25, 0.5, 0.75, 1]
    )
    name_axis(figure, "y", [labels[c] for c in order], length=20)
    height = rows_height(len(order), 34 if less is None else 46, 80)
    return finish(figure, theme, height=height, revision="heads", legend="top" if less is not None else None)


def ranked(
    names: Sequence[str],
    values: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    *,
    title: str,
    form: str = ".3f",
    theme: str = "light",
) -> go.Figure:
    """Points with their 95 % intervals, in the order given, the first on top; a line marks zero."""
    figure = go.Figure(
        go.Scatter(
            x=list(values),
            y=list(range(len(names))),
            mode="markers",
            marker={"size": 9, "color": ACCENT[theme]},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [h - v for v, h in zip(values, high, strict=True)],
                "arrayminus": [v - lo for v, lo in zip(values, low, strict=True)],
                "color": QUIET[theme],
                "thickness": 1.5,
                "width": 3,
            },
            customdata=[[wrapped(n), lo, h] for n, lo, h in zip(names, low, high, strict=True)],
            hovertemplate="%{customdata[0]}<br>%{x:"
            + form
            + "} (%{customdata[1]:"
            + form
            + "} to %{customdata[2]:"
            + form
            + "})<extra></extra>",
        )
    )
    if min(low, default=0.0) < 0:
        figure.add_vline(x=0, line={"color": SECOND[theme], "width": 1, "dash": "dot"})
    figure.update_xaxes(title_text=title, rangemode="tozero")
    name_axis(figure, "y", names)
    return finish(figure, theme, height=rows_height(len(names), 24), revision="ranked", legend=None)
