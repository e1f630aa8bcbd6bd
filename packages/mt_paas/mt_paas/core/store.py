"""What every part of the registry stands on: one call is one transaction, bounded, and told plainly when it can not be.

The queries are in :mod:`mt_paas.core.registry` (tenants) and :mod:`mt_paas.core.operation_store` (operations).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Row, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from mt_paas.core.clock import Clock
from mt_paas.core.faults import told_when_away

__all__ = ["Store"]


class Store:
    """Queries on the registry behind ``engine``."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._clock = clock

    async def _read_one(self, wanted: Select[Any]) -> Row[Any] | None:
        """Return the only row, or null: without a transaction it is one round trip, which is made twice if need be."""
        with told_when_away("The registry of this service"):
            try:
                return await self._ask(wanted)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return await self._ask(wanted)  # on a new connection: the pool gives none away that is older

    async def _ask(self, wanted: Select[Any]) -> Row[Any] | None:
        async with self._reader.connect() as connection:
            row: Row[Any] | None = (await connection.execute(wanted)).one_or_none()
        return row

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        with told_when_away("The registry of this service"):
            async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
                yield session
