"""What the API says and hears of tenants."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from service_market.core.envelope import Wire
from service_market.rooms.tenants.types import TenantStatus

__all__ = ["ReportedStatus", "SetupLinkOut", "TenantOut", "TransitionOut"]


class TenantOut(Wire):
    """A tenant."""

    id: UUID
    tenant_id: Annotated[str, Field(examples=["hallym_univ"])]
    name: Annotated[str, Field(examples=["한림대학교"])]
    service_id: Annotated[str, Field(examples=["keli_tutor"])]
    plan: str
    features: list[str]
    config: dict[str, Any]
    isolation: str
    state: TenantStatus
    failure_reason: Annotated[str | None, Field(description="What went wrong last, in the words of the service.")]
    may_be_orphaned: Annotated[
        bool, Field(description="The service may hold this tenant although the market gave it up; look there.")
    ]
    access_url: Annotated[str | None, Field(description="Where the tenant's users go.")]
    setup_expires_at: Annotated[datetime | None, Field(description="Until when the set-up link can be taken.")]
    data_preserved: bool | None
    reactivation_deadline: datetime | None
    reported_status: Annotated[str | None, Field(description="What the service last reported by itself.")]
    reported_at: datetime | None
    created_at: datetime
    activated_at: datetime | None
    deactivated_at: datetime | None
    deactivation_reason: str | None


class TransitionOut(Wire):
    """One step of a tenant's life."""

    from_state: TenantStatus | None
    to_state: TenantStatus
    actor: str
    reason: str
    operation_id: UUID | None
    at: datetime


class SetupLinkOut(Wire):
    """The one-time link by which the tenant's administrator gets in. Shown once."""

    setup_url: str
    expires_at: datetime | None


class ReportedStatus(Wire):
    """What a service says of its tenant by itself. It is noted beside the tenant's state, and does not change it."""

    status: Annotated[
        str, StringConstraints(pattern=r"^[a-z_]{2,40}$"), Field(examples=["active", "unhealthy", "suspended"])
    ]
