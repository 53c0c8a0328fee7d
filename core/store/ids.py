"""Identities and names. Ids are ours, short and safe as file names; users' names never become paths."""

from __future__ import annotations

import secrets

from sqlalchemy import Column, Connection, Table, select


def new_id(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(5)}"


def free_name(
    connection: Connection, table: Table, column: Column[str], wanted: str, own_id: str = ""
) -> str:
    """`wanted`, or `wanted (2)`, `wanted (3)`, … where it is taken."""
    wanted = " ".join(wanted.split())[:200] or "Untitled"
    taken = set(connection.execute(select(column).where(table.c.id != own_id)).scalars())
    if wanted not in taken:
        return wanted
    number = 2
    while f"{wanted} ({number})" in taken:
        number += 1
    return f"{wanted} ({number})"
