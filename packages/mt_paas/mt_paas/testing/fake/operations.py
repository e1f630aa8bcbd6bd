"""Work that takes a moment: operations of a fake service, which a caller asks for until they have ended.

The moment is counted in calls, not in seconds, so that a test need not wait: an operation ends with the ``steps``-th
call that asks for it or for its tenant, or, where the service has an event for it, once that is set.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from mt_paas.errors import ContractError, OperationInProgress, OperationNotCancellable, OperationNotFound
from mt_paas.standard_api.models import (
    ContractModel,
    Operation,
    OperationAccepted,
    OperationError,
    OperationStatus,
)
from mt_paas.testing.fake.state import FakeState

__all__ = ["FakeOperation", "Operations"]

_RETRY_AFTER = 0.02  # seconds

Done = TypeVar("Done", bound=ContractModel)


@dataclass
class FakeOperation:
    """An operation of a fake service. ``asked`` is what was asked for, to know the same question again."""

    operation_id: str
    tenant_id: str
    asked: Any
    idempotency_key: str | None
    work: Callable[[], ContractModel]
    steps: int
    is_lifecycle: bool = True
    status: OperationStatus = OperationStatus.IN_PROGRESS
    result: dict[str, Any] | None = None
    error: OperationError | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status is OperationStatus.IN_PROGRESS

    def advance(self, event: asyncio.Event | None) -> None:
        """Come one call nearer to the end, and do the work when it is reached."""
        self.steps -= 1
        if self.is_running and (event.is_set() if event is not None else self.steps <= 0):
            try:
                self.result = self.work().model_dump(mode="json")
                self.status = OperationStatus.SUCCEEDED
            except ContractError as error:
                self.fail(error.code, error.message)

    def fail(self, error: str, message: str) -> None:
        """End without a result."""
        self.status, self.error = OperationStatus.FAILED, OperationError(error=error, message=message)

    def accepted(self) -> OperationAccepted:
        """Return the answer 202."""
        return OperationAccepted(operation_id=self.operation_id, retry_after=_RETRY_AFTER)

    def report(self) -> Operation:
        """Return how it is."""
        return Operation(
            operation_id=self.operation_id,
            status=self.status,
            retry_after=_RETRY_AFTER if self.is_running else None,
            result=self.result,
            error=self.error,
        )


class Operations(FakeState):
    """Operations: begun by the other parts, asked for and cancelled by the market."""

    asynchronous = False
    steps = 2
    until: asyncio.Event | None = None

    @cached_property
    def operations(self) -> dict[str, FakeOperation]:
        """Every operation that was begun, by its id."""
        return {}

    async def get_operation(self, operation_id: str) -> Operation:
        """Report on an operation, which comes nearer to its end by that."""
        operation = self._operation(operation_id)
        operation.advance(self.until)
        return operation.report()

    async def cancel_operation(self, operation_id: str) -> Operation:
        """End an operation before its work was done: nothing was begun that would have to be undone."""
        operation = self._operation(operation_id)
        if not operation.is_running:
            raise OperationNotCancellable
        operation.fail("cancelled", "The operation was cancelled; nothing was changed.")
        return operation.report()

    def begin(
        self,
        tenant_id: str,
        asked: Any,
        idempotency_key: str | None,
        work: Callable[[], ContractModel],
        *,
        is_lifecycle: bool = True,
    ) -> OperationAccepted:
        """Begin an operation, and return the answer 202."""
        operation = FakeOperation(
            f"op_{secrets.token_hex(8)}", tenant_id, asked, idempotency_key, work, self.steps, is_lifecycle
        )
        self.operations[operation.operation_id] = operation
        return operation.accepted()

    def now_or_later(
        self, tenant_id: str, asked: Any, idempotency_key: str | None, work: Callable[[], Done]
    ) -> Done | OperationAccepted:
        """Do ``work`` and return its result; in an asynchronous service begin it, and return the answer 202."""
        return self.begin(tenant_id, asked, idempotency_key, work) if self.asynchronous else work()

    def running(self, tenant_id: str, asked: Any, idempotency_key: str | None) -> OperationAccepted | None:
        """Return the operation under way that the same question began; None when there is none under way.

        Raises ``OperationInProgress`` for another question. A call that finds the tenant busy brings it a step on.
        """
        operation = self._running(tenant_id)
        if operation is None:
            return None
        is_again = operation.asked == asked
        is_again |= idempotency_key is not None and operation.idempotency_key == idempotency_key
        if not is_again:
            self.refuse_while_running(tenant_id)
        return operation.accepted() if is_again else None

    def refuse_while_running(self, tenant_id: str) -> None:
        """Raise ``OperationInProgress`` while an operation changes the tenant."""
        operation = self._running(tenant_id)
        if operation is not None:
            operation.advance(self.until)
            raise OperationInProgress(details={"operation_id": operation.operation_id})

    def step(self, tenant_id: str) -> None:
        """Bring what is under way for the tenant a step on."""
        operation = self._running(tenant_id)
        if operation is not None:
            operation.advance(self.until)

    def _running(self, tenant_id: str) -> FakeOperation | None:
        return next(
            (
                operation
                for operation in self.operations.values()
                if operation.tenant_id == tenant_id and operation.is_lifecycle and operation.is_running
            ),
            None,
        )

    def _operation(self, operation_id: str) -> FakeOperation:
        if operation_id not in self.operations:
            raise OperationNotFound
        return self.operations[operation_id]
