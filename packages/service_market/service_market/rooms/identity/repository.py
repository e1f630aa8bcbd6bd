"""Every query about organizations and tokens."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from service_market.core.ids import new_id
from service_market.core.paging import PageRequest, Slice, page_of
from service_market.core.uow import UnitOfWork
from service_market.rooms.identity.models import ApiToken, Organization

__all__ = ["Organizations", "Tokens"]

_LAST_USED_GRAIN = timedelta(minutes=1)


class Organizations:
    """Organizations, by slug and by id."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._session = uow.session

    async def by_slug(self, slug: str) -> Organization | None:
        """Return the organization of that slug."""
        return (await self._session.scalars(select(Organization).where(Organization.slug == slug))).one_or_none()

    async def by_id(self, organization_id: UUID) -> Organization | None:
        """Return the organization of that id."""
        return await self._session.get(Organization, organization_id)

    async def add(self, *, slug: str, name: str, kind: str, at: datetime) -> Organization | None:
        """Insert an organization; None where the slug is taken."""
        statement = (
            insert(Organization)
            .values(id=new_id(), slug=slug, name=name, kind=kind, created_at=at)
            .on_conflict_do_nothing(index_elements=["slug"])
            .returning(Organization)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def page(self, request: PageRequest) -> Slice[Organization]:
        """Return a page of organizations."""
        return await page_of(self._session, select(Organization), Organization.id, request)


class Tokens:
    """API tokens, by their digest and by id."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._session = uow.session

    def add(self, token: ApiToken) -> None:
        """Insert a token."""
        self._session.add(token)

    async def by_digest(self, digest: str) -> ApiToken | None:
        """Return the token of that digest, usable or not."""
        return (await self._session.scalars(select(ApiToken).where(ApiToken.digest == digest))).one_or_none()

    async def note_use(self, token: ApiToken, at: datetime) -> None:
        """Note that the token was used, to the minute."""
        if token.last_used_at is None or at - token.last_used_at > _LAST_USED_GRAIN:
            await self._session.execute(update(ApiToken).where(ApiToken.id == token.id).values(last_used_at=at))

    async def by_id(self, token_id: UUID) -> ApiToken | None:
        """Return the token of that id."""
        return await self._session.get(ApiToken, token_id)

    async def page(self, request: PageRequest) -> Slice[ApiToken]:
        """Return a page of tokens."""
        return await page_of(self._session, select(ApiToken), ApiToken.id, request)
