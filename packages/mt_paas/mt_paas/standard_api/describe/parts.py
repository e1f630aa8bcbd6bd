"""What the calls' descriptions share: tags, parameters, headers, and the errors that any call may answer with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from mt_paas.errors import (
    BodyTooLarge,
    ContractError,
    InternalError,
    InvalidApiKey,
    InvalidBody,
    InvalidTenantId,
    MethodNotAllowed,
    NotImplementedByService,
    OperationInProgress,
    ServiceNotReady,
    TenantIdMismatch,
    TenantNotFound,
    UnsupportedApiVersion,
)
from mt_paas.standard_api.models import (
    MAX_LIMIT,
    OPERATION_ID_PATTERN,
    TENANT_ID_PATTERN,
    USER_ID_PATTERN,
    UserStatus,
)
from mt_paas.standard_api.periods import PERIOD_PATTERN

__all__ = [
    "ANSWERED_ANYWHERE",
    "CURSOR",
    "ERROR_HEADERS",
    "IDEMPOTENCY_KEY",
    "IF_MATCH",
    "LIFECYCLE_ERRORS",
    "MAX_CURSOR",
    "MAX_FILTER",
    "OPERATION_ID",
    "OPTIONAL_ERRORS",
    "PERIOD",
    "REQUEST_ID_EXAMPLE",
    "TAGS",
    "TENANT_ERRORS",
    "TENANT_ID",
    "USER_ID",
    "WITH_BODY",
    "Errors",
    "answer_headers",
    "filter_parameter",
    "header_parameters",
    "limit_parameter",
]

Errors: TypeAlias = tuple[type[ContractError], ...]

MAX_CURSOR = 1000
MAX_FILTER = 200
REQUEST_ID_EXAMPLE = "0198a4c27d1e7aa0b3a10c6a5f0d9b11"

#: The groups of calls, as OpenAPI's top-level ``tags`` wants them.
TAGS: tuple[dict[str, str], ...] = (
    {"name": "Lifecycle", "description": "A tenant from its activation to its end; and how the service is."},
    {"name": "Figures", "description": "What a tenant used, did and cost."},
    {"name": "Users", "description": "The users of a tenant."},
    {"name": "Resources", "description": "What the users of a tenant made or work with."},
    {"name": "Settings", "description": "The settings of a tenant, written without losing another writer's change."},
    {"name": "Extensions", "description": "What a service may offer beyond versions 1 and 2, and declares."},
    {"name": "Discovery", "description": "What a service offers, and which tenants it has."},
)

ANSWERED_ANYWHERE: Errors = (MethodNotAllowed, InternalError, ServiceNotReady)
WITH_BODY: Errors = (BodyTooLarge, InvalidBody)
_WITH_KEY: Errors = (InvalidApiKey, UnsupportedApiVersion, *ANSWERED_ANYWHERE)
OPTIONAL_ERRORS: Errors = (*_WITH_KEY, NotImplementedByService)
TENANT_ERRORS: Errors = (*_WITH_KEY, InvalidTenantId, TenantNotFound)
LIFECYCLE_ERRORS: Errors = (*_WITH_KEY, InvalidTenantId, OperationInProgress, TenantIdMismatch, *WITH_BODY)

TENANT_ID: Mapping[str, Any] = {
    "name": "tenant_id",
    "in": "path",
    "required": True,
    "description": "The tenant's slug.",
    "schema": {"type": "string", "pattern": TENANT_ID_PATTERN, "minLength": 3, "maxLength": 63},
    "example": "hallym_univ",
}
USER_ID: Mapping[str, Any] = {
    "name": "user_id",
    "in": "path",
    "required": True,
    "description": "The id that the service gave the user.",
    "schema": {"type": "string", "pattern": USER_ID_PATTERN, "minLength": 1, "maxLength": 200},
    "example": "u_1001",
}
OPERATION_ID: Mapping[str, Any] = {
    "name": "operation_id",
    "in": "path",
    "required": True,
    "description": "The id that the answer 202 named.",
    "schema": {"type": "string", "pattern": OPERATION_ID_PATTERN, "minLength": 1, "maxLength": 128},
    "example": "op_01J9ZC4T6Q",
}
IDEMPOTENCY_KEY: Mapping[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key again means the same call again: the answer is the same.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
    "example": "activate-hallym_univ-7",
}
IF_MATCH: Mapping[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag of the settings that are to be replaced (RFC 9110, section 13.1.1); `*` for any.",
    "schema": {"type": "string", "pattern": r'^(?:\*|"[\x21\x23-\x7e]+")$'},
    "example": '"7"',
}
PERIOD: Mapping[str, Any] = {
    "name": "period",
    "in": "query",
    "required": False,
    "description": "`daily`, `monthly`, `YYYY-MM` or `YYYY-MM-DD`, in UTC.",
    "schema": {"type": "string", "pattern": PERIOD_PATTERN, "default": "monthly"},
    "example": "2026-01",
}
CURSOR: Mapping[str, Any] = {
    "name": "cursor",
    "in": "query",
    "required": False,
    "description": "`next_cursor` of the page before; without it the first page.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_CURSOR, "pattern": r"^[\x21-\x7e]+$"},
}


def limit_parameter(default: int) -> Mapping[str, Any]:
    """Return the parameter ``limit`` of a call that gives ``default`` items unless it is told."""
    return {
        "name": "limit",
        "in": "query",
        "required": False,
        "description": "How many items at most.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": default},
        "example": 50,
    }


def filter_parameter(name: str, description: str, example: str) -> Mapping[str, Any]:
    """Return a parameter that narrows a list by a text, or by a user's status."""
    schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": MAX_FILTER}
    if name == "status":
        schema = {"type": "string", "enum": [str(status) for status in UserStatus]}
    else:
        schema["pattern"] = r"^[^\x00-\x1f\x7f]+$"
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
        "example": example,
    }


