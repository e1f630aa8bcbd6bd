"""The calls of version 1: the life of a tenant."""

from __future__ import annotations

from datetime import UTC, datetime

from mt_paas.errors import (
    InvalidPeriod,
    InvalidPlan,
    InvalidQuery,
    NotImplementedByService,
    TenantAlreadyExists,
    TenantNotFound,
    TenantPurged,
)
from mt_paas.standard_api.describe.call import Answer, CallDescription, Link
from mt_paas.standard_api.describe.parts import (
    ANSWERED_ANYWHERE,
    IDEMPOTENCY_KEY,
    LIFECYCLE_ERRORS,
    PERIOD,
    TENANT_ERRORS,
    TENANT_ID,
)
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    AdminCredentials,
    DeactivateRequest,
    DeactivateResponse,
    Health,
    HealthCheck,
    HealthStatus,
    OperationAccepted,
    StatusResponse,
    StorageFigures,
    TenantState,
    Usage,
    UsageResponse,
    UserFigures,
)

__all__ = ["ACCEPTED", "CREDENTIALS", "LIFECYCLE", "NEXT_STEPS", "NOON"]

NOON = datetime(2026, 1, 3, 12, tzinfo=UTC)
CREDENTIALS = AdminCredentials(
    setup_url="https://hallym.keli.k-university.ai/setup/Zk3vQ0m1", expires_at=datetime(2026, 1, 10, 12, tzinfo=UTC)
)
_SAME_TENANT = {"tenant_id": "$request.path.tenant_id"}
_SAME_OPERATION = {"operation_id": "$response.body#/operation_id"}

#: The answer of a call that takes longer than a caller should wait.
ACCEPTED = Answer(
    202,
    "The work has begun (extension `async_operations`): ask for the operation.",
    OperationAccepted(operation_id="op_01J9ZC4T6Q", retry_after=2.0),
    headers=("Location", "Retry-After"),
    links=(Link("get_operation", _SAME_OPERATION), Link("cancel_operation", _SAME_OPERATION)),
)
#: What can be asked of a tenant that is there.
NEXT_STEPS = tuple(
    Link(call, _SAME_TENANT)
    for call in (
        *("activate_tenant", "deactivate_tenant", "get_tenant_status", "get_tenant_usage"),
        *("get_tenant_stats", "get_tenant_costs", "get_top_users", "list_users", "create_user", "list_resources"),
        *("get_settings", "change_plan", "suspend_tenant", "export_tenant", "rotate_credentials", "create_sso_link"),
    )
)

LIFECYCLE = (
    CallDescription(
        call="health",
        method="GET",
        path="/health",
        tag="Lifecycle",
        summary="How the service is; no key needed",
        text=(
            "Whether the service, and each thing that it needs, is well. The market asks once a minute. A service "
            "that is `degraded` works; one that is `unhealthy` does not."
        ),
        answers=(
            Answer(
                200,
                "How the service is, well or not.",
                Health(
                    status=HealthStatus.HEALTHY,
                    version="1.0.0",
                    timestamp=NOON,
                    checks={"database": HealthCheck(status=HealthStatus.HEALTHY, latency_ms=1.2)},
                ),
            ),
        ),
        errors=ANSWERED_ANYWHERE,
        endpoint="health",
    ),
    CallDescription(
        call="activate_tenant",
        method="POST",
        path="/tenant/{tenant_id}/activate",
        tag="Lifecycle",
        summary="Create a tenant, or bring a deactivated one back with its data",
        text=(
            "The same request again, by its `Idempotency-Key` or by an equal body, answers with the same result. "
            "Another body for an active tenant is refused. A deactivated tenant whose data are preserved comes back "
            "with them; past its deadline it is gone. The answer holds a link by which the administrator sets the "
            "account up, once; never a password."
        ),
        answers=(
            Answer(
                200,
                "The tenant is active.",
                ActivateResponse(
                    tenant_id="hallym_univ",
                    access_url="https://hallym.keli.k-university.ai",
                    admin_credentials=CREDENTIALS,
                ),
                links=NEXT_STEPS,
            ),
            ACCEPTED,
        ),
        errors=(*LIFECYCLE_ERRORS, TenantAlreadyExists, TenantPurged, InvalidPlan),
        body=ActivateRequest,
        parameters=(TENANT_ID, IDEMPOTENCY_KEY),
        endpoint="tenant_activate",
    ),
    CallDescription(
        call="deactivate_tenant",
        method="POST",
        path="/tenant/{tenant_id}/deactivate",
        tag="Lifecycle",
        summary="Close a tenant for its users, now or later; keep or delete its data",
        text=(
            "Asked again, it answers with the same result. With `deactivate_at` in the future the answer is "
            "`scheduled`, and the tenant works until then. Data that are preserved are kept until "
            "`reactivation_deadline`."
        ),
        answers=(
            Answer(
                200,
                "The tenant is closed, or will be.",
                DeactivateResponse(
                    status="deactivated",
                    tenant_id="hallym_univ",
                    data_preserved=True,
                    reactivation_deadline=datetime(2026, 4, 3, 12, tzinfo=UTC),
                ),
                links=tuple(
                    Link(call, _SAME_TENANT) for call in ("get_tenant_status", "activate_tenant", "purge_tenant")
                ),
            ),
            ACCEPTED,
        ),
        errors=(*LIFECYCLE_ERRORS, TenantNotFound),
        body=DeactivateRequest,
        parameters=(TENANT_ID, IDEMPOTENCY_KEY),
        endpoint="tenant_deactivate",
    ),
    CallDescription(
        call="get_tenant_status",
        method="GET",
        path="/tenant/{tenant_id}/status",
        tag="Lifecycle",
        summary="The tenant's state and figures",
        text="The state, the plan, and how many users and how much storage the tenant has.",
        answers=(
            Answer(
                200,
                "The tenant, as it is now.",
                StatusResponse(
                    tenant_id="hallym_univ",
                    status=TenantState.ACTIVE,
                    plan="premium",
                    created_at=NOON,
                    users=UserFigures(total=120, active_today=37),
                    storage=StorageFigures(used_gb=12.5, limit_gb=100.0),
                ),
            ),
        ),
        errors=TENANT_ERRORS,
        parameters=(TENANT_ID,),
        endpoint="tenant_status",
    ),
    CallDescription(
        call="get_tenant_usage",
        method="GET",
        path="/tenant/{tenant_id}/usage",
        tag="Figures",
        summary="What the tenant used in a period; optional",
        text="The answer says which day or month the period was resolved to. Services add meters of their own.",
        answers=(
            Answer(
                200,
                "What was used.",
                UsageResponse(
                    tenant_id="hallym_univ",
                    period="2026-01",
                    usage=Usage(api_calls=15_200, ai_tokens=2_400_000, storage_gb=12.5, active_users=88),
                ),
            ),
        ),
        errors=(*TENANT_ERRORS, InvalidPeriod, InvalidQuery, NotImplementedByService),
        parameters=(TENANT_ID, PERIOD),
        endpoint="usage_report",
    ),
)
