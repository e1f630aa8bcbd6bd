"""What every part of the registry stands on: one call is one transaction, bounded, and told plainly when it can not be.

A call of one statement is sent as it is: that is a transaction, in one round trip. The queries are in
:mod:`mt_paas.core.registry` (tenants) and :mod:`mt_paas.core.operation_store` (operations).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Executable, Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from mt_paas.core.clock import Clock
from mt_paas.core.faults import told_when_away

__all__ = ["Store"]


class Store:
    """Queries on the registry behind ``engine``, which is in autocommit."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def _read(self, wanted: Executable, **values: Any) -> Sequence[Any]:
        """Return the rows of ``wanted`` with these ``values``; on a connection that was lost it is asked twice."""
        with told_when_away("The registry of this service"):
            try:
                return await self._ask(wanted, values)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return await self._ask(wanted, values)  # on a new connection: the pool gives none away that is older

    async def _read_one(self, wanted: Executable, **values: Any) -> Row[Any] | None:
        """Return the only row, or null."""
        return next(iter(await self._read(wanted, **values)), None)

    async def _write(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Row[Any] | None:
        """Execute one statement, all of it or nothing, and return the only row that it returns, or null."""
        with told_when_away("The registry of this service"):
            return next(iter(await self._ask(statement, values)), None)

    async def _ask(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Sequence[Any]:
        async with self._engine.connect() as connection:
            found = await connection.execute(statement, values)
            return found.all() if found.returns_rows else ()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        engine = self._engine.execution_options(isolation_level="READ COMMITTED")
        with told_when_away("The registry of this service"):
            async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
                yield session
