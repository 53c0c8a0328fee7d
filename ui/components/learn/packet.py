"""A text's way through a model as one run of bytes for the browser. Knows `Walk`; does not know Streamlit or drawing.

Header length (uint32), header (JSON), then float32 arrays named in the header with their shapes, all little-endian.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from core.explain import mechanism
from core.explain.steps import Walk

# the functions of `mechanism` that are a step's own; none where a step is no more than looking up rows
CODE: tuple[tuple[Callable[..., Any], ...], ...] = (
    (),
    (mechanism.Norm,),
    (mechanism.Linear, mechanism.split),
    (mechanism.scores_of,),
    (mechanism.softmax,),
    (mechanism.attention,),
    (mechanism.joined, mechanism.multi_head_attention),
    (mechanism.Norm, mechanism.encoder_layer),
    (mechanism.gelu, mechanism.feed_forward),
    (mechanism.encoder_layer,),
    (mechanism.Linear, mechanism.softmax),
)
STEPS = len(CODE)


def pack(walk: Walk, place: tuple[int, int, int], turn: int, has: str = "") -> bytes:
    """`place`: step, layer, head, from 0; the layer is that of the walk. The learnt weights of that one head go along.

    `has`: the mark of the arrays that the browser has already; they are not sent again."""
    step, layer, head = place
    mark = _mark(walk, head)
    arrays = {} if has == mark else _arrays(walk, head)
    header = {
        **_about(walk),
        "name": walk.name,
        "averaging": walk.averaging,
        "unknown": walk.unknown,
        "step": step,
        "layer": layer,
        "head": head,
        "own": head,
        "turn": turn,
        "mark": mark,
        "code": ["\n\n".join(inspect.getsource(f).rstrip() for f in own) for own in CODE],
        "arrays": [[key, list(values.shape)] for key, values in arrays.items()],
    }
    text = json.dumps(header, ensure_ascii=True).encode("ascii")
    parts = [len(text).to_bytes(4, "little"), text, b" " * (-len(text) % 4)]
    parts += [np.ascontiguousarray(values, dtype="<f4").tobytes() for values in arrays.values()]
    return b"".join(parts)


def _mark(walk: Walk, head: int) -> str:
    """The same for the same arrays."""
    about = json.dumps(
        [walk.name, walk.layer.number, head, walk.piece.shown, walk.answer and walk.answer.example]
    )
    digest = hashlib.blake2b(about.encode(), digest_size=8)
    digest.update(np.ascontiguousarray(walk.hidden).tobytes())
    if walk.answer is not None:
        digest.update(np.ascontiguousarray(walk.answer.logits).tobytes())
    return digest.hexdigest()


def _about(walk: Walk) -> dict[str, Any]:
    piece, layer, answer = walk.piece, walk.layer, walk.answer
    words = np.flatnonzero(~piece.special)
    middle = int(words[len(words) // 2]) if len(words) else 0
    others = [int(at) for at in words if at != middle] or [0]
    beside = max(others, key=lambda at: float(layer.weights[0, middle, at]))
    return {
        "text": piece.text,
        "tokens": list(piece.shown),
        "ids": piece.ids.tolist(),
        "special": piece.special.tolist(),
        "words": piece.words.tolist(),
        "wordTexts": piece.word_list(),
        "spans": piece.spans.tolist(),
        "vocabulary": walk.start.tables[0].size,
        "tables": [{"name": t.name, "rows": t.rows.tolist(), "size": t.size} for t in walk.start.tables],
        "layers": len(walk.means),
        "heads": layer.query.shape[0],
        "width": layer.states.shape[1],
        "each": layer.query.shape[2],
        "neurons": layer.wide.shape[1],
        "follow": middle,
        "beside": beside,
        "answer": answer
        and {
            "labels": list(answer.labels),
            "several": answer.several,
            "activation": answer.activation,
            "example": answer.example,
        },
    }


def _arrays(walk: Walk, head: int) -> dict[str, np.ndarray[Any, Any]]:
    layer, answer, learnt = walk.layer, walk.answer, walk.layer.learnt
    each = layer.query.shape[2]
    own = slice(head * each, (head + 1) * each)
    arrays = {table.name: table.values for table in walk.start.tables}
    arrays |= {"total": walk.start.total, "normed": walk.start.normed, "start": walk.start.states}
    for at, norm in enumerate((walk.start.norm, learnt.norm_attention, learnt.norm_output)):
        arrays[f"norm{at}"] = np.stack([norm.gain, norm.shift])
    arrays |= {"x": layer.states, "q": layer.query, "k": layer.key, "v": layer.value}
    arrays |= {"scores": layer.scores, "weights": layer.weights, "mixed": layer.mixed}
    arrays |= {"joined": layer.joined, "attended": layer.attended, "parts": layer.parts}
    arrays |= {"added": layer.added, "middle": layer.middle, "wide": layer.wide, "active": layer.active}
    arrays |= {"narrow": layer.narrow, "summed": layer.summed, "out": layer.out}
    arrays |= {"hidden": walk.hidden, "means": walk.means}
    for letter, linear in (("q", learnt.query), ("k", learnt.key), ("v", learnt.value)):
        arrays |= {f"w{letter}": linear.weight[:, own], f"b{letter}": linear.bias[own]}
    if answer is not None:
        arrays |= {"cweight": answer.weight, "cbias": answer.bias}
        arrays |= {"logits": answer.logits, "probabilities": answer.probabilities}
        if answer.dense is not None and answer.dense_of is not None:
            arrays["dense"] = answer.dense
            arrays |= _strongest("dense", answer.dense[None], answer.dense_of)
    arrays |= _strongest("attended", layer.attended, learnt.join)
    arrays |= _strongest("wide", layer.wide, learnt.wide)
    arrays |= _strongest("narrow", layer.narrow, learnt.narrow)
    return arrays


def _strongest(
    name: str, out: np.ndarray[Any, Any], linear: mechanism.Linear
) -> dict[str, np.ndarray[Any, Any]]:
    """Of a matrix too large to send whole: for each token the column that makes its strongest number."""
    which = np.abs(out).argmax(axis=1)
    return {
        f"{name}_which": which,
        f"{name}_column": linear.weight[:, which].T,
        f"{name}_bias": linear.bias[which],
    }
