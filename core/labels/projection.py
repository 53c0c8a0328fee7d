"""Texts as points on a sheet: embeddings to two dimensions, texts that say alike near each other.

Knows arrays only; not texts, files or jobs. The same embeddings and seed give the same sheet on the same machine.

The layout is t-SNE (L. van der Maaten, G. Hinton, 2008, JMLR 9) with the approximation of Barnes and Hut (van der
Maaten, 2014, JMLR 15), as scikit-learn has it, started from the first two principal components so that the rough
order of the whole survives (D. Kobak, P. Berens, 2019, Nature Communications 10, 5416). Distances between clouds
still say little, and their sizes nothing: a point's neighbours are what can be read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from core.errors import BadData

Array = np.ndarray[Any, Any]
Report = Callable[[float], None]

COMPONENTS = 50  # principal components that t-SNE sees
LAID_OUT = 20_000  # texts that t-SNE lays out; the others are placed among them
PERPLEXITY = 30.0
STAGES = (250, 500)  # iterations: pulled together first (exaggerated), then left to unfold
EXAGGERATION = 12.0
FEW = 10  # fewer texts than these have no neighbourhoods to keep
NEAREST = 3  # laid-out neighbours that place another text
THREADS = 2  # sums over more come out in the order in which threads end, and the sheet would differ each time
_BLOCK = 1_000  # rows at once


def project(
    embeddings: Array, seed: int = 0, progress: Report | None = None, laid_out: int = LAID_OUT
) -> Array:
    """(N, D) embeddings to (N, 2) float32, of mean 0; the wider axis has a standard deviation of 1.

    Of more than `laid_out` texts a random sample is laid out, and every other one stands at the mean of its nearest
    three in that sample, weighted by 1 / distance². `progress` is told the share that is done, 0 to 1; what it
    raises ends the work.
    Raises BadData for embeddings that are not finite numbers.
    """
    told = progress or _silent
    reduced = _principal(embeddings, COMPONENTS)
    told(0.05)
    count = len(reduced)
    if count < FEW:
        return _scaled(_two(reduced))
    if count <= laid_out:
        return _scaled(_tsne(reduced, seed, lambda share: told(0.05 + 0.95 * share)))
    sample = np.sort(np.random.default_rng(seed).choice(count, laid_out, replace=False))
    sheet = np.empty((count, 2), dtype=np.float32)
    sheet[sample] = _tsne(reduced[sample], seed, lambda share: told(0.05 + 0.8 * share))
    others = np.setdiff1d(np.arange(count), sample, assume_unique=True)
    sheet[others] = _placed(
        reduced[others], reduced[sample], sheet[sample], lambda share: told(0.85 + 0.15 * share)
    )
    told(1.0)
    return _scaled(sheet)


def quick(embeddings: Array) -> Array:
    """(N, D) embeddings to (N, 2) float32: the first two principal components, at once. Scaled as in `project`.

    Raises BadData for embeddings that are not finite numbers.
    """
    return _scaled(_two(_principal(embeddings, 2)))


# ------------------------------------------------------------------------------------- details


def _principal(embeddings: Array, most: int) -> Array:
    """(N, min(D, most)) float32: principal components of the rows at length one, the strongest first.

    From the (D, D) covariance, summed block by block: no second copy of a large pool is made. The sign of a
    component is such that its largest entry is positive.
    """
    count, width = embeddings.shape
    total, square = np.zeros(width), np.zeros((width, width))
    for start in range(0, count, _BLOCK):
        block = _unit(embeddings[start : start + _BLOCK])
        total += block.sum(axis=0)
        square += block.T @ block
    if not np.isfinite(total).all():
        raise BadData(
            "The embeddings hold numbers that are not finite, so no map can be drawn. Choose another base model."
        )
    mean = total / max(1, count)
    _, axes = np.linalg.eigh(square / max(1, count) - np.outer(mean, mean))
    axes = axes[:, ::-1][:, :most]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    reduced = np.empty((count, axes.shape[1]), dtype=np.float32)
    for start in range(0, count, _BLOCK):
        reduced[start : start + _BLOCK] = (_unit(embeddings[start : start + _BLOCK]) - mean) @ axes
    return reduced


def _unit(block: Array) -> Array:
    block = np.asarray(block, dtype=np.float64)
    lengths = np.linalg.norm(block, axis=1, keepdims=True)
    return block / np.where(lengths > 0, lengths, 1.0)


def _two(reduced: Array) -> Array:
    """The first two columns; zeros where there are fewer."""
    found = np.zeros((len(reduced), 2), dtype=np.float32)
    found[:, : min(2, reduced.shape[1])] = reduced[:, :2]
    return found


def _scaled(sheet: Array) -> Array:
    if not len(sheet):
        return sheet.astype(np.float32)
    centred = sheet - sheet.mean(axis=0)
    spread = float(centred.std(axis=0).max())
    return (centred / (spread if spread > 0 else 1.0)).astype(np.float32)


def _tsne(reduced: Array, seed: int, told: Report) -> Array:
    """(N, K) to (N, 2). The neighbours are found once and handed to each stage, so that there is a word between
    them about how far it is.
    """
    from scipy.sparse import csr_array
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    count = len(reduced)
    perplexity = min(PERPLEXITY, (count - 1) / 3)
    near = min(count - 1, int(3 * perplexity + 1))
    distances, neighbours = _neighbours(reduced, near, lambda share: told(0.2 * share))
    # Each point first in its own row, as scikit-learn wants it: at 0, so others in the very same place are beyond.
    own = np.arange(count)[:, None]
    graph = csr_array(
        (
            np.hstack([np.zeros_like(own, dtype=np.float32), np.maximum(distances, 1e-9)]).ravel(),
            np.hstack([own, neighbours]).ravel().astype(np.int32),
            np.arange(0, count * (near + 1) + 1, near + 1, dtype=np.int32),
        ),
        shape=(count, count),
    )
    sheet = _two(reduced)
    sheet = np.ascontiguousarray(1e-4 * sheet / max(float(sheet[:, 0].std()), 1e-12), dtype=np.float32)
    done, whole = 0, sum(STAGES)
    for stage, iterations in enumerate(STAGES):
        layout = TSNE(
            metric="precomputed",
            init=sheet,
            perplexity=perplexity,
            early_exaggeration=1.0 if stage else EXAGGERATION,
            learning_rate=max(count / EXAGGERATION / 4, 50.0),
            max_iter=iterations,
            random_state=seed,
            n_jobs=THREADS,
        )
        with threadpool_limits(THREADS, user_api="openmp"):
            sheet = layout.fit_transform(graph).astype(np.float32)
        done += iterations
        told(0.2 + 0.8 * done / whole)
    return sheet


def _neighbours(points: Array, near: int, told: Report) -> tuple[Array, Array]:
    """Euclidean distances and indices, both (N, near), of each point's nearest others."""
    count = len(points)
    squares = np.einsum("nk,nk->n", points, points)
    distances = np.empty((count, near), dtype=np.float32)
    indices = np.empty((count, near), dtype=np.int64)
    for start in range(0, count, _BLOCK):
        stop = min(count, start + _BLOCK)
        gaps = squares[start:stop, None] + squares - 2 * points[start:stop] @ points.T
        gaps[np.arange(stop - start), np.arange(start, stop)] = np.inf  # not its own neighbour
        distances[start:stop], indices[start:stop] = _smallest(gaps, near)
        told(stop / count)
    return distances, indices


