"""Migrations that know of one tenant, run on tables that tenants share.

What a script makes by Alembic's operations becomes what :func:`~mt_paas.core.database.shared_tables.share` makes of a
service's tables: the column ``tenant_id``, and keys, unique constraints, references and indexes that begin with it.
What it does by statements of its own is run as it is; a table that has no ``tenant_id`` after all is refused when the
tables are fenced, and nothing of the migration stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Constraint, Index, MetaData, Table

__all__ = ["share_operations"]

Share = Callable[[MetaData], MetaData]


def share_operations(context: MigrationContext, share: Share) -> None:
    """Have what ``context`` makes shared by ``share``."""
    make_table, make_index, add_constraint = (
        context.impl.create_table,
        context.impl.create_index,
        context.impl.add_constraint,
    )

    def create_table(table: Table, **options: Any) -> None:
        make_table(share(table.metadata).tables[table.key], **options)

    def create_index(index: Index, **options: Any) -> None:
        (shared,) = _shared(index.table, share).indexes
        make_index(shared, **options)

    def add(constraint: Constraint, **options: Any) -> None:
        if isinstance(constraint, CheckConstraint):
            add_constraint(constraint, **options)
            return
        table = _shared(constraint.table, share)
        kind = type(constraint)
        for shared in [each for each in table.constraints if type(each) is kind and each.name == constraint.name]:
            add_constraint(shared, **options)

    impl: Any = context.impl
    impl.create_table, impl.create_index, impl.add_constraint = create_table, create_index, add


def _shared(table: Table | None, share: Share) -> Table:
    assert table is not None  # noqa: S101 - Alembic has no index without one
    return share(table.metadata).tables[table.key]
