"""Answers of the Standard API that are not a success. The docstring of a class is its default message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mt_paas.errors.base import MtPaasError

__all__ = [
    "BodyTooLarge",
    "ContractError",
    "EmailNotVerified",
    "InternalError",
    "InvalidApiKey",
    "InvalidBody",
    "InvalidPeriod",
    "InvalidPlan",
    "InvalidQuery",
    "InvalidTenantId",
    "InvalidToken",
    "LinkExpired",
    "MethodNotAllowed",
    "NotFound",
    "NotImplementedByService",
    "OperationInProgress",
    "OperationNotCancellable",
    "OperationNotFound",
    "PlanChangeNotAllowed",
    "PreconditionRequired",
    "RateLimited",
    "ScopeMissing",
    "ServiceNotReady",
    "TenantAlreadyExists",
    "TenantBlocked",
    "TenantForbidden",
    "TenantIdMismatch",
    "TenantNotActive",
    "TenantNotFound",
    "TenantPurged",
    "TenantUnclear",
    "UnsupportedApiVersion",
    "UserAlreadyExists",
    "UserLimitReached",
    "UserNotFound",
    "VersionConflict",
]


class ContractError(MtPaasError):
    """The service could not do what was asked."""

    status: int = 500
    code: str = "internal_error"
    retryable: bool = False

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.details = details
        self.headers = dict(headers or {})
        super().__init__(self.message)


class TenantUnclear(ContractError):
    """What the request names is no tenant, or it names two; name one, by its id."""

    status, code = 400, "tenant_unclear"


class InvalidApiKey(ContractError):
    """The key is missing, or it is not one that this service knows."""

    status, code = 401, "invalid_api_key"


class InvalidToken(ContractError):
    """The token is not one that this service takes, or its time is over: get a new one."""

    status, code = 401, "invalid_token"


class TenantForbidden(ContractError):
    """The credentials belong to another tenant than the one that was asked for."""

    status, code = 403, "tenant_forbidden"


class TenantBlocked(ContractError):
    """The tenant is not open for its users at the moment."""

    status, code = 403, "tenant_suspended"

    def __init__(self, message: str | None = None, *, code: str = "tenant_suspended", details: Any = None) -> None:
        self.code = code
        super().__init__(message, details=details)


class ScopeMissing(ContractError):
    """The credentials do not have the scope that this needs."""

    status, code = 403, "scope_missing"


class UserLimitReached(ContractError):
    """The tenant has as many users as its plan allows (``config.max_users``)."""

    status, code = 403, "user_limit_reached"


class EmailNotVerified(ContractError):
    """This address owns a tenant already; it is returned only when the market vouches for the address."""

    status, code = 403, "email_not_verified"


class NotFound(ContractError):
    """There is nothing at this address."""

    status, code = 404, "not_found"


class TenantNotFound(ContractError):
    """This service has no such tenant."""

    status, code = 404, "tenant_not_found"


class UserNotFound(ContractError):
    """The tenant has no such user."""

    status, code = 404, "user_not_found"


class OperationNotFound(ContractError):
    """This service knows no such operation."""

    status, code = 404, "operation_not_found"


class MethodNotAllowed(ContractError):
    """This address is there, but not for this method."""

    status, code = 405, "method_not_allowed"


class TenantAlreadyExists(ContractError):
    """The tenant is there already, and was activated with another body."""

    status, code = 409, "tenant_already_exists"


class OperationInProgress(ContractError):
    """Another lifecycle call for this tenant is under way; ask again when it has ended."""

    status, code, retryable = 409, "operation_in_progress", True


class OperationNotCancellable(ContractError):
    """The operation has ended, or is past the point where it could be undone."""

    status, code = 409, "operation_not_cancellable"


class TenantNotActive(ContractError):
    """The tenant is not in a state in which this can be done."""

    status, code = 409, "tenant_not_active"


class UserAlreadyExists(ContractError):
    """The tenant has a user with this e-mail address already."""

    status, code = 409, "user_already_exists"


class TenantPurged(ContractError):
    """The tenant's data are gone, and its id is not given out again."""

    status, code = 410, "tenant_purged"


class LinkExpired(ContractError):
    """The link was used before, or its time is over."""

    status, code = 410, "link_expired"


class UnsupportedApiVersion(ContractError):
    """This service does not speak the version of the contract that X-MT-API-Version asks for."""

    status, code = 412, "unsupported_api_version"


class VersionConflict(ContractError):
    """The settings were changed meanwhile: read them again, and write with the new ETag."""

    status, code = 412, "version_conflict"


class BodyTooLarge(ContractError):
    """The body is larger than this service reads."""

    status, code = 413, "body_too_large"


class InvalidTenantId(ContractError):
    """A tenant id is 3 to 63 characters a-z, 0-9, "_" and "-", beginning and ending with a letter or digit."""

    status, code = 422, "invalid_tenant_id"


class TenantIdMismatch(ContractError):
    """The tenant in the path is not the tenant in the body."""

    status, code = 422, "tenant_id_mismatch"


class InvalidBody(ContractError):
    """The body is not what this call takes."""

    status, code = 422, "invalid_body"


class InvalidQuery(ContractError):
    """A parameter of the query is not what this call takes."""

    status, code = 422, "invalid_query"


class InvalidPlan(ContractError):
    """The service does not have this plan."""

    status, code = 422, "invalid_plan"


class InvalidPeriod(ContractError):
    """A period is daily, monthly, YYYY-MM or YYYY-MM-DD."""

    status, code = 422, "invalid_period"


class PlanChangeNotAllowed(ContractError):
    """The tenant can not change to this plan."""

    status, code = 422, "plan_change_not_allowed"


class PreconditionRequired(ContractError):
    """A write needs the header If-Match with the ETag of what it changes."""

    status, code = 428, "precondition_required"


class RateLimited(ContractError):
    """The tenant made more requests than its plan allows; Retry-After says when the next is taken."""

    status, code, retryable = 429, "rate_limited", True


class InternalError(ContractError):
    """The service broke while it answered; the request id leads to its log."""

    status, code, retryable = 500, "internal_error", True


class NotImplementedByService(ContractError):
    """This optional operation is not offered by this service."""

    status, code = 501, "not_implemented"


class ServiceNotReady(ContractError):
    """The service is starting, or something that it needs is away."""

    status, code, retryable = 503, "service_not_ready", True
