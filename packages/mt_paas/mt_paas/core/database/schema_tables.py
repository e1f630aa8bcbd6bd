"""The tables of a tenant's schema, made by one statement if that can be: ten thousand schemas are a matter of minutes.

A service that gives its tables as metadata has a text that makes all of them. Migrations are run once, to the text of
their SQL (``alembic upgrade head --sql``), which then makes every schema in one statement too. That text is only
trusted when it makes what Alembic makes: both are tried in schemas that are rolled back, and compared. For scripts
whose text is not there, or tells less (those that read what is in the database), Alembic runs for every new schema.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from mt_paas.core.database.blueprint import Blueprint
from mt_paas.core.database.names import quote
from mt_paas.core.database.server import run
from mt_paas.core.database.shared import statements_for
from mt_paas.core.tenant_tables import TABLES

__all__ = ["SchemaTables"]

_log = logging.getLogger(__name__)

#: What a schema holds, in words that are the same for each schema.
_CONTENT = text(
    """
    SELECT c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
      a.attidentity::text || a.attgenerated::text, pg_get_expr(d.adbin, d.adrelid)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
    WHERE c.relnamespace = to_regnamespace(:name)
    UNION ALL SELECT conrelid::regclass::text, 'constraint', conname, pg_get_constraintdef(oid), '', '', ''
    FROM pg_constraint WHERE connamespace = to_regnamespace(:name)
    UNION ALL SELECT tablename, 'index', indexname, indexdef, '', '', ''
    FROM pg_indexes WHERE schemaname = :plain
    UNION ALL SELECT tgrelid::regclass::text, 'trigger', tgname, pg_get_triggerdef(pg_trigger.oid), '', '', ''
    FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
    WHERE c.relnamespace = to_regnamespace(:name) AND NOT tgisinternal
    UNION ALL SELECT proname, 'function', '', md5(prosrc), pg_get_function_arguments(oid), '', ''
    FROM pg_proc WHERE pronamespace = to_regnamespace(:name)
    UNION ALL SELECT typname, 'type', typtype::text, (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder)
      FROM pg_enum WHERE enumtypid = t.oid), '', '', ''
    FROM pg_type t WHERE typnamespace = to_regnamespace(:name)
    """
)
_TABLES = text(
    "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(:name) AND relkind = 'r' ORDER BY relname"
)


class SchemaTables:
    """What makes the tables of ``blueprint`` in the schema that comes first in the path."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint
        self._library = statements_for(TABLES)
        self._own: str | None = None if blueprint.migrations is not None else statements_for(blueprint.metadata)
        self._tried = blueprint.migrations is None
        self._trying = asyncio.Lock()

    async def make(self, connection: AsyncConnection, before: Sequence[str], after: Sequence[str]) -> None:
        """Make the tables between what comes ``before`` and ``after`` them, within the transaction of ``connection``.

        These are statements of PL/pgSQL.
        """
        async with self._trying:
            if not self._tried:
                self._own = await self._text(connection)
                self._tried = True
        if self._own is not None:
            await run(connection, _together(*before, self._library, self._own, *after))
            return
        await run(connection, _together(*before, self._library))
        await self._blueprint.make_own(connection)
        await run(connection, _together(*after))

    async def _text(self, connection: AsyncConnection) -> str | None:
        """Return the statement that does what the migrations do, if there is one."""
        migrations = self._blueprint.migrations
        assert migrations is not None  # noqa: S101 - it is only asked for them
        by_alembic = await self._content_after(connection, None)
        try:
            statement = _as_one(await migrations.statements(connection))
            by_text = await self._content_after(connection, statement)
        except Exception as error:  # noqa: BLE001 - scripts may raise anything where there is no database to read from
            _log.info("the migrations have no text of SQL (%s): Alembic runs for each new schema", type(error).__name__)
            return None
        if by_text != by_alembic:
            _log.info("the text of the migrations makes something else than Alembic, which runs for each new schema")
            return None
        return statement

    async def _content_after(self, connection: AsyncConnection, statement: str | None) -> list[Any]:
        """Return what a schema holds that was made by ``statement``, or without one by Alembic; nothing of it stays."""
        name = f"mt_trial_{secrets.token_hex(4)}"
        trial = await connection.begin_nested()
        try:
            await run(
                connection, f"CREATE SCHEMA {quote(name)}", f"SET LOCAL search_path = {quote(name)}", self._library
            )
            if statement is None:
                await self._blueprint.make_own(connection)
            else:
                await run(connection, statement)
            place = {"name": quote(name), "plain": name}
            found = [tuple(row) for row in await connection.execute(_CONTENT, place)]
            for table in (await connection.scalars(_TABLES, {"name": quote(name)})).all():
                rows = f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {quote(table)} t"  # noqa: S608 - names from the catalogue
                found.append((table, "rows", await connection.scalar(text(rows))))
            return sorted(str(row).replace(name, "") for row in found)
        finally:
            await trial.rollback()  # and with it the path is as it was


def _as_one(script: str) -> str:
    """Return one statement that runs the whole script; what it answers is thrown away."""
    return _together(f"EXECUTE {_quoted(script)}")


def _together(*statements: str) -> str:
    """Return one statement that runs these in order."""
    return f"DO {_quoted('BEGIN ' + '; '.join(statements) + '; END')}"


def _quoted(script: str) -> str:
    tag = f"$mt_{secrets.token_hex(8)}$"
    return f"{tag}{script}{tag}"
