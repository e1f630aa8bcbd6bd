""":class:`TenantManager`: the tenants of one service, from onboarding to purge, and a session for each.

It needs a PostgreSQL database of its own, the registry, and the service's tables as SQLAlchemy metadata. Every change
of a tenant's status goes through :class:`~mt_paas.core.lifecycle.TenantLifecycle` and leaves a row. For one tenant one
such call works at a time, whatever the number of processes: another raises
:class:`~mt_paas.errors.OperationInProgress` and leaves nothing behind.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from mt_paas.errors import (
    InvalidTenantId,
    MissingExtraError,
    OperationInProgress,
    ServiceNotReady,
)

try:
    from sqlalchemy import URL, MetaData
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
    from sqlalchemy.pool import NullPool
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.core.manager", "sqlalchemy") from error

from mt_paas.core.clock import Clock, utc_now
from mt_paas.core.database.isolation import Isolation
from mt_paas.core.database.per_database import DatabasePerTenant
from mt_paas.core.database.server import connect_args, parse_url
from mt_paas.core.lifecycle import TenantStatus, check
from mt_paas.core.operation import OperationTools, TenantLock, TenantOperation
from mt_paas.core.registry import Registry, ServiceIdentity
from mt_paas.core.schemas import Profile, Tenant, TenantPage, Transition
from mt_paas.standard_api.models import TENANT_ID_PATTERN
from mt_paas.utils.pool_settings import PoolSettings

__all__ = ["TenantManager"]

_SWEEP_AT_ONCE = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a manager works with between ``start`` and ``close``."""

    engine: AsyncEngine
    admin: AsyncEngine
    lock: TenantLock
    registry: Registry
    isolation: Isolation


