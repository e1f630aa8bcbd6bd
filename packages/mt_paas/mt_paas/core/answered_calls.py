"""What was answered to the calls of a tenant's life, by their ``Idempotency-Key``.

A call that comes once more, however late, is answered as it was the first time and changes nothing: it may have been
under way for long, or be sent again by a market that does not know that it was answered, while others followed it. Of
each tenant the newest answers are kept; none of them holds a link.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from mt_paas.core.models import AnsweredCallRow

__all__ = ["AnsweredCall", "find_answer", "keep_answer"]

KEPT = 100  # answers of each tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredCall:
    """A call of ``kind`` that was answered when ``activation`` was the number of the tenant's activation."""

    tenant_id: str
    kind: str
    idempotency_key: str
    activation: int
    answer: dict[str, Any] | None = field(default=None, repr=False)


async def find_answer(session: AsyncSession, tenant_id: str, kind: str, key: str) -> AnsweredCall | None:
    """Return the call of ``kind`` that came with ``key`` and was answered, or null."""
    row = await session.scalar(select(AnsweredCallRow).filter_by(tenant_id=tenant_id, kind=kind, idempotency_key=key))
    if row is None:
        return None
    return AnsweredCall(
        tenant_id=tenant_id, kind=kind, idempotency_key=key, activation=row.activation, answer=row.answer
    )


async def keep_answer(session: AsyncSession, call: AnsweredCall, now: datetime) -> None:
    """Write down what the call was answered, unless that is written down, and forget the tenant's oldest answers."""
    statement = insert(AnsweredCallRow).values(
        tenant_id=call.tenant_id,
        kind=call.kind,
        idempotency_key=call.idempotency_key,
        activation=call.activation,
        answer=call.answer,
        answered_at=now,
    )
    await session.execute(statement.on_conflict_do_nothing(index_elements=["tenant_id", "kind", "idempotency_key"]))
    mine = AnsweredCallRow.tenant_id == call.tenant_id
    newest = select(AnsweredCallRow.id).where(mine).order_by(AnsweredCallRow.id.desc()).limit(KEPT)
    await session.execute(delete(AnsweredCallRow).where(mine, AnsweredCallRow.id.not_in(newest)))
