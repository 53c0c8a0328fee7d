"""How far several people agree on the same texts: percent, kappa, alpha, each with its 95 % interval.

Knows the table of `votes`. Does not know stores, screens or who is right (`consensus`).

The figures come from well-kept libraries (scikit-learn, statsmodels, krippendorff). The intervals are percentile
bootstraps over texts (B. Efron, 1979) with a fixed seed, by the same formulas on counts (`chance`). Labels are taken
as nominal: any two are equally different. Where a text may have several labels, percent is the exact match of whole
answers, and kappa and alpha are computed for each label, on whether it was given, and averaged over the labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from core.evaluation.metrics import wilson
from core.labels import chance
from core.labels.chance import Beyond, Patterns
from core.labels.votes import MISSING, Matrix, Votes
from core.records import Interval

RELIABLE, TENTATIVE = 0.8, 0.667  # Krippendorff (2004), p. 241
_LANDIS_KOCH = (
    (0.0, "poor"),
    (0.2, "slight"),
    (0.4, "fair"),
    (0.6, "moderate"),
    (0.8, "substantial"),
    (1.0, "almost perfect"),
)
_PACKAGE_CELLS = (
    30_000_000  # that `krippendorff` may hold at once (N x S x S); the same formula on sums beyond it
)


@dataclass(frozen=True)
class PairAgreement:
    """Two people on the texts that both answered. None: there is nothing to compute it from, or no variation."""

    first: str
    second: str
    texts: int
    percent: Interval
    kappa: Interval | None  # Cohen's
    labels: tuple[Interval | None, ...]  # (C,) Cohen's kappa of each label against the rest


@dataclass(frozen=True)
class LabelAgreement:
    """One label against the rest."""

    label: str
    texts: int  # to which anyone gave it
    percent: Interval  # pairs of answers that say the same of this label
    fleiss: Interval | None
    alpha: Interval | None


@dataclass(frozen=True)
class Agreement:
    people: tuple[str, ...]  # who shares a text with somebody
    texts: int  # with at least two answers
    answers: int  # to them
    several: bool
    percent: Interval  # pairs of answers to the same text that are the same
    unanimous: Interval  # texts on which all say the same (Wilson)
    alpha: Interval | None  # Krippendorff's
    fleiss: Interval | None
    fleiss_people: int  # Fleiss' kappa is on the texts with exactly so many answers …
    fleiss_texts: int  # … which are so many
    pairs: tuple[PairAgreement, ...]
    labels: tuple[LabelAgreement, ...]
    resamples: int  # of the bootstrap

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(votes: Votes, seed: int = 0) -> Agreement | None:
    """All figures of a table; None where no text has two answers."""
    shared = votes.taken(votes.per_text >= 2)
    if not shared.rows:
        return None
    member = shared.member
    p = chance.patterns_of(shared.codes, member)
    r = _usual_number(shared.per_text)
    values = _values(shared, p, r)
    count = chance.resamples(len(p.times))
    w = _weights(p.times)
    same, label_same = chance.percent(w, p)
    spread = _bootstrap(p, r, count, seed)
    n = len(shared.rows)
    whole_alpha, label_alpha = chance.alpha(w, p)
    whole_fleiss, label_fleiss = chance.fleiss(w, p, r)
    fleiss_texts = int((shared.per_text == r).sum())
    labels = tuple(
        LabelAgreement(
            name,
            int(((shared.presence(c) == 1).any(axis=1)).sum()),
            _share(label_same[0, c], spread["label_percent"][:, c], n),
            _corrected(label_fleiss, c, None, spread["label_fleiss"][:, c], fleiss_texts),
            _corrected(label_alpha, c, None, spread["label_alpha"][:, c], n),
        )
        for c, name in enumerate(shared.labels)
    )
    if shared.several:
        alpha = _mean([one.alpha for one in labels], spread["label_alpha"])
        fleiss = _mean([one.fleiss for one in labels], spread["label_fleiss"])
    else:
        alpha = _corrected(whole_alpha, None, values["alpha"], spread["alpha"], n)
        fleiss = _corrected(whole_fleiss, None, values["fleiss"], spread["fleiss"], fleiss_texts)
    together = (shared.codes != MISSING).any(axis=0)
    return Agreement(
        people=tuple(person for person, there in zip(shared.people, together, strict=True) if there),
        texts=n,
        answers=int(shared.per_text.sum()),
        several=shared.several,
        percent=_share(same[0], spread["percent"], n),
        unanimous=wilson(int(p.times[(p.counts == p.people[:, None]).any(axis=1)].sum()), n),
        alpha=alpha,
        fleiss=fleiss,
        fleiss_people=r,
        fleiss_texts=fleiss_texts,
        pairs=_pairs(shared, member, seed),
        labels=labels,
        resamples=count,
    )


# ------------------------------------------------------------------------------------- values and their intervals


def _values(shared: Votes, p: Patterns, people: int) -> dict[str, float | None]:
    """Alpha and Fleiss' kappa of whole answers from their packages; None where those cannot tell."""
    import krippendorff
    from statsmodels.stats.inter_rater import fleiss_kappa

    used = np.flatnonzero(p.counts.any(axis=0))
    if shared.several or len(used) < 2:
        return {"alpha": None, "fleiss": None}
    counts = shared.counts[:, used]
    full = counts[counts.sum(axis=1) == people]
    found: dict[str, float | None] = {"alpha": None, "fleiss": None}
    if len(counts) * len(used) ** 2 <= _PACKAGE_CELLS:
        found["alpha"] = float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))
    if np.count_nonzero(full.any(axis=0)) > 1:
        found["fleiss"] = float(fleiss_kappa(full, method="fleiss"))
    return found


