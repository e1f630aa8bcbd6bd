"""Warm spares: databases that are cloned before anybody asks, so that a new tenant's database is a matter of renaming.

A spare carries the registry and the template that it was cloned from in its name. Whoever takes one gives it the
tenant's privileges, comment and name in one transaction: of several that want the same one, the first has it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from mt_paas.core.database.names import quote
from mt_paas.core.database.server import drop_database, look, run, run_together
from mt_paas.core.identity import ServiceIdentity

__all__ = ["Spares"]

_LOCK = 0x6D745F7061617304  # "mt_paas": one process at a time makes spares
_LOOK_AGAIN = 60.0  # seconds between two looks whether there are enough
_AGAIN = 30.0  # seconds until it is tried again after a failure
_LATER = 0.05  # seconds until the next one is made: whoever took one is done by then, and does not wait for the disk
_ALL = text("SELECT datname FROM pg_database WHERE starts_with(datname, :begin)")
_log = logging.getLogger(__name__)


class Spares:
    """``wanted`` spare databases of one service, kept by a task of its own; ``connect`` lends it a connection."""

    def __init__(self, wanted: int, connect: Callable[[], AbstractAsyncContextManager[AsyncConnection]]) -> None:
        self._wanted = wanted
        self._connect = connect
        self._taken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._template = self._all = ""
        self._is_tidy = False
        #: What the names of these spares begin with.
        self.begin = ""

    def start(self, identity: ServiceIdentity, template: str, fingerprint: str) -> None:
        """Begin to keep spares of ``template``.

        Those of others are dropped, once: another version of the service may be at work beside this one.
        """
        self._all = f"mt_{identity.registry_id.hex}_spare_"
        self._template = template
        self.begin = f"{self._all}{fingerprint[:12]}_"
        self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Stop keeping spares; those that are there stay, for whoever comes next."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def take(self, connection: AsyncConnection, spares: Sequence[str], statements: Sequence[str]) -> bool:
        """Execute ``statements``, in which a spare is ``{}``, for the first of ``spares`` that can be had.

        The last one gives it another name. Tell whether there was one.
        """
        for spare in spares:
            try:
                await run_together(connection, *(statement.format(quote(spare)) for statement in statements))
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise
                continue  # somebody else has it, or is connected to it
            self._taken.set()
            return True
        self._taken.set()  # there should have been one
        return False

    async def ready(self) -> None:
        """Return when there are as many spares as are wanted: for benchmarks and tests."""
        while self._task is not None and not self._task.done():
            async with self._connect() as connection:
                if len(await self._mine(connection)) >= self._wanted:
                    return
            await asyncio.sleep(0.05)

    async def _keep(self) -> None:
        while True:
            try:
                async with self._connect() as connection:
                    await self._make(connection)
            except Exception as error:  # noqa: BLE001 - without spares everything works, only slower
                if self._task is None:  # the end of the service cut it off, which the connection told otherwise
                    return
                _log.warning("no spare databases could be made: %s", type(error).__name__)
                await asyncio.sleep(_AGAIN)
                continue
            if self._is_tidy and not self._wanted:
                return
            with suppress(TimeoutError):  # another process may have been at it, and be gone
                async with asyncio.timeout(_LOOK_AGAIN):
                    await self._taken.wait()
            await asyncio.sleep(_LATER)

    async def _make(self, connection: AsyncConnection) -> None:
        """Make what is missing, unless another process is at it."""
        self._taken.clear()
        if not await connection.scalar(select(func.pg_try_advisory_lock(_LOCK))):
            return
        mine = await self._mine(connection)
        if not self._is_tidy:
            for old in set(await connection.scalars(_ALL, {"begin": self._all})).difference(mine):
                await drop_database(connection, old)
            self._is_tidy = True
        for _ in range(self._wanted - len(mine)):
            await self._make_one(connection)
        await connection.execute(select(func.pg_advisory_unlock(_LOCK)))  # an error closes the connection that has it

    async def _make_one(self, connection: AsyncConnection) -> None:
        name = self.begin + secrets.token_hex(4)
        unfinished = f"{self._all}new"
        await drop_database(connection, unfinished)
        await run(connection, f"CREATE DATABASE {quote(unfinished)} TEMPLATE {quote(self._template)}")
        await run_together(
            connection,
            f"REVOKE ALL ON DATABASE {quote(unfinished)} FROM PUBLIC",
            f"ALTER DATABASE {quote(unfinished)} RENAME TO {quote(name)}",
        )

    async def _mine(self, connection: AsyncConnection) -> Sequence[str]:
        return (await look(connection, "", spares=self.begin)).spares
