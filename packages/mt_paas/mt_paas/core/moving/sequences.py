"""Numbers go on at the new place after the last one that was given out at the old one."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from mt_paas.core.moving.catalog import RELATIONS, schemas_of
from mt_paas.core.moving.copying import fetch
from mt_paas.core.moving.places import Connection, Place

__all__ = ["carry_sequences", "make_sequences"]

# The sequence of a column is known by its column: its name may be another elsewhere.
_SEQUENCES = f"""
SELECT n.nspname, s.relname, pg_sequence_last_value(s.oid), q.seqincrement, t.relname, a.attname
FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace JOIN pg_sequence q ON q.seqrelid = s.oid
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype IN ('a', 'i')
  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
LEFT JOIN pg_class t ON t.oid = d.refobjid
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE s.oid = {RELATIONS} AND s.relkind = 'S'
"""  # noqa: S608 - a constant


_MARGIN = 1000


@dataclass(frozen=True, slots=True)
class _Sequence:
    schema: str
    name: str
    last: int | None
    step: int
    owned: bool


async def make_sequences(reading: Connection, writing: Connection, source: Place, target: Place) -> None:
    """Make at the target the sequences that belong to no column and are missing there."""
    there, here = await _read(reading, source), await _read(writing, target)
    for key, sequence in there.items():
        if key not in here and not sequence.owned:
            name = sql.Identifier(target.schema(source.label(sequence.schema)), sequence.name)
            await writing.execute(sql.SQL("CREATE SEQUENCE {} INCREMENT {}").format(name, sql.Literal(sequence.step)))


async def carry_sequences(reading: Connection, writing: Connection, source: Place, target: Place) -> None:
    """Let the target's sequences go on after the source's, and after the highest value that is in their columns.

    No sequence is set back: what PostgreSQL does to one stays when the transaction is rolled back, and the rows that
    are there then have the numbers. Where tenants share a sequence, others take numbers of it in the moment between
    looking and setting, so it is set further than needed: by more than they can take meanwhile.
    """
    there, here = await _read(reading, source), await _read(writing, target)
    for key, sequence in here.items():
        last = there[key].last if key in there else None
        if last is None and key not in there and sequence.owned:  # a column that another sequence numbers at the source
            last = await _highest(writing, target, sequence, key)
        if last is None:
            continue
        name = sql.Identifier(sequence.schema, sequence.name)
        is_behind, margin = ("<", _MARGIN) if sequence.step > 0 else (">", -_MARGIN)
        await writing.execute(
            sql.SQL(
                "SELECT setval(s.seqrelid, greatest(least({}, s.seqmax), s.seqmin)) FROM pg_sequence s"
                " WHERE s.seqrelid = {}::regclass AND coalesce(pg_sequence_last_value(s.seqrelid) {} {}, true)"
            ).format(
                sql.Literal(last if target.shares is None else last + margin),
                sql.Literal(name.as_string(writing)),
                sql.SQL(is_behind),
                sql.Literal(last),
            )
        )


async def _highest(connection: Connection, place: Place, sequence: _Sequence, key: tuple[str, ...]) -> int | None:
    """Return the highest value of the column that the sequence belongs to."""
    _, table, column = key
    query = sql.SQL("SELECT max({}) FROM {} t WHERE {}")
    found = await fetch(
        connection,
        query.format(sql.Identifier("t", column), sql.Identifier(sequence.schema, table), place.mine()),
    )
    return None if found[0][0] is None else int(found[0][0])


async def _read(connection: Connection, place: Place) -> dict[tuple[str, ...], _Sequence]:
    schemas = await schemas_of(connection, place)
    found: dict[tuple[str, ...], _Sequence] = {}
    for schema, name, last, step, table, column in await (
        await connection.execute(_SEQUENCES, {"schemas": schemas})
    ).fetchall():
        key = (place.label(str(schema)), *((str(table), str(column)) if table is not None else (str(name),)))
        found[key] = _Sequence(
            str(schema), str(name), int(str(last)) if last is not None else None, int(str(step)), table is not None
        )
    return found
