"""A manager on a fresh registry, a clock that tests move, and a server that is left as it was found."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mt_paas.core.handler import HandlerOptions, ManagedTenantHandler
from mt_paas.core.manager import TenantManager
from mt_paas.core.schemas import Tenant
from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.models import ActivateRequest, Admin
from mt_paas.testing.doubles import FakeService
from mt_paas.testing.tenants import drop_registry
from mt_paas.utils.pool_settings import PoolSettings
from sqlalchemy import BigInteger, Column, Identity, MetaData, Table, Text, make_url, select, text

METADATA = MetaData()
NOTES = Table("note", METADATA, Column("id", BigInteger, Identity(), primary_key=True), Column("text", Text))


class MovableClock:
    """A clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


class Server:
    """What an administrator sees of the server: used to look, and to break things."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, values)  # type: ignore[arg-type]  # texts of the tests' own
            return cursor.fetchall() if cursor.description else []

    def databases(self, prefix: str) -> list[str]:
        found = self.rows("SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY 1", prefix)
        return [name for (name,) in found]

    def roles(self, prefix: str) -> list[str]:
        found = self.rows("SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s) ORDER BY 1", prefix)
        return [name for (name,) in found]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def server(postgres_server) -> Server:
    return Server(postgres_server.url())


@pytest.fixture(scope="session")
def prepared_registry(postgres_server) -> Iterator[str]:
    """The name of a registry that was started once, with its template: copying it takes less time than making one."""
    name = f"test_prepared_{os.getpid()}_{secrets.token_hex(3)}"
    postgres_server.create_database(name)

    async def start() -> None:
        async with TenantManager(postgres_server.url(name), service_id="notes", metadata=METADATA):
            pass

    with ThreadPoolExecutor(1) as aside:  # an async fixture may be what asks for this one
        aside.submit(lambda: asyncio.run(start())).result()
    yield name
    drop_registry(postgres_server.url(name))
    postgres_server.drop_database(name)


@pytest.fixture
def registry_url(postgres_server, prepared_registry: str) -> Iterator[str]:
    """The address of this test's registry."""
    name = f"test_{os.getpid()}_{secrets.token_hex(4)}"
    postgres_server.create_database(name, template=prepared_registry)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def empty_registry_url(fresh_database: str) -> Iterator[str]:
    """The address of a database that is to become a registry, for tests of how one starts."""
    yield fresh_database
    drop_registry(fresh_database)


@pytest.fixture
def prefix(server: Server) -> Iterator[str]:
    """What this test's databases and roles begin with; they are gone after it."""
    prefix = f"t{secrets.token_hex(3)}_"
    yield prefix
    for name in server.databases(prefix):
        server.rows(f'DROP DATABASE "{name}" WITH (FORCE)')
    for name in server.roles(prefix):
        server.rows(f'DROP ROLE "{name}"')


@pytest.fixture
def new_manager(request, prefix: str, clock: MovableClock) -> Callable[..., TenantManager]:
    """Make a manager on this test's registry: each is what another process would have."""

    def make(**options: Any) -> TenantManager:
        url = options.pop("database_url", None) or request.getfixturevalue("registry_url")
        options = {"service_id": "notes", "metadata": METADATA, "tenant_prefix": prefix, "clock": clock} | options
        return TenantManager(url, **options)

    return make


@pytest.fixture
async def manager(new_manager: Callable[..., TenantManager]) -> AsyncIterator[TenantManager]:
    async with new_manager() as manager:
        yield manager


class Containers:
    """Whoever runs the containers of tenants: a database for each, at an address that another may have tomorrow."""

    def __init__(self, server: Server, new_database: Callable[[], str]) -> None:
        self._server = server
        self.new_database = new_database
        self.names: dict[str, str] = {}
        self.driver = "postgresql+psycopg"

    async def locate(self, tenant: Tenant) -> str:
        """Return the address of the tenant's database, which is made when it is first asked for."""
        if tenant.tenant_id not in self.names:
            self.names[tenant.tenant_id] = self.new_database()
        url = make_url(self._server.url).set(drivername=self.driver, database=self.names[tenant.tenant_id])
        return url.render_as_string(hide_password=False)

    def replace(self, tenant_id: str, other: str) -> None:
        """Put another database at the tenant's address; who is connected to one of them is cut off."""
        address = self.names[tenant_id]
        self._server.rows(_CUT_OFF, [address, other])
        self._server.rows(f'ALTER DATABASE "{address}" RENAME TO "{address}_before"')
        self._server.rows(f'ALTER DATABASE "{other}" RENAME TO "{address}"')
        self._server.rows(f'ALTER DATABASE "{address}_before" RENAME TO "{other}"')


_CUT_OFF = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = ANY(%s)"


