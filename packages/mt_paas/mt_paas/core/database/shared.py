"""The database of the tenants that have none of their own: those with a schema each, and those in shared tables.

All of them are reached over the same connections, by one role of the service that owns nothing. What keeps them apart
is in PostgreSQL, and holds against any statement that this role can send:

- every table has row-level security, and its policy asks ``mt_fence.tenant()`` who the transaction is for;
- that function believes only a signature: ``mt.tenant`` holds the tenant's id and a keyed hash of it, made with a
  secret that the role can not read. A session that sets another id has no signature for it. One that has no tenant
  is refused; it does not see everything;
- the role can make no temporary tables, which would shadow the real ones for whoever has the connection next;
- what is no table, and every role may reach, is closed (:mod:`mt_paas.core.database.side_doors`).

``mt_fence.enclose`` puts policies and privileges on all tables of a schema: it runs when they are made, and after each
migration. What is in one schema is asked of ``pg_depend``: ``pg_class``, where the tables of ten thousand schemas are,
has no index by schema, and reading all of it for each tenant would cost more the more tenants there are.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import URL, MetaData, create_mock_engine, event, func, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.schema import ExecutableDDLElement

from mt_paas.core.database.connections import Place
from mt_paas.core.database.names import fit, quote, staging_name
from mt_paas.core.database.server import (
    connect_args,
    database_mark,
    drop_database,
    literal,
    role_mark,
    run,
    run_together,
    through,
)
from mt_paas.core.database.side_doors import close_side_doors
from mt_paas.core.database.transactions import Fence
from mt_paas.core.identity import ServiceIdentity
from mt_paas.errors import ConfigurationError, ServiceNotReady
from mt_paas.utils.pool_settings import PoolSettings
from mt_paas.utils.security import derive_token, scram_sha256

__all__ = ["RELATIONS", "SharedDatabase", "statements_for"]

#: The tables, views and sequences of the schema ``:schema``, found by an index whatever the number of schemas.
RELATIONS = (
    "ANY (ARRAY(SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass"
    " AND refclassid = 'pg_namespace'::regclass AND refobjid = to_regnamespace(:schema)))"
)
_USES = 200
_LOCK = 0x6D745F7061617302  # "mt_paas": one process at a time makes the shared database

_FENCE = """
DO $fence$ BEGIN
CREATE SCHEMA IF NOT EXISTS mt_fence;
REVOKE ALL ON SCHEMA mt_fence FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE TABLE IF NOT EXISTS mt_fence.secret (value bytea NOT NULL);

CREATE OR REPLACE FUNCTION mt_fence.tenant() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  given text := current_setting('mt.tenant', true);
  tenant text := split_part(given, ':', 1);
  key bytea;
BEGIN
  SELECT value INTO STRICT key FROM mt_fence.secret;
  IF given IS NULL
    OR split_part(given, ':', 2) <> encode(sha256(key || sha256(key || convert_to(tenant, 'UTF8'))), 'hex')
  THEN
    RAISE insufficient_privilege USING MESSAGE = 'no tenant is bound to this transaction';
  END IF;
  RETURN tenant;
END $$;
REVOKE ALL ON FUNCTION mt_fence.tenant() FROM PUBLIC;

CREATE TABLE IF NOT EXISTS mt_fence.gone (tenant_id text PRIMARY KEY);
CREATE OR REPLACE FUNCTION mt_fence.lock_of(tenant text) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT pg_catalog.hashtextextended('mt_fence ' || tenant, 0) $$;

-- Of the rows that tenants share: one that moves away is held by its lock, and refused once it has left.
CREATE OR REPLACE FUNCTION mt_fence.sharer() RETURNS text
LANGUAGE plpgsql PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  tenant text := mt_fence.tenant();
BEGIN
  PERFORM pg_advisory_xact_lock_shared(mt_fence.lock_of(tenant));
  IF current_setting('transaction_isolation') <> 'read committed' AND current_setting('transaction_read_only') = 'off'
  THEN  -- it would not see that the tenant has left while it waited
    RAISE feature_not_supported USING MESSAGE = 'tenants that share tables write in READ COMMITTED transactions';
  END IF;
  IF EXISTS (SELECT FROM mt_fence.gone g WHERE g.tenant_id = tenant) THEN
    RAISE insufficient_privilege USING MESSAGE = 'the tenant has moved to another place';
  END IF;
  RETURN tenant;
