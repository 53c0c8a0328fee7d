"""Words' scores by every method, on a small fine-tuned model and on the bundled encoder with a fitted head."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadData, BadModel
from core.explain import gradients
from core.explain.agreement import agreement
from core.explain.aim import Aim, aim_at
from core.explain.attention import rollout
from core.explain.attribution import METHODS, Attribution, attribute, explain, finish
from core.explain.faithfulness import measure
from core.explain.gradients import embedded, gradient_x_input, integrated
from core.explain.sampling import perturbed
from core.explain.subject import Piece, Subject
from core.records import Progress
from tests import tiny

TEXTS = (
    "my parcel was late and the courier did not arrive at the address",
    "I was charged twice, please send the money back to my card!",
    "hello",
    "Сколько стоит 你好 🙂 naïve?",
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject.load(tiny.tiny_classifier(tmp_path_factory.mktemp("small") / "model"))


def run(subject: Subject, piece: Piece, method: str, aim: Aim | None = None, **options: Any) -> Attribution:
    return finish(attribute(subject, piece, method, aim or aim_at(subject, piece), **options))


# --------------------------------------------------------------------------- integrated gradients


@pytest.mark.parametrize("text", TEXTS)
def test_integrated_gradients_on_the_bundled_encoder_are_complete_to_a_hundredth(
    bundled: Subject, text: str
) -> None:
    piece = bundled.read(text)
    blank = perturbed(bundled, piece, np.zeros((1, piece.word_count), dtype=bool))
    answer = aim_at(bundled, piece).target
    for aim in (Aim(answer), Aim(answer, (answer + 1) % 3)):
        found = run(bundled, piece, "ig", aim)
        whole, empty = aim.of(bundled.logits([piece, *blank]).astype(np.float64))
        assert found.completeness_error is not None
        assert found.completeness_error <= 0.01
        assert abs(found.scores.sum() - (whole - empty)) <= 0.01 * abs(whole - empty)
        assert found.word_scores.sum() == pytest.approx(found.scores.sum())
        assert (found.scores[piece.special] == 0).all()


def test_the_words_of_a_topic_speak_for_it(bundled: Subject) -> None:
    piece = bundled.read(TEXTS[0])
    found = run(bundled, piece, "ig")
    assert found.class_name == "delivery"
    assert set(np.asarray(found.words)[found.top(3)]) <= {"parcel", "late", "courier", "arrive", "address"}


def test_the_path_from_zero_begins_where_no_word_has_an_embedding(small: Subject) -> None:
    import torch

    piece = small.read("my parcel was late")
    found = finish(integrated(small, piece, Aim(1), "zero"))
    inputs = small.tensors([piece])
    inputs.pop("input_ids")
    blank = embedded(small, piece.ids) * torch.from_numpy(piece.special)[None, :, None]
    with torch.no_grad():
        empty = float(small.model(inputs_embeds=blank, **inputs).logits[0, 1])
    assert found.empty == pytest.approx(empty, abs=1e-5)
    assert found.error <= 0.01


@pytest.mark.parametrize("baseline", ["mask", "pad"])
def test_integrated_gradients_are_captums_own_with_many_steps(small: Subject, baseline: str) -> None:
    import torch
    from captum.attr import LayerIntegratedGradients

    piece = small.read("my parcel was late", "please refund the money")
    aim = Aim(1, 2)
    found = finish(integrated(small, piece, aim, baseline, tolerance=1e-4))
    token = {"mask": small.tokenizer.mask_token_id, "pad": small.tokenizer.pad_token_id}[baseline]
    inputs = small.tensors([piece])
    ids = inputs.pop("input_ids")
    blank = torch.where(torch.from_numpy(piece.special), ids, token)

    def figure(given: Any) -> Any:
        rows = {name: each.expand(len(given), -1) for name, each in inputs.items()}
        return aim.of(small.model(input_ids=given, **rows).logits)

    layers = LayerIntegratedGradients(figure, small.model.get_input_embeddings())
    expected = layers.attribute(ids, baselines=blank, n_steps=200, internal_batch_size=50)
    np.testing.assert_allclose(found.scores, expected.sum(-1)[0].detach().numpy(), atol=2e-4)


def test_an_integral_that_is_cut_short_says_so(bundled: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "POINTS", 1)
    monkeypatch.setattr(gradients, "integrated", partial(gradients.integrated, most=2))
    found = run(bundled, bundled.read(TEXTS[0]), "ig")
    assert found.completeness_error > 0.01
    assert "take them as rough" in found.note


# --------------------------------------------------------------------------- gradient, leaving out, attention


def test_gradient_x_input_is_the_slope_of_the_figure(small: Subject) -> None:
    """Against the difference quotient: the whole text's embeddings made a little longer."""
    import torch

    piece = small.read("my parcel was late")
    scores, value = gradient_x_input(small, piece, Aim(1))
    assert value == pytest.approx(float(small.logits([piece])[0, 1]), abs=1e-5)
    inputs = small.tensors([piece])
    inputs.pop("input_ids")
    table = embedded(small, piece.ids)
    model = small.model.double()
    try:
        for at in range(len(piece)):
            step = torch.zeros(1, len(piece), 1, dtype=torch.float64)
            step[0, at] = 1e-4
            with torch.no_grad():
                up, down = (
                    model(inputs_embeds=table.double() * (1 + sign * step), **inputs).logits[0, 1]
                    for sign in (1, -1)
                )
            assert scores[at] == pytest.approx(float(up - down) / 2e-4, abs=1e-4)
    finally:
        model.float()


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_leaving_out_is_the_difference_of_two_answers(family: str, tmp_path: Path) -> None:
    """One word at a time, without batches, from the text itself where words are removed."""
    subject = Subject.load(tiny.tiny_classifier(tmp_path / "model", family))
    words = "my parcel was late today".split()  # noqa: SIM905
    piece = subject.read(" ".join(words))
    aim = Aim(2)
    masked, removed = (run(subject, piece, method, aim) for method in ("occlusion", "removal"))
    whole = subject.logits([piece])[0, 2]
    for number in range(piece.word_count):
        blanked = piece
        for at in np.flatnonzero(piece.words == number):
            blanked = blanked.exchanged(int(at), *subject.mask_token)
        assert masked.word_scores[number] == pytest.approx(whole - subject.logits([blanked])[0, 2], abs=1e-5)
        if number > 0:  # a byte-level tokenizer reads a first word without its space
            without = subject.read(" ".join(words[:number] + words[number + 1 :]))
            score = whole - subject.logits([without])[0, 2]
            assert removed.word_scores[number] == pytest.approx(score, abs=1e-5)


