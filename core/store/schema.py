"""The tables. SQL stays portable between SQLite and PostgreSQL; migrations make the changes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("columns", JSON, nullable=False),
    Column("text_column", Integer, nullable=False),
    Column("label_column", Integer),
    Column("rows", Integer, nullable=False),
    Column("without_text", Integer, nullable=False),
    Column("without_label", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("parts", JSON, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("source", JSON, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),  # the order of the queue
    Column("id", String(40), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("lane", String(20), nullable=False),  # jobs of one lane wait for each other
    Column("state", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("result", JSON),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("slot", String(200)),  # machine, lane and number: one active job each
    Column("lease", String(40)),  # the token that the worker must show to write
    Column("lease_until", Float),
    Column("heartbeat_at", Float),
    Column("worker_host", String(200)),
    Column("worker_pid", Integer),
    Column("worker_started", Float),
    Index("ix_jobs_lane_state", "lane", "state"),
    Index(
        "uq_jobs_active_slot",
        "slot",
        unique=True,
        sqlite_where=text("state IN ('running', 'stopping')"),
        postgresql_where=text("state IN ('running', 'stopping')"),
    ),
    sqlite_autoincrement=True,
)

events = Table(
    "events",
    metadata,
    Column("job_id", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("data", JSON, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("job_id", String(40), ForeignKey("jobs.id"), nullable=False, unique=True),
    Column("dataset_id", String(40), ForeignKey("datasets.id", ondelete="SET NULL")),
    Column("dataset_name", Text, nullable=False),
    Column("base_model", Text, nullable=False),
    Column("recipe", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("validation", JSON),
    Column("test", JSON),
    Column("test_source", String(10)),
    Column("test_looks", Integer, nullable=False),
    Column("summary", JSON, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False),
    Column("run_id", String(40), ForeignKey("runs.id", ondelete="CASCADE"), unique=True),
    Column("folder", Text, nullable=False),  # relative to the home folder, so that it can move
    Column("base_model", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("info", JSON, nullable=False),
)

annotators = Table(
    "annotators",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
)


def _of_dataset(**more: Any) -> Column[str]:
    return Column(
        "dataset_id", String(40), ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False, **more
    )


def _of_annotator(**more: Any) -> Column[str]:
    return Column("annotator_id", String(40), ForeignKey("annotators.id"), nullable=False, **more)


schemes = Table(
    "schemes",
    metadata,
    Column("id", String(40), primary_key=True),
    _of_dataset(),
    Column("version", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("author", Text, nullable=False),
    Column("several", Boolean, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("merged", JSON, nullable=False),
    Column("removed", JSON, nullable=False),
    Column("change", Text, nullable=False),
    UniqueConstraint("dataset_id", "version"),
)

label_plans = Table(
    "label_plans",
    metadata,
    _of_dataset(primary_key=True),
    Column("people", Integer, nullable=False),
    Column("evaluation_share", Float, nullable=False),
    Column("suggestions", Boolean, nullable=False),
    Column("spread", Boolean, nullable=False),
)


def _of_answer() -> list[Column[Any]]:
    return [
        Column("labels", JSON, nullable=False),  # ids
        Column("state", String(12), nullable=False),
        Column("stamp", BigInteger, nullable=False),
        Column("flagged", Boolean, nullable=False),
        Column("note", Text, nullable=False),
        Column("at", Float, nullable=False),
        Column("seconds", Float),
        Column("key", String(40), nullable=False),
        Column("source", String(12), nullable=False),
        Column("suggestion", JSON),
    ]


answer_trail = Table(  # every answer that ever came; nothing is changed or deleted here
    "answer_trail",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    _of_dataset(),
    Column("row", Integer, nullable=False),
    _of_annotator(),
    Column("session", String(40), nullable=False),
    Column("seq", Integer, nullable=False),
    *_of_answer(),
    Column("spread_from", Integer),  # the row whose answer this one copies; its session and seq are the same
    UniqueConstraint("session", "seq", "row"),
    Index("ix_answer_trail_dataset_id", "dataset_id", "number"),
    sqlite_autoincrement=True,
)

answers = Table(  # of each person the newest answer to each text
    "answers",
    metadata,
    _of_dataset(primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),
    _of_annotator(primary_key=True),
    Column("number", Integer, nullable=False),  # in the trail
    *_of_answer(),
    Index("ix_answers_dataset_id", "dataset_id", "number"),
)

slots = Table(  # who has a text, or had it: one row for each of the k people that it goes to
    "slots",
    metadata,
    _of_dataset(primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("slot", Integer, primary_key=True, autoincrement=False),  # 0 to k - 1
    _of_annotator(),
    Column("lease_until", Float),  # NULL: answered
    UniqueConstraint("dataset_id", "row", "annotator_id"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    _of_dataset(),
    Column("row", Integer, nullable=False),
    Column("labels", JSON),  # NULL: withdrawn
    _of_annotator(),
    Column("note", Text, nullable=False),
    Column("at", Float, nullable=False),
    Index("ix_decisions_dataset_id", "dataset_id", "number"),
    sqlite_autoincrement=True,
)

__all__ = [
    "annotators",
    "answer_trail",
    "answers",
    "datasets",
    "decisions",
    "events",
    "jobs",
    "label_plans",
    "metadata",
    "models",
    "runs",
    "schemes",
    "slots",
]
