"""Real models in a second: two-layer randomly initialised encoders with toy tokenizers, and a toy task to learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

TOPICS = {
    "delivery": ["parcel", "late", "courier", "address", "arrived", "track"],
    "payment": ["card", "charged", "invoice", "refund", "twice", "money"],
    "account": ["password", "login", "email", "locked", "reset", "profile"],
}
FILLER = ["the", "my", "was", "is", "a", "please", "hello", "today", "again", "and", "not", "why"]
LABELS = tuple(TOPICS)
FAMILIES = ("bert", "distilbert", "roberta", "deberta-v2", "modernbert")
AVERAGING = ("bert", "distilbert", "roberta", "electra", "xlm-roberta", "camembert")  # take the added layer
POSITIONS = 128  # tokens that every tiny model reads


def toy_texts(n: int, seed: int = 0, words: int = 8) -> tuple[list[str], list[int]]:
    """n texts and their class indices into LABELS: easy to learn, no two alike in order."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for i in range(n):
        label = i % len(LABELS)
        topic = rng.choice(TOPICS[LABELS[label]], size=4).tolist()
        filler = rng.choice(FILLER, size=max(1, int(rng.integers(words // 2, words + 1)) - 4)).tolist()
        mixed = topic + filler
        texts.append(" ".join(mixed[j] for j in rng.permutation(len(mixed))))
        labels.append(label)
    return texts, labels


def vocabulary() -> list[str]:
    return [*FILLER, *(word for words in TOPICS.values() for word in words)]


def tiny_bert(folder: Path, seed: int = 0, **config: Any) -> Path:
    """A base BERT (no head) with a WordPiece tokenizer; `config` overrides its config."""
    return tiny_encoder(folder, "bert", seed, **config)


def tiny_encoder(folder: Path, family: str, seed: int = 0, **config: Any) -> Path:
    """A base model of the family as a folder, with a tokenizer of the family's own kind."""
    import torch
    from transformers import AutoConfig, AutoModel

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(family, folder)
    offset = 2 if family in ("roberta", "xlm-roberta", "camembert") else 0
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": POSITIONS + offset,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "initializer_range": 0.1,  # far enough from zero that a small model learns in seconds
    }
    if family == "distilbert":
        sizes |= {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4}
    if family == "electra":
        sizes |= {"embedding_size": 16}
    if family == "modernbert":
        sizes |= {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
        sizes |= {"global_attn_every_n_layers": 2, "local_attention": 16}
    if family == "deberta-v2":  # as deberta-v3 is configured
        sizes |= {
            "relative_attention": True,
            "position_buckets": 16,
            "max_relative_positions": -1,
            "pos_att_type": ["p2c", "c2p"],
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "position_biased_input": False,
            "type_vocab_size": 0,
            "pooler_hidden_size": 32,
        }
    torch.manual_seed(seed)
    model = AutoModel.from_config(AutoConfig.for_model(family, **{**sizes, **config}))
    model.save_pretrained(folder)
    if family != "deberta-v2":
        tokenizer.save_pretrained(folder)
    return folder


def tiny_classifier(
    folder: Path, family: str = "bert", labels: tuple[str, ...] = LABELS, seed: int = 0, **config: Any
) -> Path:
    """A classifier of the family over `labels` as a folder. It has random weights and has learnt nothing."""
    import torch

    from core.models.loading import load_for_training

    tiny_encoder(folder, family, seed, **config)
    torch.manual_seed(seed + 1)
    load_for_training(folder, labels).save_pretrained(folder)
    return folder


def _tokenizer(family: str, folder: Path) -> Any:
    if family in ("bert", "distilbert", "electra"):
        return _wordpiece()
    if family == "deberta-v2":
        return _sentencepiece(folder)
    return _byte_pairs(family)


def _wordpiece() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertTokenizer

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [c for letter in "abcdefghijklmnopqrstuvwxyz!?.,'" for c in (letter, f"##{letter}")]
    vocab = {token: i for i, token in enumerate([*specials, *vocabulary(), *letters])}
    backend = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
    # as many published files have it: the length of some training is baked in
    backend.enable_truncation(16)
    backend.enable_padding(length=16, pad_id=vocab["[PAD]"], pad_token="[PAD]")
    return BertTokenizer(tokenizer_object=backend, vocab=vocab, model_max_length=16)


def _byte_pairs(family: str) -> Any:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast, RobertaTokenizer

    trainer = ByteLevelBPETokenizer(add_prefix_space=False)
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer.train_from_iterator(
        [" ".join(vocabulary())] * 4, vocab_size=400, special_tokens=specials, show_progress=False
    )
    if family == "roberta":
        saved = json.loads(trainer.to_str())["model"]
        merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in saved["merges"]]
        return RobertaTokenizer(vocab=saved["vocab"], merges=merges)
    from tokenizers.processors import BertProcessing

    vocab = trainer.get_vocab()
    trainer._tokenizer.post_processor = BertProcessing(("</s>", vocab["</s>"]), ("<s>", vocab["<s>"]))
    return PreTrainedTokenizerFast(
        tokenizer_object=trainer._tokenizer,
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
    )


def _sentencepiece(folder: Path) -> Any:
    """Only spm.model and a small tokenizer_config.json, as microsoft/deberta-v3-small is published."""
    import sentencepiece
    from transformers import AutoTokenizer

    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(" ".join(vocabulary()) for _ in range(20)), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "spm"),
        vocab_size=90,
        hard_vocab_limit=False,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        pad_piece="[PAD]",
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        unk_piece="[UNK]",
        user_defined_symbols=["[MASK]"],
        minloglevel=2,
    )
    corpus.unlink()
    (folder / "spm.vocab").unlink()
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": False, "vocab_type": "spm", "tokenizer_class": "DebertaV2Tokenizer"}),
        encoding="utf-8",
    )
    (folder / "config.json").write_text(json.dumps({"model_type": "deberta-v2"}), encoding="utf-8")
    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
