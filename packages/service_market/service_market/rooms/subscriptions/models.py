"""The table of subscriptions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from service_market.core.db import Base
from service_market.core.ids import new_id

__all__ = ["Subscription"]


class Subscription(Base):
    """An organization's agreement to use a service on a plan for a term. One runs at a time for each service."""

    __tablename__ = "subscription"
    __table_args__ = (
        Index(
            "uq_subscription_running",
            "organization_id",
            "service_id",
            unique=True,
            postgresql_where=text("state <> 'cancelled'"),
        ),
        Index("ix_subscription_due", "ends_at", postgresql_where=text("state = 'active'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organization.id"))
    service_id: Mapped[str] = mapped_column(ForeignKey("service.service_id"), index=True)
    tenant_pk: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), unique=True)
    tenant_id: Mapped[str]
    plan: Mapped[str]
    state: Mapped[str]
    term_months: Mapped[int]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    created_at: Mapped[datetime]
