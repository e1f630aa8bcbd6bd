"""Leaving a PostgreSQL server as it was before a service on mt_paas was tested there."""

from __future__ import annotations

from uuid import UUID

import psycopg
from psycopg import Connection, sql

__all__ = ["drop_registry"]

_DATABASES = "SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') LIKE %s OR datname LIKE %s"
_ROLES = "SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') LIKE %s"


def drop_registry(url: str) -> None:
    """Drop every database and role that the registry at ``url`` made: its tenants, its template, its group.

    The registry's own database stays. One that is no registry, or none yet, made nothing.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        registry_id = _registry_id(connection)
        if registry_id is None:
            return
        mark, unmarked = f"mt\\_paas %{registry_id}", f"mt\\_{registry_id.hex}\\_%"
        for (name,) in connection.execute(_DATABASES, [mark, unmarked]).fetchall():
            connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for (name,) in connection.execute(_ROLES, [mark]).fetchall():
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def _registry_id(connection: Connection) -> UUID | None:
    if connection.execute("SELECT to_regclass('mt_service')").fetchone() == (None,):
        return None
    row = connection.execute("SELECT registry_id FROM mt_service").fetchone()
    return row[0] if row is not None else None
