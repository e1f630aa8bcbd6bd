"""A PostgreSQL for a program that was given none: found, started, watched and stopped by itself.

:func:`resolve` is the one door. With a ``DATABASE_URL`` it checks that server and hands it over; without one it runs a
PostgreSQL of its own in a folder (:class:`EmbeddedPostgres`), shared by every process of this user that asks for the
same folder, and stopped when the last of them is gone, however it went.

Only the standard library is imported here. What speaks SQL (checking a given server, creating a database) needs
psycopg, from the extra ``sqlalchemy``.
"""

from __future__ import annotations

from mt_paas.postgres.binaries import find_binaries
from mt_paas.postgres.embedded import EmbeddedPostgres
from mt_paas.postgres.server import ExternalPostgres, PostgresServer, resolve

__all__ = ["EmbeddedPostgres", "ExternalPostgres", "PostgresServer", "find_binaries", "resolve"]
