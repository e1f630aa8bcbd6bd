"""The worker: runs jobs until it is told to stop, through everything that happens to its database."""

from __future__ import annotations

import asyncio
import signal

from service_market.assembly import Market
from service_market.core.log import get_logger

__all__ = ["keep_working", "until_signalled"]

_RESTART_AFTER = 2.0  # seconds
log = get_logger(__name__)


async def keep_working(market: Market) -> None:
    """Run jobs until cancelled; jobs that run then are given time to end. A worker that fails is started again."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    log.info("worker started")
    try:
        while not task.cancelling():
            try:
                await market.work()
            except Exception as error:  # noqa: BLE001 - whatever ended it, jobs must go on
                if task.cancelling():  # a query that is cancelled ends with an error of the database's
                    break
                log.error("the worker ended and is started again", error=type(error).__name__)
                await asyncio.sleep(_RESTART_AFTER)
    finally:
        log.info("worker stopped")


async def until_signalled() -> None:
    """Return at the first SIGINT or SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    try:
        await told.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
