"""Every query on the registry of a service. One call is one transaction; nothing else opens one there.

:class:`Registry` is the :class:`~mt_paas.core.lifecycle.TransitionStore` of the service: a change of status and its row
in ``mt_tenant_transition`` are written together, or not at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select, and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from mt_paas.core.clock import Clock
from mt_paas.core.faults import told_when_away
from mt_paas.core.lifecycle import TenantStatus, check
from mt_paas.core.models import AccessKeyRow, Base, ServiceRow, TenantRow, TransitionRow
from mt_paas.core.schemas import Profile, Tenant, TenantPage, Transition, decode_cursor, encode_cursor
from mt_paas.errors import ConfigurationError, LinkExpired, TenantAlreadyExists, TenantNotFound
from mt_paas.errors import TenantPurged as Purged
from mt_paas.utils.security import derive_token, equal, mint_token

__all__ = ["Registry", "ServiceIdentity"]

_SETUP_LOCK = 0x6D745F7061617300  # "mt_paas": one process at a time makes the tables
_WORKING = (TenantStatus.ACTIVE, TenantStatus.UPDATING, TenantStatus.SUSPENDED)


@dataclass(frozen=True, slots=True)
class ServiceIdentity:
    """Whose registry it is, and the secret from which its passwords and links are derived."""

    registry_id: UUID
    service_id: str
    secret: str = field(repr=False)


class Registry:
    """The tenants of one service, in the database behind ``engine``."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def start(self, service_id: str, secret: str | None) -> ServiceIdentity:
        """Make the tables where they are missing, and return whose they are.

        Without ``secret`` one is generated, once, and kept in the registry. Raises
        :class:`~mt_paas.errors.ConfigurationError` where the registry is another service's, or was made with another
        secret: the passwords of its tenants' roles would not fit any more.
        """
        async with self._transaction() as session:
            await session.execute(select(func.pg_advisory_xact_lock(_SETUP_LOCK)))
            await (await session.connection()).run_sync(Base.metadata.create_all)
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
        return _identity(row, service_id, secret)

    async def ping(self) -> None:
        """Return when the database answers. Raises :class:`~mt_paas.errors.ServiceNotReady` when it does not."""
        async with self._transaction() as session:
            await session.execute(select(1))

    async def find(self, tenant_id: str) -> Tenant | None:
        """Return the tenant, or null: a cancelled one, that never was, is null too."""
        async with self._transaction() as session:
            row = await session.get(TenantRow, tenant_id)
            return _tenant(row) if row is not None and row.status != TenantStatus.CANCELLED else None

    async def get(self, tenant_id: str) -> Tenant:
        """Return the tenant. Raises :class:`~mt_paas.errors.TenantNotFound`."""
        tenant = await self.find(tenant_id)
        if tenant is None:
            raise _unknown(tenant_id)
        return tenant

    async def page(self, cursor: str | None, limit: int, status: TenantStatus | None) -> TenantPage:
        """Return up to ``limit`` tenants after ``cursor``, in the order of their ids; no cancelled ones unasked."""
        wanted: Select[TenantRow] = select(TenantRow).order_by(TenantRow.tenant_id).limit(limit + 1)
        if cursor is not None:
            wanted = wanted.where(TenantRow.tenant_id > decode_cursor(cursor))
        if status is not None:
            wanted = wanted.where(TenantRow.status == status)
        else:
            wanted = wanted.where(TenantRow.status != TenantStatus.CANCELLED)
        async with self._transaction() as session:
            rows = (await session.scalars(wanted)).all()
        items = tuple(_tenant(row) for row in rows[:limit])
        return TenantPage(items, encode_cursor(items[-1].tenant_id) if len(rows) > limit else None)

    async def history(self, tenant_id: str) -> tuple[Transition, ...]:
        """Return the steps of the tenant's life, oldest first."""
        wanted = select(TransitionRow).where(TransitionRow.tenant_id == tenant_id).order_by(TransitionRow.id)
        async with self._transaction() as session:
            rows = (await session.scalars(wanted)).all()
        return tuple(_transition(row) for row in rows)

    async def overdue(self, now: datetime, limit: int) -> Sequence[str]:
        """Return tenants for which something is due: a scheduled deactivation, a half-done one, a purge."""
        due = or_(
            and_(TenantRow.status.in_(_WORKING), TenantRow.deactivate_at <= now),
            TenantRow.status.in_((TenantStatus.DEACTIVATING, TenantStatus.PURGING)),
            and_(
                TenantRow.status == TenantStatus.DEACTIVATED,
                or_(TenantRow.reactivation_deadline.is_(None), TenantRow.reactivation_deadline <= now),
            ),
        )
        async with self._transaction() as session:
            found = await session.scalars(select(TenantRow.tenant_id).where(due).order_by("tenant_id").limit(limit))
            return found.all()

    async def add(self, tenant_id: str, profile: Profile, *, isolation: str, database: str, actor: str) -> Tenant:
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
                **_columns(profile),
            )
            session.add(row)
            session.add(_step(row, TenantStatus.PENDING, now, reason="onboarded", actor=actor, came_from=None))
            await session.flush()
            return _tenant(row)

    async def describe(self, tenant_id: str, profile: Profile) -> Tenant:
        """Write down what the subscriber decided."""
        return await self._change(tenant_id, **_columns(profile))

    async def expect(self, tenant_id: str, *, fingerprint: str, idempotency_key: str | None) -> Tenant:
        """Write down which request the coming activation answers."""
        return await self._change(tenant_id, fingerprint=fingerprint, idempotency_key=idempotency_key)

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

    async def abandon(self, tenant_id: str) -> Tenant:
        """Write down that the data of a deactivated tenant are no longer kept: what is left to do is to purge them."""
        return await self._change(tenant_id, data_preserved=False, reactivation_deadline=None)

    async def transition(self, tenant_id: str, to: TenantStatus, *, reason: str, actor: str) -> None:
        """Move the tenant to ``to``. Raises :class:`~mt_paas.errors.IllegalTransition` and changes nothing then."""
        now = self._clock()
        async with self._transaction() as session:
            row = await _locked(session, tenant_id)
            came_from = row.status
            check(came_from, to)
            session.add(_step(row, to, now, reason=reason, actor=actor, came_from=came_from))
            _arrive(row, came_from, to, now, reason)
            if to is TenantStatus.PURGED:
                await session.execute(delete(AccessKeyRow).where(AccessKeyRow.tenant_id == tenant_id))

    async def record_failure(self, tenant_id: str, during: TenantStatus, *, reason: str, actor: str) -> None:
        """Write down that a step failed and left the tenant in ``during``, from where it is tried again."""
        async with self._transaction() as session:
            row = await _locked(session, tenant_id)
            row.failure_reason = reason
            session.add(_step(row, during, self._clock(), reason=reason, actor=actor, came_from=during))

    async def add_key(self, tenant_id: str, activation: int, digest: str) -> None:
        """Keep the access key of an activation. Raises :class:`~mt_paas.errors.LinkExpired` if it has one already."""
        statement = (
            insert(AccessKeyRow)
            .values(tenant_id=tenant_id, activation=activation, digest=digest, created_at=self._clock())
            .on_conflict_do_nothing(index_elements=["tenant_id", "activation"])
            .returning(AccessKeyRow.id)
        )
        async with self._transaction() as session:
            if await session.scalar(statement) is None:
                raise LinkExpired

    async def find_by_key(self, digest: str) -> Tenant | None:
        """Return the tenant to which the access key with this digest belongs."""
        wanted = select(TenantRow).join(AccessKeyRow, AccessKeyRow.tenant_id == TenantRow.tenant_id)
        async with self._transaction() as session:
            row = await session.scalar(wanted.where(AccessKeyRow.digest == digest))
            return _tenant(row) if row is not None else None

    async def _change(self, tenant_id: str, **columns: Any) -> Tenant:
        async with self._transaction() as session:
            row = await _locked(session, tenant_id)
            for name, value in columns.items():
                setattr(row, name, value)
            await session.flush()
            return _tenant(row)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        with told_when_away("The registry of this service"):
            async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
                yield session


