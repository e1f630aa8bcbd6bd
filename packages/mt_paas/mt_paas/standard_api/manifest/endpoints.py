"""Where the market calls a service: the templates of a manifest, and the features that they declare."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import Field

from mt_paas.standard_api.manifest.rules import Rule, access_address, base_address, endpoint_path
from mt_paas.standard_api.models import ContractModel

__all__ = ["EXTENSIONS", "OPERATION_VARIABLE", "SINCE_2", "USER_VARIABLE", "Endpoints"]

USER_VARIABLE = "{user_id}"
OPERATION_VARIABLE = "{operation_id}"

#: Each extension of the contract, and the endpoint that declares it; those without one are declared in `capabilities`.
EXTENSIONS: dict[str, str | None] = {
    "async_operations": None,
    "plan_change": "plan_change",
    "suspend": "suspend",
    "purge": "purge",
    "export": "export",
    "credentials": "credentials_rotate",
    "sso": "sso",
    "events": None,
    "inventory": "inventory",
}
#: What version 2.0 added, by section (the empty one is the manifest itself).
SINCE_2: dict[str, frozenset[str]] = {
    "": frozenset({"capabilities", "plans", "config_schema", "localized", "oauth2", "provisioning"}),
    "endpoints": frozenset(
        {
            *("stats", "stats_costs", "stats_top_users", "users", "user", "resources", "settings", "operation"),
            *(endpoint for endpoint in EXTENSIONS.values() if endpoint is not None),
            "resume",
        }
    ),
    "auth": frozenset({"header_aliases"}),
}

_Call = Annotated[str, Rule(partial(endpoint_path, tenant="possible"), {"pattern": "^/"})]
_TenantQuery = Annotated[str, Rule(partial(endpoint_path, tenant="needed"), {"pattern": r"^/.*\{tenant_id\}"})]
_UserPath = Annotated[
    str, Rule(partial(endpoint_path, tenant="needed", thing=USER_VARIABLE), {"pattern": r"^/.*\{user_id\}"})
]
_OperationPath = Annotated[
    str,
    Rule(partial(endpoint_path, tenant="possible", thing=OPERATION_VARIABLE), {"pattern": r"^/.*\{operation_id\}"}),
]
_ServicePath = Annotated[str, Rule(partial(endpoint_path, tenant="refused"), {"pattern": "^/[^{}]*$"})]


class Endpoints(ContractModel):
    """Where the market calls. ``usage_report`` and ``user_access`` are optional, the others required.

    A path may be a template with ``{tenant_id}``. Without it the tenant is named by the body alone, which only the two
    POSTs have: ``tenant_status`` and ``usage_report`` need it. Only ``user_access`` may be an absolute address.

    From ``stats`` on the keys belong to version 2.0: one that is there declares the feature.
    """

    base_url: Annotated[str, Rule(base_address, {"format": "uri"})] = Field(
        description="the address that every path is appended to", examples=["https://keli.k-university.ai"]
    )
    health: _ServicePath = Field(description="the path of the health check", examples=["/mt/health"])
    tenant_activate: _Call = Field(
        description="the path that activates a tenant", examples=["/mt/tenant/{tenant_id}/activate"]
    )
    tenant_deactivate: _Call = Field(
        description="the path that deactivates a tenant", examples=["/mt/tenant/{tenant_id}/deactivate"]
    )
    tenant_status: _TenantQuery = Field(
        description="the path of a tenant's status", examples=["/mt/tenant/{tenant_id}/status"]
    )
    usage_report: _TenantQuery | None = Field(
        default=None, description="the path of a tenant's usage", examples=["/mt/tenant/{tenant_id}/usage"]
    )
    user_access: Annotated[str, Rule(access_address)] | None = Field(
        default=None,
        description="where the users of a tenant enter",
        examples=["/app/{tenant_id}", "https://{tenant_id}.keli.k-university.ai"],
    )
    stats: _TenantQuery | None = Field(
        default=None, description="the path of a tenant's figures", examples=["/mt/tenant/{tenant_id}/stats"]
    )
    stats_costs: _TenantQuery | None = Field(
        default=None, description="the path of a tenant's costs", examples=["/mt/tenant/{tenant_id}/stats/costs"]
    )
    stats_top_users: _TenantQuery | None = Field(
        default=None,
        description="the path of the most active users",
        examples=["/mt/tenant/{tenant_id}/stats/top-users"],
    )
    users: _TenantQuery | None = Field(
        default=None, description="the path of a tenant's users", examples=["/mt/tenant/{tenant_id}/users"]
    )
    user: _UserPath | None = Field(
        default=None, description="the path of one user", examples=["/mt/tenant/{tenant_id}/users/{user_id}"]
    )
    resources: _TenantQuery | None = Field(
        default=None, description="the path of what the users work with", examples=["/mt/tenant/{tenant_id}/resources"]
    )
    settings: _TenantQuery | None = Field(
        default=None, description="the path of a tenant's settings", examples=["/mt/tenant/{tenant_id}/settings"]
    )
    operation: _OperationPath | None = Field(
        default=None, description="the path of an operation under way", examples=["/mt/operations/{operation_id}"]
    )
    plan_change: _TenantQuery | None = Field(
        default=None, description="the path that changes the plan", examples=["/mt/tenant/{tenant_id}/plan"]
    )
    suspend: _TenantQuery | None = Field(
        default=None, description="the path that suspends a tenant", examples=["/mt/tenant/{tenant_id}/suspend"]
    )
    resume: _TenantQuery | None = Field(
        default=None, description="the path that resumes a tenant", examples=["/mt/tenant/{tenant_id}/resume"]
    )
    purge: _TenantQuery | None = Field(
        default=None, description="the path that deletes a tenant's data (DELETE)", examples=["/mt/tenant/{tenant_id}"]
    )
    export: _TenantQuery | None = Field(
        default=None, description="the path that exports a tenant's data", examples=["/mt/tenant/{tenant_id}/export"]
    )
    credentials_rotate: _TenantQuery | None = Field(
        default=None,
        description="the path that gives new credentials",
        examples=["/mt/tenant/{tenant_id}/credentials/rotate"],
    )
    sso: _TenantQuery | None = Field(
        default=None,
        description="the path that makes a link for single sign-on",
        examples=["/mt/tenant/{tenant_id}/sso"],
    )
    inventory: _ServicePath | None = Field(
        default=None, description="the path of the list of all tenants", examples=["/mt/tenants"]
    )
