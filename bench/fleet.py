"""What a migration of all tenants costs when there is nothing to do, which is what most of its runs find.

Beside it: a loop that opens each tenant and asks it for its revision, as a script around Alembic does; on a sample, and
told for all. The run is a process of its own, as ``mt-paas tenants migrate`` is. Usage: ``python bench/fleet.py
[--databases 1000] [--schemas 10000] [--sample 50]``; the tenants are made first, on an embedded PostgreSQL of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

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
    print(
        f"{'tenants':>8} {'isolation':<20} {'made in s':>10} {'no-op s':>8} {'connections':>12} {'MiB':>5} "
        f"{'a loop, s':>10}"
    )
    for count, kind in ((options.databases, DATABASES), (options.schemas, SCHEMAS)):
        with tempfile.TemporaryDirectory() as home:
            folder = written(Path(home) / "migrations")
            with EmbeddedPostgres(Path(home) / "server", fast=True) as server:
                server.create_database("registry")
                url = server.url("registry")
                made, loop = asyncio.run(prepare(url, folder, kind, count, min(options.sample, count)))
                command = [sys.executable, __file__, "--run", url, str(folder), kind]
                told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()  # noqa: S603 - this file
        seconds, connections, memory = float(told[0]), int(told[1]), int(told[2])
        print(
            f"{count:>8} {kind:<20} {made:>10.1f} {seconds:>8.2f} {connections:>12} {memory:>5} {loop:>10.1f}",
            flush=True,
        )
    print(f"the loop was run on {options.sample} tenants, and is told for all of them; the limit is 5 s")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--databases", type=int, default=1000)
    parser.add_argument("--schemas", type=int, default=10_000)
    parser.add_argument("--sample", type=int, default=50)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def written(folder: Path) -> Path:
    """Write three migrations and return their folder."""
    (folder / "versions").mkdir(parents=True)
    for down, revision in ((None, "one"), ("one", "two"), ("two", "three")):
        (folder / f"versions/{revision}.py").write_text(SCRIPT.format(revision=revision, down=down))
    return folder


def manager_of(url: str, folder: str | Path, kind: str) -> TenantManager:
    return TenantManager(
        url,
        service_id="bench",
        migrations=Path(folder),
        isolation=IsolationPlan(default=kind, supported=(kind,)),
        pools=PoolSettings(operations=JOBS),
    )


async def prepare(url: str, folder: Path, kind: str, count: int, sample: int) -> tuple[float, float]:
    """Make the tenants; return the seconds of that, and those of a loop that opens each of them."""
    async with manager_of(url, folder, kind) as manager:
        names = [f"tenant-{number:05}" for number in range(count)]
        queue = iter(names)
        began = perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(JOBS):
                group.create_task(make(manager, queue))
        made = perf_counter() - began
        migrations = manager.blueprint.migrations
        assert migrations is not None
        began = perf_counter()
        for name in names[:: max(1, count // sample)][:sample]:
            async with manager.isolation.owner(await manager.get_tenant(name)) as connection:
                assert await migrations.look(connection) == "three"
        return made, (perf_counter() - began) * count / sample


async def make(manager: TenantManager, queue: Iterator[str]) -> None:
    for name in queue:
        await manager.onboard_tenant(name, name)
        await manager.provision_tenant(name)


async def measure(url: str, folder: str, kind: str) -> None:
    """Print the seconds of a run with nothing to do, its connections, and the most memory it had, in MiB."""
    connections = 0

    def count(*_: object) -> None:
        nonlocal connections
        connections += 1

    event.listen(Pool, "connect", count)
    began = perf_counter()
    async with manager_of(url, folder, kind) as manager:
        report = await migrate_fleet(manager, FleetPlan(jobs=JOBS))
    assert report.is_whole
    assert not report.outcomes
    print(perf_counter() - began, connections, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main()
