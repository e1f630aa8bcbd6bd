"""What tables a place has, from the catalog of PostgreSQL: also those that the service's metadata do not know.

Tables of two places are the same when they have the same name and the same columns; ``tenant_id``, which shared tables
have, is no column here. Parents come before the tables that refer to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from mt_paas.core.moving.places import Connection, Place

__all__ = ["LARGE_OBJECTS", "RELATIONS", "Column", "Table", "ordered", "read_others", "read_tables", "schemas_of"]

#: Alembic's own table: it speaks of all tables, so where tenants share tables it is no tenant's.
REVISION = "alembic_version"
#: What :func:`read_others` calls large objects, of which a tenant has some or none.
LARGE_OBJECTS = ("large object", "(in pg_largeobject)")
_OWNER = "tenant_id"
_SCHEMAS = (
    "SELECT nspname FROM pg_namespace n WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
    " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid"
    " AND d.deptype = 'e') ORDER BY 1"
)
#: What is in ``%(schemas)s``, by way of pg_depend: pg_class has no index by schema, and may hold all tenants' tables.
RELATIONS = """ANY (ARRAY(SELECT objid FROM pg_depend
  WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_namespace'::regclass
  AND refobjid = ANY (ARRAY(SELECT oid FROM pg_namespace WHERE nspname = ANY(%(schemas)s)))))"""
_TABLES = f"""
SELECT n.nspname, c.relname, c.relkind = 'r',
  (SELECT coalesce(json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '',
     a.attidentity = 'a') ORDER BY a.attnum), '[]')
   FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  (SELECT coalesce(json_agg(a.attname ORDER BY k.place), '[]')
   FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
   JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
   WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate),
  (SELECT coalesce(json_agg(json_build_array(k.conname, fn.nspname, f.relname, k.condeferrable)), '[]')
   FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
   WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = {RELATIONS} AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT EXISTS (
  SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""  # noqa: S608 - a constant
# What is in a schema beside tables, and is moved by being made at the other place too, or not at all.
_OTHERS = f"""
SELECT n.nspname, c.relname, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE
  'foreign table' END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = {RELATIONS} AND c.relkind IN ('v', 'm', 'f') AND NOT EXISTS (
  SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT n.nspname, p.proname, 'function' FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY(%(schemas)s) AND NOT EXISTS (
  SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
UNION ALL
SELECT n.nspname, c.relname || '.' || t.tgname, 'trigger'
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND c.oid = {RELATIONS}
ORDER BY 1, 2
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``generated`` ones compute themselves; ``always`` says that only the table may number it."""

    name: str
    type: str
    generated: bool
    always: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key of a table to ``to``."""

    name: str
    to: tuple[str, str]
    deferrable: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table, whose ``name`` is the label of its schema and its own. ``key`` is empty where rows have none."""

    name: tuple[str, str]
    plain: bool
    shared: bool
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    references: tuple[Reference, ...]

    @property
    def said(self) -> str:
        """The name as people write it."""
        return ".".join(part for part in self.name if part)

    @property
    def written(self) -> tuple[str, ...]:
        """The columns that are written."""
        return tuple(column.name for column in self.columns if not column.generated)

    def at(self, place: Place) -> sql.Composable:
        """Return the table's name at ``place``, to write to."""
        return sql.Identifier(place.schema(self.name[0]), self.name[1])

    def rows_at(self, place: Place) -> sql.Composable:
        """Return the table's name at ``place``, to read from: without what inherits from it, which is its own table."""
        return sql.SQL("ONLY {}" if self.plain else "{}").format(self.at(place))


async def schemas_of(connection: Connection, place: Place) -> list[str]:
    """Return the schemas of the place."""
    if not place.whole:
        return [place.home]
    return [str(name) for (name,) in await (await connection.execute(_SCHEMAS)).fetchall()]


async def read_tables(connection: Connection, place: Place) -> dict[tuple[str, str], Table]:
    """Return the tables of the place by name; where tenants share tables, those that have rows of tenants."""
    schemas = await schemas_of(connection, place)
    found: dict[tuple[str, str], Table] = {}
    for row in await (await connection.execute(_TABLES, {"schemas": schemas})).fetchall():
        schema, name, plain, columns, key, references = row
        table = _table(place, (str(schema), str(name), bool(plain)), columns, key, references)
        if place.shares is None or table.shared:
            found[table.name] = table
    return found


def _table(place: Place, head: tuple[str, str, bool], columns: Any, key: Any, references: Any) -> Table:
    schema, name, plain = head
    all_columns = [Column(*each) for each in columns]
    shared = place.shares is not None and any(column.name == _OWNER for column in all_columns)
    return Table(
        name=(place.label(schema), name),
        plain=plain,
        shared=shared,
        columns=tuple(column for column in all_columns if not (shared and column.name == _OWNER)),
        key=tuple(column for column in key if not (shared and column == _OWNER)),
        references=tuple(
            Reference(str(each[0]), (place.label(str(each[1])), str(each[2])), bool(each[3])) for each in references
        ),
    )


async def read_others(connection: Connection, place: Place) -> set[tuple[str, str]]:
    """Return views, functions and triggers of the place, each as what it is and its name; large objects too."""
    schemas = await schemas_of(connection, place)
    rows = await (await connection.execute(_OTHERS, {"schemas": schemas})).fetchall()
    found = {(str(kind), ".".join(filter(None, [place.label(str(schema)), str(name)]))) for schema, name, kind in rows}
    if place.whole:
        large = await (await connection.execute("SELECT FROM pg_largeobject_metadata LIMIT 1")).fetchall()
        found |= {LARGE_OBJECTS for _ in large}
    return found


def ordered(tables: Iterable[Table]) -> tuple[list[Table], list[tuple[Table, Reference]]]:
    """Return the tables, parents first, and the references that point to one that comes later: those of circles."""
    left = {table.name: table for table in tables}
    done: list[Table] = []
    while left:
        free = [
            table
            for table in left.values()
            if not any(each.to in left and each.to != table.name for each in table.references)
        ]
        for table in free or [next(iter(left.values()))]:
            done.append(table)
            del left[table.name]
    return done, _backward(done)


def _backward(tables: Sequence[Table]) -> list[tuple[Table, Reference]]:
    places = {table.name: place for place, table in enumerate(tables)}
    return [
        (table, each)
        for place, table in enumerate(tables)
        for each in table.references
        if places.get(each.to, -1) > place
    ]
