"""The quick head: regularised logistic regression on frozen features, fitted to convergence (scikit-learn).

Knows features and targets as arrays. Does not know texts, encoders or torch.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.models.forward import softmax

STRENGTHS = (0.01, 0.02, 0.03, 0.05, 0.1, 0.3)  # scikit-learn's C: the inverse of the penalty on the weights
_STRENGTH = 0.1  # where there are too few texts to choose
_CROSS_FOLDS, _CROSS_STRENGTH = 5, 0.1  # of the heads that judge texts that they have not seen
_FOLDS = 3
_CHOOSING = 4000  # texts that the choice of C looks at
_STEPS_CHOOSING, _STEPS = 50, 300
_NEVER = -20.0  # bias of a class that no text has


@dataclass(frozen=True)
class Head:
    """Logits are `features @ weight.T + bias`."""

    weight: np.ndarray[Any, Any]  # (C, D) float32
    bias: np.ndarray[Any, Any]  # (C,) float32
    strength: float  # the C that cross-validation chose

    def logits(self, features: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(N, D) to (N, C) float32."""
        return np.asarray(features @ self.weight.T + self.bias, dtype=np.float32)


def fit(
    features: np.ndarray[Any, Any],
    targets: np.ndarray[Any, Any],
    classes: int,
    *,
    balanced: bool = False,
    strength: float | None = None,
    seed: int = 0,
    start: Head | None = None,
) -> Head:
    """A head on (N, D) float32 features.

    `targets`: (N,) class indices, or (N, C) booleans where a text may have several labels (then one logistic
    regression per class). `strength` skips the choice of C. A class without any text gets a bias that keeps it
    from being chosen. `balanced` weighs errors on rare classes more. `start`: a head for the same classes, fitted on
    nearly the same texts, from which the solver goes on; where it ends is the same but for the tolerance.
    """
    centre = features.mean(axis=0)
    centred = features - centre  # the penalty then does not pull on what all texts share
    if strength is None:
        strength = _choose(centred, targets, balanced, seed)
    known = None if start is None else (start.weight, start.bias + start.weight @ centre)
    weight, bias = _solve(centred, targets, classes, strength, balanced, _STEPS, known)
    return Head(weight, (bias - weight @ centre).astype(np.float32), strength)


def cross_fitted(
    features: np.ndarray[Any, Any],
    targets: np.ndarray[Any, Any],
    classes: int,
    *,
    balanced: bool = False,
    seed: int = 0,
) -> np.ndarray[Any, Any] | None:
    """(N, C) float32 probabilities of (N, D) features with (N,) class indices, each from a head that was fitted
    without the text: what the others of its class say of it. None where there is nothing to fit on.
    """
    from sklearn.model_selection import KFold

    if len(features) < 2 * _CROSS_FOLDS:
        return None
    found = np.zeros((len(features), classes), dtype=np.float32)
    for fitted, held in KFold(_CROSS_FOLDS, shuffle=True, random_state=seed).split(features):
        head = fit(
            features[fitted], targets[fitted], classes, balanced=balanced, strength=_CROSS_STRENGTH, seed=seed
        )
        found[held] = softmax(head.logits(features[held]))
    return found


