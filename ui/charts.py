"""Data and scores in, Plotly figures out. With `ui.curves`, which draws runs, nothing else draws. Knows no Streamlit
and no store.

Grids come from the theme that `parts.chart` lays over a figure. Names of classes and runs are users' words:
they pass through `ui.look`, which also gives all figures their common look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import plotly.graph_objects as go

from core.records import Scores
from ui.colors import ACCENT, BACKGROUND, MUTED, QUIET, SECOND, SEQUENTIAL, blend, class_colors, text_on
from ui.look import TICK, count_ticks, finish, name_axis, plain, rows_height, wrapped
from ui.words import counted, percent

# ------------------------------------------------------------------------------------- data


def class_balance(
    labels: Mapping[str, int],
    by_part: Mapping[str, Mapping[str, int]] | None = None,
    *,
    texts: int | None = None,
    colors: Mapping[str, str] | None = None,
    theme: str = "light",
    most: int = 30,
) -> go.Figure:
    """Texts per class as bars, most frequent on top; past `most` classes the rest is one bar “others”.

    `by_part` (part -> class -> texts) adds its figures to the hover. `texts`: those with a label; shares are of them."""
    colors = colors or class_colors(labels, theme)
    ranked = sorted(labels.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ranked[:most], ranked[most:]
    total = texts or sum(labels.values()) or 1
    names = [name for name, _ in shown]
    counts = [count for _, count in shown]
    fills = [colors.get(name, MUTED[theme]) for name in names]
    if rest:
        names.append(f"{counted(len(rest), 'other class', 'other classes')} together")
        counts.append(sum(count for _, count in rest))
        fills.append(MUTED[theme])
    details = [[wrapped(name), percent(count / total), ""] for name, count in zip(names, counts, strict=True)]
    if by_part:
        for line, (name, _) in zip(details, shown, strict=False):
            split = (f"{plain(part)}: {counts_of.get(name, 0):,}" for part, counts_of in by_part.items())
            line[2] = "<br>" + ", ".join(split)
    figure = go.Figure(
        go.Bar(
            x=counts, y=list(range(len(names))), orientation="h", marker_color=fills, customdata=details,
            text=[f"{count:,}" for count in counts], textposition="outside", cliponaxis=False,
            hovertemplate="%{customdata[0]}<br>%{x:,} texts, %{customdata[1]}%{customdata[2]}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(title_text="texts", rangemode="tozero", range=[0, max(counts, default=1) * 1.12])
    figure.update_xaxes(**count_ticks(max(counts, default=1)))
    name_axis(figure, "y", names)
    return finish(figure, theme, height=rows_height(len(names), 24), revision="balance", legend=None)


def length_histogram(lengths: Sequence[int], max_length: int | None, *, theme: str = "light") -> go.Figure:
    """How many texts have how many tokens, with a line where a model of `max_length` tokens cuts.

    Bars past the cut have another colour; the far tail (beyond the 99.5 % quantile) is gathered in the last."""
    ordered = sorted(lengths)
    top = max(ordered[min(len(ordered) - 1, int(0.995 * len(ordered)))] if ordered else 1, 10)
    if max_length is not None and ordered and ordered[-1] > max_length:
        top = max(top, max_length + max_length // 8)
    width = max(1, math.ceil(top / 40))
    edges = list(range(0, top + width, width))
    counts = [0] * len(edges)
    for length in ordered:
        counts[min(length // width, len(edges) - 1)] += 1
    last = len(edges) - 1
    ranges = [f"{e:,}" if width == 1 else f"{e:,} to {e + width - 1:,}" for e in edges]
    ranges[last] = f"{edges[last]:,} and more"
    centres = [e + (width - 1) / 2 for e in edges]
    beyond = [max_length is not None and e >= max_length for e in edges]
    figure = go.Figure(
        go.Bar(
            x=centres, y=counts, width=width * 0.92, customdata=ranges,
            marker_color=[SECOND[theme] if cut else ACCENT[theme] for cut in beyond],
            hovertemplate="%{customdata} tokens<br>%{y:,} texts<extra></extra>",
        )
    )  # fmt: skip
    if max_length is not None:
        cut = sum(length > max_length for length in lengths)
        share = percent(cut / len(lengths)) if lengths else "0 %"
        if max_length <= top + width:
            figure.add_vline(
                x=max_length, line={"color": SECOND[theme], "width": 1.5, "dash": "dash"},
                annotation_text=f"{share} are longer than {max_length:,}", annotation_position="top left"
                if max_length > top / 2 else "top right",
            )  # fmt: skip
    figure.update_xaxes(title_text="length (tokens)", range=[-width / 2, edges[last] + width])
    figure.update_yaxes(title_text="texts", **count_ticks(max(counts)))
    return finish(figure, theme, height=300, revision="lengths", legend=None)


# ------------------------------------------------------------------------------------- quality


def confusion(scores: Scores, *, theme: str = "light") -> go.Figure:
    """True classes by row, predicted by column; the colour is the share of the row, the text the count."""
    n = len(scores.labels)
    shares = [[count / total if (total := sum(row)) else 0.0 for count in row] for row in scores.confusion]
    names = [wrapped(label) for label in scores.labels]
    details = [[[names[i], names[j], scores.confusion[i][j]] for j in range(n)] for i in range(n)]
    figure = go.Figure(
        go.Heatmap(
            z=shares, x=list(range(n)), y=list(range(n)), zmin=0, zmax=1, customdata=details,
            colorscale=[[i / 9, color] for i, color in enumerate(SEQUENTIAL[theme])],
            hovertemplate="%{customdata[2]:,} texts of %{customdata[0]}<br>predicted as %{customdata[1]}"
            "<br>%{z:.1%} of the true class<extra></extra>",
            xgap=1, ygap=1, showscale=n > 20, colorbar={"tickformat": ".0%", "thickness": 12, "lenmode": "pixels", "len": 220, "yanchor": "top", "y": 1, "outlinewidth": 0,
                                      "title": {"text": "share of<br>true class"}},
        )
    )  # fmt: skip
    if n <= 20:
        _write_counts(figure, scores, shares, theme)
    cell = 44 if n <= 8 else 30 if n <= 20 else 13
    short = 20 if n > 20 else TICK
    name_axis(figure, "y", scores.labels, title="true class", length=short, small=n > 20)
    name_axis(figure, "x", scores.labels, title="predicted class", length=short, small=n > 20, reverse=False)
    figure.update_xaxes(tickangle=-90 if n > 8 else -35)
    if n > 20:  # names below would run into each other; they are the same as on the left, and on hover
        figure.update_xaxes(showticklabels=False)
    extra = 190 if n <= 20 else 60
    return finish(figure, theme, height=rows_height(n, cell, extra=extra), revision="confusion", legend=None)


def _write_counts(figure: go.Figure, scores: Scores, shares: list[list[float]], theme: str) -> None:
    """The counts over the cells, black or white, whichever reads on the cell's colour."""
    scale = SEQUENTIAL[theme]
    cells = [(i, j, c) for i, row in enumerate(scores.confusion) for j, c in enumerate(row) if c]
    figure.add_scatter(
        x=[j for _, j, _ in cells], y=[i for i, _, _ in cells], text=[f"{c:,}" for _, _, c in cells], mode="text",
        textfont={"color": [text_on(scale[round(shares[i][j] * (len(scale) - 1))]) for i, j, _ in cells], "size": 13},
        hoverinfo="skip",
    )  # fmt: skip


