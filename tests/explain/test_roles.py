"""What a head does: heads made by hand that do one thing, and a whole study of a small model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.errors import BadData
from core.evaluation.many_means import mean_intervals
from core.evaluation.means import mean_interval
from core.explain import roles
from core.explain.nouns import Findings
from core.explain.subject import Piece, Subject
from core.records import Progress
from tests import tiny

TEXT = "my parcel was late, please refund"


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject.load(tiny.tiny_classifier(tmp_path_factory.mktemp("roles") / "model"))


@pytest.fixture(scope="module")
def found(subject: Subject) -> Findings:
    events = roles.study(subject, tiny.toy_texts(24)[0])
    return ended(events)[1]


def ended(study: Any) -> tuple[list[Any], Any]:
    events = []
    while True:
        try:
            events.append(next(study))
        except StopIteration as end:
            return events, end.value


def pointing(piece: Piece, columns: list[int]) -> np.ndarray[Any, Any]:
    """(T, T): row i reads column columns[i] alone."""
    plane = np.zeros((len(piece), len(piece)), dtype=np.float32)
    plane[np.arange(len(piece)), columns] = 1
    return plane


def figures(
    piece: Piece, plane: np.ndarray[Any, Any], rarity: dict[str, int] | None = None
) -> dict[str, float]:
    count = rarity or dict.fromkeys(piece.word_list(), 1)
    values, _ = roles.measure(plane[None, None], piece, count)
    return dict(zip(roles.MEASURES, values[:, 0, 0].tolist(), strict=True))


def test_a_head_that_does_one_thing_is_measured_as_doing_it(subject: Subject) -> None:
    piece = subject.read(TEXT)
    n = len(piece)
    assert figures(piece, pointing(piece, [max(0, i - 1) for i in range(n)]))["previous"] == 1
    assert figures(piece, pointing(piece, [min(n - 1, i + 1) for i in range(n)]))["next"] == 1
    assert figures(piece, pointing(piece, list(range(n))))["same"] == 1
    assert figures(piece, pointing(piece, [0] * n))["first"] == 1
    assert figures(piece, pointing(piece, [n - 1] * n))["separator"] == 1
    comma = piece.shown.index(",")
    assert figures(piece, pointing(piece, [comma] * n))["punctuation"] == 1
    rare = dict.fromkeys(piece.word_list(), 9) | {"parcel": 1}
    assert figures(piece, pointing(piece, [piece.shown.index("parcel")] * n), rare)["rare"] == 1


def test_only_that_one_thing_is_measured(subject: Subject) -> None:
    piece = subject.read(TEXT)
    own = figures(piece, pointing(piece, list(range(len(piece)))))
    assert own["previous"] == own["next"] == own["first"] == own["separator"] == 0
    assert own["entropy"] == pytest.approx(0, abs=1e-9)
    assert own["reach"] == 0


def test_entropy_and_reach_of_a_head_that_reads_all_alike(subject: Subject) -> None:
    piece = subject.read(TEXT)
    n = len(piece)
    even = figures(piece, np.full((n, n), 1 / n, dtype=np.float32))
    assert even["entropy"] == pytest.approx(np.log2(n), abs=1e-5)
    own = np.arange(n - 2)
    assert even["reach"] == pytest.approx(np.abs(own[:, None] - own[None, :]).mean(), abs=1e-5)


def test_what_a_head_does_besides_resting_on_cls(subject: Subject) -> None:
    piece = subject.read(TEXT)
    n = len(piece)
    plane = 0.9 * pointing(piece, [0] * n) + 0.1 * pointing(piece, [max(0, i - 1) for i in range(n)])
    measured = figures(piece, plane)
    assert measured["first"] > 0.89
    assert measured["previous"] < 0.11
    assert measured["rest_previous"] == pytest.approx(1, abs=1e-5)


def test_no_role_is_named_where_the_interval_reaches_below_the_limit() -> None:
    gain = np.zeros((len(roles.PATTERNS), 1, 5))
    low, breadth = gain.copy(), np.zeros((1, 5))
    rest = np.zeros((len(roles.OWN), 1, 5))
    gain[0, 0, 0], low[0, 0, 0] = 0.9, 0.8  # clear
    gain[0, 0, 1], low[0, 0, 1] = 0.9, 0.2  # large and uncertain
    breadth[0, 2] = 0.95
    gain[3, 0, 3], low[3, 0, 3] = 0.6, 0.5
    gain[0, 0, 3], low[0, 0, 3] = 0.4, 0.3
    rest[0, 0, 3] = rest[0, 0, 0] = 0.7
    gain[:, 0, 4] = low[:, 0, 4] = rest[:, 0, 4] = np.nan  # nothing could be measured
    role, second = roles.name_roles(gain, low, breadth, rest)
    assert role[0].tolist() == ["previous", "none", "broad", "first", "none"]
    assert second[0].tolist() == ["", "", "", "previous", ""]


def test_a_study_measures_every_head_with_intervals(found: Findings, subject: Subject) -> None:
    shape = (len(roles.MEASURES), *subject.shape)
    values, low, high = (found.arrays[name] for name in ("values", "low", "high"))
    assert values.shape == shape
    known = np.isfinite(values)
    assert known[: roles.PATTERNS.index("punctuation")].all()
    assert not known[roles.PATTERNS.index("punctuation")].any(), "these texts have no punctuation"
    assert (low[known] <= values[known]).all()
    assert (values[known] <= high[known]).all()
    assert found.summary["texts"] == 24
    assert (found.summary["first"], found.summary["separator"]) == ("[CLS]", "[SEP]")
    assert set(np.unique(found.arrays["role"])) <= {*roles.PATTERNS, roles.BROAD, roles.NONE}
    assert ((found.arrays["example"] >= 0) & (found.arrays["example"] < 24)).all()


def test_a_study_tells_how_far_it_is_and_skips_empty_texts(subject: Subject) -> None:
    events, found = ended(roles.study(subject, ["my parcel", " ", "a card was charged", ""]))
    progress = [e for e in events if isinstance(e, Progress)]
    assert (progress[0].done, progress[-1].done, progress[-1].total) == (0, 2, 2)
    assert found.summary["texts"] == 2
    assert set(np.unique(found.arrays["example"])) <= {0, 2}
    with pytest.raises(BadData, match="fewer than two"):
        next(roles.study(subject, ["", "one"]))


def test_a_layer_that_averages_reads_all_alike(tmp_path_factory: pytest.TempPathFactory) -> None:
    from core.models.loading import load_for_training
    from core.models.pooling import add_layer

    folder = tiny.tiny_bert(tmp_path_factory.mktemp("averaging") / "base")
    model = load_for_training(folder, tiny.LABELS)
    add_layer(model)
    model.save_pretrained(folder)
    _, found = ended(roles.study(Subject.load(folder), tiny.toy_texts(8)[0]))
    assert found.summary["averaging"] == 2
    assert set(found.arrays["role"][2].tolist()) == {roles.BROAD}
    np.testing.assert_allclose(found.arrays["breadth"][2], 1, atol=1e-5)


def test_many_means_are_each_one_mean() -> None:
    values = np.random.default_rng(0).normal(size=(40, 3, 2))
    values[3, 1, 1] = np.nan
    values[1:, 2, 0] = np.nan
    mean, low, high = mean_intervals(values)
    assert np.isnan(mean[2, 0]), "one text tells nothing of the spread"
    one = mean_interval(values[:, 0, 0])
    assert one is not None
    np.testing.assert_allclose((mean[0, 0], low[0, 0], high[0, 0]), (one.value, one.low, one.high), atol=1e-9)
    assert mean[1, 1] == pytest.approx(np.nanmean(values[:, 1, 1]))
