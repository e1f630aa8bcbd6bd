"""What a saga is: steps that call the outside, between two transactions that begin and end them.

``begin`` and ``finish`` run inside a transaction and change the tenant's state; a step runs outside of any, may be
run again, and returns what later steps need. A step that was sent and not answered is *uncertain*; the next attempt
is told so. One that the service answers later is run once more, with what came of it, when the service has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from uuid import UUID

from mt_paas.errors import ServiceCallError
from mt_paas.standard_api.client import outcome
from mt_paas.standard_api.models import Callback, ContractModel, OperationAccepted
from mt_paas.standard_api.models import Operation as RemoteOperation

from service_market.core.crypto import SecretBox
from service_market.core.uow import UnitOfWork
from service_market.rooms.catalog.public import ServiceAccess
from service_market.rooms.provisioning.models import Operation
from service_market.rooms.provisioning.ports import Driver
from service_market.rooms.tenants.public import TenantRef

__all__ = ["Saga", "ServiceLied", "Step", "StepContext"]

Answer = TypeVar("Answer", bound=ContractModel)


class ServiceLied(ServiceCallError):
    """The service said one thing and shows another."""

    code, retryable = "service_lied", True


@dataclass(frozen=True)
class StepContext:
    """What a step knows: whom to call, for which tenant, and what the steps before it returned.

    ``callback`` is how an activated service reports back; None where it declares no events.
    """

    operation_id: UUID
    tenant: TenantRef
    access: ServiceAccess
    driver: Driver
    box: SecretBox
    params: dict[str, Any]
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    callback: Callback | None = None
    uncertain: bool = False
    ended: RemoteOperation | None = None

    @property
    def key(self) -> str:
        """The ``Idempotency-Key`` of this operation's calls: the same for every attempt."""
        return str(self.operation_id)

    async def answer(
        self, model: type[Answer], call: Callable[[], Awaitable[Answer | OperationAccepted]]
    ) -> Answer | OperationAccepted:
        """Return what ``call`` answers; or what it came to, where the service has ended what it answers later."""
        if self.ended is None:
            return await call()
        return outcome(self.ended, model, {"tenant_id": self.tenant.tenant_id})


@dataclass(frozen=True)
class Step:
    """One call to the outside, which the service may answer later.

    ``again_from`` names the step to go back to when this one fails.
    """

    name: str
    run: Callable[[StepContext], Awaitable[dict[str, Any] | OperationAccepted]]
    undo: Callable[[StepContext], Awaitable[OperationAccepted | None]] | None = None
    again_from: str | None = None


class Saga(Protocol):
    """The work of one kind of operation. ``until_deadline``: it is tried for as long as its deadline allows."""

    steps: tuple[Step, ...]
    until_deadline: bool

    async def begin(self, uow: UnitOfWork, operation: Operation, tenant: TenantRef) -> str | None:
        """Move the tenant into the state of the work. Returns why there is nothing to do, or None to go on."""
        ...

    async def finish(
        self, uow: UnitOfWork, operation: Operation, tenant: TenantRef, context: StepContext
    ) -> dict[str, Any]:
        """Record what came out of it, and return the operation's result."""
        ...

    async def give_up(
        self, uow: UnitOfWork, operation: Operation, tenant: TenantRef, reason: str, *, clean: bool
    ) -> None:
        """Record that it did not work. ``clean`` tells whether everything that was done is known to be undone."""
        ...
