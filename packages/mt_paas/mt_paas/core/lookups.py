"""What each request asks of the registry, remembered for as long as it is true: tenants, and access keys by digest.

PostgreSQL tells every process of every change, whoever made it: a trigger of the registry notifies, and one connection
of each process listens. Only while it does is anything remembered. The connection is tried each half second, so that
one which died without a word is noticed; what a process changes itself it forgets at once.

An answer that was read before a change and arrives after it is not remembered: each change counts up a number that
must still be the same. Keys that do not exist are never remembered, nor is anything beyond ``SIZE`` of each.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from mt_paas.core.access_keys import AccessKey
from mt_paas.core.database.server import connect_alone, run
from mt_paas.core.models import CHANGES
from mt_paas.core.schemas import Tenant

__all__ = ["Lookups"]

#: How many tenants, and how many access keys, one process remembers: all of the ten thousand tenants that one service
#: is made for, with room. A tenant takes 1.5 KB, a key less.
SIZE = 20_000
_BEAT = 0.5  # seconds between two questions whether the connection still lives
_DEAD = 1.0  # seconds that it may take to answer
_AGAIN = 1.0  # seconds until it is tried again to listen
_log = logging.getLogger(__name__)

Kept = TypeVar("Kept")


class Lookups:
    """Tenants by id and access keys by digest, as the registry has them now."""

    def __init__(self) -> None:
        self._tenants: OrderedDict[str, Tenant] = OrderedDict()
        self._keys: OrderedDict[str, AccessKey] = OrderedDict()
        self._keys_of: defaultdict[str, set[str]] = defaultdict(set)
        self._at_work: Counter[str] = Counter()
        self._changes = 0
        self._listening = False
        self._task: asyncio.Task[None] | None = None
        #: Takes a tenant's id, returns the tenant where it is remembered. Every request asks, and waits for no more.
        self.known_tenant = self._tenants.get
        #: Takes the digest of an access key, returns what is kept of it where that is remembered.
        self.known_key = self._keys.get

    async def start(self, url: URL) -> None:
        """Begin to listen at the registry, and at no other; until that works, every question goes there."""
        await self.close()
        self._task = asyncio.create_task(self._listen_forever(url))

    async def close(self) -> None:
        """Stop listening, and forget everything."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._forget_all()

    async def tenant(self, tenant_id: str, ask: Callable[[str], Awaitable[Tenant]]) -> Tenant:
        """Return the tenant as ``ask`` finds it, and remember it."""
        before = self._changes
        found = await ask(tenant_id)
        if self._remembers(before) and not self._at_work[tenant_id]:
            _keep(self._tenants, tenant_id, found)
        return found

    async def key(self, digest: str, ask: Callable[[str], Awaitable[AccessKey | None]]) -> AccessKey | None:
        """Return the access key as ``ask`` finds it, and remember it."""
        before = self._changes
        found = await ask(digest)
        if found is not None and self._remembers(before):
            self._keys_of[found.tenant_id].add(digest)
            forgotten = _keep(self._keys, digest, found)
            if forgotten is not None:
                self._forget_key(forgotten)
        return found

    @contextmanager
    def changing(self, tenant_id: str) -> Iterator[None]:
        """Remember nothing of the tenant while this process works on it."""
        self._at_work[tenant_id] += 1
        self.forget(tenant_id)
        try:
            yield
        finally:
            self._at_work[tenant_id] -= 1
            if not self._at_work[tenant_id]:
                del self._at_work[tenant_id]
            self.forget(tenant_id)

    def forget(self, tenant_id: str) -> None:
        """Ask anew for the tenant and its keys from now on."""
        self._changes += 1
        self._tenants.pop(tenant_id, None)
        for digest in self._keys_of.pop(tenant_id, ()):
            self._keys.pop(digest, None)

    def _forget_key(self, key: AccessKey) -> None:
        """Forget whose key it was, which is not remembered any more."""
        digests = self._keys_of[key.tenant_id]
        digests.discard(key.digest)
        if not digests:
            del self._keys_of[key.tenant_id]

    def _forget_all(self) -> None:
        self._listening = False
        self._changes += 1
        self._tenants.clear()
        self._keys.clear()
        self._keys_of.clear()

    def _remembers(self, before: int) -> bool:
        return self._listening and self._changes == before

    async def _listen_forever(self, url: URL) -> None:
        while True:
            try:
                async with connect_alone(url, autocommit=True) as connection:
                    await self._listen(connection)
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                if self._task is None:  # the end of the service cut it off, which the connection told otherwise
                    return
                _log.warning("changes of tenants are not heard of, and nothing is remembered: %s", type(error).__name__)
            finally:
                self._forget_all()
            await asyncio.sleep(_AGAIN)

    async def _listen(self, connection: AsyncConnection) -> None:
        """Listen until the connection breaks."""
        raw: Any = (await connection.get_raw_connection()).driver_connection
        pause: Callable[[], Awaitable[None]]
        if hasattr(raw, "add_listener"):  # asyncpg
            await raw.add_listener(CHANGES, lambda _c, _p, _n, tenant_id: self.forget(tenant_id))
            pause = _sleep
        else:
            await run(connection, f"LISTEN {CHANGES}")

            async def pause() -> None:
                async for note in raw.notifies(timeout=_BEAT):
                    self.forget(note.payload)

        self._changes += 1
        self._listening = True
        while True:
            await pause()
            async with asyncio.timeout(_DEAD):
                await run(connection, "SELECT 1")
            if self._task is None:
                return


async def _sleep() -> None:
    await asyncio.sleep(_BEAT)


def _keep(remembered: OrderedDict[str, Kept], name: str, value: Kept) -> Kept | None:
    """Remember a value, and return the one that had to be forgotten for it."""
    remembered[name] = value
    return remembered.popitem(last=False)[1] if len(remembered) > SIZE else None
