"""The worker: runs jobs until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

from service_market.assembly import Market
from service_market.core.log import get_logger

__all__ = ["run_worker", "until_signalled"]

log = get_logger(__name__)


async def run_worker(market: Market) -> None:
    """Work until SIGINT or SIGTERM; jobs that run then are given time to end."""
    work = asyncio.create_task(market.work())
    stop = asyncio.create_task(until_signalled())
    log.info("worker started")
    done, _ = await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
    for task in (work, stop):
        task.cancel()
    with suppress(asyncio.CancelledError):
        await work
    log.info("worker stopped", outcome="asked to" if stop in done else "by itself")


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
