"""The learning curve of labelling as a Plotly figure. A curve in, a figure out; knows no Streamlit and no store."""

from __future__ import annotations

import plotly.graph_objects as go

from core.labels.curve import Curve
from ui.colors import ACCENT, SECOND
from ui.curves import see_through
from ui.look import finish


def learning_curve(curve: Curve, *, theme: str = "light") -> go.Figure:
    """Accuracy over the number of labels: measured points with 95 % intervals, and how the fitted curve goes on
    with its band.
    """
    figure = go.Figure()
    accent, second = ACCENT[theme], SECOND[theme]
    if curve.ahead:
        x = [n for n, *_ in curve.ahead]
        figure.add_scatter(
            x=x + x[::-1], y=[high for *_, high in curve.ahead] + [low for _, _, low, _ in curve.ahead][::-1],
            fill="toself", fillcolor=see_through(second, 0.16), line={"width": 0}, mode="lines",
            name="with more labels, 95 % interval", hoverinfo="skip",
        )  # fmt: skip
        figure.add_scatter(
            x=x, y=[value for _, value, *_ in curve.ahead], mode="lines", name="with more labels, expected",
            customdata=[[low, high] for _, _, low, high in curve.ahead], line={"color": second, "width": 2.2, "dash": "dash"},
            hovertemplate="%{y:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})<br>with %{x:,} labels<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=list(curve.sizes), y=list(curve.values), mode="lines+markers", name="measured, 95 % interval",
        customdata=[[low, high] for low, high in zip(curve.low, curve.high, strict=True)],
        line={"color": accent, "width": 2.2}, marker={"size": 8},
        error_y={"type": "data", "symmetric": False, "thickness": 1.5, "width": 4,
                 "array": [max(0.0, high - value) for value, high in zip(curve.values, curve.high, strict=True)],
                 "arrayminus": [max(0.0, value - low) for value, low in zip(curve.values, curve.low, strict=True)]},
        hovertemplate="%{y:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})<br>with %{x:,} labels<extra></extra>",
    )  # fmt: skip
    lows = [*curve.low, *(low for _, _, low, _ in curve.ahead)]
    figure.update_xaxes(title_text="labels that the model learnt from", rangemode="tozero", tickformat=",d")
    figure.update_yaxes(title_text="accuracy", tickformat=".0%", range=[max(0.0, min(lows) - 0.05), 1.02])
    return finish(figure, theme, height=340, revision="labelling curve")
