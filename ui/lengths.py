"""How long the texts of a data set are, in tokens of the bundled encoder: counted once, then kept.

Needs no torch. Of a large data set a sample is counted, and every share that stems from it has its interval.
"""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.data.lengths import share_longer, token_lengths
from core.models.catalogue import bundled_folder
from core.records import Dataset
from core.training.recipe import automatic_length
from core.workspace import Workspace
from ui.words import interval_words, percent

SAMPLE = 5_000  # texts whose tokens are counted
READABLE = 512  # tokens that the bundled encoder can read


def training_length(lengths: np.ndarray) -> int:
    """The maximum length that training takes by itself for texts of these lengths."""
    return automatic_length(lengths, READABLE)


def cut_words(dataset: Dataset, lengths: np.ndarray, max_length: int, *, windows: bool = False) -> str:
    """A sentence on how many texts are longer than training reads at once."""
    longer = share_longer(lengths, max_length)
    share = interval_words(longer) if dataset.rows > SAMPLE else percent(longer.value)
    fate = "read in windows" if windows else "cut"
    if longer.value == 0 and dataset.rows <= SAMPLE:
        return f"Training reads {max_length:,} tokens of a text, so none is cut."
    return f"Training reads {max_length:,} tokens of a text: {share} are longer and will be {fate}."


@st.cache_data(show_spinner="Counting tokens …", max_entries=32)
def dataset_lengths(_workspace: Workspace, dataset_id: str, fingerprint: str) -> np.ndarray:
    """(M,) tokens of each text; of a large data set, stretches from all over it."""
    total, _ = _workspace.find_rows(dataset_id, limit=1)
    stretches = 40
    if total <= SAMPLE:
        _, rows = _workspace.find_rows(dataset_id, limit=total)
    else:
        size = SAMPLE // stretches
        offsets = [k * (total - size) // (stretches - 1) for k in range(stretches)]
        rows = [row for at in offsets for row in _workspace.find_rows(dataset_id, offset=at, limit=size)[1]]
    return token_lengths([row.text for row in rows], bundled_folder() / "tokenizer.json", SAMPLE)
