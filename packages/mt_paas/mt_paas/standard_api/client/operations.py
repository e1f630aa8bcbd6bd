"""What a service answers later: asking for an operation, undoing it, and waiting for its end.

A service that answers 202 has begun and promises an end. Whoever asks here asks patiently, no sooner than the service
wants and no longer than the deadline, and believes the result no more than an answer that comes at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar

from mt_paas.errors import (
    OperationLost,
    ServiceAnswerInvalid,
    ServiceCallError,
    ServiceFailed,
    ServiceRefused,
    ServiceTimeout,
)
from mt_paas.standard_api.client.caller import Asked, Caller, foreign
from mt_paas.standard_api.exchange import jittered
from mt_paas.standard_api.models import ContractModel, Operation, OperationAccepted, OperationError, OperationStatus
from mt_paas.standard_api.problem import error_registry
from mt_paas.standard_api.reply import ERROR_WORD, Reply, clean
from mt_paas.standard_api.wire import WireError, read

__all__ = ["OperationCalls", "outcome"]

_LONGEST_PAUSE = 30.0  # seconds between two questions, unless the service wants more
#: How many strange answers in a row are borne: a 404, for not every part of a service may know of the operation yet;
#: an answer that broke off, or that is not the contract's.
_STRANGE_AT_MOST = 3

Answer = TypeVar("Answer", bound=ContractModel)


def outcome(
    operation: Operation, model: type[Answer], about: Mapping[str, object] | None = None
) -> Answer | OperationAccepted:
    """Return what an operation has come to: the answer of the call that began it, or that it is still under way.

    ``about`` are fields of the answer that must be so (``{"tenant_id": "hallym_univ"}``). Raises ``ServiceRefused`` or
    ``ServiceFailed`` with the service's word where it failed, and ``ServiceAnswerInvalid`` for a result that is not
    the answer of that call.
    """
    if operation.status is OperationStatus.IN_PROGRESS:
        return OperationAccepted(operation_id=operation.operation_id, retry_after=operation.retry_after or 0.0)
    if operation.error is not None and operation.status is OperationStatus.FAILED:
        raise _failure(operation.operation_id, operation.error)
    try:
        answer = read(model, json.dumps(operation.result).encode())
    except WireError as error:
        fault = str(error)
    else:
        fault = foreign(answer, about)
        if not fault:
            return answer
    raise ServiceAnswerInvalid(f"Operation {operation.operation_id} succeeded, but its result: {clean(fault)}")


class OperationCalls(Caller):
    """The calls about operations."""

    async def operation(self, operation_id: str, *, tenant_id: str | None = None) -> Operation:
        """Ask how an operation is. ``tenant_id`` is for services whose address for this call names the tenant."""
        return await self._operation("GET", operation_id, tenant_id)

    async def cancel_operation(self, operation_id: str, *, tenant_id: str | None = None) -> Operation:
        """Have an operation under way undone; it ends as failed, with the error ``cancelled``."""
        return await self._operation("DELETE", operation_id, tenant_id)

    async def wait_for(
        self,
        accepted: OperationAccepted,
        model: type[Answer],
        about: Mapping[str, object] | None = None,
        *,
        tenant_id: str | None = None,
    ) -> Answer:
        """Return the answer of a call that was answered 202, when the operation has ended.

        It is asked for with growing pauses, no sooner than the service wants, for ``Timeouts.operation`` seconds.
        Raises as :func:`outcome` does, ``ServiceTimeout`` when it has not ended by then, and ``OperationLost`` when
        the service does not know it (any more).
        """
        operation_id, wanted = accepted.operation_id, accepted.retry_after
        waited, polls, strange = 0.0, 0, 0
        trouble: ServiceCallError | None = None
        while (left := self._timeouts.operation - waited) > 0:
            polls += 1
            delay = min(max(wanted, jittered(polls, _LONGEST_PAUSE)), left)
            await self._pause(delay)
            waited += delay
            try:
                operation = await self.operation(operation_id, tenant_id=tenant_id)
            except ServiceCallError as error:
                trouble = error
                if error.status == 404 or isinstance(error, ServiceAnswerInvalid):
                    strange += 1
                    if strange >= _STRANGE_AT_MOST:
                        raise _lost(error) from None
                elif not error.retryable:
                    raise
                wanted = error.retry_after or 0.0
                continue
            answer = outcome(operation, model, about)
            if not isinstance(answer, OperationAccepted):
                return answer
            trouble, wanted, strange = None, answer.retry_after, 0
        raise ServiceTimeout(
            f"Operation {operation_id} has not ended within {self._timeouts.operation:g} s"
            + (f"; at last {trouble.message}" if trouble else "")
        ) from trouble

    async def _waited(
        self, answer: Answer | OperationAccepted, model: type[Answer], tenant_id: str, **about: object
    ) -> Answer:
        """Return the answer, after waiting for it where it was put off."""
        if not isinstance(answer, OperationAccepted):
            return answer
        if "tenant_id" in model.model_fields:
            about["tenant_id"] = tenant_id
        return await self.wait_for(answer, model, about, tenant_id=tenant_id)

    async def _operation(self, method: str, operation_id: str, tenant_id: str | None) -> Operation:
        asked: Asked = {"operation_id": operation_id}
        if tenant_id is not None:
            asked["tenant_id"] = tenant_id
        reply = await self._ask(method, "operation", **asked)
        operation = reply.read(Operation)
        if fault := foreign(operation, {"operation_id": operation_id}):
            raise reply.invalid(fault)
        return operation.model_copy(update={"error": operation.error and _quotable(reply, operation.error)})


def _lost(error: ServiceCallError) -> ServiceCallError:
    if error.status != 404:
        return error
    return OperationLost(f"{error.message}; whether it was done is not known", status=error.status)


def _quotable(reply: Reply, error: OperationError) -> OperationError:
    said = {"error": reply.quotable(error.error), "message": reply.quotable(error.message)}
    return error.model_copy(update=said)


def _failure(operation_id: str, error: OperationError) -> ServiceCallError:
    word = error.error if ERROR_WORD.fullmatch(error.error) else None
    known = error_registry().get(word or "")
    text = f"Operation {operation_id} failed" + (f" with {word}" if word else "")
    message = clean(error.message)
    text += f": {message}" if message else ", and the service said no more"
    family = ServiceRefused if known and known.status < 500 else ServiceFailed
    return family(
        text, status=known.status if known else None, error=word, retryable=known.retryable if known else False
    )
