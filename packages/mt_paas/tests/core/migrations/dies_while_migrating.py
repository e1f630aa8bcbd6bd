"""A run over all tenants that is killed at one place after the other, until it gets to its end.

``python dies_while_migrating.py URL PREFIX FOLDER ISOLATION`` starts it again and again. The first child is killed with
SIGKILL as it is about to send its first statement or commit, the second at its third, and so on: each goes on from
where the one before was killed. Prints how many were killed; the last was not.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.core.manager import TenantManager
from mt_paas.core.migrations.fleet import FleetPlan, migrate_fleet
from sqlalchemy import Engine, event

URL, PREFIX, FOLDER, KIND = sys.argv[1:]


async def run(place: int) -> bool:
    plan = IsolationPlan(default=KIND, supported=(KIND,))
    async with TenantManager(
        URL, service_id="notes", migrations=Path(FOLDER), tenant_prefix=PREFIX, isolation=plan
    ) as manager:
        die_at(place)  # from here on: that a start which is killed completes is tried elsewhere
        return (await migrate_fleet(manager, FleetPlan(jobs=2))).is_whole


def die_at(place: int) -> None:
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == place:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)


def in_child(place: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if asyncio.run(run(place)) else 1)
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent is to hear of it
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


deaths = 0
while (end := in_child(1 + 2 * deaths)) == -signal.SIGKILL:
    deaths += 1
sys.stdout.write(str(deaths))
sys.exit(end)
