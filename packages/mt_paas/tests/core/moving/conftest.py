"""A service with the tables that are hard to move, and a tenant of it that has rows in all of them."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.core.manager import TenantManager
from mt_paas.core.schemas import Tenant
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parent))
from rows_of_every_kind import METADATA, fill

ISOLATIONS = ("DATABASE_PER_TENANT", "SCHEMA_PER_TENANT", "SHARED_TABLES", "DOCKER_PER_TENANT")


@pytest.fixture
def registry_url(empty_registry_url: str) -> str:
    """A registry of the test's own: its tenants share a database with no other test's."""
    return empty_registry_url


@pytest.fixture
def container_database(postgres_server) -> Iterator[str]:
    """The address of the database that the tenant's containers have."""
    name = f"test_{os.getpid()}_{secrets.token_hex(4)}"
    postgres_server.create_database(name)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def library(new_manager, registry_url, container_database) -> Callable[..., TenantManager]:
    """Make a manager of the library, with every isolation there is: each is what another process would have."""

    async def locate(tenant: Tenant) -> str:
        return container_database

    def make(**options: Any) -> TenantManager:
        plan = IsolationPlan(default=ISOLATIONS[0], supported=ISOLATIONS, container_database=locate)
        return new_manager(**{"metadata": METADATA, "isolation": plan, "database_url": registry_url} | options)

    return make


@pytest.fixture
async def manager(library) -> AsyncIterator[TenantManager]:
    async with library() as manager:
        yield manager


class Reader:
    """A tenant as its users see it."""

    def __init__(self, manager: TenantManager, tenant_id: str) -> None:
        self.manager, self.tenant_id = manager, tenant_id

    async def ask(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.manager.get_tenant_session(self.tenant_id) as session:
            found = await session.execute(text(statement), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    async def everything(self) -> dict[str, list[str]]:
        """Return all rows of all tables, as text."""
        found = {}
        for table in (*METADATA.tables, "mt_user", "mt_settings"):
            columns = [name for (name,) in await self.ask(_COLUMNS, table=table)]
            row = ", ".join(f'"{name}"' for name in columns)
            found[table] = [line for (line,) in await self.ask(f"SELECT ROW({row})::text FROM {table} ORDER BY 1")]  # noqa: S608
        return found


_COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attnum > 0"
    " AND attname <> 'tenant_id' AND NOT attisdropped ORDER BY attname"
)


@pytest.fixture
def reader_of(manager) -> Callable[[str], Reader]:
    """See a tenant as its users do."""
    return lambda tenant_id: Reader(manager, tenant_id)


@pytest.fixture
async def tenant(manager) -> Callable[..., Any]:
    """Make a tenant with rows, in the isolation that is named."""

    async def make(isolation: str, tenant_id: str = "hallym_univ") -> Reader:
        await manager.onboard_tenant(tenant_id, "Hallym", isolation=isolation)
        await manager.provision_tenant(tenant_id)
        async with manager.get_tenant_session(tenant_id) as session:
            await fill(session)
        return Reader(manager, tenant_id)

    return make
