"""Every error that mt_paas raises on purpose, as one tree.

::

    MtPaasError
    ├── ConfigurationError                  the set-up is wrong: a setting, a missing database
    │   └── MissingExtraError               … or an extra of this package that is not installed
    ├── DatabaseUnavailable                 the database did not start, or can not be connected to
    ├── ManifestError                       a manifest.yaml with faults (``faults``: all of them at once)
    ├── IllegalTransition                   a state machine was asked for a step that its table does not have
    ├── ContractError                       an answer of the Standard API that is not a success (``status``, ``code``)
    │   ├── InvalidApiKey                   401 invalid_api_key
    │   ├── TenantForbidden                 403 tenant_forbidden
    │   ├── TenantBlocked                   403 tenant_suspended, tenant_deactivated
    │   ├── NotFound                        404 not_found
    │   ├── TenantNotFound                  404 tenant_not_found
    │   ├── MethodNotAllowed                405 method_not_allowed
    │   ├── TenantAlreadyExists             409 tenant_already_exists
    │   ├── OperationInProgress             409 operation_in_progress (retryable)
    │   ├── TenantPurged                    410 tenant_purged
    │   ├── LinkExpired                     410 link_expired
    │   ├── BodyTooLarge                    413 body_too_large
    │   ├── InvalidTenantId                 422 invalid_tenant_id
    │   ├── TenantIdMismatch                422 tenant_id_mismatch
    │   ├── InvalidBody                     422 invalid_body
    │   ├── InvalidPlan                     422 invalid_plan
    │   ├── InvalidPeriod                   422 invalid_period
    │   ├── InternalError                   500 internal_error (retryable)
    │   ├── NotImplementedByService         501 not_implemented
    │   └── ServiceNotReady                 503 service_not_ready (retryable)
    └── ServiceCallError                    the caller's side: a call to a service or a market that did not work
        ├── AddressNotAllowed               the address is not one that may be called
        ├── ServiceUnreachable              no connection: the request never arrived
        ├── ServiceTimeout                  sent, and no whole answer in time: done or not, nobody knows
        ├── ServiceRefused                  a 4xx: the service understood and said no
        ├── ServiceFailed                   a 5xx: the service broke, done or not
        └── ServiceAnswerInvalid            an answer that is not what the contract says

The class docstring of a contract error is its default message. Codes are stable and published; see
``docs/reference/errors.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = [
    "AddressNotAllowed",
    "BodyTooLarge",
    "ConfigurationError",
    "ContractError",
    "DatabaseUnavailable",
    "IllegalTransition",
    "InternalError",
    "InvalidApiKey",
    "InvalidBody",
    "InvalidPeriod",
    "InvalidPlan",
    "InvalidTenantId",
    "LinkExpired",
    "ManifestError",
    "ManifestFault",
    "MethodNotAllowed",
    "MissingExtraError",
    "MtPaasError",
    "NotFound",
    "NotImplementedByService",
    "OperationInProgress",
    "ServiceAnswerInvalid",
    "ServiceCallError",
    "ServiceFailed",
    "ServiceNotReady",
    "ServiceRefused",
    "ServiceTimeout",
    "ServiceUnreachable",
    "TenantAlreadyExists",
    "TenantBlocked",
    "TenantForbidden",
    "TenantIdMismatch",
    "TenantNotFound",
    "TenantPurged",
]


class MtPaasError(Exception):
    """The root: catch it to catch everything that mt_paas raises on purpose."""


class ConfigurationError(MtPaasError):
    """The set-up is wrong; the message says which setting, and what to do."""


class MissingExtraError(ConfigurationError, ImportError):
    """A part of mt_paas needs an extra that is not installed."""

    def __init__(self, part: str, extra: str) -> None:
        super().__init__(f'{part} needs an extra that is not installed: pip install "mt-paas[{extra}]"')
        self.extra = extra


class DatabaseUnavailable(MtPaasError):
    """The database did not start, or can not be connected to; the message says why."""


@dataclass(frozen=True, slots=True)
class ManifestFault:
    """One fault of a manifest and its place. ``line`` and ``column`` count from 1."""

    path: str
    line: int
    column: int
    message: str
    expected: str = ""
    suggestion: str = ""

    def describe(self, source: str = "manifest.yaml") -> str:
        """Return the fault in one line, as a compiler would print it."""
        text = f"{source}:{self.line}:{self.column}: {self.path or 'document'}: {self.message}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.suggestion:
            text += f" ({self.suggestion})"
        return text

    def as_dict(self) -> dict[str, Any]:
        """Return the fault as it appears in ``details`` of an API answer."""
        return {
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "expected": self.expected,
            "suggestion": self.suggestion,
        }


class ManifestError(MtPaasError):
    """A manifest that can not be used, with every fault that it has."""

    def __init__(self, faults: Sequence[ManifestFault], source: str = "manifest.yaml") -> None:
        self.faults = tuple(faults)
        self.source = source
        super().__init__("\n".join(fault.describe(source) for fault in self.faults))


class IllegalTransition(MtPaasError):
    """A state machine was asked for a step that its table does not have."""

    def __init__(self, subject: str, current: str, wanted: str, allowed: Sequence[str] = ()) -> None:
        may = ", ".join(allowed) or "nothing: it is final"
        super().__init__(f"{subject} is {current} and can not become {wanted}; from {current} it may become {may}")
        self.subject, self.current, self.wanted = subject, current, wanted


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


class InvalidApiKey(ContractError):
    """The key is missing, or it is not one that this service knows."""

    status, code = 401, "invalid_api_key"


class TenantForbidden(ContractError):
    """The credentials belong to another tenant than the one that was asked for."""

    status, code = 403, "tenant_forbidden"


class TenantBlocked(ContractError):
    """The tenant is not open for its users at the moment."""

    status, code = 403, "tenant_suspended"

    def __init__(self, message: str | None = None, *, code: str = "tenant_suspended", details: Any = None) -> None:
        self.code = code
        super().__init__(message, details=details)


class NotFound(ContractError):
    """There is nothing at this address."""

    status, code = 404, "not_found"


class TenantNotFound(ContractError):
    """This service has no such tenant."""

    status, code = 404, "tenant_not_found"


class MethodNotAllowed(ContractError):
    """This address is there, but not for this method."""

    status, code = 405, "method_not_allowed"


class TenantAlreadyExists(ContractError):
    """The tenant is there already, and was activated with another body."""

    status, code = 409, "tenant_already_exists"


class OperationInProgress(ContractError):
    """Another lifecycle call for this tenant is under way; ask again when it has ended."""

    status, code, retryable = 409, "operation_in_progress", True


class TenantPurged(ContractError):
    """The tenant's data are gone, and its id is not given out again."""

    status, code = 410, "tenant_purged"


