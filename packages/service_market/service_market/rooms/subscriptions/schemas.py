"""What the API says and hears of subscriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from mt_paas.standard_api.models import Admin, Name, TenantConfig, TenantId, Word
from pydantic import AfterValidator, Field

from service_market.core.envelope import Wire
from service_market.rooms.subscriptions.types import SubscriptionState

__all__ = ["RenewSubscription", "Subscribe", "SubscriptionOut", "SweepOut"]

Months = Annotated[int, Field(ge=1, le=120, description="Length of the term in months.")]
_CONFIG_LEVELS, _CONFIG_BYTES = 8, 16 * 1024
_MOST_USERS, _MOST_GB = 10_000_000, 1_000_000  # more than any tenant has: a number that is larger is a slip


def _levels(value: Any) -> int:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if members is None else 1 + max(map(_levels, members), default=0)


def _bounded(config: TenantConfig) -> TenantConfig:
    if _levels(config.model_dump()) > _CONFIG_LEVELS:
        raise ValueError(f"it is nested deeper than {_CONFIG_LEVELS} levels")
    if len(config.model_dump_json().encode()) > _CONFIG_BYTES:
        raise ValueError(f"as JSON it is larger than {_CONFIG_BYTES} bytes")
    if (config.max_users or 0) > _MOST_USERS:
        raise ValueError(f"max_users is more than {_MOST_USERS}; leave it out where the plan's own limit is to hold")
    if (config.storage_limit_gb or 0) > _MOST_GB:
        raise ValueError(f"storage_limit_gb is more than {_MOST_GB}; leave it out where the plan's own is to hold")
    return config


class Subscribe(Wire):
    """A subscription to make. A school manager subscribes its own organization; an operator names one."""

    organization: Annotated[
        str | None, Field(examples=["hallym_univ"], description="Slug; default: the caller's own.")
    ] = None
    service_id: Annotated[str, Field(examples=["keli_tutor"])]
    plan: Annotated[Word, Field(examples=["premium"])]
    term_months: Months = 12
    tenant_id: Annotated[
        TenantId | None,
        Field(examples=["hallym_univ"], description="Default: the organization's slug, if it is free."),
    ] = None
    tenant_name: Annotated[Name | None, Field(description="Default: the organization's name.")] = None
    admin: Admin
    config: Annotated[
        TenantConfig,
        AfterValidator(_bounded),
        Field(
            description=f"At most {_CONFIG_LEVELS} levels deep and {_CONFIG_BYTES} bytes of JSON, {_MOST_USERS} users "
            f"and {_MOST_GB} GB."
        ),
    ] = TenantConfig()


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
