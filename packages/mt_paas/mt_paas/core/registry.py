"""Every query on the registry of a service. One call is one transaction; nothing else opens one there.

:class:`Registry` is the :class:`~mt_paas.core.lifecycle.TransitionStore` of the service: a change of status and its row
in ``mt_tenant_transition`` are written together, or not at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Select, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from mt_paas.core import rows
from mt_paas.core.answered_calls import AnsweredCall, keep_answer
from mt_paas.core.clock import Clock
from mt_paas.core.identity import ServiceIdentity, identify
from mt_paas.core.key_store import keep_callback
from mt_paas.core.lifecycle import TenantStatus, check
from mt_paas.core.models import (
    AccessKeyRow,
    AnsweredCallRow,
    CallbackRow,
    ReceiptRow,
    ServiceRow,
    TenantRow,
    TransitionRow,
    UsageRow,
    make_tables,
)
from mt_paas.core.schemas import Profile, Tenant, Transition
from mt_paas.core.store import Store
from mt_paas.core.tenant_tables import TABLES_VERSION
from mt_paas.errors import TenantAlreadyExists
from mt_paas.errors import TenantPurged as Purged
from mt_paas.standard_api.models import Callback, DeletionReceipt
from mt_paas.utils.security import derive_token, mint_token

__all__ = ["Registry"]

_TENANT = TenantRow.__table__
_SETUP_LOCK = 0x6D745F7061617300  # "mt_paas": one process at a time makes the tables
_OPEN = (TenantStatus.ACTIVE, TenantStatus.UPDATING)
_WORKING = (*_OPEN, TenantStatus.SUSPENDED)
_DELETED = ["database", "role", "access_keys", "call_back", "administrator", "configuration", "usage"]


class Registry(Store):
    """The tenants of one service, in the database behind ``engine``.

    ``also_deleted`` is what else a purge deletes, for the receipt.
    """

    def __init__(self, engine: AsyncEngine, clock: Clock, also_deleted: Collection[str] = ()) -> None:
        super().__init__(engine, clock)
        self._also_deleted = also_deleted

    async def start(self, service_id: str, secret: str | None) -> ServiceIdentity:
        """Make the tables where they are missing, and return whose they are.

        Without ``secret`` one is generated, once, and kept in the registry. Raises
        :class:`~mt_paas.errors.ConfigurationError` where the registry is another service's, or was made with another
        secret: the passwords of its tenants' roles would not fit any more.
        """
        async with self._transaction() as session:
            await session.execute(select(func.pg_advisory_xact_lock(_SETUP_LOCK)))
            await (await session.connection()).run_sync(make_tables)
            row = await session.get(ServiceRow, 1)
            if row is None:
                kept = None if secret else mint_token("")
                row = ServiceRow(
                    registry_id=uuid4(),
                    service_id=service_id,
                    secret=kept,
                    secret_check=derive_token(secret or kept or "", "registry"),
                    created_at=self._clock(),
                )
                session.add(row)
        return identify(row, service_id, secret)

    async def ping(self) -> None:
        """Return when the database answers. Raises :class:`~mt_paas.errors.ServiceNotReady` when it does not."""
        async with self._transaction() as session:
            await session.execute(select(1))

    async def find(self, tenant_id: str) -> Tenant | None:
        """Return the tenant, or null: a cancelled one, that never was, is null too."""
        if "\0" in tenant_id:  # which no database takes, and no tenant has
            return None
        wanted = select(_TENANT).where(_TENANT.c.tenant_id == tenant_id, _TENANT.c.status != TenantStatus.CANCELLED)
        row = await self._read_one(wanted)
        return rows.tenant(row) if row is not None else None

    async def get(self, tenant_id: str) -> Tenant:
        """Return the tenant. Raises :class:`~mt_paas.errors.TenantNotFound`."""
        tenant = await self.find(tenant_id)
        if tenant is None:
            raise rows.unknown(tenant_id)
        return tenant

    async def page(
        self, after: str | None, limit: int, status: TenantStatus | None, *, known: bool = False
    ) -> Sequence[Tenant]:
        """Return up to ``limit`` tenants after the id ``after``, in the order of their ids; no cancelled ones unasked.

        ``known`` leaves out those that are not there for the market: never active, or purged.
        """
        wanted: Select[TenantRow] = select(TenantRow).order_by(TenantRow.tenant_id).limit(limit)
        if after is not None:
            wanted = wanted.where(TenantRow.tenant_id > after)
        if status is not None:
            wanted = wanted.where(TenantRow.status == status)
        else:
            wanted = wanted.where(TenantRow.status != TenantStatus.CANCELLED)
        if known:
            wanted = wanted.where(TenantRow.activation > 0, TenantRow.status != TenantStatus.PURGED)
        async with self._transaction() as session:
            return [rows.tenant(row) for row in await session.scalars(wanted)]

    async def find_by_admin(self, email: str, now: datetime) -> Tenant | None:
        """Return the open tenant that this address administers, in whatever letter case: the one it had first."""
        wanted = (
            select(TenantRow)
            .where(
                func.lower(TenantRow.admin_email) == func.lower(email),
                TenantRow.status.in_(_OPEN),
                or_(TenantRow.deactivate_at.is_(None), TenantRow.deactivate_at > now),
            )
            .order_by(TenantRow.created_at, TenantRow.tenant_id)
            .limit(1)
        )
        async with self._transaction() as session:
            row = await session.scalar(wanted)
            return rows.tenant(row) if row is not None else None

    async def history(self, tenant_id: str) -> tuple[Transition, ...]:
        """Return the steps of the tenant's life, oldest first."""
        wanted = select(TransitionRow).where(TransitionRow.tenant_id == tenant_id).order_by(TransitionRow.id)
        async with self._transaction() as session:
            return tuple(rows.transition(row) for row in await session.scalars(wanted))

    async def overdue(self, now: datetime, after: str, limit: int) -> Sequence[str]:
        """Return tenants for which something is due: a scheduled deactivation, a half-done one, a purge.

        Up to ``limit``, in the order of their ids, that come after the id ``after``; "" is the beginning.
        """
        due = or_(
            and_(TenantRow.status.in_(_WORKING), TenantRow.deactivate_at <= now),
            TenantRow.status.in_((TenantStatus.DEACTIVATING, TenantStatus.PURGING)),
            and_(
                TenantRow.status == TenantStatus.DEACTIVATED,
                or_(TenantRow.reactivation_deadline.is_(None), TenantRow.reactivation_deadline <= now),
            ),
        )
        async with self._transaction() as session:
            wanted = select(TenantRow.tenant_id).where(due, TenantRow.tenant_id > after)
            return (await session.scalars(wanted.order_by(TenantRow.tenant_id).limit(limit))).all()

    async def add(
        self,
        tenant_id: str,
        profile: Profile,
        *,
        isolation: str,
        database: str,
        actor: str,
        reason: str = "onboarded",
    ) -> Tenant:
        """Write down a new tenant, ``pending``. The id of a cancelled one, that never had data, is free again."""
        now = self._clock()
        async with self._transaction() as session:
            old = await session.get(TenantRow, tenant_id, with_for_update=True)
            if old is not None and old.status == TenantStatus.CANCELLED:
                await session.delete(old)
                await session.flush()
            elif old is not None:
                raise Purged if old.status == TenantStatus.PURGED else TenantAlreadyExists
            row = TenantRow(
                tenant_id=tenant_id,
                status=TenantStatus.PENDING,
                isolation=isolation,
                database=database,
                created_at=now,
                data_preserved=True,
                activation=0,
                tables=TABLES_VERSION,
                **rows.columns(profile),
            )
            session.add(row)
            session.add(_step(row, TenantStatus.PENDING, now, reason=reason, actor=actor, came_from=None))
            await session.flush()
            return rows.tenant(row)

    async def describe(self, tenant_id: str, profile: Profile) -> Tenant:
        """Write down what the subscriber decided. The access keys of an administrator who is another one now end."""
        async with self._transaction() as session:
            row = await rows.locked(session, tenant_id)
            if row.admin_email != profile.admin_email:
                await session.execute(delete(AccessKeyRow).where(AccessKeyRow.tenant_id == tenant_id))
            for name, value in rows.columns(profile).items():
                setattr(row, name, value)
            await session.flush()
            return rows.tenant(row)

    async def expect(
        self, tenant_id: str, *, fingerprint: str, idempotency_key: str | None, callback: Callback | None
    ) -> None:
        """Write down which request the coming activation answers, and how to report back if it says so."""
        async with self._transaction() as session:
            row = await rows.locked(session, tenant_id)
            row.fingerprint, row.idempotency_key = fingerprint, idempotency_key
            if callback is not None:
                await session.execute(keep_callback(tenant_id, callback, self._clock()))

    async def has_tables(self, tenant_id: str) -> None:
        """Write down that the library's tables in the tenant's database are those of this version."""
        await self._change(tenant_id, tables=TABLES_VERSION)

    async def receipt(self, tenant_id: str) -> DeletionReceipt:
        """Return what was deleted of a purged tenant. Raises :class:`~mt_paas.errors.TenantNotFound`."""
        async with self._transaction() as session:
            row = await session.get(ReceiptRow, tenant_id)
            if row is None:
                raise rows.unknown(tenant_id)
            return DeletionReceipt(
                receipt_id=row.receipt_id, tenant_id=tenant_id, purged_at=row.purged_at, deleted=row.deleted
            )

    async def schedule(
        self, tenant_id: str, *, at: datetime, data_preserved: bool, reactivation_deadline: datetime | None
    ) -> Tenant:
        """Write down when the tenant is to be deactivated, and what becomes of its data."""
        return await self._change(
            tenant_id,
            deactivate_at=at,
            data_preserved=data_preserved,
            reactivation_deadline=reactivation_deadline,
        )

    async def keep_open(self, tenant_id: str) -> Tenant:
        """Write down that the tenant is not to be deactivated after all."""
        return await self._change(tenant_id, deactivate_at=None, data_preserved=True, reactivation_deadline=None)

    async def abandon(self, tenant_id: str) -> Tenant:
        """Write down that the data of a deactivated tenant are no longer kept: what is left to do is to purge them."""
        return await self._change(tenant_id, data_preserved=False, reactivation_deadline=None)

    async def transition(self, tenant_id: str, to: TenantStatus, *, reason: str, actor: str) -> None:
        """Move the tenant to ``to``. Raises :class:`~mt_paas.errors.IllegalTransition` and changes nothing then."""
        now = self._clock()
        async with self._transaction() as session:
            row = await rows.locked(session, tenant_id)
            came_from = row.status
            check(came_from, to)
            session.add(_step(row, to, now, reason=reason, actor=actor, came_from=came_from))
            _arrive(row, came_from, to, now, reason)
            if (to, came_from) == (TenantStatus.ACTIVE, TenantStatus.PROVISIONING) and row.idempotency_key is not None:
                done = AnsweredCall(
                    tenant_id=tenant_id,
                    kind="activate",
                    idempotency_key=row.idempotency_key,
                    activation=row.activation,
                )
                await keep_answer(session, done, now)
            if to is TenantStatus.PURGED:
                for keys in (AccessKeyRow, AnsweredCallRow, CallbackRow, UsageRow):
                    await session.execute(delete(keys).where(keys.tenant_id == tenant_id))
                receipt_id, deleted = f"rcpt_{secrets.token_hex(12)}", [*_DELETED, *self._also_deleted]
                session.add(ReceiptRow(tenant_id=tenant_id, receipt_id=receipt_id, purged_at=now, deleted=deleted))

    async def record_failure(self, tenant_id: str, during: TenantStatus, *, reason: str, actor: str) -> None:
        """Write down that a step failed and left the tenant in ``during``, from where it is tried again."""
        async with self._transaction() as session:
            row = await rows.locked(session, tenant_id)
            row.failure_reason = reason
            session.add(_step(row, during, self._clock(), reason=reason, actor=actor, came_from=during))

    async def _change(self, tenant_id: str, **columns: Any) -> Tenant:
        async with self._transaction() as session:
            row = await rows.locked(session, tenant_id)
            for name, value in columns.items():
                setattr(row, name, value)
            await session.flush()
            return rows.tenant(row)


