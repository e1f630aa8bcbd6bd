"""The Standard API's calls as data: what OpenAPI says of them, and what the router makes its routes from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fastapi import Security
from fastapi.params import Security as SecurityMarker
from fastapi.security import APIKeyHeader, HTTPBearer

from mt_paas.errors import (
    BodyTooLarge,
    ContractError,
    InternalError,
    InvalidApiKey,
    InvalidBody,
    InvalidPeriod,
    InvalidPlan,
    InvalidTenantId,
    NotImplementedByService,
    OperationInProgress,
    ServiceNotReady,
    TenantAlreadyExists,
    TenantIdMismatch,
    TenantNotFound,
    TenantPurged,
)
from mt_paas.standard_api.auth import ApiKeys
from mt_paas.standard_api.models import (
    TENANT_ID_PATTERN,
    ActivateRequest,
    ActivateResponse,
    ContractModel,
    DeactivateRequest,
    DeactivateResponse,
    ErrorBody,
    Health,
    StatusResponse,
    UsageResponse,
)
from mt_paas.standard_api.problem import PROBLEM_TYPE, problem

__all__ = ["DESCRIPTIONS", "CallDescription", "key_scheme"]


class StandardApiError(ErrorBody):
    """The one error shape of the Standard API: problem details (RFC 9457) with the contract's own members."""


_ERROR_SCHEMA = {"$ref": f"#/components/schemas/{StandardApiError.__name__}"}
_ANY_ERROR: dict[int | str, dict[str, Any]] = {
    # Naming the model here is what puts it among the components, where the other answers refer to it.
    "default": {"model": StandardApiError, "description": "Any other error."}
}
_REQUEST_ID_EXAMPLE = "0198a4c27d1e7aa0b3a10c6a5f0d9b11"
_HEADER_PARAMETERS = [
    {
        "name": "X-Request-ID",
        "in": "header",
        "required": False,
        "description": "Comes back in the answer and stands in the service's log.",
        "schema": {"type": "string", "maxLength": 128},
    },
    {
        "name": "traceparent",
        "in": "header",
        "required": False,
        "description": "W3C trace context.",
        "schema": {"type": "string"},
    },
]
_TENANT_PARAMETER = {
    "name": "tenant_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": TENANT_ID_PATTERN},
    "example": "hallym_univ",
}
_IDEMPOTENCY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key again means the same call again: the answer is the same.",
    "schema": {"type": "string", "maxLength": 255},
}
_PERIOD_PARAMETER = {
    "name": "period",
    "in": "query",
    "required": False,
    "description": "`daily`, `monthly`, `YYYY-MM` or `YYYY-MM-DD`, in UTC.",
    "schema": {"type": "string", "default": "monthly"},
    "example": "2026-01",
}
_TENANT_ERRORS = (InvalidApiKey, InvalidTenantId, InternalError, ServiceNotReady)
_LIFECYCLE_ERRORS = (*_TENANT_ERRORS, OperationInProgress, BodyTooLarge, TenantIdMismatch, InvalidBody)


@dataclass(frozen=True, slots=True)
class CallDescription:
    """One call of the contract. ``call`` is the name of the handler's method, ``path`` follows the prefix."""

    call: str
    method: str
    path: str
    summary: str
    answer: type[ContractModel]
    errors: tuple[type[ContractError], ...]
    body: type[ContractModel] | None = None
    parameters: tuple[dict[str, Any], ...] = ()

    @property
    def needs_key(self) -> bool:
        """Whether the call is refused without the market's key."""
        return InvalidApiKey in self.errors

    @property
    def pattern(self) -> re.Pattern[str]:
        """The addresses of this call, whoever the tenant."""
        return re.compile(self.path.replace("{tenant_id}", "[^/]+"))

    def responses(self) -> dict[int | str, dict[str, Any]]:
        """Return FastAPI's ``responses``: each status with the error words that it may carry, as examples."""
        described: dict[int | str, dict[str, Any]] = {}
        for error in (raised() for raised in self.errors):
            place = described.setdefault(
                error.status,
                {"description": "", "content": {PROBLEM_TYPE: {"schema": _ERROR_SCHEMA, "examples": {}}}},
            )
            place["description"] += f"`{error.code}`: {error.message}\n\n"
            value = problem(error, _REQUEST_ID_EXAMPLE).model_dump(mode="json", exclude_none=True)
            place["content"][PROBLEM_TYPE]["examples"][error.code] = {"value": value}
        return dict(sorted(described.items(), key=str)) | _ANY_ERROR

    def extra(self) -> dict[str, Any]:
        """Return what FastAPI can not read off the endpoint, because the router reads the request itself."""
        extra: dict[str, Any] = {"parameters": [*self.parameters, *_HEADER_PARAMETERS]}
        if self.body is not None:
            schema = _inlined(self.body)
            extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        return extra


DESCRIPTIONS = (
    CallDescription(
        call="health",
        method="GET",
        path="/health",
        summary="How the service is; no key needed",
        answer=Health,
        errors=(InternalError, ServiceNotReady),
    ),
    CallDescription(
        call="activate_tenant",
        method="POST",
        path="/tenant/{tenant_id}/activate",
        summary="Create a tenant, or bring a deactivated one back with its data",
        answer=ActivateResponse,
        errors=(*_LIFECYCLE_ERRORS, TenantAlreadyExists, TenantPurged, InvalidPlan),
        body=ActivateRequest,
        parameters=(_TENANT_PARAMETER, _IDEMPOTENCY_PARAMETER),
    ),
    CallDescription(
        call="deactivate_tenant",
        method="POST",
        path="/tenant/{tenant_id}/deactivate",
        summary="Close a tenant for its users, now or later; keep or delete its data",
        answer=DeactivateResponse,
        errors=(*_LIFECYCLE_ERRORS, TenantNotFound),
        body=DeactivateRequest,
        parameters=(_TENANT_PARAMETER, _IDEMPOTENCY_PARAMETER),
    ),
    CallDescription(
        call="get_tenant_status",
        method="GET",
        path="/tenant/{tenant_id}/status",
        summary="The tenant's state and figures",
        answer=StatusResponse,
        errors=(*_TENANT_ERRORS, TenantNotFound),
        parameters=(_TENANT_PARAMETER,),
    ),
    CallDescription(
        call="get_tenant_usage",
        method="GET",
        path="/tenant/{tenant_id}/usage",
        summary="What the tenant used in a period; optional",
        answer=UsageResponse,
        errors=(*_TENANT_ERRORS, TenantNotFound, InvalidPeriod, NotImplementedByService),
        parameters=(_TENANT_PARAMETER, _PERIOD_PARAMETER),
    ),
)


def key_scheme(keys: ApiKeys) -> SecurityMarker:
    """Return the security scheme of ``keys`` for OpenAPI. It checks nothing: the router does, in its own order."""
    scheme = (
        HTTPBearer(scheme_name="MarketKey", auto_error=False)
        if keys.is_bearer
        else APIKeyHeader(name=keys.header, scheme_name="MarketKey", auto_error=False)
    )
    marker: SecurityMarker = Security(scheme)
    return marker


def _inlined(model: type[ContractModel]) -> dict[str, Any]:
    """Return the JSON Schema of ``model`` without references: in OpenAPI they would point at nothing."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolve(
                definitions[node["$ref"].rpartition("/")[2]] | {k: v for k, v in node.items() if k != "$ref"}
            )
        return {key: resolve(value) for key, value in node.items()}

    resolved: dict[str, Any] = resolve(schema)
    return resolved
