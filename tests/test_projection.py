"""The sheet on which texts lie: neighbours stay neighbours, and the same embeddings give the same sheet."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import BadData
from core.labels.projection import project, quick


def clouds(each: int = 40, many: int = 4, width: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings in clearly separate clouds, and the number of each one's cloud."""
    rng = np.random.default_rng(7)
    centres = rng.normal(0, 1, (many, width))
    which = np.repeat(np.arange(many), each)
    return (centres[which] + rng.normal(0, 0.1, (len(which), width))).astype(np.float32), which


def kept(sheet: np.ndarray, which: np.ndarray) -> float:
    """The share of points whose nearest neighbour on the sheet is of their own cloud."""
    gaps = ((sheet[:, None] - sheet[None]) ** 2).sum(-1)
    np.fill_diagonal(gaps, np.inf)
    return float((which[gaps.argmin(axis=1)] == which).mean())


def test_texts_of_one_cloud_lie_together_and_the_same_seed_gives_the_same_sheet() -> None:
    embeddings, which = clouds()
    told: list[float] = []
    sheet = project(embeddings, seed=3, progress=told.append)
    assert sheet.shape == (160, 2)
    assert sheet.dtype == np.float32
    assert kept(sheet, which) == 1.0
    assert told == sorted(told)
    assert told[0] > 0
    assert told[-1] == pytest.approx(1.0)
    assert np.array_equal(sheet, project(embeddings, seed=3))


def test_beyond_the_limit_the_others_are_placed_in_their_own_cloud() -> None:
    embeddings, which = clouds()
    sheet = project(embeddings, seed=1, laid_out=100)
    assert np.isfinite(sheet).all()
    assert kept(sheet, which) > 0.97
    centres = np.stack([sheet[which == cloud].mean(axis=0) for cloud in range(4)])
    nearest = ((sheet[:, None] - centres[None]) ** 2).sum(-1).argmin(axis=1)
    assert (nearest == which).all()


def test_the_quick_sheet_is_the_plane_of_the_two_strongest_components() -> None:
    embeddings, _ = clouds(many=3)
    unit = embeddings.astype(float) / np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit -= unit.mean(axis=0)
    left, strength, _ = np.linalg.svd(unit, full_matrices=False)
    expected = left[:, :2] * strength[:2]
    sheet = quick(embeddings)
    for axis in range(2):
        assert abs(np.corrcoef(sheet[:, axis], expected[:, axis])[0, 1]) > 0.9999
    assert sheet.std(axis=0).max() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("count", [0, 1, 2, 9, 12])
def test_few_or_identical_texts_have_a_finite_place(count: int) -> None:
    rng = np.random.default_rng(0)
    for embeddings in (rng.normal(size=(count, 8)), np.ones((count, 8))):
        sheet = project(embeddings.astype(np.float32))
        assert sheet.shape == (count, 2)
        assert np.isfinite(sheet).all()
        assert quick(embeddings).shape == (count, 2)


def test_work_ends_where_progress_raises() -> None:
    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        project(clouds()[0], progress=stop)


def test_embeddings_that_are_not_finite_are_refused_in_a_sentence() -> None:
    embeddings, _ = clouds()
    embeddings[5, 2] = np.nan
    with pytest.raises(BadData, match="not finite"):
        project(embeddings)
