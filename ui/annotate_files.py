"""Files: take labels along, bring labels in, make a data set to train on.

Draws and asks; what is written, matched and agreed on is core's affair. Nothing is saved before its effect is shown.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from core import exchange, harvest
from core.desk import Desk
from core.errors import FinesiftError
from core.exchange import Choice
from core.labels.exchange import FORMATS, label_studio
from core.labels.nouns import Annotator, Scheme
from core.records import Dataset
from core.store import labels as label_rows
from core.workspace import Workspace
from ui import annotate_bring, parts, state
from ui.words import count_words, part_words, shorten

EVERYBODY = "Everybody"
METHODS = {"majority": "What most people say", "dawid-skene": "Dawid-Skene", "person": "One person's labels"}
METHOD_HELP = (
    "What most people say: the label that most annotators gave. Dawid-Skene: the most probable label, given how often "
    "each annotator errs. An adjudicator's decision comes before either."
)


def show(workspace: Workspace, dataset: Dataset, me: Annotator) -> None:
    out, into, train = st.tabs(
        ["Take along", "Bring in", "Make a data set to train on"], key="annotate_files", on_change="rerun"
    )
    scheme = Desk.open(workspace, dataset.id).scheme()
    if scheme is None:
        return
    for tab, draw in ((out, _take_along), (into, annotate_bring.draw), (train, _make_dataset)):
        if tab.open:
            with tab:
                try:
                    draw(workspace, dataset, scheme, me)
                except FinesiftError as error:
                    parts.fault(error)


# ------------------------------------------------------------------------------------- take along


def _take_along(workspace: Workspace, dataset: Dataset, scheme: Scheme, _me: Annotator) -> None:
    st.caption("The file holds all original columns. What you do with it changes nothing here.")
    form = st.segmented_control(
        "Format", list(FORMATS), default="csv", required=True, key="files_format",
        format_func=lambda name: FORMATS[name].title,
    )  # fmt: skip
    per = st.segmented_control(
        "One line for",
        list(exchange.outgoing.PER),
        default="text",
        required=True,
        key="files_per",
        format_func=lambda one: {"text": "Each text", "annotation": "Each annotation"}[one],
        help="Each text: every text once, with the label that was agreed on. Each annotation: what each person said, "
        "with notes, flags and times.",
    )
    left, right = st.columns(2)
    with left:
        who = _person(workspace, dataset, "Whose answers", "files_who")
    aggregate = "majority"
    if per == "text" and who is None:
        with right:
            aggregate = _method("files_aggregate", ("majority", "dawid-skene"))
    guard = True
    if form == "csv":
        guard = st.checkbox(
            "Keep spreadsheets from running cells",
            value=True,
            key="files_guard",
            help="Cells that begin with = + - @ or a tab get an apostrophe before them. Bringing the file in again takes "
            "it off.",
        )
    choice = Choice(str(form), str(per), who, aggregate, guard)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download labels",
            data=lambda: _written(workspace, dataset, choice),
            file_name=exchange.file_name(dataset, choice),
            mime="application/octet-stream",
            on_click="ignore",
            type="primary",
            key="files_download",
            icon=":material/download:",
        )
        st.download_button(
            "Download the audit trail",
            data=lambda: _written(workspace, dataset, None),
            file_name=exchange.file_name(dataset, None),
            mime="text/csv",
            on_click="ignore",
            key="files_trail",
            icon=":material/history:",
            help="Every answer that ever came, as CSV: who, when, which key, which suggestion and its probability, "
            "accepted, changed or alone, and how long it took.",
        )
    if form == "label-studio":
        with st.expander("The labelling setup for Label Studio"):
            st.caption(
                "Paste it as code under Settings, Labeling Interface, before you import the file there."
            )
            header = exchange.outgoing.header_of(dataset, scheme, choice)
            st.code(label_studio.setup(header), language="xml")


def _written(workspace: Workspace, dataset: Dataset, choice: Choice | None) -> bytes:
    """The file, made when it is asked for and deleted as soon as it is read."""
    folder = workspace.settings.home / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="labels-", dir=folder, ignore_cleanup_errors=True) as made:
        path = Path(made) / "labels"
        if choice is None:
            exchange.export_trail(workspace, dataset, path)
        else:
            exchange.export(workspace, dataset, path, choice)
        return path.read_bytes()  # Streamlit keeps a download in memory, whatever it is given


# ------------------------------------------------------------------------------------- to train on


def _make_dataset(workspace: Workspace, dataset: Dataset, scheme: Scheme, _me: Annotator) -> None:
    st.caption(
        "A new data set with all original columns and a label for each text that has one. The evaluation part becomes its "
        "test part; the rest is split into training and validation."
    )
    method = _method("files_method", harvest.METHODS)
    who = None
    if method == harvest.PERSON:
        who = _person(workspace, dataset, "Whose labels", "files_person", everybody=False)
        if who is None:
            parts.hint("Nobody has labelled this data set yet.")
            return
    soft = method != harvest.PERSON and st.checkbox(
        "Keep soft labels too",
        key="files_soft",
        help="One further column for each class: the share of the people who gave it, or its probability. "
        "The label column stays as it is. Fine-tuning then learns from the soft labels; the quick head and all figures go "
        "by the label.",
    )
    how = harvest.How(method, who, bool(soft))
    found = _agreement(workspace, dataset, scheme, how)
    labelled = sum(bool(one.labels) for one in found.rows.values())
    hashes = Desk.open(workspace, dataset.id).hashes
    plan = label_rows.plan(workspace.db, dataset.id)
    test = sum(plan.evaluates(str(hashes[row])) for row, one in found.rows.items() if one.labels)
    parts.figures(
        (
            ("Texts with a label", count_words(labelled)),
            ("For the test", count_words(test), "Labelled texts of the evaluation part: never trained on."),
            ("Decided", count_words(found.decided), "An adjudicator's word."),
            ("Tied", count_words(found.ties), "They get no label. Settle them in the People view."),
        ),
        key="files_harvest",
    )
    name = st.text_input(
        "Name", value=f"{shorten(dataset.name, 80)} labelled", max_chars=120, key="files_name"
    )
    if st.button("Make the data set", type="primary", key="files_make", disabled=not labelled):
        with st.spinner("Splitting the texts."):
            made = harvest.harvest(workspace, dataset, how, name)
        state.say(f"Added “{shorten(made.name, 60)}”.")
        st.session_state["files_made"] = made.id
    made_id = st.session_state.get("files_made")
    made_set = next((one for one in workspace.datasets() if one.id == made_id), None)
    if made_set is not None:
        words = ", ".join(f"{part_words(part).lower()} {n:,}" for part, n in made_set.parts.items())
        parts.hint(f"“{shorten(made_set.name, 80)}” is ready. Texts: {words}.")
        parts.notes(made_set.source.get("notes", []))
        if st.button("Train on it", key="files_train", icon=":material/arrow_forward:"):
            state.go("train", data=made_set.id)


def _agreement(workspace: Workspace, dataset: Dataset, scheme: Scheme, how: harvest.How) -> harvest.Agreement:
    """Computed once for what was answered and decided so far."""
    decided = label_rows.decisions(workspace.db, dataset.id)
    newest = max((one.at for one in decided.values()), default=0.0)
    last = label_rows.last_number(workspace.db, dataset.id)
    key = (dataset.id, scheme.version, how.method, how.who, last, len(decided), newest)
    kept = st.session_state.get("files_agreement")
    if kept is None or kept[0] != key:
        with st.spinner("Looking for agreement."):
            kept = (key, harvest.agreed(workspace, dataset, scheme, how))
        st.session_state["files_agreement"] = kept
    found: harvest.Agreement = kept[1]
    return found


# ------------------------------------------------------------------------------------- shared


def _method(key: str, methods: tuple[str, ...]) -> str:
    picked = st.segmented_control(
        "One label from several answers", methods, default="majority", required=True, key=key,
        format_func=lambda one: METHODS[one], help=METHOD_HELP,
    )  # fmt: skip
    return str(picked)


def _person(
    workspace: Workspace, dataset: Dataset, label: str, key: str, *, everybody: bool = True
) -> str | None:
    """The id of one annotator; None: everybody, or there is nobody."""
    people = {one.id: one.name for one in label_rows.annotators(workspace.db, dataset.id)}
    options = ["", *people] if everybody else list(people)
    if not options:
        return None
    picked = st.selectbox(label, options, format_func=lambda one: people.get(one, EVERYBODY), key=key)
    return picked or None
