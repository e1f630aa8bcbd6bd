"""The door of identity for its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from service_market.core.uow import UnitOfWork
from service_market.rooms.identity.errors import OrganizationNotFound
from service_market.rooms.identity.repository import Organizations
from service_market.rooms.identity.service import authenticate, bootstrap_operator, find_organization

__all__ = ["OrganizationRef", "authenticate", "bootstrap_operator", "organization_by_id", "organization_by_slug"]


@dataclass(frozen=True, slots=True)
class OrganizationRef:
    """An organization as its neighbours see it."""

    id: UUID
    slug: str
    name: str
    kind: str


async def organization_by_slug(uow: UnitOfWork, slug: str) -> OrganizationRef:
    """Return the organization of that slug. Raises ``OrganizationNotFound``."""
    found = await find_organization(uow, slug)
    return OrganizationRef(found.id, found.slug, found.name, found.kind)


async def organization_by_id(uow: UnitOfWork, organization_id: UUID) -> OrganizationRef:
    """Return the organization of that id. Raises ``OrganizationNotFound``."""
    found = await Organizations(uow).by_id(organization_id)
    if found is None:
        raise OrganizationNotFound
    return OrganizationRef(found.id, found.slug, found.name, found.kind)
