"""What a tenant's session costs beside a plain one, in each isolation; and whether that grows with the tenants.

The peer is an ``AsyncSession`` of SQLAlchemy on a warm pool of the same server, which begins, selects 1 and commits.
Blocks of both take turns, and the best block of each counts: what disturbs a machine disturbs one of them at a time.
A tenant that a process has not seen yet is looked up in the registry: that is the cold figure.
Usage: ``python bench/sessions.py [--tenants N]``.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.core.manager import TenantManager
from mt_paas.postgres import EmbeddedPostgres, PostgresServer
from sqlalchemy import Column, Integer, MetaData, Table, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

KINDS = ("DATABASE_PER_TENANT", "SCHEMA_PER_TENANT", "SHARED_TABLES")
METADATA = MetaData()
Table("note", METADATA, Column("id", Integer, primary_key=True))
SELECT_1 = text("SELECT 1")
BLOCK, ROUNDS = 20, 100
MANY = """
    INSERT INTO mt_tenant (tenant_id, name, service_type, status, plan, features, config, isolation, database,
      created_at, activation, activated_at, data_preserved, rotation, tables, version)
    SELECT 'many_' || n, name, service_type, status, plan, features, config, isolation, 'many_' || n,
      created_at, activation, activated_at, data_preserved, rotation, tables, version
    FROM mt_tenant, generate_series(1, %s) n WHERE tenant_id = 'first_univ'
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=10_000, help="tenants beside which the cost is to stay the same")
    tenants = parser.parse_args().tenants
    with tempfile.TemporaryDirectory() as home, EmbeddedPostgres(Path(home)) as server:
        print(f"{'session, SELECT 1, commit':<32} {'plain µs':>9} {'ours µs':>9} {'plain/ours':>11}")
        for kind in KINDS:
            asyncio.run(compare(server, kind))
        title = "tenants in turn (SHARED_TABLES)"
        print(f"\n{title:<32} {'cold µs':>9} {'warm µs':>9} {'connections':>12} {'resident MiB':>13}")
        asyncio.run(grow(server, tenants))


async def compare(server: PostgresServer, kind: str) -> None:
    """Print what a session of one tenant costs beside a plain one."""
    name = f"bench_{kind.lower()}"
    server.create_database(name)
    plan = IsolationPlan(default=kind, supported=(kind,))
    plain = create_async_engine(server.url(name).replace("postgresql:", "postgresql+psycopg:"))
    async with TenantManager(server.url(name), service_id="bench", metadata=METADATA, isolation=plan) as manager:
        await activate(manager)
        await heard(manager)

        async def a_plain_one() -> None:
            async with AsyncSession(plain, expire_on_commit=False) as session:
                await session.execute(SELECT_1)
                await session.commit()

        async def one_of_ours() -> None:
            async with manager.get_tenant_session("first_univ") as session:
                await session.execute(SELECT_1)

        theirs = ours = float("inf")
        for _ in range(ROUNDS):
            theirs = min(theirs, await block(a_plain_one))
            ours = min(ours, await block(one_of_ours))
    await plain.dispose()
    print(f"{kind:<32} {theirs:>9.0f} {ours:>9.0f} {theirs / ours:>11.2f}")


async def grow(server: PostgresServer, tenants: int) -> None:
    """Print what a session costs when ten tenants take turns, and when all do: the first time, and from then on."""
    server.create_database("bench_growth")
    plan = IsolationPlan(default="SHARED_TABLES", supported=("SHARED_TABLES",))
    async with TenantManager(server.url("bench_growth"), service_id="bench", isolation=plan) as manager:
        await activate(manager)
        with psycopg.connect(server.url("bench_growth")) as connection:
            connection.execute(MANY, [tenants])
        await heard(manager)
        for several in (10, tenants):
            names = [f"many_{number + 1}" for number in range(several)]
            cold = await in_turn(manager, names, 1)
            warm = await in_turn(manager, names, max(1, BLOCK * ROUNDS // several))
            resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            opened = manager._parts.isolation.connections.open  # noqa: SLF001 - a figure that nobody else needs
            print(f"{several:<32} {cold:>9.0f} {warm:>9.0f} {opened:>12} {resident:>13.0f}")


async def in_turn(manager: TenantManager, names: list[str], rounds: int) -> float:
    """Return the microseconds of a session in the best block, when tenants take so many turns."""
    best = float("inf")
    for _ in range(rounds):
        for begin in range(0, len(names), BLOCK):
            turn = names[begin : begin + BLOCK]
            begun = time.perf_counter()
            for name in turn:
                async with manager.get_tenant_session(name) as session:
                    await session.execute(SELECT_1)
            best = min(best, (time.perf_counter() - begun) / len(turn) * 1e6)
    return best


async def activate(manager: TenantManager) -> None:
    await manager.onboard_tenant("first_univ", "First")
    await manager.provision_tenant("first_univ")


async def heard(manager: TenantManager) -> None:
    """Return when the process hears of changes, and so remembers who its tenants are."""
    while await manager.get_tenant("first_univ") is not await manager.get_tenant("first_univ"):  # noqa: ASYNC110 - no event
        await asyncio.sleep(0.05)


async def block(work: Callable[[], Awaitable[None]]) -> float:
    """Return the microseconds that one of a block of ``work`` takes."""
    begun = time.perf_counter()
    for _ in range(BLOCK):
        await work()
    return (time.perf_counter() - begun) / BLOCK * 1e6


if __name__ == "__main__":
    main()
