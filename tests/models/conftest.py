"""A tiny base model and a trained one."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.models.loading import (
    load_for_training,
    load_tokenizer,
)
from core.models.saving import save_model
from tests.tiny import LABELS, tiny_bert


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier's folder; its head is random, which these tests do not mind."""
    folder = tmp_path_factory.mktemp("models") / "trained"
    save_model(load_for_training(base, LABELS), load_tokenizer(base), folder, {"base_model": "tiny"})
    return folder
