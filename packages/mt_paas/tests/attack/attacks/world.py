"""A service with a few tenants, each with a marker in all its rows; and what an administrator sees of them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial

import psycopg
from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.core.manager import TenantManager
from mt_paas.core.schemas import Tenant
from mt_paas.utils.pool_settings import PoolSettings
from psycopg import sql
from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Integer, MetaData, Table, Text, make_url

__all__ = ["KINDS", "METADATA", "NOTES", "Victim", "World", "open_world"]

METADATA = MetaData()
NOTES = Table(
    "note",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("text", Text, nullable=False),
    Column("code", Text, unique=True),
)
Table(
    "reply",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("note_id", ForeignKey("note.id", ondelete="CASCADE")),
    Column("text", Text),
)

_DATABASE, _SCHEMA, _SHARED, _DOCKER = (
    "DATABASE_PER_TENANT",
    "SCHEMA_PER_TENANT",
    "SHARED_TABLES",
    "DOCKER_PER_TENANT",
)
_NAMES = ("alpha_univ", "bravo_univ", "delta_univ", "gamma_univ")

#: The worlds that are attacked: the isolation of each of their tenants, by name.
KINDS: Mapping[str, tuple[str, ...]] = {
    "DATABASE_PER_TENANT": (_DATABASE,) * 3,
    "SCHEMA_PER_TENANT": (_SCHEMA,) * 3,
    "SHARED_TABLES": (_SHARED,) * 3,
    "DOCKER_PER_TENANT": (_DOCKER,) * 2,
    "HYBRID": (_SHARED, _SCHEMA, _SHARED, _DATABASE),
}


@dataclass(frozen=True, slots=True)
class Victim:
    """A tenant: who it is, the marker that its rows hold and nobody else's, and where an administrator finds them."""

    tenant: Tenant
    marker: str
    admin: psycopg.Connection
    space: str
    whose: str | None

    @property
    def id(self) -> str:
        return self.tenant.tenant_id

    @property
    def theirs(self) -> str:
        """The tenant's table, as others would name it."""
        return f"{self.space}.note"

    @property
    def owns_its_database(self) -> bool:
        return self.whose is None and self.space == "public"

    def rows(self) -> list[tuple[int, str]]:
        """Return the rows that are committed, as nobody's fence shows them."""
        return self.admin.execute(self._query("SELECT id, text FROM {table}{where} ORDER BY id")).fetchall()

    def reset(self) -> None:
        """Leave two rows, one of which has the code that everybody's has."""
        self.admin.execute(self._query("DELETE FROM {table}{where}"))
        names = (*(["tenant_id"] if self.whose else []), "text", "code")
        for number, code in enumerate(("same", None)):
            values = (*([self.whose] if self.whose else []), f"{self.marker} row {number}", code)
            self.admin.execute(
                sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                    sql.Identifier(self.space, "note"),
                    sql.SQL(", ").join(map(sql.Identifier, names)),
                    sql.SQL(", ").join(map(sql.Literal, values)),
                )
            )

    def _query(self, query: str) -> sql.Composed:
        where = sql.SQL(" WHERE tenant_id = {}").format(sql.Literal(self.whose)) if self.whose else sql.SQL("")
        return sql.SQL(query).format(table=sql.Identifier(self.space, "note"), where=where)  # type: ignore[arg-type]  # texts of this class


@dataclass
class World:
    """The tenants of one manager, and a connection of the administrator to the database that some of them share."""

    kind: str
    manager: TenantManager
    victims: list[Victim]
    shared: psycopg.Connection | None
    role: str
    programs: int = 0
    steps: int = 0
    answered: int = 0
    _admins: list[psycopg.Connection] = field(default_factory=list)

    def reset(self) -> None:
        """Give each tenant back the rows that it had."""
        for victim in self.victims:
            victim.reset()


@asynccontextmanager
async def open_world(
    kind: str, url: str, new_database: Callable[[], str], connections: int = 2
) -> AsyncIterator[World]:
    """Start a service on the registry at ``url``; each of its tenants is kept as ``KINDS`` says."""
    kinds = KINDS[kind]
    places: dict[str, str] = {}

    async def place(tenant: Tenant) -> str:
        return places[tenant.tenant_id]

    plan = IsolationPlan(default=kinds[0], supported=tuple(dict.fromkeys(kinds)), container_database=place)
    bounds = PoolSettings(connections=connections + 3, size=1, registry=1, operations=1, patience=20.0)
    prefix = f"t{secrets.token_hex(3)}_"
    at = partial(_at, url)
    manager = TenantManager(
        url, service_id="notes", metadata=METADATA, tenant_prefix=prefix, isolation=plan, pools=bounds
    )
    async with manager:
        world = World(kind, manager, [], None, "")
        shared = getattr(
            manager._parts.isolation._known.get(_SHARED) or manager._parts.isolation._known.get(_SCHEMA),
            "_shared",
            None,
        )
        if shared is not None:
            world.role = shared.role
            world.shared = psycopg.connect(at(shared.name), autocommit=True)
        try:
            for name, isolation in zip(_NAMES, kinds, strict=False):
                if isolation == _DOCKER:
                    places[name] = new_database()
                await manager.onboard_tenant(name, name, isolation=isolation)
                tenant = await manager.provision_tenant(name)
                marker = f"mk{name[0]}{secrets.token_hex(6)}"
                world.victims.append(_victim(tenant, marker, world, places.get(name) or at(tenant.database)))
            world.reset()
            yield world
        finally:
            for victim in world.victims:
                if victim.admin is not world.shared:
                    victim.admin.close()
            if world.shared is not None:
                with closing(world.shared):
                    pass


def _victim(tenant: Tenant, marker: str, world: World, url: str) -> Victim:
    if tenant.isolation == _SHARED:
        assert world.shared is not None
        return Victim(tenant, marker, world.shared, "mt_shared", tenant.tenant_id)
    if tenant.isolation == _SCHEMA:
        assert world.shared is not None
        return Victim(tenant, marker, world.shared, tenant.database, None)
    return Victim(tenant, marker, psycopg.connect(url, autocommit=True), "public", None)


def _at(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)
