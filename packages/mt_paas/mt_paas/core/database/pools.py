"""The connections to the tenants' databases, bounded as a whole.

Each tenant has its own pool, because each connects as a role of its own. Ten thousand tenants are not ten thousand
pools: at most ``limit`` are open, and the one that was idle the longest closes when another is needed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from mt_paas.core.database.server import connect_args
from mt_paas.core.schemas import Tenant
from mt_paas.errors import ServiceNotReady
from mt_paas.utils.pool_settings import PoolSettings

__all__ = ["TenantPools"]


@dataclass(slots=True)
class _Pool:
    engine: AsyncEngine
    leases: int = 0
    discarded: bool = False


class TenantPools:
    """Engines by tenant, within ``bounds``; ``address`` tells where a tenant's database is, and as whom to connect."""

    def __init__(self, address: Callable[[Tenant], URL], bounds: PoolSettings) -> None:
        self._address = address
        self._bounds = bounds
        self._pools: OrderedDict[str, _Pool] = OrderedDict()
        self._opening = asyncio.Lock()
        self._released = asyncio.Event()

    def __len__(self) -> int:
        return len(self._pools)

    @asynccontextmanager
    async def lease(self, tenant: Tenant) -> AsyncIterator[AsyncEngine]:
        """Lend the tenant's engine: while it is lent, it is not closed.

        Raises :class:`~mt_paas.errors.ServiceNotReady` when all pools are in use for longer than ``patience`` seconds.
        """
        pool = self._pools.get(tenant.tenant_id) or await self._open(tenant)
        pool.leases += 1
        self._pools.move_to_end(tenant.tenant_id)
        try:
            yield pool.engine
        finally:
            pool.leases -= 1
            if not pool.leases:
                self._released.set()
                if pool.discarded:
                    await pool.engine.dispose()

    async def discard(self, tenant: Tenant) -> None:
        """Close the tenant's pool: now, or when the last session that uses it ends."""
        await self._discard(tenant.tenant_id)

    async def close(self) -> None:
        """Close all pools."""
        for tenant_id in list(self._pools):
            await self._discard(tenant_id)

    async def _discard(self, tenant_id: str) -> None:
        pool = self._pools.pop(tenant_id, None)
        if pool is None:
            return
        pool.discarded = True
        if not pool.leases:
            await pool.engine.dispose()

    async def _open(self, tenant: Tenant) -> _Pool:
        try:
            async with asyncio.timeout(self._bounds.patience), self._opening:
                while tenant.tenant_id not in self._pools and len(self._pools) >= self._bounds.limit:
                    await self._close_one()
        except TimeoutError as error:
            raise ServiceNotReady("All database connections are in use; try again shortly.") from error
        pool = self._pools.get(tenant.tenant_id)
        if pool is None:
            url = self._address(tenant)
            engine = create_async_engine(
                url,
                pool_size=self._bounds.size,
                max_overflow=0,
                pool_timeout=self._bounds.patience,
                pool_pre_ping=True,
                connect_args=connect_args(url),
            )
            pool = self._pools[tenant.tenant_id] = _Pool(engine)
        return pool

    async def _close_one(self) -> None:
        """Close the idle pool that was used the longest ago, or wait until one is idle."""
        self._released.clear()
        for tenant_id, pool in self._pools.items():
            if not pool.leases:
                del self._pools[tenant_id]
                await pool.engine.dispose()
                return
        await self._released.wait()
