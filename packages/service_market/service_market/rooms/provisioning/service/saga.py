"""What a saga is: steps that call the outside, between two transactions that begin and end them.

``begin`` and ``finish`` run inside a transaction and change the tenant's state; a step runs outside of any, may be
run again, and returns what later steps need. A step that was sent and not answered is *uncertain*; the next attempt
is told so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from mt_paas.errors import ServiceCallError

from service_market.core.crypto import SecretBox
from service_market.core.uow import UnitOfWork
from service_market.rooms.catalog.public import ServiceAccess
from service_market.rooms.provisioning.models import Operation
from service_market.rooms.provisioning.ports import Driver
from service_market.rooms.tenants.public import TenantRef

__all__ = ["Saga", "ServiceLied", "Step", "StepContext"]


class ServiceLied(ServiceCallError):
    """The service said one thing and shows another."""

    code, retryable = "service_lied", True


@dataclass(frozen=True)
class StepContext:
    """What a step knows: whom to call, for which tenant, and what the steps before it returned."""

    operation_id: UUID
    tenant: TenantRef
    access: ServiceAccess
    driver: Driver
    box: SecretBox
    params: dict[str, Any]
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    uncertain: bool = False

    @property
    def key(self) -> str:
        """The ``Idempotency-Key`` of this operation's calls: the same for every attempt."""
        return str(self.operation_id)


@dataclass(frozen=True)
class Step:
    """One call to the outside. ``again_from`` names the step to go back to when this one fails."""

    name: str
    run: Callable[[StepContext], Awaitable[dict[str, Any]]]
    undo: Callable[[StepContext], Awaitable[None]] | None = None
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
