"""A tenant's place as the mover sees it: a database and the schemas in it, reached as the owner of the tables.

The mover has connections of its own, by psycopg whatever driver the service uses: rows go from one server to another by
``COPY``, a few at a time. They are connections of the owner, to whom no fence applies; where tenants share tables,
each statement says whose rows are meant.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL

from mt_paas.core.database.isolations import Isolations
from mt_paas.core.database.names import fit
from mt_paas.core.database.per_schema import SchemaPerTenant
from mt_paas.core.database.shared_tables import SCHEMA, SharedTables
from mt_paas.core.schemas import Tenant
from mt_paas.errors import ServiceNotReady

__all__ = ["Connection", "Place", "for_psycopg", "place_of", "sealed_name"]

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_CONNECT_SECONDS = 5
# What the text of a value depends on: both sides of a copy are to write the same.
_SETTINGS = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 1;"
    " SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET xmloption = 'content'; SET row_security = off;"
    " SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows are. ``home`` is the schema that names without one mean; ``shares`` says whose rows are meant there.

    ``whole`` says that the database has nothing but the tenant's: its other schemas belong to the place too.
    """

    url: str = field(repr=False)
    home: str
    whole: bool = False
    shares: str | None = None

    @property
    def sealed_home(self) -> str:
        """The name that the home has when the tenant has left it."""
        return sealed_name(self.home)

    def schema(self, label: str) -> str:
        """Return the name of a schema here that is called ``label`` everywhere; "" is the home."""
        return label or self.home

    def label(self, schema: str) -> str:
        """Return what the schema is called everywhere."""
        return "" if schema == self.home else schema

    def mine(self, alias: str = "t") -> sql.Composable:
        """Return the condition under which a row is the tenant's."""
        if self.shares is None:
            return sql.SQL("true")
        return sql.SQL("{}.tenant_id = {}").format(sql.Identifier(alias), sql.Literal(self.shares))

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Open a connection; each statement begins a transaction, which is rolled back at the end."""
        try:
            connection = await psycopg.AsyncConnection.connect(
                self.url, autocommit=True, connect_timeout=_CONNECT_SECONDS, prepare_threshold=None
            )
        except psycopg.OperationalError as error:
            raise ServiceNotReady("The tenant's database does not answer; try again shortly.") from error
        try:
            await connection.execute(_SETTINGS)
            await connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(self.home)))
            await connection.set_autocommit(False)
            yield connection
        finally:
            await connection.close()


def sealed_name(schema: str) -> str:
    """Return the name of a schema that the tenant has left; no tenant's id and no prefix has its last characters."""
    return fit(f"{schema}~moved")


async def place_of(isolations: Isolations, tenant: Tenant) -> Place:
    """Return the place that the tenant has, by its isolation."""
    async with isolations.owner(tenant) as owner:
        url = for_psycopg(owner.engine.url)
    if tenant.isolation == SharedTables.name:
        return Place(url, SCHEMA, shares=tenant.tenant_id)
    if tenant.isolation == SchemaPerTenant.name:
        return Place(url, tenant.database)
    return Place(url, "public", whole=True)


def for_psycopg(url: URL) -> str:
    """Return the address as psycopg and libpq take it."""
    if url.drivername.endswith("asyncpg"):  # which calls it otherwise, and has options that nobody else knows
        url = url.set(query={"sslmode": url.query["ssl"]} if "ssl" in url.query else {})
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
