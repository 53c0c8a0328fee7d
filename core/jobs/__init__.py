"""Long work: submitted by a page or the command line, done by a worker process.

The database is the only channel between them (docs/decisions/0005). A page submits and polls rows; the
worker is a detached process of lower priority that leases the job, writes events and a heartbeat, and
looks for a request to stop. Who opens the workspace next calls `recover`, which notices dead workers.
"""

from core.jobs.assist_job import submit_assist
from core.jobs.resume import checkpoint_step, resume
from core.jobs.studies import find_study, findings, submit_study
from core.jobs.submit import (
    TestFile,
    run_again,
    submit_classification,
    submit_evaluation,
    submit_preflight,
    submit_training,
)
from core.jobs.supervise import ensure_workers, recover, request_stop

__all__ = [
    "TestFile",
    "checkpoint_step",
    "ensure_workers",
    "find_study",
    "findings",
    "recover",
    "request_stop",
    "resume",
    "run_again",
    "submit_assist",
    "submit_classification",
    "submit_evaluation",
    "submit_preflight",
    "submit_study",
    "submit_training",
]