END $$;
REVOKE ALL ON FUNCTION mt_fence.sharer() FROM PUBLIC;

CREATE OR REPLACE FUNCTION mt_fence.enclose(space name, owner text, role name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  thing record;
  rule text;
  sequences text[];
  others text[];
BEGIN
  FOR thing IN
    SELECT c.oid, c.relname, c.relkind, c.relrowsecurity,
      EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'mt_tenant') AS enclosed,
      EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT attisdropped)
        AS owned, format('%I.%I', space, c.relname) AS place
    FROM pg_class c WHERE c.oid = ANY (ARRAY(SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass
        AND refclassid = 'pg_namespace'::regclass AND refobjid = (SELECT oid FROM pg_namespace WHERE nspname = space)))
      AND c.relkind IN ('r', 'p', 'v', 'S') AND c.relname <> 'alembic_version'
  LOOP
    IF thing.relkind = 'S' THEN
      sequences := sequences || thing.place;
      CONTINUE;
    ELSIF thing.relkind = 'v' THEN
      EXECUTE format('ALTER VIEW %s SET (security_invoker = true)', thing.place);
    ELSE
      IF NOT thing.relrowsecurity THEN
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', thing.place);
      END IF;
      IF NOT thing.enclosed THEN
        IF owner IS NOT NULL THEN
          rule := format('(SELECT mt_fence.tenant()) = %L', owner);
        ELSIF thing.owned THEN
          rule := 'tenant_id = (SELECT mt_fence.sharer())';
        ELSE
          RAISE EXCEPTION 'table % has no column tenant_id, which says whose a row is', thing.relname;
        END IF;
        EXECUTE format('CREATE POLICY mt_tenant ON %s USING (%s) WITH CHECK (%s)', thing.place, rule, rule);
      END IF;
    END IF;
    others := others || thing.place;
  END LOOP;
  IF sequences IS NOT NULL THEN
    EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %s TO %I', array_to_string(sequences, ', '), role);
  END IF;
  IF others IS NOT NULL THEN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', array_to_string(others, ', '), role);
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', space, role);
END $$;
REVOKE ALL ON FUNCTION mt_fence.enclose(name, text, name) FROM PUBLIC;
END $fence$
"""


def statements_for(*metadata: MetaData) -> str:
    """Return the one statement that makes the tables of ``metadata``, in the schema that comes first in the path."""
    said: list[str] = []

    def note(statement: ExecutableDDLElement, *_: object, **__: object) -> None:
        said.append(str(statement.compile(dialect=teller.dialect)).strip())

    teller = create_mock_engine("postgresql+asyncpg://", note)  # whose statements escape nothing
    for tables in metadata:
        tables.create_all(teller, checkfirst=False)
    return f"DO $tables$ BEGIN\n{''.join(f'{statement};' for statement in said)}\nEND $tables$"


def _renewed(engine: AsyncEngine) -> AsyncEngine:
    """Have ``engine`` close a connection that was lent so many times, and open another; return it.

    The server process of a connection keeps what it has read of the catalogue, for each table that it ever touched: by
    the thousandth tenant that is a hundred MiB.
    """

    def returned(_: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        record.info["uses"] = record.info.get("uses", 0) + 1
        if record.info["uses"] >= _USES:
            record.invalidate(soft=True)

    event.listen(engine.sync_engine, "checkin", returned)
    return engine


class SharedDatabase:
    """The database, its role and its fence, on the server of ``engine``; ``owner`` reaches it as the service."""

    def __init__(self, engine: AsyncEngine, bounds: PoolSettings) -> None:
        self._url = engine.url
        self._bounds = bounds
        self._secret = ""
        self._owner: AsyncEngine | None = None
        self.name = self.role = ""

    async def start(self, connection: AsyncConnection, identity: ServiceIdentity) -> None:
        """Make what is missing of the database, the role and the fence."""
        if self._owner is not None:
            return
        mark = f"mt_paas registry {identity.registry_id}"
        begin = f"mt_{identity.registry_id.hex[:12]}"
        self.name = fit(f"{begin}_shared_{identity.service_id}")
        self.role = fit(f"{begin}_app_{identity.service_id}")
        self._secret = derive_token(identity.secret, "shared-database", str(identity.registry_id))
        await connection.execute(select(func.pg_advisory_lock(_LOCK)))
        try:
            await self._make_role(connection, mark)
            await self._make_database(connection, identity, mark)
            self._owner = _renewed(
                create_async_engine(
                    self._url.set(database=self.name),
                    pool_size=self._bounds.operations,
                    max_overflow=0,
                    pool_timeout=self._bounds.patience,
                    pool_pre_ping=True,
                    connect_args=connect_args(self._url),
                )
            )
            await self._make_fence()
        finally:
            await connection.execute(select(func.pg_advisory_unlock(_LOCK)))

    async def close(self) -> None:
        """Close the service's connections to it."""
        owner, self._owner = self._owner, None
        if owner is not None:
            await owner.dispose()

    @property
    def owner(self) -> AsyncEngine:
        """The engine of whoever owns the tables, to whom no fence applies: for DDL, never for a tenant's session."""
        if self._owner is None:
            raise ServiceNotReady
        return self._owner

    def place(self, tenant_id: str, schema: str) -> Place:
        """Return where the tenant's sessions begin: in ``schema``, bound to this tenant by a signature."""
        return Place(f"shared/{self.name}", self._address, self.fence(tenant_id, schema), self._bounds.tenants)

    def fence(self, tenant_id: str, schema: str) -> Fence:
        """Return what binds a transaction to the tenant."""
        key = self._secret.encode()
        signature = hashlib.sha256(key + hashlib.sha256(key + tenant_id.encode()).digest()).hexdigest()
        return Fence(("search_path", "mt.tenant"), (f"{quote(schema)}, pg_temp", f"{tenant_id}:{signature}"))

    async def _address(self) -> URL:
        password = derive_token(self._secret, "role")
        url = self._url.set(username=self.role, password=password, database=self.name)
        return through(url, self._bounds.pooler)

    async def _make_role(self, connection: AsyncConnection, mark: str) -> None:
        found = await role_mark(connection, self.role)
        if found not in {None, mark}:
            raise ConfigurationError(f"the role {self.role} exists and is not this service's; rename or drop it")
        login = f"LOGIN PASSWORD {literal(scram_sha256(derive_token(self._secret, 'role')))}"
        if found is None:
            await run_together(
                connection,
                f"CREATE ROLE {quote(self.role)} {login}",
                f"COMMENT ON ROLE {quote(self.role)} IS {literal(mark)}",
            )
        else:  # a role may change its own password, and so may whoever can send its statements
            await run(connection, f"ALTER ROLE {quote(self.role)} {login}")

    async def _make_database(self, connection: AsyncConnection, identity: ServiceIdentity, mark: str) -> None:
        found = await database_mark(connection, self.name)
        if found == mark:
            return
        if found is not None:
            raise ConfigurationError(f"the database {self.name} exists and is not this service's; rename or drop it")
        staging = staging_name(identity.registry_id, self.name)
        await drop_database(connection, staging)
        await run(connection, f"CREATE DATABASE {quote(staging)} TEMPLATE template0 ENCODING 'UTF8'")
        await run_together(
            connection,
            f"REVOKE ALL ON DATABASE {quote(staging)} FROM PUBLIC",
            f"GRANT CONNECT ON DATABASE {quote(staging)} TO {quote(self.role)}",
            f"COMMENT ON DATABASE {quote(staging)} IS {literal(mark)}",
            f"ALTER DATABASE {quote(staging)} RENAME TO {quote(self.name)}",
        )

    async def _make_fence(self) -> None:
        async with self.owner.begin() as connection:
            await run(connection, _FENCE)
            await run(
                connection,
                f"GRANT USAGE ON SCHEMA mt_fence TO {quote(self.role)}",
                f"GRANT EXECUTE ON FUNCTION mt_fence.tenant(), mt_fence.sharer() TO {quote(self.role)}",
                "DELETE FROM mt_fence.secret",
            )
            await connection.execute(
                text("INSERT INTO mt_fence.secret VALUES (convert_to(:secret, 'UTF8'))"), {"secret": self._secret}
            )
            await close_side_doors(connection, self.role)
