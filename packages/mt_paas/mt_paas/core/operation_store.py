"""Every query on the operations of a service: calls that were answered with 202, and what became of them.

And on the calls of a tenant's life that were done, by their ``Idempotency-Key``
(:mod:`mt_paas.core.answered_calls`).

An operation is written down before its 202 leaves. It ends once: the first who writes its end is believed. Whoever
works on it holds a lease; one whose lease has run out is handed to whoever asks first.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from mt_paas.core.answered_calls import AnsweredCall, find_answer, keep_answer
from mt_paas.core.models import Base, OperationRow
from mt_paas.core.store import Store
from mt_paas.errors import OperationNotFound
from mt_paas.standard_api.models import OperationStatus

__all__ = ["LEASE", "OperationStore", "StoredOperation", "Task"]

LEASE = timedelta(seconds=30)
_OPERATION = Base.metadata.tables[OperationRow.__tablename__]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be done: a call of the contract, with what came in it."""

    kind: str
    tenant_id: str
    request: dict[str, Any] | None = field(default=None, repr=False)
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOperation:
    """An operation as it was when it was looked up."""

    operation_id: str
    task: Task
    status: OperationStatus
    created_at: datetime
    ended_at: datetime | None
    attempts: int
    cancelled: bool
    result: dict[str, Any] | None = field(repr=False)
    error: dict[str, Any] | None


class OperationStore(Store):
    """The operations of one service."""

    async def begin(self, task: Task) -> StoredOperation | None:
        """Write down a new operation, leased to the caller; null where one of its kind is under way for the tenant."""
        now = self._clock()
        statement = (
            insert(OperationRow)
            .values(
                operation_id=f"op_{secrets.token_hex(12)}",
                tenant_id=task.tenant_id,
                kind=task.kind,
                status=OperationStatus.IN_PROGRESS.value,
                idempotency_key=task.idempotency_key,
                request=task.request,
                created_at=now,
                lease_until=now + LEASE,
                attempts=1,
                cancelled=False,
            )
            .on_conflict_do_nothing()
            .returning(*_OPERATION.c)
        )
        row = await self._write(statement)
        return _stored(row) if row is not None else None

    async def get(self, operation_id: str) -> StoredOperation:
        """Return the operation. Raises :class:`~mt_paas.errors.OperationNotFound`."""
        row = await self._read_one(select(_OPERATION).where(_OPERATION.c.operation_id == operation_id))
        if row is None:
            raise OperationNotFound(f"This service knows no operation {operation_id}.")
        return _stored(row)

    async def under_way(self, tenant_id: str, *, export: bool = False) -> StoredOperation | None:
        """Return the lifecycle call, or the export, that is under way for the tenant."""
        row = _OPERATION.c
        wanted = select(_OPERATION).where(row.tenant_id == tenant_id, row.lease_until.is_not(None))
        found = await self._read_one(wanted.where((row.kind == "export") == export))
        return _stored(found) if found is not None else None

    async def answered(self, tenant_id: str, kind: str, key: str | None) -> AnsweredCall | None:
        """Return the call of ``kind`` that came with ``key`` and was done, or null; without a key none was."""
        row = await self._read_one(find_answer(tenant_id, kind, key)) if key is not None else None
        if row is None:
            return None
        return AnsweredCall(
            tenant_id=tenant_id,
            kind=kind,
            idempotency_key=row.idempotency_key,
            activation=row.activation,
            answer=row.answer,
        )

    async def keep_answer(self, call: AnsweredCall) -> None:
        """Write down that the call was done, for when it comes again."""
        await self._write(select(1).add_cte(*keep_answer(call, self._clock())))

    async def exports_of(self, tenant_id: str) -> Sequence[str]:
        """Return the ids of all exports of the tenant."""
        wanted = select(OperationRow.operation_id).where(
            OperationRow.tenant_id == tenant_id, OperationRow.kind == "export"
        )
        return [row.operation_id for row in await self._read(wanted)]

    async def beat(self, operation_id: str) -> bool:
        """Push the lease on, and tell whether the operation is still to be done: not cancelled, and not ended."""
        statement = (
            update(OperationRow)
            .where(OperationRow.operation_id == operation_id, OperationRow.lease_until.is_not(None))
            .values(lease_until=self._clock() + LEASE)
            .returning(OperationRow.cancelled)
        )
        row = await self._write(statement)
        return row is not None and not row.cancelled

    async def release(self, operation_id: str) -> None:
        """Let the lease run out now: somebody else takes the operation up."""
        await self._change(operation_id, lease_until=self._clock())

    async def cancel(self, operation_id: str) -> bool:
        """Write down that the operation is to be undone; tell whether it was under way."""
        return await self._change(operation_id, cancelled=True)

    async def end(
        self, operation_id: str, *, result: dict[str, Any] | None = None, error: dict[str, Any] | None = None
    ) -> None:
        """Write down how the operation ended, unless that was written down before. What it was asked is forgotten."""
        status = OperationStatus.SUCCEEDED if error is None else OperationStatus.FAILED
        await self._change(
            operation_id,
            status=status.value,
            result=result,
            error=error,
            request=None,
            ended_at=self._clock(),
            lease_until=None,
        )

    async def take_up(self, limit: int) -> Sequence[StoredOperation]:
        """Return operations whose lease has run out, leased to the caller; nobody else gets them meanwhile."""
        now = self._clock()
        abandoned = (
            select(OperationRow.operation_id)
            .where(OperationRow.lease_until <= now)
            .order_by(OperationRow.lease_until)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        statement = (
            update(OperationRow)
            .where(OperationRow.operation_id.in_(abandoned.scalar_subquery()))
            .values(lease_until=now + LEASE, attempts=OperationRow.attempts + 1)
            .returning(OperationRow)
        )
        async with self._transaction() as session:
            return [_stored(row) for row in await session.scalars(statement)]

    async def forget(self, before: datetime) -> None:
        """Delete operations that ended before."""
        await self._write(delete(OperationRow).where(OperationRow.ended_at < before))

    async def _change(self, operation_id: str, **columns: Any) -> bool:
        """Change an operation that is under way; tell whether it was."""
        statement = (
            update(OperationRow)
            .where(OperationRow.operation_id == operation_id, OperationRow.lease_until.is_not(None))
            .values(**columns)
            .returning(OperationRow.operation_id)
        )
        return await self._write(statement) is not None


def _stored(row: OperationRow | Row[Any]) -> StoredOperation:
    return StoredOperation(
        operation_id=row.operation_id,
        task=Task(kind=row.kind, tenant_id=row.tenant_id, request=row.request, idempotency_key=row.idempotency_key),
        status=OperationStatus(row.status),
        created_at=row.created_at,
        ended_at=row.ended_at,
        attempts=row.attempts,
        cancelled=row.cancelled,
        result=row.result,
        error=row.error,
    )