@pytest.fixture
def containers(postgres_server, server: Server) -> Iterator[Containers]:
    made: list[str] = []

    def new_database() -> str:
        made.append(f"test_{os.getpid()}_{secrets.token_hex(4)}")
        postgres_server.create_database(made[-1])
        return made[-1]

    yield Containers(server, new_database)
    for name in made:
        postgres_server.drop_database(name)


class Tenants:
    """What tests do with the tenants of a manager."""

    def __init__(self, manager: TenantManager) -> None:
        self.manager = manager

    async def activate(self, *tenant_ids: str) -> None:
        for tenant_id in tenant_ids:
            await self.manager.onboard_tenant(tenant_id, tenant_id.title())
            await self.manager.provision_tenant(tenant_id)

    async def write(self, tenant_id: str, text: str) -> None:
        async with self.manager.get_tenant_session(tenant_id) as session:
            await session.execute(NOTES.insert().values(text=text))

    async def read(self, tenant_id: str) -> list[str]:
        async with self.manager.get_tenant_session(tenant_id) as session:
            return list(await session.scalars(select(NOTES.c.text).order_by(NOTES.c.id)))

    async def ask(self, tenant_id: str, statement: str) -> Any:
        """Return the single value that the tenant's role gets for ``statement``."""
        async with self.manager.get_tenant_session(tenant_id) as session:
            return await session.scalar(text(statement))


@pytest.fixture
def tenants(manager: TenantManager) -> Tenants:
    return Tenants(manager)


@pytest.fixture
def tenants_of() -> type[Tenants]:
    return Tenants


@pytest.fixture
def room_for() -> Callable[..., PoolSettings]:
    """Return bounds within which so many sessions of tenants may be open."""

    def bounds(sessions: int, patience: float = 10.0) -> PoolSettings:
        return PoolSettings(connections=sessions + 3, size=1, registry=1, operations=1, patience=patience)

    return bounds


@pytest.fixture
def notes_table() -> Table:
    return NOTES


@pytest.fixture
def manifest() -> Manifest:
    """A manifest of version 2.0 that declares all that a handler offers."""
    tenant = "/mt/tenant/{tenant_id}"
    given = FakeService(service_id="notes").manifest("http://notes.example/prefix/").model_dump(mode="json")
    given["version"] = "2.0"
    given["endpoints"] |= {
        "stats": f"{tenant}/stats",
        "stats_costs": f"{tenant}/stats/costs",
        "stats_top_users": f"{tenant}/stats/top-users",
        "users": f"{tenant}/users",
        "user": f"{tenant}/users/{{user_id}}",
        "resources": f"{tenant}/resources",
        "settings": f"{tenant}/settings",
        "operation": "/mt/operations/{operation_id}",
        "plan_change": f"{tenant}/plan",
        "suspend": f"{tenant}/suspend",
        "resume": f"{tenant}/resume",
        "purge": tenant,
        "export": f"{tenant}/export",
        "credentials_rotate": f"{tenant}/credentials/rotate",
        "sso": f"{tenant}/sso",
        "inventory": "/mt/tenants",
    }
    given["capabilities"] = ["async_operations", "events"]
    given["plans"] = {
        "basic": {"limits": {"max_users": 3}, "price": {"amount": "9.90", "currency": "USD"}},
        "premium": {"features": ["notes", "search"], "limits": {"max_users": 50, "notes": 1000}},
    }
    given["features"] = {"basic": ["notes"]}
    return Manifest.model_validate(given)


@pytest.fixture
def activation() -> Callable[..., ActivateRequest]:
    """Make the request that activates a tenant."""

    def make(tenant_id: str = "hallym_univ", **changes: Any) -> ActivateRequest:
        admin = Admin(email="admin@hallym.ac.kr", name="Hong")
        return ActivateRequest(
            **{"tenant_id": tenant_id, "tenant_name": "Hallym", "plan": "basic", "admin": admin} | changes
        )

    return make


@pytest.fixture
async def new_handler(
    manager: TenantManager, manifest: Manifest, tmp_path: Path
) -> AsyncIterator[Callable[..., ManagedTenantHandler]]:
    """Make a handler on this test's manager: each is what another process would have. They are closed at the end."""
    made: list[ManagedTenantHandler] = []

    def make(kind: type[ManagedTenantHandler] = ManagedTenantHandler, **options: Any) -> ManagedTenantHandler:
        options = {"export_folder": tmp_path / "exports"} | options
        made.append(kind(options.pop("manager", manager), manifest, HandlerOptions(**options)))
        return made[-1]

    yield make
    for handler in made:
        await handler.close()


@pytest.fixture
def handler(new_handler: Callable[..., ManagedTenantHandler]) -> ManagedTenantHandler:
    return new_handler()


@pytest.fixture
async def tenant_id(handler: ManagedTenantHandler, activation: Callable[..., ActivateRequest]) -> str:
    """The id of an active tenant, on the plan ``basic``."""
    await handler.activate_tenant(activation())
    return "hallym_univ"
