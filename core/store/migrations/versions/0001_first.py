"""The first schema: data sets, jobs with their events, runs, models."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ACTIVE = sa.text("state IN ('running', 'stopping')")


def upgrade() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("columns", sa.JSON, nullable=False),
        sa.Column("text_column", sa.Integer, nullable=False),
        sa.Column("label_column", sa.Integer),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("without_text", sa.Integer, nullable=False),
        sa.Column("without_label", sa.Integer, nullable=False),
        sa.Column("duplicates", sa.Integer, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("parts", sa.JSON, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("source", sa.JSON, nullable=False),
        sa.UniqueConstraint("name", name="uq_datasets_name"),
    )
    op.create_table(
        "jobs",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("lane", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("started_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("slot", sa.String(200)),
        sa.Column("lease", sa.String(40)),
        sa.Column("lease_until", sa.Float),
        sa.Column("heartbeat_at", sa.Float),
        sa.Column("worker_host", sa.String(200)),
        sa.Column("worker_pid", sa.Integer),
        sa.Column("worker_started", sa.Float),
        sa.UniqueConstraint("id", name="uq_jobs_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_lane_state", "jobs", ["lane", "state"])
    op.create_index(
        "uq_jobs_active_slot", "jobs", ["slot"], unique=True, sqlite_where=ACTIVE, postgresql_where=ACTIVE
    )
    op.create_table(
        "events",
        sa.Column(
            "job_id",
            sa.String(40),
            sa.ForeignKey("jobs.id", name="fk_events_job_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("job_id", sa.String(40), sa.ForeignKey("jobs.id", name="fk_runs_job_id"), nullable=False),
        sa.Column(
            "dataset_id",
            sa.String(40),
            sa.ForeignKey("datasets.id", name="fk_runs_dataset_id", ondelete="SET NULL"),
        ),
        sa.Column("dataset_name", sa.Text, nullable=False),
        sa.Column("base_model", sa.Text, nullable=False),
        sa.Column("recipe", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("validation", sa.JSON),
        sa.Column("test", sa.JSON),
        sa.Column("test_source", sa.String(10)),
        sa.Column("test_looks", sa.Integer, nullable=False),
        sa.Column("summary", sa.JSON, nullable=False),
        sa.UniqueConstraint("name", name="uq_runs_name"),
        sa.UniqueConstraint("job_id", name="uq_runs_job_id"),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column(
            "run_id", sa.String(40), sa.ForeignKey("runs.id", name="fk_models_run_id", ondelete="CASCADE")
        ),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("base_model", sa.Text, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("info", sa.JSON, nullable=False),
        sa.UniqueConstraint("run_id", name="uq_models_run_id"),
    )
