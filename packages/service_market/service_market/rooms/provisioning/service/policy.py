"""How long an operation is tried, and the job that runs it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from service_market.core.uow import UnitOfWork

__all__ = ["RUN_JOB", "RetryPolicy", "enqueue", "hasten"]

RUN_JOB = "provisioning.run"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long an operation is tried. Times are in seconds."""

    attempts: int = 5
    first_delay: float = 1.0
    longest_delay: float = 60.0
    lease: float = 15.0
    deadline: float = 3600.0
    per_service: int = 5

    def delay(self, attempt: int, at_least: float | None) -> timedelta:
        """Return the wait after ``attempt``: doubled each time, with jitter, no less than the service asked."""
        return timedelta(seconds=max(self._jittered(attempt), min(at_least or 0.0, self.longest_delay)))

    def pause(self, questions: int, at_least: float, at_most: float) -> timedelta:
        """Return the wait before a service is asked again for what it works on: as it wants, up to the deadline."""
        return timedelta(seconds=min(max(self._jittered(questions), at_least), max(at_most, 0.0)))

    def _jittered(self, attempt: int) -> float:
        doubled: float = min(self.longest_delay, self.first_delay * 2 ** min(attempt - 1, 30))
        return doubled * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


async def enqueue(uow: UnitOfWork, operation_id: UUID, tenant_pk: UUID, *, delay: timedelta | None = None) -> None:
    """Write the job that runs the operation. Jobs of one tenant run one after another."""
    await uow.defer(
        RUN_JOB,
        lock=f"tenant:{tenant_pk}",
        queueing_lock=_queueing_lock(operation_id),
        delay=delay,
        operation_id=str(operation_id),
    )


async def hasten(uow: UnitOfWork, operation_id: UUID) -> None:
    """Let the job of an operation that waits run now."""
    await uow.hasten(_queueing_lock(operation_id))


def _queueing_lock(operation_id: UUID) -> str:
    return f"operation:{operation_id}"
