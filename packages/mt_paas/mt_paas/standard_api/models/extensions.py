"""The wire models of the extensions: what a service may offer beyond versions 1 and 2, and declares in its manifest."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from mt_paas.standard_api.models.common import (
    ALWAYS,
    ContractModel,
    Email,
    Name,
    Natural,
    Positive,
    TenantId,
    UtcDatetime,
    WebAddress,
    Word,
)
from mt_paas.standard_api.models.dashboard import Page
from mt_paas.standard_api.models.lifecycle import ActivateResponse, AdminCredentials, TenantConfig, TenantState

__all__ = [
    "OPERATION_ID_PATTERN",
    "AutoProvisionRequest",
    "AutoProvisionResponse",
    "ConfigurationKeys",
    "ConfigurationLimits",
    "ConfigurationSchemas",
    "CredentialsResponse",
    "DeletionReceipt",
    "Event",
    "EventType",
    "ExportResult",
    "Operation",
    "OperationAccepted",
    "OperationError",
    "OperationId",
    "OperationStatus",
    "PlanChangeRequest",
    "PlanChangeResponse",
    "ServiceConfiguration",
    "SsoRequest",
    "SsoResponse",
    "SsoUser",
    "SuspendRequest",
    "TenantPage",
    "TenantStateResponse",
    "TenantSummary",
]

OPERATION_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$"
OperationId = Annotated[str, StringConstraints(pattern=OPERATION_ID_PATTERN), Field(examples=["op_01J9ZC4T6Q"])]


class OperationStatus(StrEnum):
    """Where an operation is."""

    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class OperationAccepted(ContractModel):
    """The answer 202: the work has begun; ask for the operation after ``retry_after`` seconds."""

    operation_id: OperationId
    status: Annotated[Literal["in_progress"], ALWAYS] = "in_progress"
    retry_after: Annotated[float, Field(ge=0)]


class OperationError(ContractModel):
    """Why an operation failed."""

    error: str
    message: str
    details: Any = None


class Operation(ContractModel):
    """The answer of ``GET /mt/operations/{operation_id}``.

    ``result`` is what the call would have answered, had it not taken so long; it is there when the operation has
    succeeded, and ``error`` when it has failed. A cancelled operation has failed with the error ``cancelled``.
    """

    operation_id: OperationId
    status: OperationStatus
    retry_after: Annotated[float, Field(ge=0)] | None = None
    result: Annotated[dict[str, Any] | None, Field(repr=False)] = None
    error: OperationError | None = None

    @model_validator(mode="after")
    def _ended_with_what_it_ended_with(self) -> Self:
        if self.status is OperationStatus.SUCCEEDED and self.result is None:
            raise ValueError("an operation that succeeded has a result")
        if self.status is OperationStatus.FAILED and self.error is None:
            raise ValueError("an operation that failed has an error")
        return self


class PlanChangeRequest(ContractModel):
    """The body of ``POST …/plan``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"plan": "premium", "features": ["ai_chat", "rag"], "config": {}}]}
    )

    plan: Word
    features: list[Word] = []
    config: TenantConfig = TenantConfig()


class PlanChangeResponse(ContractModel):
    """The answer to a change of plan that was done."""

    tenant_id: TenantId
    plan: str
    features: list[str] = []


