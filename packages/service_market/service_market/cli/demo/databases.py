"""The databases of a demo on a PostgreSQL server that somebody else runs: made for one run, gone after it.

A run has a name; the market's database, the registry of ``sample_service`` and everything of its tenants begin with
it. What the library names after a registry (the template, the group role) is found by the registry's id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mt_paas.postgres import ExternalPostgres

if TYPE_CHECKING:
    import psycopg

__all__ = ["OwnDatabases"]


@dataclass(frozen=True)
class OwnDatabases:
    """The databases of the run ``name`` on the server at ``server_url``."""

    server_url: str
    name: str

    @property
    def prefix(self) -> str:
        """What the names of the tenants' databases and roles begin with."""
        return f"{self.name}_"

    @property
    def market(self) -> str:
        """The address of the management database."""
        return self._server.url(self.prefix + "market")

    @property
    def registry(self) -> str:
        """The address of the database of ``sample_service``."""
        return self._server.url(self.prefix + "registry")

    def create(self) -> None:
        """Make the two databases. Raises :class:`~mt_paas.errors.MtPaasError` where the server does not answer."""
        server = self._server.start()
        for kind in ("market", "registry"):
            server.create_database(self.prefix + kind)

    def drop(self) -> None:
        """Drop every database and role of the run, whoever is connected. Nothing there is nothing to do."""
        import psycopg

        with psycopg.connect(self._server.url(), autocommit=True) as connection:
            prefixes = [self.prefix, *self._registry_prefixes(connection)]
            for name in _names(connection, "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", prefixes):
                _run(connection, "ALTER DATABASE {} IS_TEMPLATE false", name)
                _run(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
            for name in _names(connection, "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", prefixes):
                _run(connection, "DROP ROLE IF EXISTS {}", name)

    @property
    def _server(self) -> ExternalPostgres:
        return ExternalPostgres(self.server_url)

    def _registry_prefixes(self, connection: psycopg.Connection) -> list[str]:
        import psycopg

        name = self.prefix + "registry"
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount == 0:
            return []
        with psycopg.connect(self.registry) as registry:
            if registry.execute("SELECT WHERE to_regclass('mt_service') IS NOT NULL").rowcount == 0:
                return []  # it ended before it had begun
            found = registry.execute("SELECT registry_id FROM mt_service").fetchall()
        return [f"mt_{registry_id.hex[:12]}" for (registry_id,) in found]


def _names(connection: psycopg.Connection, query: str, prefixes: list[str]) -> list[str]:
    found = (connection.execute(query.encode(), [prefix]).fetchall() for prefix in prefixes)
    return [name for rows in found for (name,) in rows]


def _run(connection: psycopg.Connection, statement: str, name: str) -> None:
    from psycopg import sql

    connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
