"""The table of usage records."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service_market.core.db import Base
from service_market.core.ids import new_id

__all__ = ["UsageRecord"]


class UsageRecord(Base):
    """What a service reported for a tenant. Identified by its source id; a later report of that id corrects it.

    ``as_of`` is the moment that the figures are of: when the report came, or when its event happened.
    """

    __tablename__ = "usage_record"
    __table_args__ = (UniqueConstraint("tenant_pk", "source_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_pk: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    source_id: Mapped[str]
    period: Mapped[str]
    usage: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
    as_of: Mapped[datetime]
    corrections: Mapped[int] = mapped_column(default=0)
