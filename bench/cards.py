"""How much of a graphics card a training uses: its operations, and what the card could do at most."""

from __future__ import annotations

from pathlib import Path

# Dense bf16 operations a second by the makers' data sheets; a card's name has to contain the words, the longest
# match counts.
PEAKS = {
    "H200": 989e12,
    "H100": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10": 125e12,
}


def operations(model: Path, lengths: list[int]) -> float:
    """Floating-point operations of learning from texts of these lengths in tokens: forward and backward through
    every layer, 6 N + 12 L D T per token for N parameters in L layers of width D and texts of T tokens
    (A. Chowdhery et al., 2022, PaLM, appendix B). Embeddings, pooler and head are not counted.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(str(model))
    with torch.device("meta"):
        encoder = AutoModel.from_config(config)
    inside = sum(
        p.numel()
        for name, p in encoder.named_parameters()
        if "embedding" not in name and "pooler" not in name
    )
    across = 12 * config.num_hidden_layers * config.hidden_size
    return float(sum(length * (6 * inside + across * length) for length in lengths))


def peak(card: str) -> float | None:
    """Dense bf16 operations a second of a card by its name; None where the table does not have it."""
    spaced = f" {card.replace('-', ' ')} "
    known = [name for name in PEAKS if f" {name} " in spaced]
    return PEAKS[max(known, key=len)] if known else None
