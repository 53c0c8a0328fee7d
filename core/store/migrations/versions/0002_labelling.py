"""Labelling: schemes in versions, annotators, answers with their trail, slots, decisions."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _dataset(table: str, **more: Any) -> sa.Column:
    return sa.Column(
        "dataset_id",
        sa.String(40),
        sa.ForeignKey("datasets.id", name=f"fk_{table}_dataset_id", ondelete="CASCADE"),
        nullable=False,
        **more,
    )


def _annotator(table: str, **more: Any) -> sa.Column:
    return sa.Column(
        "annotator_id",
        sa.String(40),
        sa.ForeignKey("annotators.id", name=f"fk_{table}_annotator_id"),
        nullable=False,
        **more,
    )


def _answer() -> list[sa.Column[Any]]:
    return [
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("stamp", sa.BigInteger, nullable=False),
        sa.Column("flagged", sa.Boolean, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("seconds", sa.Float),
        sa.Column("key", sa.String(40), nullable=False),
        sa.Column("source", sa.String(12), nullable=False),
        sa.Column("suggestion", sa.JSON),
    ]


def upgrade() -> None:
    op.create_table(
        "annotators",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.UniqueConstraint("name", name="uq_annotators_name"),
    )
    op.create_table(
        "schemes",
        sa.Column("id", sa.String(40), primary_key=True),
        _dataset("schemes"),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("several", sa.Boolean, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("merged", sa.JSON, nullable=False),
        sa.Column("removed", sa.JSON, nullable=False),
        sa.Column("change", sa.Text, nullable=False),
        sa.UniqueConstraint("dataset_id", "version", name="uq_schemes_dataset_id"),
    )
    op.create_table(
        "label_plans",
        _dataset("label_plans", primary_key=True),
        sa.Column("people", sa.Integer, nullable=False),
        sa.Column("evaluation_share", sa.Float, nullable=False),
        sa.Column("suggestions", sa.Boolean, nullable=False),
        sa.Column("spread", sa.Boolean, nullable=False),
    )
    op.create_table(
        "answer_trail",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        _dataset("answer_trail"),
        sa.Column("row", sa.Integer, nullable=False),
        _annotator("answer_trail"),
        sa.Column("session", sa.String(40), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        *_answer(),
        sa.Column("spread_from", sa.Integer),
        sa.UniqueConstraint("session", "seq", "row", name="uq_answer_trail_session"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_answer_trail_dataset_id", "answer_trail", ["dataset_id", "number"])
    op.create_table(
        "answers",
        _dataset("answers", primary_key=True),
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        _annotator("answers", primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        *_answer(),
    )
    op.create_index("ix_answers_dataset_id", "answers", ["dataset_id", "number"])
    op.create_table(
        "slots",
        _dataset("slots", primary_key=True),
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
        _annotator("slots"),
        sa.Column("lease_until", sa.Float),
        sa.UniqueConstraint("dataset_id", "row", "annotator_id", name="uq_slots_dataset_id"),
    )
    op.create_table(
        "decisions",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        _dataset("decisions"),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("labels", sa.JSON),
        _annotator("decisions"),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_decisions_dataset_id", "decisions", ["dataset_id", "number"])


def downgrade() -> None:
    for table in ("decisions", "slots", "answers", "answer_trail", "label_plans", "schemes", "annotators"):
        op.drop_table(table)