def _arrive(row: TenantRow, came_from: TenantStatus, to: TenantStatus, now: datetime, reason: str) -> None:
    """Write into ``row`` what it means to have become ``to``."""
    row.status = to
    if to is TenantStatus.FAILED:
        row.failure_reason = reason
    elif to is TenantStatus.ACTIVE and came_from is TenantStatus.PROVISIONING:
        row.activation += 1
        row.activated_at = now
        row.deactivate_at = row.deactivated_at = row.reactivation_deadline = row.failure_reason = None
        row.data_preserved = True
    elif to is TenantStatus.DEACTIVATED:
        row.deactivated_at = row.deactivate_at or now
        row.deactivate_at = row.failure_reason = None
    elif to is TenantStatus.PURGED:
        row.name = row.plan = ""
        row.features, row.config = [], {}
        row.admin_email = row.admin_name = row.fingerprint = row.idempotency_key = None
        row.reactivation_deadline = row.failure_reason = None
        row.data_preserved = False


def _step(
    row: TenantRow, to: TenantStatus, at: datetime, *, reason: str, actor: str, came_from: TenantStatus | None
) -> TransitionRow:
    return TransitionRow(tenant_id=row.tenant_id, came_from=came_from, went_to=to, at=at, actor=actor, reason=reason)
