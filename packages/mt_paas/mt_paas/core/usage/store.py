"""The sums in the registry, by tenant, day and meter: what is added is added once, and how it is asked for."""

from __future__ import annotations

import calendar
import logging
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy import case, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.models import TenantRow, UsageBatchRow, UsageRow
from mt_paas.core.store import Store
from mt_paas.core.usage.sums import PEAK, Key, Sums

__all__ = ["UsageStore"]

_AT_ONCE = 1000  # sums in one statement, of five values each
_REMEMBERED = timedelta(days=90)  # how long it is known of a batch that was never removed that it was added
_GONE = (TenantStatus.CANCELLED, TenantStatus.PURGED)
_log = logging.getLogger(__name__)


class UsageStore(Store):
    """What every tenant used, in the registry behind ``engine``."""

    async def add(self, batch_id: str, sums: Sums, *, removed: Sequence[str] = ()) -> None:
        """Add the sums, unless the batch with this id was added before: then nothing changes.

        ``removed`` are the batches that can not come again, because they are nowhere any more. What was counted for a
        tenant that is purged, or never was, is left out.
        """
        now = self._clock()
        async with self._transaction() as session:
            old = or_(UsageBatchRow.batch_id.in_(removed), UsageBatchRow.added_at < now - _REMEMBERED)
            await session.execute(delete(UsageBatchRow).where(old))
            first = insert(UsageBatchRow).values(batch_id=batch_id, added_at=now).on_conflict_do_nothing()
            if await session.scalar(first.returning(UsageBatchRow.batch_id)) is None:
                return
            wanted = await _of_tenants_that_are_there(session, sums)
            for begin in range(0, len(wanted), _AT_ONCE):
                await _add(session, {key: sums[key] for key in wanted[begin : begin + _AT_ONCE]})

    async def totals(self, tenant_id: str, period: str) -> dict[str, float]:
        """Return what the tenant used in ``period`` (``YYYY-MM`` or ``YYYY-MM-DD``, of UTC), by the names of meters.

        Whole numbers are of the type ``int``.
        """
        wanted = (
            select(UsageRow.meter, UsageRow.is_peak, func.sum(UsageRow.amount), func.max(UsageRow.amount))
            .where(UsageRow.tenant_id == tenant_id, UsageRow.day.between(*_days(period)))
            .group_by(UsageRow.meter, UsageRow.is_peak)
            .order_by(UsageRow.meter, UsageRow.is_peak)
        )
        async with self._transaction() as session:
            found = (await session.execute(wanted)).all()
        return {meter: _number(highest if is_peak else total) for meter, is_peak, total, highest in found}


async def _of_tenants_that_are_there(session: AsyncSession, sums: Sums) -> list[Key]:
    """Return the keys of the sums in one order for every process, with their tenants held against a purge."""
    named = sorted({key.tenant_id for key in sums})
    held = (
        select(TenantRow.tenant_id)
        .where(TenantRow.tenant_id.in_(named), TenantRow.status.not_in(_GONE))
        .order_by(TenantRow.tenant_id)
        .with_for_update(read=True, key_share=True)
    )
    there = set(await session.scalars(held))
    for tenant_id in set(named) - there:
        _log.warning("what was counted for tenant %s is dropped: there is no such tenant, or not any more", tenant_id)
    return sorted(key for key in sums if key.tenant_id in there)


async def _add(session: AsyncSession, sums: Sums) -> None:
    new = insert(UsageRow).values(
        [
            {
                "tenant_id": key.tenant_id,
                "day": key.day,
                "meter": key.meter,
                "is_peak": key.kind == PEAK,
                "amount": amount,
            }
            for key, amount in sums.items()
        ]
    )
    more = case(
        (UsageRow.is_peak, func.greatest(UsageRow.amount, new.excluded.amount)),
        else_=UsageRow.amount + new.excluded.amount,
    )
    key = (UsageRow.tenant_id, UsageRow.day, UsageRow.meter, UsageRow.is_peak)
    await session.execute(new.on_conflict_do_update(index_elements=key, set_={"amount": more}))


def _days(period: str) -> tuple[date, date]:
    if len(period) == len("2026-01"):
        first = date.fromisoformat(f"{period}-01")
        return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])
    day = date.fromisoformat(period)
    return day, day


def _number(amount: Decimal) -> float:
    return int(amount) if amount == int(amount) else float(amount)
