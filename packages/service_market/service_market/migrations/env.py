"""Alembic's entry: runs on the connection that :mod:`service_market.migrations.upgrade` hands in."""

from __future__ import annotations

from alembic import context

from service_market.assembly import MODELS
from service_market.core.db import Base
from service_market.core.idempotency import IdempotencyRecord


def include(_object: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:  # noqa: FBT001 - Alembic's signature
    """Leave the job queue's tables to the job queue."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


assert MODELS  # noqa: S101 - importing it is what fills the metadata
assert IdempotencyRecord.__table__ is not None  # noqa: S101 - likewise
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_object=include,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
