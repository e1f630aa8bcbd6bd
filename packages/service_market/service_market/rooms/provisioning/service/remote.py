"""What a service works on after it has answered 202: remembered in the step, and asked for until it has ended.

What is remembered is enough for any later run, of any worker, to go on where the one before stopped. A question that
finds no answer says nothing about the work: it is asked again. A service that does not know its own operation has lost
it, and the call is made once more with the same ``Idempotency-Key``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from mt_paas.errors import OperationLost, ServiceCallError, ServiceTimeout
from mt_paas.standard_api.models import Operation, OperationAccepted, OperationStatus

from service_market.rooms.provisioning.service.saga import StepContext

__all__ = ["Remote", "ask", "withdraw"]

_UNKNOWN_AT_MOST = 3  # a 202 may be answered before every part of a service knows of the operation


@dataclass(frozen=True, slots=True)
class Remote:
    """A service's operation, and how often it was asked for. ``trouble`` is what kept the last question unanswered."""

    operation_id: str
    retry_after: float
    questions: int = 0
    unknown: int = 0
    trouble: str | None = None
    code: str | None = None

    @classmethod
    def begun(cls, accepted: OperationAccepted) -> Self:
        """Return what is remembered of a call that was answered 202."""
        return cls(accepted.operation_id, accepted.retry_after)

    @classmethod
    def remembered(cls, result: dict[str, Any]) -> Self:
        """Return what a step remembers."""
        return cls(**result)

    def as_result(self) -> dict[str, Any]:
        """Return what a step remembers of it."""
        return asdict(self)

    def said(self) -> dict[str, Any]:
        """Return what is told of the last question."""
        return {"error_code": self.code, "error_message": self.trouble}

    def overdue(self) -> ServiceTimeout:
        """Return the error for what has not ended by the deadline."""
        at_last = f"; at last {self.trouble}" if self.trouble else ""
        return ServiceTimeout(f"The service has not ended its operation {self.operation_id} by the deadline{at_last}")


async def ask(context: StepContext, remote: Remote) -> Operation | Remote:
    """Return the operation, which has ended; or what is to be remembered until the next question.

    Raises ``OperationLost`` when the service does not know it (any more).
    """
    remote = replace(remote, questions=remote.questions + 1)
    try:
        operation = await context.driver.operation(context.access, remote.operation_id, context.tenant.tenant_id)
    except ServiceCallError as error:
        if error.status != 404:
            return replace(remote, retry_after=error.retry_after or 0.0, trouble=error.message, code=error.code)
        if remote.unknown + 1 >= _UNKNOWN_AT_MOST:
            raise OperationLost(f"{error.message}; whether it was done is not known", status=error.status) from error
        return replace(remote, unknown=remote.unknown + 1, trouble=error.message, code=error.code)
    if operation.status is OperationStatus.IN_PROGRESS:
        return replace(remote, retry_after=operation.retry_after or 0.0, unknown=0, trouble=None, code=None)
    return operation


async def withdraw(context: StepContext, remote: Remote) -> bool:
    """Have the service undo what it still works on; return whether it says that nothing of it goes on."""
    try:
        operation = await context.driver.cancel(context.access, remote.operation_id, context.tenant.tenant_id)
    except ServiceCallError:  # it need not offer this, and may have ended meanwhile
        try:
            return not isinstance(await ask(context, remote), Remote)
        except OperationLost:
            return True
    return operation.status is not OperationStatus.IN_PROGRESS
