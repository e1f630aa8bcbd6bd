"""What provisioning needs from outside: a driver, which makes a tenant real."""

from __future__ import annotations

from typing import Protocol

from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    DeactivateRequest,
    DeactivateResponse,
    DeletionReceipt,
    Health,
    Operation,
    OperationAccepted,
    StatusResponse,
)

__all__ = ["Driver", "Target"]


class Target(Protocol):
    """How a service is reached."""

    @property
    def manifest(self) -> Manifest:
        """The manifest that the tenant was made with."""
        ...

    @property
    def api_key(self) -> str:
        """The key by which the market calls the service."""
        ...


class Driver(Protocol):
    """Makes tenants real, and unmakes them. Every call is bounded in time and raises ``ServiceCallError``s.

    What takes long is begun, and answered with an ``OperationAccepted``; nobody waits for its end in a call.
    """

    async def activate(
        self, target: Target, request: ActivateRequest, *, idempotency_key: str
    ) -> ActivateResponse | OperationAccepted:
        """Create the tenant at the service, or bring it back."""
        ...

    async def deactivate(
        self, target: Target, tenant_id: str, request: DeactivateRequest, *, idempotency_key: str
    ) -> DeactivateResponse | OperationAccepted:
        """Close the tenant at the service; keep its data or not."""
        ...

    async def purge(
        self, target: Target, tenant_id: str, *, idempotency_key: str
    ) -> DeletionReceipt | OperationAccepted:
        """Delete the tenant's data at a service that declares this."""
        ...

    async def operation(self, target: Target, operation_id: str, tenant_id: str) -> Operation:
        """Ask the service how far it is with what it answers later."""
        ...

    async def cancel(self, target: Target, operation_id: str, tenant_id: str) -> Operation:
        """Have the service undo what it has begun."""
        ...

    async def status(self, target: Target, tenant_id: str) -> StatusResponse:
        """Ask the service for the tenant's state."""
        ...

    async def health(self, target: Target) -> Health:
        """Ask the service how it is."""
        ...
