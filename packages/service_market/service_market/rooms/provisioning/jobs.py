"""The worker's door to provisioning."""

from __future__ import annotations

from uuid import UUID

from service_market.core.jobs import Job
from service_market.core.uow import Kernel
from service_market.rooms.provisioning.service.operations import close_expired, resume_forgotten
from service_market.rooms.provisioning.service.runner import RUN_JOB, Runner

__all__ = ["jobs"]


def jobs(kernel: Kernel, runner: Runner) -> list[Job]:
    """Return the jobs of provisioning: running an operation, and looking for what was lost or left open."""

    async def run(operation_id: str) -> None:
        await runner.run(UUID(operation_id))

    async def resume() -> None:
        await resume_forgotten(kernel)

    async def close() -> None:
        await close_expired(kernel)

    return [
        Job(RUN_JOB, run),
        Job("provisioning.resume_forgotten", resume, cron="* * * * *"),
        Job("provisioning.close_expired", close, cron="* * * * *"),
    ]
