"""What the catalogue needs from outside: somebody who asks a service how it is."""

from __future__ import annotations

from typing import Protocol

from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.models import Health

__all__ = ["HealthProbe"]


class HealthProbe(Protocol):
    """Asks a service for its health, where its manifest says."""

    async def probe(self, manifest: Manifest) -> Health:
        """Return the service's answer. Raises the ``ServiceCallError`` family."""
        ...
