"""Every query on ``mt_move``, the moves of a registry: each tenant has one at most, under way or lately done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, and_, delete, or_, select

from mt_paas.core import rows
from mt_paas.core.models import MoveRow, TransitionRow
from mt_paas.core.store import Store
from mt_paas.core.tenant_tables import TABLES_VERSION
from mt_paas.errors import MoveFailed

__all__ = ["Move", "MoveStore", "Phase"]


_ABANDONED = timedelta(days=1)


class Phase(StrEnum):
    """How far a move is."""

    COPYING = "copying"  # the new place is made and filled
    COPIED = "copied"  # it has what the tenant had when the copy began
    SHUTTING = "shutting"  # the old place may be shut at any moment: then the move goes on, else it may be undone
    MOVED = "moved"  # the tenant is at its new place; the old one is kept for a while


@dataclass(frozen=True, slots=True)
class Move:
    """A move of one tenant: from where, to where, and how far it is."""

    tenant_id: str
    old_isolation: str
    old_database: str
    new_isolation: str
    new_database: str
    phase: Phase
    since: int | None
    started_at: datetime
    keep_until: datetime | None


class MoveStore(Store):
    """The moves of one service."""

    async def find(self, tenant_id: str) -> Move | None:
        """Return the tenant's move, or null."""
        row = await self._read_one(select(MoveRow.__table__).where(MoveRow.tenant_id == tenant_id))
        return _move(row) if row is not None else None

    async def due(self) -> Sequence[str]:
        """Return the tenants whose old place is not kept any longer, and those whose move was cut off.

        One that was cut off before the old place may have been shut is given up after a day.
        """
        now = self._clock()
        due = or_(
            and_(MoveRow.phase == Phase.MOVED, MoveRow.keep_until <= now),
            MoveRow.phase == Phase.SHUTTING,
            and_(MoveRow.phase != Phase.MOVED, MoveRow.started_at <= now - _ABANDONED),
        )
        wanted = select(MoveRow.tenant_id).where(due).order_by(MoveRow.tenant_id)
        return [row.tenant_id for row in await self._read(wanted)]

    async def begin(self, tenant_id: str, *, isolation: str, database: str, actor: str) -> Move:
        """Write down that the tenant is to be moved to this place."""
        async with self._transaction() as session:
            tenant = await rows.locked(session, tenant_id)
            row = MoveRow(
                tenant_id=tenant_id,
                old_isolation=tenant.isolation,
                old_database=tenant.database,
                new_isolation=isolation,
                new_database=database,
                phase=Phase.COPYING,
                actor=actor,
                started_at=self._clock(),
            )
            session.add(row)
            await session.flush()
            return _move(row)

    async def advance(self, tenant_id: str, phase: Phase, *, since: int | None = None) -> Move:
        """Write down how far the move is."""
        async with self._transaction() as session:
            row = await session.get(MoveRow, tenant_id, with_for_update=True)
            if row is None:
                raise MoveFailed("the move was given up meanwhile by another process")
            row.phase = phase
            if since is not None:
                row.since = since
            await session.flush()
            return _move(row)

    async def switch(self, move: Move, *, old_database: str, keep: timedelta) -> Move:
        """Write down that the tenant is at its new place, and what the old one is called until it is deleted."""
        now = self._clock()
        async with self._transaction() as session:
            tenant = await rows.locked(session, move.tenant_id)
            row = await session.get(MoveRow, move.tenant_id, with_for_update=True)
            if row is None or (tenant.isolation, tenant.database) != (move.old_isolation, move.old_database):
                raise MoveFailed("the tenant was moved meanwhile by another process")
            tenant.isolation, tenant.database = move.new_isolation, move.new_database
            tenant.tables = TABLES_VERSION
            row.phase, row.old_database, row.keep_until = Phase.MOVED, old_database, now + keep
            session.add(
                TransitionRow(
                    tenant_id=move.tenant_id,
                    came_from=tenant.status,
                    went_to=tenant.status,
                    at=now,
                    actor=row.actor,
                    reason=f"moved from {move.old_isolation} to {move.new_isolation}",
                )
            )
            await session.flush()
            return _move(row)

    async def forget(self, tenant_id: str) -> None:
        """Forget the move: it was undone, or its old place is gone."""
        await self._write(delete(MoveRow).where(MoveRow.tenant_id == tenant_id))


def _move(row: MoveRow | Row[Any]) -> Move:
    return Move(
        tenant_id=row.tenant_id,
        old_isolation=row.old_isolation,
        old_database=row.old_database,
        new_isolation=row.new_isolation,
        new_database=row.new_database,
        phase=Phase(row.phase),
        since=row.since,
        started_at=row.started_at,
        keep_until=row.keep_until,
    )
