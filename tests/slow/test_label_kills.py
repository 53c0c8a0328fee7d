"""Labels outlive the server: kill -9 while four people label over HTTP (make test-slow)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import labelling_kills

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("server", "count"), [("api", 15), ("app", 3)])
def test_no_acknowledged_label_is_lost_when_the_server_is_killed(
    tmp_path: Path, server: str, count: int
) -> None:
    tally = labelling_kills.run(tmp_path, count, server=server, seed=1)
    assert tally.kills == count
    assert tally.acknowledged > count
    assert tally.missing == []
    assert (tally.twice, tally.shared, tally.damaged) == (0, 0, [])