async def _locked(session: AsyncSession, tenant_id: str) -> TenantRow:
    row = await session.get(TenantRow, tenant_id, with_for_update=True)
    if row is None:
        raise _unknown(tenant_id)
    return row


def _unknown(tenant_id: str) -> TenantNotFound:
    return TenantNotFound(f"This service has no tenant {tenant_id}.")


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


def _identity(row: ServiceRow, service_id: str, secret: str | None) -> ServiceIdentity:
    if row.service_id != service_id:
        raise ConfigurationError(
            f"this database is the registry of the service {row.service_id}, not of {service_id}: "
            "give each service a database of its own (MT_DATABASE_URL)"
        )
    used = secret or row.secret
    if used is None or not equal(row.secret_check, derive_token(used, "registry")):
        raise ConfigurationError(
            "this registry was made with another secret key: set MT_SECRET_KEY to the one it was made with, "
            "or leave it out if it was out then"
        )
    return ServiceIdentity(row.registry_id, service_id, used)


def _columns(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "service_type": profile.service_type,
        "plan": profile.plan,
        "features": list(profile.features),
        "config": dict(profile.config),
        "admin_email": profile.admin_email,
        "admin_name": profile.admin_name,
    }


def _tenant(row: TenantRow) -> Tenant:
    return Tenant(
        tenant_id=row.tenant_id,
        profile=Profile(
            name=row.name,
            service_type=row.service_type,
            plan=row.plan,
            features=tuple(row.features),
            config=row.config,
            admin_email=row.admin_email,
            admin_name=row.admin_name,
        ),
        status=row.status,
        isolation=row.isolation,
        database=row.database,
        created_at=row.created_at,
        activation=row.activation,
        activated_at=row.activated_at,
        deactivate_at=row.deactivate_at,
        deactivated_at=row.deactivated_at,
        data_preserved=row.data_preserved,
        reactivation_deadline=row.reactivation_deadline,
        failure_reason=row.failure_reason,
        idempotency_key=row.idempotency_key,
        fingerprint=row.fingerprint,
    )


def _transition(row: TransitionRow) -> Transition:
    return Transition(row.came_from, row.went_to, row.at, row.actor, row.reason)