def test_a_blank_that_moves_the_answer_by_itself_is_told(bundled: Subject) -> None:
    """The bundled encoder takes one [MASK] for much, whichever word it stands for."""
    piece = bundled.read(TEXTS[0])
    masked, removed = (run(bundled, piece, method) for method in ("occlusion", "removal"))
    assert masked.word_scores.min() > 0.25 * masked.word_scores.max()
    assert "the blank itself moves" in masked.note
    assert removed.note == ""


def test_attention_is_the_rollout_from_what_is_classified(small: Subject, bundled: Subject) -> None:
    piece = small.read("my parcel was late")
    found = run(small, piece, "attention")
    np.testing.assert_allclose(found.scores, rollout(small.attend(piece)[0])[0], atol=1e-6)
    assert not found.signed
    assert found.scores.sum() == pytest.approx(1, abs=1e-5)
    averaged = bundled.read("my parcel was late")
    own = rollout(bundled.attend(averaged)[0][:-1])
    expected = (10 * own.mean(axis=0) + own[0]) / 11
    np.testing.assert_allclose(run(bundled, averaged, "attention").scores, expected, atol=1e-6)


# --------------------------------------------------------------------------- what all methods share


@pytest.mark.parametrize("family", ["distilbert", "roberta", "electra", "deberta-v2", "modernbert"])
def test_every_family_is_scored_by_every_method(family: str, tmp_path: Path) -> None:
    subject = Subject.load(tiny.tiny_classifier(tmp_path / "model", family))
    piece = subject.read("my parcel was late", "refund")
    for method in METHODS:
        found = run(subject, piece, method, samples=40)
        assert len(found.words) == len(found.word_scores) == piece.word_count
        assert found.words[:2] == ("my", "parcel")
        assert np.isfinite(found.scores).all()
        np.testing.assert_allclose(piece.by_word(found.scores), found.word_scores)
        assert found.value == pytest.approx(float(subject.logits([piece])[0, found.aim.target]), abs=1e-4)
        assert found.baseline


def test_a_model_without_a_mask_token_has_its_words_taken_out(tmp_path: Path) -> None:
    subject = Subject.load(tiny.tiny_classifier(tmp_path / "model"))
    subject.tokenizer.mask_token = None
    piece = subject.read("my parcel was late")
    left_out, removed, path = (
        run(subject, piece, method, Aim(0)) for method in ("occlusion", "removal", "ig")
    )
    assert left_out.baseline == "the word is taken out of the text"
    np.testing.assert_allclose(left_out.word_scores, removed.word_scores)
    assert path.baseline == "every word replaced by the padding token [PAD]"
    bare = replace(piece, special=np.zeros(len(piece), dtype=bool), words=np.arange(len(piece)))
    (empty,) = perturbed(subject, bare, np.zeros((1, len(piece)), dtype=bool))
    assert empty.tokens == ("[PAD]",)
    assert np.isfinite(subject.logits([empty])).all()


