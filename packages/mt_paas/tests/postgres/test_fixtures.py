"""The pytest fixtures give a real and empty database."""

from __future__ import annotations

import psycopg


class TestFreshDatabase:
    async def test_is_empty_and_works_from_a_coroutine(self, fresh_database: str) -> None:
        async with await psycopg.AsyncConnection.connect(fresh_database) as connection:
            tables = await connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            assert await tables.fetchone() == (0,)
            await connection.execute("CREATE TABLE note (text text)")

    def test_is_another_one_for_the_next_test(self, fresh_database: str) -> None:
        with psycopg.connect(fresh_database) as connection:
            connection.execute("CREATE TABLE note (text text)")
