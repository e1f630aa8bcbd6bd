"""Calls that may take long: answered when they are done, or with 202 and an operation when that takes too long.

The work itself is the handler's, and can be done again: every step of a tenant's life is idempotent. So an operation
whose process died is simply done once more by whoever finds its lease run out; after a few attempts it is failed. It
is never in progress for ever. A cancelled one is undone before it ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from mt_paas.core.manager import TenantManager
from mt_paas.core.operation_store import OperationStore, StoredOperation, Task
from mt_paas.errors import (
    ContractError,
    InternalError,
    MtPaasError,
    OperationInProgress,
    OperationNotCancellable,
)
from mt_paas.standard_api.handler import CallContext, in_call
from mt_paas.standard_api.models import ContractModel, OperationAccepted, OperationStatus

__all__ = ["Operations", "Work"]

_BEAT = 5.0  # seconds between two signs of life, of the thirty that a lease has
_MAX_ATTEMPTS = 5
_RETRY_AFTER = 0.25  # seconds
_AT_ONCE = 20
_KEPT = timedelta(days=7)  # how long it is told what became of an operation
_log = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=ContractModel)


@dataclass(frozen=True, slots=True)
class Work:
    """How one kind of operation is done: ``do`` returns what is stored of the answer.

    ``undo`` leaves nothing behind, or tells (with false) that it is too late. Without it there is no way back.
    """

    do: Callable[[StoredOperation], Awaitable[dict[str, Any]]]
    undo: Callable[[StoredOperation], Awaitable[bool]] | None = None


@dataclass(slots=True)
class _Running:
    work: asyncio.Task[dict[str, Any]]
    watch: asyncio.Task[None]


class Operations:
    """The operations that this process works on, and a look at all others. ``works`` is what is done, by its kind."""

    def __init__(self, manager: TenantManager, works: Mapping[str, Work]) -> None:
        self._manager = manager
        self._works = works
        self._running: dict[str, _Running] = {}

    async def answer(
        self,
        task: Task,
        call: Callable[[], Awaitable[Answer]],
        stored: Callable[[Answer], dict[str, Any]],
        patience: float | None,
    ) -> Answer | OperationAccepted:
        """Return the answer of ``call``, or 202 when that takes longer than ``patience`` seconds; null is for ever.

        The same call again while it is under way is answered with the same operation. ``stored`` is what is kept of
        the answer.
        """
        if patience is None:
            return await call()
        if patience <= 0:
            return await self.start(task, grace=0)
        work = asyncio.ensure_future(call())
        try:
            done, _ = await asyncio.wait({work}, timeout=patience)
            operation = None if done else await self._store.begin(task)
            if operation is None:  # done, or another call of this tenant was faster: this one hears of that soon
                return await asyncio.shield(work)
        except OperationInProgress:
            return await self._same(task)
        except BaseException:
            work.cancel()
            await asyncio.wait({work})
            raise

        async def stored_answer() -> dict[str, Any]:
            return stored(await work)

        self._watch(operation, asyncio.ensure_future(stored_answer()))
        return accepted(operation)

    async def start(self, task: Task, *, grace: float = 0.25) -> OperationAccepted:
        """Begin an operation, or return the same one that is under way for the tenant.

        Work that is done within ``grace`` seconds can be asked for at once. Raises
        :class:`~mt_paas.errors.OperationInProgress` while another one is under way.
        """
        operation = await self._store.begin(task)
        if operation is None:
            return await self._same(task)
        running = self._start(operation)
        done, _ = await asyncio.wait({running.watch}, timeout=grace)
        return OperationAccepted(operation_id=operation.operation_id, retry_after=0.0 if done else _RETRY_AFTER)

    async def cancel(self, operation_id: str) -> StoredOperation:
        """Undo an operation under way, and return how it stands: ended, unless another process works on it.

        Raises :class:`~mt_paas.errors.OperationNotFound` and :class:`~mt_paas.errors.OperationNotCancellable`.
        """
        operation = await self._store.get(operation_id)
        undoable = self._works[operation.task.kind].undo is not None
        if not undoable or not await self._store.cancel(operation_id):
            raise OperationNotCancellable
        running = self._running.get(operation_id)
        if running is not None:
            running.work.cancel()
            await asyncio.wait({running.watch})
        operation = await self._store.get(operation_id)
        if operation.status is OperationStatus.SUCCEEDED:
            raise OperationNotCancellable
        return operation

    async def sweep(self) -> int:
        """Take up operations whose process is gone, and return how many; forget those that ended long ago."""
        taken = await self._store.take_up(_AT_ONCE)
        for operation in taken:
            if operation.operation_id not in self._running:  # of a process that was too busy to say that it lives
                self._start(operation)
        await self._store.forget(self._manager.clock() - _KEPT)
        return len(taken)

    async def settle(self) -> None:
        """Wait until nothing is worked on in this process."""
        while self._running:
            await asyncio.wait({running.watch for running in self._running.values()})

    async def close(self) -> None:
        """Stop working. What is under way is handed over to whoever takes it up."""
        for running in self._running.values():
            running.work.cancel()
        await self.settle()

    @property
    def _store(self) -> OperationStore:
        return self._manager.operations

    async def _same(self, task: Task) -> OperationAccepted:
        """Return the 202 of this very call, which is under way. Raises ``OperationInProgress`` if another is."""
        under_way = await self._store.under_way(task.tenant_id, export=task.kind == "export")
        if under_way is None or not _are_equal(under_way.task, task):
            raise OperationInProgress
        return accepted(under_way)

    def _start(self, operation: StoredOperation) -> _Running:
        return self._watch(operation, asyncio.ensure_future(self._do(operation)))

    async def _do(self, operation: StoredOperation) -> dict[str, Any]:
        if operation.cancelled:
            raise asyncio.CancelledError
        if operation.attempts > _MAX_ATTEMPTS:
            raise InternalError("The service gave up: each process that worked on this ended before it was done.")
        with in_call(CallContext(operation.operation_id, idempotency_key=operation.task.idempotency_key)):
            return await self._works[operation.task.kind].do(operation)

    def _watch(self, operation: StoredOperation, work: asyncio.Task[dict[str, Any]]) -> _Running:
        watch = asyncio.ensure_future(self._see_through(operation, work))
        running = self._running[operation.operation_id] = _Running(work, watch)
        watch.add_done_callback(lambda _: self._running.pop(operation.operation_id, None))
        return running

    async def _see_through(self, operation: StoredOperation, work: asyncio.Task[dict[str, Any]]) -> None:
        while not (await asyncio.wait({work}, timeout=_BEAT))[0]:
            with suppress(MtPaasError):  # of a registry that is away for a moment: the lease has time enough
                if not await self._store.beat(operation.operation_id):
                    work.cancel()
        try:
            await self._end(operation, work)
        except Exception as error:  # noqa: BLE001 - whatever it was, the operation is taken up when its lease has run out
            _log.warning("operation %s is left for the sweep: %s", operation.operation_id, type(error).__name__)

    async def _end(self, operation: StoredOperation, work: asyncio.Task[dict[str, Any]]) -> None:
        """Write down how the work ended; what was interrupted is undone, or handed over."""
        operation_id = operation.operation_id
        if work.cancelled():
            await self._end_interrupted(await self._store.get(operation_id))
            return
        error = work.exception()
        if error is None:
            await self._store.end(operation_id, result=work.result())
        elif isinstance(error, OperationInProgress):
            await self._store.release(operation_id)  # somebody is at the tenant: the next sweep sees what is left
        else:
            await self._store.end(operation_id, error=_told(operation, error))

    async def _end_interrupted(self, operation: StoredOperation) -> None:
        if not operation.cancelled:
            await self._store.release(operation.operation_id)
            return
        work = self._works[operation.task.kind]
        try:
            if work.undo is not None and await work.undo(operation):
                cancelled = {"error": "cancelled", "message": "The operation was cancelled, and nothing of it is left."}
                await self._store.end(operation.operation_id, error=cancelled)
            else:  # too late: it is done, and what it would have answered is asked for again
                await self._store.end(operation.operation_id, result=await work.do(operation))
        except Exception as error:
            is_final = isinstance(error, ContractError) and not error.retryable
            if not is_final and operation.attempts <= _MAX_ATTEMPTS:
                raise
            await self._store.end(operation.operation_id, error=_told(operation, error))


def accepted(operation: StoredOperation) -> OperationAccepted:
    """Return the answer 202 that names the operation."""
    return OperationAccepted(operation_id=operation.operation_id, retry_after=_RETRY_AFTER)


def _are_equal(one: Task, other: Task) -> bool:
    """Tell whether two calls ask for the same: by their key, or by their bodies, whatever the call-back in them."""
    if one.idempotency_key is not None and one.idempotency_key == other.idempotency_key:
        return one.kind == other.kind
    bodies = [{**(task.request or {}), "callback": None} for task in (one, other)]
    return one.kind == other.kind and bodies[0] == bodies[1]


def _told(operation: StoredOperation, error: BaseException) -> dict[str, Any]:
    """Return what the market is told of a failure. The text of an unexpected one may quote anything: it stays here."""
    if not isinstance(error, ContractError):
        _log.error("operation %s failed: %s", operation.operation_id, type(error).__name__)
        error = InternalError()
    told = {"error": error.code, "message": error.message}
    return told if error.details is None else {**told, "details": error.details}
