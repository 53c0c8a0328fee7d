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

# Threads that wait for each other sleep instead of spinning: on a machine that is shared with the screen, a
# browser or a second job, spinning threads take the time that the others would need to catch up
# (docs/decisions/0006-threads-that-sleep.md). Read by the OpenMP runtime when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
