"""Attention maps are the model's own, for every family, whole and nameable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadData, BadModel, UnsafeModel
from core.explain.attention import MAX_TOKENS, AttentionReader, read_attention, save_npz
from core.explain.tokens import display_tokens
from core.models.catalogue import bundled_folder

SENTENCE = "My card was charged twice for the same order."
OTHER = "The parcel arrived two days late."
CORPUS = [
    SENTENCE,
    OTHER,
    "Where is my order? It should have been here on Monday!",
    "Thank you, all good now.",
]

FAMILIES = ("bert", "distilbert", "roberta", "xlm-roberta", "modernbert", "deberta-v2", "electra", "albert")


@pytest.fixture(scope="module")
def bundled() -> AttentionReader:
    return AttentionReader.load(bundled_folder())


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made: dict[tuple[str, bool], Path] = {}

    def make(family: str, classifier: bool = False) -> Path:
        key = (family, classifier)
        if key not in made:
            made[key] = tiny_model(tmp_path_factory.mktemp(family), family, classifier)
        return made[key]

    return make


def tiny_model(folder: Path, family: str, classifier: bool = False, **changes: Any) -> Path:
    """A randomly initialised model of the family, two layers of four heads, with a tokenizer of its kind."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    tokenizer = tiny_tokenizer(family)
    size: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 66 if "roberta" in family else 64,
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.3,  # uneven attention, so that a wrong head or layer shows
    }
    if family == "distilbert":
        size = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48} | {
            k: size[k] for k in ("vocab_size", "max_position_embeddings", "pad_token_id", "initializer_range")
        }
    if family == "modernbert":
        size |= {
            "global_attn_every_n_layers": 2,
            "local_attention": 8,
            "cls_token_id": tokenizer.cls_token_id,
            "sep_token_id": tokenizer.sep_token_id,
            "bos_token_id": tokenizer.cls_token_id,
            "eos_token_id": tokenizer.sep_token_id,
        }
    if family == "deberta-v2":
        size |= {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16}
    torch.manual_seed(3)
    auto = AutoModelForSequenceClassification if classifier else AutoModel
    model = auto.from_config(AutoConfig.for_model(family, **(size | changes)))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_tokenizer(family: str) -> Any:
    """WordPiece, byte-level BPE or unigram, as the family has it, trained on four sentences."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    roberta = family in ("roberta", "xlm-roberta")
    first, last, padding, unknown = (
        ("<s>", "</s>", "<pad>", "<unk>") if roberta else ("[CLS]", "[SEP]", "[PAD]", "[UNK]")
    )
    special = [first, padding, last, unknown]
    if family in ("roberta", "modernbert"):
        core = Tokenizer(models.BPE())
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        trainer: Any = trainers.BpeTrainer(
            vocab_size=330, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        )
    elif family in ("xlm-roberta", "deberta-v2", "albert"):
        core = Tokenizer(models.Unigram())
        core.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=80, special_tokens=special, unk_token=unknown)
    else:
        core = Tokenizer(models.WordPiece(unk_token=unknown))
        core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=90, special_tokens=special)
    core.train_from_iterator(CORPUS, trainer)
    between = f"{last} {last}" if roberta else last
    kind = 0 if roberta else 1
    core.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {between} $B:{kind} {last}:{kind}",
        special_tokens=[(first, core.token_to_id(first)), (last, core.token_to_id(last))],
    )
    inputs = ["input_ids", "attention_mask"]
    if family in ("bert", "deberta-v2", "electra", "albert"):
        inputs.append("token_type_ids")
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        cls_token=first,
        sep_token=last,
        pad_token=padding,
        unk_token=unknown,
        model_input_names=inputs,
    )


def reference(folder: Path, text: str, pair: str | None = None, classifier: bool = False) -> np.ndarray:
    """What transformers itself gives, called as its documentation says."""
    import torch
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

    auto = AutoModelForSequenceClassification if classifier else AutoModel
    model = auto.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(text, pair, return_tensors="pt", padding=False)
    with torch.no_grad():
        found = model(**inputs, output_attentions=True).attentions
    return torch.stack(found)[:, 0].numpy()


# --------------------------------------------------------------------------- reading


def test_bundled_encoder_shows_what_transformers_gives(bundled: AttentionReader) -> None:
    found = bundled.read(SENTENCE)
    expected = reference(bundled_folder(), SENTENCE)
    assert found.weights.shape == (6, 12, 12, 12)
    assert found.weights.dtype == np.float32
    np.testing.assert_allclose(found.weights, expected, atol=1e-5, rtol=0)


def test_bundled_encoder_shows_a_pair_as_transformers_gives_it(bundled: AttentionReader) -> None:
    found = bundled.read(SENTENCE, OTHER)
    np.testing.assert_allclose(found.weights, reference(bundled_folder(), SENTENCE, OTHER), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pair", [None, OTHER])
def test_every_family_shows_what_transformers_gives(folders: Any, family: str, pair: str | None) -> None:
    folder = folders(family)
    found = read_attention(folder, SENTENCE, pair)
    expected = reference(folder, SENTENCE, pair)
    assert found.weights.shape[:2] == (2, 4)
    np.testing.assert_allclose(found.weights, expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(found.weights.sum(-1), 1, atol=1e-5)
    assert found.weights.std() > 0.01  # the models are uneven enough for the comparison to mean something


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_classifier_folder_shows_the_classifiers_own_attention(folders: Any, family: str) -> None:
    folder = folders(family, classifier=True)
    expected = reference(folder, SENTENCE, classifier=True)
    np.testing.assert_allclose(read_attention(folder, SENTENCE).weights, expected, atol=1e-5, rtol=0)


def test_rows_sum_to_one(bundled: AttentionReader) -> None:
    for text, pair in ((SENTENCE, None), (SENTENCE, OTHER), ("a", None), ("word " * 600, None)):
        np.testing.assert_allclose(bundled.read(text, pair).weights.sum(-1), 1, atol=1e-5)


def test_tokens_special_marks_and_segments_lie_side_by_side(bundled: AttentionReader) -> None:
    found = bundled.read("My card", "was charged")
    assert found.tokens == ("[CLS]", "my", "card", "[SEP]", "was", "charged", "[SEP]")
    assert found.special == (True, False, False, True, False, False, True)
    assert found.segments == (0, 0, 0, 0, 1, 1, 1)


def test_segments_are_known_where_the_model_has_no_token_types(folders: Any) -> None:
    found = read_attention(folders("roberta"), "My card", "was late")
    assert found.tokens[0] == "<s>"
    assert found.segments[0] == 0
    assert found.segments[-1] == 1
    assert sorted(found.segments) == list(found.segments)
    second = "".join(
        t for t, s, p in zip(found.tokens, found.segments, found.special, strict=True) if s and not p
    )
    assert second.replace("Ġ", " ") == "was late"


def test_text_is_not_padded_nor_cut_by_what_the_tokenizer_file_says(bundled: AttentionReader) -> None:
    # the bundled tokenizer.json asks for 128 tokens, always
    assert len(bundled.read("hello").tokens) == 3
    assert len(bundled.read("hello " * 200).tokens) == 202


def test_long_text_is_cut_and_the_cut_counted(bundled: AttentionReader) -> None:
    found = bundled.read("hello " * 600)
    assert len(found.tokens) == MAX_TOKENS == 512
    assert found.cut == 602 - 512
    assert found.tokens[-1] == "[SEP]"
    assert bundled.read(SENTENCE).cut == 0


def test_long_pair_loses_tokens_of_its_longer_text(bundled: AttentionReader) -> None:
    found = bundled.read("hello " * 600, "good bye")
    assert len(found.tokens) == 512
    assert found.cut == 600 + 2 + 3 - 512
    assert found.tokens[-4:] == ("[SEP]", "good", "bye", "[SEP]")


def test_length_follows_the_model_not_only_the_limit(folders: Any) -> None:
    for family in ("bert", "roberta"):  # RoBERTa leaves two of its 66 positions unused
        found = read_attention(folders(family), "a b c d e " * 40)
        assert len(found.tokens) == 64
        assert found.cut > 0


@pytest.mark.parametrize("text", ["", "   ", "\n\t "])
def test_empty_text_is_a_sentence(bundled: AttentionReader, text: str) -> None:
    with pytest.raises(BadData, match="no text"):
        bundled.read(text)


def test_empty_second_text_means_no_pair(bundled: AttentionReader) -> None:
    assert bundled.read("My card", "  ").tokens == bundled.read("My card").tokens


def test_odd_characters_do_not_stop_a_reading(bundled: AttentionReader) -> None:
    for text in ("a\ud800b", "נכון מאוד", "👩‍👩‍👧 ok", "<b>bold</b>", "a\x00b", "\ufeffhello"):
        found = bundled.read(text)
        np.testing.assert_allclose(found.weights.sum(-1), 1, atol=1e-5)


def test_same_text_gives_the_same_map_from_many_threads(bundled: AttentionReader) -> None:
    from concurrent.futures import ThreadPoolExecutor

    texts = [SENTENCE, "hello " * 40, OTHER] * 4
    alone = [bundled.read(text).weights for text in texts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda text: bundled.read(text).weights, texts))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("family", ["fnet", "longformer"])
def test_family_without_whole_attention_is_a_sentence(tmp_path: Path, family: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModel

    tokenizer = tiny_tokenizer("bert")
    size = {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 48, "vocab_size": len(tokenizer)}
    if family == "longformer":
        size |= {"num_attention_heads": 4, "attention_window": [4, 4], "max_position_embeddings": 66}
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.for_model(family, **size)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(BadModel, match="Choose an encoder"):
        read_attention(tmp_path, SENTENCE)


def test_damaged_weights_are_a_sentence(folders: Any, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    source = folders("bert")
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    name = next(k for k in tensors if k.endswith("layer.1.attention.self.query.weight"))
    tensors[name] = np.full_like(tensors[name], np.nan)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadModel, match="not numbers"):
        read_attention(tmp_path, SENTENCE)


def test_pickled_weights_are_refused(folders: Any, tmp_path: Path) -> None:
    for file in folders("bert").iterdir():
        if file.name != "model.safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"not read")
    with pytest.raises((UnsafeModel, BadModel)):
        read_attention(tmp_path, SENTENCE)


def test_importing_the_module_does_not_import_torch() -> None:
    code = (
        "import sys, core.explain.attention; assert not {'torch', 'transformers'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


def test_display_keeps_one_name_a_token(bundled: AttentionReader) -> None:
    found = bundled.read("Embeddings & naïve café 👍 [SEP] <script>")
    assert len(display_tokens(found.tokens, found.special)) == len(found.tokens)


def test_npz_reads_back_without_pickle(tmp_path: Path, bundled: AttentionReader) -> None:
    found = bundled.read("נכון, merci")
    path = tmp_path / "map.bin"
    save_npz(found, path)
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays) == {"tokens", "weights"}
        assert tuple(arrays["tokens"].tolist()) == found.tokens
        assert arrays["weights"].dtype == np.float32
        np.testing.assert_array_equal(arrays["weights"], found.weights)
