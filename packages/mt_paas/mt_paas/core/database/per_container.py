"""``DOCKER_PER_TENANT``: a tenant's data are in the database that its own containers expose.

Who runs the containers tells where that database is; here it gets the service's tables, and the tenant its sessions.
Addresses are given out again, and what was a tenant's database may be another's tomorrow. So what belongs to a tenant
says so in its comment, and each new connection reads that before anybody has it: one to a database that says anything
else is closed, and told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy import URL, func, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from mt_paas.core.database.blueprint import Blueprint
from mt_paas.core.database.connections import Connections, Place
from mt_paas.core.database.names import quote
from mt_paas.core.database.server import connect_alone, literal, parse_url, run
from mt_paas.core.faults import told_when_away
from mt_paas.core.identity import ServiceIdentity
from mt_paas.core.schemas import Tenant
from mt_paas.core.tenant_tables import TABLES
from mt_paas.errors import ConfigurationError

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

__all__ = ["DatabaseOfContainer"]

_MARK = "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = current_database()"
_IS_EMPTY = text(
    "SELECT NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')"
)
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

    async def start(self, connection: AsyncConnection, identity: ServiceIdentity) -> None:
        """Remember whose tenants these are."""
        self._identity = identity

    async def close(self) -> None:
        """Do nothing: the connections are closed with all others."""

    def place(self, tenant_id: str) -> str:
        """Return a name for the tenant's database: its own is known to whoever runs the containers."""
        return f"container/{tenant_id}"

    async def create(self, connection: AsyncConnection, tenant: Tenant) -> bool:
        """Make the tables in the container's database, all or none; tell whether they were not there."""
        mark = self._mark(tenant)
        async with self._connect(tenant) as owner:
            found = await owner.scalar(text(_MARK))
            if found == mark:
                return False
            if found or tenant.activation:  # an empty one would hide the loss of what was there before
                raise _foreign(tenant, found)
            for schema in self._blueprint.schemas:
                await run(owner, f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
            await self._blueprint.make(owner)
            await _comment(owner, literal(mark))
        return True

    async def complete(self, tenant: Tenant) -> None:
        """Make what is missing of the library's own tables."""
        async with self.owner(tenant) as owner:
            await owner.run_sync(TABLES.create_all)

    async def drop(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Delete all that is in the database; the database goes with its containers.

        One that is not the tenant's is left as it is. Raises :class:`~mt_paas.errors.ConfigurationError` where the
        tenant had data, which may be elsewhere then: an address may be reused.
        """
        await self.shut(tenant)
        async with self._connect(tenant) as owner:
            found = await owner.scalar(text(_MARK))
            if found != self._mark(tenant):
                if tenant.activation and (found or not await owner.scalar(_IS_EMPTY)):
                    raise _foreign(tenant, found)
                return
            for schema in (await owner.scalars(_SCHEMAS)).all():
                await run(owner, f"DROP SCHEMA {quote(schema)} CASCADE")
            await run(owner, "CREATE SCHEMA public")
            await _comment(owner, "NULL")

    async def is_marked(self, tenant: Tenant) -> bool:
        """Tell whether the database at the tenant's address says that it is the tenant's."""
        async with self._connect(tenant) as owner:
            return bool(await owner.scalar(text(_MARK)) == self._mark(tenant))

    async def shut(self, tenant: Tenant) -> None:
        """Close the tenant's pool."""
        await self._connections.discard(tenant.database)

    def session(self, tenant: Tenant, *, snapshot: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session on the container's database; commits at the end, rolls back on an error."""

        async def address() -> URL:
            return parse_url(await self._locate(tenant))

        def check(connection: DBAPIConnection) -> None:
            self._require(tenant, _mark_at(connection))

        return self._connections.session(Place(tenant.database, address, check=check), snapshot=snapshot)

    @asynccontextmanager
    async def owner(self, tenant: Tenant) -> AsyncIterator[AsyncConnection]:
        """Open a transaction on the container's database, as its owner."""
        async with self._connect(tenant) as owner:
            self._require(tenant, await owner.scalar(text(_MARK)))
            yield owner

    @asynccontextmanager
    async def _connect(self, tenant: Tenant) -> AsyncIterator[AsyncConnection]:
        """Open a transaction on the database at the tenant's address, whoever's it is."""
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
        return self._identity.mark_of(tenant.tenant_id)

    def _require(self, tenant: Tenant, found: str | None) -> None:
        if found != self._mark(tenant):
            raise _foreign(tenant, found)


def _mark_at(connection: DBAPIConnection) -> str | None:
    """Return what the database says that a driver has just connected to."""
    cursor = connection.cursor()
    try:
        cursor.execute(_MARK)
        row = cursor.fetchone()
    finally:
        cursor.close()
    connection.rollback()
    return str(row[0]) if row is not None else None


async def _comment(owner: AsyncConnection, comment: str) -> None:
    name = str(await owner.scalar(select(func.current_database())))
    await run(owner, f"COMMENT ON DATABASE {quote(name)} IS {comment}")


def _foreign(tenant: Tenant, mark: str | None) -> ConfigurationError:
    if mark:
        return ConfigurationError(f"the database of tenant {tenant.tenant_id}'s containers is another's: {mark}")
    return ConfigurationError(
        f"the database of tenant {tenant.tenant_id}'s containers does not say that it is the tenant's (its comment is "
        "empty), though the tenant had one: bring back the one that it had"
    )
