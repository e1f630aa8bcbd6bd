"""Tables of organizations and API tokens."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from service_market.core.db import Base
from service_market.core.ids import new_id

__all__ = ["ApiToken", "Organization"]


class Organization(Base):
    """A school, a vendor or the operator."""

    __tablename__ = "organization"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[str]
    created_at: Mapped[datetime]


class ApiToken(Base):
    """A bearer token. Only its SHA-256 is kept; ``prefix`` is what people recognise it by."""

    __tablename__ = "api_token"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organization.id"), index=True)
    name: Mapped[str]
    role: Mapped[str]
    service_id: Mapped[str | None]
    prefix: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
