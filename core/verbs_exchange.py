"""`labels export` and `labels import` of the command line: labels as files. Returns the JSON to print."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.console import say
from core.errors import BadData, BadFile, NotFound
from core.labels.exchange import AUTO, COLUMNS, FORMATS
from core.workspace import Workspace


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The two verbs below `labels`."""
    add = parser.add_subparsers(required=True, metavar="VERB").add_parser

    p = add("export", help="write the labels of a data set into a file")
    p.add_argument("dataset", metavar="DATASET", help="id or name of a data set")
    p.add_argument("--out", required=True, metavar="FILE")
    p.add_argument("--format", choices=tuple(FORMATS), default="csv", help="(default: csv)")
    p.add_argument(
        "--per",
        choices=("text", "annotation"),
        default="text",
        help="text: every text once, with the label that was agreed on; annotation: each person's answer (default: text)",
    )
    p.add_argument("--who", metavar="NAME", help="only the answers of this person")
    p.add_argument(
        "--aggregate",
        choices=("majority", "dawid-skene"),
        default="majority",
        help="how one label comes out of several answers; decisions come first (default: majority)",
    )
    p.add_argument(
        "--trail", action="store_true", help="write the audit trail instead: every answer that ever came"
    )
    _guard(p)
    p.set_defaults(verb=labels_export)

    p = add("import", help="take labels from a file over into a data set that has its texts")
    p.add_argument("dataset", metavar="DATASET", help="id or name of a data set")
    p.add_argument("file", metavar="FILE")
    p.add_argument("--format", choices=(AUTO, COLUMNS, *FORMATS), default=AUTO, help="(default: found out)")
    p.add_argument("--text", metavar="COL", help="the text column (default: guessed)")
    p.add_argument("--label", metavar="COL", help="the label column (default: guessed)")
    p.add_argument("--annotator", metavar="COL", help="the column with the names of the people")
    p.add_argument(
        "--item",
        metavar="COL",
        help="a column, of the same name in file and data set, that tells which text is meant "
        "(default: one that tells identical texts apart, if there is one)",
    )
    p.add_argument("--who", metavar="NAME", default="", help="whose labels those without a name are")
    p.add_argument(
        "--separator",
        metavar="SEP|none",
        default="auto",
        help="what stands between several labels of a cell; none: a cell is one label (default: found out)",
    )
    p.add_argument(
        "--partly", action="store_true", help="bring in what matches, even if other lines match no text"
    )
    p.add_argument("--dry-run", action="store_true", help="only say what would be brought in")
    _guard(p)
    p.set_defaults(verb=labels_import)


def _guard(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-guard",
        action="store_true",
        help="CSV: without the apostrophe before cells that a spreadsheet would run as formulas",
    )


def labels_export(ws: Workspace, o: argparse.Namespace) -> dict[str, Any]:
    from core.exchange import Choice, export, export_trail

    dataset, out = ws.dataset(o.dataset), Path(o.out)
    if o.trail:
        written = export_trail(ws, dataset, out, guard=not o.no_guard)
    else:
        who = _person(ws, dataset.id, o.who) if o.who else None
        choice = Choice(o.format, o.per, who, o.aggregate, not o.no_guard)
        written = export(ws, dataset, out, choice)
    if written.guarded:
        say(
            f"{written.guarded:,} cells that a spreadsheet would take for formulas got a leading apostrophe, which "
            "the import takes off again (--no-guard)."
        )
    if written.ties:
        say(f"{written.ties:,} texts have no label, because the answers are tied.")
    return {
        "out": o.out,
        "format": "trail" if o.trail else o.format,
        "texts": written.texts,
        "annotations": written.annotations,
        "ties": written.ties,
        "guarded": written.guarded,
    }


def labels_import(ws: Workspace, o: argparse.Namespace) -> dict[str, Any]:
    from core.exchange import Wish, bring_in, propose
    from core.exchange.incoming import matched_words

    dataset, path = ws.dataset(o.dataset), Path(o.file)
    if not path.is_file():
        raise BadFile(f"There is no file “{o.file}”. Check its name and folder.")
    wish = Wish(
        format=o.format,
        text=o.text,
        label=o.label,
        annotator=o.annotator,
        item=o.item,
        separator=o.separator,
        who=o.who,
        guard=not o.no_guard,
    )
    proposal = propose(ws, dataset, path, path.name, wish)
    for sentence in (*proposal.notes, f"{proposal.format}: {matched_words(proposal)}"):
        say(sentence)
    for before, now in proposal.renamed.items():
        say(f"“{before}” is called “{now}” now.")
    if proposal.contradicted:
        say(
            f"{proposal.contradicted:,} times a person says different things of one text; the last one counts."
        )
    if proposal.new_labels:
        listed = ", ".join(f"“{name}”" for name in proposal.new_labels[:20])
        say(f"New labels: {listed}{' …' if len(proposal.new_labels) > 20 else ''}.")
    result: dict[str, Any] = {
        "dataset": dataset.id,
        "format": proposal.format,
        "lines": proposal.lines,
        "matched": dict(proposal.matched),
        "unmatched": dict(proposal.unmatched),
        "without_label": proposal.silent,
        "people": dict(proposal.people),
        "labels": dict(proposal.labels),
        "new_labels": list(proposal.new_labels),
        "contradicted": proposal.contradicted,
        "answers": len(proposal.answers),
    }
    if o.dry_run:
        return {**result, "brought_in": 0, "refused": proposal.refusal}
    done = bring_in(ws, proposal, author=o.who or "command line", partly=o.partly)
    return {**result, "brought_in": done.new}


def _person(ws: Workspace, dataset_id: str, name: str) -> str:
    from core.store import labels as label_rows

    people = label_rows.annotators(ws.db, dataset_id)
    for person in people:
        if person.name == name:
            return person.id
    if not people:
        raise BadData("Nobody has labelled this data set yet, so there is nothing of theirs to write.")
    raise NotFound(
        f"There is no annotator “{name}” here. There are: {', '.join(one.name for one in people)}."
    )
