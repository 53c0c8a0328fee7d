"""Finesift's core: everything that is not a screen.

It never imports Streamlit, Starlette or HTML. Inside, each row imports only from the rows above it
(`pyproject.toml` holds the contract, CI checks it):

    records, errors, settings     the nouns
    data, evaluation              pure functions on tables and arrays
    models, training, inference,  torch (imported inside functions, so that a page which
    explain                       only lists things never pays for it)
    store                         the database
    workspace                     one home folder: database and files
    jobs                          submit, lease, run, stop
    __main__                      the command line
"""

import os

# Threads that wait for each other spin for a moment only, then sleep: on a machine that is shared with the screen, a
# browser or a second job, spinning threads take the time that the others would need to catch up, while threads that
# sleep at once lose a third of the speed of an idle machine (docs/decisions/0006-threads-that-wait.md). Read by the
# OpenMP runtime when torch is first imported.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"