def _bootstrap(p: Patterns, people: int, count: int, seed: int) -> dict[str, Matrix]:
    """Each figure in each resample: (B,) or, per label, (B, C)."""
    found: dict[str, list[Matrix]] = {}
    for w in chance.draws(p.times, count, np.random.default_rng(seed)):
        same, label_same = chance.percent(w, p)
        alpha, label_alpha = chance.alpha(w, p)
        fleiss, label_fleiss = chance.fleiss(w, p, people)
        block = {
            "percent": same,
            "label_percent": label_same,
            "alpha": alpha.value,
            "label_alpha": label_alpha.value,
            "fleiss": fleiss.value,
            "label_fleiss": label_fleiss.value,
        }
        for name, values in block.items():
            found.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _pairs(shared: Votes, member: Matrix, seed: int) -> tuple[PairAgreement, ...]:
    """Every two people with texts in common."""
    twos = []
    for i, j in combinations(range(len(shared.people)), 2):
        both = (shared.codes[:, i] != MISSING) & (shared.codes[:, j] != MISSING)
        if both.any():
            first, second = shared.codes[both, i], shared.codes[both, j]
            twos.append((i, j, first, second, chance.two_of(first, second, member)))
    count = chance.resamples(sum(len(two.times) for *_, two in twos))
    rng = np.random.default_rng(seed)
    found = []
    for i, j, first, second, two in twos:
        whole, labels = chance.cohen(_weights(two.times), two)
        draws = [(w, *chance.cohen(w, two)) for w in chance.draws(two.times, count, rng)]
        same = np.concatenate([w @ two.same / w.sum(axis=1) for w, *_ in draws])
        label_spread = np.concatenate([each.value for *_, each in draws])
        n = len(first)
        per_label = tuple(
            _corrected(labels, c, None, label_spread[:, c], n) for c in range(len(shared.labels))
        )
        if shared.several:
            kappa = _mean(per_label, label_spread)
        else:
            value = _cohen(first, second) if whole.expected[0] < 1 else None
            kappa = _corrected(whole, None, value, np.concatenate([one.value for _, one, _ in draws]), n)
        percent = _share(whole.observed[0], same, n)
        found.append(PairAgreement(shared.people[i], shared.people[j], n, percent, kappa, per_label))
    return tuple(found)


def _cohen(first: Matrix, second: Matrix) -> float:
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(first, second))


def _weights(times: Matrix) -> Matrix:
    """The texts as they are, as one row of W."""
    return np.asarray(times, dtype=np.float64)[None, :]


def _usual_number(per_text: Matrix) -> int:
    """The number of answers that most texts have; of equals the larger."""
    counts = np.bincount(per_text)
    return int(len(counts) - 1 - counts[::-1].argmax())


def _percentiles(spread: Matrix) -> tuple[float, float]:
    low, high = np.nanpercentile(spread, [2.5, 97.5])
    return float(low), float(high)


def _share(value: float, spread: Matrix, texts: int) -> Interval:
    """A share of pairs. Where all or none agree, resampling shows no spread: Wilson's interval over texts then."""
    if value in (0.0, 1.0):
        return wilson(round(value * texts), texts)
    low, high = _percentiles(spread)
    return Interval(float(value), min(low, float(value)), max(high, float(value)))


def _corrected(
    found: Beyond, label: int | None, value: float | None, spread: Matrix, texts: int
) -> Interval | None:
    """A chance-corrected figure; `value` from its package, or None: from the formula.

    Without a single disagreement a bootstrap would claim certainty: the lower end is then that of Wilson's
    interval of the observed agreement, corrected for chance in the same way.
    """
    at = (0,) if label is None else (0, label)
    own = float(found.value[at])
    if not np.isfinite(own) or np.isnan(spread).all():
        return None
    own = own if value is None else value
    if found.observed[at] >= 1.0:
        expected = float(found.expected[at])
        return Interval(1.0, max(-1.0, (wilson(texts, texts).low - expected) / (1 - expected)), 1.0)
    low, high = _percentiles(spread)
    return Interval(own, min(low, own), max(high, own))


