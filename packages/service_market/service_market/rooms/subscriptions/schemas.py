"""What the API says and hears of subscriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from mt_paas.standard_api.models import TENANT_ID_PATTERN, Admin, TenantConfig
from pydantic import Field, StringConstraints

from service_market.core.envelope import Wire
from service_market.rooms.subscriptions.types import SubscriptionState

__all__ = ["RenewSubscription", "Subscribe", "SubscriptionOut", "SweepOut"]

Months = Annotated[int, Field(ge=1, le=120, description="Length of the term in months.")]


class Subscribe(Wire):
    """A subscription to make. A school manager subscribes its own organization; an operator names one."""

    organization: Annotated[
        str | None, Field(examples=["hallym_univ"], description="Slug; default: the caller's own.")
    ] = None
    service_id: Annotated[str, Field(examples=["keli_tutor"])]
    plan: Annotated[str, Field(examples=["premium"])]
    term_months: Months = 12
    tenant_id: Annotated[
        str | None,
        StringConstraints(pattern=TENANT_ID_PATTERN),
        Field(examples=["hallym_univ"], description="Default: the organization's slug, if it is free."),
    ] = None
    tenant_name: Annotated[str | None, Field(max_length=200, description="Default: the organization's name.")] = None
    admin: Admin
    config: TenantConfig = TenantConfig()


class RenewSubscription(Wire):
    """A new term: from the end of the running one, or from now if that has ended."""

    term_months: Months | None = Field(default=None, description="Default: the length of the term before.")


class SubscriptionOut(Wire):
    """A subscription."""

    id: UUID
    service_id: str
    tenant_id: str
    plan: str
    state: SubscriptionState
    term_months: int
    starts_at: datetime
    ends_at: datetime
    created_at: datetime


class SweepOut(Wire):
    """What a sweep did."""

    expired: int = Field(description="Subscriptions that ended, and whose tenants are being deactivated.")