def header_parameters(versions: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the headers that any call takes; ``versions`` are those that can be asked for, none on health."""
    found: list[dict[str, Any]] = [
        {
            "name": "X-Request-ID",
            "in": "header",
            "required": False,
            "description": (
                "1 to 128 letters, digits and `._~:/+=@-`: it comes back in the answer and stands in the service's "
                "log. Anything else is replaced."
            ),
            "schema": {"type": "string"},
            "example": REQUEST_ID_EXAMPLE,
        },
        {
            "name": "traceparent",
            "in": "header",
            "required": False,
            "description": "W3C trace context; one that is none is left out.",
            "schema": {"type": "string"},
            "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        },
    ]
    if versions:
        found.insert(
            0,
            {
                "name": "X-MT-API-Version",
                "in": "header",
                "required": False,
                "description": "The version of the contract to be served in; without it the newest.",
                "schema": {"type": "string", "enum": list(versions)},
                "example": versions[-1],
            },
        )
    return found


_HEADERS: Mapping[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The id of this call, in the service's log too.",
        "schema": {"type": "string", "maxLength": 128},
        "example": REQUEST_ID_EXAMPLE,
    },
    "X-MT-API-Version": {
        "description": "The version of the contract that was served.",
        "schema": {"type": "string"},
        "example": "2",
    },
    "Allow": {"description": "The methods of this address.", "schema": {"type": "string"}, "example": "POST, OPTIONS"},
    "WWW-Authenticate": {
        "description": "Where the key belongs.",
        "schema": {"type": "string"},
        "example": 'ApiKey header="X-Market-API-Key"',
    },
    "Retry-After": {
        "description": "After how many seconds to ask again.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 2,
    },
    "Location": {"description": "The address of what was made.", "schema": {"type": "string"}},
    "ETag": {"description": "The version of the settings, for `If-Match`.", "schema": {"type": "string"}},
    "Deprecation": {
        "description": "Since when this address is deprecated (RFC 9745).",
        "schema": {"type": "string"},
    },
    "Link": {"description": "The address that took its place.", "schema": {"type": "string"}},
}
#: The headers that errors of a status have, or may have.
ERROR_HEADERS: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    409: ("Retry-After",),
    503: ("Retry-After",),
}


def answer_headers(names: Iterable[str], *, versioned: bool) -> dict[str, dict[str, Any]]:
    """Return OpenAPI's headers of an answer: those of every answer, and ``names``."""
    always = ("X-Request-ID", "X-MT-API-Version") if versioned else ("X-Request-ID",)
    return {name: dict(_HEADERS[name]) for name in (*always, *names)}