class LinkExpired(ContractError):
    """The link was used before, or its time is over."""

    status, code = 410, "link_expired"


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


class InvalidPlan(ContractError):
    """The service does not have this plan."""

    status, code = 422, "invalid_plan"


class InvalidPeriod(ContractError):
    """A period is daily, monthly, YYYY-MM or YYYY-MM-DD."""

    status, code = 422, "invalid_period"


class InternalError(ContractError):
    """The service broke while it answered; the request id leads to its log."""

    status, code, retryable = 500, "internal_error", True


class NotImplementedByService(ContractError):
    """This optional operation is not offered by this service."""

    status, code = 501, "not_implemented"


class ServiceNotReady(ContractError):
    """The service is starting, or something that it needs is away."""

    status, code, retryable = 503, "service_not_ready", True


class ServiceCallError(MtPaasError):
    """A call to a service did not work.

    ``sent`` tells whether the request may have reached the service: when it may have, the outcome is unknown
    until the service is asked. ``retryable`` tells whether the same call has a chance later.
    """

    code: ClassVar[str] = "service_call_failed"
    retryable: bool = False
    sent: bool = True

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        error: str | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.error = error
        self.retry_after = retry_after
        if retryable is not None:
            self.retryable = retryable


class AddressNotAllowed(ServiceCallError):
    """The address is private, and is not on the allow-list."""

    code, sent = "address_not_allowed", False


class ServiceUnreachable(ServiceCallError):
    """There was no connection: the request never arrived."""

    code, retryable, sent = "service_unreachable", True, False


class ServiceTimeout(ServiceCallError):
    """The request was sent and no whole answer came in time."""

    code, retryable = "service_timeout", True


class ServiceRefused(ServiceCallError):
    """The service understood the call and said no."""

    code = "service_refused"


class ServiceFailed(ServiceCallError):
    """The service broke while it handled the call."""

    code, retryable = "service_failed", True


class ServiceAnswerInvalid(ServiceCallError):
    """The service answered something that the contract does not know."""

    code = "service_answer_invalid"
