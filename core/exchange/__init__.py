"""Labels out of the home folder and into it: files of any format, matched with the texts they speak of.

Joins data sets, answers and formats (`core.labels.exchange`). Does not know screens.
"""

from __future__ import annotations

from core.exchange.incoming import Imported, Proposal, bring_in, propose
from core.exchange.outgoing import Choice, Written, export, export_trail, file_name
from core.exchange.reading import Wish

__all__ = [
    "Choice",
    "Imported",
    "Proposal",
    "Wish",
    "Written",
    "bring_in",
    "export",
    "export_trail",
    "file_name",
    "propose",
]
