"""The wire models of the Standard API, version 1: the life of a tenant."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from mt_paas.standard_api.models.common import (
    ALWAYS,
    INTEGRAL,
    MAX_INTEGER,
    ContractModel,
    Email,
    Name,
    Natural,
    TenantId,
    UtcDatetime,
    WebAddress,
    Word,
)

__all__ = [
    "ActivateRequest",
    "ActivateResponse",
    "Admin",
    "AdminCredentials",
    "Callback",
    "DeactivateReason",
    "DeactivateRequest",
    "DeactivateResponse",
    "Health",
    "HealthCheck",
    "HealthStatus",
    "StatusResponse",
    "StorageFigures",
    "TenantConfig",
    "TenantState",
    "Usage",
    "UsageResponse",
    "UserFigures",
]


class HealthStatus(StrEnum):
    """How a service, or one thing that it needs, feels."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class HealthCheck(ContractModel):
    """One thing that a service needs, and how it is. ``latency_ms`` is in milliseconds."""

    status: HealthStatus
    latency_ms: float | None = None
    detail: str | None = None


class Health(ContractModel):
    """The answer of ``GET /mt/health``."""

    status: HealthStatus
    version: Annotated[str, Field(examples=["1.0.0"])]
    timestamp: UtcDatetime
    checks: dict[str, HealthCheck] = {}


class Admin(ContractModel):
    """The person who administers the tenant."""

    email: Email
    name: Name


class TenantConfig(ContractModel):
    """Limits and settings of a tenant. Fields that a service declares for itself travel along."""

    model_config = ConfigDict(extra="allow")

    max_users: Annotated[int, Field(ge=1, le=MAX_INTEGER), INTEGRAL] | None = None
    storage_limit_gb: Annotated[float, Field(ge=0, le=MAX_INTEGER)] | None = None


class Callback(ContractModel):
    """How a service reports back about this tenant: where to, by which token, and the secret that signs its events.

    The token is good for this tenant alone. ``secret`` is that of Standard Webhooks: ``whsec_`` and base64.
    """

    events_url: WebAddress
    token: Annotated[str, Field(min_length=16, max_length=500, repr=False)]
    secret: Annotated[str, StringConstraints(pattern=r"^whsec_[A-Za-z0-9+/]{32,88}={0,2}$"), Field(repr=False)]


class ActivateRequest(ContractModel):
    """The body of ``POST /mt/tenant/{tenant_id}/activate``.

    Two bodies are equal when all but ``callback`` is: a call-back token is made anew for every call.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tenant_id": "hallym_univ",
                    "tenant_name": "한림대학교",
                    "plan": "premium",
                    "features": ["ai_chat", "rag", "quiz"],
                    "config": {"max_users": 500, "storage_limit_gb": 100},
                    "admin": {"email": "admin@hallym.ac.kr", "name": "홍길동"},
                }
            ]
        }
    )

    tenant_id: TenantId
    tenant_name: Name
    plan: Word
    features: list[Word] = []
    config: TenantConfig = TenantConfig()
    admin: Admin
    callback: Callback | None = None


class AdminCredentials(ContractModel):
    """How the administrator gets in: a link that works once. Never a password.

    ``temp_password`` is what older services still send; it is read so that a caller can see that it came, and is
    never written out, stored or logged.
    """

    setup_url: WebAddress | None = None
    expires_at: UtcDatetime | None = None
    temp_password: Annotated[str | None, Field(exclude=True, repr=False)] = None


class ActivateResponse(ContractModel):
    """The answer to an activation that was done."""

    status: Annotated[Literal["activated"], ALWAYS] = "activated"
    tenant_id: TenantId
    access_url: Annotated[WebAddress, Field(examples=["https://hallym.keli.k-university.ai"])]
    admin_credentials: AdminCredentials | None = None


class DeactivateReason(StrEnum):
    """Why a tenant is deactivated."""

    SUBSCRIPTION_EXPIRED = "subscription_expired"
    ADMIN_REQUEST = "admin_request"
    VIOLATION = "violation"


class DeactivateRequest(ContractModel):
    """The body of ``POST /mt/tenant/{tenant_id}/deactivate``. Without ``deactivate_at`` it is at once.

    ``tenant_id`` is for services whose address for this call does not name the tenant.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "subscription_expired", "preserve_data": True}]}
    )

    reason: DeactivateReason
    preserve_data: bool
    deactivate_at: UtcDatetime | None = None
    tenant_id: TenantId | None = None


class DeactivateResponse(ContractModel):
    """The answer to a deactivation. Until ``reactivation_deadline`` the data are kept."""

    status: Literal["deactivated", "scheduled"]
    tenant_id: TenantId
    data_preserved: bool
    reactivation_deadline: UtcDatetime | None = None


class TenantState(StrEnum):
    """What a service says of a tenant."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"


class UserFigures(ContractModel):
    """Users of a tenant."""

    total: Natural
    active_today: Natural


class StorageFigures(ContractModel):
    """Storage of a tenant, in gigabytes (10⁹ bytes). ``limit_gb`` is null where there is no limit."""

    used_gb: Annotated[float, Field(ge=0)]
    limit_gb: Annotated[float, Field(ge=0)] | None = None


class StatusResponse(ContractModel):
    """The answer of ``GET /mt/tenant/{tenant_id}/status``."""

    tenant_id: TenantId
    status: TenantState
    plan: str
    created_at: UtcDatetime
    users: UserFigures
    storage: StorageFigures


class Usage(ContractModel):
    """What a tenant used in a period. A service's own meters are numbers beside the common four."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float] = Field(init=False)

    api_calls: Natural | None = None
    ai_tokens: Natural | None = None
    storage_gb: Annotated[float, Field(ge=0)] | None = None
    active_users: Natural | None = None


class UsageResponse(ContractModel):
    """The answer of ``GET /mt/tenant/{tenant_id}/usage``; ``period`` is resolved: ``2026-01`` or ``2026-01-03``."""

    tenant_id: TenantId
    period: Annotated[str, Field(examples=["2026-01"])]
    usage: Usage
