"""The database: schema, migrations, and one module of queries per noun.

Knows SQL and nothing of files, models or screens. Every function takes a `Database`, runs in one
transaction, and speaks in `core.records`.
"""

from core.store.engine import Database, open_database

__all__ = ["Database", "open_database"]