def _placed(points: Array, known: Array, sheet: Array, told: Report) -> Array:
    """(M, 2): each point at the mean of its nearest `known` ones on the sheet, weighted by 1 / distance²."""
    squares = np.einsum("nk,nk->n", known, known)
    found = np.empty((len(points), 2), dtype=np.float32)
    for start in range(0, len(points), _BLOCK):
        block = points[start : start + _BLOCK]
        gaps = np.einsum("nk,nk->n", block, block)[:, None] + squares - 2 * block @ known.T
        distances, indices = _smallest(gaps, min(NEAREST, len(known)))
        weights = 1 / np.maximum(distances, 1e-6) ** 2
        weights /= weights.sum(axis=1, keepdims=True)
        found[start : start + len(block)] = np.einsum("nk,nkd->nd", weights, sheet[indices])
        told((start + len(block)) / len(points))
    return found


def _smallest(squares: Array, near: int) -> tuple[Array, Array]:
    """Roots and columns of each row's `near` smallest entries, ascending."""
    columns = np.argpartition(squares, near - 1, axis=1)[:, :near]
    values = np.take_along_axis(squares, columns, axis=1)
    order = np.argsort(values, axis=1, kind="stable")
    roots = np.sqrt(np.maximum(np.take_along_axis(values, order, axis=1), 0))
    return roots, np.take_along_axis(columns, order, axis=1)


def _silent(_share: float) -> None:
    return
