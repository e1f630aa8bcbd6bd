"""How long a new tenant's database takes beside a bare ``CREATE DATABASE … TEMPLATE``, without and with warm spares.

All three are done in turn on the same server, from the same template.
Usage: ``python bench/onboarding.py [--rounds N]``.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import psycopg
from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.core.manager import TenantManager
from mt_paas.postgres import EmbeddedPostgres
from sqlalchemy import Column, Integer, MetaData, Table

METADATA = MetaData()
Table("note", METADATA, Column("id", Integer, primary_key=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as home, EmbeddedPostgres(Path(home)) as server:
        server.create_database("cold")
        server.create_database("warm")
        asyncio.run(compare(server.url("cold"), server.url("warm"), rounds))


async def compare(url: str, spared_url: str, rounds: int) -> None:
    """Print the medians, and how many times a bare ``CREATE DATABASE`` each is."""
    took: dict[str, list[float]] = {"CREATE DATABASE … TEMPLATE": [], "a tenant": [], "a tenant, from a spare": []}
    bare, cold, warm = took.values()
    async with (
        TenantManager(url, service_id="bench", metadata=METADATA) as manager,
        TenantManager(
            spared_url, service_id="bench", metadata=METADATA, tenant_prefix="s_", isolation=IsolationPlan(spares=1)
        ) as spared,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
    ):
        template = manager._parts.isolation.named("DATABASE_PER_TENANT")._template  # noqa: SLF001 - to clone it barely
        spares = spared._parts.isolation.named("DATABASE_PER_TENANT")._spares  # noqa: SLF001 - to wait until they are there
        for number in range(rounds):
            await spares.ready()
            bare.append(await timed(connection.execute(f'CREATE DATABASE bare_{number} TEMPLATE "{template}"')))
            cold.append(await onboard(manager, f"cold_{number}"))
            warm.append(await onboard(spared, f"warm_{number}"))
    base = statistics.median(bare)
    print(f"{'p50 of ' + str(rounds):<30} {'ms':>8} {'ratio':>7}")
    for what, times in took.items():
        middle = statistics.median(times)
        print(f"{what:<30} {middle * 1e3:>8.1f} {middle / base:>7.2f}")


async def onboard(manager: TenantManager, tenant_id: str) -> float:
    """Return the seconds until an onboarded tenant is active."""
    await manager.onboard_tenant(tenant_id, tenant_id)
    return await timed(manager.provision_tenant(tenant_id))


async def timed(work: object) -> float:
    begun = time.perf_counter()
    await work  # type: ignore[misc]  # whatever can be awaited
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
