"""What counting costs a request, beside adding to a dict, which loses it, and a row for each count, which waits.

All three in one run, on an embedded PostgreSQL with its normal durability. The best of some rounds counts: the one that
was disturbed least. Run it with ``uv run python bench/usage.py [counts]``.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

import psycopg
from mt_paas.core.manager import TenantManager
from mt_paas.core.usage import UsageMeters
from mt_paas.postgres import EmbeddedPostgres

TENANT = "hallym_univ"
ROUNDS = 5
ROW = "INSERT INTO counted (tenant_id, meter, amount) VALUES (%s, %s, %s)"


def seconds_each(count: Callable[[], object], times: int) -> float:
    started = perf_counter()
    for _ in range(times):
        count()
    return (perf_counter() - started) / times


async def seconds_each_awaited(count: Callable[[], Awaitable[object]], times: int) -> float:
    started = perf_counter()
    for _ in range(times):
        await count()
    return (perf_counter() - started) / times


async def compare(url: str, home: Path, times: int) -> None:
    best = {"dict[…] += 1": float("inf"), "count()": float("inf"), "one INSERT": float("inf")}
    sums: dict[tuple[str, str], int] = {}

    def add() -> None:
        sums[TENANT, "api_calls"] = sums.get((TENANT, "api_calls"), 0) + 1

    async with TenantManager(url, service_id="bench") as manager:
        await manager.onboard_tenant(TENANT, "Hallym")
        await manager.provision_tenant(TENANT)
        meters = UsageMeters(manager, home / "usage", interval=3600.0)
        async with meters.running(), await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute("CREATE TABLE counted (tenant_id text, meter text, amount bigint)")
            for _ in range(ROUNDS):
                took = {
                    "dict[…] += 1": seconds_each(add, times),
                    "count()": seconds_each(lambda: meters.count("api_calls", tenant_id=TENANT), times),
                    "one INSERT": await seconds_each_awaited(
                        lambda: connection.execute(ROW, (TENANT, "api_calls", 1)), times // 100
                    ),
                }
                best = {name: min(best[name], took[name]) for name in best}
            started = perf_counter()
            await meters.flush()
            added = perf_counter() - started
        today = manager.clock().date().isoformat()
        counted = (await meters.totals(today, tenant_id=TENANT))["api_calls"]
    assert counted == ROUNDS * times, counted
    print(f"best of {ROUNDS}, Python {sys.version.split()[0]}, {times} counts a round")
    for name, took_each in best.items():
        print(f"{took_each * 1e6:9.2f} µs  {took_each / best['count()']:8.3f} ×  {name}")
    print(f"all {ROUNDS * times} counts were summed up and in the registry after {added:.2f} s")


def main(times: int) -> None:
    with tempfile.TemporaryDirectory() as home, EmbeddedPostgres(Path(home) / "postgres") as server:
        server.create_database("bench")
        asyncio.run(compare(server.url("bench"), Path(home), times))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
