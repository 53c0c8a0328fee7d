"""Attention against an LSTM on a task that one must look back for."""

from __future__ import annotations

import numpy as np

from core.explain import race
from core.explain.nouns import Findings
from core.records import Event, Measured, Progress


def finished(length: int, filler: int, steps: int) -> tuple[list[Event], Findings]:
    events: list[Event] = []
    study = race.run(length, filler, steps)
    while True:
        try:
            events.append(next(study))
        except StopIteration as ended:
            return events, ended.value


def test_the_answer_stands_in_the_text_and_no_name_stands_twice() -> None:
    texts = race.facts(50, 6, seed=3, filler=4)
    for at in range(50):
        words = texts.words(at)
        told, asked = words.split(". And ")[0], words.split(". And ")[1].rstrip("?")
        assert told.count(f"{asked}: ") == 1
        assert f"{asked}: {race.COLOURS[int(texts.answer[at])]}" in told
        assert len(texts.names[at].unique()) == 6


def test_attention_learns_to_look_far_back_where_the_recurrent_network_does_not() -> None:
    events, found = finished(2, 30, 100)
    attention, lstm = (found.summary["models"][name]["accuracy"] for name in race.MODELS)
    assert attention[0] > 0.9
    assert lstm[2] < 0.5
    curves = [event for event in events if isinstance(event, Measured)]
    assert {event.name for event in curves} == set(race.MODELS)
    assert all(event.low <= event.value <= event.high for event in curves)
    assert isinstance(events[-1], Progress)
    assert events[-1].done == events[-1].total == 100


def test_both_have_about_as_many_weights() -> None:
    _, found = finished(1, 0, 1)
    counts = [found.summary["models"][name]["parameters"] for name in race.MODELS]
    assert abs(counts[0] - counts[1]) < 0.05 * counts[0]


def test_influence_of_words_fades_and_none_comes_from_the_future() -> None:
    states = np.random.default_rng(0).normal(size=(12, 16))
    rows = np.asarray(list(race.influence(states)))
    np.testing.assert_allclose(rows.sum(axis=1), 1)
    assert (np.triu(rows, 1) == 0).all()
    assert rows[-1, 0] < rows[-1, -1]
