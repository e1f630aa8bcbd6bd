"""Tables of call-backs, and of the events that came."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service_market.core.db import Base
from service_market.core.ids import new_id
from service_market.core.seals import SealedBytes

__all__ = ["ReportedEvent", "TenantCallback"]


class TenantCallback(Base):
    """The call-back that one operation gave to the service of a tenant, whole, so that it can be given again.

    It is good until ``ends_at``, which is set when the service has used a later one; null is until the tenant is gone.
    """

    __tablename__ = "tenant_callback"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_pk: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    operation_id: Mapped[UUID] = mapped_column(unique=True)
    token_digest: Mapped[str] = mapped_column(unique=True)
    sealed_callback: Mapped[SealedBytes]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]


class ReportedEvent(Base):
    """An event as it came. ``event_id`` is its ``webhook-id``: the same one again is the same event."""

    __tablename__ = "reported_event"
    __table_args__ = (
        UniqueConstraint("tenant_pk", "event_id"),
        Index("ix_reported_event_tenant_pk", "tenant_pk", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_pk: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    event_id: Mapped[str]
    type: Mapped[str]
    data: Mapped[dict[str, Any]]
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(index=True)
