"""What the registry knows of tenants' revisions. That none is opened to learn that it is where it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, not_, or_, select, update

from mt_paas.core import rows
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.models import TenantRow
from mt_paas.core.store import Store

__all__ = ["Candidate", "RevisionStore", "Standing", "columns_at"]

_GONE = (TenantStatus.CANCELLED, TenantStatus.PURGING, TenantStatus.PURGED)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tenant that may have to be migrated."""

    tenant_id: str
    isolation: str
    revision: str | None
    quarantine_reason: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How many tenants are at a revision, null for none that is known."""

    revision: str | None
    is_quarantined: bool
    count: int


def _has_tables() -> ColumnElement[bool]:
    """Which tenants have tables that stay: deactivated ones too, unless their data are about to be deleted."""
    dying = (TenantRow.status == TenantStatus.DEACTIVATED) & not_(TenantRow.data_preserved)
    return (TenantRow.activation > 0) & TenantRow.status.not_in(_GONE) & not_(dying)


def columns_at(revision: str | None) -> dict[str, Any]:
    """Return the columns of a tenant whose tables are at ``revision``; it is in no quarantine then."""
    return {"revision": revision, "quarantined_at": None, "quarantine_reason": None}


class RevisionStore(Store):
    """The columns ``revision``, ``quarantined_at`` and ``quarantine_reason`` of tenants."""

    async def standings(self) -> Sequence[Standing]:
        """Return how many tenants are at which revision."""
        held = TenantRow.quarantined_at.is_not(None)
        wanted = select(TenantRow.revision, held, func.count()).where(_has_tables()).group_by(TenantRow.revision, held)
        return [Standing(*row) for row in await self._read(wanted)]

    async def behind(self, target: str, after: str, limit: int, *, everyone: bool = False) -> Sequence[Candidate]:
        """Return up to ``limit`` tenants after the id ``after`` that are not at ``target``.

        Those that are quarantined are among them; with ``everyone`` those at ``target`` are too.
        """
        row = TenantRow
        wanted = select(row.tenant_id, row.isolation, row.revision, row.quarantine_reason)
        wanted = wanted.where(_has_tables(), row.tenant_id > after)
        if not everyone:
            elsewhere = TenantRow.revision.is_distinct_from(target)
            wanted = wanted.where(or_(elsewhere, TenantRow.quarantined_at.is_not(None)))
        found = await self._read(wanted.order_by(TenantRow.tenant_id).limit(limit))
        return [Candidate(*each) for each in found]

    async def reached(self, tenant_id: str, revision: str | None) -> None:
        """Write down where the tenant's tables are; it is in no quarantine then."""
        if not await self._change(tenant_id, columns_at(revision)):
            raise rows.unknown(tenant_id)

    async def reached_together(self, isolation: str, revision: str | None) -> None:
        """Write down where the tables are that all tenants of ``isolation`` share.

        None of them is in quarantine then: one may have moved there that was, and no migration of its own comes.
        """
        together = update(TenantRow).where(
            TenantRow.isolation == isolation,
            TenantRow.activation > 0,
            or_(TenantRow.revision.is_distinct_from(revision), TenantRow.quarantined_at.is_not(None)),
        )
        await self._write(together.values(**columns_at(revision), version=TenantRow.version + 1))

    async def quarantine(self, tenant_id: str, reason: str, *, found_at: str | None) -> bool:
        """Close the tenant for its users, for ``reason``, until a migration of it succeeds; tell whether it was.

        It is not where the tenant has left the revision at which it was found: another run has brought it on since.
        """
        still_there = TenantRow.revision.is_not_distinct_from(found_at)
        closed = {"quarantined_at": self._clock(), "quarantine_reason": reason}
        return await self._change(tenant_id, closed, still_there)

    async def _change(self, tenant_id: str, columns: dict[str, Any], *conditions: ColumnElement[bool]) -> bool:
        changed = update(TenantRow).where(TenantRow.tenant_id == tenant_id, *conditions)
        changed = changed.values(**columns, version=TenantRow.version + 1).returning(TenantRow.tenant_id)
        return await self._write(changed) is not None
