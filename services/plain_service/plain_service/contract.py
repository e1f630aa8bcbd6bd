"""The words of the Standard API v1, as this service says and hears them: errors, and the bodies of two calls.

Written from the published contract with nothing but the standard library: what a service in any language would write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

PLANS = ("basic", "standard", "premium")
REASONS = ("subscription_expired", "admin_request", "violation")

_TENANT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]")
_EMAIL = re.compile(r"[^@\s\x00-\x20\x7f-\xa0]{1,64}@[^@\s\x00-\x20\x7f-\xa0]{1,190}")
_NAME = re.compile(r"(?=.{1,200}\Z)[^\x00-\x1f\x7f]*[^\s\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f]*")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")

_STATUS_OF_ERROR = {
    "invalid_api_key": (401, "The key is missing, or it is not one that this service knows."),
    "tenant_forbidden": (403, "The credentials belong to another tenant."),
    "tenant_deactivated": (403, "The tenant is deactivated."),
    "not_found": (404, "There is nothing at this address."),
    "tenant_not_found": (404, "This service has no such tenant."),
    "method_not_allowed": (405, "This address is there, but not for this method."),
    "tenant_already_exists": (409, "The tenant is there already, and was activated with another body."),
    "operation_in_progress": (409, "Another lifecycle call for this tenant is under way."),
    "tenant_purged": (410, "The tenant's data are gone, and its id is not given out again."),
    "link_expired": (410, "The link was used before, or its time is over."),
    "unsupported_api_version": (412, "This service does not serve that version of the contract."),
    "body_too_large": (413, "The body is larger than this service reads."),
    "invalid_tenant_id": (422, 'A tenant id is 3 to 63 characters a-z, 0-9, "_" and "-".'),
    "tenant_id_mismatch": (422, "The tenant in the path is not the tenant in the body."),
    "invalid_body": (422, "The body is not what this call takes."),
    "invalid_plan": (422, "The service does not have this plan."),
    "invalid_period": (422, "A period is daily, monthly, YYYY-MM or YYYY-MM-DD."),
    "internal_error": (500, "The service broke while it answered."),
}


class Refusal(Exception):
    """An answer that is not a success."""

    def __init__(self, error: str, details: Any = None) -> None:
        super().__init__(error)
        self.error, self.details = error, details
        self.status, self.message = _STATUS_OF_ERROR[error]

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the one error shape: RFC 9457, and the contract's own members."""
        problem = {
            "type": f"urn:service-market:error:{self.error}",
            "title": self.error.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.message,
            "error": self.error,
            "message": self.message,
            "request_id": request_id,
            "retryable": self.error in {"operation_in_progress", "internal_error"},
        }
        return problem if self.details is None else problem | {"details": self.details}


@dataclass(frozen=True)
class Activation:
    """What the market asks for, checked. ``canonical`` is the same text for equal bodies."""

    tenant_id: str
    name: str
    plan: str
    config: dict[str, Any]
    canonical: str


@dataclass(frozen=True)
class Deactivation:
    """How the market wants a tenant closed, checked."""

    preserve_data: bool
    deactivate_at: datetime | None


def require_tenant_id(tenant_id: str) -> str:
    """Return ``tenant_id``, which may become a file name. Raises 422 ``invalid_tenant_id``."""
    if not _TENANT_ID.fullmatch(tenant_id):
        raise Refusal("invalid_tenant_id")
    return tenant_id


def read_idempotency_key(key: str | None) -> str | None:
    """Return ``key``, which may not have been sent. Raises 422 ``invalid_body``."""
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise Refusal("invalid_body", [{"path": "Idempotency-Key", "message": "expected visible ASCII characters"}])
    return key


def read_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in ``raw``. Raises 422 ``invalid_body``."""
    try:
        value = json.loads(raw, parse_constant=_refuse_constant, parse_float=_number)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is in no UTF-8 text
    except (ValueError, RecursionError) as error:
        raise Refusal("invalid_body", [{"path": "", "message": "expected JSON in UTF-8"}]) from error
    if not isinstance(value, dict):
        raise Refusal("invalid_body", [{"path": "", "message": "expected a JSON object"}])
    return value


def read_activation(body: Mapping[str, Any], tenant_id: str) -> Activation:
    """Return the body of an activation. Raises 422 with every fault that it has."""
    config, admin = body.get("config", {}), body.get("admin")
    features = body.get("features", [])
    limits = config if isinstance(config, dict) else {}
    person = admin if isinstance(admin, dict) else {}
    _require(
        {
            "tenant_id": _is_text(body.get("tenant_id")) and bool(_TENANT_ID.fullmatch(body["tenant_id"])),
            "tenant_name": _is_name(body.get("tenant_name")),
            "plan": _is_word(body.get("plan")),
            "features": isinstance(features, list) and all(map(_is_word, features)),
            "config": isinstance(config, dict),
            "config.max_users": _is_number(limits.get("max_users", 1), at_least=1, whole=True),
            "config.storage_limit_gb": _is_number(limits.get("storage_limit_gb", 0), at_least=0, whole=False),
            "admin": isinstance(admin, dict),
            "admin.email": _is_text(person.get("email")) and bool(_EMAIL.fullmatch(person["email"])),
            "admin.name": _is_name(person.get("name")),
        }
    )
    if body["tenant_id"] != tenant_id:
        raise Refusal("tenant_id_mismatch")
    if body["plan"] not in PLANS:
        raise Refusal("invalid_plan", {"plans": PLANS})
    known = {key: body[key] for key in ("tenant_id", "tenant_name", "plan")}
    known |= {"features": features, "config": config, "admin": {key: person[key] for key in ("email", "name")}}
    canonical = json.dumps(known, sort_keys=True, ensure_ascii=False)
    return Activation(tenant_id, body["tenant_name"], body["plan"], config, canonical)


def read_deactivation(body: Mapping[str, Any], tenant_id: str) -> Deactivation:
    """Return the body of a deactivation. Raises 422 with every fault that it has."""
    at, named = body.get("deactivate_at"), body.get("tenant_id")
    _require(
        {
            "reason": body.get("reason") in REASONS,
            "preserve_data": isinstance(body.get("preserve_data"), bool),
            "deactivate_at": at is None or (_is_text(at) and bool(_TIME.fullmatch(at)) and _is_time(at)),
            "tenant_id": named is None or (_is_text(named) and bool(_TENANT_ID.fullmatch(named))),
        }
    )
    if named not in {None, tenant_id}:
        raise Refusal("tenant_id_mismatch")
    return Deactivation(body["preserve_data"], datetime.fromisoformat(at).astimezone(UTC) if at else None)


def resolve_period(period: str, now: datetime) -> str:
    """Return ``period`` as ``YYYY-MM`` or ``YYYY-MM-DD``. Raises 422 ``invalid_period``."""
    today = now.date().isoformat()
    period = {"daily": today, "monthly": today[:7]}.get(period, period)
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?", period):
            date.fromisoformat(period if len(period) == len(today) else f"{period}-01")
            return period
    except ValueError:
        pass
    raise Refusal("invalid_period")


def _require(checks: Mapping[str, bool]) -> None:
    faults = [path for path, good in checks.items() if not good]
    if faults:
        raise Refusal("invalid_body", [{"path": path, "message": "missing, or not valid"} for path in faults])


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _number(text: str) -> float:
    number = float(text)  # 500.0 is the integer 500, as JSON Schema has it
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(_NAME.fullmatch(value))


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(_WORD.fullmatch(value))


def _is_number(value: Any, *, at_least: int, whole: bool) -> bool:
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        return False
    return bool(at_least <= value < 2**53)


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
