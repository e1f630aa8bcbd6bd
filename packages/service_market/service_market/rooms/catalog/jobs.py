"""The worker's door to the catalogue."""

from __future__ import annotations

from service_market.core.jobs import Job
from service_market.core.uow import Kernel
from service_market.rooms.catalog.ports import ServiceProbe
from service_market.rooms.catalog.service import VERIFY_JOB, verify

__all__ = ["jobs"]


def jobs(kernel: Kernel, probe: ServiceProbe) -> list[Job]:
    """Return the catalogue's jobs."""

    async def run(service_id: str) -> None:
        await verify(kernel, probe, service_id)

    return [Job(VERIFY_JOB, run)]