class SuspendRequest(ContractModel):
    """The body of ``POST …/suspend``: why, in a word or a sentence (``payment_overdue``)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "payment_overdue"}]})

    reason: Name


class TenantStateResponse(ContractModel):
    """The answer of ``POST …/suspend`` and ``…/resume``."""

    tenant_id: TenantId
    status: TenantState


class DeletionReceipt(ContractModel):
    """The answer of ``DELETE /mt/tenant/{tenant_id}``: what was deleted, and when. The same receipt if asked again."""

    receipt_id: str | None = None
    tenant_id: TenantId
    purged_at: UtcDatetime
    deleted: list[str] = []


class ExportResult(ContractModel):
    """The result of an export. The link needs no key and works until ``expires_at``; ``format`` is open (``json``)."""

    download_url: WebAddress
    expires_at: UtcDatetime | None = None
    format: str | None = None
    size_bytes: Natural | None = None
    sha256: str | None = None


class CredentialsResponse(ContractModel):
    """The answer of ``POST …/credentials/rotate``: the new ones. The old ones have ended."""

    tenant_id: TenantId
    admin_credentials: AdminCredentials


class SsoUser(ContractModel):
    """Who is to be logged in; a user of the tenant, who is made when the address is new."""

    email: Email
    name: Name | None = None
    role: Word | None = None


class SsoRequest(ContractModel):
    """The body of ``POST …/sso``. ``return_to`` is a path of the service, or an address on its own host."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"user": {"email": "kim@hallym.ac.kr", "name": "김하나", "role": "teacher"}, "return_to": "/courses/7"}
            ]
        }
    )

    user: SsoUser
    return_to: Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f]{1,2000}$")] | None = None


class SsoResponse(ContractModel):
    """The answer of ``POST …/sso``: a link that logs the user in once, within 60 seconds."""

    launch_url: WebAddress
    expires_at: UtcDatetime | None = None


class TenantSummary(ContractModel):
    """One tenant of the service, as the list for reconciliation has it."""

    tenant_id: TenantId
    status: TenantState
    plan: str | None = None
    created_at: UtcDatetime | None = None
    reactivation_deadline: UtcDatetime | None = None


class TenantPage(Page):
    """The answer of ``GET /mt/tenants``: every tenant that the service has, purged ones excepted."""

    items: list[TenantSummary]


class ConfigurationLimits(ContractModel):
    """What a service takes at most."""

    max_body_bytes: Positive | None = None
    max_page_limit: Positive | None = None


class ConfigurationKeys(ContractModel):
    """How the service knows the market: the header, its aliases, and how many keys it accepts at present."""

    header: str
    header_aliases: list[str] = []
    accepted: Positive


class ConfigurationSchemas(ContractModel):
    """Where the service's own description is: addresses on the service's host."""

    manifest: str | None = None
    openapi: str | None = None
    errors: str | None = None


class ServiceConfiguration(ContractModel):
    """The answer of ``GET /mt/.well-known/mt-configuration``: what a caller may use, and within which limits."""

    versions: Annotated[list[str], Field(min_length=1, examples=[["1", "2"]])]
    extensions: list[str]
    endpoints: list[str] = []
    limits: ConfigurationLimits
    keys: ConfigurationKeys
    schemas: ConfigurationSchemas


class EventType(StrEnum):
    """What a service tells the market of its own accord."""

    USAGE_REPORTED = "usage.reported"
    LIMIT_REACHED = "tenant.limit_reached"
    HEALTH_CHANGED = "health.changed"


class Event(ContractModel):
    """The body of an event. ``id`` is also its ``webhook-id``: the same event again has the same id."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{7,127}$")]
    type: str
    timestamp: UtcDatetime
    tenant_id: TenantId | None = None
    data: dict[str, Any]


class AutoProvisionRequest(ContractModel):
    """The body of the older ``POST /api/tenant/webhook/auto-provision``: a tenant for whoever has this address.

    A tenant that the address owns already is returned only when the market vouches for it: ``email_verified``.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"email": "kim@hallym.ac.kr", "name": "김하나", "tenant_name": "한림대학교", "email_verified": True}
            ]
        }
    )

    email: Email
    name: Name | None = None
    tenant_id: TenantId | None = None
    tenant_name: Name | None = None
    plan: Word | None = None
    features: list[Word] = []
    config: TenantConfig = TenantConfig()
    email_verified: bool = False


class AutoProvisionResponse(ActivateResponse):
    """The answer to it: that of an activation. ``reused`` tells whether the address owned the tenant already."""

    reused: bool
