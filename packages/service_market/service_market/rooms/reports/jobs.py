"""The worker's door to reports."""

from __future__ import annotations

from service_market.core.jobs import Job
from service_market.core.uow import Kernel
from service_market.rooms.reports.service import forget_old, seal_anew

__all__ = ["jobs"]


def jobs(kernel: Kernel) -> list[Job]:
    """Return the jobs of reports, each night: forgetting what is old, and sealing with the newest key."""

    async def forget() -> None:
        await forget_old(kernel)

    async def seal() -> None:
        await seal_anew(kernel)

    return [
        Job("reports.forget_old", forget, cron="27 3 * * *"),
        Job("reports.seal_anew", seal, cron="37 3 * * *"),
    ]