def _choose(
    features: np.ndarray[Any, Any], targets: np.ndarray[Any, Any], balanced: bool, seed: int
) -> float:
    """The C that stratified cross-validation chooses; on many texts, on a sample of them.

    By the share of held-out texts that are right (several labels: by the loss), and of all that lie within one
    standard error of the best the strongest penalty (L. Breiman et al., 1984): what is learnt from few texts,
    or from wrong labels, had better be simple.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(features))[:_CHOOSING]
    x, y = features[rows], targets[rows]
    folds = (
        _FOLDS if y.ndim == 2 else min(_FOLDS, int(np.bincount(y).max()))
    )  # one text per fold of some class
    if len(x) < 2 * _FOLDS or folds < 2:
        return _STRENGTH
    kind = KFold if y.ndim == 2 else StratifiedKFold
    classes = int(y.max()) + 1 if y.ndim == 1 else y.shape[1]
    faults = np.zeros((len(STRENGTHS), len(x)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes with fewer texts than folds
        for fitted, held in kind(folds, shuffle=True, random_state=seed).split(x, y if y.ndim == 1 else None):
            for at, strength in enumerate(STRENGTHS):
                weight, bias = _solve(x[fitted], y[fitted], classes, strength, balanced, _STEPS_CHOOSING)
                faults[at, held] = _faults(x[held] @ weight.T + bias, y[held])
    best = int(faults.mean(axis=1).argmin())
    apart = faults - faults[best]  # text by text, since all were tried on the same ones
    allowed = apart.std(axis=1) / np.sqrt(len(x))
    return float(STRENGTHS[int(np.flatnonzero(apart.mean(axis=1) <= allowed)[0])])


def _faults(logits: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(n,) 1 for a wrong text and 0 for a right one; with (n, C) targets the mean loss of its labels in nats."""
    if targets.ndim == 1:
        return np.asarray(logits.argmax(axis=1) != targets, dtype=np.float64)
    wide = logits.astype(np.float64)
    return np.asarray(np.logaddexp(0.0, np.where(targets, -wide, wide)).mean(axis=1))


def _solver_alone() -> Any:
    """L-BFGS's own arithmetic, on vectors, in one thread while this holds. Several threads for so little wait for each
    other: in a worker a step of the solver took 36 ms instead of 5. What numpy multiplies keeps its threads.
    """
    from threadpoolctl import ThreadpoolController

    pools = ThreadpoolController()
    of_scipy = [
        pool.filepath
        for pool in pools.lib_controllers
        if "scipy" in pool.filepath and pool.user_api == "blas"
    ]
    return pools.select(filepath=of_scipy).limit(limits=1)


def _solve(
    features: np.ndarray[Any, Any],
    targets: np.ndarray[Any, Any],
    classes: int,
    strength: float,
    balanced: bool,
    steps: int,
    start: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None = None,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(C, D) and (C,) float32."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    weight = np.zeros((classes, features.shape[1]), dtype=np.float32)
    bias = np.full(classes, _NEVER, dtype=np.float32)
    weighting = "balanced" if balanced else None

    def regression(coefficients: Any = None, intercepts: Any = None) -> Any:
        warm = coefficients is not None
        made = LogisticRegression(
            C=strength, max_iter=steps, class_weight=weighting, tol=1e-3, warm_start=warm
        )
        if warm:
            made.coef_, made.intercept_ = coefficients, intercepts
        return made

    with warnings.catch_warnings(), _solver_alone():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the penalty bounds what is left to gain
        if targets.ndim == 1:
            if (targets == targets[0]).all():  # nothing to tell apart
                bias[targets[0]] = 0.0
                return weight, bias
            first = np.unique(targets)
            if start is None:
                found = regression().fit(features, targets)
            elif len(first) == 2:  # one row of coefficients, see below
                apart = [values[first[1:]] - values[first[:1]] for values in start]
                found = regression(*apart).fit(features, targets)
            else:
                new = start[1][first] < _NEVER / 2  # classes that had no text: a bias as far off as any start
                found = regression(start[0][first], np.where(new, 0, start[1][first])).fit(features, targets)
            present = found.classes_
            if len(present) == 2:  # one row of coefficients: for the second class against the first
                weight[present] = np.stack([-found.coef_[0], found.coef_[0]]) / 2
                bias[present] = np.asarray([-found.intercept_[0], found.intercept_[0]]) / 2
            else:
                weight[present], bias[present] = found.coef_, found.intercept_
            return weight, bias
        for c in range(classes):
            positive = targets[:, c]
            if positive.all() or not positive.any():
                bias[c] = 20.0 if positive.all() else -20.0
                continue
            warm = (
                ()
                if start is None or abs(start[1][c]) > -_NEVER / 2
                else (start[0][c : c + 1], start[1][c : c + 1])
            )
            found = regression(*warm).fit(features, positive)
            weight[c], bias[c] = found.coef_[0], found.intercept_[0]
    return weight, bias
