"""The databases of a demo on a PostgreSQL server that somebody else runs: made for one run, gone after it.

A run has a name, and the names of the market's database, of the registry of ``sample_service`` and of its tenants'
databases and roles begin with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from mt_paas.postgres import ExternalPostgres

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
        from mt_paas.testing.tenants import drop_registry

        registry = self.prefix + "registry"
        with psycopg.connect(self._server.url(), autocommit=True) as connection:
            found = connection.execute("SELECT datname FROM pg_database WHERE datname = %s", [registry]).fetchone()
        if found is not None:
            drop_registry(self.registry)
        for kind in ("market", "registry"):
            self._server.drop_database(self.prefix + kind)

    @property
    def _server(self) -> ExternalPostgres:
        return ExternalPostgres(self.server_url)
