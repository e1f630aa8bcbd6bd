"""Who gets an operation: one run at a time, in its turn, for as long as its lease holds.

A claim is one transaction. It ends what needs no run, puts off what must wait, and gives the rest to a new run with
all that the run has to know.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from mt_paas.errors import IllegalTransition
from mt_paas.standard_api.models import Callback

from service_market.core.crypto import SealBroken
from service_market.core.log import get_logger
from service_market.core.uow import Kernel, UnitOfWork
from service_market.rooms.catalog.public import ServiceAccess, access_to_service
from service_market.rooms.provisioning import lifecycle
from service_market.rooms.provisioning.models import Operation
from service_market.rooms.provisioning.ports import Driver
from service_market.rooms.provisioning.repository import Operations
from service_market.rooms.provisioning.service.policy import RetryPolicy, enqueue
from service_market.rooms.provisioning.service.remote import Remote
from service_market.rooms.provisioning.service.saga import Saga, StepContext
from service_market.rooms.provisioning.service.sagas import SAGAS
from service_market.rooms.provisioning.types import AT_SERVICE, OperationKind, OperationState, StepState
from service_market.rooms.reports.public import give_callback
from service_market.rooms.tenants.public import TenantRef, lock_tenant

__all__ = ["Claims", "Run"]

_ACTIVATIONS = frozenset({OperationKind.ACTIVATE, OperationKind.REACTIVATE})
log = get_logger(__name__)


@dataclass(frozen=True)
class Run:
    """One run of an operation, and what it knows of the runs before.

    ``uncertain`` are the steps that were sent and not answered; ``remotes`` what the service works on, by step.
    """

    owner: UUID
    attempt: int
    state: OperationState
    saga: Saga
    context: StepContext
    uncertain: frozenset[str]
    remotes: dict[str, Remote]


class Claims:
    """Gives operations to runs. ``public_url`` is where services reach the market."""

    def __init__(self, kernel: Kernel, driver: Driver, policy: RetryPolicy, public_url: str) -> None:
        self._kernel = kernel
        self._driver = driver
        self._policy = policy
        self._public_url = public_url
        self._lease = timedelta(seconds=policy.lease)
        self._deadline = timedelta(seconds=policy.deadline)

    async def claim(self, operation_id: UUID) -> Run | None:
        """Return a run that holds the operation; None if it has ended, is held, or must wait its turn."""
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
    ) -> Run | None:
        operations, operation_id = Operations(uow), operation.id
        saga, owner = SAGAS[OperationKind(operation.kind)], uuid4()
        # A run that only asks how far the service is, is no attempt; and it asks once more when the deadline has come.
        waits = any(step.state == StepState.ACCEPTED for step in operation.steps)
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
        elif not waits and before is OperationState.RUNNING and await operations.is_overdue(operation, self._deadline):
            state = OperationState.UNDOING
            await operations.prolong(operation_id, self._deadline)
        if state is not before:
            lifecycle.check(str(operation_id), before, state)
        attempt = operation.attempt if waits else operation.attempt + 1
        await operations.take(operation, owner, self._lease, self._deadline, state=state, attempt=attempt)
        context = StepContext(
            operation_id=operation_id,
            tenant=tenant,
            access=access,
            driver=self._driver,
            box=uow.box,
            params=operation.params,
            results={step.name: step.result or {} for step in operation.steps if step.state == StepState.DONE},
            callback=await self._callback(uow, operation, tenant, access),
        )
        return Run(
            owner=owner,
            attempt=attempt,
            state=state,
            saga=saga,
            context=context,
            uncertain=frozenset(step.name for step in operation.steps if step.state == StepState.UNCERTAIN),
            remotes={
                step.name: Remote.remembered(step.result)
                for step in operation.steps
                if step.result and step.state in AT_SERVICE
            },
        )

    async def _callback(
        self, uow: UnitOfWork, operation: Operation, tenant: TenantRef, access: ServiceAccess
    ) -> Callback | None:
        """Return how the service reports back, for an activation of one that declares events."""
        if operation.kind not in _ACTIVATIONS or "events" not in access.manifest.extensions:
            return None
        return await give_callback(uow, tenant, operation.id, public_url=self._public_url)

    async def _access(self, uow: UnitOfWork, operation: Operation, tenant: TenantRef) -> ServiceAccess | None:
        """Return how to call the service. If its key can not be read, wait for better settings until the deadline."""
        try:
            return await access_to_service(uow, tenant.service_id, tenant.manifest_version_id)
        except SealBroken as error:
            reason = f"The key of {tenant.service_id} can not be read, register the service again: {error}"
        log.error("a service's key can not be read", service_id=tenant.service_id, operation_id=str(operation.id))
        operations, said = Operations(uow), {"error_code": "key_unreadable", "error_message": reason}
        if not await operations.is_overdue(operation, self._deadline):
            delay = timedelta(seconds=self._policy.longest_delay)
            await operations.wait(operation.id, again_in=delay, **said)
            await enqueue(uow, operation.id, tenant.pk, delay=delay)
            return None
        if operation.state != OperationState.PENDING:
            saga = SAGAS[OperationKind(operation.kind)]
            await saga.give_up(uow, operation, tenant, reason, clean=False)
        await self._end(operations, operation, OperationState.FAILED, **said)
        return None

    async def _end(self, operations: Operations, operation: Operation, state: OperationState, **values: Any) -> None:
        """End a locked operation that needs no run."""
        owner = uuid4()
        await operations.take(operation, owner, self._lease, self._deadline, state=state, attempt=operation.attempt + 1)
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