def _mean(labels: Sequence[Interval | None], spread: Matrix) -> Interval | None:
    """The mean over labels that have a figure, with the spread of that mean."""
    there = [c for c, one in enumerate(labels) if one is not None]
    known = [one for one in labels if one is not None]
    if not known:
        return None
    value = float(np.mean([one.value for one in known]))
    if all(one.value == 1.0 for one in known):
        return Interval(1.0, float(np.mean([one.low for one in known])), 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a resample without any variation
        low, high = _percentiles(np.nanmean(spread[:, there], axis=1))
    return Interval(value, min(low, value), max(high, value))


# ------------------------------------------------------------------------------------- two people, one person


def confusion(votes: Votes, first: str, second: str) -> Matrix:
    """Texts that both answered. One label a text: (C, C), the one's label by row, the other's by column. Several:
    (C, 2, 2) for each label, without and with it, the one by row.
    """
    i, j = votes.people.index(first), votes.people.index(second)
    both = (votes.codes[:, i] != MISSING) & (votes.codes[:, j] != MISSING)
    a, b = votes.codes[both, i], votes.codes[both, j]
    c = len(votes.labels)
    if not votes.several:
        return np.bincount(a * c + b, minlength=c * c).reshape(c, c)
    one, other = votes.member[a].astype(np.int64), votes.member[b].astype(np.int64)
    place = one * 2 + other
    return np.stack([np.bincount(place[:, k], minlength=4).reshape(2, 2) for k in range(c)])


@dataclass(frozen=True)
class Window:
    """Some of a person's answers in a row."""

    first: int  # of his answers that others answered too, from 1
    last: int
    since: int  # microseconds: stamp of the first
    agreement: Interval  # share of the others' answers that are the same


def drift(votes: Votes, person: str, windows: int = 10, least: int = 10) -> tuple[Window, ...]:
    """How far a person agrees with the others, in the order of his own answers: up to `windows` windows of equal
    size, none under `least` texts (fewer texts: one window).

    A text counts as the share of the others who say the same. The interval is Wilson's as if each text were right
    or wrong, which is on the safe side where several others answered.
    """
    at = votes.people.index(person)
    own = votes.codes[:, at]
    others = np.delete(votes.codes, at, axis=1)
    said = others != MISSING
    texts = np.flatnonzero((own != MISSING) & said.any(axis=1))
    if not len(texts):
        return ()
    texts = texts[np.argsort(votes.stamps[texts, at], kind="stable")]
    same = ((others[texts] == own[texts, None]) & said[texts]).sum(axis=1) / said[texts].sum(axis=1)
    parts = np.array_split(np.arange(len(texts)), max(1, min(windows, len(texts) // least)))
    return tuple(
        Window(
            int(part[0]) + 1,
            int(part[-1]) + 1,
            int(votes.stamps[texts[part[0]], at]),
            wilson(float(same[part].sum()), len(part)),  # type: ignore[arg-type]
        )
        for part in parts
    )


# ------------------------------------------------------------------------------------- in words


def landis_koch(value: float) -> str:
    """The word of J. R. Landis and G. G. Koch (1977), Biometrics 33, p. 165: a habit, not a test."""
    return next(
        (word for limit, word in _LANDIS_KOCH if value <= limit and (limit or value < 0)), _LANDIS_KOCH[-1][1]
    )


def meaning(alpha: Interval | None) -> str:
    """What an alpha with its interval allows to conclude, by K. Krippendorff (2004), as one sentence."""
    if alpha is None:
        return "All answers are the same label, so there is nothing yet by which agreement could differ from chance."
    bounds = f"(Krippendorff 2004: from {RELIABLE} reliable, from {TENTATIVE} for tentative conclusions)"
    if alpha.low >= RELIABLE:
        return f"These labels are reliable, also at the low end of the interval {bounds}."
    if alpha.value >= RELIABLE:
        return f"These labels are probably reliable, but the interval reaches below {RELIABLE}: more shared texts would tell {bounds}."
    if alpha.value >= TENTATIVE:
        return f"These labels allow tentative conclusions only: look at the labels that agree least, and sharpen their definitions {bounds}."
    if alpha.high >= TENTATIVE:
        return f"These labels are probably too unreliable to conclude from; the interval leaves room for doubt {bounds}."
    return f"People do not yet mean the same by these labels: settle the disagreements and sharpen the definitions {bounds}."
