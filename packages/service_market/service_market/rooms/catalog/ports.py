"""What the catalogue needs from outside: somebody who asks a service how it is, and whether it knows the key."""

from __future__ import annotations

from typing import Protocol

from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.models import Health, StatusResponse

__all__ = ["ServiceProbe", "Target"]


class Target(Protocol):
    """How a service is reached."""

    @property
    def manifest(self) -> Manifest:
        """Where it is."""
        ...

    @property
    def api_key(self) -> str:
        """The key by which the market calls it."""
        ...


class ServiceProbe(Protocol):
    """Asks a service what changes nothing there, where its manifest says. Raises the ``ServiceCallError`` family."""

    async def probe(self, manifest: Manifest) -> Health:
        """Return the service's health, asked without the key."""
        ...

    async def status(self, target: Target, tenant_id: str) -> StatusResponse:
        """Return the tenant's state, asked with the key."""
        ...
