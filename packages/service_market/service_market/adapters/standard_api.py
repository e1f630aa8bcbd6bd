"""The driver ``standard_api``: a tenant is made real by calling its service, which keeps its own databases.

A call to a service opens its own connection: calls are rare beside what a service does for its tenants, and a
connection that is shared between vendors' addresses would have to be fenced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import httpx2
from mt_paas.standard_api.client import AddressPolicy, StandardAPIClient, Timeouts
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

__all__ = ["StandardAPIDriver"]


class _Target(Protocol):
    @property
    def manifest(self) -> Manifest: ...

    @property
    def api_key(self) -> str: ...


@dataclass(frozen=True)
class StandardAPIDriver:
    """Calls services by the Standard API. It is the catalogue's health probe too."""

    addresses: AddressPolicy
    timeouts: Timeouts
    transport: httpx2.AsyncBaseTransport | None = None

    def _client(self, manifest: Manifest, api_key: str) -> StandardAPIClient:
        return StandardAPIClient(
            manifest, api_key, addresses=self.addresses, timeouts=self.timeouts, transport=self.transport
        )

    async def activate(
        self, target: _Target, request: ActivateRequest, *, idempotency_key: str
    ) -> ActivateResponse | OperationAccepted:
        """Create the tenant at the service, or bring it back."""
        async with self._client(target.manifest, target.api_key) as client:
            return await client.begin_activate(request, idempotency_key=idempotency_key)

    async def deactivate(
        self, target: _Target, tenant_id: str, request: DeactivateRequest, *, idempotency_key: str
    ) -> DeactivateResponse | OperationAccepted:
        """Close the tenant at the service; keep its data or not."""
        async with self._client(target.manifest, target.api_key) as client:
            return await client.begin_deactivate(tenant_id, request, idempotency_key=idempotency_key)

    async def purge(
        self, target: _Target, tenant_id: str, *, idempotency_key: str
    ) -> DeletionReceipt | OperationAccepted:
        """Delete the tenant's data at a service that declares this."""
        async with self._client(target.manifest, target.api_key) as client:
            return await client.begin_purge(tenant_id, idempotency_key=idempotency_key)

    async def operation(self, target: _Target, operation_id: str, tenant_id: str) -> Operation:
        """Ask the service how far it is with what it answers later."""
        async with self._client(target.manifest, target.api_key) as client:
            return await client.operation(operation_id, tenant_id=tenant_id)

    async def cancel(self, target: _Target, operation_id: str, tenant_id: str) -> Operation:
        """Have the service undo what it has begun."""
        async with self._client(target.manifest, target.api_key) as client:
            return await client.cancel_operation(operation_id, tenant_id=tenant_id)

    async def status(self, target: _Target, tenant_id: str) -> StatusResponse:
        """Ask the service for the tenant's state."""
        async with self._client(target.manifest, target.api_key) as client:
            return await client.status(tenant_id)

    async def health(self, target: _Target) -> Health:
        """Ask the service how it is."""
        return await self.probe(target.manifest)

    async def probe(self, manifest: Manifest) -> Health:
        """Ask a service for its health, by its manifest alone: this call carries no key."""
        async with self._client(manifest, api_key="") as client:
            return await client.health()
