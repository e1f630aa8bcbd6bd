"""Durable jobs in the management database, by Procrastinate.

A job is deferred on the connection of the unit of work that causes it, so that both are committed or neither is.
Every job is idempotent: the job of a worker that died is handed to another worker, and may run twice.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import procrastinate
from procrastinate import exceptions
from procrastinate.jobs import DeleteJobCondition, Status
from sqlalchemy import text

from service_market.core.log import get_logger
from service_market.core.traces import places

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["Job", "JobQueue", "WorkerOptions"]

#: Work that calls services, and the market's own ticks: slow services must not keep the clock from ticking.
_WORK, _TICKS = "work", "ticks"
_TICKS_AT_ONCE = 3
_HASTEN = """
    UPDATE procrastinate_jobs SET scheduled_at = clock_timestamp()
    WHERE queueing_lock = :queueing_lock AND status = 'todo' AND scheduled_at > clock_timestamp()"""
log = get_logger(__name__)


class JobFailed(Exception):
    """A job ended by an exception whose text was not written down: it may hold what somebody sent."""


def _quietly(job: Job) -> Callable[..., Awaitable[None]]:
    @functools.wraps(job.run)
    async def run(**arguments: Any) -> None:
        try:
            await job.run(**arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, its text must not reach the log
            log.error("job failed", job=job.name, error=type(error).__name__, exception=places(error))
            raise JobFailed(f"{job.name}: {type(error).__name__}") from None

    return run


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of job: its name, what runs it, and for a periodic one its cron line (seconds are the sixth field)."""

    name: str
    run: Callable[..., Awaitable[None]]
    cron: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker behaves. Times are in seconds.

    A worker says that it lives every ``heartbeat``; the jobs of one that was silent for ``stalled_after`` are given
    to another.
    """

    concurrency: int = 10
    polling: float = 1.0
    heartbeat: float = 5.0
    stalled_after: float = 20.0
    grace: float = 20.0


class JobQueue:
    """The queue of one management database. ``conninfo`` is a libpq address."""

    def __init__(self, conninfo: str) -> None:
        self._app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(conninfo=conninfo, min_size=1, max_size=4)
        )

    def register(self, job: Job) -> None:
        """Make the job known: to be deferred here, and to be run by a worker of this process."""
        if job.cron is None:
            self._app.task(name=job.name, queue=_WORK)(_quietly(job))
            return
        run = _quietly(job)

        async def tick(timestamp: int) -> None:  # noqa: ARG001 - procrastinate passes the tick's time to periodic tasks
            await run()

        # A queueing lock, never a lock: a lock held by a worker that died would stop the job that frees it.
        self._app.periodic(cron=job.cron)(
            self._app.task(name=job.name, queue=_TICKS, queueing_lock=job.name, pass_context=False)(tick)
        )

    async def defer(
        self,
        session: AsyncSession,
        name: str,
        *,
        lock: str | None = None,
        queueing_lock: str | None = None,
        delay: timedelta | None = None,
        **arguments: Any,
    ) -> None:
        """Write the job into the session's transaction. Jobs of one ``lock`` run one after another.

        With a ``queueing_lock``, a job that is waiting already under that name is enough: a second is not written.
        """
        raw = await (await session.connection()).get_raw_connection()
        connection = cast("psycopg.AsyncConnection[Any]", raw.driver_connection)
        deferrer = self._app.configure_task(
            name,
            queue=_WORK,
            lock=lock,
            queueing_lock=queueing_lock,
            schedule_in={"seconds": delay.total_seconds()} if delay else None,
            connection=connection,
        )
        try:
            # The connection's savepoint, not the session's: that one is sent with the session's next statement, and
            # this job is written past the session.
            async with (await session.connection()).begin_nested():
                await deferrer.defer_async(**arguments)
        except exceptions.AlreadyEnqueued:
            log.debug("job is waiting already", job=name)

    async def hasten(self, session: AsyncSession, queueing_lock: str) -> None:
        """Make the job that waits under ``queueing_lock`` due now, in the session's transaction."""
        await session.execute(text(_HASTEN), {"queueing_lock": queueing_lock})

    async def rescue(self, *, stalled_after: float) -> int:
        """Give the jobs of workers that were silent for ``stalled_after`` seconds to others; return how many."""
        stalled = list(await self._app.job_manager.get_stalled_jobs(seconds_since_heartbeat=stalled_after))
        for job in stalled:
            log.warning("the worker of a job went silent; the job goes to another", job=job.task_name)
            try:
                await self._app.job_manager.retry_job(job)
            except exceptions.UniqueViolation:
                # Its twin is waiting already: that one does the work.
                await self._app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
        return len(stalled)

    async def forget(self, *, older_than: timedelta) -> None:
        """Delete what is left of jobs that ended longer ago."""
        hours = int(older_than.total_seconds() // 3600)
        await self._app.job_manager.delete_old_jobs(nb_hours=hours, include_failed=True, include_cancelled=True)

    async def run(self, options: WorkerOptions) -> None:
        """Work until cancelled; what runs then is given ``grace`` seconds to end."""
        async with self._connected():
            await self.rescue(stalled_after=options.stalled_after)
            workers = [
                asyncio.create_task(self._work(options, _WORK, options.concurrency)),
                asyncio.create_task(self._work(options, _TICKS, _TICKS_AT_ONCE)),
            ]
            # Not a TaskGroup: when a worker fails it cancels its own task, and the caller could not tell that from
            # being told to stop.
            try:
                await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for worker in workers:
                    worker.cancel()
                ended = await asyncio.gather(*workers, return_exceptions=True)
            for error in ended:
                if isinstance(error, Exception):
                    raise error

    async def _work(self, options: WorkerOptions, queue: str, concurrency: int) -> None:
        await self._app.run_worker_async(
            queues=[queue],
            concurrency=concurrency,
            fetch_job_polling_interval=options.polling,
            update_heartbeat_interval=options.heartbeat,
            stalled_worker_timeout=options.stalled_after,
            shutdown_graceful_timeout=options.grace,
            delete_jobs=DeleteJobCondition.SUCCESSFUL,
            install_signal_handlers=False,
        )

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        """Keep the queue's own connections open for as long as the context lasts.

        A pool that is cancelled while it opens, or that can not open, would leave tasks behind that never end and a
        closed pool that is never opened again. So it is opened in a task of its own, which the pool ends after 30
        seconds at the latest, and closed whatever became of it.
        """

        async def open_app() -> None:
            await self._app.open_async()

        opening = asyncio.create_task(open_app())
        try:
            await asyncio.shield(opening)
            yield
        finally:
            await asyncio.gather(opening, return_exceptions=True)
            await self._app.close_async()

    async def run_until_idle(self) -> None:
        """Run every job that is due, then return. For tests and for commands that must see their work done."""
        async with self._connected():
            await self._app.run_worker_async(
                wait=False,
                listen_notify=False,
                delete_jobs=DeleteJobCondition.SUCCESSFUL,
                install_signal_handlers=False,
            )
