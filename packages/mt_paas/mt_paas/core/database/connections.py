"""The connections of one process to its tenants' data: bounded as a whole, whatever the number of tenants.

A database (and the role that connects to it) has a pool that is opened when it is first needed. Ten thousand tenants
are not ten thousand pools: when all connections that the process may have are open and a tenant needs one, an idle
one is closed, of the pool that was used the longest ago. A session that can not have one waits, and is told at the end
of its patience.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from types import TracebackType

from sqlalchemy import URL, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import greenlet_spawn

from mt_paas.core.database.idle_pool import IdlePool
from mt_paas.core.database.server import to_its_end
from mt_paas.core.database.transactions import (
    FENCE,
    NO_FENCE,
    SNAPSHOT,
    Fence,
    begin_ahead,
    create_tenant_engine,
    take_back,
)
from mt_paas.core.faults import told_when_away
from mt_paas.errors import ServiceNotReady

__all__ = ["Connections", "Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tenant's data are: the name of the pool, how to connect (asked once a pool), and the tenant's fence.

    A new pool has up to ``size`` connections; without a number, as many as one tenant may have. ``check`` is given
    each new connection before anybody uses it; what it raises is told to who wanted the connection, which is closed.
    """

    pool: str
    url: Callable[[], Awaitable[URL]]
    fence: Fence = NO_FENCE
    size: int | None = None
    check: Callable[[DBAPIConnection], None] | None = None


class _Pool:
    """The connections to one database: ``open`` at present, of which ``leases`` are spoken for by ``users``."""

    def __init__(self, engine: AsyncEngine, size: int) -> None:
        self.engine = engine
        self.size = size
        self.slots = asyncio.Semaphore(size)
        self.users = self.leases = self.open = 0
        self.discarded = False
        event.listen(engine.sync_engine, "connect", self._opened)
        event.listen(engine.sync_engine, "close", self._closed)

    @property
    def idle(self) -> IdlePool:
        """The connections that nobody uses."""
        pool = self.engine.sync_engine.pool
        assert isinstance(pool, IdlePool)  # noqa: S101 - create_tenant_engine says so
        return pool

    @property
    def needs(self) -> int:
        """How many connections the pool has, or is about to have."""
        return max(self.open, self.leases)

    def _opened(self, _: object, record: ConnectionPoolEntry) -> None:
        record.info["counted"] = True
        self.open += 1

    def _closed(self, _: object, record: ConnectionPoolEntry | None) -> None:
        if record is not None and record.info.pop("counted", False):  # or it was cut off while it opened
            self.open -= 1


