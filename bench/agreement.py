"""Agreement and consensus on real answers, against the packages called directly.

    python -m bench.agreement --data FOLDER

FOLDER, or its convabuse/, holds annotations.csv: item_id, text, annotator_id, label, one row for each answer. The
items become a data set in a new home folder, the labels its scheme, and the answers are saved for each annotator
through the store, as the desk saves them. Then `agreement` and `aggregate` of the command line run on it, and beside
them stand `krippendorff.alpha`, scikit-learn's, statsmodels' and crowd-kit's answers to the same file, read with pandas
alone. Ends with status 1 where a difference is above the bar.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pandas as pd
from crowdkit.aggregation import DawidSkene, MajorityVote
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from bench import common
from core import verbs_labels
from core.data.intake import read_table
from core.labels.agreement import measure
from core.labels.nouns import Answer, AnswerState, Label, Scheme, Sent, Source
from core.labels.votes import votes_of
from core.settings import read_settings
from core.store import labels as label_rows
from core.store import schemes
from core.store.ids import new_id
from core.workspace import Workspace

BAR = 1e-9  # of alpha and kappa
PROBABILITY_BAR = 1e-6  # the file has six digits, the array is float32


def main() -> int:
    asked = argparse.ArgumentParser()
    asked.add_argument("--data", type=Path, required=True)
    path = annotations(asked.parse_args().data)
    said = pd.read_csv(path, dtype=str, keep_default_na=False)
    with tempfile.TemporaryDirectory() as folder:
        ws = Workspace.open(read_settings({"FINESIFT_HOME": folder}))
        begun = time.perf_counter()
        dataset_id = bring(ws, said, Path(folder))
        print(f"{len(said):,} answers saved in {time.perf_counter() - begun:.1f} s", file=sys.stderr)
        figures = agreement_figures(ws, dataset_id, said)
        figures += aggregate_figures(ws, path, said, Path(folder))
        ws.close()
    return report(figures)


def annotations(data: Path) -> Path:
    places = (data / "annotations.csv", data / "convabuse" / "annotations.csv")
    return next((place for place in places if place.is_file()), places[1])


# ------------------------------------------------------------------------------------- ours


def bring(ws: Workspace, said: pd.DataFrame, folder: Path) -> str:
    """The items as a data set, and every annotator's answers through the store."""
    items = said.drop_duplicates("item_id")
    file = folder / "items.csv"
    # Several items have the same text; here each is to count, as the packages count it.
    items.assign(text=items["item_id"] + ": " + items["text"])[["text"]].to_csv(file, index=False)
    table = read_table(file, file.name, ws.settings)
    dataset = ws.add_dataset(table, name="answers", text_column=0, label_column=None)
    names = sorted(said["label"].unique(), key=float)
    labels = tuple(Label(f"label-{at}", name) for at, name in enumerate(names))
    schemes.add(
        ws.db, Scheme(new_id("scheme"), dataset.id, 1, time.time(), "bench", several=False, labels=labels)
    )
    ids = {label.name: label.id for label in labels}
    rows = {item: row for row, item in enumerate(items["item_id"])}
    for name, own in said.groupby("annotator_id", sort=True):
        person = label_rows.annotator(ws.db, str(name))
        sent = [
            Sent(
                str(name),
                at + 1,
                Answer(
                    rows[item], person.id, (ids[label],), AnswerState.LABELLED, at + 1, source=Source.IMPORTED
                ),
            )
            for at, (item, label) in enumerate(zip(own["item_id"], own["label"], strict=True))
        ]
        label_rows.save(ws.db, dataset.id, person.id, sent)
    return dataset.id


