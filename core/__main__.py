"""The command line: the same verbs as the pages, without a browser.

    python -m core [--home FOLDER] VERB …

Progress goes to stderr. The last line on stdout is one JSON object; a fault is a sentence on stderr, an
object with the key "error" on stdout, and a non-zero exit.
"""

from __future__ import annotations

import argparse
import errno
import json
import sys
from collections.abc import Sequence

from core.errors import DiskFull, FinesiftError
from core.settings import read_settings


def main(arguments: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    options = _parser().parse_args(arguments)
    try:
        if _only_computes(options):
            from core.jobs.ranks import follow

            follow(child=getattr(options, "child", False))
            return 0
        settings = read_settings()
        if options.home:
            settings = settings.with_home(options.home)
        from core.workspace import Workspace

        workspace = Workspace.open(settings)
        try:
            result = options.verb(workspace, options)
        finally:
            workspace.close()
    except FinesiftError as error:
        return _fault(error)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return _fault(DiskFull("The disk is full. Free some space and run the same line again."))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    if result is not None:
        print(json.dumps(result, ensure_ascii=False))
    return 0


def _only_computes(options: argparse.Namespace) -> bool:
    """Whether this process is one of several and not their first: it then needs no home folder."""
    from core.training.group import follows

    return getattr(options, "together", False) and (options.verb is None or follows())


def _fault(error: FinesiftError) -> int:
    print(str(error), file=sys.stderr)
    print(json.dumps({"error": str(error), "fault": type(error).__name__}, ensure_ascii=False))
    return 1


def _parser() -> argparse.ArgumentParser:
    from core import verbs, verbs_exchange, verbs_explain, verbs_labels, verbs_train

    parser = argparse.ArgumentParser(
        prog="python -m core",
        description="Finesift without a browser: bring texts, train, classify, see attention.",
    )
    parser.add_argument("--home", help="the home folder (default: FINESIFT_HOME, or ~/.finesift)")
    add = parser.add_subparsers(required=True, metavar="VERB").add_parser

    p = add("import", help="bring a file in as a data set")
    p.add_argument("file", metavar="FILE")
    p.add_argument("--text", metavar="COL", help="the text column (default: guessed)")
    p.add_argument("--label", metavar="COL", help="the label column (default: guessed)")
    p.add_argument("--name", help="the data set's name (default: the file's)")
    p.add_argument("--test", metavar="FILE", help="your own test file, in place of a held-out part")
    p.add_argument(
        "--label-separator",
        metavar="SEP|none",
        default="auto",
        help="what stands between several labels of a text; none: each text has one label (default: guessed)",
    )
    p.set_defaults(verb=verbs.import_file)

    p = add("train", help="fine-tune a base model on a data set")
    p.add_argument("dataset", metavar="DATASET", help="id or name of a data set")
    verbs_train.add_recipe_flags(p)
    p.add_argument("--test", metavar="FILE", help="your own test file, in place of the held-out part")
    p.add_argument("--name", help="the run's name")
    p.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="train with N processes of this machine, each on a graphics card of its own (default: 1)",
    )
    p.set_defaults(verb=verbs.train, together=True)

    p = add("resume", help="go on with a training that was broken off, from its newest checkpoint")
    p.add_argument("run", metavar="RUN", help="id or name of a run")
    p.set_defaults(verb=verbs.resume, together=True)

    p = add("preflight", help="before a training: how long it will take, what it needs, what to change")
    p.add_argument("dataset", metavar="DATASET", help="id or name of a data set")
    verbs_train.add_recipe_flags(p)
    p.set_defaults(verb=verbs_train.preflight)

    p = add("evaluate", help="measure a model on a labelled file")
    p.add_argument("model", metavar="MODEL")
    p.add_argument("file", metavar="FILE")
    p.add_argument("--text", metavar="COL")
    p.add_argument("--label", metavar="COL")
    p.set_defaults(verb=verbs.evaluate)

    p = add("classify", help="classify a file into a CSV")
    p.add_argument("model", metavar="MODEL")
    p.add_argument("file", metavar="FILE")
    p.add_argument("--out", required=True, metavar="OUT.csv")
    p.add_argument("--text", metavar="COL")
    p.add_argument(
        "--no-guard", action="store_true", help="leave cells that a spreadsheet takes for formulas as is"
    )
    p.set_defaults(verb=verbs.classify)

    p = add("attention", help="write a model's attention for one text, or what training changed in it")
    verbs_explain.add_attention_flags(p)
    p.set_defaults(verb=verbs_explain.attention)

    p = add("explain", help="how much each word of a text speaks for a class, as JSON")
    verbs_explain.add_explain_flags(p)
    p.set_defaults(verb=verbs_explain.explain)

    verbs_exchange.add_flags(add("labels", help="labels out of a data set, or into it"))

    p = add("agreement", help="how far the people who labelled a data set agree")
    verbs_labels.add_agreement_flags(p)
    p.set_defaults(verb=verbs_labels.agreement)

    p = add("aggregate", help="one label per item from those of several people, file to file")
    verbs_labels.add_aggregate_flags(p)
    p.set_defaults(verb=verbs_labels.aggregate)

    for name, verb in (("datasets", verbs.datasets), ("runs", verbs.runs), ("models", verbs.models)):
        add(name, help=f"list {name}").set_defaults(verb=verb)

    p = add("worker", help="do the next waiting job (the app starts it by itself)")
    p.add_argument("--lane", choices=("train", "use", "assist", "study"), default="train")
    p.add_argument("--slot", type=int, default=0)
    p.set_defaults(verb=verbs.worker)

    p = add("rank")  # started by a training with several processes; not for people
    p.add_argument("--child", action="store_true")
    p.set_defaults(verb=None, together=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
