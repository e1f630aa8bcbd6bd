"""What the registry knows of tenants' revisions. That none is opened to learn that it is where it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, not_, or_, select, update

from mt_paas.core import rows
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.models import TenantRow
from mt_paas.core.store import Store

__all__ = ["Candidate", "RevisionStore", "Standing"]

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


class RevisionStore(Store):
    """The columns ``revision``, ``quarantined_at`` and ``quarantine_reason`` of tenants."""

    async def standings(self) -> Sequence[Standing]:
        """Return how many tenants are at which revision."""
        held = TenantRow.quarantined_at.is_not(None)
        wanted = select(TenantRow.revision, held, func.count()).where(_has_tables()).group_by(TenantRow.revision, held)
        async with self._transaction() as session:
            return [Standing(*row) for row in await session.execute(wanted)]

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
        async with self._transaction() as session:
            found = await session.execute(wanted.order_by(TenantRow.tenant_id).limit(limit))
            return [Candidate(*each) for each in found]

    async def reached(self, tenant_id: str, revision: str | None) -> None:
        """Write down where the tenant's tables are; it is in no quarantine then."""
        async with self._transaction() as session:
            row = await rows.locked(session, tenant_id)
            row.revision = revision
            row.quarantined_at = row.quarantine_reason = None

    async def reached_together(self, isolation: str, revision: str | None) -> None:
        """Write down where the tables are that all tenants of ``isolation`` share."""
        together = update(TenantRow).where(
            TenantRow.isolation == isolation, TenantRow.activation > 0, TenantRow.revision.is_distinct_from(revision)
        )
        async with self._transaction() as session:
            await session.execute(together.values(revision=revision, version=TenantRow.version + 1))

    async def quarantine(self, tenant_id: str, reason: str) -> None:
        """Close the tenant for its users, for ``reason``, until a migration of it succeeds."""
        async with self._transaction() as session:
            row = await rows.locked(session, tenant_id)
            row.quarantined_at = self._clock()
            row.quarantine_reason = reason
