"""The unit of work: one transaction for one request or one job, and the only place that commits.

A unit is never open across a call to the outside: *claim, commit, call, record*.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncSession

from service_market.core.clock import Clock
from service_market.core.crypto import SecretBox
from service_market.core.db import Database
from service_market.core.events import Event, EventBus
from service_market.core.jobs import JobQueue
from service_market.core.principal import SYSTEM, Principal

__all__ = ["Kernel", "UnitOfWork"]


@dataclass(frozen=True)
class Kernel:
    """What every unit of work is made from; assembled once a process."""

    database: Database
    clock: Clock
    box: SecretBox
    events: EventBus
    jobs: JobQueue

    def unit(self, principal: Principal = SYSTEM) -> UnitOfWork:
        """Return a new unit of work that acts for ``principal``."""
        return UnitOfWork(self, principal)


class UnitOfWork:
    """An open transaction and who acts in it. ``async with`` commits on leaving and rolls back on an exception."""

    def __init__(self, kernel: Kernel, principal: Principal) -> None:
        self._kernel = kernel
        self.principal = principal
        self.session: AsyncSession = kernel.database.session()

    @property
    def box(self) -> SecretBox:
        """What seals and opens the sensitive columns."""
        return self._kernel.box

    def now(self) -> datetime:
        """Return the time of the domain's clock."""
        return self._kernel.clock.now()

    async def emit(self, event: Event) -> None:
        """Tell the listeners, in this transaction."""
        await self.session.flush()
        await self._kernel.events.publish(self, event)

    async def defer(
        self,
        job: str,
        *,
        lock: str | None = None,
        queueing_lock: str | None = None,
        delay: timedelta | None = None,
        **arguments: Any,
    ) -> None:
        """Write a job that exists if, and only if, this transaction is committed."""
        await self._kernel.jobs.defer(
            self.session, job, lock=lock, queueing_lock=queueing_lock, delay=delay, **arguments
        )

    async def hasten(self, queueing_lock: str) -> None:
        """Make the job that waits under ``queueing_lock`` due as soon as this transaction is committed."""
        await self._kernel.jobs.hasten(self.session, queueing_lock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.session.commit()
        finally:
            await self.session.close()
