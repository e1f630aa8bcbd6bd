"""The older addresses of a market, each with the call that took its place. Their paths follow no prefix."""

from __future__ import annotations

from dataclasses import replace

from mt_paas.errors import EmailNotVerified, InvalidPlan, TenantAlreadyExists, TenantIdMismatch, TenantPurged
from mt_paas.standard_api.describe.call import Answer, CallDescription
from mt_paas.standard_api.describe.dashboard import DASHBOARD
from mt_paas.standard_api.describe.lifecycle import ACCEPTED, CREDENTIALS
from mt_paas.standard_api.describe.parts import IDEMPOTENCY_KEY, LIFECYCLE_ERRORS
from mt_paas.standard_api.models import AutoProvisionRequest, AutoProvisionResponse

__all__ = ["LEGACY"]

_HEADERS = ("Deprecation", "Link")


def _alias(successor: str, call: str, path: str, *, without: str = "") -> CallDescription:
    described = next(each for each in DASHBOARD if each.call == successor)
    return replace(
        described,
        call=call,
        path=path,
        successor=successor,
        summary=f"{described.summary}; the older address",
        answers=tuple(replace(each, headers=(*each.headers, *_HEADERS), links=()) for each in described.answers),
        parameters=tuple(each for each in described.parameters if each["name"] != without),
    )


LEGACY = (
    CallDescription(
        call="auto_provision",
        method="POST",
        path="/api/tenant/webhook/auto-provision",
        tag="Lifecycle",
        summary="Give an address its tenant, or a new one; the older address of activation",
        text=(
            "An address that owns an active tenant gets that one, with `reused: true`, when the market vouches for it "
            "(`email_verified`); otherwise it is refused. Any other address gets a new tenant."
        ),
        answers=(
            Answer(
                200,
                "The tenant is active.",
                AutoProvisionResponse(
                    tenant_id="hallym-3f9c01ab7e",
                    access_url="https://hallym.keli.k-university.ai",
                    admin_credentials=CREDENTIALS,
                    reused=False,
                ),
                headers=_HEADERS,
            ),
            replace(ACCEPTED, headers=(*ACCEPTED.headers, *_HEADERS), links=()),
        ),
        errors=(
            *(error for error in LIFECYCLE_ERRORS if error is not TenantIdMismatch),
            *(EmailNotVerified, TenantAlreadyExists, TenantPurged, InvalidPlan),
        ),
        body=AutoProvisionRequest,
        parameters=(IDEMPOTENCY_KEY,),
        successor="activate_tenant",
    ),
    _alias("get_tenant_stats", "legacy_stats", "/api/tenant/stats/{tenant_id}"),
    _alias("list_users", "legacy_users", "/api/tenant/users/{tenant_id}"),
    _alias("list_resources", "legacy_courses", "/api/tenant/courses/{tenant_id}", without="type"),
    _alias("list_resources", "legacy_discussions", "/api/tenant/discussions/{tenant_id}", without="type"),
)
