"""What a service's own code has for the tenant that it works for: the doors of ``MultiTenant``.

Which tenant that is, is bound by the request (:mod:`mt_paas.core.context`), or by ``run_as``. None of it works for no
tenant: without one :class:`~mt_paas.errors.TenantNotBound` is raised.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, ParamSpec
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from mt_paas.core.background import TenantWork
from mt_paas.core.cache_keys import CacheKeys
from mt_paas.core.manager import TenantManager
from mt_paas.core.schemas import Tenant
from mt_paas.core.tenant_files import TenantFiles
from mt_paas.core.usage import UsageMeters

__all__ = ["TenantTools"]

P = ParamSpec("P")


class TenantTools:
    """The usage, files, cache keys and background work of the tenants of ``manager``.

    ``usage`` counts, ``files`` are folders, ``work`` is what goes on in the background; the methods are the short form.
    """

    def __init__(
        self,
        manager: TenantManager,
        *,
        files_folder: Path,
        usage_folder: Path | None,
        usage_interval: float = 5.0,
        patience: float = 10.0,
    ) -> None:
        self.manager = manager
        self.usage = UsageMeters(manager, usage_folder, usage_interval)
        self.files = TenantFiles(manager, files_folder)
        self.work = TenantWork(manager, patience)
        self._cache_keys = CacheKeys(manager.service_id)
        self.on_purge("files", self.files.discard_all_of)

    def cache_key(self, *parts: str | int | UUID, tenant_id: str | None = None) -> str:
        """Return the key of what ``parts`` name in a cache that all tenants share, for the tenant that is bound.

        Other parts or another tenant, another key. Raises ``TypeError`` without parts, and for one of another type.
        """
        return self._cache_keys.key(*parts, tenant_id=tenant_id)

    def cache_prefix(self, *, tenant_id: str | None = None) -> str:
        """Return what all cache keys of the tenant begin with, and no other's: for ``on_purge``, and for ACLs."""
        return self._cache_keys.prefix(tenant_id=tenant_id)

    def path(self, name: str, *, tenant_id: str | None = None) -> Path:
        """Return where the tenant's file ``name`` (``reports/2026.pdf``) is, or may be written.

        Raises :class:`~mt_paas.errors.UnsafePath` for a name that would lead out of the tenant's folder.
        """
        return self.files.path(name, tenant_id=tenant_id)

    def run_as(self, tenant_id: str) -> AbstractAsyncContextManager[Tenant]:
        """Work for the tenant in a block, as a request of it would: ``async with mt.run_as("hallym_univ"): …``.

        Raises :class:`~mt_paas.errors.TenantNotFound` and :class:`~mt_paas.errors.TenantBlocked`.
        """
        return self.work.run_as(tenant_id)

    def session(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session of its own for the tenant that is bound: committed at the end, rolled back on an error."""
        return self.work.session()

    def background(self, work: Callable[P, Coroutine[Any, Any, object]], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Begin ``work(*args, **kwargs)`` for the tenant that is bound, and return at once.

        It opens sessions of its own (``session``); errors are logged with ids; an orderly end of the service waits for
        it. It does not survive ``kill -9``.
        """
        self.work.start(work, *args, **kwargs)

    def on_purge(self, what: str, discard: Callable[[str], Awaitable[None]]) -> None:
        """Have ``discard(tenant_id)`` called when a tenant is purged; ``what`` is its word in the deletion receipt.

        It may be called again, by another process too, until it has returned once: make it idempotent. While it raises
        the tenant is not purged, and the next sweep tries again.
        """
        self.manager.on_purge[what] = discard

    @asynccontextmanager
    async def equipped(self) -> AsyncIterator[None]:
        """Count, and take work, for as long as the context lasts; the manager must have started."""
        async with self.usage.running(), self.work.running():
            yield
