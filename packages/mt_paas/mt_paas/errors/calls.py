"""The caller's side: a call to a service, or to a market, that did not work."""

from __future__ import annotations

from typing import ClassVar

from mt_paas.errors.base import MtPaasError

__all__ = [
    "AddressNotAllowed",
    "OperationLost",
    "ServiceAnswerInvalid",
    "ServiceCallError",
    "ServiceFailed",
    "ServiceRefused",
    "ServiceTimeout",
    "ServiceUnreachable",
]


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


class OperationLost(ServiceCallError):
    """The service does not know the operation (any more) that it had begun: done or not, nobody knows."""

    code, retryable = "operation_lost", True
