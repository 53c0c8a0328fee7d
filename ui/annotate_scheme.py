"""The labels of a data set: made, looked at, changed, taken along, and gone back on.

Draws and asks core. Every change is shown with its effect first (`ui.scheme_change`) and makes a new version.
"""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from core.errors import FinesiftError
from core.labels import scheme as steps
from core.labels.nouns import IMPORTED, Annotator, Label, Scheme
from core.labels.rules import LONGEST_DEFINITION, LONGEST_NAME, RESERVED_KEYS
from core.records import Dataset
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from ui import parts, scheme_change, scheme_start, scheme_versions, state
from ui.colors import class_colors, text_on
from ui.words import counted, escape_markdown, shorten, when_words

CHOSEN = "scheme_label"  # session key: id of the label that is being edited


def show(workspace: Workspace, dataset: Dataset, me: Annotator) -> None:
    """Where there is no scheme yet, make one; else look at it and change it."""
    scheme = schemes.newest(workspace.db, dataset.id)
    if scheme is None:
        scheme_start.show(workspace, dataset, me)
        return
    several = "A text may have several labels." if scheme.several else "Each text has one label."
    parts.section(
        counted(len(scheme.labels), "label"),
        f"{several} Version {scheme.version}, {when_words(scheme.created_at)}, by {scheme.author}.",
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        _table(workspace, scheme)
        _actions(workspace, dataset, scheme, me)
    with right:
        _one_label(workspace, scheme, me)
    scheme_versions.show(workspace, dataset, scheme, me)


def colors(scheme: Scheme, theme: str) -> dict[str, str]:
    """Label id -> its own colour, or the palette's for its name."""
    palette = class_colors([label.name for label in scheme.labels], theme)
    return {label.id: label.color or palette[label.name] for label in scheme.labels}


# ------------------------------------------------------------------------------------- the table


def _table(workspace: Workspace, scheme: Scheme) -> None:
    if not scheme.labels:
        parts.hint("There is no label. Add one, or go back to an earlier version.")
        return
    used = steps.counts(scheme, scheme_change.given(workspace, scheme.dataset_id))
    shades = colors(scheme, state.current_theme())
    frame = pd.DataFrame(
        {
            "Colour": [shades[label.id] for label in scheme.labels],
            "Key": [label.key for label in scheme.labels],
            "Label": [label.name for label in scheme.labels],
            "Texts": [used[label.id][1] for label in scheme.labels],
            "Definition": [label.definition for label in scheme.labels],
        }
    )
    key = f"scheme_table_{scheme.id}"

    def choose() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        if rows:
            st.session_state[CHOSEN] = scheme.labels[rows[0]].id

    st.dataframe(
        frame.style.map(
            lambda shade: f"background-color: {shade}; color: {text_on(shade)}", subset=["Colour"]
        ),
        hide_index=True,
        on_select=choose,
        selection_mode="single-row",
        column_config={
            "Colour": st.column_config.TextColumn(width=75),
            "Key": st.column_config.TextColumn(width=45),
            "Label": st.column_config.TextColumn(width=170),
            "Definition": st.column_config.TextColumn(width="medium"),
            "Texts": st.column_config.NumberColumn(
                width=60, format="localized", help="That anybody gave this label"
            ),
        },
        height=min(38 + 35 * len(scheme.labels), 460),
        key=key,
        alt="The labels with colour, key, name, definition and number of texts",
    )


def _actions(workspace: Workspace, dataset: Dataset, scheme: Scheme, me: Annotator) -> None:
    with st.container(horizontal=True, key="scheme_actions"):
        if st.button("Add labels", icon=":material/add:", key="scheme_add"):
            _add_dialog(workspace, scheme, me)
        words = "Allow only one label a text" if scheme.several else "Allow several labels a text"
        if st.button(words, key="scheme_several_change"):
            after = steps.allow_several(scheme, not scheme.several, author=me.name)
            scheme_change.propose(workspace, scheme, after, key="scheme_several")
        if dataset.labels and _imported(workspace, dataset) < dataset.labelled:
            words = "Count the column's labels as answers"
            if st.button(words, key="scheme_bring"):
                _bring_dialog(workspace, dataset, scheme)


def _imported(workspace: Workspace, dataset: Dataset) -> int:
    """Texts that the person “imported” has answered."""
    people = label_rows.annotators(workspace.db, dataset.id)
    person = next((one for one in people if one.name == IMPORTED), None)
    if person is None:
        return 0
    return sum(len(rows) for rows in scheme_change.given(workspace, dataset.id, person.id).values())


@st.dialog("Add labels", width="medium")
def _add_dialog(workspace: Workspace, scheme: Scheme, me: Annotator) -> None:
    typed = st.text_area("Names, one a line", key=f"scheme_add_names_{scheme.version}", height=140)
    names = scheme_start.lines(typed)
    gone = steps.gone_before(scheme, schemes.versions(workspace.db, scheme.dataset_id), names)
    for name, version in gone.items():
        parts.hint(
            f"There was a label “{shorten(name, 60)}” that was deleted or merged. Its answers do not come back with a "
            f"new label of that name, but with version {version}."
        )
    st.caption("No answer changes its meaning by adding labels.")
    if st.button(
        f"Add {counted(len(names), 'label')}" if names else "Add",
        type="primary",
        disabled=not names,
        key="scheme_add_confirm",
    ):
        try:
            after = steps.add(scheme, names, author=me.name)
        except FinesiftError as error:
            parts.fault(error)
        else:
            scheme_change.save(workspace, after)


@st.dialog("Count the column's labels as answers?", width="medium")
def _bring_dialog(workspace: Workspace, dataset: Dataset, scheme: Scheme) -> None:
    known = {name: n for name, n in dataset.labels.items() if scheme.named(name) is not None}
    there = _imported(workspace, dataset)
    st.markdown(
        escape_markdown(
            f"{counted(len(known), 'name')} of {len(dataset.labels):,} in the column "
            f"{'is a label' if len(known) == 1 else 'are labels'} here, with {counted(sum(known.values()), 'mention')} "
            f"in {counted(dataset.labelled, 'labelled text')}. These texts will count as answered by a person called "
            f"“{IMPORTED}”, who has {counted(there, 'answer')} now."
        )
    )
    st.caption("Answers of other people stay as they are.")
    if st.button("Bring them in", type="primary", disabled=not known, key="scheme_bring_confirm"):
        try:
            done = scheme_start.bring_column(workspace, dataset, scheme)
        except FinesiftError as error:
            parts.fault(error)
        else:
            state.say(f"{counted(done, 'labelled text')} brought in.")
            st.rerun()


# ------------------------------------------------------------------------------------- one label


def _one_label(workspace: Workspace, scheme: Scheme, me: Annotator) -> None:
    """Choose one in the table or in the box; change it in the form."""
    places = {label.id: at for at, label in enumerate(scheme.labels)}
    if not places:
        return
    if st.session_state.get(CHOSEN) not in places:
        st.session_state[CHOSEN] = scheme.labels[0].id

    def describe(label_id: str) -> str:
        at = places.get(label_id)
        return "" if at is None else f"{at + 1}. {shorten(scheme.labels[at].name, 80)}"

    picked = st.selectbox("Label to change", list(places), format_func=describe, key=CHOSEN)
    label = scheme.label(str(picked))
    if label is None:
        return
    _form(workspace, scheme, label, places[label.id], me)
    if st.button("Delete this label", icon=":material/delete:", type="tertiary", key="scheme_delete"):
        after = steps.remove(scheme, label.id, author=me.name)
        scheme_change.propose(workspace, scheme, after, key="scheme_remove")


def _form(workspace: Workspace, scheme: Scheme, label: Label, place: int, me: Annotator) -> None:
    own = f"{scheme.id}_{label.id}"
    listed = "\n".join(label.examples)
    with st.form(f"scheme_form_{own}", border=True):
        name = st.text_input("Name", label.name, max_chars=LONGEST_NAME, key=f"scheme_name_{own}")
        st.caption("The name of another label merges this one into it.")
        one, two = st.columns(2)
        with one:
            key = st.text_input(
                "Key",
                label.key,
                max_chars=4,
                key=f"scheme_key_{own}",
                help=f"One character that gives this label at the desk. Taken already: {escape_markdown(' '.join(RESERVED_KEYS))}",
            )
        with two:
            at = st.number_input(
                "Place",
                1,
                len(scheme.labels),
                place + 1,
                key=f"scheme_place_{own}",
                help="In the list and at the desk",
            )
        one, two = st.columns(2, vertical_alignment="bottom")
        with one:
            shade = st.color_picker(
                "Colour", colors(scheme, state.current_theme())[label.id], key=f"scheme_color_{own}"
            )
        with two:
            has_own = st.checkbox("Own colour", bool(label.color), key=f"scheme_own_{own}")
        definition = st.text_area(
            "Definition",
            label.definition,
            max_chars=LONGEST_DEFINITION,
            height=110,
            key=f"scheme_definition_{own}",
            placeholder="When does a text get this label, and when not?",
        )
        examples = st.text_area("Examples, one a line", listed, height=90, key=f"scheme_examples_{own}")
        asked = st.form_submit_button("Change this label", type="primary", key=f"scheme_save_{own}")
    if not asked:
        return
    wanted = _Edit(name, key, int(at) - 1, shade if has_own else "", definition, examples)
    try:
        after, note = wanted.apply(scheme, label, place, listed, me.name)
    except FinesiftError as error:
        parts.fault(error)
        return
    if after is None:
        parts.hint("Nothing was changed in this form yet.")
    else:
        scheme_change.propose(workspace, scheme, after, note=note, key="scheme_edit")


class _Edit:
    """What stands in the form, as steps."""

    def __init__(self, name: str, key: str, place: int, color: str, definition: str, examples: str) -> None:
        self.name, self.key, self.place = name, key, place
        self.color, self.definition, self.examples = color, definition, examples

    def apply(
        self, scheme: Scheme, label: Label, place: int, listed: str, author: str
    ) -> tuple[Scheme | None, str]:
        """The next version and a sentence more; None where the form says what is already so."""
        renamed = self.name if self.name == label.name else self.name.strip()
        other = scheme.named(renamed)
        if other is not None and other.id != label.id:
            note = "The key, colour, definition and examples of the one that stays are kept."
            return steps.merge(scheme, label.id, other.id, author=author), note
        fields: dict[str, object] = {}
        if self.key.strip() != label.key:
            fields["key"] = self.key
        if self.color.upper() != label.color:
            fields["color"] = self.color
        if self.definition.strip() != label.definition:
            fields["definition"] = self.definition
        if self.examples != listed:  # an example of several lines stays whole unless it was edited
            fields["examples"] = scheme_start.lines(self.examples)
        wanted = []
        if fields:
            wanted.append(partial(steps.change, label_id=label.id, author=author, **fields))  # type: ignore[arg-type]
        if self.place != place:
            wanted.append(partial(steps.move, label_id=label.id, place=self.place, author=author))
        if renamed != label.name:
            wanted.append(partial(steps.rename, label_id=label.id, name=renamed, author=author))
        return (steps.together(scheme, *wanted), "") if wanted else (None, "")
