"""Every query of the tenant registry. Rows of others are not found: fenced callers see only what is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from service_market.core.fences import FencedRows
from service_market.core.ids import new_id
from service_market.core.paging import PageRequest, Slice, page_of
from service_market.rooms.tenants.models import Tenant, TenantTransition

__all__ = ["Tenants"]


class Tenants(FencedRows[Tenant]):
    """Tenants within the fence of the unit's principal."""

    entity = Tenant

    async def get(self, tenant_id: str, *, lock: bool = False) -> Tenant | None:
        """Return the tenant of that slug; with ``lock``, nobody else changes it in the meantime."""
        statement = self._fenced().where(Tenant.tenant_id == tenant_id)
        return await self._one(statement, lock=lock)

    async def by_pk(self, tenant_pk: UUID, *, lock: bool = False) -> Tenant | None:
        """Return the tenant of that id; with ``lock``, nobody else changes it in the meantime."""
        return await self._one(self._fenced().where(Tenant.id == tenant_pk), lock=lock)

    async def add(self, **values: Any) -> Tenant | None:
        """Insert a tenant; None where its slug was ever given out, to anybody."""
        statement = (
            insert(Tenant)
            .values(id=new_id(), may_be_orphaned=False, **values)
            .on_conflict_do_nothing(index_elements=["tenant_id"])
            .returning(Tenant)
        )
        return (await self._session.scalars(statement)).one_or_none()

    def note(self, step: TenantTransition) -> None:
        """Insert a step of a tenant's life."""
        self._session.add(step)

    async def page(self, request: PageRequest, **equal: Any) -> Slice[Tenant]:
        """Return a page of tenants; each of ``equal`` that is not None must match."""
        return await page_of(self._session, self._fenced(**equal), Tenant.id, request)

    async def transitions(self, tenant: Tenant) -> Sequence[TenantTransition]:
        """Return the steps of a tenant's life, first to last."""
        statement = (
            select(TenantTransition).where(TenantTransition.tenant_pk == tenant.id).order_by(TenantTransition.id)
        )
        return (await self._session.scalars(statement)).all()
