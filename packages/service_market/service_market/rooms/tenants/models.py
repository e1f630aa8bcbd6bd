"""Tables of the tenant registry."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from service_market.core.db import Base
from service_market.core.ids import new_id
from service_market.core.seals import SealedBytes

__all__ = ["Tenant", "TenantTransition"]


class Tenant(Base):
    """One organization's instance of one service. ``tenant_id`` is unique in the market, for ever."""

    __tablename__ = "tenant"
    __table_args__ = (Index("ix_tenant_state", "state"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organization.id"), index=True)
    service_id: Mapped[str] = mapped_column(ForeignKey("service.service_id"), index=True)
    manifest_version_id: Mapped[UUID] = mapped_column(ForeignKey("manifest_version.id"))
    plan: Mapped[str]
    features: Mapped[list[str]]
    config: Mapped[dict[str, Any]]
    admin_email: Mapped[str]
    admin_name: Mapped[str]
    isolation: Mapped[str]
    state: Mapped[str]
    failure_reason: Mapped[str | None]
    may_be_orphaned: Mapped[bool] = mapped_column(default=False)
    access_url: Mapped[str | None]
    sealed_setup_url: Mapped[SealedBytes | None]
    setup_expires_at: Mapped[datetime | None]
    data_preserved: Mapped[bool | None]
    reactivation_deadline: Mapped[datetime | None]
    reported_status: Mapped[str | None]
    reported_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    deactivated_at: Mapped[datetime | None]
    deactivation_reason: Mapped[str | None]


class TenantTransition(Base):
    """One step of a tenant's life: from where to where, who, why and when. Never changed."""

    __tablename__ = "tenant_transition"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_pk: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str]
    operation_id: Mapped[UUID | None]
    at: Mapped[datetime]
