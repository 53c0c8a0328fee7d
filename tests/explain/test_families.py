"""Decoders and encoder-decoders show their own attention: causal, encoder, decoder and across."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadData, BadModel, OutOfMemory
from core.explain.attention import AttentionReader, looks_back_only, read_map, save_npz
from core.explain.families import KINDS, MOST_WRITTEN, words_of
from core.explain.subject import Subject
from core.models.loading import load_encoder
from tests.explain.writers import TARGET, TEXT, tiny_writer

pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made: dict[tuple[str, bool], Path] = {}

    def make(family: str, head: bool = True) -> Path:
        key = (family, head)
        if key not in made:
            made[key] = tiny_writer(tmp_path_factory.mktemp(family), family, head=head)
        return made[key]

    return make


def reference(folder: Path, text: str, target: str, pair: str | None = None) -> dict[str, np.ndarray]:
    """What transformers itself gives, called as its documentation says."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()
    inputs = tokenizer(text, pair, text_target=target, return_tensors="pt")
    with torch.no_grad():
        output = model(**inputs, output_attentions=True)
    found = {
        "self": output.encoder_attentions,
        "decoder": output.decoder_attentions,
        "cross": output.cross_attentions,
    }
    return {kind: torch.stack(each)[:, 0].numpy() for kind, each in found.items()}


@pytest.mark.parametrize("pair", [None, "twice today"])
@pytest.mark.parametrize("head", [True, False])
def test_a_decoder_shows_what_transformers_gives(folders: Any, head: bool, pair: str | None) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = folders("gpt2", head)
    reader = AttentionReader.load(folder)
    found = reader.read(TEXT, pair)
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        inputs = AutoTokenizer.from_pretrained(folder)(TEXT, pair, return_tensors="pt")
        expected = torch.stack(model(**inputs, output_attentions=True).attentions)[:, 0].numpy()
    np.testing.assert_allclose(found.weights, expected, atol=1e-5, rtol=0)
    assert reader.kinds == ("self",)
    assert found.causal
    assert looks_back_only(found.weights)
    assert found.weights.std() > 0.01
    assert set(found.segments) == ({0} if pair is None else {0, 1})


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("family", ["t5", "marian"])
def test_a_writer_shows_what_transformers_gives_for_a_given_target(
    folders: Any, family: str, head: bool
) -> None:
    folder = folders(family, head)
    reader = AttentionReader.load(folder)
    assert reader.kinds == tuple(KINDS)
    reading = reader.read_all(TEXT, target=TARGET)
    for kind, expected in reference(folder, TEXT, TARGET).items():
        np.testing.assert_allclose(reading.maps[kind].weights, expected, atol=1e-5, rtol=0)
        np.testing.assert_allclose(reading.maps[kind].weights.sum(-1), 1, atol=1e-5)
        assert expected.std() > 0.1 * expected.mean()  # uneven enough for the comparison to mean something
    assert not reading.generated
    assert reading.maps["decoder"].causal


@pytest.mark.parametrize("family", ["t5", "marian"])
def test_rows_are_the_target_and_columns_the_source(folders: Any, family: str) -> None:
    reading = AttentionReader.load(folders(family)).read_all(TEXT, target=TARGET)
    encoder, decoder, cross = (reading.maps[kind] for kind in KINDS)
    assert cross.row_tokens == decoder.tokens
    assert cross.column_tokens == encoder.tokens
    assert cross.weights.shape[2:] == (len(decoder.tokens), len(encoder.tokens))
    assert decoder.tokens[0] == "<pad>"  # the start symbol
    assert decoder.special[0]
    assert reading.written[:-1] == decoder.tokens[1:]  # each row goes on to write what the next one reads
    assert reading.written[-1] == "</s>"
    assert "".join(decoder.tokens[1:]).replace("▁", " ").strip() == TARGET
    assert encoder.tokens[-1] == "</s>"
    assert max(decoder.words) + 1 == len(TARGET.split())


@pytest.mark.parametrize("family", ["t5", "marian"])
def test_without_a_target_the_model_writes_its_own_most_probable_one(folders: Any, family: str) -> None:
    import torch

    reader = AttentionReader.load(folders(family))
    reading = reader.read_all(TEXT)
    assert reading.generated
    assert 1 <= len(reading.written) <= MOST_WRITTEN
    model, tokenizer = reader.source.model, reader.source.tokenizer
    inputs = tokenizer(TEXT, return_tensors="pt")
    ids = tokenizer.convert_tokens_to_ids(list(reading.maps["decoder"].tokens))
    with torch.no_grad():
        logits = model(**inputs, decoder_input_ids=torch.tensor([ids])).logits[0]
    likely = tokenizer.convert_ids_to_tokens(logits.argmax(-1).tolist())
    assert list(reading.written[:-1]) == likely[:-1]  # the last may be forced to end
    np.testing.assert_allclose(reading.chances[:-1], logits.softmax(-1).max(-1).values[:-1], atol=1e-5)
    assert reader.read_all(TEXT).written == reading.written


