"""`attention` and `explain` of the command line: what a model looks at, before and after, and why it answers.

python -m core attention MODEL TEXT --out FILE [--format npz|html] [--pair TEXT] [--base MODEL] [--target TEXT]
python -m core explain MODEL TEXT [--method ig|…] [--class NAME] [--against NAME] [--pair TEXT]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.console import say
from core.errors import BadFile, BadModel
from core.explain.methods import METHODS
from core.workspace import Workspace

FORMATS = ("npz", "html")
KINDS = ("self", "decoder", "cross")

if TYPE_CHECKING:
    from core.explain.families import Reading
    from core.records import AttentionMap
    from core.workspace import ModelPlace


def add_attention_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL")
    add("text", metavar="TEXT")
    add("--pair", metavar="TEXT", help="a second text")
    add("--out", required=True, metavar="FILE")
    add(
        "--format",
        choices=FORMATS,
        help="npz: arrays, layers and heads count from 0; html: one page to look at in a browser, which needs nothing else "
        "(default: html where FILE ends so, else npz)",
    )
    add(
        "--base",
        metavar="MODEL",
        help="before and after: another model of the same make, usually the one it was trained from; adds its weights "
        "(base_weights) and the Jensen-Shannon distance of each head (distance), 0 to 1",
    )
    add(
        "--target",
        metavar="TEXT",
        help="for models that write (T5, Marian): what was written (default: the model writes it)",
    )
    add(
        "--kind",
        choices=KINDS,
        default="cross",
        help="for models that write, which attention the page shows; arrays hold all three (default: cross)",
    )


def add_explain_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="a trained model")
    add("text", metavar="TEXT")
    add("--pair", metavar="TEXT", help="a second text")
    add(
        "--method",
        choices=tuple(METHODS),
        default="ig",
        help="; ".join(f"{m.name}: {m.label}" for m in METHODS.values()) + " (default: ig)",
    )
    add(
        "--class", dest="class_name", metavar="NAME", help="the class that is explained (default: the answer)"
    )
    add("--against", metavar="NAME", help="why the one class rather than this one")


# --------------------------------------------------------------------------- attention


def attention(ws: Workspace, o: argparse.Namespace) -> dict[str, Any]:
    """Writes a file of arrays. Raises BadModel, BadData, BadFile where it cannot be written."""
    from core.explain.attention import AttentionReader
    from core.explain.families import checked

    checked(o.text, o.pair)  # before a model is loaded for nothing
    _writable(Path(o.out))
    if o.base:
        return _before_and_after(ws, o)
    place = ws.find_model(o.model)
    reader = AttentionReader.load(place.folder, _called(place))
    if len(reader.kinds) > 1:
        return _written(reader.read_all(o.text, o.pair, o.target), o)
    _needs_no_target(o)
    return _saved(reader.read(o.text, o.pair), o)


def _before_and_after(ws: Workspace, o: argparse.Namespace) -> dict[str, Any]:
    from core.explain.change import both
    from core.explain.subject import Subject

    _needs_no_target(o)
    after, before = (
        Subject.load(place.folder, _called(place))
        for place in (ws.find_model(o.model), ws.find_model(o.base))
    )
    found = both(before, after, o.text, o.pair)
    if after.averaging is not None or before.averaging is not None:
        say("The layer that Finesift added to average all states has no counterpart and is left out.")
    layer, head = np.unravel_index(int(found.distances.argmax()), found.distances.shape)
    more = {
        "base": found.before.model_name,
        "mean_distance": float(found.distances.mean()),
        "most_changed": {
            "layer": int(layer),
            "head": int(head),
            "distance": float(found.distances[layer, head]),
        },
    }
    arrays = {"base_weights": found.before.weights, "distance": found.distances}
    return _saved(found.after, o, arrays, base=found.before) | more


def _written(reading: Reading, o: argparse.Namespace) -> dict[str, Any]:
    """All three kinds of a model that writes: its encoder's as `weights`, its decoder's and across beside."""
    decoder, cross = reading.maps["decoder"], reading.maps["cross"]
    lost = decoder.cut
    if lost:
        say(f"The target is longer than the model can read: {lost} tokens were left out.")
    arrays = {
        "target_tokens": np.asarray(decoder.tokens, dtype=np.str_),
        "written": np.asarray(reading.written, dtype=np.str_),
        "decoder_weights": np.ascontiguousarray(decoder.weights),
        "cross_weights": np.ascontiguousarray(cross.weights),
    }
    more = {
        "target": reading.target,
        "generated": reading.generated,
        "target_tokens": len(decoder.tokens),
        "target_cut": lost,
    }
    return _saved(reading.maps["self"], o, arrays, shown=reading.maps[o.kind]) | more


def _saved(
    found: AttentionMap,
    o: argparse.Namespace,
    arrays: dict[str, np.ndarray[Any, Any]] | None = None,
    *,
    base: AttentionMap | None = None,
    shown: AttentionMap | None = None,
) -> dict[str, Any]:
    """`arrays`: what the file of arrays holds besides; `shown`: what a page shows, where that is another map."""
    form = o.format or ("html" if Path(o.out).suffix.lower() in (".html", ".htm") else "npz")
    if form == "html":
        _write_page(shown or found, base, o)
    else:
        from core.explain.attention import save_npz

        save_npz(found, Path(o.out), **(arrays or {}))
    layers, heads, tokens, _ = found.weights.shape
    if found.cut:
        say(f"The text is longer than the model can read: {found.cut} tokens were left out.")
    return {
        "out": o.out,
        "format": form,
        "layers": layers,
        "heads": heads,
        "tokens": tokens,
        "cut": found.cut,
    }


def _write_page(found: AttentionMap, base: AttentionMap | None, o: argparse.Namespace) -> None:
    from core.explain.export.page import page
    from core.explain.families import KINDS as IN_WORDS
    from core.explain.look import Look
    from core.explain.picture import Picture

    title = f"Attention of {found.model_name}"
    if base is not None:
        title = f"What changed from {base.model_name} to {found.model_name}"
    texts = " | ".join(_short(text) for text in (o.text, o.pair) if text)
    caption = f"{texts} · {IN_WORDS[found.kind]}." if found.kind != "self" else texts
    Path(o.out).write_bytes(page(Picture(found, base), Look(), title, caption))


def _called(place: ModelPlace) -> str:
    """A page goes out of the house; where on this machine a folder lies is nobody's business there."""
    return place.folder.name if Path(place.name).is_dir() else place.name


def _short(text: str) -> str:
    return f"“{text if len(text) <= 160 else text[:159] + '…'}”"


def _needs_no_target(o: argparse.Namespace) -> None:
    if o.target:
        raise BadModel(
            "--target is for models that write, such as T5 and Marian. Leave it out for this one, and with --base."
        )


def _writable(out: Path) -> None:
    if not out.parent.is_dir():
        raise BadFile(f"The folder of “{out}” does not exist. Make it first, or choose another --out.")


# --------------------------------------------------------------------------- explain


def explain(ws: Workspace, o: argparse.Namespace) -> dict[str, Any]:
    """Raises BadModel for a base model, which has no answer, and BadData for an unknown class or an empty text."""
    from core.explain import attribution
    from core.explain.subject import Subject

    place = ws.find_model(o.model)
    subject = Subject.load(place.folder, _called(place))
    found = attribution.explain(subject, o.text, o.method, o.class_name, against=o.against, pair=o.pair)
    if found["note"]:
        say(found["note"])
    return found
