"""Agreement agrees with the libraries it names, says what cannot be told, and its intervals cover."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import combinations

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from core.labels import agreement, chance
from core.labels.nouns import Answer, AnswerState, Label, Scheme
from core.labels.votes import MISSING, Votes, votes_from_names, votes_of
from core.records import Interval

NAMES = ("a", "b", "c", "d")


def crowd(
    n: int, people: int, *, seed: int = 0, right: float = 0.75, missing: float = 0.25
) -> list[tuple[str, str, tuple[str, ...]]]:
    """People who are right that often and else guess; some answers are missing."""
    rng = np.random.default_rng(seed)
    said = []
    for text in range(n):
        truth = NAMES[min(3, int(rng.exponential(1.0)))]
        for person in range(people):
            if rng.random() >= missing:
                label = truth if rng.random() < right else NAMES[rng.integers(4)]
                said.append((f"t{text}", f"p{person}", (label,)))
    return said


def several(n: int, people: int, seed: int = 0) -> list[tuple[str, str, tuple[str, ...]]]:
    rng = np.random.default_rng(seed)
    said = []
    for text in range(n):
        truth = rng.random(4) < 0.4
        for person in range(people):
            if rng.random() < 0.9:
                held = np.where(rng.random(4) < 0.85, truth, ~truth)
                said.append((f"t{text}", f"p{person}", tuple(np.array(NAMES)[held])))
    return said


def grid(votes: Votes) -> np.ndarray:
    """People by texts, NaN for missing, as `krippendorff` takes it."""
    return np.where(votes.codes == MISSING, np.nan, votes.codes).T


def both(votes: Votes, i: int, j: int) -> tuple[np.ndarray, np.ndarray]:
    at = (votes.codes[:, i] != MISSING) & (votes.codes[:, j] != MISSING)
    return votes.codes[at, i], votes.codes[at, j]


def found(votes: Votes) -> agreement.Agreement:
    measured = agreement.measure(votes)
    assert measured is not None
    return measured


def value(interval: Interval | None) -> float:
    assert interval is not None
    assert interval.low <= interval.value <= interval.high
    return interval.value


# --------------------------------------------------------------------------- the libraries, called directly


def test_alpha_is_that_of_the_package_with_missing_answers() -> None:
    votes = votes_from_names(crowd(150, 5))
    assert value(found(votes).alpha) == pytest.approx(krippendorff.alpha(grid(votes), level_of_measurement="nominal"), abs=1e-12)  # fmt: skip


def test_alpha_is_the_same_where_the_package_would_take_too_much_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    votes = votes_from_names(crowd(150, 5))
    by_package = value(found(votes).alpha)
    monkeypatch.setattr(agreement, "_PACKAGE_CELLS", 0)
    monkeypatch.setattr(krippendorff, "alpha", None)
    assert value(found(votes).alpha) == pytest.approx(by_package, abs=1e-12)


def test_alpha_of_each_label_is_that_of_the_package_on_it_against_the_rest() -> None:
    votes = votes_from_names(crowd(150, 4))
    for at, label in enumerate(found(votes).labels):
        rest = np.where(votes.codes == MISSING, np.nan, votes.codes == at).T
        expected = krippendorff.alpha(rest, level_of_measurement="nominal")
        assert value(label.alpha) == pytest.approx(expected, abs=1e-12)


def test_cohens_kappa_of_every_pair_and_label_is_that_of_scikit_learn() -> None:
    votes = votes_from_names(crowd(150, 4))
    pairs = found(votes).pairs
    assert [(p.first, p.second) for p in pairs] == list(combinations(votes.people, 2))
    for pair, (i, j) in zip(pairs, combinations(range(4), 2), strict=True):
        one, other = both(votes, i, j)
        assert pair.texts == len(one)
        assert value(pair.percent) == pytest.approx((one == other).mean())
        assert value(pair.kappa) == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)
        for at, label in enumerate(pair.labels):
            assert value(label) == pytest.approx(cohen_kappa_score(one == at, other == at), abs=1e-12)


def test_fleiss_kappa_is_that_of_statsmodels_on_the_texts_with_the_usual_number_of_answers() -> None:
    votes = votes_from_names(crowd(200, 5))
    measured = found(votes)
    full = votes.counts[votes.per_text == measured.fleiss_people]
    usual = np.bincount(votes.per_text)
    assert measured.fleiss_texts == len(full) == usual[2:].max()
    assert value(measured.fleiss) == pytest.approx(fleiss_kappa(full), abs=1e-12)
    for at, label in enumerate(measured.labels):
        against = np.stack([full[:, at], full.sum(axis=1) - full[:, at]], axis=1)
        assert value(label.fleiss) == pytest.approx(fleiss_kappa(against), abs=1e-12)


def test_percent_is_the_share_of_equal_pairs() -> None:
    votes = votes_from_names([("1", "x", ("a",)), ("1", "y", ("a",)), ("1", "z", ("b",)), ("2", "x", ("b",)), ("2", "y", ("b",)), ("3", "x", ("a",))])  # fmt: skip
    measured = found(votes)
    assert value(measured.percent) == pytest.approx(2 / 4)
    assert value(measured.unanimous) == pytest.approx(1 / 2)
    assert (measured.texts, measured.answers) == (2, 5)


# --------------------------------------------------------------------------- several labels a text


def test_with_several_labels_percent_is_exact_and_the_others_are_means_over_the_labels() -> None:
    votes = votes_from_names(several(120, 3), several=True)
    measured = found(votes)
    equal = [one == other for i, j in combinations(range(3), 2) for one, other in zip(*both(votes, i, j), strict=True)]  # fmt: skip
    assert value(measured.percent) == pytest.approx(np.mean(equal))
    alphas = []
    for at, label in enumerate(measured.labels):
        presence = votes.presence(at).astype(float).T
        presence[presence == MISSING] = np.nan
        alphas.append(krippendorff.alpha(presence, level_of_measurement="nominal"))
        assert value(label.alpha) == pytest.approx(alphas[-1], abs=1e-12)
    assert value(measured.alpha) == pytest.approx(np.mean(alphas), abs=1e-12)
    pair = measured.pairs[0]
    held = votes.member
    one, other = (held[codes] for codes in both(votes, 0, 1))
    kappas = [cohen_kappa_score(one[:, c], other[:, c]) for c in range(4)]
    assert value(pair.kappa) == pytest.approx(np.mean(kappas), abs=1e-12)


def test_no_label_applies_is_an_answer_where_a_text_may_have_several() -> None:
    said = [("1", "x", ()), ("1", "y", ()), ("2", "x", ("a", "b")), ("2", "y", ("a",))]
    measured = found(votes_from_names(said, several=True))
    assert value(measured.percent) == pytest.approx(0.5)


# --------------------------------------------------------------------------- intervals


def test_the_interval_is_that_of_a_plain_bootstrap_over_texts() -> None:
    """The weights over patterns must draw as resampling the texts one by one does."""
    votes = votes_from_names(crowd(120, 4))
    shared = votes.taken(votes.per_text >= 2)
    rng = np.random.default_rng(1)
    plain = [
        krippendorff.alpha(
            value_counts=shared.counts[rng.integers(len(shared.rows), size=len(shared.rows))],
            level_of_measurement="nominal",
        )
        for _ in range(600)
    ]
    alpha = found(votes).alpha
    assert alpha is not None
    low, high = np.percentile(plain, [2.5, 97.5])
    assert alpha.low == pytest.approx(low, abs=0.03)
    assert alpha.high == pytest.approx(high, abs=0.03)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    truth = value(found(votes_from_names(crowd(6000, 3, seed=99, missing=0.0))).alpha)
    held = []
    for seed in range(30):
        alpha = found(votes_from_names(crowd(100, 3, seed=seed, missing=0.0))).alpha
        assert alpha is not None
        held.append(alpha.low <= truth <= alpha.high)
    assert np.mean(held) > 0.8


def test_few_texts_without_a_disagreement_are_no_certainty() -> None:
    said = [(str(t), person, ("a" if t % 2 else "b",)) for t in range(10) for person in "xy"]
    measured = found(votes_from_names(said))
    for figure in (measured.percent, measured.alpha, measured.fleiss, measured.pairs[0].kappa):
        assert value(figure) == 1.0
        assert figure is not None
        assert figure.low < 0.75


def test_the_same_answers_give_the_same_figures() -> None:
    votes = votes_from_names(crowd(80, 3))
    assert found(votes) == found(votes)


def test_many_patterns_take_fewer_resamples() -> None:
    assert chance.resamples(100) == chance.RESAMPLES > chance.resamples(10**6) >= 200


# --------------------------------------------------------------------------- what cannot be told


def test_without_a_text_that_two_answered_there_is_no_agreement() -> None:
    assert agreement.measure(votes_from_names([("1", "x", ("a",)), ("2", "y", ("b",))])) is None
    assert agreement.measure(votes_from_names([])) is None


def test_one_label_throughout_leaves_kappa_and_alpha_open() -> None:
    measured = found(votes_from_names([(str(t), person, ("a",)) for t in range(5) for person in "xy"]))
    assert measured.alpha is measured.fleiss is measured.pairs[0].kappa is None
    assert value(measured.percent) == 1.0
    assert "same label" in agreement.meaning(measured.alpha)


def test_people_who_share_no_text_are_no_pair() -> None:
    said = [
        ("1", "x", ("a",)),
        ("1", "y", ("a",)),
        ("2", "y", ("b",)),
        ("2", "z", ("a",)),
        ("3", "w", ("a",)),
    ]
    measured = found(votes_from_names(said))
    assert [(p.first, p.second) for p in measured.pairs] == [("x", "y"), ("y", "z")]
    assert measured.people == ("x", "y", "z")


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ((0.9, 0.85, 0.95), "also at the low end"),
        ((0.82, 0.75, 0.9), "probably reliable"),
        ((0.7, 0.6, 0.8), "tentative conclusions only"),
        ((0.6, 0.5, 0.7), "room for doubt"),
        ((0.3, 0.2, 0.4), "do not yet mean the same"),
    ],
)
def test_what_alpha_means_depends_on_its_interval(interval: tuple[float, float, float], words: str) -> None:
    assert words in agreement.meaning(Interval(*interval))


def test_landis_and_kochs_words_have_their_limits() -> None:
    words = [agreement.landis_koch(v) for v in (-0.1, 0.0, 0.2, 0.21, 0.5, 0.8, 0.81, 1.0)]
    assert words == ["poor", "slight", "slight", "fair", "moderate", "substantial", "almost perfect", "almost perfect"]  # fmt: skip


# --------------------------------------------------------------------------- two people, one person


def test_the_confusion_counts_the_texts_that_both_answered() -> None:
    votes = votes_from_names(crowd(100, 3))
    one, other = both(votes, 0, 2)
    cells = agreement.confusion(votes, "p0", "p2")
    assert cells.sum() == len(one)
    assert cells[1, 0] == ((one == 1) & (other == 0)).sum()
    assert (agreement.confusion(votes, "p2", "p0") == cells.T).all()


def test_the_confusion_of_several_labels_is_one_table_a_label() -> None:
    said = [("1", "x", ("a",)), ("1", "y", ("a", "b")), ("2", "x", ()), ("2", "y", ("b",))]
    cells = agreement.confusion(votes_from_names(said, several=True), "x", "y")
    assert cells.tolist() == [[[1, 0], [0, 1]], [[0, 2], [0, 0]]]


def timed(labels: Sequence[Sequence[str]]) -> Votes:
    """Person p answers text t; the first one takes them from the last to the first."""
    said = [(f"t{t}", f"p{p}", (label,)) for p, column in enumerate(labels) for t, label in enumerate(column)]
    votes = votes_from_names(said, order="ab")
    n = len(votes.rows)
    stamps = np.stack([np.arange(n, 0, -1), *(np.arange(n) + 1 for _ in labels[1:])], axis=1)
    return dataclasses.replace(votes, stamps=stamps)


def test_drift_follows_the_order_in_which_a_person_answered() -> None:
    votes = timed(["b" * 20 + "a" * 20, "a" * 40])
    windows = agreement.drift(votes, "p0", windows=4)
    assert [w.agreement.value for w in windows] == [1.0, 1.0, 0.0, 0.0]
    assert [(w.first, w.last) for w in windows] == [(1, 10), (11, 20), (21, 30), (31, 40)]
    assert all(w.agreement.high - w.agreement.low > 0.2 for w in windows)
    assert [w.agreement.value for w in agreement.drift(votes, "p1", windows=4)] == [0.0, 0.0, 1.0, 1.0]


def test_drift_counts_the_share_of_the_others_and_has_no_tiny_windows() -> None:
    votes = timed(["a" * 15, "a" * 15, "b" * 15])
    windows = agreement.drift(votes, "p0", windows=10, least=10)
    assert [w.agreement.value for w in windows] == [0.5]
    alone = votes_from_names([("1", "x", ("a",)), ("2", "y", ("a",))])
    assert agreement.drift(alone, "x") == ()


# --------------------------------------------------------------------------- from answers to votes


def scheme(*names: str, several: bool = False, **more: object) -> Scheme:
    labels = tuple(Label(f"label-{name}", name) for name in names)
    return Scheme("s", "d", 1, 0.0, "x", several, labels, **more)  # type: ignore[arg-type]


def answer(
    row: int, person: str, *names: str, state: AnswerState = AnswerState.LABELLED, stamp: int = 1
) -> Answer:
    return Answer(row, person, tuple(f"label-{name}" for name in names), state, stamp)


def test_answers_are_read_through_the_newest_scheme() -> None:
    now = scheme("a", "b", merged={"label-c": "label-a"}, removed=("label-d",))
    votes = votes_of(
        [answer(0, "x", "c"), answer(0, "y", "a"), answer(1, "x", "d"), answer(1, "y", "b")], now
    )
    assert votes.rows == (0, 1)
    assert votes.codes.tolist() == [[0, 0], [MISSING, 1]]


def test_skipped_and_cleared_texts_are_no_answers() -> None:
    skipped = [answer(0, "x", state=state) for state in (AnswerState.SKIPPED, AnswerState.CLEARED)]
    assert votes_of([*skipped, answer(1, "x", "a")], scheme("a")).rows == (1,)


def test_several_labels_count_only_where_they_are_allowed() -> None:
    answers = [answer(0, "x", "a", "b"), answer(1, "x")]
    assert votes_of(answers, scheme("a", "b")).rows == ()
    allowed = votes_of(answers, scheme("a", "b", several=True))
    assert [allowed.named(code) for code in allowed.codes[:, 0]] == [("label-a", "label-b"), ()]


def test_identical_texts_are_one_text_and_the_newest_answer_counts() -> None:
    answers = [
        answer(3, "x", "a", stamp=5), answer(7, "x", "b", stamp=9), answer(7, "y", "b"), answer(5, "y", "a"),
    ]  # fmt: skip
    hashes = ["h0", "h1", "h2", "same", "h4", "h5", "h6", "same"]
    votes = votes_of(answers, scheme("a", "b"), hashes)
    assert votes.rows == (3, 5)
    assert votes.codes.tolist() == [[1, 1], [MISSING, 0]]
    assert votes.copies == 1
    assert len(votes_of(answers, scheme("a", "b")).rows) == 3


def test_numbers_as_labels_are_in_the_order_of_numbers() -> None:
    said = [("i", str(p), (label,)) for p, label in enumerate(["10", "-2", "9", "x"])]
    assert votes_from_names(said).labels == ("-2", "9", "10", "x")
