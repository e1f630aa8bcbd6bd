"""The wire models of the Standard API, version 2: what a dashboard shows of a tenant, its users, and its settings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from mt_paas.standard_api.models.common import (
    ALWAYS,
    INTEGRAL,
    ContractModel,
    Count,
    Currency,
    Email,
    Money,
    Name,
    TenantId,
    UserId,
    UtcDatetime,
    Word,
)
from mt_paas.standard_api.models.lifecycle import UserFigures

__all__ = [
    "Costs",
    "DayCost",
    "FeatureCost",
    "ModelCost",
    "Page",
    "Resource",
    "ResourcePage",
    "SettingsResponse",
    "SettingsUpdate",
    "Stats",
    "StatsPoint",
    "TopResource",
    "TopUser",
    "TopUsers",
    "User",
    "UserCreate",
    "UserPage",
    "UserStatus",
    "UserUpdate",
]

Period = Annotated[str, Field(examples=["2026-01"], description="Resolved: `2026-01` or `2026-01-03`.")]


class Page(ContractModel):
    """The common part of a page. ``next_cursor`` is opaque, and null or absent on the last page."""

    next_cursor: str | None = None
    total: Count | None = None


class StatsPoint(ContractModel):
    """One day. A service's own figures are numbers beside the common two."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float] = Field(init=False)

    date: dt.date
    active_users: Count | None = None
    api_calls: Count | None = None


class TopResource(ContractModel):
    """One of the resources that were used most; what the service adds travels along."""

    model_config = ConfigDict(extra="allow")

    id: str
    type: Word
    name: str


class Stats(ContractModel):
    """The answer of ``GET …/stats``: figures for a dashboard; ``series`` has a point for each day, in order."""

    tenant_id: TenantId
    period: Period
    users: UserFigures
    series: Annotated[list[StatsPoint], ALWAYS] = []
    top_resources: Annotated[list[TopResource], ALWAYS] = []


class ModelCost(ContractModel):
    """What one AI model cost."""

    model: str
    cost: Money


class FeatureCost(ContractModel):
    """What one feature cost."""

    feature: str
    cost: Money


class DayCost(ContractModel):
    """What one day cost."""

    date: dt.date
    cost: Money


class Costs(ContractModel):
    """The answer of ``GET …/stats/costs``. Each breakdown that is given sums to ``total``."""

    tenant_id: TenantId
    period: Period
    currency: Currency
    total: Money
    by_model: list[ModelCost] | None = None
    by_feature: list[FeatureCost] | None = None
    by_day: list[DayCost] | None = None

    @model_validator(mode="after")
    def _breakdowns_sum_to_total(self) -> Self:
        breakdowns: dict[str, Sequence[ModelCost | FeatureCost | DayCost] | None] = {
            "by_model": self.by_model,
            "by_feature": self.by_feature,
            "by_day": self.by_day,
        }
        for name, parts in breakdowns.items():
            if parts is not None and (together := sum((part.cost for part in parts), Decimal(0))) != self.total:
                raise ValueError(f"{name} sums to {together:f}, and total is {self.total:f}")
        return self


class TopUser(ContractModel):
    """One of the most active users. ``activity`` is a number that the service can compare users by."""

    user_id: UserId
    name: str
    activity: Annotated[float, Field(ge=0)]
    cost: Money | None = None


class TopUsers(ContractModel):
    """The answer of ``GET …/stats/top-users``: most active first."""

    items: list[TopUser]

    @model_validator(mode="after")
    def _most_active_first(self) -> Self:
        activities = [item.activity for item in self.items]
        if activities != sorted(activities, reverse=True):
            raise ValueError("the users are not ordered by activity, most active first")
        return self


class UserStatus(StrEnum):
    """Whether a user may work."""

    ACTIVE = "active"
    INVITED = "invited"
    DISABLED = "disabled"


class User(ContractModel):
    """A user of a tenant."""

    id: UserId
    email: Email
    name: str
    role: str
    status: UserStatus
    created_at: UtcDatetime
    last_active_at: UtcDatetime | None = None


class UserPage(Page):
    """The answer of ``GET …/users``. ``total`` counts all that match, on whatever page they are."""

    items: list[User]
    total: Count


class UserCreate(ContractModel):
    """The body of ``POST …/users``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "kim@hallym.ac.kr", "name": "김하나", "role": "teacher"}]}
    )

    email: Email
    name: Name | None = None
    role: Word | None = None


class UserUpdate(ContractModel):
    """The body of ``PUT …/users/{user_id}``: what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "disabled"}]})

    name: Name | None = None
    role: Word | None = None
    status: UserStatus | None = None


class Resource(ContractModel):
    """Something that the users of a tenant made or work with: a course, a discussion."""

    id: str
    type: Word
    name: str
    created_at: UtcDatetime
    updated_at: UtcDatetime
    metadata: Annotated[dict[str, Any], ALWAYS] = {}


class ResourcePage(Page):
    """The answer of ``GET …/resources``."""

    items: list[Resource]


class SettingsResponse(ContractModel):
    """The answer of ``GET`` and ``PUT …/settings``. ``version`` is the ETag, unquoted; it changes with every write."""

    settings: dict[str, Any]
    limits: dict[str, Any]
    version: Annotated[str | int, INTEGRAL]

    @property
    def etag(self) -> str:
        """The entity tag of these settings (RFC 9110, section 8.8.3)."""
        return f'"{self.version}"'


class SettingsUpdate(ContractModel):
    """The body of ``PUT …/settings``: the settings as they are to be, all of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"settings": {"language": "ko"}}]})

    settings: dict[str, Any]
