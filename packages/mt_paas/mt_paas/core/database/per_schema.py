"""``SCHEMA_PER_TENANT``: a tenant is a schema ``tnnt_<slug>`` in the shared database of the service.

A schema is made, filled, fenced and marked in one transaction: there is a whole one or none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from mt_paas.core.database.blueprint import Blueprint
from mt_paas.core.database.connections import Connections
from mt_paas.core.database.names import fit, quote
from mt_paas.core.database.schema_tables import SchemaTables
from mt_paas.core.database.server import literal, run
from mt_paas.core.database.shared import RELATIONS, SharedDatabase
from mt_paas.core.faults import told_when_away
from mt_paas.core.identity import ServiceIdentity
from mt_paas.core.schemas import Tenant
from mt_paas.core.tenant_tables import TABLES
from mt_paas.errors import ConfigurationError, MtPaasError

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

__all__ = ["SchemaPerTenant"]

_SIZE = text(
    "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class"  # noqa: S608 - a constant
    f" WHERE oid = {RELATIONS} AND relkind IN ('r', 'm')"
)


class SchemaPerTenant:
    """A schema for each tenant; its sessions find its tables by ``search_path``, and no other's."""

    name = "SCHEMA_PER_TENANT"

    def __init__(self, shared: SharedDatabase, connections: Connections, blueprint: Blueprint, *, prefix: str) -> None:
        self._shared = shared
        self._connections = connections
        self._blueprint = blueprint
        self._prefix = prefix

    async def start(self, connection: AsyncConnection, identity: ServiceIdentity) -> None:
        """Make the shared database, unless it is there."""
        if named := self._blueprint.schemas:
            raise ConfigurationError(
                f"the service's tables are in schemas of their own ({', '.join(named)}), which can not be had in a "
                f"{self.name}: leave out the schemas, or keep tenants in DATABASE_PER_TENANT"
            )
        await self._shared.start(connection, identity)
        self._identity = identity
        self._tables = SchemaTables(self._blueprint)

    async def close(self) -> None:
        """Close the service's connections to the shared database."""
        await self._shared.close()

    def place(self, tenant_id: str) -> str:
        """Return the name of the tenant's schema."""
        return fit(self._prefix + tenant_id)

    async def create(self, connection: AsyncConnection, tenant: Tenant) -> bool:
        """Make the tenant's schema, unless it is there; tell whether it was not."""
        name, mark = tenant.database, self._mark(tenant)
        async with self._shared.owner.begin() as owner:
            found = await _mark_of(owner, name)
            if found == mark:
                return False
            if found is not None:
                raise ConfigurationError(
                    f"the schema {name} exists and is not tenant {tenant.tenant_id}'s: it is not adopted"
                )
            if tenant.activation:
                raise ConfigurationError(
                    f"the schema {name} of tenant {tenant.tenant_id} is not there, though it was active before: "
                    "restore it from a backup; an empty one would hide the loss"
                )
            enclose = (
                f"PERFORM mt_fence.enclose({literal(name)}, {literal(tenant.tenant_id)}, {literal(self._shared.role)})"
            )
            await self._tables.make(
                owner,
                before=(f"CREATE SCHEMA {quote(name)}", f"SET LOCAL search_path = {quote(name)}"),
                after=(enclose, f"COMMENT ON SCHEMA {quote(name)} IS {literal(mark)}"),
            )
        return True

    async def complete(self, tenant: Tenant) -> None:
        """Make what is missing of the library's own tables in the tenant's schema."""
        async with self.owner(tenant) as owner:
            await owner.run_sync(TABLES.create_all)
            await self.secure(owner, tenant)

    async def drop(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Drop the tenant's schema with all that is in it, and look whether it is gone."""
        name, mark = tenant.database, self._mark(tenant)
        async with self._shared.owner.begin() as owner:
            if await _mark_of(owner, name) == mark:
                await run(owner, f"DROP SCHEMA {quote(name)} CASCADE")
            if await _mark_of(owner, name) == mark:
                raise MtPaasError(f"the schema {name} is still there after it was dropped")

    async def shut(self, tenant: Tenant) -> None:
        """Do nothing: the connections are everybody's, and none is bound to a tenant beyond a transaction."""

    def session(self, tenant: Tenant, *, snapshot: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session that finds the tenant's tables; commits at the end, rolls back on an error."""
        return self._connections.session(self._shared.place(tenant.tenant_id, tenant.database), snapshot=snapshot)

    @asynccontextmanager
    async def owner(self, tenant: Tenant) -> AsyncIterator[AsyncConnection]:
        """Open a transaction as the owner of the tenant's schema, which comes first in its path."""
        with told_when_away("The tenant's database"):
            async with self._shared.owner.begin() as owner:
                await run(owner, f"SET LOCAL search_path = {quote(tenant.database)}")
                yield owner

    async def secure(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Put policies and privileges on the tables that have none."""
        await connection.execute(select(func.mt_fence.enclose(tenant.database, tenant.tenant_id, self._shared.role)))

    def prepare(self, context: MigrationContext) -> None:
        """Do nothing: the tables are the tenant's alone, and made as the migration says."""

    async def storage_bytes(self, tenant: Tenant) -> int:
        """Return the size of the tenant's tables, with their indexes, on disk."""
        with told_when_away("The tenant's database"):
            async with self._shared.owner.connect() as owner:
                return int(await owner.scalar(_SIZE, {"schema": quote(tenant.database)}) or 0)

    def _mark(self, tenant: Tenant) -> str:
        return self._identity.mark_of(tenant.tenant_id)


async def _mark_of(connection: AsyncConnection, name: str) -> str | None:
    """Return whom the schema belongs to, as its comment says: "" without a comment, null without a schema."""
    query = "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = :name"
    mark: str | None = await connection.scalar(text(query), {"name": name})
    return mark