def agreement_figures(ws: Workspace, dataset_id: str, said: pd.DataFrame) -> list[dict[str, Any]]:
    scheme = schemes.newest(ws.db, dataset_id)
    assert scheme is not None
    begun = time.perf_counter()
    answers = [answer for _, answer in label_rows.answers(ws.db, dataset_id)]
    votes = votes_of(answers, scheme)
    read = time.perf_counter()
    measured = measure(votes)
    print(
        f"agreement: {read - begun:.2f} s to read, {time.perf_counter() - read:.2f} s to compute with intervals",
        file=sys.stderr,
    )
    names = {person.id: person.name for person in label_rows.annotators(ws.db)}
    assert measured is not None
    ours = verbs_labels.agreement_json(measured, names, {label.id: label.name for label in scheme.labels})
    wide = said.pivot(index="item_id", columns="annotator_id", values="label").astype(float)
    alpha = ours["krippendorff_alpha"]
    found = [
        figure(
            "Krippendorff's alpha, nominal",
            alpha["value"],
            krippendorff.alpha(wide.to_numpy().T, level_of_measurement="nominal"),
            f"{alpha['low']:.4f} to {alpha['high']:.4f}",
        )
    ]
    differences = []
    for one, other in combinations(wide.columns, 2):
        both = wide[[one, other]].dropna()
        if len(both):
            expected = cohen_kappa_score(both[one], both[other])
            kappa = ours["cohen_kappa"].get(f"{one} / {other}", ours["cohen_kappa"].get(f"{other} / {one}"))
            differences.append((abs(kappa - expected), kappa, expected))
    _, kappa, expected = max(differences)
    found.append(figure(f"Cohen's kappa, the pair of {len(differences)} that differs most", kappa, expected))
    each = ours["fleiss_on"]["answers_each"]
    full = wide[wide.notna().sum(axis=1) == each]
    ratings = np.stack([row[~np.isnan(row)] for row in full.to_numpy()])
    counts, _ = aggregate_raters(ratings)
    title = f"Fleiss' kappa, {len(full):,} items with {each} answers"
    found.append(figure(title, ours["fleiss_kappa"], fleiss_kappa(counts)))
    return found


def aggregate_figures(ws: Workspace, path: Path, said: pd.DataFrame, folder: Path) -> list[dict[str, Any]]:
    frame = said.rename(columns={"item_id": "task", "annotator_id": "worker"})[["task", "worker", "label"]]
    parser = argparse.ArgumentParser()
    verbs_labels.add_aggregate_flags(parser)
    columns = ["--item", "item_id", "--annotator", "annotator_id", "--label", "label"]
    found = []
    for method, model, name in (
        ("majority", MajorityVote(), "share"),
        ("dawid-skene", DawidSkene(n_iter=100), "probability"),
    ):
        out = folder / f"{method}.csv"
        begun = time.perf_counter()
        line = [str(path), *columns, "--method", method, "--out", str(out)]
        result = verbs_labels.aggregate(ws, parser.parse_args(line))
        ended = time.perf_counter()
        expected = model.fit_predict_proba(frame).fillna(0.0)
        print(
            f"{method}: ours {ended - begun:.1f} s, crowd-kit {time.perf_counter() - ended:.1f} s",
            file=sys.stderr,
        )
        with out.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        assert len(rows) == len(expected) == result["items"]
        best = expected.max(axis=1)
        worst = max(rows, key=lambda row: abs(float(row[name]) - best[row["item_id"]]))
        title = f"{method}, {name} of the item that differs most"
        found.append(figure(title, float(worst[name]), best[worst["item_id"]], bar=PROBABILITY_BAR))
        chosen = expected.idxmax(axis=1)
        clear = [row for row in rows if row["label"]]
        same = sum(row["label"] == chosen[row["item_id"]] for row in clear)
        found.append(figure(f"{method}, labels of the {len(clear):,} items without a tie", same, len(clear)))
    return found


# ------------------------------------------------------------------------------------- the report


def figure(title: str, ours: float, theirs: float, interval: str = "", bar: float = BAR) -> dict[str, Any]:
    difference = abs(float(ours) - float(theirs))
    return {"title": title, "ours": float(ours), "theirs": float(theirs), "interval": interval,
            "difference": difference, "missed": not difference <= bar}  # fmt: skip


def report(figures: list[dict[str, Any]]) -> int:
    def shown(value: float) -> str:
        return f"{value:,.0f}" if value == int(value) and abs(value) > 1 else f"{value:.6f}"

    rows = [
        [f["title"], shown(f["ours"]), f["interval"], shown(f["theirs"]), f"{f['difference']:.1e}"]
        for f in figures
    ]
    print(common.table(["what", "Finesift", "95 %", "package", "difference"], rows))
    missed = [f["title"] for f in figures if f["missed"]]
    for title in missed:
        print(f"Missed: {title}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
