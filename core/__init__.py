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

__version__ = "0.1.0"
