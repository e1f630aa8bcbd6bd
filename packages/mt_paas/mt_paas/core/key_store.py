"""Every query on what opens a door: the access keys of administrators, and how to report back to the market."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from mt_paas.core import rows
from mt_paas.core.models import AccessKeyRow, CallbackRow
from mt_paas.core.schemas import Tenant
from mt_paas.core.store import Store
from mt_paas.errors import LinkExpired, TenantNotActive
from mt_paas.standard_api.models import Callback

__all__ = ["KeyStore"]


class KeyStore(Store):
    """Access keys, as digests, and call-backs, in no ``repr`` and no log."""

    async def set_callback(self, tenant_id: str, callback: Callback) -> None:
        """Keep how to report back about the tenant, in place of what was kept before."""
        facts = {**callback.model_dump(), "given_at": self._clock()}
        kept = insert(CallbackRow).values(tenant_id=tenant_id, **facts)
        await self._write(kept.on_conflict_do_update(index_elements=["tenant_id"], set_=facts))

    async def callback(self, tenant_id: str) -> Callback | None:
        """Return how to report back about the tenant; null where the market never said."""
        row = await self._read_one(select(CallbackRow.__table__).where(CallbackRow.tenant_id == tenant_id))
        return Callback(events_url=row.events_url, token=row.token, secret=row.secret) if row is not None else None

    async def rotate(self, tenant_id: str) -> Tenant:
        """Begin a new generation of credentials: the set-up link and the access keys of the old one end.

        Raises :class:`~mt_paas.errors.TenantNotActive` for a tenant that is closed.
        """
        now = self._clock()
        async with self._transaction() as session:
            row = await rows.locked(session, tenant_id)
            tenant = rows.tenant(row)
            if not tenant.is_known:
                raise rows.unknown(tenant_id)
            if not tenant.is_working(now):
                raise TenantNotActive
            row.rotation += 1
            row.rotated_at = now
            await session.execute(delete(AccessKeyRow).where(AccessKeyRow.tenant_id == tenant_id))
            await session.flush()
            return rows.tenant(row)

    async def add_key(self, tenant: Tenant, digest: str) -> None:
        """Keep the access key that the link of ``tenant``, as it was looked up, gives.

        Raises :class:`~mt_paas.errors.LinkExpired` if it gave one already, or other credentials were issued meanwhile.
        """
        statement = (
            insert(AccessKeyRow)
            .values(tenant_id=tenant.tenant_id, activation=tenant.activation, digest=digest, created_at=self._clock())
            .on_conflict_do_nothing(index_elements=["tenant_id", "activation"])
            .returning(AccessKeyRow.id)
        )
        async with self._transaction() as session:
            row = await rows.locked(session, tenant.tenant_id)
            if (row.activation, row.rotation) != (tenant.activation, tenant.rotation):
                raise LinkExpired
            if await session.scalar(statement) is None:
                raise LinkExpired
