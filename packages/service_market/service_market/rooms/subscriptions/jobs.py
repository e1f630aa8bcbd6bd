"""The worker's door to subscriptions."""

from __future__ import annotations

from service_market.core.jobs import Job
from service_market.core.uow import Kernel
from service_market.rooms.subscriptions.service import SWEEP_JOB, expire_due

__all__ = ["jobs"]


def jobs(kernel: Kernel) -> list[Job]:
    """Return the jobs of subscriptions: the expiry sweep, every minute."""

    async def run() -> None:
        await expire_due(kernel)

    return [Job(SWEEP_JOB, run, cron="* * * * *")]
