"""What all figures share: their look, and users' words made harmless for Plotly. Knows no records.

Plotly reads some HTML and formulas in texts, so each name is made plain first; axes of names are numbers
with tick texts, so that a class “2021-01-01” does not become a date.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import plotly.graph_objects as go

from ui.colors import QUIET
from ui.words import shorten

TICK = 28  # characters of a name on an axis


def plain(text: str) -> str:
    """Text that Plotly shows to the letter: no tags, no entities, no formulas."""
    line = " ".join(str(text).split())
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("$", "&#36;")):
        line = line.replace(character, entity)
    return line


def wrapped(text: str) -> str:
    """A long name on several lines of a hover box, cut only past 300 characters."""
    return "<br>".join(plain(line) for line in textwrap.wrap(shorten(text, 300), 60)) or "(empty)"


def name_axis(
    figure: go.Figure,
    axis: str,
    names: Sequence[str],
    *,
    title: str | None = None,
    length: int = TICK,
    small: bool = False,
    reverse: bool = True,
) -> None:
    """An axis of names: numbers with tick texts, the first on top where it is reversed."""
    n = len(names)
    update = figure.update_yaxes if axis == "y" else figure.update_xaxes
    update(
        tickmode="array",
        tickvals=list(range(n)),
        ticktext=[plain(shorten(name, length)) or "(empty)" for name in names],
        range=[n - 0.5, -0.5] if reverse else [-0.5, n - 0.5],
        showgrid=False,
        zeroline=False,
        automargin=True,
        title_text=title,
        **({"tickfont": {"size": 9}} if small else {}),
    )


def count_ticks(most: int) -> dict[str, object]:
    """Ticks of an axis of counts, which has no halves."""
    return {"tickformat": ",d", **({"dtick": 1} if most < 6 else {})}


def rows_height(rows: int, row: int, extra: int = 90) -> int:
    return extra + max(rows, 2) * row


def finish(
    figure: go.Figure, theme: str, *, height: int, revision: str, legend: str | None = "top"
) -> go.Figure:
    """The look that all figures share. `legend`: at the “top”, at the “bottom” (under titles of sub-plots), or None."""
    quiet = {"color": QUIET[theme]}
    figure.update_xaxes(automargin=True, zeroline=False, tickfont=quiet, title_font={**quiet, "size": 13})
    figure.update_yaxes(automargin=True, zeroline=False, tickfont=quiet, title_font={**quiet, "size": 13})
    figure.update_annotations(font={**quiet, "size": 13})
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 34 if legend == "bottom" else 16, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        uirevision=revision,
        dragmode="zoom",
        bargap=0.25,
        showlegend=legend is not None,
        legend={
            "orientation": "h",
            **({"yanchor": "top", "y": -0.2} if legend == "bottom" else {"yanchor": "bottom", "y": 1.0}),
            "xanchor": "left",
            "x": 0,
            "title": {"text": ""},
        },
        hoverlabel={"namelength": -1, "align": "left"},
        separators=".,",
    )
    return figure
