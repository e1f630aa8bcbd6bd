"""The seam between a tenant's life and the place where its data live."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from mt_paas.core.identity import ServiceIdentity
from mt_paas.core.schemas import Tenant

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

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

    async def create(self, connection: AsyncConnection, tenant: Tenant) -> bool:
        """Make the tenant's place, with today's tables, and tell whether it was not there before.

        Raises :class:`~mt_paas.errors.ConfigurationError` if its name is taken.
        """

    async def complete(self, tenant: Tenant) -> None:
        """Make what is missing of the library's own tables in the tenant's place; it was made before they were."""

    async def drop(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Delete the tenant's place and all that is in it, and make sure that it is gone."""

    async def shut(self, tenant: Tenant) -> None:
        """Close this process's connections to the tenant's data; the data stay."""

    def session(self, tenant: Tenant, *, snapshot: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session that sees this tenant's data and no other's; commits at the end, rolls back on an error.

        With ``snapshot`` it reads everything as it was at its beginning, and writes nothing.
        """

    def owner(self, tenant: Tenant) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a transaction as the owner of the tenant's tables, for changes of the tables themselves.

        Names without a schema are the tenant's. No fence applies: where tenants share tables, these are everybody's.
        """

    async def secure(self, connection: AsyncConnection, tenant: Tenant) -> None:
        """Fence tables that were made since, and let the tenant's sessions use them, within ``owner``'s transaction."""

    def prepare(self, context: MigrationContext) -> None:
        """Make Alembic's context ready for this isolation, before a migration of the service runs in ``owner``."""

    async def storage_bytes(self, tenant: Tenant) -> int:
        """Return how many bytes the tenant's data take."""
