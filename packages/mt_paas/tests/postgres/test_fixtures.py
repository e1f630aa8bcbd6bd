"""The pytest fixtures give a real and empty database."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
from mt_paas.postgres import PostgresServer
from mt_paas.testing.database import _drop_left_overs


class TestFreshDatabase:
    async def test_is_empty_and_works_from_a_coroutine(self, fresh_database: str) -> None:
        async with await psycopg.AsyncConnection.connect(fresh_database) as connection:
            tables = await connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            assert await tables.fetchone() == (0,)
            await connection.execute("CREATE TABLE note (text text)")

    def test_of_a_killed_test_process_is_dropped_by_the_next(self, postgres_server: PostgresServer) -> None:
        with subprocess.Popen([sys.executable, "-c", ""]) as dead:
            pass
        names = [f"test_{pid}_left" for pid in (dead.pid, os.getpid())]
        for name in names:
            postgres_server.create_database(name)
        _drop_left_overs(postgres_server)
        with psycopg.connect(postgres_server.url()) as connection:
            query = "SELECT datname FROM pg_database WHERE datname = ANY(%s)"
            left = [name for (name,) in connection.execute(query, [names])]
        postgres_server.drop_database(names[1])
        assert left == names[1:]

    def test_is_another_one_for_the_next_test(self, fresh_database: str) -> None:
        with psycopg.connect(fresh_database) as connection:
            connection.execute("CREATE TABLE note (text text)")
