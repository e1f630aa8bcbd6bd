"""Every query on the registry of a service. One call is one transaction; nothing else opens one there.

A change of status and its row in ``mt_tenant_transition`` are one statement: they are written together, or not at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    CTE,
    ColumnElement,
    Executable,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from mt_paas.core import rows
from mt_paas.core.answered_calls import AnsweredCall, keep_answer
from mt_paas.core.clock import Clock
from mt_paas.core.identity import ServiceIdentity, identify
from mt_paas.core.lifecycle import TenantStatus, check
from mt_paas.core.models import (
    AccessKeyRow,
    AnsweredCallRow,
    Base,
    CallbackRow,
    ReceiptRow,
    ServiceRow,
    TenantRow,
    TransitionRow,
    UsageRow,
    make_tables,
)
from mt_paas.core.schemas import ActivationCall, Profile, Tenant, Transition
from mt_paas.core.store import Store
from mt_paas.core.tenant_tables import TABLES_VERSION
from mt_paas.errors import TenantAlreadyExists
from mt_paas.errors import TenantPurged as Purged
from mt_paas.standard_api.models import DeletionReceipt
from mt_paas.utils.security import derive_token, mint_token

__all__ = ["Registry"]

_TENANT, _STEP, _RECEIPT = (Base.metadata.tables[each.__tablename__] for each in (TenantRow, TransitionRow, ReceiptRow))
_SETUP_LOCK = 0x6D745F7061617300  # "mt_paas": one process at a time makes the tables
_OPEN = (TenantStatus.ACTIVE, TenantStatus.UPDATING)
_WORKING = (*_OPEN, TenantStatus.SUSPENDED)
_FIND = select(_TENANT).where(_TENANT.c.tenant_id == bindparam("tenant_id"), _TENANT.c.status != TenantStatus.CANCELLED)
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
        await self._read(select(1))

    async def find(self, tenant_id: str) -> Tenant | None:
        """Return the tenant, or null: a cancelled one, that never was, is null too."""
        if "\0" in tenant_id:  # which no database takes, and no tenant has
            return None
        row = await self._read_one(_FIND, tenant_id=tenant_id)
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
        wanted = select(_TENANT).order_by(TenantRow.tenant_id).limit(limit)
        if after is not None:
            wanted = wanted.where(TenantRow.tenant_id > after)
        if status is not None:
            wanted = wanted.where(TenantRow.status == status)
        else:
            wanted = wanted.where(TenantRow.status != TenantStatus.CANCELLED)
        if known:
            wanted = wanted.where(TenantRow.activation > 0, TenantRow.status != TenantStatus.PURGED)
        return [rows.tenant(row) for row in await self._read(wanted)]

    async def find_by_admin(self, email: str, now: datetime) -> Tenant | None:
        """Return the open tenant that this address administers, in whatever letter case: the one it had first."""
        wanted = (
            select(_TENANT)
            .where(
                func.lower(TenantRow.admin_email) == func.lower(email),
                TenantRow.status.in_(_OPEN),
                or_(TenantRow.deactivate_at.is_(None), TenantRow.deactivate_at > now),
            )
            .order_by(TenantRow.created_at, TenantRow.tenant_id)
            .limit(1)
        )
        row = await self._read_one(wanted)
        return rows.tenant(row) if row is not None else None

    async def history(self, tenant_id: str) -> tuple[Transition, ...]:
        """Return the steps of the tenant's life, oldest first."""
        wanted = select(_STEP).where(_STEP.c.tenant_id == tenant_id).order_by(_STEP.c.id)
        return tuple(rows.transition(row) for row in await self._read(wanted))

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
        wanted = select(TenantRow.tenant_id).where(due, TenantRow.tenant_id > after)
        return [row.tenant_id for row in await self._read(wanted.order_by(TenantRow.tenant_id).limit(limit))]

    async def add(
        self,
        tenant_id: str,
        profile: Profile,
        *,
        isolation: str,
        database: str,
        actor: str,
        reason: str = "onboarded",
        call: ActivationCall | None = None,
    ) -> Tenant:
        """Write down a new tenant, ``pending``. The id of a cancelled one, that never had data, is free again."""
        now = self._clock()
        columns = {
            "tenant_id": tenant_id,
            "status": TenantStatus.PENDING,
            "isolation": isolation,
            "database": database,
            "created_at": now,
            "data_preserved": True,
            "activation": 0,
            "tables": TABLES_VERSION,
            "version": 1,
            **rows.columns(profile, call),
        }
        step = {"went_to": TenantStatus.PENDING, "at": now, "actor": actor, "reason": reason}
        while (row := await self._take(None, columns, step)) is None:
            old = await self.find(tenant_id)
            if old is not None:
                raise Purged if old.status is TenantStatus.PURGED else TenantAlreadyExists
            mine = _TENANT.c.tenant_id == tenant_id, _TENANT.c.status == TenantStatus.CANCELLED
            await self._write(delete(_TENANT).where(*mine))
        return rows.tenant(row)

    async def describe(self, tenant: Tenant, profile: Profile, call: ActivationCall | None = None) -> Tenant:
        """Write down what the subscriber decided, and which call the coming activation answers.

        The access keys of an administrator who is another one now end.
        """
        tenant_id, columns = tenant.tenant_id, rows.columns(profile, call)
        if tenant.profile.admin_email == profile.admin_email:
            return await self.change(tenant_id, **columns)
        async with self._transaction() as session:
            await rows.locked(session, tenant_id)
            await session.execute(delete(AccessKeyRow).where(AccessKeyRow.tenant_id == tenant_id))
            changed = await session.execute(_change(tenant_id, columns))
            return rows.tenant(changed.one())

    async def change(self, tenant_id: str, **columns: Any) -> Tenant:
        """Change columns of the tenant that are not its status, and return it."""
        row = await self._write(_change(tenant_id, columns))
        if row is None:
            raise rows.unknown(tenant_id)
        return rows.tenant(row)

    async def receipt(self, tenant_id: str) -> DeletionReceipt:
        """Return what was deleted of a purged tenant. Raises :class:`~mt_paas.errors.TenantNotFound`."""
        row = await self._read_one(select(_RECEIPT).where(_RECEIPT.c.tenant_id == tenant_id))
        if row is None:
            raise rows.unknown(tenant_id)
        return DeletionReceipt(
            receipt_id=row.receipt_id, tenant_id=tenant_id, purged_at=row.purged_at, deleted=row.deleted
        )

    async def transition(
        self, tenant: Tenant, to: TenantStatus, *, reason: str, actor: str, changes: Mapping[str, Any] | None = None
    ) -> Tenant:
        """Move the tenant, as it was looked up, to ``to``, with these ``changes`` of its columns; return it.

        Raises :class:`~mt_paas.errors.IllegalTransition` and changes nothing then.
        """
        while True:
            check(tenant.status, to)
            now = self._clock()
            columns = {"tenant_id": tenant.tenant_id, **(changes or {}), **_arrival(tenant, to, now, reason)}
            step = {"went_to": to, "at": now, "actor": actor, "reason": reason}
            answered = None
            if "activation" in columns and tenant.idempotency_key is not None:
                answered = AnsweredCall(
                    tenant_id=tenant.tenant_id,
                    kind="activate",
                    idempotency_key=tenant.idempotency_key,
                    activation=columns["activation"],
                )
            row = await self._take(tenant.status, columns, step, answered)
            if row is not None:
                return rows.tenant(row)
            tenant = await self.get(tenant.tenant_id)  # somebody else has moved it

    async def record_failure(self, tenant_id: str, during: TenantStatus, *, reason: str, actor: str) -> None:
        """Write down that a step failed and left the tenant in ``during``, from where it is tried again."""
        step = {"went_to": during, "at": self._clock(), "actor": actor, "reason": reason}
        await self._take(during, {"tenant_id": tenant_id, "failure_reason": reason}, step)

    async def _take(
        self,
        came_from: TenantStatus | None,
        columns: Mapping[str, Any],
        step: Mapping[str, Any],
        answered: AnsweredCall | None = None,
    ) -> Row[Any] | None:
        """Take a step of a tenant that is in the status ``came_from``, or is new; return its row, or null if it is not.

        With it goes the call that is ``answered`` by it.
        """
        statement, changed = _step(came_from, tuple(columns))
        if answered is not None:
            statement = statement.add_cte(*keep_answer(answered, step["at"], only_with=changed))
        values = {f"new_{name}": value for name, value in {**columns, **step}.items()}
        if step["went_to"] is not TenantStatus.PURGED:
            return await self._write(statement, values)
        async with self._transaction() as session:
            await rows.locked(session, columns["tenant_id"])  # so that the next statements see all that was written
            row: Row[Any] | None = (await session.execute(statement, values)).one_or_none()
            if row is not None:
                await session.execute(self._deletion(row.tenant_id, step["at"]))
            return row

    def _deletion(self, tenant_id: str, now: datetime) -> Insert:
        """Return the statement that deletes what else is kept of the tenant, and writes the receipt."""
        kept = (AccessKeyRow, AnsweredCallRow, CallbackRow, UsageRow)
        receipt_id, deleted = f"rcpt_{secrets.token_hex(12)}", [*_DELETED, *self._also_deleted]
        receipt = insert(_RECEIPT).values(tenant_id=tenant_id, receipt_id=receipt_id, purged_at=now, deleted=deleted)
        return receipt.add_cte(
            *(delete(each).where(each.tenant_id == tenant_id).cte(f"gone_{each.__tablename__}") for each in kept)
        )


