"""Tables of the catalogue."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service_market.core.db import Base
from service_market.core.ids import new_id
from service_market.core.seals import SealedBytes

__all__ = ["ManifestVersion", "Service"]


class ManifestVersion(Base):
    """A manifest as a vendor submitted it. Tenants keep the version that they were made with."""

    __tablename__ = "manifest_version"
    __table_args__ = (UniqueConstraint("service_pk", "digest"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    service_pk: Mapped[UUID] = mapped_column(ForeignKey("service.id"), index=True)
    digest: Mapped[str]
    source: Mapped[str] = mapped_column(deferred=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)  # JSONB would forget the order of the plans
    created_at: Mapped[datetime]


class Service(Base):
    """A service. ``current_id`` is the manifest that new tenants get; ``proposed_id`` is being verified."""

    __tablename__ = "service"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    service_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    vendor_organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("organization.id"))
    state: Mapped[str]
    reason: Mapped[str | None]
    sealed_key: Mapped[SealedBytes]
    proposed_sealed_key: Mapped[SealedBytes | None]
    current_id: Mapped[UUID | None] = mapped_column(ForeignKey("manifest_version.id", use_alter=True))
    proposed_id: Mapped[UUID | None] = mapped_column(ForeignKey("manifest_version.id", use_alter=True))
    created_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]

    current: Mapped[ManifestVersion | None] = relationship(foreign_keys=[current_id], lazy="raise")
    proposed: Mapped[ManifestVersion | None] = relationship(foreign_keys=[proposed_id], lazy="raise")