class Connections:
    """Up to ``limit`` connections in all, and up to ``size`` to one database.

    ``pooled`` says that a pooler stands before the databases. Whoever waits for a connection longer than ``patience``
    seconds is told :class:`~mt_paas.errors.ServiceNotReady`.
    """

    def __init__(self, *, limit: int, size: int, patience: float, pooled: bool = False) -> None:
        self._limit = limit
        self._size = min(size, limit)
        self._patience = patience
        self.pooled = pooled
        self._places = asyncio.Semaphore(limit)
        self._pools: OrderedDict[str, _Pool] = OrderedDict()
        self._discarded: set[_Pool] = set()
        self._closing = asyncio.Lock()

    def __len__(self) -> int:
        """Return how many pools are open."""
        return len(self._pools)

    @property
    def open(self) -> int:
        """How many connections are open, or about to be."""
        return sum(pool.needs for pool in self._all())

    def _all(self) -> list[_Pool]:
        """Return the pools, the one that was used the longest ago first; those that nobody new gets before them."""
        return [*self._discarded, *self._pools.values()]

    def session(self, place: Place, *, snapshot: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session at ``place``, whose transactions begin within its fence.

        One for a ``snapshot`` reads everything as it was at its beginning, and writes nothing.

        It commits at the end and rolls back on an error, and can not be used after that.
        """
        return _Visit(self, place, snapshot=snapshot)

    async def discard(self, name: str) -> None:
        """Close the pool of this name: now, or when the last session that uses it ends."""
        pool = self._pools.pop(name, None)
        if pool is not None:
            pool.discarded = True
            self._discarded.add(pool)
            await self._tidy(name, pool)

    async def close(self) -> None:
        """Close all pools."""
        for name in list(self._pools):
            await self.discard(name)

    async def lend(self, place: Place) -> _Pool:
        """Return the pool of ``place``, in which there is room for one more connection; ``give_back`` ends that."""
        pool = self._pools.get(place.pool) or await self._add(place)
        pool.users += 1
        try:
            await self._enter(pool)
        except BaseException:
            pool.users -= 1
            await self._tidy(place.pool, pool)
            raise
        pool.leases += 1
        if pool.leases > pool.open:
            try:
                await self._make_room()
            except BaseException:
                await self.give_back(place.pool, pool)
                raise
        return pool

    async def give_back(self, name: str, pool: _Pool) -> None:
        """End what ``lend`` began. The connection is back in its pool, or closed."""
        pool.leases -= 1
        self._places.release()
        pool.slots.release()
        pool.users -= 1
        if not pool.users:
            await self._tidy(name, pool)

    async def _add(self, place: Place) -> _Pool:
        url = await place.url()
        pool = self._pools.get(place.pool)  # which somebody else may have opened meanwhile
        if pool is None:
            engine = create_tenant_engine(url, pooled=self.pooled)
            if place.check is not None:
                event.listen(engine.sync_engine, "connect", partial(_checked, place.check))
            pool = _Pool(engine, min(place.size or self._size, self._limit))
            self._pools[place.pool] = pool
        return pool

    async def _enter(self, pool: _Pool) -> None:
        if not (pool.slots.locked() or self._places.locked()):
            await pool.slots.acquire()
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._patience):
                await pool.slots.acquire()
                try:
                    await self._places.acquire()
                except BaseException:
                    pool.slots.release()
                    raise
        except TimeoutError as error:
            raise ServiceNotReady("All database connections are in use; try again shortly.") from error

    async def _tidy(self, name: str, pool: _Pool) -> None:
        """Close a pool that nobody wants any more; forget one that came to nothing; note that the others were used."""
        if pool.users:
            return
        if pool.discarded:
            await to_its_end(pool.engine.dispose())
            pool.idle.dispose()  # the one that the engine has now
            self._discarded.discard(pool)
        elif self._pools.get(name) is pool:
            if pool.open:
                self._pools.move_to_end(name)
            else:
                self._forget(name)

    async def _make_room(self) -> None:
        """Close idle connections until what is open, or spoken for, is within the limit.

        There are enough of them, or on their way to be closed: no more sessions are let in than the limit says.
        """
        if self.open <= self._limit:
            return
        async with self._closing:
            while self.open > self._limit:
                pool = next((pool for pool in self._all() if pool.open > pool.leases and len(pool.idle)), None)
                if pool is None:
                    return
                await to_its_end(greenlet_spawn(pool.idle.take_oldest().close))
                for name in [name for name, pool in self._pools.items() if not (pool.open or pool.users)]:
                    self._forget(name)

    def _forget(self, name: str) -> None:
        """Forget an empty pool. What somebody still opens by its engine, past all bounds, is closed and not kept."""
        self._pools.pop(name).idle.dispose()


class _Visit(AbstractAsyncContextManager[AsyncSession]):
    """A session that is open for a block. Every request of a tenant has one, and a generator would take longer."""

    __slots__ = ("_connections", "_place", "_pool", "_session", "_snapshot")

    def __init__(self, connections: Connections, place: Place, *, snapshot: bool) -> None:
        self._connections = connections
        self._place = place
        self._snapshot = snapshot

    async def __aenter__(self) -> AsyncSession:
        place = self._place
        self._pool = pool = await self._connections.lend(place)
        try:
            with told_when_away("The tenant's database"):
                self._session = await self._begin(pool, place.fence)
        except BaseException:
            await self._connections.give_back(place.pool, pool)
            raise
        return self._session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session = self._session
        try:
            try:
                if error is None:
                    await session.commit()
                else:
                    await session.rollback()
            finally:
                if session.in_transaction():
                    await session.__aexit__(None, None, None)  # to its end, whoever is cancelled
                else:
                    session.sync_session.close()  # which has nothing to wait for
        finally:
            await self._connections.give_back(self._place.pool, self._pool)

    async def _begin(self, pool: _Pool, fence: Fence) -> AsyncSession:
        """Return a session that has begun its first transaction; connections that the server ended are gone through."""
        snapshot, pooled = self._snapshot, self._connections.pooled
        options = {FENCE: fence, SNAPSHOT: True} if snapshot else {FENCE: fence}
        while True:
            idle, left = pool.idle.next, pool.open
            if idle is not None:
                begin_ahead(idle, fence, snapshot=snapshot, pooled=pooled)
            session = AsyncSession(
                pool.engine, expire_on_commit=False, close_resets_only=False, execution_options=options
            )
            try:
                beginning = greenlet_spawn(session.sync_session.connection)
                await (to_its_end(beginning) if idle is None else beginning)
            except BaseException as error:
                await session.__aexit__(None, None, None)
                if isinstance(error, DBAPIError) and error.connection_invalidated and pool.open < left:
                    continue
                raise
            finally:
                if idle is not None:
                    take_back(idle)
            return session


def _checked(check: Callable[[DBAPIConnection], None], connection: DBAPIConnection, _: object) -> None:
    """Close a new connection that does not pass: the pool has not counted it yet."""
    try:
        check(connection)
    except BaseException:
        connection.close()
        raise
