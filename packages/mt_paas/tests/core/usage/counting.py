"""A program that counts, until it is killed or told that it has done enough.

``python counting.py URL FOLDER METER MODE``: prints the number of each count after ``count`` returned. The n-th count
is of the amount n, so that a sum tells which counts are in it. With the mode ``forever`` it goes on until it is killed
(or nobody reads what it prints); with ``removal`` it counts ten times and is killed by itself when what it counted is
in the registry, and its file not yet removed; with ``full`` its disk takes two hundred bytes in a file, and it flushes.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from itertools import count
from pathlib import Path

from mt_paas.core.manager import TenantManager
from mt_paas.core.usage import UsageMeters
from mt_paas.core.usage.journal import Journal

URL, FOLDER, METER, MODE = sys.argv[1:]


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def use(meters: UsageMeters, number: int) -> None:
    meters.count(METER, number, tenant_id="hallym_univ")
    os.write(1, f"{number}\n".encode())


async def main() -> None:
    interval = 0.01 if MODE == "forever" else 60.0
    async with TenantManager(URL, service_id="notes") as manager:
        meters = UsageMeters(manager, Path(FOLDER), interval)
        async with meters.running():
            if MODE == "forever":
                for number in count(1):
                    use(meters, number)
                    if number % 7 == 0:
                        await asyncio.sleep(0)
            await meters.flush()  # the first, which its start began
            if MODE == "full":
                resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
            else:
                Journal.remove = die  # type: ignore[method-assign]
            for number in range(1, 11):
                use(meters, number)
            await meters.flush()


asyncio.run(main())
