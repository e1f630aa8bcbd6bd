"""The wire models of the Standard API, version 1: what a market and a service say to each other.

Models are strict about types and values (``"5"`` is not a number, a time without a zone is refused) and ignore
fields that they do not know: that is how the contract grows. JSON is snake_case; times are RFC 3339 in UTC.
Validate wire data with ``Model.model_validate_json``: strictness in JSON mode is the one that the contract means.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

__all__ = [
    "TENANT_ID_PATTERN",
    "ActivateRequest",
    "ActivateResponse",
    "Admin",
    "AdminCredentials",
    "ContractModel",
    "DeactivateReason",
    "DeactivateRequest",
    "DeactivateResponse",
    "ErrorBody",
    "Health",
    "HealthCheck",
    "HealthStatus",
    "Name",
    "StatusResponse",
    "StorageFigures",
    "TenantConfig",
    "TenantId",
    "TenantState",
    "Usage",
    "UsageResponse",
    "UserFigures",
    "UtcDatetime",
    "Word",
]

TENANT_ID_PATTERN = r"^[a-z0-9](?:[a-z0-9_-]{1,61})[a-z0-9]$"


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC it is not within the years 1 to 9999") from None


def _rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


TenantId = Annotated[
    str, StringConstraints(pattern=TENANT_ID_PATTERN), Field(examples=["hallym_univ"], description="A tenant's slug.")
]
UtcDatetime = Annotated[
    AwareDatetime,
    AfterValidator(_in_utc),
    PlainSerializer(_rfc3339, return_type=str, when_used="json"),
    Field(examples=["2026-01-03T12:00:00Z"]),
]
Email = Annotated[
    str, StringConstraints(pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}$"), Field(examples=["admin@hallym.ac.kr"])
]
Name = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$", max_length=200)
]
# Shown to people as a link: nothing but a web address may stand here (javascript: would run in the market's page).
WebAddress = Annotated[str, StringConstraints(pattern=r"^https?://[^\s\x00-\x1f\x7f]+$", max_length=2000)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]


class ContractModel(BaseModel):
    """The common ground of all wire models: strict, closed to NaN, open to fields of the future."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=True)


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

    max_users: Annotated[int, Field(ge=1)] | None = None
    storage_limit_gb: Annotated[float, Field(ge=0)] | None = None


class ActivateRequest(ContractModel):
    """The body of ``POST /mt/tenant/{tenant_id}/activate``."""

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

    status: Literal["activated"] = "activated"
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

    total: Annotated[int, Field(ge=0)]
    active_today: Annotated[int, Field(ge=0)]


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

    api_calls: Annotated[int, Field(ge=0)] | None = None
    ai_tokens: Annotated[int, Field(ge=0)] | None = None
    storage_gb: Annotated[float, Field(ge=0)] | None = None
    active_users: Annotated[int, Field(ge=0)] | None = None


class UsageResponse(ContractModel):
    """The answer of ``GET /mt/tenant/{tenant_id}/usage``; ``period`` is resolved: ``2026-01`` or ``2026-01-03``."""

    tenant_id: TenantId
    period: Annotated[str, Field(examples=["2026-01"])]
    usage: Usage


class ErrorBody(ContractModel):
    """The one error shape: RFC 9457 problem details with the contract's own members beside them.

    From a service in another language a plain ``{error, message}`` conforms too, hence only those are required.
    """

    error: Annotated[str, Field(examples=["tenant_not_found"])]
    message: str
    details: Any = None
    request_id: str | None = None
    retryable: bool | None = None
    type: str | None = None
    title: str | None = None
    status: int | None = None
    detail: str | None = None
