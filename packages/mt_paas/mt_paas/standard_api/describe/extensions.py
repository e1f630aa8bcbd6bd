"""The calls of the extensions, and discovery."""

from __future__ import annotations

from typing import Any

from mt_paas.errors import (
    BodyTooLarge,
    InternalError,
    InvalidApiKey,
    InvalidBody,
    InvalidPlan,
    InvalidQuery,
    MethodNotAllowed,
    NotImplementedByService,
    OperationInProgress,
    OperationNotCancellable,
    OperationNotFound,
    PlanChangeNotAllowed,
    ServiceNotReady,
    TenantNotActive,
    UnsupportedApiVersion,
)
from mt_paas.standard_api.describe.call import Answer, CallDescription, Link
from mt_paas.standard_api.describe.dashboard import PAGE_LIMIT, next_page
from mt_paas.standard_api.describe.lifecycle import ACCEPTED, CREDENTIALS, NOON
from mt_paas.standard_api.describe.parts import (
    CURSOR,
    IDEMPOTENCY_KEY,
    OPERATION_ID,
    OPTIONAL_ERRORS,
    TENANT_ERRORS,
    TENANT_ID,
    Errors,
    limit_parameter,
)
from mt_paas.standard_api.models import (
    ConfigurationKeys,
    ConfigurationLimits,
    ConfigurationSchemas,
    CredentialsResponse,
    DeletionReceipt,
    Operation,
    OperationError,
    OperationStatus,
    PlanChangeRequest,
    PlanChangeResponse,
    ServiceConfiguration,
    SsoRequest,
    SsoResponse,
    SuspendRequest,
    TenantPage,
    TenantState,
    TenantStateResponse,
    TenantSummary,
)

__all__ = ["EXTENSIONS"]

_ERRORS: Errors = (*TENANT_ERRORS, NotImplementedByService, OperationInProgress)
_WRITTEN: Errors = (*_ERRORS, BodyTooLarge, InvalidBody)
_TENANT = {"tenant_id": "$request.path.tenant_id"}
_OPERATION = {"operation_id": "$request.path.operation_id"}


def _state(status: TenantState, *next_calls: str) -> Answer:
    example = TenantStateResponse(tenant_id="hallym_univ", status=status)
    return Answer(200, f"The tenant is {status}.", example, links=tuple(Link(call, _TENANT) for call in next_calls))


def _of_tenant(**facts: Any) -> CallDescription:
    given = {"method": "POST", "tag": "Extensions", "parameters": (TENANT_ID, IDEMPOTENCY_KEY), "since": "2"}
    return CallDescription(**(given | facts))


