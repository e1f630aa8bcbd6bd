"""The template database: a service's tables, made once, that every new tenant's database is cloned from.

Its name holds a fingerprint of the tables, so a changed service makes a new template beside the old one. Privileges
are granted here to a group role; a clone carries them along, which makes a tenant's role a matter of one membership.
"""

from __future__ import annotations

from sqlalchemy import URL, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from mt_paas.core.database.blueprint import Blueprint
from mt_paas.core.database.names import group_name, quote, staging_name, template_name
from mt_paas.core.database.server import (
    connect_alone,
    database_mark,
    drop_database,
    literal,
    role_mark,
    run,
    run_together,
)
from mt_paas.core.identity import ServiceIdentity
from mt_paas.core.tenant_tables import TABLES
from mt_paas.errors import ConfigurationError

__all__ = ["complete", "ensure_template", "fingerprint", "grant_new_schemas"]

_LOCK = 0x6D745F7061617301  # "mt_paas": one process at a time makes the template
_RECIPE = "2"  # counts up when this module makes templates in another way
_NEW_SCHEMAS = text(
    "SELECT nspname FROM pg_namespace n WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT EXISTS ("
    " SELECT FROM aclexplode(nspacl) WHERE grantee = (SELECT oid FROM pg_roles WHERE rolname = :group))"
)


def fingerprint(blueprint: Blueprint) -> str:
    """Return a hash of all that a template of ``blueprint`` is made by."""
    return blueprint.fingerprint(_RECIPE)


async def ensure_template(
    connection: AsyncConnection, url: URL, identity: ServiceIdentity, blueprint: Blueprint
) -> tuple[str, str]:
    """Make the template and the group role unless they are there; return their names.

    Of any number of processes that start at once one makes them, the others wait for it.
    """
    group = group_name(identity.service_id, identity.registry_id)
    template = template_name(identity.service_id, identity.registry_id, fingerprint(blueprint))
    await connection.execute(select(func.pg_advisory_lock(_LOCK)))
    try:
        mark = f"mt_paas registry {identity.registry_id}"
        await _ensure_group(connection, group, mark)
        if await database_mark(connection, template) is None:
            await _make(connection, url, identity, blueprint, template=template, group=group, mark=mark)
    finally:
        await connection.execute(select(func.pg_advisory_unlock(_LOCK)))
    return template, group


async def _ensure_group(connection: AsyncConnection, group: str, mark: str) -> None:
    found = await role_mark(connection, group)
    if found is None:
        await run_together(
            connection,
            f"CREATE ROLE {quote(group)} NOLOGIN",
            f"COMMENT ON ROLE {quote(group)} IS {literal(mark)}",
        )
    elif found != mark:
        raise ConfigurationError(f"the role {group} exists and is not this service's; rename or drop it")


async def _make(
    connection: AsyncConnection,
    url: URL,
    identity: ServiceIdentity,
    blueprint: Blueprint,
    *,
    template: str,
    group: str,
    mark: str,
) -> None:
    staging = staging_name(identity.registry_id, template)
    await drop_database(connection, staging)
    await run(connection, f"CREATE DATABASE {quote(staging)} TEMPLATE template0 ENCODING 'UTF8'")
    await _fill(url.set(database=staging), blueprint, group)
    await run_together(
        connection,
        f"REVOKE ALL ON DATABASE {quote(staging)} FROM PUBLIC",
        f"COMMENT ON DATABASE {quote(staging)} IS {literal(mark)}",
        f"ALTER DATABASE {quote(staging)} IS_TEMPLATE true ALLOW_CONNECTIONS false",
        f"ALTER DATABASE {quote(staging)} RENAME TO {quote(template)}",
    )


async def _fill(url: URL, blueprint: Blueprint, group: str) -> None:
    async with connect_alone(url) as connection, connection.begin():
        for name in blueprint.schemas:
            await run(connection, f"CREATE SCHEMA IF NOT EXISTS {quote(name)}")
        await blueprint.make(connection)
        await grant_new_schemas(connection, group)


async def grant_new_schemas(connection: AsyncConnection, group: str) -> None:
    """Grant what is in schemas that ``group`` can not use yet, and what will be."""
    for name in (await connection.scalars(_NEW_SCHEMAS, {"group": group})).all():
        await run(connection, *_grants(quote(name), quote(group)))


async def complete(url: URL) -> None:
    """Make what is missing of the library's tables in the database at ``url``, one caller at a time.

    The privileges come with them: a clone has the template's defaults.
    """
    async with connect_alone(url) as connection, connection.begin():
        await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        await connection.run_sync(TABLES.create_all)


def _grants(schema: str, group: str) -> list[str]:
    """Return what lets a tenant read and write rows, in the tables that are there and in those that are added."""
    rows, numbers = "SELECT, INSERT, UPDATE, DELETE", "USAGE, SELECT"
    return [
        f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA {schema} TO {group}",
        f"GRANT {rows} ON ALL TABLES IN SCHEMA {schema} TO {group}",
        f"GRANT {numbers} ON ALL SEQUENCES IN SCHEMA {schema} TO {group}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {rows} ON TABLES TO {group}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {numbers} ON SEQUENCES TO {group}",
    ]
