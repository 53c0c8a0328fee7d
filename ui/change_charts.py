"""How far heads moved, as Plotly figures: all heads as squares, and each head over the states of a run.

Arrays in, figures out, with the look of `ui.look`. Knows no Streamlit, no model and no store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ui.colors import ACCENT, BACKGROUND, MUTED, QUIET, SECOND, SEQUENTIAL, blend
from ui.look import finish, name_axis, plain

Array = np.ndarray[Any, Any]
_CELL = 32  # pixels of one square


def grid(
    value: Array, low: Array, high: Array, chosen: tuple[int, int], *, theme: str = "light"
) -> go.Figure:
    """(L, H) mean distances with their intervals: layers by row from the first on top, heads by column. Each point's
    customdata begins with layer and head, from 0."""
    layers, heads = value.shape
    places = [(layer, head) for layer in range(layers) for head in range(heads)]
    top = max(float(value.max()), 1e-6)
    figure = go.Figure(
        go.Scatter(
            x=[head for _, head in places], y=[layer for layer, _ in places], mode="markers", showlegend=False, cliponaxis=False,
            customdata=[[layer, head, layer + 1, head + 1, low[layer, head], high[layer, head]] for layer, head in places],
            marker={
                "symbol": "square", "size": _CELL - 6, "color": value.ravel(), "cmin": 0, "cmax": top,
                "colorscale": [[i / 9, color] for i, color in enumerate(SEQUENTIAL[theme])],
                "line": {"width": 1, "color": blend(MUTED[theme], BACKGROUND[theme], 0.5)},
                "colorbar": {"thickness": 10, "outlinewidth": 0, "tickformat": ".2f", "title": {"text": "distance"}},
            },
            # a click chooses; it must not fade the others
            selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
            hovertemplate="Layer %{customdata[2]}, head %{customdata[3]}<br>%{marker.color:.3f} "
            "(%{customdata[4]:.3f} to %{customdata[5]:.3f})<extra></extra>",
        )
    )  # fmt: skip
    figure.add_scatter(
        x=[chosen[1]], y=[chosen[0]], mode="markers", hoverinfo="skip", showlegend=False, cliponaxis=False,
        marker={"symbol": "square-open", "size": _CELL - 2, "color": SECOND[theme], "line": {"width": 3}},
    )  # fmt: skip
    name_axis(figure, "y", [str(n + 1) for n in range(layers)], title="layer")
    name_axis(figure, "x", [str(n + 1) for n in range(heads)], title="head", reverse=False)
    figure = finish(figure, theme, height=max(240, _CELL * layers + 90), revision="change-grid", legend=None)
    return figure.update_layout(dragmode=False, clickmode="event+select")


def learning(
    steps: Sequence[int], distances: Array, chosen: tuple[int, int], now: int, last: tuple[int, float], *, theme: str = "light"
) -> go.Figure:  # fmt: skip
    """(S, L, H) distances from the start in the S states after these optimizer steps: the chosen head strong, the
    others faint. `now`: the state on show, S for the model that was kept; `last`: its step and distance."""
    layers, heads = distances.shape[1:]
    figure = go.Figure()
    x: list[float | None] = []
    y: list[float | None] = []
    for layer in range(layers):
        for head in range(heads):
            if (layer, head) != chosen:
                x += [*steps, None]
                y += [*distances[:, layer, head].tolist(), None]
    figure.add_scatter(
        x=x, y=y, mode="lines", name="all other heads", hoverinfo="skip",
        line={"width": 1, "color": blend(MUTED[theme], BACKGROUND[theme], 0.35)},
    )  # fmt: skip
    own = distances[:, chosen[0], chosen[1]]
    label = f"Layer {chosen[0] + 1}, head {chosen[1] + 1}"
    figure.add_scatter(
        x=list(steps), y=own.tolist(), mode="lines+markers", name=label,
        line={"width": 2.5, "color": ACCENT[theme]}, marker={"size": 7},
        hovertemplate=f"{plain(label)}<br>step %{{x:,}}: %{{y:.3f}} from the start<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[last[0]], y=[last[1]], mode="markers", name="the model that was kept",
        marker={"symbol": "diamond", "size": 11, "color": SECOND[theme]},
        hovertemplate="the model that was kept, of step %{x:,}: %{y:.3f} from the start<extra></extra>",
    )  # fmt: skip
    at = (steps[now], float(own[now])) if now < len(steps) else last
    figure.add_scatter(
        x=[at[0]], y=[at[1]], mode="markers", showlegend=False, hoverinfo="skip", cliponaxis=False,
        marker={"symbol": "circle-open", "size": 17, "color": QUIET[theme], "line": {"width": 2}},
    )  # fmt: skip
    figure.update_xaxes(title_text="optimizer step", rangemode="tozero", tickformat=",d")
    figure.update_yaxes(title_text="distance from the start", rangemode="tozero", tickformat=".2f")
    return finish(figure, theme, height=260, revision="change-learning")
