"""Every error that mt_paas raises on purpose, as one tree.

::

    MtPaasError
    ├── ConfigurationError                  the set-up is wrong: a setting, a missing database
    │   └── MissingExtraError               … or an extra of this package that is not installed
    ├── DatabaseUnavailable                 the database did not start, or can not be connected to
    ├── ManifestError                       a manifest.yaml with faults (``faults``: all of them at once)
    ├── IllegalTransition                   a state machine was asked for a step that its table does not have
    ├── MoveFailed                          a tenant that could not be moved, and is where it was
    │   └── MoveBusy                        … because its transactions leave no moment for it
    ├── BackupInvalid                       a file that is no whole backup of a tenant, or does not fit
    ├── TenantNotBound                      no tenant is bound where one is needed, and none was named
    ├── UnsafePath                          a path that would leave the tenant's folder, or is no path
    ├── SignatureInvalid                    an event that is not signed with its call-back's secret, or is too old
    ├── ContractError                       an answer of the Standard API that is not a success (``status``, ``code``)
    │   ├── TenantUnclear                   400 tenant_unclear
    │   ├── InvalidApiKey                   401 invalid_api_key
    │   ├── InvalidToken                    401 invalid_token
    │   ├── TenantForbidden                 403 tenant_forbidden
    │   ├── TenantBlocked                   403 tenant_suspended, tenant_deactivated
    │   ├── ScopeMissing                    403 scope_missing
    │   ├── UserLimitReached                403 user_limit_reached
    │   ├── EmailNotVerified                403 email_not_verified
    │   ├── NotFound                        404 not_found
    │   ├── TenantNotFound                  404 tenant_not_found
    │   ├── UserNotFound                    404 user_not_found
    │   ├── OperationNotFound               404 operation_not_found
    │   ├── MethodNotAllowed                405 method_not_allowed
    │   ├── TenantAlreadyExists             409 tenant_already_exists
    │   ├── OperationInProgress             409 operation_in_progress (retryable)
    │   ├── OperationNotCancellable         409 operation_not_cancellable
    │   ├── TenantNotActive                 409 tenant_not_active
    │   ├── UserAlreadyExists               409 user_already_exists
    │   ├── TenantPurged                    410 tenant_purged
    │   ├── LinkExpired                     410 link_expired
    │   ├── UnsupportedApiVersion           412 unsupported_api_version
    │   ├── VersionConflict                 412 version_conflict
    │   ├── BodyTooLarge                    413 body_too_large
    │   ├── InvalidTenantId                 422 invalid_tenant_id
    │   ├── TenantIdMismatch                422 tenant_id_mismatch
    │   ├── InvalidBody                     422 invalid_body
    │   ├── InvalidQuery                    422 invalid_query
    │   ├── InvalidPlan                     422 invalid_plan
    │   ├── InvalidPeriod                   422 invalid_period
    │   ├── PlanChangeNotAllowed            422 plan_change_not_allowed
    │   ├── PreconditionRequired            428 precondition_required
    │   ├── RateLimited                     429 rate_limited (retryable)
    │   ├── InternalError                   500 internal_error (retryable)
    │   ├── NotImplementedByService         501 not_implemented
    │   └── ServiceNotReady                 503 service_not_ready (retryable)
    └── ServiceCallError                    the caller's side: a call to a service or a market that did not work
        ├── AddressNotAllowed               the address is not one that may be called
        ├── ServiceUnreachable              no connection: the request never arrived
        ├── ServiceTimeout                  sent, and no whole answer in time: done or not, nobody knows
        ├── ServiceRefused                  a 4xx: the service understood and said no
        ├── ServiceFailed                   a 5xx: the service broke, done or not
        ├── ServiceAnswerInvalid            an answer that is not what the contract says
        └── OperationLost                   the service forgot the operation that it had begun: done or not

The class docstring of a contract error is its default message. Codes are stable and published; see
``docs/reference/errors.md``.
"""

from __future__ import annotations

from mt_paas.errors.base import *  # noqa: F403 - each part names what it offers, and this is all of it
from mt_paas.errors.base import __all__ as _base
from mt_paas.errors.calls import *  # noqa: F403
from mt_paas.errors.calls import __all__ as _calls
from mt_paas.errors.contract import *  # noqa: F403
from mt_paas.errors.contract import __all__ as _contract

__all__ = sorted([*_base, *_calls, *_contract])  # noqa: PLE0605 - a list, made of three
