"""The answer before and after a change, as a figure. Scores in, Plotly figures out; knows no Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from ui.colors import MUTED, class_colors
from ui.look import finish, name_axis, plain, rows_height, wrapped
from ui.words import percent

MOST = 6  # classes that are shown


def before_after(
    labels: Sequence[str],
    before: Sequence[float],
    after: Sequence[float],
    names: tuple[str, str],
    *,
    colors: Mapping[str, str] | None = None,
    theme: str = "light",
) -> go.Figure:
    """Each class's probability twice: before in grey, after in the colour of the class. The classes that are or were
    most probable, the most probable before on top. `names`: what the two are called."""
    colors = colors or class_colors(labels, theme)
    order = sorted(range(len(labels)), key=lambda c: -max(before[c], after[c]))[:MOST]
    order.sort(key=lambda c: -before[c])
    rows = list(range(len(order)))
    figure = go.Figure()
    for name, values, hues in (
        (names[1], after, [colors.get(labels[c], MUTED[theme]) for c in order]),
        (names[0], before, [MUTED[theme]] * len(order)),
    ):
        figure.add_bar(
            x=[float(values[c]) for c in order], y=rows, orientation="h", name=plain(name), marker_color=hues,
            text=[percent(float(values[c])) for c in order], textposition="outside", cliponaxis=False,
            customdata=[wrapped(labels[c]) for c in order], showlegend=False,
            hovertemplate="%{customdata}, " + plain(name).replace("%", "%%") + "<br>probability %{x:.5f}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(
        title_text="probability", tickformat=".0%", range=[0, 1.14], tickvals=[0, 0.25, 0.5, 0.75, 1]
    )
    name_axis(figure, "y", [labels[c] for c in order])
    finish(figure, theme, height=rows_height(len(order), 46), revision="exchange", legend=None)
    return figure.update_layout(bargap=0.3, bargroupgap=0.08)
