"""From a folder to a tokenizer and a model in memory: safetensors and JSON only, no code from the folder.

Knows what transformers' auto classes need and where they fall short. Does not know where folders come from
(`sources`) or what is done with the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import BadModel, FinesiftError, OutOfMemory
from core.models.sources import check_folder

SEVERAL = "multi_label_classification"  # the problem_type of config.json: several labels a text
DEFAULT_LENGTH = 512  # tokens, for the rare model that states no limit at all
_UNSET_LENGTH = 1_000_000  # transformers writes "no limit" as 1e30

# families whose position numbers start after the padding index, so that two of the positions stay unused
_OFFSET_FAMILIES = frozenset(
    {
        "camembert",
        "data2vec-text",
        "esm",
        "ibert",
        "longformer",
        "luke",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)


def load_tokenizer(folder: Path, *, fast: bool = True) -> Any:
    """The folder's fast tokenizer, with truncation and padding off and `model_max_length` in tokens that the
    model can really read, special tokens included.

    `fast=False`: a slow one will do where there is no fast one, as for Marian's translation models.
    Raises BadModel or UnsafeModel.
    """
    config = check_folder(folder)
    from transformers import AutoTokenizer

    with quiet(), _bad_model(folder, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), use_fast=True, local_files_only=True, trust_remote_code=False
        )
    if not getattr(tokenizer, "is_fast", False) and fast:
        raise BadModel(
            f"The tokenizer of {folder.name} has no fast version (tokenizer.json), which Finesift needs. "
            "Choose another model, or write the tokenizer again with a current version of transformers."
        )
    if getattr(tokenizer, "is_fast", False):
        plain(tokenizer)
    tokenizer.model_max_length = readable_length(config, int(min(tokenizer.model_max_length, _UNSET_LENGTH)))
    if tokenizer.pad_token is None and tokenizer.eos_token is not None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def plain(tokenizer: Any) -> None:
    """Takes out the truncation and padding that a tokenizer.json has baked in, or that the last call left."""
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()


def readable_length(config: dict[str, Any], declared: int = _UNSET_LENGTH) -> int:
    """Tokens that a model of this config (config.json) can read at once, special tokens included.

    `declared` is the tokenizer's own figure; it counts only where the config is silent, because tokenizers
    are often saved with the length of some training.
    """
    positions = next(
        (
            int(config[key])
            for key in ("max_position_embeddings", "n_positions", "max_seq_len")
            if config.get(key)
        ),
        0,
    )
    family = config["model_type"]
    if positions <= 0:
        # config.json need not repeat its family's defaults
        positions = _family_default(family)
    if positions <= 0:
        return declared if 0 < declared < _UNSET_LENGTH else DEFAULT_LENGTH
    if family in _OFFSET_FAMILIES:
        padding = config.get("pad_token_id")
        positions -= (1 if padding is None else int(padding)) + 1
    return positions


def _family_default(family: str) -> int:
    from transformers import AutoConfig

    try:
        config = AutoConfig.for_model(family)
    except (ValueError, KeyError):
        return 0
    return int(getattr(config, "max_position_embeddings", 0) or 0)


def load_for_training(
    folder: Path, labels: Sequence[str], dropout: float | None = None, *, several: bool = False
) -> Any:
    """A sequence classifier over `labels` on the folder's encoder: fp32, in training mode's weights, on the
    CPU.

    The head is new (from torch's random state) unless the folder already classifies into exactly these
    labels, in the same way. `several`: a text may have several labels, each logit goes through a sigmoid of its
    own. `dropout` replaces the encoder's hidden and attention dropout (a share, 0 to 1); None keeps the model's
    own. Raises BadModel, UnsafeModel, OutOfMemory.
    """
    config = check_folder(folder)
    names = list(labels)
    changes: dict[str, Any] = {
        "num_labels": len(names),
        "id2label": dict(enumerate(names)),
        "label2id": {name: c for c, name in enumerate(names)},
        "problem_type": SEVERAL if several else "single_label_classification",
    }
    if dropout is not None:
        changes |= {key: dropout for key in _DROPOUTS if key in config}
    model, report = _load(
        "AutoModelForSequenceClassification", folder, ignore_mismatched_sizes=True, **changes
    )

    head = head_names(model)
    lost = sorted((set(report["missing_keys"]) | {k[0] for k in report["mismatched_keys"]}) - head)
    if lost:
        raise BadModel(
            f"The weights in {folder.name} do not belong to its config.json: {len(lost)} of them are "
            f"missing or have another shape (“{lost[0]}” is one). Fetch or write the model again."
        )
    old = _old_labels(config)
    if old and (old != names or several != (config.get("problem_type") == SEVERAL)):
        _renew(model, head)
    if model.config.pad_token_id is None:
        model.config.pad_token_id = model.config.eos_token_id
    return model


_DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
)


def load_classifier(folder: Path, attention: str | None = None) -> Any:
    """A trained classifier, of one label a text or several (`is_several`), from its folder: fp32, evaluation
    mode, on the CPU.

    `attention`: "eager" where attention weights are to be read; None for the family's fastest.
    Raises BadModel where the folder holds no trained head (its answers would be random) or another kind of
    head.
    """
    config = check_folder(folder)
    architectures = [str(a) for a in config.get("architectures") or ()]
    if not any(a.endswith("ForSequenceClassification") for a in architectures):
        raise BadModel(
            f"{folder.name} is a base model: it has not learnt any classes yet, so its answers would be "
            "random. Train it on labelled texts first, or choose a trained model."
        )
    kind = config.get("problem_type")
    if kind == "regression" or (kind != SEVERAL and len(_id2label(config)) == 1):
        raise BadModel(
            f"{folder.name} does not choose among classes: it was trained to give a number. Choose a model that "
            "was trained for classes."
        )
    model, report = _load("AutoModelForSequenceClassification", folder, attn_implementation=attention)
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise BadModel(
            f"The weights in {folder.name} are incomplete: {len(missing)} are missing (“{missing[0]}” is "
            "one). Fetch or train the model again."
        )
    if model.config.pad_token_id is None:  # a published GPT-2 has none, and then takes one text at a time
        model.config.pad_token_id = model.config.eos_token_id
    return model.eval()


def load_encoder(folder: Path, attention: str | None = None) -> Any:
    """The encoder alone, trained or not, without any head (of a model that writes: without its decoder): fp32,
    evaluation mode, on the CPU. Raises BadModel.
    """
    config = check_folder(folder)
    if writes(config):
        return load_writer(folder, attention).get_encoder()
    if str((config.get("architectures") or [""])[0]).endswith(
        "EncoderModel"
    ):  # T5's encoder, published alone
        return _whole("AutoModelForTextEncoding", folder, attention).get_encoder()
    model, report = _load("AutoModel", folder, attn_implementation=attention)
    lost = sorted(k for k in report["missing_keys"] if "pooler" not in k)
    if lost:
        raise BadModel(
            f"The weights in {folder.name} are incomplete: {len(lost)} are missing (“{lost[0]}” is one). "
            "Fetch or write the model again."
        )
    return model.eval()


def writes(config: dict[str, Any]) -> bool:
    """Whether a model of this config.json has an encoder and a decoder that writes text (T5, BART, Marian)."""
    from transformers import AutoConfig

    architecture = str((config.get("architectures") or [""])[0])
    if architecture.endswith(("ForSequenceClassification", "EncoderModel")):
        return False
    if "is_encoder_decoder" in config:
        return bool(config["is_encoder_decoder"])
    try:  # config.json need not repeat its family's defaults
        return bool(AutoConfig.for_model(config["model_type"]).is_encoder_decoder)
    except (ValueError, KeyError, AttributeError):
        return False


def load_writer(folder: Path, attention: str | None = None) -> Any:
    """An encoder-decoder with its head over the vocabulary, bare or fine-tuned: fp32, evaluation mode, on the CPU.
    Raises BadModel, UnsafeModel, OutOfMemory.
    """
    check_folder(folder)
    return _whole("AutoModelForSeq2SeqLM", folder, attention)


def _whole(auto_class: str, folder: Path, attention: str | None) -> Any:
    model, report = _load(auto_class, folder, attn_implementation=attention)
    missing = sorted(
        k for k in report["missing_keys"] if not k.endswith("final_logits_bias")
    )  # zero where absent
    if missing:
        raise BadModel(
            f"The weights in {folder.name} are incomplete: {len(missing)} are missing (“{missing[0]}” is one). "
            "Fetch or write the model again."
        )
    return model.eval()


def class_names(model: Any) -> tuple[str, ...]:
    """The C class names in the order of the logits."""
    names = {int(index): str(name) for index, name in model.config.id2label.items()}
    return tuple(names.get(c, f"LABEL_{c}") for c in range(model.config.num_labels))


def is_several(model: Any) -> bool:
    """A text may have several labels: a sigmoid for each logit, instead of one softmax."""
    return bool(model.config.problem_type == SEVERAL)


def head_names(model: Any) -> set[str]:
    """Names of the parameters that belong to the head: what is not the encoder, and the encoder's pooler,
    which stands between the [CLS] state and the classifier.
    """
    prefix = model.base_model_prefix + "."
    return {name for name, _ in model.named_parameters() if not name.startswith(prefix) or ".pooler." in name}


# --------------------------------------------------------------------------- details


def _load(auto_class: str, folder: Path, attn_implementation: str | None = None, **changes: Any) -> Any:
    import torch
    import transformers

    if attn_implementation is not None:
        changes["attn_implementation"] = attn_implementation
    with quiet(), _bad_model(folder, "model"):
        return getattr(transformers, auto_class).from_pretrained(
            str(folder),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            dtype=torch.float32,
            output_loading_info=True,
            **changes,
        )


def _id2label(config: dict[str, Any]) -> list[str]:
    names = config.get("id2label") or {}
    try:
        return [str(names[key]) for key in sorted(names, key=int)]
    except (TypeError, ValueError):
        return []


def _old_labels(config: dict[str, Any]) -> list[str]:
    """The classes of the head that the folder brings; none for a base model."""
    if not any(str(a).endswith("ForSequenceClassification") for a in config.get("architectures") or ()):
        return []
    return _id2label(config) or ["LABEL_0", "LABEL_1"]


def _renew(model: Any, head: set[str]) -> None:
    """Fresh values for the head's last layer: the old ones stand for other classes."""
    import torch

    for name, module in model.named_modules():
        last = isinstance(module, torch.nn.Linear) and module.out_features == model.config.num_labels
        if last and f"{name}.weight" in head:
            torch.nn.init.normal_(module.weight, std=float(getattr(model.config, "initializer_range", 0.02)))
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars and its tables of missing weights, which only confuse here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def _bad_model(folder: Path, part: str) -> Iterator[None]:
    try:
        yield
    except FinesiftError:
        raise
    except MemoryError as error:
        raise OutOfMemory(
            f"There is too little memory to load {folder.name}. Close other programs or choose a smaller "
            "model."
        ) from error
    except Exception as error:  # transformers and tokenizers raise whatever their parts raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadModel(
            f"The {part} in {folder.name} cannot be loaded: {reason} "
            "The folder may be damaged, or of a kind that this version of transformers does not know."
        ) from error