EXTENSIONS = (
    _of_tenant(
        call="change_plan",
        path="/tenant/{tenant_id}/plan",
        summary="Put the tenant on another plan",
        text="The tenant's data stay. The same plan again is done again.",
        answers=(
            Answer(
                200,
                "The tenant is on the plan.",
                PlanChangeResponse(tenant_id="hallym_univ", plan="premium", features=["ai_chat", "rag"]),
                links=(Link("get_tenant_status", _TENANT),),
            ),
            ACCEPTED,
        ),
        errors=(*_WRITTEN, InvalidPlan, PlanChangeNotAllowed, TenantNotActive),
        body=PlanChangeRequest,
        endpoint="plan_change",
    ),
    _of_tenant(
        call="suspend_tenant",
        path="/tenant/{tenant_id}/suspend",
        summary="Block the tenant for its users",
        text="Its data are not touched. Asked again, it answers with the same result.",
        answers=(_state(TenantState.SUSPENDED, "resume_tenant", "get_tenant_status"),),
        errors=(*_WRITTEN, TenantNotActive),
        body=SuspendRequest,
        endpoint="suspend",
    ),
    _of_tenant(
        call="resume_tenant",
        path="/tenant/{tenant_id}/resume",
        summary="Open a suspended tenant again",
        text="Asked again, it answers with the same result.",
        answers=(_state(TenantState.ACTIVE, "suspend_tenant", "get_tenant_status"),),
        errors=(*_ERRORS, TenantNotActive),
        endpoint="resume",
    ),
    _of_tenant(
        call="purge_tenant",
        method="DELETE",
        path="/tenant/{tenant_id}",
        summary="Delete the tenant's data for good",
        text=(
            "Past the deadline, or because the owner of the data demands it. The answer is a receipt; asked again, "
            "the same one."
        ),
        answers=(
            Answer(
                200,
                "The data are gone.",
                DeletionReceipt(
                    receipt_id="rcp_8Q2M", tenant_id="hallym_univ", purged_at=NOON, deleted=["database", "files"]
                ),
            ),
            ACCEPTED,
        ),
        errors=(*_ERRORS, TenantNotActive),
        endpoint="purge",
    ),
    _of_tenant(
        call="export_tenant",
        path="/tenant/{tenant_id}/export",
        summary="Begin to export the tenant's data",
        text="The result of the operation is a link to the data in an open format, which needs no key.",
        answers=(ACCEPTED,),
        errors=_ERRORS,
        endpoint="export",
    ),
    _of_tenant(
        call="rotate_credentials",
        path="/tenant/{tenant_id}/credentials/rotate",
        summary="Give the administrator new credentials",
        text="The old ones end. The answer holds a link that works once; never a password.",
        answers=(
            Answer(
                200,
                "The new credentials.",
                CredentialsResponse(tenant_id="hallym_univ", admin_credentials=CREDENTIALS),
            ),
        ),
        errors=(*_ERRORS, TenantNotActive),
        endpoint="credentials_rotate",
    ),
    _of_tenant(
        call="create_sso_link",
        path="/tenant/{tenant_id}/sso",
        summary="Make a link that logs a user in",
        text=(
            "It works once, within 60 seconds. A user whose address is new is made. `return_to` is a path of the "
            "service, or an address on its own host."
        ),
        answers=(
            Answer(
                200,
                "The link.",
                SsoResponse(
                    launch_url="https://hallym.keli.k-university.ai/sso/7Ch0xEv2",
                    expires_at=NOON.replace(minute=1),
                ),
            ),
        ),
        errors=(*_WRITTEN, TenantNotActive),
        body=SsoRequest,
        endpoint="sso",
    ),
    CallDescription(
        call="get_operation",
        method="GET",
        path="/operations/{operation_id}",
        tag="Extensions",
        summary="How an operation is getting on",
        text="`result` is what the call would have answered, had it not taken so long.",
        answers=(
            Answer(
                200,
                "The operation; while it is under way, with `Retry-After`.",
                Operation(
                    operation_id="op_01J9ZC4T6Q",
                    status=OperationStatus.SUCCEEDED,
                    result={
                        "status": "activated",
                        "tenant_id": "hallym_univ",
                        "access_url": "https://hallym.keli.k-university.ai",
                    },
                ),
                headers=("Retry-After",),
                links=(Link("get_operation", _OPERATION), Link("cancel_operation", _OPERATION)),
            ),
        ),
        errors=(*OPTIONAL_ERRORS, OperationNotFound),
        parameters=(OPERATION_ID,),
        endpoint="operation",
        since="2",
    ),
    CallDescription(
        call="cancel_operation",
        method="DELETE",
        path="/operations/{operation_id}",
        tag="Extensions",
        summary="Undo an operation that is under way",
        text="It ends as failed, with the error `cancelled`, and leaves nothing behind.",
        answers=(
            Answer(
                200,
                "The operation was cancelled.",
                Operation(
                    operation_id="op_01J9ZC4T6Q",
                    status=OperationStatus.FAILED,
                    error=OperationError(error="cancelled", message="The operation was cancelled."),
                ),
                headers=("Retry-After",),
                links=(Link("get_operation", _OPERATION),),
            ),
        ),
        errors=(*OPTIONAL_ERRORS, OperationNotFound, OperationNotCancellable),
        parameters=(OPERATION_ID, IDEMPOTENCY_KEY),
        endpoint="operation",
        since="2",
    ),
    CallDescription(
        call="list_tenants",
        method="GET",
        path="/tenants",
        tag="Discovery",
        summary="A page of every tenant that the service has",
        text="Purged ones excepted. The market reconciles its own list against this one.",
        answers=(
            Answer(
                200,
                "A page of tenants.",
                TenantPage(
                    items=[
                        TenantSummary(
                            tenant_id="hallym_univ", status=TenantState.ACTIVE, plan="premium", created_at=NOON
                        )
                    ],
                    next_cursor="aGFsbHltX3VuaXY",
                    total=31,
                ),
                links=(next_page("list_tenants", {}),),
            ),
        ),
        errors=(*OPTIONAL_ERRORS, InvalidQuery),
        parameters=(CURSOR, limit_parameter(PAGE_LIMIT)),
        endpoint="inventory",
        since="2",
    ),
    CallDescription(
        call="get_configuration",
        method="GET",
        path="/.well-known/mt-configuration",
        tag="Discovery",
        summary="What a caller may use, and within which limits",
        text="Versions, extensions, endpoints by their keys in the manifest, limits, headers and documents.",
        answers=(
            Answer(
                200,
                "What the service offers.",
                ServiceConfiguration(
                    versions=["1", "2"],
                    extensions=["async_operations", "suspend"],
                    endpoints=["health", "tenant_activate", "tenant_deactivate", "tenant_status", "users", "user"],
                    limits=ConfigurationLimits(max_body_bytes=1_048_576, max_page_limit=500),
                    keys=ConfigurationKeys(header="X-Market-API-Key", header_aliases=["X-Marketplace-Key"], accepted=1),
                    schemas=ConfigurationSchemas(manifest="/mt/manifest", openapi="/openapi.json"),
                ),
            ),
        ),
        errors=(InvalidApiKey, UnsupportedApiVersion, MethodNotAllowed, InternalError, ServiceNotReady),
    ),
)