def _change(tenant_id: str, columns: Mapping[str, Any]) -> Executable:
    changed = update(_TENANT).where(_TENANT.c.tenant_id == tenant_id).values(**columns, version=_TENANT.c.version + 1)
    return changed.returning(*_TENANT.c)


@cache
def _step(came_from: TenantStatus | None, columns: tuple[str, ...]) -> tuple[Select[Any], CTE]:
    """Return the statement that changes columns of one tenant, or adds it, and adds the step: both, or neither.

    And what is in it where it does. The values are to be given, each as ``new_`` and the name of its column.
    """
    change: Insert | Update
    values: dict[str, ColumnElement[Any]] = {
        name: bindparam(f"new_{name}", type_=_TENANT.c[name].type) for name in columns
    }
    if came_from is None:
        change = insert(_TENANT).values(values).on_conflict_do_nothing(index_elements=["tenant_id"])
    else:
        values |= {"version": _TENANT.c.version + 1}
        mine = _TENANT.c.tenant_id == values.pop("tenant_id"), _TENANT.c.status == came_from
        change = update(_TENANT).where(*mine).values(values)
    changed = change.returning(*_TENANT.c).cte("changed")
    given = {name: bindparam(f"new_{name}", type_=_STEP.c[name].type) for name in ("went_to", "at", "actor", "reason")}
    step = select(changed.c.tenant_id, literal(came_from, _STEP.c.came_from.type), *given.values())
    added = insert(_STEP).from_select(["tenant_id", "came_from", *given], step).cte("added")
    return select(changed).add_cte(added), changed


def _arrival(tenant: Tenant, to: TenantStatus, now: datetime, reason: str) -> dict[str, Any]:
    """Return what it means for the columns of the tenant to become ``to``."""
    columns: dict[str, Any] = {"status": to}
    if to is TenantStatus.FAILED:
        columns |= {"failure_reason": reason}
    elif to is TenantStatus.ACTIVE and tenant.status is TenantStatus.PROVISIONING:
        columns |= {"activation": tenant.activation + 1, "activated_at": now, "data_preserved": True}
        columns |= dict.fromkeys(("deactivate_at", "deactivated_at", "reactivation_deadline", "failure_reason"))
    elif to is TenantStatus.DEACTIVATED:
        columns |= {"deactivated_at": tenant.deactivate_at or now, "deactivate_at": None, "failure_reason": None}
    elif to is TenantStatus.PURGED:
        columns |= {"name": "", "plan": "", "features": [], "config": {}, "data_preserved": False}
        columns |= dict.fromkeys(("admin_email", "admin_name", "fingerprint", "idempotency_key"))
        columns |= {"reactivation_deadline": None, "failure_reason": None}
    return columns
