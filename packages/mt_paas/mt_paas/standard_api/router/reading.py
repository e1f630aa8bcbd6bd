"""Reading a request of the contract: ids, query, body and conditions, each of them checked before any handler runs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from mt_paas.errors import (
    BodyTooLarge,
    InvalidBody,
    InvalidQuery,
    InvalidTenantId,
    OperationNotFound,
    PreconditionRequired,
    UnsupportedApiVersion,
    UserNotFound,
    VersionConflict,
)
from mt_paas.standard_api.describe import MAX_CURSOR, MAX_FILTER, PAGE_LIMIT
from mt_paas.standard_api.handler import PageQuery, ResourceQuery, UserQuery
from mt_paas.standard_api.models import (
    MAX_LIMIT,
    OPERATION_ID_PATTERN,
    TENANT_ID_PATTERN,
    USER_ID_PATTERN,
    ContractModel,
    UserStatus,
)
from mt_paas.standard_api.periods import resolve_period
from mt_paas.standard_api.wire import WireError, is_json, read

__all__ = [
    "body_of",
    "expected_version_of",
    "idempotency_key_of",
    "limit_of",
    "operation_id_of",
    "page_query_of",
    "period_of",
    "resource_query_of",
    "tenant_id_of",
    "user_id_of",
    "user_query_of",
    "version_of",
]

_TENANT_ID = re.compile(TENANT_ID_PATTERN)
_USER_ID = re.compile(USER_ID_PATTERN)
_OPERATION_ID = re.compile(OPERATION_ID_PATTERN)
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_CURSOR = re.compile(rf"[\x21-\x7e]{{1,{MAX_CURSOR}}}")
_LIMIT = re.compile(r"[1-9][0-9]{0,2}")
_TEXT = re.compile(rf"[^\x00-\x1f\x7f\ud800-\udfff]{{1,{MAX_FILTER}}}")
_STRONG_TAG = re.compile(r'"([\x21\x23-\x7e]*)"')

Model = TypeVar("Model", bound=ContractModel)


def version_of(request: Request, versions: tuple[str, ...]) -> str:
    """Return the version to be served in: the one that is asked for, otherwise the newest of ``versions``.

    Raises ``UnsupportedApiVersion``, which says what there is.
    """
    asked = request.headers.getlist("X-MT-API-Version")
    if not asked:
        return versions[-1]
    if len(asked) > 1 or asked[0] not in versions:
        raise UnsupportedApiVersion(
            f"X-MT-API-Version asks for what is not served here; send one of {', '.join(versions)}.",
            details={"versions": list(versions)},
        )
    return asked[0]


def tenant_id_of(request: Request) -> str:
    """Return the tenant that the path names. Raises ``InvalidTenantId``."""
    tenant_id: str = request.path_params["tenant_id"]
    if not _TENANT_ID.fullmatch(tenant_id):
        raise InvalidTenantId
    return tenant_id


def user_id_of(request: Request) -> str:
    """Return the user that the path names. Raises ``UserNotFound`` for what can be nobody's id."""
    user_id: str = request.path_params["user_id"]
    if not _USER_ID.fullmatch(user_id):
        raise UserNotFound
    return user_id


def operation_id_of(request: Request) -> str:
    """Return the operation that the path names. Raises ``OperationNotFound`` for what can be no operation's id."""
    operation_id: str = request.path_params["operation_id"]
    if not _OPERATION_ID.fullmatch(operation_id):
        raise OperationNotFound
    return operation_id


def idempotency_key_of(request: Request) -> str | None:
    """Return the caller's ``Idempotency-Key``. Raises ``InvalidBody``."""
    values = request.headers.getlist("Idempotency-Key")
    if not values:
        return None
    if len(values) > 1 or not _IDEMPOTENCY_KEY.fullmatch(values[0]):
        raise InvalidBody("Idempotency-Key is one value of 1 to 255 visible ASCII characters.")
    return values[0]


