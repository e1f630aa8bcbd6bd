"""Runs an operation: *claim, commit, call, record*, step by step, until it succeeds or is undone.

A run owns its operation by a lease that it renews while it works. What it writes, it writes as the owner: a run that
was thought dead and was not (a stopped process, a cut network) finds that it owns nothing any more and ends without a
trace. A run that dies between any two steps is followed by another, which repeats the step that was under way: every
call bears the same ``Idempotency-Key``.

What a service answers later (202) is waited for by nobody: the run writes down what the service works on, lets go of
the operation, and a later run asks how far it is, until the operation's deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from mt_paas.errors import OperationLost, ServiceCallError, ServiceFailed, ServiceRefused
from mt_paas.standard_api.handler import CallContext, in_call
from mt_paas.standard_api.models import OperationAccepted

from service_market.core.log import get_logger
from service_market.core.traces import places
from service_market.core.uow import Kernel, UnitOfWork
from service_market.rooms.provisioning import lifecycle
from service_market.rooms.provisioning.models import Operation
from service_market.rooms.provisioning.ports import Driver
from service_market.rooms.provisioning.repository import Operations
from service_market.rooms.provisioning.service.claims import Claims, Run
from service_market.rooms.provisioning.service.policy import RUN_JOB, RetryPolicy, enqueue
from service_market.rooms.provisioning.service.remote import Remote, ask, withdraw
from service_market.rooms.provisioning.service.saga import ServiceLied, Step
from service_market.rooms.provisioning.types import AT_SERVICE, OperationState, StepState
from service_market.rooms.tenants.public import TenantRef, lock_tenant

__all__ = ["RUN_JOB", "Checkpoint", "RetryPolicy", "Runner", "enqueue", "no_checkpoint"]

log = get_logger(__name__)
_UNDOABLE = frozenset({StepState.DONE, StepState.UNCERTAIN, *AT_SERVICE})
Checkpoint = Callable[[str], Awaitable[None]]


async def no_checkpoint(_: str) -> None:
    """Pass. Tests hand in a checkpoint that stops the process where it is told to."""


class _LeaseLost(Exception):
    """Another run has the operation now."""


class _Broke(ServiceCallError):
    """The market itself broke at a step; what was wrong is in its log."""

    code, retryable = "internal_error", False

    @classmethod
    def by(cls, error: Exception) -> _Broke:
        log.error("a step broke", error=type(error).__name__, exception=places(error))
        return cls(f"The market could not do this step ({type(error).__name__}); its log says where.")


class Runner:
    """Carries operations out through a driver. ``public_url`` is where services reach the market."""

    def __init__(
        self,
        kernel: Kernel,
        driver: Driver,
        policy: RetryPolicy,
        checkpoint: Checkpoint = no_checkpoint,
        *,
        public_url: str,
    ) -> None:
        self._kernel = kernel
        self._claims = Claims(kernel, driver, policy, public_url)
        self._policy = policy
        self._checkpoint = checkpoint
        self._lease = timedelta(seconds=policy.lease)
        self._deadline = timedelta(seconds=policy.deadline)

    async def run(self, operation_id: UUID) -> None:
        """Do one attempt at the operation; nothing if it has ended, another run holds it, or it must wait its turn."""
        try:
            run = await self._claims.claim(operation_id)
            if run is None:
                return
            await self._checkpoint("claimed")
            with in_call(CallContext(request_id=str(operation_id))):  # what the service finds in its own log
                async with self._renewing(run):
                    await (self._go(run) if run.state is OperationState.RUNNING else self._undo(run))
        except _LeaseLost:
            log.warning("another run has this operation now", operation_id=str(operation_id))

    async def _go(self, run: Run) -> None:
        for position, step in enumerate(run.saga.steps):
            if step.name in run.context.results:
                continue
            remote = run.remotes.get(step.name)
            if remote is None:
                await self._note(run, step, position, attempts=1, state=StepState.UNCERTAIN)
            try:
                result = await self._carry_out(run, step, remote)
            except ServiceCallError as error:
                # What a service says of work that has ended is its last word; an unanswered call may have been done.
                settled = remote is not None and isinstance(error, ServiceRefused | ServiceFailed)
                await self._failed(run, step, position, error, settled=settled)
                return
            except Exception as error:  # noqa: BLE001 - an operation ends, whatever broke
                await self._failed(run, step, position, _Broke.by(error))
                return
            await self._checkpoint(f"{step.name} called")
            if isinstance(result, Remote):
                await self._wait(run, step, position, result)
                return
            await self._note(run, step, position, state=StepState.DONE, result=result, error=None)
            run.context.results[step.name] = result
            await self._checkpoint(f"{step.name} recorded")
        await self._finish(run)
        await self._checkpoint("finished")

    async def _carry_out(self, run: Run, step: Step, remote: Remote | None) -> dict[str, Any] | Remote:
        """Return what a step has come to; or what the service still works on."""
        ended = None
        if remote is not None:
            asked = await ask(run.context, remote)
            if isinstance(asked, Remote):
                return asked
            ended = asked
        answer = await step.run(replace(run.context, uncertain=step.name in run.uncertain, ended=ended))
        return Remote.begun(answer) if isinstance(answer, OperationAccepted) else answer

    async def _wait(self, run: Run, step: Step, position: int, remote: Remote) -> None:
        """Remember what the service works on, and let go of the operation until it is asked for again."""
        if await self._put_off(run, step, position, remote, StepState.ACCEPTED):
            await self._checkpoint(f"{step.name} accepted")
            return
        late = remote.overdue()
        async with self._kernel.unit() as uow:
            await self._begin_undo(uow, run, late)
        await self._checkpoint("given up")
        await self._undo(run)

    async def _put_off(self, run: Run, step: Step, position: int, remote: Remote, state: StepState) -> bool:
        """Write down that the service works on a step; return whether there is time left to ask again."""
        operation_id = run.context.operation_id
        async with self._kernel.unit() as uow:
            operations = Operations(uow)
            # While it is undone, the operation keeps telling why it was given up.
            await self._still_ours(uow, run, **(remote.said() if state is StepState.ACCEPTED else {}))
            await operations.note_step(
                operation_id,
                step.name,
                position=position,
                attempts=0,
                state=state,
                result=remote.as_result(),
                error=remote.trouble,
            )
            operation = await operations.get(operation_id)
            left = await operations.seconds_left(operation) if operation else 0.0
            if left <= 0:
                return False
            pause = self._policy.pause(remote.questions + 1, remote.retry_after, left)
            await operations.release(operation_id, run.owner, again_in=pause)
            await enqueue(uow, operation_id, run.context.tenant.pk, delay=pause)
        return True

    async def _begin_undo(self, uow: UnitOfWork, run: Run, error: ServiceCallError | None = None) -> None:
        """Give the operation up; what it did is undone within a deadline of its own."""
        said = {} if error is None else {"error_code": error.code, "error_message": error.message}
        lifecycle.check(str(run.context.operation_id), OperationState.RUNNING, OperationState.UNDOING)
        await self._still_ours(uow, run, state=OperationState.UNDOING, **said)
        await Operations(uow).prolong(run.context.operation_id, self._deadline)

    async def _note(self, run: Run, step: Step, position: int, *, attempts: int = 0, **values: Any) -> None:
        async with self._kernel.unit() as uow:
            await self._still_ours(uow, run)
            await Operations(uow).note_step(
                run.context.operation_id, step.name, position=position, attempts=attempts, **values
            )

    async def _still_ours(self, uow: UnitOfWork, run: Run, **values: Any) -> None:
        if not await Operations(uow).hold(run.context.operation_id, run.owner, self._lease, **values):
            raise _LeaseLost

    async def _failed(
        self, run: Run, step: Step, position: int, error: ServiceCallError, *, settled: bool = False
    ) -> None:
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
                operation_id, step.name, position=position, attempts=0, state=state, result=None, error=error.message
            )
            if step.again_from is not None:
                await self._go_back(operations, run, step.again_from)
            operation = await operations.get(operation_id)
            overdue = operation is None or await operations.is_overdue(operation, self._deadline)
            certain = settled or isinstance(error, ServiceRefused | _Broke)
            hopeful = error.retryable or (error.sent and not certain)
            patient = run.saga.until_deadline or run.attempt < self._policy.attempts
            if hopeful and patient and not overdue:
                delay = self._policy.delay(run.attempt, error.retry_after)
                await operations.release(operation_id, run.owner, again_in=delay)
                await enqueue(uow, operation_id, run.context.tenant.pk, delay=delay)
                return
            await self._begin_undo(uow, run)
        await self._checkpoint("given up")
        await self._undo(run)

    async def _go_back(self, operations: Operations, run: Run, name: str) -> None:
        for position, step in enumerate(run.saga.steps):
            if step.name == name:
                await operations.note_step(
                    run.context.operation_id, name, position=position, attempts=0, state=StepState.UNCERTAIN
                )

    async def _undo(self, run: Run) -> None:
        async with self._kernel.unit() as uow:
            operation = await Operations(uow).get(run.context.operation_id)
            steps = {step.name: step for step in operation.steps} if operation else {}
        clean = StepState.UNDO_FAILED not in {step.state for step in steps.values()}
        for position, step in reversed(list(enumerate(run.saga.steps))):
            found = steps.get(step.name)
            if step.undo is None or found is None or found.state not in _UNDOABLE:
                continue
            remote = Remote.remembered(found.result) if found.result and found.state in AT_SERVICE else None
            try:
                began = await self._undo_step(run, step, remote, begun=found.state == StepState.UNDO_ACCEPTED)
                if began is not None:
                    if await self._put_off(run, step, position, began, StepState.UNDO_ACCEPTED):
                        await self._checkpoint(f"{step.name} undo accepted")
                        return
                    raise began.overdue()  # noqa: TRY301 - it is noted like any other undoing that did not work
            except _LeaseLost:
                raise
            except Exception as error:  # noqa: BLE001 - an operation ends, whatever broke
                clean = False
                said = error.message if isinstance(error, ServiceCallError) else _Broke.by(error).message
                await self._note(run, step, position, state=StepState.UNDO_FAILED, result=None, error=said)
            else:
                await self._note(run, step, position, state=StepState.UNDONE, result=None)
            await self._checkpoint(f"{step.name} undone")
        await self._give_up(run, clean=clean)
        await self._checkpoint("failed")

    async def _undo_step(self, run: Run, step: Step, remote: Remote | None, *, begun: bool) -> Remote | None:
        """Undo a step, or ask how far the service is with it; return what it still works on, None where it is undone.

        ``remote`` is what the service works on: the undoing where that was ``begun``, otherwise the step itself.
        """
        if step.undo is None:
            return None
        ended, goes_on = None, False
        if begun and remote is not None:
            with suppress(OperationLost):  # then it is undone once more
                asked = await ask(run.context, remote)
                if isinstance(asked, Remote):
                    return asked
                ended = asked
        elif remote is not None:
            goes_on = not await withdraw(run.context, remote)
        accepted = await step.undo(replace(run.context, ended=ended))
        if accepted is not None:
            return Remote.begun(accepted)
        if goes_on and remote is not None and isinstance(await ask(run.context, remote), Remote):
            raise ServiceLied(f"the service still works on its operation {remote.operation_id}")
        return None

    async def _finish(self, run: Run) -> None:
        async with self._kernel.unit() as uow:
            operation, tenant = await self._both_locked(uow, run)
            result = await run.saga.finish(uow, operation, tenant, run.context)
            await Operations(uow).end(operation.id, run.owner, state=OperationState.SUCCEEDED, result=result)
        log.info("operation succeeded", operation_id=str(operation.id), kind=operation.kind, tenant_id=tenant.tenant_id)

    async def _give_up(self, run: Run, *, clean: bool) -> None:
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

    async def _both_locked(self, uow: UnitOfWork, run: Run) -> tuple[Operation, TenantRef]:
        tenant = await lock_tenant(uow, run.context.tenant.pk)
        operation = await Operations(uow).get(run.context.operation_id, lock=True)
        if operation is None or operation.owner != run.owner:
            raise _LeaseLost
        return operation, tenant

    @asynccontextmanager
    async def _renewing(self, run: Run) -> AsyncIterator[None]:
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
