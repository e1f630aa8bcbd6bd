"""Tables of operations and their steps."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service_market.core.db import Base
from service_market.core.ids import new_id

__all__ = ["Operation", "OperationStep"]

_OPEN = "state IN ('pending', 'running', 'undoing')"


class OperationStep(Base):
    """One step of an operation: how often it was tried, how it went, and what came out of it."""

    __tablename__ = "operation_step"

    operation_id: Mapped[UUID] = mapped_column(ForeignKey("operation.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    result: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]
    finished_at: Mapped[datetime]


class Operation(Base):
    """Work on a tenant. ``owner`` is the run that holds it until ``lease_expires_at``; only that run may write to it.

    Leases and attempts count the database's own time, not that of the domain's clock.
    """

    __tablename__ = "operation"
    __table_args__ = (
        Index("ix_operation_open", "tenant_pk", "number", postgresql_where=text(_OPEN)),
        Index("ix_operation_held", "service_id", "lease_expires_at", postgresql_where=text(_OPEN)),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[int] = mapped_column(BigInteger, Identity())  # drawn under the tenant's lock: the order of its start
    kind: Mapped[str]
    tenant_pk: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    tenant_id: Mapped[str] = mapped_column(index=True)
    service_id: Mapped[str] = mapped_column(index=True)
    organization_id: Mapped[UUID] = mapped_column(index=True)
    state: Mapped[str]
    params: Mapped[dict[str, Any]]
    requested_by: Mapped[str]
    attempt: Mapped[int] = mapped_column(default=0)
    owner: Mapped[UUID | None]
    lease_expires_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    result: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    steps: Mapped[list[OperationStep]] = relationship(order_by=OperationStep.position, lazy="raise", viewonly=True)
