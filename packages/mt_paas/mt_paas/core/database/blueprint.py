"""What is in the place of a tenant: the library's own tables, and the service's, by its metadata or by migrations."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import MetaData, create_mock_engine
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import ExecutableDDLElement

from mt_paas.core.schemas import Tenant
from mt_paas.core.tenant_tables import TABLES
from mt_paas.errors import ServiceNotReady

if TYPE_CHECKING:
    from mt_paas.core.migrations.scripts import Migrations, Prepare

__all__ = ["Blueprint"]


class Blueprint:
    """The tables of each tenant of a service. With ``migrations`` these make them, and ``metadata`` does not."""

    def __init__(self, metadata: MetaData, migrations: Migrations | None = None) -> None:
        self.metadata = metadata
        self.migrations = migrations

    @property
    def revision(self) -> str | None:
        """The revision that a place is at that is made now; null without migrations."""
        return self.migrations.head if self.migrations is not None else None

    @property
    def schemas(self) -> list[str]:
        """The schemas that the service's tables are in by name."""
        return sorted({table.schema for table in self.metadata.tables.values() if table.schema is not None})

    def require_head(self, tenant: Tenant) -> None:
        """Raise :class:`~mt_paas.errors.ServiceNotReady` while the tenant's tables are older than the head."""
        if self.migrations is not None and self.migrations.is_behind(tenant.revision):
            raise ServiceNotReady(f"Tenant {tenant.tenant_id} waits for a migration of its tables.")

    def fingerprint(self, recipe: str) -> str:
        """Return a hash of all that PostgreSQL would be told to make the tables, and of ``recipe``."""
        digest = hashlib.sha256(recipe.encode())

        def note(statement: ExecutableDDLElement, *_: object, **__: object) -> None:
            digest.update(str(statement.compile(dialect=teller.dialect)).encode())

        teller = create_mock_engine("postgresql+psycopg://", note)
        TABLES.create_all(teller, checkfirst=False)
        if self.migrations is None:
            self.metadata.create_all(teller, checkfirst=False)
        else:
            digest.update(f"revision {self.revision}".encode())
        return digest.hexdigest()

    async def make(self, connection: AsyncConnection) -> None:
        """Make the tables at ``connection``, in a place that has none. The service's may refer to the library's."""
        await connection.run_sync(TABLES.create_all)
        await self.make_own(connection)

    async def make_own(self, connection: AsyncConnection, prepare: Prepare | None = None) -> None:
        """Make the service's tables, where the library's are; ``prepare`` is for migrations."""
        if self.migrations is None:
            await connection.run_sync(self.metadata.create_all)
            return
        from mt_paas.core.migrations.scripts import Request

        await self.migrations.migrate(connection, Request(), prepare)
