"""Words of a text left out or replaced, and the text read anew; which exchanges a gradient takes to be promising.

Knows a subject and its pieces. Does not know which changes are looked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from core.errors import BadModel
from core.explain.subject import Piece, Subject
from core.models.forward import memory_in_words

Matrix = np.ndarray[Any, Any]
Edits = dict[int, str]  # word number -> what stands there instead; "": nothing

FEWEST_TEXTS = 2  # that hold a word, for it to be put into others


def edited(subject: Subject, piece: Piece, edits: Edits) -> tuple[Piece | None, dict[int, Matrix]]:
    """The text with the edits, read anew, and where each word of the old one that still stands is now: word number ->
    (t,) token places. (None, {}) where nothing is left of the first text."""
    sides, moved = [], {}
    for side in range(1 if piece.pair is None else 2):
        text, spans = _rewritten(piece, side, edits)
        sides.append(text)
        moved.update({word: (side, *span) for word, span in spans.items()})
    if not sides[0].strip():
        return None, {}
    pair = sides[1] if len(sides) > 1 and sides[1].strip() else None
    now = subject.read(sides[0], pair)
    inside = now.words >= 0
    places: dict[int, Matrix] = {}
    for word, (side, start, end) in moved.items():
        own = (now.segments == side) & (now.spans[:, 0] < end) & (now.spans[:, 1] > start) & inside
        if own.any():
            places[word] = np.flatnonzero(own)
    return now, places


def _rewritten(piece: Piece, side: int, edits: Edits) -> tuple[str, dict[int, tuple[int, int]]]:
    """One of the two texts with its edits, and each of its words' characters in it, [start, end)."""
    source = piece.text if side == 0 else (piece.pair or "")
    parts: list[str] = []
    spans: dict[int, tuple[int, int]] = {}
    at, length = 0, 0
    for word, start, end in _spans(piece, side):
        before = source[at:start]
        new = edits.get(word, source[start:end])
        if not new and before[-1:].isspace() and (end == len(source) or not source[end].isalnum()):
            before = before[:-1]  # one of the two spaces goes with the word
        parts += [before, new]
        spans[word] = (length + len(before), length + len(before) + len(new))
        length += len(before) + len(new)
        at = end
        if not new and length == 0 and source[at : at + 1].isspace():
            at += 1
    parts.append(source[at:])
    return "".join(parts), spans


def _spans(piece: Piece, side: int) -> list[tuple[int, int, int]]:
    """(word, start, end) of a side's words, in order; what did not fit into the model has none and stays."""
    found = []
    for word in range(piece.word_count):
        own = np.flatnonzero(piece.words == word)
        if piece.segments[own[0]] == side:
            start, end = int(piece.spans[own, 0].min()), int(piece.spans[own, 1].max())
            held = (piece.text if side == 0 else (piece.pair or ""))[start:end]
            found.append((word, start + len(held) - len(held.lstrip()), end))
    return sorted(found, key=lambda each: each[1])


# --------------------------------------------------------------------------- replacements


def vocabulary(subject: Subject, texts: Iterable[str], most: int = 3000) -> list[str]:
    """Words of the texts as the model's tokenizer parts them, with a letter, that stand in at least two texts; the `most`
    frequent, in the spelling that is most frequent."""
    spelling: dict[str, Counter[str]] = {}
    for text in texts:
        if not text.strip():
            continue
        for word in set(subject.read(text).word_list()):
            if any(c.isalpha() for c in word) and len(word) <= 40:
                spelling.setdefault(word.casefold(), Counter())[word] += 1
    counted = [(sum(c.values()), c.most_common(1)[0][0]) for c in spelling.values()]
    ranked = sorted((n, w) for n, w in counted if n >= FEWEST_TEXTS)[::-1]
    return [word for _, word in ranked[:most]]


def table_of(subject: Subject, words: Sequence[str]) -> Matrix:
    """(V, D) float32: what the model's embedding table gives for each word, the mean over its tokens."""
    import torch

    embeddings = _table(subject)
    with subject.alone(), torch.inference_mode():
        ids = subject.tokenizer([" " + word for word in words], add_special_tokens=False, verbose=False)[
            "input_ids"
        ]
        blank = embeddings.weight.shape[1]
        rows = [
            embeddings(torch.tensor(own)).mean(dim=0) if own else torch.zeros(blank)  # no token: no meaning
            for own in ids
        ]
        return np.asarray(torch.stack(rows).float().numpy())


def slopes(subject: Subject, piece: Piece, first: int, second: int | None) -> tuple[Matrix, Matrix]:
    """(T, D) gradient of the first class's logit (minus the second's) with respect to the tokens' embeddings, and (T,)
    its product with them."""
    import torch

    embeddings = _table(subject)
    with subject.alone(), memory_in_words(1, len(piece)):
        inputs = subject.tensors([piece])
        with torch.no_grad():
            given = embeddings(inputs["input_ids"]).detach().clone()
        given.requires_grad_(True)
        hook = embeddings.register_forward_hook(lambda *_: given)
        try:
            logits = subject.model(**inputs).logits[0].float()
            figure = logits[first] if second is None else logits[first] - logits[second]
            (slope,) = torch.autograd.grad(figure, given)
        finally:
            hook.remove()
        slope, given = slope[0], given[0].detach()
        return np.asarray(slope.numpy()), np.asarray((slope * given).sum(dim=1).numpy())


def _table(subject: Subject) -> Any:
    try:
        return subject.model.get_input_embeddings()
    except NotImplementedError as error:
        raise BadModel(
            f"{subject.name} has no table of word embeddings, by which other words could be chosen."
        ) from error
