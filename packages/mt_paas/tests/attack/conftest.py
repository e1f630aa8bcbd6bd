"""Worlds to attack, one for each isolation and one of several; and what is told of them at the end."""

from __future__ import annotations

import gc
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from hypothesis import settings
from mt_paas.testing.tenants import drop_registry
from psycopg import sql
from sqlalchemy import make_url

sys.path.insert(0, str(Path(__file__).parent))

from attacks import KINDS, World, open_world

settings.register_profile("long", max_examples=2_000, deadline=None)  # --hypothesis-profile=long
_told: list[str] = []


class Databases:
    """Makes databases on the test server, and drops them; one for containers belongs to a role that is no superuser."""

    def __init__(self, server) -> None:
        self._server = server
        self._made: list[tuple[str, bool]] = []

    def registry(self) -> str:
        name = f"test_attack_{secrets.token_hex(4)}"
        self._server.create_database(name)
        self._made.append((name, True))
        return self._server.url(name)

    def container(self) -> str:
        name = f"test_attack_box_{secrets.token_hex(4)}"
        self._server.create_database(name)
        self._made.append((name, False))
        with psycopg.connect(self._server.url(name), autocommit=True) as connection:
            role = sql.Identifier(name)
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'box'").format(role))
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(role, role))
            connection.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(role))
        return make_url(self._server.url(name)).set(username=name, password="box").render_as_string(hide_password=False)

    def drop(self) -> None:
        for name, is_registry in self._made:
            if is_registry:
                drop_registry(self._server.url(name))
            self._server.drop_database(name)
            if not is_registry:
                with psycopg.connect(self._server.url(), autocommit=True) as connection:
                    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def tell() -> Callable[[str], None]:
    """Keep a line for the end of the test run."""
    return _told.append


@pytest.fixture(scope="session")
def databases(postgres_server) -> Iterator[Databases]:
    databases = Databases(postgres_server)
    yield databases
    databases.drop()


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=tuple(KINDS))
async def world(request, databases: Databases, tell: Callable[[str], None]) -> AsyncIterator[World]:
    """A world of each kind, whose tenants have two connections between them, or to each database."""
    async with open_world(request.param, databases.registry(), databases.container) as world:
        yield world
        tell(f"{world.kind}: {world.programs} interleavings, {world.steps} steps, {world.answered} statements answered")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect what nobody has after each test: a connection among it would be an error."""
    yield
    gc.collect()


def pytest_terminal_summary(terminalreporter) -> None:
    for line in _told:
        terminalreporter.write_line(f"attack: {line}")
