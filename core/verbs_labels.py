"""The command line on several people's labels: how far they agree, and one label a text out of many.

python -m core agreement DATASET
python -m core aggregate FILE --item COL --annotator COL --label COL --method majority|dawid-skene --out OUT.csv
"""

from __future__ import annotations

import argparse
import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.console import say
from core.data.formulas import Guard
from core.data.labels import NONE_WORDS, split_labels
from core.data.whole import whole_file
from core.errors import BadColumn, BadData, BadFile
from core.records import Interval
from core.settings import read_settings
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.data.table import Table
    from core.labels.agreement import Agreement, PairAgreement
    from core.labels.consensus import Consensus

METHODS = ("majority", "dawid-skene")


def add_agreement_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="id or name of a data set")


def add_aggregate_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", help="one row for each answer of a person to an item")
    add("--item", required=True, metavar="COL", help="the column that names the item")
    add("--annotator", required=True, metavar="COL", help="the column that names the person")
    add("--label", required=True, metavar="COL", help="the column with the label")
    add(
        "--method",
        choices=METHODS,
        default="majority",
        help="majority: what most say; dawid-skene: the most probable, given how each person errs (default: majority)",
    )
    add("--out", required=True, metavar="OUT.csv")
    add(
        "--ties",
        choices=("name", "random"),
        default="name",
        help="name: a tie has no label, and the column “tie” names it; random: chance decides (default: name)",
    )
    add("--seed", type=int, default=0, metavar="N", help="of --ties random (default: 0)")
    add(
        "--label-separator",
        default="none",
        metavar="SEP|none",
        help="what stands between several labels of one answer; none: a cell is one label (default: none)",
    )
    add(
        "--no-guard",
        action="store_true",
        help="leave cells that a spreadsheet takes for formulas as they are",
    )


# --------------------------------------------------------------------------- agreement


def agreement(ws: Workspace, o: argparse.Namespace) -> dict[str, Any]:
    """Shares are from 0 to 1, and percent is one of them. Identical texts that got an answer together count once. Raises BadData where there is
    nothing to compare.
    """
    from core.desk import Desk
    from core.labels.agreement import landis_koch, meaning, measure
    from core.labels.votes import units, votes_of
    from core.store import labels as label_rows

    dataset = ws.dataset(o.dataset)
    desk = Desk.open(ws, dataset.id)
    scheme = desk.scheme()
    if scheme is None:
        raise BadData(
            f"“{dataset.name}” has no label scheme yet. Make one on the Annotate page, and label some texts."
        )
    answers = [answer for _, answer in label_rows.answers(ws.db, dataset.id)]
    votes = votes_of(answers, scheme, units(answers, desk.hashes))
    found = measure(votes)
    if found is None:
        raise BadData(
            f"No text of “{dataset.name}” has answers of two people yet. On the Annotate page, under People, send each "
            "text to two people or more."
        )
    names = {person.id: person.name for person in label_rows.annotators(ws.db)}
    labels = {label.id: label.name for label in scheme.labels}
    say(meaning(found.alpha))
    if found.alpha is not None:
        say(
            f"Landis and Koch (1977) would call it “{landis_koch(found.alpha.value)}”; that is a habit, no test."
        )
    return agreement_json(found, names, labels)


def agreement_json(found: Agreement, names: dict[str, str], labels: dict[str, str]) -> dict[str, Any]:
    """The figures with names in place of ids; `null` where a figure is not defined."""

    def pair_name(pair: PairAgreement) -> str:
        return " / ".join(sorted(names.get(one, one) for one in (pair.first, pair.second)))

    pairs = {pair_name(pair): pair for pair in sorted(found.pairs, key=pair_name)}
    return {
        "texts": found.texts,
        "answers": found.answers,
        "people": sorted(names.get(person, person) for person in found.people),
        "percent": found.percent.value,
        "unanimous": found.unanimous.value,
        "cohen_kappa": {name: _value(pair.kappa) for name, pair in pairs.items()},
        "fleiss_kappa": _value(found.fleiss),
        "krippendorff_alpha": _interval(found.alpha),
        "intervals": {
            "percent": _interval(found.percent),
            "unanimous": _interval(found.unanimous),
            "cohen_kappa": {name: _interval(pair.kappa) for name, pair in pairs.items()},
            "fleiss_kappa": _interval(found.fleiss),
        },
        "pairs": {
            name: {
                "texts": pair.texts,
                "percent": _interval(pair.percent),
                "kappa": _interval(pair.kappa),
            }
            for name, pair in pairs.items()
        },
        "fleiss_on": {"texts": found.fleiss_texts, "answers_each": found.fleiss_people},
        "labels": {
            labels.get(one.label, one.label): {
                "texts": one.texts,
                "percent": _interval(one.percent),
                "cohen_kappa": {name: _interval(pair.labels[at]) for name, pair in pairs.items()},
                "fleiss_kappa": _interval(one.fleiss),
                "krippendorff_alpha": _interval(one.alpha),
            }
            for at, one in enumerate(found.labels)
        },
        "several_labels": found.several,
        "resamples": found.resamples,
    }


