"""The connections of one process to its tenants' data: bounded as a whole, whatever the number of tenants.

A database (and the role that connects to it) has a pool that is opened when it is first needed. Ten thousand tenants
are not ten thousand pools: when all connections that the process may have are open and a tenant needs one, an idle
one is closed, of the pool that was used the longest ago. A session that can not have one waits, and is told at the end
of its patience.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy import URL, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.pool import ConnectionPoolEntry

from mt_paas.core.database.server import to_its_end
from mt_paas.core.database.transactions import FENCE, NO_FENCE, SNAPSHOT, Fence, create_tenant_engine
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
        self.slots = asyncio.Semaphore(size)
        self.users = self.leases = self.open = 0
        self.discarded = False
        event.listen(engine.sync_engine, "connect", self._opened)
        event.listen(engine.sync_engine, "close", self._closed)

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
        self._pooled = pooled
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

    @asynccontextmanager
    async def session(self, place: Place, *, snapshot: bool = False) -> AsyncIterator[AsyncSession]:
        """Open a session at ``place``, whose transactions begin within its fence.

        One for a ``snapshot`` reads everything as it was at its beginning, and writes nothing.

        It commits at the end and rolls back on an error, and can not be used after that.
        """
        options = {FENCE: place.fence, SNAPSHOT: True} if snapshot else {FENCE: place.fence}
        async with (
            self._lease(place) as pool,
            AsyncSession(
                pool.engine, expire_on_commit=False, close_resets_only=False, execution_options=options
            ) as session,
        ):
            with told_when_away("The tenant's database"):
                await _begin(session, pool)
            try:
                yield session
            except BaseException:
                await session.rollback()
                raise
            await session.commit()

    async def discard(self, name: str) -> None:
        """Close the pool of this name: now, or when the last session that uses it ends."""
        pool = self._pools.pop(name, None)
        if pool is not None:
            pool.discarded = True
            self._discarded.add(pool)
            await self._leave(name, pool)

    async def close(self) -> None:
        """Close all pools."""
        for name in list(self._pools):
            await self.discard(name)

    @asynccontextmanager
    async def _lease(self, place: Place) -> AsyncIterator[_Pool]:
        pool = self._pools.get(place.pool) or await self._add(place)
        pool.users += 1
        try:
            await self._enter(pool)
            pool.leases += 1
            try:
                await self._make_room()
                yield pool
            finally:
                pool.leases -= 1
                self._places.release()
                pool.slots.release()
        finally:
            pool.users -= 1
            await self._leave(place.pool, pool)

    async def _add(self, place: Place) -> _Pool:
        url = await place.url()
        pool = self._pools.get(place.pool)  # which somebody else may have opened meanwhile
        if pool is None:
            size = min(place.size or self._size, self._limit)
            shared = place.fence != NO_FENCE
            engine = create_tenant_engine(url, size=size, patience=self._patience, shared=shared, pooled=self._pooled)
            if place.check is not None:
                event.listen(engine.sync_engine, "connect", partial(_checked, place.check))
            pool = _Pool(engine, size)
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

    async def _leave(self, name: str, pool: _Pool) -> None:
        """Close a pool that nobody wants any more; forget one that came to nothing; note that the others were used."""
        if pool.users:
            return
        if pool.discarded:
            await pool.engine.dispose()
            self._discarded.discard(pool)
        elif self._pools.get(name) is pool:
            if pool.open:
                self._pools.move_to_end(name)
            else:
                del self._pools[name]

    async def _make_room(self) -> None:
        """Close idle connections until what is open, or spoken for, is within the limit.

        There are enough of them: no more sessions are let in than the limit says.
        """
        if self.open <= self._limit:
            return
        async with self._closing:
            while self.open > self._limit:
                idle = next(pool for pool in self._all() if pool.open > pool.leases)
                connection = await idle.engine.connect()
                await connection.invalidate()
                await connection.close()
                for name in [name for name, pool in self._pools.items() if not (pool.open or pool.users)]:
                    del self._pools[name]


def _checked(check: Callable[[DBAPIConnection], None], connection: DBAPIConnection, _: object) -> None:
    """Close a new connection that does not pass: the pool has not counted it yet."""
    try:
        check(connection)
    except BaseException:
        connection.close()
        raise


async def _begin(session: AsyncSession, pool: _Pool) -> None:
    """Begin the session's first transaction; connections that the server has ended meanwhile are gone through."""
    while True:
        left = pool.open
        try:
            if pool.open < pool.leases:  # a new one is opened
                await to_its_end(session.connection())
            else:
                await session.connection()
            return
        except DBAPIError as error:
            if not (error.connection_invalidated and pool.open < left):
                raise
            await session.rollback()