def test_a_text_without_blanks_is_told_where_its_words_are_none(tmp_path: Path) -> None:
    subject = Subject.load(tiny.tiny_classifier(tmp_path / "model", "roberta"))
    piece = subject.read("我的包裹迟到了请退款谢谢你们")
    found = run(subject, piece, "occlusion")
    assert found.words == ("我的包裹迟到了请退款谢谢你们",)
    assert "as in a text without blanks" in found.note


@pytest.mark.parametrize("method", ["ig", "gradient", "occlusion", "shap"])
def test_a_contrast_is_the_difference_of_the_two_classes(small: Subject, method: str) -> None:
    piece = small.read("my parcel was late")
    for_a, for_b, contrast = (
        run(small, piece, method, aim).word_scores for aim in (Aim(0), Aim(2), Aim(0, 2))
    )
    np.testing.assert_allclose(contrast, for_a - for_b, atol=2e-3 if method == "ig" else 1e-5)


def test_progress_comes_in_order_and_ends_at_the_whole(small: Subject) -> None:
    piece = small.read("my parcel was late " * 12)
    events = list(attribute(small, piece, "lime", Aim(0)))
    assert all(isinstance(event, Progress) for event in events)
    done = [event.done for event in events]
    assert len(done) > 1
    assert done == sorted(done)
    assert done[-1] == events[-1].total


def test_the_json_of_an_explanation_is_json_and_whole(small: Subject) -> None:
    found = explain(small, "my parcel was late", "lime", "payment", against="account", samples=6)
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again["class"] == "payment"
    assert again["against"] == "account"
    assert again["words"] == ["my", "parcel", "was", "late"]
    assert len(again["tokens"]) == len(again["scores"]) == 6
    assert again["completeness_error"] is None
    assert explain(small, "my parcel was late")["completeness_error"] <= 0.01


def test_of_several_labels_each_is_explained_by_itself(tmp_path: Path) -> None:
    from core.models.loading import load_for_training

    folder = tiny.tiny_bert(tmp_path / "model")
    load_for_training(folder, tiny.LABELS, several=True).save_pretrained(folder)
    subject = Subject.load(folder)
    found = explain(subject, "my parcel was late", "occlusion", "account")
    assert found["value"] == pytest.approx(float(subject.logits([subject.read("my parcel was late")])[0, 2]))
    assert found["probability"] == pytest.approx(1 / (1 + np.exp(-found["value"])), abs=1e-6)
    measured = finish(
        measure(subject, ["my parcel was late", "the card was charged"], ("occlusion",), draws=2)
    )
    assert measured.summary["texts"] == 2


def test_what_cannot_be_explained_is_told_in_a_sentence(small: Subject, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"has no class “weather”.*“delivery”"):
        explain(small, "my parcel", class_name="weather")
    with pytest.raises(BadData, match="two different classes"):
        explain(small, "my parcel", class_name="payment", against="payment")
    with pytest.raises(BadData, match="There is no method “magic”"):
        explain(small, "my parcel", "magic")
    with pytest.raises(BadModel, match="has not learnt any classes"):
        explain(Subject.load(tiny.tiny_bert(tmp_path / "base")), "my parcel", class_name="payment")


def test_a_text_that_does_not_fit_says_what_has_no_score(small: Subject) -> None:
    piece = small.read("my parcel was late " * 60)
    found = run(small, piece, "gradient", Aim(0))
    assert f"The last {piece.cut} tokens did not fit" in found.note


# --------------------------------------------------------------------------- agreement


def test_agreement_ranks_words_and_leaves_the_sign_out_for_attention(small: Subject) -> None:
    piece = small.read("my parcel was late today please")
    one = run(small, piece, "ig")
    scores = np.asarray([3.0, -2.0, 1.0, 0.5, 0.1, -4.0])
    first = replace(one, word_scores=scores)
    opposite = replace(one, method="occlusion", word_scores=-scores)
    much = replace(one, method="attention", word_scores=np.abs(scores), signed=False)
    found = agreement([first, opposite, much], k=2)
    np.testing.assert_allclose(np.diag(found.spearman), 1)
    assert found.spearman[0, 1] == pytest.approx(-1)
    assert found.kendall[0, 1] == pytest.approx(-1)
    assert found.overlap[0, 1] == 0
    assert found.spearman[0, 2] == pytest.approx(1)
    assert found.overlap[0, 2] == 1
    assert found.chance == pytest.approx(1 / 3)


def test_agreement_is_not_defined_for_two_words(small: Subject) -> None:
    piece = small.read("my parcel")
    found = agreement([run(small, piece, method) for method in ("ig", "gradient")])
    assert np.isnan(found.spearman).all()
