"""Opens one home folder: its database and its files. Handed to whoever needs it; there are no globals.

    home/
      finesift.db            what is known (or a PostgreSQL database)
      datasets/<id>/         texts as Arrow files
      runs/<id>/             while a run works: the best model so far, its own test file, its log
      models/<id>/           plain Hugging Face folders
      jobs/<id>/             files of a classification: input and output
      labels/<data set>/     what the model beside the annotators knows of all texts
      locks/                 one worker a slot

Folder names are our own ids, never anything a user typed.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data import shelf
from core.data.labels import AUTO
from core.data.prepare import Prepared, prepare
from core.errors import BadData, FinesiftError, NotFound
from core.records import Dataset, Event, Job, Model, Row, Run
from core.settings import Settings
from core.store import Database, open_database
from core.store import datasets as dataset_rows
from core.store import jobs as job_rows
from core.store import models as model_rows
from core.store import runs as run_rows
from core.store.ids import new_id
from core.store.migrate import migrate

if TYPE_CHECKING:
    import datasets as hf_datasets

    from core.data.table import Table


@dataclass(frozen=True)
class ModelPlace:
    """A model that can be loaded: where it lies and what to call it."""

    name: str
    folder: Path
    model: Model | None  # None: a base model, or a folder of the user's own


class Workspace:
    def __init__(self, settings: Settings, db: Database) -> None:
        self.settings = settings
        self.db = db

    @classmethod
    def open(cls, settings: Settings) -> Workspace:
        """Make the home folder where it is missing and bring the database up to date."""
        try:
            folders = (
                settings.datasets,
                settings.runs,
                settings.models,
                settings.jobs,
                settings.home / "locks",
            )
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FinesiftError(
                f"The home folder {settings.home} cannot be used ({error.strerror}). Choose another one with --home."
            ) from error
        db = open_database(settings.database_url)
        migrate(db, settings.home / "locks" / "migrate.lock")
        return cls(settings, db)

    def close(self) -> None:
        self.db.close()

    # ----------------------------------------------------------------- data sets

    def datasets(self) -> list[Dataset]:
        return dataset_rows.all_datasets(self.db)

    def dataset(self, id_or_name: str) -> Dataset:
        return dataset_rows.get(self.db, id_or_name)

    def add_dataset(
        self,
        table: Table,
        *,
        name: str,
        text_column: int,
        label_column: int | None,
        source: dict[str, Any] | None = None,
        test_table: Table | None = None,
        test_columns: tuple[int, int] | None = None,
        test_share: float = 0.15,
        validation_share: float | None = None,
        seed: int = 0,
        label_separator: str | None = AUTO,
    ) -> Dataset:
        """Put a table on the shelf: the Arrow files first, then the row that makes them known.

        `test_columns`: text and label column of `test_table`, the user's own test file. `label_separator`: what
        stands between several labels of a text (see `prepare`); kept in `source`."""
        text_in_test, label_in_test = test_columns or (None, None)
        prepared = prepare(
            table,
            text_column,
            label_column,
            seed=seed,
            test_share=test_share,
            validation_share=validation_share,
            test_table=test_table,
            test_text_column=text_in_test,
            test_label_column=label_in_test,
            label_separator=label_separator,
        )
        dataset_id = new_id("data")
        folder = self.settings.datasets / dataset_id
        try:
            shelf.save(prepared, folder)
            details = {**(source or {}), "reading": asdict(table.reading), "notes": list(prepared.notes)}
            if prepared.separator is not None:
                details["label_separator"] = prepared.separator
            return dataset_rows.add(
                self.db, _describe(dataset_id, name, table, prepared, text_column, label_column, details)
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def rename_dataset(self, dataset_id: str, name: str) -> str:
        return dataset_rows.rename(self.db, dataset_id, name)

    def delete_dataset(self, dataset_id: str) -> None:
        """Raises InUse while a queued or running job needs it."""
        dataset_rows.remove(self.db, dataset_id)
        shutil.rmtree(self.settings.datasets / dataset_id, ignore_errors=True)
        shutil.rmtree(self.settings.home / "labels" / dataset_id, ignore_errors=True)

    def shelf(self, dataset_id: str) -> hf_datasets.Dataset:
        """Its rows, memory-mapped: row, text, label, part, text_hash, c0 … cK-1."""
        return shelf.open_shelf(self.settings.datasets / dataset_id)

    def find_rows(
        self,
        dataset_id: str,
        *,
        query: str | None = None,
        label: str | None = None,
        part: str | None = None,
        fault: str | None = None,
        offset: int = 0,
        limit: int = 50,
        separator: str | None = None,
    ) -> tuple[int, list[Row]]:
        """Rows that match, a page of them, and how many there are in all."""
        return shelf.find_rows(
            self.settings.datasets / dataset_id,
            query=query,
            label=label,
            part=part,
            fault=fault,
            offset=offset,
            limit=limit,
            separator=separator,
        )

    def part_texts(self, dataset_id: str, part: str) -> tuple[list[int], list[str], list[str]]:
        """Row numbers, texts and labels of one part."""
        return shelf.part_texts(self.settings.datasets / dataset_id, part)

    # ----------------------------------------------------------------- runs and models

    def runs(self) -> list[Run]:
        return run_rows.all_runs(self.db)

    def run(self, id_or_name: str) -> Run:
        return run_rows.get(self.db, id_or_name)

    def run_folder(self, run_id: str) -> Path:
        return self.settings.runs / run_id

    def rename_run(self, run_id: str, name: str) -> str:
        return run_rows.rename(self.db, run_id, name)

    def delete_run(self, run_id: str) -> None:
        """The run, its curves and its model. Raises InUse while any of them is needed."""
        for folder in run_rows.remove(self.db, run_id):
            shutil.rmtree(self.settings.home / folder, ignore_errors=True)
        shutil.rmtree(self.run_folder(run_id), ignore_errors=True)

    def models(self) -> list[Model]:
        return model_rows.all_models(self.db)

    def model_folder(self, model: Model) -> Path:
        return self.settings.home / model.folder

    def find_model(self, name: str) -> ModelPlace:
        """A trained model by id, run or name; else a folder; else a base model's name (fetched if need be).

        Raises NotFound, Offline, HubNotFound, UnsafeModel or BadModel, each with a sentence."""
        model = model_rows.find(self.db, name)
        if model is not None:
            folder = self.model_folder(model)
            if not folder.is_dir():
                raise NotFound(
                    f"The files of the model “{model.name}” are gone from the home folder. "
                    "Delete the run, or put its folder back."
                )
            return ModelPlace(model.name, folder, model)
        from core.models.sources import resolve

        return ModelPlace(name, resolve(name), None)

    # ----------------------------------------------------------------- jobs

    def job(self, job_id: str) -> Job:
        return job_rows.get(self.db, job_id)

    def open_jobs(self, kind: str | None = None) -> list[Job]:
        return job_rows.open_jobs(self.db, kind)

    def recent_jobs(self, kind: str, limit: int = 20) -> list[Job]:
        return job_rows.recent_jobs(self.db, kind, limit)

    def events_after(self, job_id: str, seq: int = -1) -> list[job_rows.StoredEvent]:
        return job_rows.events_after(self.db, job_id, seq)

    def last_event(self, job_id: str, kind: str) -> Event | None:
        return job_rows.last_event(self.db, job_id, kind)

    def job_folder(self, job_id: str) -> Path:
        return self.settings.jobs / job_id

    def delete_job(self, job_id: str) -> None:
        """An ended classification with its files."""
        job_rows.remove(self.db, job_id)
        shutil.rmtree(self.job_folder(job_id), ignore_errors=True)


def _describe(
    dataset_id: str,
    name: str,
    table: Table,
    prepared: Prepared,
    text_column: int,
    label_column: int | None,
    source: dict[str, Any],
) -> Dataset:
    if not prepared.texts:
        raise BadData("This table has no rows. Choose a file with at least one text.")
    return Dataset(
        id=dataset_id,
        name=name,
        created_at=time.time(),
        columns=table.columns,
        text_column=text_column,
        label_column=label_column,
        rows=prepared.rows,
        without_text=prepared.without_text,
        without_label=prepared.without_label,
        duplicates=prepared.duplicates,
        labels=prepared.label_counts,
        parts=prepared.part_counts,
        fingerprint=prepared.fingerprint,
        source=source,
    )
