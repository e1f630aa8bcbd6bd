"""A program that is killed at every statement that it sends to the database, and then tries again.

``python kill_points.py URL PREFIX`` walks a tenant through its life twice for each statement of that life: a child
process is killed with SIGKILL as it is about to send that statement, or was just answered, and another one then makes
the same calls again.
It prints how many places it was killed at, and fails when the second attempt does not end as an undisturbed one does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from mt_paas.core.manager import TenantManager
from mt_paas.errors import TenantAlreadyExists
from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text, event, select

METADATA = MetaData()
NOTES = Table("note", METADATA, Column("id", Integer, primary_key=True), Column("text", Text))
URL, PREFIX = sys.argv[1:]
CHANGES = ("CREATE", "DELETE", "DO", "DROP", "GRANT", "INSERT", "REVOKE", "UPDATE", "WITH")


def manager() -> TenantManager:
    return TenantManager(URL, service_id="notes", metadata=METADATA, tenant_prefix=PREFIX)


async def become_active(tenant_id: str) -> None:
    async with manager() as tenants:
        with suppress(TenantAlreadyExists):
            await tenants.onboard_tenant(tenant_id, "A name")
        if (await tenants.get_tenant(tenant_id)).status != "active":
            await tenants.provision_tenant(tenant_id)
        async with tenants.get_tenant_session(tenant_id) as session:
            assert (await session.scalars(select(NOTES.c.text))).all() == []


def born(place: int) -> str:
    """Return the name of a tenant that is active; a death that takes longer than a birth needs one more."""
    name = f"born_{place}"
    assert in_child(lambda: asyncio.run(become_active(name))) == 0
    return name


async def become_purged(tenant_id: str) -> None:
    async with manager() as tenants:
        await tenants.deactivate_tenant(tenant_id, preserve_data=False)
        assert (await tenants.get_tenant(tenant_id)).status == "purged"


def in_child(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent is to hear of it
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_at(place: int, work: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        seen = 0

        def count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            nonlocal seen
            seen += statement.lstrip().startswith(CHANGES)
            if seen == place:
                os.kill(os.getpid(), signal.SIGKILL)

        for moment in ("before_cursor_execute", "after_cursor_execute"):
            event.listen(Engine, moment, count)
        work()

    return run


def walk(step: Callable[[str], object], tenant_id: Callable[[int], str]) -> int:
    place = 1
    while True:

        def work(name: str = tenant_id(place)) -> None:
            asyncio.run(step(name))

        end = in_child(killed_at(place, work))
        if end == 0:
            return place - 1
        assert end == -signal.SIGKILL, f"place {place}: ended with {end} without being killed"
        assert in_child(work) == 0, f"place {place}: the second attempt did not complete"
        place += 1


births = walk(become_active, lambda place: f"born_{place}")
deaths = walk(become_purged, lambda place: f"born_{place}" if place <= births + 1 else born(place))
sys.stdout.write(f"{births} {deaths}")
