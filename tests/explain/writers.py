"""Real models of the kinds that tests/tiny.py has not: GPT-2, T5 and Marian, two random layers of four heads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.tiny import vocabulary

TEXT = "my parcel was late, please refund the card"
TARGET = "the courier arrived twice today"


def tiny_writer(folder: Path, family: str, *, head: bool = True, **changes: Any) -> Path:
    """A folder with a model of "gpt2", "t5" or "marian" and its tokenizer. `head`: saved with its head over the
    vocabulary, as such models are published; else bare."""
    import torch
    import transformers
    from transformers import AutoConfig

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = {"gpt2": _gpt2_tokenizer, "t5": _t5_tokenizer, "marian": _marian_tokenizer}[family](folder)
    pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
    sizes: dict[str, dict[str, Any]] = {
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "bos_token_id": end},
        "t5": {
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 48,
            "num_layers": 2,
            "num_heads": 4,
            "initializer_factor": 3.0,
        }
        | {"decoder_start_token_id": pad, "pad_token_id": pad},
        "marian": {"d_model": 32, "encoder_layers": 2, "decoder_layers": 3, "encoder_ffn_dim": 48}
        | {"decoder_ffn_dim": 48, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
        | {"max_position_embeddings": 64, "decoder_start_token_id": pad, "pad_token_id": pad, "init_std": 0.4}
        | {"forced_eos_token_id": end, "bos_token_id": end},
    }
    size = {"vocab_size": len(tokenizer), "eos_token_id": end, "initializer_range": 0.3, **sizes[family]}
    names = {"gpt2": ("GPT2Model", "GPT2LMHeadModel"), "t5": ("T5Model", "T5ForConditionalGeneration")}
    name = names.get(family, ("MarianModel", "MarianMTModel"))[head]
    torch.manual_seed(4)
    model = getattr(transformers, name)(AutoConfig.for_model(family, **(size | changes)))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _gpt2_tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator([" ".join(vocabulary())], trainer)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token=end, eos_token=end, unk_token=end)


def _t5_tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.Unigram())
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    core.train_from_iterator([" ".join(vocabulary())] * 4, trainer)
    core.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )


def _marian_tokenizer(folder: Path) -> Any:
    """Two SentencePiece models and a common vocabulary, as Helsinki-NLP's are published."""
    import sentencepiece
    from transformers import MarianTokenizer

    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(" ".join(vocabulary()) for _ in range(20)), encoding="utf-8")
    pieces: list[str] = []
    for side in ("source", "target"):
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus), model_prefix=str(folder / side), vocab_size=80, hard_vocab_limit=False, minloglevel=2
        )  # fmt: skip
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
        names = (folder / f"{side}.vocab").read_text(encoding="utf-8").splitlines()
        pieces += [line.split("\t")[0] for line in names]
        (folder / f"{side}.vocab").unlink()
    corpus.unlink()
    special = ["</s>", "<unk>"]
    own = [p for p in dict.fromkeys(pieces) if p not in (*special, "<s>")]
    vocab = {token: i for i, token in enumerate([*special, *own, "<pad>"])}
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    return MarianTokenizer(
        str(folder / "source.spm"),
        str(folder / "target.spm"),
        str(folder / "vocab.json"),
        model_max_length=512,
    )