def expected_version_of(request: Request) -> str | None:
    """Return the version that ``If-Match`` names, None for any (RFC 9110, section 13.1.1).

    Raises ``PreconditionRequired`` without the header. What is not one strong entity tag matches nothing that there
    is, so that is a ``VersionConflict``.
    """
    values = request.headers.getlist("If-Match")
    if not values:
        raise PreconditionRequired
    if values == ["*"]:
        return None
    tag = _STRONG_TAG.fullmatch(values[0].strip()) if len(values) == 1 else None
    if tag is None:
        raise VersionConflict('If-Match takes one strong ETag, as it came: "7", or * for any.')
    return tag[1]


def period_of(request: Request, now: datetime) -> str:
    """Return the resolved period of the query, this month by default. Raises ``InvalidPeriod``."""
    period = _parameter(request, "period")
    return resolve_period("monthly" if period is None else period, now)


def limit_of(request: Request, default: int) -> int:
    """Return how many items are asked for. Raises ``InvalidQuery``."""
    limit = _parameter(request, "limit")
    if limit is None:
        return default
    if not _LIMIT.fullmatch(limit) or int(limit) > MAX_LIMIT:
        raise _invalid("limit", f"it is a whole number from 1 to {MAX_LIMIT}")
    return int(limit)


def page_query_of(request: Request) -> PageQuery:
    """Return which page is asked for. Raises ``InvalidQuery``."""
    return PageQuery(cursor=_cursor_of(request), limit=limit_of(request, PAGE_LIMIT))


def user_query_of(request: Request) -> UserQuery:
    """Return which users are asked for. Raises ``InvalidQuery``."""
    status = _parameter(request, "status")
    if status is not None and status not in list(UserStatus):
        raise _invalid("status", f"it is one of {', '.join(UserStatus)}")
    return UserQuery(
        cursor=_cursor_of(request),
        limit=limit_of(request, PAGE_LIMIT),
        q=_text_of(request, "q"),
        role=_text_of(request, "role"),
        status=None if status is None else UserStatus(status),
    )


def resource_query_of(request: Request, resource_type: str | None = None) -> ResourceQuery:
    """Return which resources are asked for; ``resource_type`` is one that the address says. Raises ``InvalidQuery``."""
    return ResourceQuery(
        cursor=_cursor_of(request),
        limit=limit_of(request, PAGE_LIMIT),
        type=_text_of(request, "type") if resource_type is None else resource_type,
    )


async def body_of(request: Request, model: type[Model], max_bytes: int) -> Model:
    """Return the body as ``model``. Raises ``InvalidBody`` with every fault, and ``BodyTooLarge``."""
    if not is_json(request.headers.get("content-type", "")):
        raise InvalidBody("The body is JSON in UTF-8: send it with Content-Type: application/json.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise InvalidBody("The body came compressed: send it as it is, without Content-Encoding.")
    try:
        return read(model, await _raw_body(request, max_bytes))
    except WireError as error:
        details = [{"path": fault.path, "message": fault.message} for fault in error.faults]
        raise InvalidBody(f"The body is not what this call takes: {error}", details=details) from None


async def _raw_body(request: Request, max_bytes: int) -> bytes:
    raw = bytearray()
    try:
        async for piece in request.stream():
            raw += piece
            if len(raw) > max_bytes:
                raise BodyTooLarge(f"The body is larger than {max_bytes} bytes.")
    except ClientDisconnect:
        raise InvalidBody("The body broke off.") from None
    return bytes(raw)


def _cursor_of(request: Request) -> str | None:
    cursor = _parameter(request, "cursor")
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise _invalid("cursor", "it is next_cursor of the page before, as it came")
    return cursor


def _text_of(request: Request, name: str) -> str | None:
    text = _parameter(request, name)
    if text is not None and not _TEXT.fullmatch(text):
        raise _invalid(name, f"it is 1 to {MAX_FILTER} characters, none of them a control character")
    return text


def _parameter(request: Request, name: str) -> str | None:
    """Return the one value of a parameter. Two are refused: who reads the first and who the last would disagree."""
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise _invalid(name, f"it came {len(values)} times: send it once")
    return values[0] if values else None


def _invalid(name: str, rule: str) -> InvalidQuery:
    details = [{"path": f"query.{name}", "message": rule}]
    return InvalidQuery(f"The parameter {name} of the query: {rule}.", details=details)
