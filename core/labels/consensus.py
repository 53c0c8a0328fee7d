"""One label a text from several people's answers, and how far each of them can be relied on.

Knows the table of `votes`. Does not know stores, screens or who decides what is left open.

Majority: the label that most people gave; a tie stays a tie unless chance is asked for. Dawid-Skene: each person has
a confusion matrix of his own, estimated together with the labels by expectation maximisation (A. P. Dawid and
A. M. Skene (1979), Applied Statistics 28, 20-28), by crowd-kit. Where a text may have several labels, both work on
each label by itself: was it given, or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from core.errors import BadData
from core.evaluation.metrics import wilson
from core.labels.nouns import Decision, Scheme
from core.labels.votes import MISSING, Matrix, Votes

METHODS = ("majority", "dawid-skene")
Ties = Literal["name", "random"]
_SAME = 1e-9  # probabilities nearer than this are a tie
ITERATIONS = 100


@dataclass(frozen=True)
class Reliability:
    """How often a person is right, as far as the others' answers tell, with a 95 % interval."""

    person: str
    value: float  # NaN: nobody else answered a text of his
    low: float
    high: float
    answers: int  # that it rests on


@dataclass(frozen=True)
class Consensus:
    method: str
    rows: tuple[Any, ...]  # N, as in the votes
    labels: tuple[str, ...]  # C
    several: bool
    soft: Matrix  # (N, C) float32: share or probability; rows sum to one unless `several`
    chosen: tuple[
        tuple[str, ...] | None, ...
    ]  # N; None: a tie. With several labels a text () is: none applies
    tied: tuple[tuple[str, ...], ...]  # N: the labels of a tie; () where there is none
    answers: tuple[int, ...]  # N: people who answered
    reliability: tuple[Reliability, ...]
    iterations: int | None = None  # of Dawid-Skene

    @property
    def ties(self) -> int:
        return sum(one is None for one in self.chosen)

    def certainty(self) -> Matrix:
        """(N,) float32: share or probability of what was chosen; several labels: the least certain of all labels,
        given or not. Of a tie: what each of the tied ones has.
        """
        if not len(self.rows):
            return np.zeros(0, dtype=np.float32)
        sure = np.maximum(self.soft, 1 - self.soft).min(axis=1) if self.several else self.soft.max(axis=1)
        return np.asarray(sure, dtype=np.float32)


def aggregate(votes: Votes, method: str, *, ties: Ties = "name", seed: int = 0) -> Consensus:
    """By one of METHODS. Raises BadData for another one, or without answers."""
    if not votes.rows:
        raise BadData("There are no answers yet, so there is nothing to agree on. Label some texts first.")
    if method == "majority":
        return majority(votes, ties=ties, seed=seed)
    if method == "dawid-skene":
        return dawid_skene(votes, ties=ties, seed=seed)
    raise BadData(f"There is no method “{method}”. There are: {', '.join(METHODS)}.")


def majority(votes: Votes, *, ties: Ties = "name", seed: int = 0) -> Consensus:
    """What most people say. Shares are of the people who answered. `ties`: “random” lets chance decide, by `seed`.

    A person is relied on as far as he says what most of the *others* say: texts where nobody else answered, or the
    others are tied, tell nothing. The interval is Wilson's.
    """
    given = _given(votes)
    soft = given / np.maximum(votes.per_text, 1)[:, None]
    chosen, tied = _choose(soft, votes, ties, seed)
    return Consensus(
        "majority",
        votes.rows,
        votes.labels,
        votes.several,
        soft.astype(np.float32),
        chosen,
        tied,
        tuple(int(n) for n in votes.per_text),
        tuple(_against_others(votes, given, at) for at in range(len(votes.people))),
    )


def dawid_skene(
    votes: Votes, *, iterations: int = ITERATIONS, ties: Ties = "name", seed: int = 0
) -> Consensus:
    """The most probable label, given how each person errs.

    A person's reliability is the estimated probability that his answer is right: the diagonal of his confusion
    matrix, weighted by how frequent each label is (several labels: the mean over the labels). Its interval is
    Wilson's for the number of his answers; what the estimation itself adds in doubt is not in it.
    """
    n, c = len(votes.rows), len(votes.labels)
    soft = np.zeros((n, c))
    right = np.zeros((len(votes.people), c if votes.several else 1))
    steps = 0
    if votes.several:
        for label in range(c):
            found, right[:, label], used = _estimate(votes.presence(label), 2, iterations)
            soft[:, label], steps = found[:, 1], max(steps, used)
    else:
        soft, right[:, 0], steps = _estimate(votes.codes, c, iterations)
    chosen, tied = _choose(soft, votes, ties, seed)
    counts = (votes.codes != MISSING).sum(axis=0)
    return Consensus(
        "dawid-skene",
        votes.rows,
        votes.labels,
        votes.several,
        soft.astype(np.float32),
        chosen,
        tied,
        tuple(int(m) for m in votes.per_text),
        tuple(
            _reliability(person, float(right[at].mean() * counts[at]), int(counts[at]))
            for at, person in enumerate(votes.people)
        ),
        iterations=steps,
    )


