"""``DATABASE_PER_TENANT``: a tenant is a PostgreSQL database and a role of the same name, ``tnnt_<slug>``.

The database is cloned from the service's template. The role owns nothing, is a member of the group to which the
template grants its tables, and is the only one beside the service that may connect. Its password is derived from the
service's secret: it is neither stored nor sent to the server, which is given the SCRAM verifier.

What belongs to a tenant says so in its comment. A database or role of the right name without the right comment is
somebody else's and is refused. A database is made under a name that no other registry uses and gets its comment,
its privileges and its own name in one transaction; so a crash at any point leaves either a whole database or one
that the next attempt throws away.

The service's role needs CREATEDB and CREATEROLE, and need not be a superuser. Sessions of tenants may go through a
PgBouncer, in transaction mode too; the service itself needs the server: locks belong to connections.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy import URL, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from mt_paas.core.database.blueprint import Blueprint
from mt_paas.core.database.connections import Connections, Place
from mt_paas.core.database.names import fit, quote, staging_name
from mt_paas.core.database.server import (
    connect_alone,
    drop_database,
    literal,
    look,
    run,
    run_together,
    through,
)
from mt_paas.core.database.spares import Spares
from mt_paas.core.database.template import complete, ensure_template, fingerprint, grant_new_schemas
from mt_paas.core.faults import told_when_away
from mt_paas.core.identity import ServiceIdentity
from mt_paas.core.schemas import Tenant
from mt_paas.errors import ConfigurationError, MtPaasError, ServiceNotReady
from mt_paas.utils.security import derive_token, scram_sha256

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

__all__ = ["DatabasePerTenant"]

_ITERATIONS = 1  # of a password with 256 bits: more would only make each new tenant and each connection slower


class DatabasePerTenant:
    """A database and a role for each tenant, on the server of ``engine``, where the registry is too."""

    name = "DATABASE_PER_TENANT"

    def __init__(
        self,
        engine: AsyncEngine,
        connections: Connections,
        blueprint: Blueprint,
        *,
        prefix: str,
        spares: Spares,
        pooler: str | None = None,
    ) -> None:
        self._engine = engine
        self._connections = connections
        self._prefix = prefix
        self._blueprint = blueprint
        self._spares = spares
        self._pooler = pooler
        self._identity: ServiceIdentity | None = None
        self._template = self._group = ""

    async def start(self, connection: AsyncConnection, identity: ServiceIdentity) -> None:
        """Make the template that tenants are cloned from, unless it is there."""
        await _require_rights(connection)
        self._template, self._group = await ensure_template(connection, self._engine.url, identity, self._blueprint)
        self._identity = identity
        self._spares.start(identity, self._template, fingerprint(self._blueprint))

    async def close(self) -> None:
        """Stop making spares."""
        await self._spares.close()

    def place(self, tenant_id: str) -> str:
        """Return the name of the tenant's database, and of its role."""
        return fit(self._prefix + tenant_id)

    async def create(self, connection: AsyncConnection, tenant: Tenant) -> bool:
        """Make the tenant's role and database, or what is missing of them; tell whether the database is new."""
        name, mark = tenant.database, self._mark(tenant)
        staging = staging_name(self._started.registry_id, name)
        seen = await look(connection, name, staging=staging, spares=self._spares.begin)
        for kind, found in (("role", seen.role), ("database", seen.database)):
            if found not in {None, mark}:
                raise _taken(kind, name)
        role = self._role(tenant, is_new=seen.role is None)
        if seen.database is not None:
            await run_together(connection, *role)
            return False
        if tenant.activation:
            raise ConfigurationError(
                f"the database {name} of tenant {tenant.tenant_id} is not there, though it was active before: "
                "restore it from a backup; an empty one would hide the loss"
            )
        own = (
            *role,
            f"GRANT CONNECT, TEMPORARY ON DATABASE {{}} TO {quote(name)}",
            f"COMMENT ON DATABASE {{}} IS {literal(mark)}",
            f"ALTER DATABASE {{}} RENAME TO {quote(name)}",
        )
        if await self._spares.take(connection, seen.spares, own):
            return True
        if seen.staging:
            await drop_database(connection, staging)
        await run(connection, f"CREATE DATABASE {quote(staging)} TEMPLATE {quote(self._template)}")
        own = ("REVOKE ALL ON DATABASE {} FROM PUBLIC", *own)
        await run_together(connection, *(statement.format(quote(staging)) for statement in own))
        return True

    async def complete(self, tenant: Tenant) -> None:
        """Make what is missing of the library's own tables in the tenant's database, as their owner."""
        with told_when_away("The tenant's database"):
            await complete(self._engine.url.set(database=tenant.database))

    async def drop(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Drop the tenant's database with whoever is connected, and its role, and look whether both are gone."""
        await self._connections.discard(tenant.database)
        name, mark = tenant.database, self._mark(tenant)
        staging = staging_name(self._started.registry_id, name)
        seen = await look(connection, name, staging=staging)
        if seen.role == mark:  # nobody new comes in, and the service may end the connections that are left
            await run_together(connection, f"ALTER ROLE {quote(name)} NOLOGIN", f"GRANT {quote(name)} TO CURRENT_USER")
        if seen.staging:
            await drop_database(connection, staging)
        if seen.database == mark:
            await drop_database(connection, name)
        if seen.role == mark:
            await run(connection, f"DROP ROLE {quote(name)}")
        left = await look(connection, name)
        if mark in {left.database, left.role}:
            raise MtPaasError(f"the database or role {name} is still there after it was dropped")

    async def shut(self, tenant: Tenant) -> None:
        """Close the tenant's pool."""
        await self._connections.discard(tenant.database)

    def session(self, tenant: Tenant, *, snapshot: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session as the tenant's role; commits at the end, rolls back on an error."""

        async def address() -> URL:
            return self._address(tenant)

        return self._connections.session(Place(tenant.database, address), snapshot=snapshot)

    @asynccontextmanager
    async def owner(self, tenant: Tenant) -> AsyncIterator[AsyncConnection]:
        """Open a transaction on the tenant's database, as the service that owns it."""
        url = self._engine.url.set(database=tenant.database)
        with told_when_away("The tenant's database"):
            async with connect_alone(url) as connection, connection.begin():
                yield connection

    async def secure(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Grant what is in schemas that were made since. In the others the template's defaults do."""
        await grant_new_schemas(connection, self._group)

    def prepare(self, context: MigrationContext) -> None:
        """Do nothing: the tables are the tenant's alone, and made as the migration says."""

    async def storage_bytes(self, tenant: Tenant) -> int:
        """Return the size of the tenant's database on disk."""
        with told_when_away("The registry of this service"):
            async with self._engine.connect() as connection:
                size = await connection.scalar(select(func.pg_database_size(tenant.database)))
        return int(size or 0)

    def _role(self, tenant: Tenant, *, is_new: bool) -> tuple[str, ...]:
        """Return what makes the tenant's role, or opens the one that is there."""
        name = quote(tenant.database)
        login = f"LOGIN PASSWORD {literal(scram_sha256(self._password(tenant), iterations=_ITERATIONS))}"
        if not is_new:
            return (f"ALTER ROLE {name} {login}",)
        return (
            f"CREATE ROLE {name} {login} IN ROLE {quote(self._group)}",
            f"COMMENT ON ROLE {name} IS {literal(self._mark(tenant))}",
        )

    @property
    def _started(self) -> ServiceIdentity:
        if self._identity is None:
            raise ServiceNotReady
        return self._identity

    def _mark(self, tenant: Tenant) -> str:
        return self._started.mark_of(tenant.tenant_id)

    def _password(self, tenant: Tenant) -> str:
        identity = self._started
        return derive_token(identity.secret, "role", str(identity.registry_id), tenant.tenant_id)

    def _address(self, tenant: Tenant) -> URL:
        name = tenant.database
        url = self._engine.url.set(username=name, password=self._password(tenant), database=name)
        return through(url, self._pooler)


async def _require_rights(connection: AsyncConnection) -> None:
    query = "SELECT rolsuper OR (rolcreatedb AND rolcreaterole) FROM pg_roles WHERE rolname = current_user"
    if not await connection.scalar(text(query)):
        raise ConfigurationError(
            "the database role of this service can not make databases and roles for its tenants: "
            "ALTER ROLE <it> CREATEDB CREATEROLE"
        )


def _taken(kind: str, name: str) -> ConfigurationError:
    return ConfigurationError(
        f"the {kind} {name} exists on this server and was not made by this registry: it is never adopted. "
        "Rename or drop it, or give this service's tenants another prefix (MT_TENANT_PREFIX)"
    )
