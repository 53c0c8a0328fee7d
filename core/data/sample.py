"""The sample data set that comes with the app: where it lies and what it is called.

What is in it, the faults left in on purpose included, stands in `sample.md` beside it.
Knows nothing of how a file becomes a data set.
"""

from __future__ import annotations

from pathlib import Path

SAMPLE_NAME = "Customer messages (sample)"


def sample_path() -> Path:
    """The sample as a CSV file: UTF-8, commas, a header `id,text,label,channel,date`, 400 rows."""
    return Path(__file__).with_name("sample.csv")
