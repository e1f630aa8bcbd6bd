"""The seam between a tenant's life and the place where its data live."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from mt_paas.core.registry import ServiceIdentity
from mt_paas.core.schemas import Tenant

__all__ = ["Isolation"]


class Isolation(Protocol):
    """A way to keep tenants apart. ``create`` and ``drop`` are idempotent and complete what a crash left half-done.

    Both are given the connection that holds the tenant's lock, in autocommit: should it break, the lock and the work
    end together.
    """

    name: str

    async def start(self, connection: AsyncConnection, identity: ServiceIdentity) -> None:
        """Get ready to create tenants."""

    async def close(self) -> None:
        """Close every pool."""

    def place(self, tenant_id: str) -> str:
        """Return the name of the place where the tenant's data live, or will."""

    async def create(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Make the tenant's place. Raises :class:`~mt_paas.errors.ConfigurationError` if its name is taken."""

    async def drop(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Delete the tenant's place and all that is in it, and make sure that it is gone."""

    async def shut(self, tenant: Tenant) -> None:
        """Close this process's connections to the tenant's data; the data stay."""

    def session(self, tenant: Tenant) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session that sees this tenant's data and no other's; commits at the end, rolls back on an error."""

    async def storage_bytes(self, tenant: Tenant) -> int:
        """Return how many bytes the tenant's data take."""
