"""The Look view: what its address opens, a token exchanged, models that write, and texts that are hard to show."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.explain.look import Look
from core.explain.picture import Picture
from core.explain.shape import Shape
from core.records import AttentionMap
from core.workspace import Workspace
from tests import homes
from tests.explain.writers import tiny_writer
from tests.tiny import tiny_classifier, tiny_encoder
from ui import look_save

from .screen import errors, go, keys, start, words

TEXT = "my card was charged twice"


@pytest.fixture
def model(enter: Callable[..., Workspace], finished_home: Path) -> str:
    return str(homes.only(enter(finished_home).models()).id)


def opened(model: str, text: str = TEXT, **more: str) -> AppTest:
    return go(start(), "attention", model=model, text=text, **more)


def test_the_address_opens_the_same_view(model: str) -> None:
    at = opened(model, pair="please track my parcel", mode="average", layer="2", head="3")
    assert errors(at) == ""
    assert at.text_area(key="attention_text").value == TEXT
    assert at.text_area(key="attention_pair").value == "please track my parcel"
    assert at.session_state["attention_mode"] == "average"
    assert at.number_input(key="attention_layer").value == 2
    assert at.query_params["text"] == TEXT
    assert at.query_params["layer"] == "2"
    at.text_area(key="attention_text").set_value("my parcel is late").run()
    assert at.query_params["text"] == "my parcel is late"


def test_an_address_with_nonsense_opens_the_usual_view(model: str) -> None:
    at = opened(model, mode="magic", layer="99", head="x", look="[[", changed="77", way="?", kind="?")
    assert errors(at) == ""
    assert "attention_view" in keys(at)
    assert (
        at.number_input(key="attention_layer").value == 3
    )  # the nearest there is: two and one that averages
    assert at.number_input(key="attention_head").value == 1


def test_a_masked_token_shows_answer_and_attention_before_and_after(model: str) -> None:
    at = opened(model, changed="3")
    assert errors(at) == ""
    assert "“card” became “[MASK]”." in words(at)
    assert "The answer" in words(at)
    assert "Attention moved most in layer" in words(at)
    assert {"exchange_answers", "attention_view"} <= keys(at)
    at.button(key="exchange_show").click().run()
    assert at.query_params.get("mode") is None
    at.button(key="exchange_back").click().run()
    assert "became" not in words(at)


def test_another_word_may_have_another_number_of_tokens(model: str) -> None:
    at = opened(model, changed="3", way="word", swap="zebra")
    assert "“card” became “z ##e ##b ##r ##a”, which is 5 tokens to this model." in words(at)
    assert "cannot be laid over" in words(at)
    assert errors(at) == ""


def test_another_text_forgets_the_chosen_token(model: str) -> None:
    at = opened(model, changed="3")
    at.text_area(key="attention_text").set_value("my parcel is late again").run()
    assert "became" not in words(at)
    assert "changed" not in at.query_params


@pytest.mark.parametrize("mode", ["token", "average", "rollout", "flow", "neuron"])
def test_every_view_is_drawn_of_the_changed_text_too(model: str, mode: str) -> None:
    at = opened(model, mode=mode, changed="3")
    assert errors(at) == ""
    assert ("attention_neuron" if mode == "neuron" else "attention_view") in keys(at)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("card " * 2000, "too long to be shown whole"),
        ("👍🏽 my card", "does not have “👍🏽”"),
        ("שלום my card", "does not have “שלום”"),
        ("你好", "does not have “你”"),
        ("card", "3 tokens"),
        ("a", "3 tokens"),
        (" ", "There is no text yet"),
        ("<script>alert(1)</script> **x** $y$ [a](b)", "layers"),
        ("\u200b\u202e x", "layers"),
    ],
)
def test_hard_texts_are_drawn_or_told_why_not(model: str, text: str, said: str) -> None:
    at = opened(model, text)
    assert errors(at) == ""
    assert said in words(at)
    assert ("attention_view" in keys(at)) is bool(text.strip())


def test_a_text_of_2000_words_fits_the_address_and_comes_back(model: str) -> None:
    long = " ".join(f"word{k % 97}" for k in range(2000))
    at = opened(model)
    at.text_area(key="attention_text").set_value(long).run()
    packed = at.query_params["text_z"]
    assert "text" not in at.query_params
    again = go(start(), "attention", model=model, text_z=packed)
    assert again.text_area(key="attention_text").value == long


def test_a_decoder_is_read_and_its_masking_is_not_offered(
    enter: Callable[..., Workspace], tmp_path: Path
) -> None:
    enter()
    folder = tiny_encoder(tmp_path / "gpt", "gpt2")
    at = go(start(), "attention", base=str(folder), text=TEXT, mode="neuron", changed="3", way="out")
    assert errors(at) == ""
    assert "attention_neuron" in keys(at)
    assert "A base model has no answer" in words(at)


def test_a_model_that_writes_shows_its_three_kinds_of_attention(
    enter: Callable[..., Workspace], tmp_path: Path
) -> None:
    enter()
    folder = tiny_writer(tmp_path / "t5", "t5")
    at = go(start(), "attention", base=str(folder), text=TEXT, target="card was late")
    assert errors(at) == ""
    assert "Each row is a token that was written" in words(at)
    at = go(start(), "attention", base=str(folder), text=TEXT, target="card was late", mode="neuron")
    assert errors(at) == ""
    assert "attention_neuron" in keys(at)
    for kind, said in (("self", "The encoder"), ("decoder", "The decoder")):
        at = go(start(), "attention", base=str(folder), text=TEXT, kind=kind, mode="rollout")
        assert errors(at) == ""
        assert said in words(at)
        assert "The model wrote:" in words(at)
        assert at.session_state["attention_mode"] == "rollout"


def test_a_family_without_queries_and_keys_says_why(enter: Callable[..., Workspace], tmp_path: Path) -> None:
    enter()
    folder = tiny_classifier(tmp_path / "deberta", "deberta-v2")
    at = go(start(), "attention", base=str(folder), text=TEXT, mode="neuron")
    assert "sums of three products" in errors(at)


def test_a_public_demo_reads_no_folders(
    enter: Callable[..., Workspace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINESIFT_DEMO", "1")
    enter()
    at = go(start(), "attention", base=str(tmp_path), text=TEXT)
    assert "folders of the server cannot be read" in errors(at)
    assert "attention_view" in keys(at)  # of the model in the list


# ------------------------------------------------------------------------------------- what is saved


def a_map(seed: int) -> AttentionMap:
    weights = np.random.default_rng(seed).dirichlet(np.ones(4), (2, 3, 4)).astype(np.float32)
    tokens = ("[CLS]", "my", "card", "[SEP]")
    return AttentionMap(tokens, weights, (0, 0, 0, 0), (True, False, False, True), "m", words=(-1, 0, 1, -1))


def test_a_saved_plane_is_the_one_on_show() -> None:
    picture = Picture(a_map(0))
    shaped, rows, columns = look_save.plane(picture, Look(layer=1, head=2, shape=Shape(hide_special=True)))
    part = picture.attention.weights[1, 2][1:3, 1:3].astype(float)
    assert (rows, columns) == (("my", "card"), ("my", "card"))
    assert shaped == pytest.approx(part / part.sum(axis=1, keepdims=True))
    through, rows, _ = look_save.plane(picture, Look(mode="token", token=2))
    assert rows == ("layer 1", "layer 2")
    assert through == pytest.approx(picture.attention.weights[:, :, 2].mean(axis=1), abs=1e-6)


def test_a_saved_difference_is_after_minus_before() -> None:
    after, before = a_map(0), a_map(1)
    picture = Picture(after, before)
    look = Look(layer=1, head=0)
    assert look_save.plane(picture, look)[0] == pytest.approx(
        after.weights[1, 0] - before.weights[1, 0], abs=1e-6
    )
    assert look_save.drawn(picture, look, "a caption", "svg").startswith(b"<?xml")
    with np.load(BytesIO(look_save.npz(picture, {}))) as saved:
        assert set(saved) == {"tokens", "weights", "base_weights"}
