"""Runs an operation: *claim, commit, call, record*, step by step, until it succeeds or is undone.

A run owns its operation by a lease that it renews while it works. What it writes, it writes as the owner: a run that
was thought dead and was not (a stopped process, a cut network) finds that it owns nothing any more and ends without a
trace. A run that dies between any two steps is followed by another, which repeats the step that was under way: every
call bears the same ``Idempotency-Key``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from mt_paas.errors import IllegalTransition, ServiceCallError, ServiceRefused
from mt_paas.standard_api.handler import CallContext, in_call

from service_market.core.crypto import SealBroken
from service_market.core.log import get_logger
from service_market.core.traces import places
from service_market.core.uow import Kernel, UnitOfWork
from service_market.rooms.catalog.public import ServiceAccess, access_to_service
from service_market.rooms.provisioning import lifecycle
from service_market.rooms.provisioning.models import Operation
from service_market.rooms.provisioning.ports import Driver
from service_market.rooms.provisioning.repository import Operations
from service_market.rooms.provisioning.service.saga import Saga, Step, StepContext
from service_market.rooms.provisioning.service.sagas import SAGAS
from service_market.rooms.provisioning.types import OperationKind, OperationState, StepState
from service_market.rooms.tenants.public import TenantRef, lock_tenant

__all__ = ["RUN_JOB", "Checkpoint", "RetryPolicy", "Runner", "enqueue", "no_checkpoint"]

RUN_JOB = "provisioning.run"
log = get_logger(__name__)
Checkpoint = Callable[[str], Awaitable[None]]


async def no_checkpoint(_: str) -> None:
    """Pass. Tests hand in a checkpoint that stops the process where it is told to."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long an operation is tried. Times are in seconds."""

    attempts: int = 5
    first_delay: float = 1.0
    longest_delay: float = 60.0
    lease: float = 15.0
    deadline: float = 3600.0
    per_service: int = 5

    def delay(self, attempt: int, at_least: float | None) -> timedelta:
        """Return the wait after ``attempt``: doubled each time, with jitter, no less than the service asked."""
        doubled = min(self.longest_delay, self.first_delay * 2 ** (attempt - 1))
        jittered = doubled * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        return timedelta(seconds=max(jittered, min(at_least or 0.0, self.longest_delay)))


class _LeaseLost(Exception):
    """Another run has the operation now."""


class _Broke(ServiceCallError):
    """The market itself broke at a step; what was wrong is in its log."""

    code, retryable = "internal_error", False

    @classmethod
    def by(cls, error: Exception) -> _Broke:
        log.error("a step broke", error=type(error).__name__, exception=places(error))
        return cls(f"The market could not do this step ({type(error).__name__}); its log says where.")


@dataclass(frozen=True)
class _Run:
    owner: UUID
    attempt: int
    state: OperationState
    saga: Saga
    context: StepContext
    uncertain: frozenset[str]


async def enqueue(uow: UnitOfWork, operation_id: UUID, tenant_pk: UUID, *, delay: timedelta | None = None) -> None:
    """Write the job that runs the operation. Jobs of one tenant run one after another."""
    await uow.defer(
        RUN_JOB,
        lock=f"tenant:{tenant_pk}",
        queueing_lock=f"operation:{operation_id}",
        delay=delay,
        operation_id=str(operation_id),
    )


