"""The registry of a service: its tenants, their history, their access keys, and the service's own identity.

Four tables in the service's own database, all beginning with ``mt_``, in a metadata of their own: they mix with no
table of the service. Tenant data are never here. Rows do not leave :mod:`mt_paas.core`; others see
:class:`~mt_paas.core.schemas.Tenant`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mt_paas.core.lifecycle import TenantStatus

__all__ = ["AccessKeyRow", "Base", "ServiceRow", "TenantRow", "TenantStatus", "TransitionRow"]


class UtcDateTime(TypeDecorator[datetime]):
    """``timestamptz`` that comes back in UTC, whatever the time zone of the database session."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the same moment in UTC."""
        return value.astimezone(UTC) if value is not None else None


class StatusColumn(TypeDecorator[TenantStatus]):
    """A status as a word: a new one needs no migration of a type."""

    impl = String(20)
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> TenantStatus | None:
        """Return the status that the word means."""
        return TenantStatus(value) if value is not None else None


class Base(DeclarativeBase):
    """The metadata of the registry: constraints have names, so that a later migration can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSONB, list[str]: JSONB}  # noqa: RUF012 - read once, by SQLAlchemy


class ServiceRow(Base):
    """The one row that says whose registry this is. ``secret`` is null where the setting gives it."""

    __tablename__ = "mt_service"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    registry_id: Mapped[UUID]
    service_id: Mapped[str] = mapped_column(String(63))
    secret: Mapped[str | None]
    secret_check: Mapped[str]
    created_at: Mapped[datetime]


class TenantRow(Base):
    """A tenant. A purged one stays as a tombstone without its personal data, so that its id is not given out again."""

    __tablename__ = "mt_tenant"
    __table_args__ = (
        Index("ix_mt_tenant_deactivate_at", "deactivate_at", postgresql_where=text("deactivate_at IS NOT NULL")),
        Index(
            "ix_mt_tenant_reactivation_deadline",
            "reactivation_deadline",
            postgresql_where=text("reactivation_deadline IS NOT NULL"),
        ),
    )

    tenant_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    name: Mapped[str]
    service_type: Mapped[str]
    status: Mapped[TenantStatus] = mapped_column(StatusColumn(), index=True)
    plan: Mapped[str]
    features: Mapped[list[str]]
    config: Mapped[dict[str, Any]]
    admin_email: Mapped[str | None]
    admin_name: Mapped[str | None]
    isolation: Mapped[str]
    database: Mapped[str] = mapped_column(String(63), unique=True)
    fingerprint: Mapped[str | None]
    idempotency_key: Mapped[str | None]
    created_at: Mapped[datetime]
    activation: Mapped[int] = mapped_column(default=0)
    activated_at: Mapped[datetime | None]
    deactivate_at: Mapped[datetime | None]
    deactivated_at: Mapped[datetime | None]
    data_preserved: Mapped[bool] = mapped_column(default=True)
    reactivation_deadline: Mapped[datetime | None]
    failure_reason: Mapped[str | None]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - read once, by SQLAlchemy


class TransitionRow(Base):
    """One step of a tenant's life. Rows are added and never changed; they outlive the tenant's row."""

    __tablename__ = "mt_tenant_transition"
    __table_args__ = (Index("ix_mt_tenant_transition_tenant_id", "tenant_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(63))
    came_from: Mapped[TenantStatus | None] = mapped_column(StatusColumn())
    went_to: Mapped[TenantStatus] = mapped_column(StatusColumn())
    at: Mapped[datetime]
    actor: Mapped[str]
    reason: Mapped[str]


class AccessKeyRow(Base):
    """An access key of one tenant, as a digest. One for each activation: that is what makes its link work once."""

    __tablename__ = "mt_access_key"
    __table_args__ = (UniqueConstraint("tenant_id", "activation"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("mt_tenant.tenant_id", ondelete="CASCADE"))
    activation: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
