"""The codebook as a file, out and in, and the versions of the labels with the way back.

Draws and asks core; what is changed goes through `ui.scheme_change`.
"""

from __future__ import annotations

import re

import streamlit as st

from core.errors import FinesiftError
from core.labels import codebook
from core.labels import scheme as steps
from core.labels.nouns import Annotator, Scheme
from core.records import Dataset
from core.store import schemes
from core.workspace import Workspace
from ui import parts, scheme_change
from ui.words import counted, escape_markdown, shorten, when_words

VERSIONS_SHOWN = 6


def show(workspace: Workspace, dataset: Dataset, scheme: Scheme, me: Annotator) -> None:
    _codebook(workspace, dataset, scheme, me)
    _versions(workspace, scheme, me)


def _codebook(workspace: Workspace, dataset: Dataset, scheme: Scheme, me: Annotator) -> None:
    parts.section("Codebook", "Names, keys, definitions and examples as a file.")
    stem = re.sub(r"[^\w-]+", "-", dataset.name).strip("-")[:60] or "labels"
    used = steps.counts(scheme, scheme_change.given(workspace, dataset.id))
    texts = {label_id: n for label_id, (_, n) in used.items()}
    with st.container(horizontal=True, key="scheme_codebook"):
        for words, content, ending, mime in (
            ("Markdown", lambda: codebook.to_markdown(scheme, dataset.name, texts), "md", "text/markdown"),
            ("JSON", lambda: codebook.to_json(scheme, dataset.name), "json", "application/json"),
        ):
            st.download_button(
                f"Download as {words}",
                data=content,
                file_name=f"{stem}-codebook-{scheme.version}.{ending}",
                mime=mime,
                on_click="ignore",
                icon=":material/download:",
                key=f"scheme_download_{ending}",
            )
    with st.expander("Take over a codebook", key="scheme_upload"):
        uploaded = st.file_uploader(
            "Codebook (JSON)",
            type=["json"],
            key=f"scheme_file_{scheme.id}",
            max_upload_size=codebook.MOST_MEGABYTES,
            help="Labels are recognised by their id, else by their name. A label that the file leaves out is deleted.",
        )
        if uploaded is not None and st.button("Show what it changes", key="scheme_upload_show"):
            try:
                after = codebook.from_json(
                    uploaded.getvalue(), scheme=scheme, dataset_id=dataset.id, author=me.name
                )
            except FinesiftError as error:
                parts.fault(error)
            else:
                scheme_change.propose(
                    workspace, scheme, after, note=_difference(scheme, after), key="scheme_take"
                )


def _difference(before: Scheme, after: Scheme) -> str:
    """How many labels a codebook adds, changes and deletes."""
    old = {label.id: label for label in before.labels}
    new = {label.id: label for label in after.labels}
    changed = sum(new[one] != old[one] for one in set(old) & set(new))
    return f"Labels: {len(set(new) - set(old)):,} new, {changed:,} changed, {len(set(old) - set(new)):,} deleted."


def _versions(workspace: Workspace, scheme: Scheme, me: Annotator) -> None:
    known = schemes.versions(workspace.db, scheme.dataset_id)
    parts.section(
        "Versions", "Who changed what, newest first. Going back is a version of its own, so it can be undone."
    )
    everything = len(known) <= VERSIONS_SHOWN or st.toggle(
        f"All {len(known):,} versions", key=f"scheme_all_versions_{scheme.dataset_id}"
    )
    for version in known if everything else known[:VERSIONS_SHOWN]:
        with st.container(
            horizontal=True,
            vertical_alignment="center",
            horizontal_alignment="distribute",
            key=f"scheme_version_{version.version}",
        ):
            with st.container(width="stretch", gap="small"):
                st.markdown(
                    f"**Version {version.version}** · {when_words(version.created_at)} · "
                    f"{escape_markdown(version.author)} · {counted(len(version.labels), 'label')}"
                )
                st.caption(escape_markdown(shorten(version.change, 400)))
            if version.id != scheme.id and st.button(
                "Go back to this version", key=f"scheme_back_{version.version}"
            ):
                after = steps.undo_to(scheme, version, author=me.name)
                scheme_change.propose(
                    workspace, scheme, after, note=_difference(scheme, after), key="scheme_undo"
                )
