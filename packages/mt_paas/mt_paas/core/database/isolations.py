"""The isolations of one service together: each tenant has one, and a new tenant gets the one that its plan asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from mt_paas.core.database.blueprint import Blueprint
from mt_paas.core.database.connections import Connections
from mt_paas.core.database.isolation import Isolation
from mt_paas.core.database.per_container import DatabaseOfContainer
from mt_paas.core.database.per_database import DatabasePerTenant
from mt_paas.core.database.per_schema import SchemaPerTenant
from mt_paas.core.database.shared import SharedDatabase
from mt_paas.core.database.shared_tables import SharedTables
from mt_paas.core.database.spares import Spares
from mt_paas.core.identity import ServiceIdentity
from mt_paas.core.schemas import Tenant
from mt_paas.errors import ConfigurationError
from mt_paas.utils.pool_settings import PoolSettings

__all__ = ["IsolationPlan", "Isolations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationPlan:
    """Which isolations a service has, and who gets which.

    ``supported`` are there for tenants; a new one gets what ``by_plan`` says for its plan, else ``default``. ``spares``
    is how many databases are kept ready. ``container_database`` tells the URL of the database that a tenant's
    containers have, as its owner; without it ``DOCKER_PER_TENANT`` is not to be had.
    """

    default: str = DatabasePerTenant.name
    supported: tuple[str, ...] = (DatabasePerTenant.name,)
    by_plan: Mapping[str, str] = field(default_factory=dict)
    spares: int = 0
    container_database: Callable[[Tenant], Awaitable[str]] | None = None

    def __post_init__(self) -> None:
        """Raise :class:`~mt_paas.errors.ConfigurationError` where somebody would get what is not there."""
        for who, name in {"by default": self.default, **{f"on plan {p}": n for p, n in self.by_plan.items()}}.items():
            if name not in self.supported:
                raise ConfigurationError(
                    f"the isolation of tenants is to be {name} {who}, which this service can not give: it has "
                    f"{', '.join(self.supported) or 'none'}"
                )


class Isolations:
    """All isolations of a service as one: what is asked about a tenant goes to the one that the tenant has."""

    def __init__(
        self,
        plan: IsolationPlan,
        engine: AsyncEngine,
        blueprint: Blueprint,
        *,
        prefix: str,
        bounds: PoolSettings,
        connect: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
    ) -> None:
        self._plan = plan
        self.connections = Connections(
            limit=bounds.tenants, size=bounds.size, patience=bounds.patience, pooled=bounds.pooler is not None
        )
        shared = SharedDatabase(engine, bounds)
        spares = Spares(plan.spares, connect)
        known: list[Isolation] = [
            DatabasePerTenant(engine, self.connections, blueprint, prefix=prefix, spares=spares, pooler=bounds.pooler),
            SchemaPerTenant(shared, self.connections, blueprint, prefix=prefix),
            SharedTables(shared, self.connections, blueprint),
        ]
        if plan.container_database is not None:
            known.append(DatabaseOfContainer(plan.container_database, self.connections, blueprint))
        self._known = {isolation.name: isolation for isolation in known if isolation.name in plan.supported}
        missing = [name for name in plan.supported if name not in self._known]
        if missing:
            raise ConfigurationError(f"this service can not keep tenants in {', '.join(missing)}")

    async def start(self, connection: AsyncConnection, identity: ServiceIdentity) -> None:
        """Get every isolation ready to create tenants."""
        for isolation in self._known.values():
            await isolation.start(connection, identity)

    async def close(self) -> None:
        """Close every pool."""
        await self.connections.close()
        for isolation in self._known.values():
            await isolation.close()

    @property
    def shared(self) -> SharedTables | None:
        """The tables that tenants share, where tenants may."""
        found = self._known.get(SharedTables.name)
        return found if isinstance(found, SharedTables) else None

    def choose(self, plan: str, wanted: str | None = None) -> Isolation:
        """Return the isolation of a new tenant: ``wanted``, or the one that its plan gets."""
        return self.named(wanted or self._plan.by_plan.get(plan, self._plan.default))

    def named(self, name: str) -> Isolation:
        """Return the isolation of this name. Raises :class:`~mt_paas.errors.ConfigurationError` if there is none."""
        try:
            return self._known[name]
        except KeyError:
            raise ConfigurationError(
                f"there is no isolation {name} in this service; it has {', '.join(self._known)}"
            ) from None

    def of(self, tenant: Tenant) -> Isolation:
        """Return the isolation that the tenant has."""
        return self.named(tenant.isolation)

    async def create(self, connection: AsyncConnection, tenant: Tenant) -> bool:
        """Make the tenant's place, and tell whether it was not there before."""
        return await self.of(tenant).create(connection, tenant)

    async def complete(self, tenant: Tenant) -> None:
        """Make what is missing of the library's own tables in the tenant's place."""
        await self.of(tenant).complete(tenant)

    async def drop(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Delete the tenant's place and all that is in it."""
        await self.of(tenant).drop(connection, tenant)

    async def shut(self, tenant: Tenant) -> None:
        """Close this process's connections to the tenant's data."""
        await self.of(tenant).shut(tenant)

    def session(self, tenant: Tenant, *, snapshot: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session that sees this tenant's data and no other's."""
        return self.of(tenant).session(tenant, snapshot=snapshot)

    def owner(self, tenant: Tenant) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a transaction as the owner of the tenant's tables."""
        return self.of(tenant).owner(tenant)

    async def secure(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Fence tables that were made since."""
        await self.of(tenant).secure(connection, tenant)

    async def storage_bytes(self, tenant: Tenant) -> int:
        """Return how many bytes the tenant's data take."""
        return await self.of(tenant).storage_bytes(tenant)
