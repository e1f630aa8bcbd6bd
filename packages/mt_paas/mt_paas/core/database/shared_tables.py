"""``SHARED_TABLES``: tenants are rows, with the column ``tenant_id``, in tables that they share.

The service writes its tables and its queries as if there were one tenant. Here its tables get what sharing needs: the
column ``tenant_id``, which fills itself in; keys, unique constraints and references that begin with it, so that two
tenants may have the same number or address, and no row refers to another tenant's; and the fence around rows
(:mod:`mt_paas.core.database.shared`). A statement that names a conflict by its columns (``ON CONFLICT (id)``) does not
fit keys that have one more; by the name of the constraint it works with every isolation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from sqlalchemy import (
    Column,
    Constraint,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from mt_paas.core.database.blueprint import Blueprint
from mt_paas.core.database.connections import Connections
from mt_paas.core.database.names import quote
from mt_paas.core.database.server import run
from mt_paas.core.database.shared import RELATIONS, SharedDatabase
from mt_paas.core.faults import told_when_away
from mt_paas.core.identity import ServiceIdentity
from mt_paas.core.schemas import Tenant
from mt_paas.core.tenant_tables import TABLES
from mt_paas.errors import ConfigurationError, MtPaasError

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

__all__ = ["SCHEMA", "SharedTables", "share"]

#: The schema of the shared tables.
SCHEMA = "mt_shared"
_OWNER = "tenant_id"
_LOCK = 0x6D745F7061617303  # "mt_paas": one process at a time makes the tables
_OTHERS = text(
    f"SELECT EXISTS (SELECT FROM pg_class WHERE oid = {RELATIONS}"  # noqa: S608 - a constant
    " AND relkind IN ('r', 'p') AND relname <> ALL (:known))"
)
_REFERRERS = text(
    "SELECT c.relname, array_remove(array_agg(DISTINCT r.relname), NULL) FROM pg_class c"  # noqa: S608 - as above
    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = :owner AND NOT a.attisdropped"
    " LEFT JOIN pg_constraint f ON f.confrelid = c.oid AND f.contype = 'f' AND f.conrelid <> c.oid"
    " LEFT JOIN pg_class r ON r.oid = f.conrelid"
    f" WHERE c.oid = {RELATIONS} AND c.relkind IN ('r', 'p') GROUP BY c.relname"
)


class SharedTables:
    """Rows in tables that all tenants share, fenced by row-level security."""

    name = "SHARED_TABLES"

    def __init__(self, shared: SharedDatabase, connections: Connections, blueprint: Blueprint) -> None:
        self._shared = shared
        self._connections = connections
        self._blueprint = blueprint

    async def start(self, connection: AsyncConnection, identity: ServiceIdentity) -> None:
        """Make the shared database and its tables, or what is missing of them."""
        await self._shared.start(connection, identity)
        migrations = self._blueprint.migrations
        tables = share(TABLES) if migrations else share(self._blueprint.metadata, TABLES)
        async with self._shared.owner.begin() as owner:
            await owner.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            await run(owner, f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}", f"SET LOCAL search_path = {SCHEMA}")
            await owner.run_sync(tables.create_all)
            if migrations is not None and not await owner.scalar(
                _OTHERS, {"schema": SCHEMA, "known": [*tables.tables]}
            ):  # what is there already is brought on by `mt-paas tenants migrate`, as with all tenants
                await self._blueprint.make_own(owner, self.prepare)
            await owner.execute(select(func.mt_fence.enclose(SCHEMA, None, self._shared.role)))

    async def close(self) -> None:
        """Close the service's connections to the shared database."""
        await self._shared.close()

    def place(self, tenant_id: str) -> str:
        """Return the tenant's id: it is all that the rows have of it."""
        return tenant_id

    async def create(self, connection: AsyncConnection, tenant: Tenant) -> bool:
        """Do nothing: a tenant that has no rows is there already."""
        return False

    async def complete(self, tenant: Tenant) -> None:
        """Do nothing: the library's own tables are made at start."""

    async def drop(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Delete the tenant's rows, and look whether they are gone."""
        async with self._shared.owner.begin() as owner:
            tables = await _tables(owner)
            for table in tables:
                await owner.execute(text(f"DELETE FROM {SCHEMA}.{quote(table)} WHERE tenant_id = :id"), _id(tenant))  # noqa: S608 - names of our own tables
            for table in tables:
                left = text(f"SELECT FROM {SCHEMA}.{quote(table)} WHERE tenant_id = :id LIMIT 1")
                if (await owner.execute(left, _id(tenant))).first() is not None:
                    raise MtPaasError(f"rows of tenant {tenant.tenant_id} are still in {table} after they were deleted")

    async def shut(self, tenant: Tenant) -> None:
        """Do nothing: the connections are everybody's, and none is bound to a tenant beyond a transaction."""

    def session(self, tenant: Tenant, *, snapshot: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session that sees the tenant's rows; commits at the end, rolls back on an error."""
        return self._connections.session(self._shared.place(tenant.tenant_id, SCHEMA), snapshot=snapshot)

    @asynccontextmanager
    async def owner(self, tenant: Tenant | None = None) -> AsyncIterator[AsyncConnection]:
        """Open a transaction as the owner of the shared tables."""
        with told_when_away("The tenants' database"):
            async with self._shared.owner.begin() as owner:
                await run(owner, f"SET LOCAL search_path = {SCHEMA}")
                yield owner

    async def secure(self, connection: AsyncConnection, tenant: Tenant | None = None) -> None:
        """Put policies and privileges on the tables that have none. Those without ``tenant_id`` are refused."""
        await connection.execute(select(func.mt_fence.enclose(SCHEMA, None, self._shared.role)))

    def prepare(self, context: MigrationContext) -> None:
        """Have a migration make what it makes for tenants that share."""
        from mt_paas.core.migrations.sharing import share_operations

        share_operations(context, share)

    async def storage_bytes(self, tenant: Tenant) -> int:
        """Return the size of the tenant's rows, without the indexes that it shares."""
        with told_when_away("The tenant's database"):
            async with self._shared.owner.connect() as owner:
                parts = [
                    f"SELECT coalesce(sum(pg_column_size(t.*)), 0) AS n FROM {SCHEMA}.{quote(table)} t"  # noqa: S608 - names of our own tables
                    " WHERE tenant_id = :id"
                    for table in await _tables(owner)
                ]
                total = text(f"SELECT sum(n) FROM ({' UNION ALL '.join(parts)}) s")  # noqa: S608 - as above
                return int(await owner.scalar(total, _id(tenant)) or 0)


async def _tables(owner: AsyncConnection) -> list[str]:
    """Return the names of the tables that tenants share now, those that refer to others before these."""
    found = await owner.execute(_REFERRERS, {"schema": SCHEMA, "owner": _OWNER})
    referrers: dict[str, list[str]] = {row[0]: row[1] for row in found}
    try:
        return list(TopologicalSorter(referrers).static_order())
    except CycleError:  # no order is better than another
        return sorted(referrers)


def share(*metadata: MetaData) -> MetaData:
    """Return the tables of ``metadata`` as tenants share them.

    Raises :class:`~mt_paas.errors.ConfigurationError` for what can not be shared: a column ``tenant_id`` of the
    service's own, tables in schemas, exclusion constraints.
    """
    shared = MetaData()
    for tables in metadata:
        for table in tables.sorted_tables:
            _share(table, shared)
    return shared


def _share(original: Table, shared: MetaData) -> None:
    if original.schema is not None:
        raise ConfigurationError(f"table {original.fullname} is in a schema of its own, which SHARED_TABLES has not")
    if _OWNER in original.c:
        raise ConfigurationError(
            f"table {original.name} has a column {_OWNER}, which SHARED_TABLES adds by itself: give it another name"
        )
    counted = original.autoincrement_column
    table = original.to_metadata(shared)
    if counted is not None:
        table.c[counted.name].autoincrement = True  # which is not the default in a key of two columns
    default = text("split_part(current_setting('mt.tenant'), ':', 1)")
    keyed = bool(table.primary_key.columns)
    table.append_column(Column(_OWNER, String(63), server_default=default, nullable=False, primary_key=keyed))
    for constraint in list(table.constraints):
        table.constraints.discard(constraint)
        table.append_constraint(_shared_constraint(constraint))
        if isinstance(constraint, ForeignKeyConstraint):
            for element in constraint.elements:  # of which one that is made afterwards would be found again
                element.parent.foreign_keys.discard(element)
                table.foreign_keys.discard(element)
    for index in list(table.indexes):
        table.indexes.discard(index)
        options = {f"postgresql_{key}": value for key, value in index.dialect_options["postgresql"].items() if value}
        Index(index.name, table.c[_OWNER], *index.expressions, unique=index.unique, **options)


def _shared_constraint(constraint: Constraint) -> Constraint:
    """Return what holds among tenants of what the service has said for one."""
    if isinstance(constraint, PrimaryKeyConstraint) and constraint.columns:
        rest = [name for name in constraint.columns.keys() if name != _OWNER]  # noqa: SIM118 - not of a mapping
        return PrimaryKeyConstraint(_OWNER, *rest, name=_name(constraint))
    if isinstance(constraint, UniqueConstraint):
        return UniqueConstraint(
            _OWNER,
            *constraint.columns.keys(),
            name=_name(constraint),
            deferrable=constraint.deferrable,
            initially=constraint.initially,
        )
    if isinstance(constraint, ForeignKeyConstraint):
        return _reference(constraint)
    if isinstance(constraint, ExcludeConstraint):
        raise ConfigurationError(f"{constraint.table} has an exclusion constraint, which tenants can not share")
    return constraint


def _reference(constraint: ForeignKeyConstraint) -> ForeignKeyConstraint:
    """Return the reference with the tenant in it: PostgreSQL checks references without regard to row-level security."""
    columns = [element.parent.name for element in constraint.elements]
    targets = [element.target_fullname for element in constraint.elements]
    there = targets[0].rsplit(".", 1)[0]
    ondelete = constraint.ondelete
    if ondelete is not None and ondelete.upper() in {"SET NULL", "SET DEFAULT"}:
        ondelete = f"{ondelete} ({', '.join(quote(name) for name in columns)})"
    return ForeignKeyConstraint(
        [_OWNER, *columns],
        [f"{there}.{_OWNER}", *targets],
        name=_name(constraint),
        onupdate=constraint.onupdate,
        ondelete=ondelete,
        deferrable=constraint.deferrable,
        initially=constraint.initially,
        use_alter=constraint.use_alter,
    )


def _name(constraint: Constraint) -> str | None:
    return constraint.name if isinstance(constraint.name, str) else None


def _id(tenant: Tenant) -> dict[str, str]:
    return {"id": tenant.tenant_id}