class Runner:
    """Carries operations out through a driver."""

    def __init__(
        self, kernel: Kernel, driver: Driver, policy: RetryPolicy, checkpoint: Checkpoint = no_checkpoint
    ) -> None:
        self._kernel = kernel
        self._driver = driver
        self._policy = policy
        self._checkpoint = checkpoint
        self._lease = timedelta(seconds=policy.lease)
        self._deadline = timedelta(seconds=policy.deadline)

    async def run(self, operation_id: UUID) -> None:
        """Do one attempt at the operation; nothing if it has ended, another run holds it, or it must wait its turn."""
        try:
            run = await self._claim(operation_id)
            if run is None:
                return
            await self._checkpoint("claimed")
            with in_call(CallContext(request_id=str(operation_id))):  # what the service finds in its own log
                async with self._renewing(run):
                    await (self._go(run) if run.state is OperationState.RUNNING else self._undo(run))
        except _LeaseLost:
            log.warning("another run has this operation now", operation_id=str(operation_id))

    async def _claim(self, operation_id: UUID) -> _Run | None:
        async with self._kernel.unit() as uow:
            operations = Operations(uow)
            seen = await operations.get(operation_id)
            if seen is None:
                return None
            tenant = await lock_tenant(uow, seen.tenant_pk)
            operation = await operations.get(operation_id, lock=True)
            if operation is None or operation.state in lifecycle.TERMINAL:
                return None
            if wait := await self._turn(operations, operation):
                await enqueue(uow, operation_id, tenant.pk, delay=timedelta(seconds=wait))
                return None
            access = await self._access(uow, operation, tenant)
            return await self._take(uow, operation, tenant, access) if access else None

    async def _take(
        self, uow: UnitOfWork, operation: Operation, tenant: TenantRef, access: ServiceAccess
    ) -> _Run | None:
        operations, operation_id = Operations(uow), operation.id
        saga, owner, attempt = SAGAS[OperationKind(operation.kind)], uuid4(), operation.attempt + 1
        before = state = OperationState(operation.state)
        if before is OperationState.PENDING:
            try:
                nothing_to_do = await saga.begin(uow, operation, tenant)
            except IllegalTransition as error:  # the tenant changed while this operation waited for its turn
                said = {"error_code": "tenant_in_wrong_state", "error_message": f"{error}."}
                await self._end(operations, operation, OperationState.FAILED, **said)
                return None
            if nothing_to_do:
                result = {"nothing_to_do": nothing_to_do}
                await self._end(operations, operation, OperationState.SUCCEEDED, result=result)
                return None
            state = OperationState.RUNNING
        elif before is OperationState.RUNNING and await operations.is_overdue(operation, self._deadline):
            state = OperationState.UNDOING
        if state is not before:
            lifecycle.check(str(operation_id), before, state)
        await operations.take(operation, owner, self._lease, self._deadline, state=state)
        context = StepContext(
            operation_id=operation_id,
            tenant=tenant,
            access=access,
            driver=self._driver,
            box=uow.box,
            params=operation.params,
            results={step.name: step.result or {} for step in operation.steps if step.state == StepState.DONE},
        )
        return _Run(
            owner=owner,
            attempt=attempt,
            state=state,
            saga=saga,
            context=context,
            uncertain=frozenset(step.name for step in operation.steps if step.state == StepState.UNCERTAIN),
        )

    async def _access(self, uow: UnitOfWork, operation: Operation, tenant: TenantRef) -> ServiceAccess | None:
        """Return how to call the service. If its key can not be read, wait for better settings until the deadline."""
        try:
            return await access_to_service(uow, tenant.service_id, tenant.manifest_version_id)
        except SealBroken as error:
            reason = f"The key of {tenant.service_id} can not be read: {error}"
        log.error("a service's key can not be read", service_id=tenant.service_id, operation_id=str(operation.id))
        operations = Operations(uow)
        if not await operations.is_overdue(operation, self._deadline):
            await enqueue(uow, operation.id, tenant.pk, delay=timedelta(seconds=self._policy.longest_delay))
            return None
        if operation.state != OperationState.PENDING:
            saga = SAGAS[OperationKind(operation.kind)]
            await saga.give_up(uow, operation, tenant, reason, clean=False)
        said = {"error_code": "key_unreadable", "error_message": reason}
        await self._end(operations, operation, OperationState.FAILED, **said)
        return None

    async def _end(self, operations: Operations, operation: Operation, state: OperationState, **values: Any) -> None:
        """End a locked operation that needs no run."""
        owner = uuid4()
        await operations.take(operation, owner, self._lease, self._deadline, state=state)
        await operations.end(operation.id, owner, **values)

    async def _turn(self, operations: Operations, operation: Operation) -> float:
        """Return the seconds until this operation's turn: another run holds it, or an earlier operation is open."""
        wait = await operations.seconds_until_free(operation)
        first = await operations.open_of_tenant(operation.tenant_pk)
        if first is not None and first.id != operation.id:
            wait = max(wait, 1.0)
        if not wait and await operations.running_at(operation.service_id) >= self._policy.per_service:
            wait = random.uniform(0.5, 1.5)  # noqa: S311 - jitter: one slow service must not take every place
        return wait

    async def _go(self, run: _Run) -> None:
        for position, step in enumerate(run.saga.steps):
            if step.name in run.context.results:
                continue
            await self._note(run, step, position, attempts=1, state=StepState.UNCERTAIN)
            try:
                result = await step.run(replace(run.context, uncertain=step.name in run.uncertain))
            except ServiceCallError as error:
                await self._failed(run, step, position, error)
                return
            except Exception as error:  # noqa: BLE001 - an operation ends, whatever broke
                await self._failed(run, step, position, _Broke.by(error))
                return
            await self._checkpoint(f"{step.name} called")
            await self._note(run, step, position, state=StepState.DONE, result=result, error=None)
            run.context.results[step.name] = result
            await self._checkpoint(f"{step.name} recorded")
        await self._finish(run)
        await self._checkpoint("finished")

    async def _note(self, run: _Run, step: Step, position: int, *, attempts: int = 0, **values: Any) -> None:
        async with self._kernel.unit() as uow:
            await self._still_ours(uow, run)
            await Operations(uow).note_step(
                run.context.operation_id, step.name, position=position, attempts=attempts, **values
            )

    async def _still_ours(self, uow: UnitOfWork, run: _Run, **values: Any) -> None:
        if not await Operations(uow).hold(run.context.operation_id, run.owner, self._lease, **values):
            raise _LeaseLost

    async def _failed(self, run: _Run, step: Step, position: int, error: ServiceCallError) -> None:
        operation_id = run.context.operation_id
        # What an earlier attempt may have done stays unknown, even if a later one was refused.
        unknown = step.name in run.uncertain or (error.sent and not isinstance(error, ServiceRefused))
        log.warning(
            "step failed",
            operation_id=str(operation_id),
            tenant_id=run.context.tenant.tenant_id,
            step=step.name,
            attempt=run.attempt,
            code=error.code,
        )
        async with self._kernel.unit() as uow:
            operations = Operations(uow)
            said = {"error_code": error.code, "error_message": error.message}
            await self._still_ours(uow, run, **said)
            state = StepState.UNCERTAIN if unknown else StepState.FAILED
            await operations.note_step(
                operation_id, step.name, position=position, attempts=0, state=state, error=error.message
            )
            if step.again_from is not None:
                await self._go_back(operations, run, step.again_from)
            operation = await operations.get(operation_id)
            overdue = operation is None or await operations.is_overdue(operation, self._deadline)
            hopeful = error.retryable or (error.sent and not isinstance(error, ServiceRefused | _Broke))
            patient = run.saga.until_deadline or run.attempt < self._policy.attempts
            if hopeful and patient and not overdue:
                delay = self._policy.delay(run.attempt, error.retry_after)
                await operations.release(operation_id, run.owner, again_in=delay)
                await enqueue(uow, operation_id, run.context.tenant.pk, delay=delay)
                return
            lifecycle.check(str(operation_id), OperationState.RUNNING, OperationState.UNDOING)
            await self._still_ours(uow, run, state=OperationState.UNDOING)
        await self._checkpoint("given up")
        await self._undo(run)

    async def _go_back(self, operations: Operations, run: _Run, name: str) -> None:
        for position, step in enumerate(run.saga.steps):
            if step.name == name:
                await operations.note_step(
                    run.context.operation_id, name, position=position, attempts=0, state=StepState.UNCERTAIN
                )

    async def _undo(self, run: _Run) -> None:
        async with self._kernel.unit() as uow:
            operation = await Operations(uow).get(run.context.operation_id)
            states = {step.name: StepState(step.state) for step in operation.steps} if operation else {}
        clean = StepState.UNDO_FAILED not in states.values()
        for position, step in reversed(list(enumerate(run.saga.steps))):
            if step.undo is None or states.get(step.name) not in {StepState.DONE, StepState.UNCERTAIN}:
                continue
            try:
                await step.undo(run.context)
            except Exception as error:  # noqa: BLE001 - an operation ends, whatever broke
                clean = False
                said = error.message if isinstance(error, ServiceCallError) else _Broke.by(error).message
                await self._note(run, step, position, state=StepState.UNDO_FAILED, error=said)
            else:
                await self._note(run, step, position, state=StepState.UNDONE)
            await self._checkpoint(f"{step.name} undone")
        await self._give_up(run, clean=clean)
        await self._checkpoint("failed")

    async def _finish(self, run: _Run) -> None:
        async with self._kernel.unit() as uow:
            operation, tenant = await self._both_locked(uow, run)
            result = await run.saga.finish(uow, operation, tenant, run.context)
            await Operations(uow).end(operation.id, run.owner, state=OperationState.SUCCEEDED, result=result)
        log.info("operation succeeded", operation_id=str(operation.id), kind=operation.kind, tenant_id=tenant.tenant_id)

    async def _give_up(self, run: _Run, *, clean: bool) -> None:
        async with self._kernel.unit() as uow:
            operation, tenant = await self._both_locked(uow, run)
            reason = operation.error_message or "the operation's deadline passed"
            await run.saga.give_up(uow, operation, tenant, reason, clean=clean)
            await Operations(uow).end(
                operation.id,
                run.owner,
                state=OperationState.FAILED,
                error_code=operation.error_code or "deadline_passed",
                error_message=reason,
            )
        log.error(
            "operation failed",
            operation_id=str(operation.id),
            kind=operation.kind,
            tenant_id=tenant.tenant_id,
            code=operation.error_code,
        )

    async def _both_locked(self, uow: UnitOfWork, run: _Run) -> tuple[Operation, TenantRef]:
        tenant = await lock_tenant(uow, run.context.tenant.pk)
        operation = await Operations(uow).get(run.context.operation_id, lock=True)
        if operation is None or operation.owner != run.owner:
            raise _LeaseLost
        return operation, tenant

    @asynccontextmanager
    async def _renewing(self, run: _Run) -> AsyncIterator[None]:
        async def renew() -> None:
            while True:
                await asyncio.sleep(self._policy.lease / 3)
                async with self._kernel.unit() as uow:
                    await self._still_ours(uow, run)

        task = asyncio.create_task(renew())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
