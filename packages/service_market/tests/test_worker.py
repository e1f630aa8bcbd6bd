"""The worker goes on through what happens to its database."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
from service_market.worker import keep_working


class TestKeepWorking:
    async def test_when_every_connection_was_cut_jobs_are_done_again(self, scene: Any, addresses: Any) -> None:
        working = asyncio.create_task(keep_working(scene.market))
        try:
            first = await scene.subscribe()
            await _ended(scene, first["meta"]["operation"]["id"])
            async with await psycopg.AsyncConnection.connect(addresses.conninfo, autocommit=True) as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await scene.add_school("snu_univ", "서울대학교")
            second = await scene.subscribe(organization="snu_univ")
            assert (await _ended(scene, second["meta"]["operation"]["id"]))["state"] == "succeeded"
            assert not working.done()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def _ended(scene: Any, operation_id: str) -> Any:
    """Wait for the worker to end the operation."""
    async with asyncio.timeout(60):
        while True:
            operation = await scene.get(f"/operations/{operation_id}")
            if operation["state"] in {"succeeded", "failed"}:
                return operation
            await asyncio.sleep(0.05)
