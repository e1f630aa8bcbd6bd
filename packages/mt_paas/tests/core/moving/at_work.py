"""A process of the library's service: ``python at_work.py URL PREFIX CONTAINER write NAME`` or ``… move TO STEP``.

``… backup FILE`` and ``… restore FILE`` back the tenant up, and replace what it has.

``write`` writes rows one after the other, each in a session of its own, and prints the number of each that was
committed, until its standard input ends. ``move`` moves the tenant, and is killed when the move comes to STEP.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.core.manager import TenantManager
from mt_paas.core.moving.mover import MoveOptions
from mt_paas.core.schemas import Tenant
from mt_paas.errors import ServiceNotReady
from rows_of_every_kind import METADATA
from sqlalchemy import text

ISOLATIONS = ("DATABASE_PER_TENANT", "SCHEMA_PER_TENANT", "SHARED_TABLES", "DOCKER_PER_TENANT")
URL, PREFIX, CONTAINER, TASK, *GIVEN = sys.argv[1:]


async def locate(tenant: Tenant) -> str:
    return CONTAINER


async def write(manager: TenantManager, name: str, until: threading.Thread) -> None:
    number = 0
    while until.is_alive():
        number += 1
        try:
            async with manager.get_tenant_session("hallym_univ") as session:
                await session.execute(
                    text("INSERT INTO loan (writer, n) VALUES (:name, :n)"), {"name": name, "n": number}
                )
                if number % 5 == 0:  # rows that change, and rows that go
                    await session.execute(text("UPDATE book SET words = words + 1 WHERE id = :id"), {"id": number % 30})
                    await session.execute(
                        text("INSERT INTO visit SELECT now(), :name FROM loan LIMIT 1"), {"name": name}
                    )
                if number % 10 == 0:
                    await session.execute(
                        text("DELETE FROM loan WHERE writer = :name AND n = :n"), {"name": name, "n": number - 5}
                    )
        except ServiceNotReady:
            sys.stdout.write(f"{name} refused\n")
            continue
        sys.stdout.write(f"{name} {number}\n")
        sys.stdout.flush()


async def main() -> None:
    plan = IsolationPlan(default=ISOLATIONS[0], supported=ISOLATIONS, container_database=locate)
    options = {"service_id": "notes", "metadata": METADATA, "tenant_prefix": PREFIX, "isolation": plan}
    async with TenantManager(URL, **options) as manager:
        if TASK == "write":
            until = threading.Thread(target=sys.stdin.read, daemon=True)
            until.start()
            await asyncio.gather(*(write(manager, f"{GIVEN[0]}{part}", until) for part in "ab"))
        elif TASK == "backup":
            await manager.backup_tenant("hallym_univ", Path(GIVEN[0]))
        elif TASK == "restore":
            await manager.restore_tenant(Path(GIVEN[0]), replace=True)
        else:
            to, last = GIVEN

            def report(step: str) -> None:
                if step == last:
                    os.kill(os.getpid(), signal.SIGKILL)

            await manager.move_tenant("hallym_univ", to, options=MoveOptions(report=report))


asyncio.run(main())