def per_class(scores: Scores, *, theme: str = "light") -> go.Figure:
    """Recall of each class as a dot with its 95 % interval (Wilson), F1 as a diamond; most frequent on top."""
    ranked = sorted(scores.per_class, key=lambda c: (-c.support, c.label))
    rows = list(range(len(ranked)))
    details = [
        [
            wrapped(c.label),
            counted(c.support, "text"),
            percent(c.precision),
            percent(c.recall),
            percent(c.f1),
        ]
        for c in ranked
    ]
    hover = (
        "%{customdata[0]}, %{customdata[1]}<br>recall %{customdata[3]}, precision %{customdata[2]},"
        " F1 %{customdata[4]}<extra></extra>"
    )
    figure = go.Figure()
    figure.add_scatter(
        x=[c.recall for c in ranked], y=rows, mode="markers", name="recall, 95 % interval", customdata=details,
        marker={"size": 9, "color": ACCENT[theme]}, hovertemplate=hover,
        error_x={"type": "data", "symmetric": False, "thickness": 1.5, "width": 4,
                 "color": blend(ACCENT[theme], BACKGROUND[theme], 0.6),
                 "array": [max(0.0, c.recall_high - c.recall) for c in ranked],
                 "arrayminus": [max(0.0, c.recall - c.recall_low) for c in ranked]},
    )  # fmt: skip
    figure.add_scatter(
        x=[c.f1 for c in ranked], y=rows, mode="markers", name="F1", customdata=details, hovertemplate=hover,
        marker={"symbol": "diamond-open", "size": 10, "color": SECOND[theme], "line": {"width": 2}},
    )  # fmt: skip
    figure.update_xaxes(title_text="share", tickformat=".0%", range=[-0.02, 1.02])
    name_axis(figure, "y", [c.label for c in ranked], small=len(ranked) > 30)
    return finish(
        figure, theme, height=rows_height(len(ranked), 26 if len(ranked) <= 30 else 18), revision="classes"
    )


def probabilities(
    labels: Sequence[str],
    probs: Iterable[float],
    *,
    top: int | None = None,
    thresholds: Sequence[float] | None = None,
    colors: Mapping[str, str] | None = None,
    theme: str = "light",
) -> go.Figure:
    """One text's probability for each class, highest on top; `top` keeps that many. `thresholds` (several labels
    a text): marked across the bars; those that reach theirs come first, the others are grey."""
    colors = colors or class_colors(labels, theme)
    limits = dict(zip(labels, thresholds or [0.0] * len(labels), strict=True))
    pairs = zip(labels, map(float, probs), strict=True)
    ranked = sorted(pairs, key=lambda pair: (pair[1] < limits[pair[0]], -pair[1]))[:top]
    figure = go.Figure(
        go.Bar(
            x=[p for _, p in ranked], y=list(range(len(ranked))), orientation="h",
            marker_color=[colors.get(label, MUTED[theme]) if p >= limits[label] else MUTED[theme] for label, p in ranked],
            text=[percent(p) for _, p in ranked], textposition="outside", cliponaxis=False,
            customdata=[wrapped(label) for label, _ in ranked],
            hovertemplate="%{customdata}<br>probability %{x:.5f}<extra></extra>", name="probability",
        )
    )  # fmt: skip
    if thresholds is not None:
        figure.add_scatter(
            x=[limits[label] for label, _ in ranked], y=list(range(len(ranked))), mode="markers", name="threshold",
            marker={"symbol": "line-ns-open", "size": 20, "color": QUIET[theme], "line": {"width": 2.5}},
            hovertemplate="threshold %{x:.3f}<extra></extra>", showlegend=False,
        )  # fmt: skip
    figure.update_xaxes(
        title_text="probability", tickformat=".0%", range=[0, 1.12], tickvals=[0, 0.25, 0.5, 0.75, 1]
    )
    name_axis(figure, "y", [label for label, _ in ranked])
    return finish(figure, theme, height=rows_height(len(ranked), 30), revision="probabilities", legend=None)
