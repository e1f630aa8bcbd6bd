"""What a :class:`~mt_paas.core.manager.TenantManager` works with between its start and its end, put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Self

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from mt_paas.core.access_keys import AccessKeys
from mt_paas.core.clock import Clock
from mt_paas.core.database.blueprint import Blueprint
from mt_paas.core.database.isolations import IsolationPlan, Isolations
from mt_paas.core.database.server import connect_args, ping_when_idle
from mt_paas.core.key_store import KeyStore
from mt_paas.core.operation import TenantLock
from mt_paas.core.operation_store import OperationStore
from mt_paas.core.registry import Registry
from mt_paas.errors import ConfigurationError
from mt_paas.utils.pool_settings import PoolSettings

__all__ = ["Parts"]


@dataclass(frozen=True, slots=True)
class Parts:
    """The registry and what is asked of it, the right to take a step in a tenant's life, and where tenants are."""

    engine: AsyncEngine
    admin: AsyncEngine
    lock: TenantLock
    registry: Registry
    keys: KeyStore
    access_keys: AccessKeys
    operations: OperationStore
    isolation: Isolations

    @classmethod
    def build(
        cls,
        url: URL,
        blueprint: Blueprint,
        plan: IsolationPlan,
        *,
        prefix: str,
        bounds: PoolSettings,
        clock: Clock,
        keys_changed: Callable[[str], None],
        on_purge: Mapping[str, Callable[[str], Awaitable[None]]],
    ) -> Self:
        """Put them together; nothing is connected yet. Raises :class:`~mt_paas.errors.ConfigurationError`."""
        if bounds.pooler is not None and url.drivername.endswith("asyncpg"):
            raise ConfigurationError(
                "sessions through a pooler (MT_POOLS__POOLER) need psycopg: with asyncpg what one tenant left on a "
                "connection may be wiped on another. Give the database's URL as postgresql://…"
            )
        engine, admin = (
            create_async_engine(
                url,
                isolation_level="AUTOCOMMIT",
                pool_size=size,
                max_overflow=0,
                pool_timeout=bounds.patience,
                connect_args=connect_args(url),
            )
            for size in (bounds.registry, bounds.operations)
        )
        lock = TenantLock(admin, bounds.operations, bounds.patience)
        return cls(
            engine=ping_when_idle(engine),
            admin=ping_when_idle(admin),
            lock=lock,
            registry=Registry(engine, clock, on_purge),
            keys=KeyStore(engine, clock),
            access_keys=AccessKeys(engine, clock, keys_changed),
            operations=OperationStore(engine, clock),
            isolation=Isolations(plan, engine, blueprint, prefix=prefix, bounds=bounds, connect=lock.connect),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.isolation.close()
        await self.engine.dispose()
        await self.admin.dispose()
