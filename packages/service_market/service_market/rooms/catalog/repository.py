"""Every query of the catalogue."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import selectinload

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
        """Return the service of that id; with ``lock``, nobody else changes it in the meantime."""
        statement = select(Service).where(Service.service_id == service_id).options(*_WITH_MANIFESTS)
        statement = statement.execution_options(populate_existing=True)
        if lock:
            statement = statement.with_for_update(of=Service)
        return (await self._session.scalars(statement)).one_or_none()

    async def page(self, request: PageRequest, *, state: str | None) -> Slice[Service]:
        """Return a page of services, of one state or of all."""
        statement = select(Service).options(*_WITH_MANIFESTS)
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

    async def get(self, version_id: UUID) -> ManifestVersion | None:
        """Return the version of that id."""
        return await self._session.get(ManifestVersion, version_id)
