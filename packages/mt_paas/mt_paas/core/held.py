"""The tenant that is held: read once, for nobody else takes a step of its life meanwhile, and known after each step."""

from __future__ import annotations

from typing import Any

from mt_paas.core import rows
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.registry import Registry
from mt_paas.core.schemas import Tenant

__all__ = ["HeldTenant"]


class HeldTenant:
    """The :class:`~mt_paas.core.lifecycle.TransitionStore` of the one tenant that is held.

    What is in ``changes``, by columns, is written together with the next change of its status.
    """

    def __init__(self, registry: Registry, tenant_id: str) -> None:
        self._registry = registry
        self._tenant_id = tenant_id
        self._tenant: Tenant | None = None
        self.changes: dict[str, Any] = {}

    async def find(self) -> Tenant | None:
        """Return the tenant, or null."""
        if self._tenant is None:
            self._tenant = await self._registry.find(self._tenant_id)
        return self._tenant

    async def get(self) -> Tenant:
        """Return the tenant. Raises :class:`~mt_paas.errors.TenantNotFound`."""
        tenant = await self.find()
        if tenant is None:
            raise rows.unknown(self._tenant_id)
        return tenant

    def became(self, tenant: Tenant | None) -> None:
        """Know the tenant as it is after a change; null is for one that is to be read anew."""
        self._tenant = tenant

    async def transition(self, tenant_id: str, to: TenantStatus, *, reason: str, actor: str) -> None:
        """Move the tenant to ``to``."""
        tenant, changes = await self.get(), self.changes
        self._tenant, self.changes = None, {}
        moved = await self._registry.transition(tenant, to, reason=reason, actor=actor, changes=changes)
        self._tenant = moved

    async def record_failure(self, tenant_id: str, during: TenantStatus, *, reason: str, actor: str) -> None:
        """Write down that a step failed and left the tenant in ``during``."""
        self._tenant = None
        await self._registry.record_failure(tenant_id, during, reason=reason, actor=actor)