def test_one_kind_may_be_asked_for_and_saved(folders: Any, tmp_path: Path) -> None:
    found = AttentionReader.load(folders("marian")).read(TEXT, kind="cross", target=TARGET)
    save_npz(found, tmp_path / "cross.npz")
    with np.load(tmp_path / "cross.npz", allow_pickle=False) as arrays:
        assert tuple(arrays["columns"].tolist()) == found.column_tokens
        assert arrays["weights"].shape == (3, 4, len(found.tokens), len(found.column_tokens))


def test_the_encoder_of_a_writer_is_a_subject_like_any_other(folders: Any) -> None:
    subject = Subject.load(folders("t5"))
    piece = subject.read(TEXT)
    expected = AttentionReader.load(folders("t5")).read(TEXT, target=TARGET).weights
    np.testing.assert_allclose(read_map(subject, piece).weights, expected, atol=1e-5)
    assert subject.shape == (2, 4)


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_words_of_a_subject_carry_no_blank(folders: Any, family: str) -> None:
    piece = Subject.load(folders(family)).read("my parcel was late")
    assert piece.word_list() == ["my", "parcel", "was", "late"]


def test_an_encoder_published_without_its_decoder_loads(folders: Any, tmp_path: Path) -> None:
    import torch

    encoder = load_encoder(folders("t5"))
    from transformers import AutoTokenizer, T5EncoderModel

    T5EncoderModel.from_pretrained(folders("t5")).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(folders("t5")).save_pretrained(tmp_path)
    reader = AttentionReader.load(tmp_path)
    assert reader.kinds == ("self",)
    ids = torch.tensor([[5, 6, 7, 1]])
    with torch.no_grad():
        one, other = (m(input_ids=ids).last_hidden_state for m in (encoder, load_encoder(tmp_path)))
    torch.testing.assert_close(one, other)


def test_a_pair_is_two_segments_for_t5_and_a_sentence_for_marian(folders: Any) -> None:
    reading = AttentionReader.load(folders("t5")).read_all("my card", "was late", TARGET)
    for kind, expected in reference(folders("t5"), "my card", TARGET, "was late").items():
        np.testing.assert_allclose(reading.maps[kind].weights, expected, atol=1e-5, rtol=0)
    found = reading.maps["self"]
    second = "".join(
        t for t, s, x in zip(found.tokens, found.segments, found.special, strict=True) if s and not x
    )
    assert second.replace("▁", " ").strip() == "was late"
    with pytest.raises(BadData, match="one text at a time"):
        AttentionReader.load(folders("marian")).read_all("my card", "was late", TARGET)


@pytest.mark.parametrize("family", ["t5", "marian"])
def test_long_texts_are_cut_and_odd_ones_read(folders: Any, family: str) -> None:
    reader = AttentionReader.load(folders(family))
    maps = reader.read_all("late parcel " * 600, target="refund " * 600).maps
    for kind in KINDS:
        assert maps[kind].cut > 0
        assert max(maps[kind].weights.shape[2:]) <= reader.max_tokens
    assert maps["self"].tokens[-1] == "</s>"
    for text in ("a\ud800b", "נכון מאוד", "👩‍👩‍👧", "中文"):
        reader.read_all(text, target=text)
    with pytest.raises(BadData, match="no text"):
        reader.read_all("  ")


def test_incomplete_weights_of_a_writer_are_a_sentence(folders: Any, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    for file in folders("t5").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    kept = {k: v for k, v in tensors.items() if not k.startswith("decoder.block.1")}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadModel, match="incomplete"):
        AttentionReader.load(tmp_path)


def test_too_little_memory_says_to_shorten_the_text(folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for family in ("gpt2", "t5"):
        reader = AttentionReader.load(folders(family))

        def full(*_: Any, **__: Any) -> None:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

        monkeypatch.setattr(reader.source.model, "forward", full)
        with pytest.raises(OutOfMemory, match="Shorten the text"):
            reader.read(TEXT, target=TARGET if family == "t5" else None)


def test_words_follow_the_signs_of_each_tokenizer() -> None:
    assert words_of(("[CLS]", "tok", "##en", ".", "[SEP]"), (True, False, False, False, True)) == (
        -1,
        0,
        0,
        1,
        -1,
    )
    assert words_of(("▁tok", "en", "▁s", "."), (False,) * 4) == (0, 0, 1, 2)
    assert words_of(("tok", "en", "Ġs", "!"), (False,) * 4) == (0, 0, 1, 2)
