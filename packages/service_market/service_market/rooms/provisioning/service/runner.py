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

from mt_paas.errors import ServiceCallError, ServiceRefused
from mt_paas.standard_api.handler import CallContext, in_call

from service_market.core.log import get_logger
from service_market.core.uow import Kernel, UnitOfWork
from service_market.rooms.catalog.public import access_to_service
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

    def delay(self, attempt: int, at_least: float | None) -> timedelta:
        """Return the wait after ``attempt``: doubled each time, with jitter, no less than the service asked."""
        doubled = min(self.longest_delay, self.first_delay * 2 ** (attempt - 1))
        jittered = doubled * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        return timedelta(seconds=max(jittered, min(at_least or 0.0, self.longest_delay)))


class _LeaseLost(Exception):
    """Another run has the operation now."""


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
            if seen is None or seen.state in lifecycle.TERMINAL:
                return None
            tenant = await lock_tenant(uow, seen.tenant_pk)
            operation = await operations.get(operation_id, lock=True)
            if operation is None or operation.state in lifecycle.TERMINAL:
                return None
            wait = await self._turn(operations, operation)
            if wait:
                await enqueue(uow, operation_id, tenant.pk, delay=timedelta(seconds=wait))
                return None
            saga, owner, attempt = SAGAS[OperationKind(operation.kind)], uuid4(), operation.attempt + 1
            before = state = OperationState(operation.state)
            if before is OperationState.PENDING:
                nothing_to_do = await saga.begin(uow, operation, tenant)
                if nothing_to_do:
                    await operations.take(operation, owner, self._lease, state=OperationState.SUCCEEDED)
                    await operations.end(operation_id, owner, result={"nothing_to_do": nothing_to_do})
                    return None
                state = OperationState.RUNNING
            elif before is OperationState.RUNNING and await operations.is_overdue(operation):
                state = OperationState.UNDOING
            if state is not before:
                lifecycle.check(str(operation_id), before, state)
            await operations.take(operation, owner, self._lease, state=state)
            context = StepContext(
                operation_id=operation_id,
                tenant=tenant,
                access=await access_to_service(uow, tenant.service_id, tenant.manifest_version_id),
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

    async def _turn(self, operations: Operations, operation: Operation) -> float:
        """Return the seconds until this operation's turn: another run holds it, or an earlier operation is open."""
        wait = await operations.seconds_until_free(operation)
        first = await operations.open_of_tenant(operation.tenant_pk)
        return wait if first is None or first.id == operation.id else max(wait, 1.0)

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
        operation_id, unknown = run.context.operation_id, error.sent and not isinstance(error, ServiceRefused)
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
            overdue = operation is None or await operations.is_overdue(operation)
            if (error.retryable or unknown) and run.attempt < self._policy.attempts and not overdue:
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
            except ServiceCallError as error:
                clean = False
                await self._note(run, step, position, state=StepState.UNDO_FAILED, error=error.message)
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
