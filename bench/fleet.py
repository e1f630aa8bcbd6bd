"""What a migration of all tenants costs: with nothing to do, as most of its runs find it, and with one revision.

Beside the first: a loop that opens each tenant and asks it for its revision, as a script around Alembic does; on a
sample, and told for all. The revision makes a table for ``--behind`` of the tenants; the registry says of the others
that they have it, so that they are passed by, and are there. Each run is a process of its own, as ``mt-paas tenants
migrate`` is. Usage: ``python bench/fleet.py [--databases 1000] [--schemas 10000] [--sample 50] [--behind 200]``; the
tenants are made first, by several processes, on an embedded PostgreSQL of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import psycopg
from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.core.manager import TenantManager
from mt_paas.core.migrations.fleet import FleetPlan, migrate_fleet
from mt_paas.postgres import EmbeddedPostgres
from mt_paas.utils.pool_settings import PoolSettings
from sqlalchemy import event
from sqlalchemy.pool import Pool

DATABASES, SCHEMAS = "DATABASE_PER_TENANT", "SCHEMA_PER_TENANT"
JOBS = 8
SCRIPT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = {revision!r}, {down!r}


def upgrade():
    op.create_table("table_{revision}", sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True))
"""


def main() -> None:
    options = parsed()
    if options.run:
        asyncio.run(measure(*options.run))
        return
    if options.make:
        asyncio.run(make_all(*options.make))
        return
    print(
        f"{'tenants':>8} {'isolation':<20} {'made in s':>10} {'no-op s':>8} {'connections':>12} {'MiB':>5} "
        f"{'a loop, s':>10} {'a revision, ms each':>20} {'connections':>12} {'MiB':>5}"
    )
    for count, kind in ((options.databases, DATABASES), (options.schemas, SCHEMAS)):
        with tempfile.TemporaryDirectory() as home:
            folder = written(Path(home) / "migrations")
            with EmbeddedPostgres(Path(home) / "server", fast=True) as server:
                server.create_database("registry")
                url = server.url("registry")
                given = (url, str(folder), kind)
                made = prepare(given, count)
                loop = asyncio.run(ask_each(url, folder, kind, min(options.sample, count))) * count
                none = child("--run", *given)
                write(folder, "four", "three")
                behind = min(options.behind, count)
                pass_by(url, count - behind)
                one = child("--run", *given)
        assert (none.migrated, one.migrated) == (0, behind)
        print(
            f"{count:>8} {kind:<20} {made:>10.1f} {none.all_seconds:>8.2f} {none.connections:>12} {none.memory:>5} "
            f"{loop:>10.1f} {one.seconds / behind * 1000:>20.1f} {one.connections:>12} {one.memory:>5}",
            flush=True,
        )
    print(
        f"the loop was run on {options.sample} tenants, and is told for all of them; the limit of a run with nothing "
        f"to do is 5 s; the revision was run on {options.behind} of the tenants, {JOBS} at a time; connections are the "
        "most that were open at once"
    )


class Run(NamedTuple):
    """What a run took, as a process and in its migrations alone; its most connections at once, its memory in MiB."""

    all_seconds: float
    seconds: float
    migrated: int
    connections: int
    memory: int


def child(*arguments: str) -> Run:
    """Run this file in a process of its own."""
    told = subprocess.run(  # noqa: S603 - this file
        [sys.executable, __file__, *arguments], check=True, capture_output=True, text=True
    ).stdout.split()
    return Run(float(told[0]), float(told[1]), *(int(word) for word in told[2:]))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--databases", type=int, default=1000)
    parser.add_argument("--schemas", type=int, default=10_000)
    parser.add_argument("--sample", type=int, default=50)
    parser.add_argument("--behind", type=int, default=200)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs=5, help=argparse.SUPPRESS)
    return parser.parse_args()


def written(folder: Path) -> Path:
    """Write three migrations and return their folder."""
    (folder / "versions").mkdir(parents=True)
    for down, revision in ((None, "one"), ("one", "two"), ("two", "three")):
        write(folder, revision, down)
    return folder


def write(folder: Path, revision: str, down: str | None) -> None:
    (folder / f"versions/{revision}.py").write_text(SCRIPT.format(revision=revision, down=down))


def manager_of(url: str, folder: str | Path, kind: str) -> TenantManager:
    return TenantManager(
        url,
        service_id="bench",
        migrations=Path(folder),
        isolation=IsolationPlan(default=kind, supported=(kind,)),
        pools=PoolSettings(operations=JOBS),
    )


def prepare(given: tuple[str, str, str], count: int) -> float:
    """Make the tenants, a share of them in each of several processes; return the seconds of that."""
    began = perf_counter()
    shares = min(os.cpu_count() or 1, count)
    bounds = [count * share // shares for share in range(shares + 1)]
    command = [sys.executable, __file__, "--make", *given]
    makers = [
        subprocess.Popen([*command, str(first), str(last)])  # noqa: S603 - this file
        for first, last in pairwise(bounds)
    ]
    assert [maker.wait() for maker in makers] == [0] * shares
    return perf_counter() - began


async def make_all(url: str, folder: str, kind: str, first: str, last: str) -> None:
    """Make the tenants of these numbers, several at a time."""
    queue = iter(range(int(first), int(last)))
    async with manager_of(url, folder, kind) as manager, asyncio.TaskGroup() as group:
        for _ in range(JOBS):
            group.create_task(make(manager, queue))


async def make(manager: TenantManager, queue: Iterator[int]) -> None:
    for number in queue:
        name = f"tenant-{number:05}"
        await manager.onboard_tenant(name, name)
        await manager.provision_tenant(name)


async def ask_each(url: str, folder: Path, kind: str, sample: int) -> float:
    """Return the seconds for each tenant of a loop that opens ``sample`` of them."""
    async with manager_of(url, folder, kind) as manager:
        migrations = manager.blueprint.migrations
        assert migrations is not None
        began = perf_counter()
        for number in range(sample):
            tenant = await manager.get_tenant(f"tenant-{number:05}")
            async with manager.isolation.owner(tenant) as connection:
                assert await migrations.look(connection) == "three"
        return (perf_counter() - began) / sample


def pass_by(url: str, count: int) -> None:
    """Have the registry say of the first ``count`` tenants that they have the newest revision."""
    with psycopg.connect(url) as connection:
        query = "UPDATE mt_tenant SET revision = 'four' WHERE tenant_id < %s"
        connection.execute(query, [f"tenant-{count:05}"])


async def measure(url: str, folder: str, kind: str) -> None:
    """Run over all tenants, and print what :class:`Run` holds."""
    opened = most = 0

    def count(change: int, *_: object) -> None:
        nonlocal opened, most
        opened += change
        most = max(most, opened)

    event.listen(Pool, "connect", partial(count, 1))
    event.listen(Pool, "close", partial(count, -1))
    began = perf_counter()
    async with manager_of(url, folder, kind) as manager:
        report = await migrate_fleet(manager, FleetPlan(jobs=JOBS))
    assert report.is_whole
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(perf_counter() - began, report.seconds, len(report.outcomes), most, memory)


if __name__ == "__main__":
    main()