def decided(consensus: Consensus, decisions: Mapping[int, Decision], scheme: Scheme) -> Consensus:
    """An adjudicator's word in place of what was computed. Its labels are read through the newest scheme; a
    decision for a label that was deleted since, or that was withdrawn, changes nothing.
    """
    soft, chosen, tied = consensus.soft.copy(), list(consensus.chosen), list(consensus.tied)
    index = {label: at for at, label in enumerate(consensus.labels)}
    for at, row in enumerate(consensus.rows):
        decision = decisions.get(row)
        if decision is None or decision.labels is None:
            continue
        now = tuple(label for label in scheme.now(decision.labels) if label in index)
        if (decision.labels and not now) or (not consensus.several and len(now) != 1):
            continue
        soft[at] = 0.0
        soft[at, [index[label] for label in now]] = 1.0
        chosen[at], tied[at] = now, ()
    return replace(consensus, soft=soft, chosen=tuple(chosen), tied=tuple(tied))


# ------------------------------------------------------------------------------------- the details


def _given(votes: Votes) -> Matrix:
    """(N, C) int64: people who gave each label to each text."""
    return np.asarray(votes.counts @ votes.member.astype(np.int64))


def _choose(
    soft: Matrix, votes: Votes, ties: Ties, seed: int
) -> tuple[tuple[tuple[str, ...] | None, ...], tuple[tuple[str, ...], ...]]:
    """Labels of each text and, where these are tied, the candidates: equal highest ones, or, with several labels a
    text, those that are as likely as not.
    """
    if votes.several:
        sure, open_ = soft > 0.5 + _SAME, np.abs(soft - 0.5) <= _SAME
    else:
        best = soft >= soft.max(axis=1, keepdims=True) - _SAME
        alone = best.sum(axis=1, keepdims=True) == 1
        sure, open_ = best & alone, best & ~alone
    if ties == "random":
        rng = np.random.default_rng(seed)
        lot = rng.random(soft.shape)
        if votes.several:
            sure = sure | (open_ & (lot < 0.5))
        else:
            won = np.where(open_, lot, -1.0)
            sure = sure | (open_ & (won == won.max(axis=1, keepdims=True)))
        open_ = np.zeros_like(open_)
    names = np.array(votes.labels, dtype=object)
    tied = tuple(tuple(names[one]) for one in open_)
    chosen = tuple(None if left else tuple(names[one]) for one, left in zip(sure, tied, strict=True))
    return chosen, tied


def _against_others(votes: Votes, given: Matrix, person: int) -> Reliability:
    """How often a person says what most of the others say."""
    own = votes.codes[:, person]
    texts = np.flatnonzero((own != MISSING) & (votes.per_text >= 2))
    said = votes.member[own[texts]]
    others = given[texts] - said
    people = (votes.per_text[texts] - 1)[:, None]
    if votes.several:
        clear = 2 * others != people
        known = clear.all(axis=1)
        same = (said == (2 * others > people)).all(axis=1)
    else:
        top = others == others.max(axis=1, keepdims=True) if len(texts) else said
        known = top.sum(axis=1) == 1
        same = (said & top).any(axis=1)
    return _reliability(votes.people[person], float((same & known).sum()), int(known.sum()))


def _reliability(person: str, right: float, answers: int) -> Reliability:
    found = wilson(right, answers)  # type: ignore[arg-type]
    return Reliability(person, found.value if answers else float("nan"), found.low, found.high, answers)


def _estimate(codes: Matrix, values: int, iterations: int) -> tuple[Matrix, Matrix, int]:
    """Dawid-Skene on (N, A) answers of 0 to `values` - 1: (N, values) probabilities, (A,) chances to be right, and
    the iterations it took. Every text has at least one answer.
    """
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    text, person = np.nonzero(codes != MISSING)
    model = DawidSkene(n_iter=iterations)
    model.fit(pd.DataFrame({"task": text, "worker": person, "label": codes[text, person]}))
    found, errors, priors = model.probas_, model.errors_, model.priors_
    assert found is not None and errors is not None and priors is not None  # noqa: S101, PT018  (it was fitted)
    soft = np.zeros((len(codes), values))
    soft[np.ix_(found.index.to_numpy(), found.columns.to_numpy())] = found.to_numpy()
    soft /= soft.sum(axis=1, keepdims=True)
    right = np.zeros(codes.shape[1])
    for worker, label in errors.index:
        right[worker] += priors[label] * errors.at[(worker, label), label]
    return soft, right, len(model.loss_history_)
