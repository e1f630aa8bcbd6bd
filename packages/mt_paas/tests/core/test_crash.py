from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psycopg
import pytest

PROGRAM = Path(__file__).with_name("kill_points.py")


@pytest.mark.system
@pytest.mark.timeout(600)  # some forty lives, each of two or three processes
async def test_killed_at_any_statement_the_same_calls_complete(empty_registry_url, prefix, server):
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        PROGRAM,
        empty_registry_url,
        prefix,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate()

    assert child.returncode == 0, err.decode()
    births, deaths = map(int, out.split())  # each walk has one more tenant, which nothing was done to
    assert births > 10
    assert deaths > 10
    assert sorted(server.databases(prefix)) == sorted(
        f"{prefix}born_{number}" for number in range(deaths + 2, births + 2)
    )
    with psycopg.connect(empty_registry_url) as connection:
        ((registry_id,),) = connection.execute("SELECT registry_id FROM mt_service").fetchall()
    assert server.databases(f"mt_{registry_id.hex}_new") == []
