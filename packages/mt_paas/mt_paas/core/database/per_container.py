"""``DOCKER_PER_TENANT``: a tenant's data are in the database that its own containers expose.

Who runs the containers tells where that database is; here it gets the service's tables, and the tenant its sessions.
A database that holds another tenant's tables is refused: what belongs to a tenant says so in its comment.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy import URL, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from mt_paas.core.database.blueprint import Blueprint
from mt_paas.core.database.connections import Connections, Place
from mt_paas.core.database.names import quote
from mt_paas.core.database.server import connect_alone, database_mark, literal, parse_url, run
from mt_paas.core.faults import told_when_away
from mt_paas.core.identity import ServiceIdentity
from mt_paas.core.schemas import Tenant
from mt_paas.core.tenant_tables import TABLES
from mt_paas.errors import ConfigurationError

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

__all__ = ["DatabaseOfContainer"]

_SCHEMAS = text("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'")


class DatabaseOfContainer:
    """A database that somebody else made and will take away; ``locate`` tells its URL, as its owner."""

    name = "DOCKER_PER_TENANT"

    def __init__(
        self, locate: Callable[[Tenant], Awaitable[str]], connections: Connections, blueprint: Blueprint
    ) -> None:
        self._locate = locate
        self._connections = connections
        self._blueprint = blueprint
        self._registry = ""

    async def start(self, connection: AsyncConnection, identity: ServiceIdentity) -> None:
        """Remember whose tenants these are."""
        self._registry = str(identity.registry_id)

    async def close(self) -> None:
        """Do nothing: the connections are closed with all others."""

    def place(self, tenant_id: str) -> str:
        """Return a name for the tenant's database: its own is known to whoever runs the containers."""
        return f"container/{tenant_id}"

    async def create(self, connection: AsyncConnection, tenant: Tenant) -> bool:
        """Make the tables in the container's database, all or none; tell whether they were not there."""
        mark = self._mark(tenant)
        async with self.owner(tenant) as owner:
            name = str(await owner.scalar(select(func.current_database())))
            found = await database_mark(owner, name)
            if found == mark:
                return False
            if found:
                raise _foreign(tenant, found)
            for schema in self._blueprint.schemas:
                await run(owner, f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
            await self._blueprint.make(owner)
            await run(owner, f"COMMENT ON DATABASE {quote(name)} IS {literal(mark)}")
        return True

    async def complete(self, tenant: Tenant) -> None:
        """Make what is missing of the library's own tables."""
        async with self.owner(tenant) as owner:
            await owner.run_sync(TABLES.create_all)

    async def drop(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Delete all that is in the database; the database goes with its containers.

        Raises :class:`~mt_paas.errors.ConfigurationError` if it has become another tenant's: an address may be reused.
        """
        await self.shut(tenant)
        async with self.owner(tenant) as owner:
            name = str(await owner.scalar(select(func.current_database())))
            found = await database_mark(owner, name)
            if found not in {None, "", self._mark(tenant)}:
                raise _foreign(tenant, found)
            for schema in (await owner.scalars(_SCHEMAS)).all():
                await run(owner, f"DROP SCHEMA {quote(schema)} CASCADE")
            await run(owner, "CREATE SCHEMA public")
            await run(owner, f"COMMENT ON DATABASE {quote(name)} IS NULL")

    async def shut(self, tenant: Tenant) -> None:
        """Close the tenant's pool."""
        await self._connections.discard(tenant.database)

    def session(self, tenant: Tenant, *, snapshot: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session on the container's database; commits at the end, rolls back on an error."""

        async def address() -> URL:
            return parse_url(await self._locate(tenant))

        return self._connections.session(Place(tenant.database, address), snapshot=snapshot)

    @asynccontextmanager
    async def owner(self, tenant: Tenant) -> AsyncIterator[AsyncConnection]:
        """Open a transaction on the container's database, as its owner."""
        url = parse_url(await self._locate(tenant))
        with told_when_away("The database of the tenant's containers"):
            async with connect_alone(url) as owner, owner.begin():
                yield owner

    async def secure(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Do nothing: the database is the tenant's alone, and its sessions are its owner's."""

    def prepare(self, context: MigrationContext) -> None:
        """Do nothing: the tables are the tenant's alone, and made as the migration says."""

    async def storage_bytes(self, tenant: Tenant) -> int:
        """Return the size of the database on disk."""
        async with self.owner(tenant) as owner:
            return int(await owner.scalar(text("SELECT pg_database_size(current_database())")) or 0)

    def _mark(self, tenant: Tenant) -> str:
        return f"mt_paas tenant {tenant.tenant_id} of registry {self._registry}"


def _foreign(tenant: Tenant, mark: str | None) -> ConfigurationError:
    return ConfigurationError(f"the database of tenant {tenant.tenant_id}'s containers is another's: {mark}")