class TenantManager:
    """The tenants of ``service_id``. Use it as an async context manager, or call ``start`` and ``close``.

    ``database_url`` may be a coroutine function: it is called at ``start``, for a server that has to be started first.
    ``metadata`` are the tables that each tenant has. ``secret`` is what passwords and links are derived from; without
    one it is generated once and kept in the registry. Data of a deactivated tenant are kept for ``retention``. Names of
    databases and roles begin with ``tenant_prefix``: services that share a server need one each.
    """

    def __init__(
        self,
        database_url: str | Callable[[], Awaitable[str]],
        *,
        service_id: str,
        metadata: MetaData | None = None,
        secret: str | None = None,
        retention: timedelta = timedelta(days=90),
        tenant_prefix: str = "tnnt_",
        pools: PoolSettings | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.service_id = service_id
        self.clock = clock
        self._database_url = database_url
        self._metadata = metadata or MetaData()
        self._secret = secret
        self._retention = retention
        self._tenant_prefix = tenant_prefix
        self._bounds = pools or PoolSettings()
        self._running: tuple[_Parts, ServiceIdentity] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Get ready: make the registry and the tenants' template where they are missing."""
        given = self._database_url
        parts = self._build(parse_url(given if isinstance(given, str) else await given()))
        try:
            identity = await parts.registry.start(self.service_id, self._secret)
            async with parts.lock.connect() as connection:
                await parts.isolation.start(connection, identity)
        except BaseException:
            await _close(parts)
            raise
        self._running = parts, identity

    async def close(self) -> None:
        """Close every connection. Calls from now on raise :class:`~mt_paas.errors.ServiceNotReady`."""
        running, self._running = self._running, None
        if running is not None:
            await _close(running[0])

    @property
    def identity(self) -> ServiceIdentity:
        """Whose registry this is. Raises :class:`~mt_paas.errors.ServiceNotReady` before ``start``."""
        if self._running is None:
            raise ServiceNotReady
        return self._running[1]

    @asynccontextmanager
    async def operation(self, tenant_id: str, *, actor: str = "service") -> AsyncIterator[TenantOperation]:
        """Hold the tenant for several steps. Raises :class:`~mt_paas.errors.OperationInProgress` when it is held."""
        _require_tenant_id(tenant_id)
        parts = self._parts
        tools = OperationTools(parts.registry, parts.isolation, self.clock, self._retention)
        async with parts.lock.hold(tenant_id) as connection:
            yield TenantOperation(tools, connection, tenant_id, actor)

    async def onboard_tenant(
        self,
        tenant_id: str,
        name: str,
        service_type: str | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        plan: str = "basic",
        features: tuple[str, ...] = (),
    ) -> Tenant:
        """Write down a new tenant, ``pending``: it has no database yet. ``service_type`` is the service's id."""
        profile = Profile(
            name=name, service_type=service_type or self.service_id, plan=plan, features=features, config=config or {}
        )
        async with self.operation(tenant_id) as operation:
            return await operation.onboard(profile)

    async def provision_tenant(self, tenant_id: str) -> Tenant:
        """Make an onboarded tenant real and ``active``; one that failed or was cut off is completed."""
        async with self.operation(tenant_id) as operation:
            return await operation.provision()

    @asynccontextmanager
    async def get_tenant_session(self, tenant_id: str) -> AsyncIterator[AsyncSession]:
        """Open a session on the tenant's database, as the tenant's role.

        It commits at the end and rolls back on an error. Raises :class:`~mt_paas.errors.TenantNotFound`, and
        :class:`~mt_paas.errors.TenantBlocked` for a tenant that is not open.
        """
        _require_tenant_id(tenant_id)
        tenant = await self._parts.registry.get(tenant_id)
        async with self.open_session(tenant) as session:
            yield session

    @asynccontextmanager
    async def open_session(self, tenant: Tenant) -> AsyncIterator[AsyncSession]:
        """Open a session for a tenant that was looked up just now; as ``get_tenant_session``."""
        tenant.require_open(self.clock())
        async with self._parts.isolation.session(tenant) as session:
            yield session

    async def get_tenant(self, tenant_id: str) -> Tenant:
        """Return the tenant. Raises :class:`~mt_paas.errors.TenantNotFound`."""
        return await self._parts.registry.get(tenant_id)

    async def list_tenants(
        self, *, cursor: str | None = None, limit: int = 100, status: TenantStatus | None = None
    ) -> TenantPage:
        """Return a page of up to ``limit`` tenants, ordered by id, with the cursor of the next."""
        return await self._parts.registry.page(cursor, limit, status)

    async def history(self, tenant_id: str) -> tuple[Transition, ...]:
        """Return every step of the tenant's life, oldest first; it outlives the tenant."""
        return await self._parts.registry.history(tenant_id)

    async def storage_bytes(self, tenant: Tenant) -> int:
        """Return how many bytes the tenant's data take on disk."""
        return await self._parts.isolation.storage_bytes(tenant)

    async def update_tenant(
        self,
        tenant_id: str,
        *,
        name: str | None = None,
        plan: str | None = None,
        features: tuple[str, ...] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Tenant:
        """Change an active tenant; what is left out stays."""
        given = {"name": name, "plan": plan, "features": features, "config": config}
        changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        async with self.operation(tenant_id) as operation:
            profile = replace((await operation.get()).profile, **changes)
            return await operation.update(profile, f"changed: {', '.join(changes) or 'nothing'}")

    async def suspend_tenant(self, tenant_id: str, reason: str) -> Tenant:
        """Block an active tenant for its users; its data are untouched."""
        async with self.operation(tenant_id) as operation:
            return await operation.suspend(reason)

    async def resume_tenant(self, tenant_id: str, reason: str = "resumed") -> Tenant:
        """Open a suspended tenant again."""
        async with self.operation(tenant_id) as operation:
            return await operation.resume(reason)

    async def deactivate_tenant(
        self, tenant_id: str, reason: str = "admin_request", *, preserve_data: bool = True, at: datetime | None = None
    ) -> Tenant:
        """Deactivate the tenant, now or when ``at`` has come; without ``preserve_data`` its data are deleted then."""
        async with self.operation(tenant_id) as operation:
            if at is not None and at > self.clock():
                check((await operation.settle()).status, TenantStatus.DEACTIVATING)
                return await operation.schedule(at, preserve_data=preserve_data)
            return await operation.deactivate(reason, preserve_data=preserve_data)

    async def reactivate_tenant(self, tenant_id: str) -> Tenant:
        """Bring a deactivated tenant back with its data. Raises :class:`~mt_paas.errors.TenantPurged` if it is late."""
        async with self.operation(tenant_id) as operation:
            return await operation.provision("reactivated")

    async def purge_tenant(self, tenant_id: str, reason: str = "purged") -> Tenant:
        """Delete the data of a deactivated tenant now, deadline or not; its id is not given out again."""
        async with self.operation(tenant_id) as operation:
            return await operation.purge(reason)

    async def sweep(self) -> int:
        """Do what is due for all tenants, and return how many steps were taken.

        Scheduled deactivations whose time has come, data whose deadline is over, and what a crash cut off. Any number
        of processes may sweep at once; a tenant that is held, or fails, is left for the next sweep.
        """
        done = 0
        for tenant_id in await self._parts.registry.overdue(self.clock(), _SWEEP_AT_ONCE):
            try:
                async with self.operation(tenant_id, actor="sweep") as operation:
                    await operation.settle()
                done += 1
            except OperationInProgress:
                continue
            except Exception as error:  # noqa: BLE001 - one tenant's trouble, whatever it is, does not stop the others
                _log.warning("the sweep leaves tenant %s for the next time: %s", tenant_id, type(error).__name__)
        return done

    async def check_database(self) -> None:
        """Return when the registry answers. Raises :class:`~mt_paas.errors.ServiceNotReady` when it does not."""
        await self._parts.registry.ping()

    async def add_access_key(self, tenant: Tenant, digest: str) -> None:
        """Keep the access key of the tenant's activation. Raises ``LinkExpired`` when it has one already."""
        await self._parts.registry.add_key(tenant.tenant_id, tenant.activation, digest)

    async def find_by_access_key(self, digest: str) -> Tenant | None:
        """Return the tenant to which the access key with this digest belongs."""
        return await self._parts.registry.find_by_key(digest)

    @property
    def _parts(self) -> _Parts:
        if self._running is None:
            raise ServiceNotReady
        return self._running[0]

    def _build(self, url: URL) -> _Parts:
        bounds = self._bounds
        engine = create_async_engine(
            url,
            pool_size=bounds.registry,
            max_overflow=0,
            pool_timeout=bounds.patience,
            pool_pre_ping=True,
            connect_args=connect_args(url),
        )
        admin = create_async_engine(
            url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=connect_args(url)
        )
        isolation = DatabasePerTenant(engine, self._metadata, prefix=self._tenant_prefix, bounds=bounds)
        lock = TenantLock(admin, bounds.operations)
        return _Parts(engine, admin, lock, Registry(engine, self.clock), isolation)


async def _close(parts: _Parts) -> None:
    await parts.isolation.close()
    await parts.engine.dispose()
    await parts.admin.dispose()


def _require_tenant_id(tenant_id: str) -> None:
    if not re.fullmatch(TENANT_ID_PATTERN, tenant_id):
        raise InvalidTenantId
