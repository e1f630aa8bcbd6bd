"""Every query of the catalogue."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import selectinload, undefer

from service_market.core.ids import new_id
from service_market.core.paging import PageRequest, Slice, page_of
from service_market.core.uow import UnitOfWork
from service_market.rooms.catalog.models import ManifestVersion, Service

__all__ = ["Manifests", "Services"]

_WITH_MANIFESTS = (selectinload(Service.current), selectinload(Service.proposed))


class Services:
    """Services, with their current and proposed manifests."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._session = uow.session
        self._principal = uow.principal

    def _in_sight(self) -> Select[Service]:
        """Select what the caller may see: what was ever listed, and its own."""
        statement = select(Service).options(*_WITH_MANIFESTS)
        if self._principal.unfenced:
            return statement
        own = Service.vendor_organization_id == self._principal.organization_id
        return statement.where(or_(Service.current_id.is_not(None), own))

    async def add_if_new(
        self, *, service_id: str, name: str, vendor: UUID | None, state: str, sealed_key: bytes, at: datetime
    ) -> None:
        """Insert a service, unless one of that id is there."""
        await self._session.execute(
            insert(Service)
            .values(
                id=new_id(),
                service_id=service_id,
                name=name,
                vendor_organization_id=vendor,
                state=state,
                sealed_key=sealed_key,
                created_at=at,
            )
            .on_conflict_do_nothing(index_elements=["service_id"])
        )

    async def get(self, service_id: str, *, lock: bool = False) -> Service | None:
        """Return the service of that id; with ``lock``, in sight or not, and nobody else changes it in the meantime."""
        statement = self._in_sight()
        if lock:
            statement = select(Service).options(*_WITH_MANIFESTS).with_for_update(of=Service)
        statement = statement.where(Service.service_id == service_id).execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def page(self, request: PageRequest, *, state: str | None) -> Slice[Service]:
        """Return a page of services, of one state or of all."""
        statement = self._in_sight()
        if state is not None:
            statement = statement.where(Service.state == state)
        return await page_of(self._session, statement, Service.id, request)


class Manifests:
    """Versions of manifests."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._session = uow.session

    async def put(
        self, service: Service, *, digest: str, source: str, document: dict[str, Any], at: datetime
    ) -> ManifestVersion:
        """Return the version of that digest; the same manifest again is the same version."""
        await self._session.execute(
            insert(ManifestVersion)
            .values(id=new_id(), service_pk=service.id, digest=digest, source=source, document=document, created_at=at)
            .on_conflict_do_nothing()
        )
        found = await self._session.scalars(
            select(ManifestVersion).where(ManifestVersion.service_pk == service.id, ManifestVersion.digest == digest)
        )
        return found.one()

    async def get(self, version_id: UUID, *, with_source: bool = False) -> ManifestVersion | None:
        """Return the version of that id; its source only if it is asked for: it may be long."""
        options = [undefer(ManifestVersion.source)] if with_source else []
        return await self._session.get(ManifestVersion, version_id, options=options, populate_existing=with_source)
