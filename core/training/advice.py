"""What to change before a run, in sentences. Knows the pre-flight's figures and the recipe; measures nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence

from core.records import Preflight
from core.training.recipe import Recipe

_NAMED = 5  # classes named in one sentence; the rest is counted
_CUT = 0.02  # share of texts from which a cut is worth a word
_LONG = 30 * 60.0  # seconds from which a shorter run is proposed
_FEW_STEPS = 30
_UNEVEN = 10  # times as many texts in the largest class as in the smallest


def classes_with(sizes: Container[int], counts: Counter[int], labels: Sequence[str]) -> dict[str, int]:
    """Class name -> training texts, for the classes of such a size; the smallest first."""
    found = [(counts[c], name) for c, name in enumerate(labels) if counts[c] in sizes]
    return {name: n for n, name in sorted(found)}


def advise(
    found: Preflight, recipe: Recipe, counts: Counter[int], labels: Sequence[str], readable: int
) -> list[str]:
    """Sentences, the most pressing first. `readable`: tokens that the model can read at once."""
    return [
        *_memory(found, recipe),
        *_time(found, recipe),
        *_lengths(found, readable),
        *_steps(found),
        *_classes(found, recipe, counts, labels),
    ]


def _memory(found: Preflight, recipe: Recipe) -> list[str]:
    if not found.fits:
        smaller = max(1, recipe.batch_size // 2)
        ways = [f"a batch size of {smaller}"] if found.steps and recipe.batch_size > 1 else []
        ways += [f"a maximum length below {found.max_length} tokens", "a smaller model"]
        if found.method == "full":
            ways.append("the method LoRA or the last two layers only")
        return [
            f"The run needs about {_gigabytes(found.memory_needed)} of memory and {_gigabytes(found.memory_free)} "
            f"are free, so it would fail or slow down to a crawl. Take {_or(ways)}, or close other programs."
        ]
    if found.accumulation > recipe.accumulation:
        return [
            f"A batch of {recipe.batch_size} texts does not fit in memory at once, so it will be computed in "
            f"{found.accumulation} parts; the result is the same. A smaller batch size avoids that."
        ]
    return []


def _time(found: Preflight, recipe: Recipe) -> list[str]:
    if found.seconds < _LONG:
        return []
    ways = []
    if found.method != "quick":
        ways.append("the quick method, which only fits a head")
        if recipe.epochs > 1:
            ways.append("fewer epochs")
        if recipe.layers == "all" and found.method == "full":
            ways.append("training the last two layers only")
    ways += ["a smaller model", "a shorter maximum length"]
    minutes = found.seconds / 60
    told = f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
    return [f"The run will take about {told} on this machine. For a faster one take {_or(ways)}."]


def _lengths(found: Preflight, readable: int) -> list[str]:
    if found.windows or found.longer.value < _CUT:
        return []
    share, low, high = (f"{100 * x:.0f}" for x in (found.longer.value, found.longer.low, found.longer.high))
    ways = [f"a maximum length of up to {readable:,} tokens"] if readable > found.max_length else []
    ways.append("reading long texts in windows")
    return [
        f"{share} % of the training texts ({low} to {high} %) are longer than {found.max_length} tokens and lose "
        f"their end. If that matters for the label, take {_or(ways)}; both take more time."
        if len(ways) > 1
        else f"{share} % of the training texts ({low} to {high} %) are longer than the {found.max_length} tokens "
        "that this model is trained on and lose their end. If that matters for the label, read long texts in "
        "windows, which takes more time."
    ]


def _steps(found: Preflight) -> list[str]:
    if not 0 < found.steps < _FEW_STEPS or found.method == "few":
        return []
    return [
        f"There are only {found.steps} optimizer steps, in which the model can hardly learn. "
        "Take more epochs or a smaller batch size."
    ]


def _classes(found: Preflight, recipe: Recipe, counts: Counter[int], labels: Sequence[str]) -> list[str]:
    told = []
    scarce = found.below_five | found.below_twenty
    if scarce:
        named = [f"“{name}” ({n})" for name, n in list(scarce.items())[:_NAMED]]
        more = f" and {len(scarce) - _NAMED} more" if len(scarce) > _NAMED else ""
        told.append(
            f"More examples would help most for the classes with fewer than 20 training texts: "
            f"{', '.join(named)}{more}. Label more of them, or merge classes that mean nearly the same."
        )
    present = [(counts[c], name) for c, name in enumerate(labels) if counts[c]]
    if present and not recipe.class_weights and recipe.loss != "focal":
        (least, rare), (most, frequent) = min(present), max(present)
        if most > _UNEVEN * least:
            told.append(
                f"“{frequent}” has {most / least:.0f} times as many training texts as “{rare}”. If the rare classes "
                "matter as much, turn on class weights."
            )
    return told


def _or(ways: Sequence[str]) -> str:
    return ways[0] if len(ways) == 1 else f"{', '.join(ways[:-1])} or {ways[-1]}"


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
