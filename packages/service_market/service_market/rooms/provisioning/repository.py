"""Every query about operations. Leases are compared and set by the database's clock, in the same statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import selectinload

from service_market.core.fences import FencedRows
from service_market.core.paging import PageRequest, Slice, page_of
from service_market.rooms.provisioning.lifecycle import TERMINAL
from service_market.rooms.provisioning.models import Operation, OperationStep
from service_market.rooms.provisioning.types import AT_SERVICE

__all__ = ["Operations"]

_NO_JOB = """NOT EXISTS (
    SELECT FROM procrastinate_jobs job
    WHERE job.status IN ('todo', 'doing') AND job.args ->> 'operation_id' = operation.id::text)"""

_OPEN_WITHOUT_SUBSCRIPTION = """
    SELECT tenant.id FROM tenant JOIN subscription ON subscription.tenant_pk = tenant.id
    WHERE tenant.state IN ('active', 'suspended', 'deactivating') AND subscription.state <> 'active'
      AND NOT EXISTS (
        SELECT FROM operation WHERE operation.tenant_pk = tenant.id
          AND (operation.state IN ('pending', 'running', 'undoing')
               OR operation.finished_at > clock_timestamp() - interval '10 minutes'))
    ORDER BY tenant.id LIMIT :limit"""


class Operations(FencedRows[Operation]):
    """Operations within the fence of the unit's principal."""

    entity = Operation

    async def add(self, **values: Any) -> None:
        """Insert an operation."""
        await self._session.execute(insert(Operation).values(created_at=func.now(), attempt=0, **values))

    async def get(self, operation_id: UUID, *, lock: bool = False) -> Operation | None:
        """Return the operation with its steps; with ``lock``, nobody else changes it in the meantime."""
        statement = self._fenced().where(Operation.id == operation_id).options(selectinload(Operation.steps))
        return await self._one(statement.execution_options(populate_existing=True), lock=lock)

    async def page(self, request: PageRequest, **equal: Any) -> Slice[Operation]:
        """Return a page of operations; each of ``equal`` that is not None must match."""
        statement = self._fenced(**equal).options(selectinload(Operation.steps))
        return await page_of(self._session, statement, Operation.id, request)

    async def open_of_tenant(self, tenant_pk: UUID) -> Operation | None:
        """Return the tenant's oldest operation that has not ended."""
        statement = (
            select(Operation)
            .where(Operation.tenant_pk == tenant_pk, Operation.state.not_in(TERMINAL))
            .order_by(Operation.number)
            .limit(1)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def wake(self, tenant_pk: UUID, remote_id: str) -> UUID | None:
        """Let the tenant's operation that waits for the service's operation ``remote_id`` be due; return its id."""
        waiting = select(OperationStep.operation_id).where(
            OperationStep.state.in_(AT_SERVICE), OperationStep.result["operation_id"].astext == remote_id
        )
        woken = await self._session.execute(
            update(Operation)
            .where(
                Operation.tenant_pk == tenant_pk,
                Operation.state.not_in(TERMINAL),
                Operation.next_attempt_at > func.clock_timestamp(),
                Operation.id.in_(waiting),
            )
            .values(next_attempt_at=func.clock_timestamp())
            .returning(Operation.id)
        )
        return woken.scalar_one_or_none()

    async def running_at(self, service_id: str) -> int:
        """Return how many runs hold an operation of this service at the moment."""
        held = select(func.count()).where(
            Operation.service_id == service_id, Operation.lease_expires_at > func.clock_timestamp()
        )
        return await self._session.scalar(held) or 0

    async def seconds_until_free(self, operation: Operation) -> float:
        """Return how long another run's lease still holds, in seconds; 0 where it is free."""
        if operation.lease_expires_at is None:
            return 0.0
        left = await self._session.scalar(
            select(func.extract("epoch", operation.lease_expires_at - func.clock_timestamp()))
        )
        return max(0.0, float(left or 0))

    async def is_overdue(self, operation: Operation, deadline: timedelta) -> bool:
        """Tell whether the deadline has passed; before the first attempt, whether it has waited that long."""
        since = func.coalesce(operation.deadline_at, operation.created_at + deadline)
        return bool(await self._session.scalar(select(func.clock_timestamp() > since)))

    async def seconds_left(self, operation: Operation) -> float:
        """Return how long it is until the operation's deadline; less than 0 past it."""
        left = await self._session.scalar(select(func.extract("epoch", operation.deadline_at - func.clock_timestamp())))
        return float(left or 0)

    async def prolong(self, operation_id: UUID, deadline: timedelta) -> None:
        """Let the deadline count from now."""
        later = func.clock_timestamp() + deadline
        await self._session.execute(update(Operation).where(Operation.id == operation_id).values(deadline_at=later))

    async def take(
        self, operation: Operation, owner: UUID, lease: timedelta, deadline: timedelta, *, state: str, attempt: int
    ) -> None:
        """Give the locked operation to a new run. The deadline counts from the first one."""
        await self._session.execute(
            update(Operation)
            .where(Operation.id == operation.id)
            .values(
                owner=owner,
                state=state,
                lease_expires_at=func.clock_timestamp() + lease,
                deadline_at=func.coalesce(Operation.deadline_at, func.clock_timestamp() + deadline),
                attempt=attempt,
                next_attempt_at=None,
                started_at=func.coalesce(Operation.started_at, func.now()),
            )
        )

    async def hold(self, operation_id: UUID, owner: UUID, lease: timedelta, **values: Any) -> bool:
        """Extend the lease of run ``owner`` and write ``values``; False if another run has the operation now."""
        held = await self._session.execute(
            update(Operation)
            .where(Operation.id == operation_id, Operation.owner == owner)
            .values(lease_expires_at=func.clock_timestamp() + lease, **values)
            .returning(Operation.id)
        )
        return held.first() is not None

    async def wait(self, operation_id: UUID, *, again_in: timedelta, **values: Any) -> None:
        """Write why the operation, which nobody holds, waits for its next attempt."""
        await self._session.execute(
            update(Operation)
            .where(Operation.id == operation_id)
            .values(next_attempt_at=func.clock_timestamp() + again_in, **values)
        )

    async def release(self, operation_id: UUID, owner: UUID, *, again_in: timedelta) -> None:
        """Let go of the operation until its next attempt."""
        await self._session.execute(
            update(Operation)
            .where(Operation.id == operation_id, Operation.owner == owner)
            .values(owner=None, lease_expires_at=None, next_attempt_at=func.clock_timestamp() + again_in)
        )

    async def end(self, operation_id: UUID, owner: UUID, **values: Any) -> None:
        """Let go of the operation for good."""
        await self._session.execute(
            update(Operation)
            .where(Operation.id == operation_id, Operation.owner == owner)
            .values(owner=None, lease_expires_at=None, finished_at=func.clock_timestamp(), **values)
        )

    async def note_step(self, operation_id: UUID, name: str, *, attempts: int = 1, **values: Any) -> None:
        """Write how a step went; ``attempts`` is added to those before."""
        values["finished_at"] = func.clock_timestamp()
        statement = insert(OperationStep).values(operation_id=operation_id, name=name, attempts=attempts, **values)
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["operation_id", "name"], set_={**values, "attempts": OperationStep.attempts + attempts}
            )
        )

    async def open_without_subscription(self, *, limit: int) -> Sequence[UUID]:
        """Return tenants that are open at their service, have no active subscription, and nobody working on them."""
        return (await self._session.scalars(text(_OPEN_WITHOUT_SUBSCRIPTION), {"limit": limit})).all()

    async def forget_result(self, operation_id: UUID, name: str) -> None:
        """Drop what a step returned."""
        step = (OperationStep.operation_id == operation_id, OperationStep.name == name)
        await self._session.execute(update(OperationStep).where(*step).values(result=None))

    async def forgotten(self, *, older_than: timedelta, limit: int) -> Sequence[Operation]:
        """Return open operations that nobody holds, whose turn was a while ago, and that have no job waiting."""
        turn = func.coalesce(Operation.next_attempt_at, Operation.lease_expires_at, Operation.created_at)
        statement = select(Operation).where(
            Operation.state.not_in(TERMINAL),
            or_(Operation.lease_expires_at.is_(None), Operation.lease_expires_at < func.clock_timestamp()),
            turn < func.clock_timestamp() - older_than,
            text(_NO_JOB),
        )
        statement = statement.order_by(Operation.number).limit(limit)
        return (await self._session.scalars(statement)).all()
