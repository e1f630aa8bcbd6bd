"""The revision of one tenant while it is held: brought on, and written down. Without migrations it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mt_paas.core.database.blueprint import Blueprint
from mt_paas.core.database.isolations import Isolations
from mt_paas.core.migrations.store import RevisionStore, columns_at
from mt_paas.core.schemas import Tenant
from mt_paas.errors import ConfigurationError

if TYPE_CHECKING:
    from mt_paas.core.migrations.scripts import Request, Step

__all__ = ["TenantRevisions"]


class TenantRevisions:
    """Where the tables of tenants are, and how they get to the head."""

    def __init__(self, blueprint: Blueprint, isolations: Isolations, store: RevisionStore) -> None:
        self._blueprint = blueprint
        self._isolations = isolations
        self._store = store

    async def arrive(self, tenant: Tenant, *, is_new: bool) -> dict[str, Any]:
        """Bring a tenant that becomes active to the head, which a place that ``is_new`` is at.

        Return the columns that are to tell so.
        """
        migrations = self._blueprint.migrations
        if migrations is None:
            return {}
        from mt_paas.core.migrations.one import bring_up

        revision = migrations.head if is_new else await bring_up(self._isolations, migrations, tenant)
        return columns_at(revision)

    async def migrate(self, tenant: Tenant, request: Request) -> Step:
        """Bring the tenant to the revision that is asked for, and write it down once that is committed."""
        from mt_paas.core.migrations.one import migrate_tenant

        if self._blueprint.migrations is None:
            raise ConfigurationError("this service has no migrations")
        step = await migrate_tenant(self._isolations, self._blueprint.migrations, tenant, request)
        await self._store.reached(tenant.tenant_id, step.after)
        return step
