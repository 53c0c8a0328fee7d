"""What a wrong answer costs. Knows logits and targets; nothing of texts or models."""

from __future__ import annotations

from typing import Any

FOCUS = 2.0  # focal loss: the power of (1 - probability of the truth); Lin et al. (2017) found 2 best


def total_loss(
    logits: Any,
    targets: Any,
    *,
    weights: Any = None,
    smoothing: float = 0.0,
    focal: bool = False,
    of_text: Any = None,
    taught: Any = None,
    trust: float = 0.0,
) -> Any:
    """The sum of the losses of n texts in nats, a torch scalar; over `mass` of the same texts it is the mean.

    `logits` (n, C) float32. `targets`: (n,) int64 class indices for softmax cross-entropy, or (n, C) floats for
    a sigmoid per class, whose mean over classes counts. `weights`: (C,) of the classes (several labels: of the
    positives). `smoothing`: the share of the target that is spread over all classes (C. Szegedy et al., 2016).
    `focal`: times (1 - p)^2 (T.-Y. Lin et al., 2017). `of_text`: (n,) weights of the texts, such as
    1 / windows of the text; None: all alike. `taught`: (n, C) float32 probabilities that a teacher gives, which make
    up the share `trust` of each target (S. Reed et al., 2015: soft bootstrapping); class indices only.
    """
    import torch
    from torch.nn import functional

    if targets.ndim == 2:
        soft = targets * (1.0 - smoothing) + 0.5 * smoothing
        cells = functional.binary_cross_entropy_with_logits(
            logits, soft, pos_weight=weights, reduction="none"
        )
        if focal:
            sure = torch.sigmoid(torch.where(targets > 0.5, logits, -logits))
            cells = cells * (1.0 - sure) ** FOCUS
        each = cells.mean(dim=1)
    else:
        wanted = targets
        if taught is not None and trust > 0:
            wanted = functional.one_hot(targets, logits.shape[1]) * (1.0 - trust) + taught * trust
        each = functional.cross_entropy(
            logits, wanted, weight=weights, label_smoothing=smoothing, reduction="none"
        )
        if focal:
            sure = functional.softmax(logits, dim=1).gather(1, targets.unsqueeze(1)).squeeze(1)
            each = each * (1.0 - sure) ** FOCUS
    return each.sum() if of_text is None else (each * of_text).sum()


def mass(targets: Any, *, weights: Any = None, of_text: Any = None) -> float:
    """What the sum of the losses of these texts is divided by: their number, or the sum of their weights."""
    import torch

    each = torch.ones(len(targets)) if of_text is None else of_text.detach().cpu().float()
    if weights is not None and targets.ndim == 1:
        each = each * weights.detach().cpu()[targets.detach().cpu()]
    return max(float(each.sum()), 1e-12)
