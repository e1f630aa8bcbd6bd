"""What was answered to the calls of a tenant's life, by their ``Idempotency-Key``.

A call that comes once more, however late, is answered as it was the first time and changes nothing: it may have been
under way for long, or be sent again by a market that does not know that it was answered, while others followed it. Of
each tenant the newest answers are kept; none of them holds a link.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, Select, delete, literal, select
from sqlalchemy.dialects.postgresql import insert

from mt_paas.core.models import AnsweredCallRow, Base

__all__ = ["AnsweredCall", "find_answer", "keep_answer"]

KEPT = 100  # answers of each tenant
_CALL = Base.metadata.tables[AnsweredCallRow.__tablename__]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredCall:
    """A call of ``kind`` that was answered when ``activation`` was the number of the tenant's activation."""

    tenant_id: str
    kind: str
    idempotency_key: str
    activation: int
    answer: dict[str, Any] | None = field(default=None, repr=False)


def find_answer(tenant_id: str, kind: str, key: str) -> Select[Any]:
    """Return the query of the call of ``kind`` that came with ``key`` and was answered."""
    return select(_CALL).where(_CALL.c.tenant_id == tenant_id, _CALL.c.kind == kind, _CALL.c.idempotency_key == key)


def keep_answer(call: AnsweredCall, now: datetime, *, only_with: CTE | None = None) -> tuple[CTE, CTE]:
    """Return the statements that keep what the call was answered, and forget the tenant's oldest answers.

    They are to be part of another one: ``only_with`` is what must have a row for it. What is kept already stays.
    """
    facts = {**asdict(call), "answered_at": now}
    given = select(*(literal(value, _CALL.c[name].type) for name, value in facts.items()))
    kept = insert(_CALL).from_select(list(facts), given if only_with is None else given.select_from(only_with))
    mine = _CALL.c.tenant_id == call.tenant_id
    older = select(_CALL.c.id).where(mine).order_by(_CALL.c.id.desc()).offset(KEPT - 1)
    return (
        kept.on_conflict_do_nothing(index_elements=["tenant_id", "kind", "idempotency_key"]).cte("kept"),
        delete(_CALL).where(mine, _CALL.c.id.in_(older)).cte("forgotten"),
    )
