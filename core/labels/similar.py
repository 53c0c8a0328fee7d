"""A first guess before any label exists: how near each text is to the labels' names and definitions.

Knows vectors. Does not know the encoder that made them, or what becomes of the guess.
"""

from __future__ import annotations

from typing import Any

import numpy as np

TEMPERATURE = 0.05  # of the softmax over cosines


def spoken(name: str, definition: str, examples: tuple[str, ...]) -> list[str]:
    """What is said of a label, each a text to be embedded: its name with the definition, and each example."""
    whole = f"{name}: {definition}" if name and definition else name or definition
    return [text for text in (whole, *examples) if text.strip()]


def by_names(
    texts: np.ndarray[Any, Any], said: np.ndarray[Any, Any], owner: np.ndarray[Any, Any], labels: int
) -> np.ndarray[Any, Any]:
    """(N, C) float32, rows sum to 1: softmax of the cosines between (N, D) texts and C labels.

    `said` (M, D) is what is said of the labels, `owner` (M,) whose it is; a label's vector is the mean of its own.
    Both sides are centred on their own mean, since all texts of an encoder share a direction that says nothing. A
    label of which nothing is said gets the mean of the others' cosines, so that it is never the first guess.
    """
    spoken_of = np.bincount(owner, minlength=labels)
    means = np.zeros((labels, texts.shape[1]), dtype=np.float32)
    np.add.at(means, owner, said)
    means = means[spoken_of > 0] / spoken_of[spoken_of > 0, None]
    result = np.full((len(texts), labels), 1.0 / max(1, labels), dtype=np.float32)
    if len(means) < 2:
        return result
    cosines = _unit(texts - texts.mean(axis=0)) @ _unit(means - means.mean(axis=0)).T
    scores = np.repeat(cosines.mean(axis=1, keepdims=True), labels, axis=1)
    scores[:, spoken_of > 0] = cosines
    scores = (scores - scores.max(axis=1, keepdims=True)) / TEMPERATURE
    np.exp(scores, out=result)
    result /= result.sum(axis=1, keepdims=True)
    return result


def _unit(vectors: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(
        vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), dtype=np.float32
    )
