"""A PostgreSQL for a program that was given none: found, started, watched and stopped by itself.

:func:`resolve` is the one door. With a ``DATABASE_URL`` it checks that server and hands it over; without one it runs a
PostgreSQL of its own in a folder (:class:`EmbeddedPostgres`), shared by every process of this user that asks for the
same folder, and stopped when the last of them is gone, however it went.

``python -m mt_paas.postgres HOME`` runs such a server until Ctrl-C and prints its URL.

Importing this package imports the standard library only. What speaks SQL (checking a given server, creating a
database) needs psycopg, from the extra ``sqlalchemy``. The embedded server needs Linux or macOS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mt_paas.postgres.binaries import find_binaries
from mt_paas.postgres.server import ExternalPostgres, PostgresServer, resolve

if TYPE_CHECKING:
    from mt_paas.postgres.embedded import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "ExternalPostgres", "PostgresServer", "find_binaries", "resolve"]


def __getattr__(name: str) -> Any:
    # Lazy: the module behind it can not be imported on Windows, where everything else can be used. By itself, as all
    # here: mt_paas.utils is a neighbour in the layers, and neither knows the other.
    if name == "EmbeddedPostgres":
        from mt_paas.postgres.embedded import EmbeddedPostgres

        return EmbeddedPostgres
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
