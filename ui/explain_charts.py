"""Figures of the Explain view: agreement of methods, faithfulness, words of a class. Data in, Plotly figures out.

Knows no Streamlit and no store. Names are users' words and pass through `ui.look`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from ui.colors import ACCENT, DIVERGING, MUTED, QUIET, SECOND, class_colors, text_on
from ui.look import finish, name_axis, plain, rows_height, wrapped
from ui.words import counted, number_words, percent

Triple = Sequence[float]  # value, low, high


def agreement(
    names: Sequence[str],
    spearman: Sequence[Sequence[float | None]],
    overlap: Sequence[Sequence[float | None]],
    theme: str = "light",
) -> go.Figure:
    """(M, M) rank correlations as fields, -1 to 1, their figures on them, overlap on hover. None or NaN: not defined."""
    size = len(names)
    scale = DIVERGING[theme]
    values = [[_known(v) for v in row] for row in spearman]
    details = [
        [
            [plain(names[i]), plain(names[j]), _shown(values[i][j]), _share(_known(overlap[i][j]))]
            for j in range(size)
        ]
        for i in range(size)
    ]
    figure = go.Figure(
        go.Heatmap(
            z=values, x=list(range(size)), y=list(range(size)), zmin=-1, zmax=1, customdata=details, showscale=False,
            colorscale=[[k / (len(scale) - 1), color] for k, color in enumerate(scale)], xgap=2, ygap=2, hoverongaps=False,
            hovertemplate="%{customdata[0]} and %{customdata[1]}<br>rank correlation %{customdata[2]}"
            "<br>top words in common %{customdata[3]}<extra></extra>",
        )
    )  # fmt: skip
    cells = [(i, j, v) for i, row in enumerate(values) for j, v in enumerate(row) if v is not None]
    figure.add_scatter(
        x=[j for _, j, _ in cells], y=[i for i, _, _ in cells], text=[_shown(v) for _, _, v in cells], mode="text",
        textfont={"size": 13, "color": [text_on(scale[round((v + 1) / 2 * (len(scale) - 1))]) for _, _, v in cells]},
        hoverinfo="skip",
    )  # fmt: skip
    name_axis(figure, "y", names)
    name_axis(figure, "x", names, reverse=False)
    figure.update_xaxes(tickangle=-35)
    return finish(
        figure, theme, height=rows_height(size, 44, extra=120), revision="explain_agreement", legend=None
    )


def gains(
    names: Sequence[str], gains: Sequence[Triple], sufficiency: Sequence[Triple], theme: str = "light"
) -> go.Figure:
    """Of each method, how much more the answer hangs on its words than on random ones, two measures with intervals."""
    figure = go.Figure()
    for shift, values, name, color, symbol in (
        (-0.13, gains, "its top words taken out", ACCENT[theme], "circle"),
        (0.13, sufficiency, "only its top words left", SECOND[theme], "diamond"),
    ):
        figure.add_scatter(
            x=[v[0] for v in values], y=[row + shift for row in range(len(names))], mode="markers", name=name,
            marker={"size": 10, "color": color, "symbol": symbol},
            error_x=_bars(values, color),
            customdata=[[wrapped(n), _points(v)] for n, v in zip(names, values, strict=True)],
            hovertemplate="%{customdata[0]}<br>" + name + ": %{customdata[1]}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": MUTED[theme], "width": 1.5, "dash": "dash"})
    figure.update_xaxes(title_text="gain over random words (probability of the answer)", tickformat="+.0%")
    name_axis(figure, "y", names)
    return finish(figure, theme, height=rows_height(len(names), 38), revision="explain_gains")


def falls(
    shares: Sequence[float],
    whole: float,
    removed: Mapping[str, Sequence[float]],
    random: Sequence[float],
    theme: str = "light",
) -> go.Figure:
    """The mean probability of the answer against the share of words taken out, a line a method, random words dashed."""
    figure = go.Figure()
    colors = class_colors(removed, theme)
    x = [0.0, *shares]
    for name, values in removed.items():
        figure.add_scatter(
            x=x, y=[whole, *values], mode="lines+markers", name=plain(name), line={"color": colors[name], "width": 2},
            hovertemplate=f"{plain(name)}<br>%{{x:.0%}} taken out: %{{y:.1%}}<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=x, y=[whole, *random], mode="lines+markers", name="random words",
        line={"color": MUTED[theme], "width": 3, "dash": "dash"},
        hovertemplate="random words<br>%{x:.0%} taken out: %{y:.1%}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text="share of the words taken out", tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(title_text="probability of the answer", tickformat=".0%", rangemode="tozero")
    return finish(figure, theme, height=340, revision="explain_falls", legend="bottom")


def class_words(rows: Sequence[Sequence[Any]], name: str, theme: str = "light") -> go.Figure:
    """Words as bars with their intervals, in the order given: (word, mean, low, high, texts)."""
    positive = sum(row[1] for row in rows) >= 0
    color = DIVERGING[theme][7] if positive else DIVERGING[theme][2]
    values = [row[1:4] for row in rows]
    figure = go.Figure(
        go.Bar(
            x=[row[1] for row in rows], y=list(range(len(rows))), orientation="h", marker_color=color,
            error_x=_bars(values, QUIET[theme]),
            customdata=[
                [wrapped(row[0]), number_words(row[2]), number_words(row[3]), counted(row[4], "text")] for row in rows
            ],
            hovertemplate="%{customdata[0]}: %{x:.3f} (%{customdata[1]} to %{customdata[2]}), in %{customdata[3]}"
            "<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(title_text=f"mean effect on the logit of {plain(name)}")
    name_axis(figure, "y", [row[0] for row in rows])
    return finish(
        figure, theme, height=rows_height(len(rows), 24), revision="explain_class_words", legend=None
    )


# ------------------------------------------------------------------------------------- details


def _bars(values: Sequence[Triple], color: str) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "thickness": 1.5,
        "width": 4,
        "color": color,
        "array": [max(0.0, high - value) for value, _, high in values],
        "arrayminus": [max(0.0, value - low) for value, low, _ in values],
    }


def _points(triple: Triple) -> str:
    value, low, high = (f"{100 * v:+.1f}".replace("-", "−") for v in triple)
    return f"{value} points ({low} to {high})"


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


def _share(value: float | None) -> str:
    return "–" if value is None else percent(value, 0)