def _value(figure: Interval | None) -> float | None:
    return None if figure is None else figure.value


def _interval(figure: Interval | None) -> dict[str, float | None]:
    if figure is None:
        return {"value": None, "low": None, "high": None}
    return {"value": figure.value, "low": figure.low, "high": figure.high}


# --------------------------------------------------------------------------- aggregate


def aggregate(ws: Workspace | None, o: argparse.Namespace) -> dict[str, Any]:
    """Reads any table file, writes a CSV: item, label, share (majority) or probability (dawid-skene), answers, and
    the labels of a tie. Raises BadFile, BadColumn, BadData, DiskFull.
    """
    from core.labels.consensus import aggregate as agree
    from core.labels.votes import votes_from_names

    out = Path(o.out)
    if not out.parent.is_dir():
        raise BadFile(f"The folder of “{out}” does not exist. Make it first, or choose another --out.")
    table = _table(ws, o.file)
    separator = None if o.label_separator.strip().casefold() in NONE_WORDS else o.label_separator
    columns = _columns(table, (o.item, o.annotator, o.label))
    said, left_out = _answers(table, columns, separator)
    twice = len(said) - len({(item, person) for item, person, _ in said})
    for count, sentence in (
        (left_out, "rows without an item, a person or a label were left out."),
        (twice, "times a person answered an item again; the later answer counts."),
    ):
        if count:
            say(f"{count:,} {sentence}")
    votes = votes_from_names(said, several=separator is not None)
    consensus = agree(votes, o.method, ties=o.ties, seed=o.seed)
    names = [table.columns[column] for column in columns]
    guarded = _write(out, consensus, names[0], names[2], separator or "|", guard=not o.no_guard)
    if consensus.ties:
        say(
            f"{consensus.ties:,} items are tied and have no label; the column “tie” names what stands against what."
        )
    if guarded:
        say(
            f"{guarded:,} cells that a spreadsheet would take for formulas got a leading apostrophe (--no-guard)."
        )
    chosen = Counter(label for labels in consensus.chosen for label in labels or ())
    return {
        "out": o.out,
        "method": consensus.method,
        "items": len(consensus.rows),
        "annotators": len(votes.people),
        "answers": int(sum(consensus.answers)),
        "ties": consensus.ties,
        "labels": {label: chosen[label] for label in consensus.labels},
        "reliability": {
            one.person: {
                "value": None if math.isnan(one.value) else one.value,
                "low": one.low,
                "high": one.high,
                "answers": one.answers,
            }
            for one in consensus.reliability
        },
        "left_out": left_out,
        "answered_twice": twice,
        "guarded": guarded,
    }


def _table(ws: Workspace | None, file: str) -> Table:
    from core.data.intake import read_table

    path = Path(file)
    if not path.is_file():
        raise BadFile(f"There is no file “{file}”. Check its name and folder.")
    table = read_table(path, path.name, read_settings() if ws is None else ws.settings)
    for sentence in table.notes:
        say(sentence)
    return table


def _columns(table: Table, names: Sequence[str]) -> list[int]:
    from core.data.table import column_index

    columns = [column_index(table.columns, name) for name in names]
    if len(set(columns)) < len(columns):
        raise BadColumn("Item, annotator and label have to be three different columns. Name each of them.")
    return columns


def _answers(
    table: Table, columns: Sequence[int], separator: str | None
) -> tuple[list[tuple[str, str, tuple[str, ...]]], int]:
    """(item, person, labels) of each row that has all three, and how many have not."""
    said = []
    for item, person, cell in zip(*(table.column(column) for column in columns), strict=True):
        labels = split_labels(cell, separator)
        if item and item.strip() and person and person.strip() and labels:
            said.append((item, person, labels))
    return said, table.rows - len(said)


def _write(out: Path, consensus: Consensus, item: str, label: str, separator: str, *, guard: bool) -> int:
    """The file appears by a rename when it is complete. Returns how many cells were guarded."""
    figure = "share" if consensus.method == "majority" else "probability"
    safe = Guard(guard)
    with whole_file(out) as stream:
        writer = csv.writer(stream)
        writer.writerow(safe.row([item, label, figure, "answers", "tie"]))
        for row in _rows(consensus, separator):
            writer.writerow(safe.row(row))
    return safe.count


def _rows(consensus: Consensus, separator: str) -> Iterator[list[str]]:
    parts = zip(
        consensus.rows,
        consensus.chosen,
        consensus.certainty(),
        consensus.answers,
        consensus.tied,
        strict=True,
    )
    for item, chosen, sure, answers, tied in parts:
        yield [
            str(item),
            separator.join(chosen or ()),
            f"{sure:.6f}",
            str(answers),
            separator.join(tied),
        ]
