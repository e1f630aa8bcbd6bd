"""One tenant, held: the steps of its life, while no other process takes one.

:class:`TenantLock` is an advisory lock of PostgreSQL on a connection of its own: it works across processes, ends with
the process that held it, and keeps no transaction open. :class:`TenantOperation` is what may be done under it; every
step is idempotent, so that a step that was cut off is taken again and completes.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, bindparam, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from mt_paas.core.clock import Clock
from mt_paas.core.database.isolations import Isolations
from mt_paas.core.faults import told_when_away
from mt_paas.core.held import HeldTenant
from mt_paas.core.lifecycle import TenantLifecycle, TenantStatus, check
from mt_paas.core.migrations.revisions import TenantRevisions
from mt_paas.core.moving.mover import Mover
from mt_paas.core.moving.store import MoveStore
from mt_paas.core.moving.wiping import wipe
from mt_paas.core.registry import Registry
from mt_paas.core.schemas import ActivationCall, Profile, Tenant
from mt_paas.errors import IllegalTransition, MtPaasError, OperationInProgress, ServiceNotReady, TenantPurged

if TYPE_CHECKING:
    from mt_paas.core.migrations.scripts import Request, Step

__all__ = ["OperationTools", "TenantLock", "TenantOperation"]

_TAKE, _LET_GO = (
    select(function(bindparam("key", type_=BigInteger)))
    for function in (func.pg_try_advisory_lock, func.pg_advisory_unlock)
)


class TenantLock:
    """The right to take a step in a tenant's life. This process has ``limit`` places for those who hold one.

    Whoever finds none free waits for ``patience`` seconds. Nobody who has a place may wait for another: that would be
    for good, where all others do so too.

    ``engine`` is in autocommit, and its pool takes connections back as they are: one that was not given back in order
    is closed, for a lock of PostgreSQL belongs to its connection.
    """

    def __init__(self, engine: AsyncEngine, limit: int, patience: float) -> None:
        self._engine = engine
        self._patience = patience
        self._places = asyncio.Semaphore(limit)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """Lend a connection in autocommit, for what can not run in a transaction.

        Raises :class:`~mt_paas.errors.ServiceNotReady` when no place became free in time.
        """
        async with self._place():
            with told_when_away("The database of this service"):
                connection = await self._engine.connect().start()
            try:
                yield connection
            except MtPaasError:  # a refusal of ours, and not of the connection
                raise
            except BaseException:
                await connection.invalidate()
                raise
            finally:
                await connection.close()

    @asynccontextmanager
    async def hold(self, *tenant_ids: str) -> AsyncIterator[AsyncConnection]:
        """Hold the tenants, all of them over one connection.

        Raises :class:`~mt_paas.errors.OperationInProgress` at once when somebody else holds one of them.
        """
        async with self.connect() as connection, AsyncExitStack() as held:
            for tenant_id in sorted(set(tenant_ids)):
                key = _key(tenant_id)
                if not await connection.scalar(_TAKE, {"key": key}):
                    raise OperationInProgress
                held.push_async_callback(_let_go, connection, key)
            yield connection

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError as error:
            raise ServiceNotReady("All places for lifecycle calls are taken; try again shortly.") from error
        try:
            yield
        finally:
            self._places.release()


def _key(tenant_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"mt_tenant {tenant_id}".encode()).digest()[:8], "big", signed=True)


async def _let_go(connection: AsyncConnection, key: int) -> None:
    """Release the lock; a connection that can not say that it has is closed, and the lock ends with it."""
    released = False
    try:
        released = bool(await connection.scalar(_LET_GO, {"key": key}))
    except SQLAlchemyError:
        """It broke, or was cut off in a statement."""
    finally:
        if not released:
            await connection.invalidate()


@dataclass(frozen=True, slots=True)
class OperationTools:
    """What every operation works with."""

    registry: Registry
    isolation: Isolations
    tables: TenantRevisions
    moves: MoveStore
    clock: Clock
    retention: timedelta
    on_purge: Mapping[str, Callable[[str], Awaitable[None]]]


class TenantOperation:
    """What may be done with one tenant while it is held. ``actor`` is who does it, for the history."""

    def __init__(self, tools: OperationTools, connection: AsyncConnection, tenant_id: str, actor: str) -> None:
        self._registry, self._isolation = tools.registry, tools.isolation
        self._held = HeldTenant(tools.registry, tenant_id)
        self._lifecycle = TenantLifecycle(self._held)
        self._clock, self._retention = tools.clock, tools.retention
        self._on_purge = tools.on_purge
        self._tables = tools.tables
        self._mover = Mover(tools.registry, tools.isolation, tools.moves, connection, tenant_id)
        self.connection = connection
        self._actor = actor
        self.tenant_id = tenant_id

    async def find(self) -> Tenant | None:
        """Return the tenant as it is now, or null."""
        return await self._held.find()

    async def get(self) -> Tenant:
        """Return the tenant as it is now. Raises :class:`~mt_paas.errors.TenantNotFound`."""
        return await self._held.get()

    async def onboard(
        self,
        profile: Profile,
        isolation: str | None = None,
        reason: str = "onboarded",
        call: ActivationCall | None = None,
    ) -> Tenant:
        """Write down a new tenant, ``pending``, with the isolation of this name or the one that its plan gets.

        ``call`` is the one that its activation answers.
        """
        chosen = self._isolation.choose(profile.plan, isolation)
        return self._know(
            await self._registry.add(
                self.tenant_id,
                profile,
                isolation=chosen.name,
                database=chosen.place(self.tenant_id),
                actor=self._actor,
                reason=reason,
                call=call,
            )
        )

    async def describe(self, profile: Profile, call: ActivationCall | None = None) -> Tenant:
        """Change what the subscriber decides about a tenant that is not at work, for its next activation.

        ``call`` is the one that this answers.
        """
        return self._know(await self._registry.describe(await self.get(), profile, call))

    async def provision(self, reason: str = "provisioned") -> Tenant:
        """Make the tenant real and ``active``: a new one, a failed one, a deactivated one with its data.

        Raises :class:`~mt_paas.errors.TenantPurged` for one whose deadline is over.
        """
        tenant = await self.settle()
        if tenant.status is TenantStatus.PURGED:
            raise TenantPurged
        resume = tenant.status is TenantStatus.PROVISIONING
        async with self._lifecycle.provisioning(self.tenant_id, reason=reason, actor=self._actor, resume=resume):
            is_new = await self._isolation.create(self.connection, tenant)
            self._held.changes = await self._tables.arrive(tenant, is_new=is_new)
        return await self.get()

    async def migrate(self, request: Request) -> Step:
        """Bring the tenant's tables to the revision that is asked for; it is in no quarantine then."""
        return await self._tables.migrate(await self.get(), request)

    async def update(self, profile: Profile, reason: str) -> Tenant:
        """Change what the subscriber decides about an active tenant."""
        await self.settle()
        async with self._lifecycle.updating(self.tenant_id, reason=reason, actor=self._actor):
            await self.describe(profile)
        return await self.get()

    async def suspend(self, reason: str) -> Tenant:
        """Block an active tenant for its users."""
        await self.settle()
        return await self._become(TenantStatus.SUSPENDED, reason)

    async def resume(self, reason: str) -> Tenant:
        """Open a suspended tenant again. Nothing else becomes active this way, though the table knows other ways."""
        tenant = await self.settle()
        if tenant.status is not TenantStatus.SUSPENDED:
            raise IllegalTransition(f"tenant {self.tenant_id}", tenant.status, TenantStatus.ACTIVE)
        return await self._become(TenantStatus.ACTIVE, reason)

    async def schedule(self, at: datetime, *, preserve_data: bool) -> Tenant:
        """Write down that the tenant is deactivated at ``at``; until then it works."""
        return self._know(await self._registry.change(self.tenant_id, **self._end(at, preserve_data=preserve_data)))

    async def keep_open(self) -> Tenant:
        """Take back a deactivation that is scheduled; without one nothing changes."""
        return self._know(
            await self._registry.change(
                self.tenant_id, deactivate_at=None, data_preserved=True, reactivation_deadline=None
            )
        )

    async def deactivate(self, reason: str, *, preserve_data: bool) -> Tenant:
        """Close the tenant for its users now, and delete its data unless they are preserved.

        One that is closed already stays as it is, unless its data are not to be preserved any longer.
        """
        tenant = await self.settle()
        if tenant.status in {TenantStatus.DEACTIVATED, TenantStatus.PURGED}:
            return tenant if preserve_data else await self.purge(reason)
        check(tenant.status, TenantStatus.DEACTIVATING)
        self._held.changes = self._end(self._clock(), preserve_data=preserve_data)
        await self._close(tenant, reason)
        return await self.settle(reason)

    async def purge(self, reason: str) -> Tenant:
        """Delete the data of a deactivated tenant. Its id stays as a tombstone."""
        tenant = await self.settle()
        if tenant.status is TenantStatus.PURGED:
            return tenant
        check(tenant.status, TenantStatus.PURGING)
        self._held.changes = {"data_preserved": False, "reactivation_deadline": None}
        return await self._delete(tenant, reason)

    async def cancel(self, reason: str) -> None:
        """Undo a tenant that never became active: nothing of it is left, and its id is free."""
        tenant = await self.get()
        if tenant.activation:
            raise IllegalTransition(f"tenant {self.tenant_id}", tenant.status, TenantStatus.CANCELLED)
        if tenant.status is TenantStatus.PROVISIONING:
            await self._become(TenantStatus.FAILED, reason)
        await self._isolation.drop(self.connection, tenant)
        await self._become(TenantStatus.CANCELLED, reason)
        self._held.became(None)

    async def abandon(self, reason: str) -> Tenant:
        """Complete a reactivation that was cut off, and close the tenant again: ``deactivated``, its data preserved."""
        await self.provision("completed, to be deactivated")
        return await self.deactivate(reason, preserve_data=True)

    async def settle(self, reason: str = "its time had come") -> Tenant:
        """Take the steps that are due and return the tenant after them.

        Due are a deactivation whose time has come, what was cut off (a change, a deactivation, a purge), and the
        deletion of data that are not preserved, or no longer.
        """
        tenant = await self.get()
        if tenant.status is TenantStatus.UPDATING:
            tenant = await self._become(TenantStatus.ACTIVE, "a change was cut off")
        if tenant.status is TenantStatus.DEACTIVATING or (
            tenant.status is not TenantStatus.DEACTIVATED
            and tenant.status_at(self._clock()) is TenantStatus.DEACTIVATED
        ):
            tenant = await self._close(tenant, reason)
        if tenant.status is TenantStatus.PURGING or tenant.is_past_deadline(self._clock()):
            tenant = await self._delete(tenant, reason)
        return tenant

    async def _become(self, status: TenantStatus, reason: str) -> Tenant:
        await self._held.transition(self.tenant_id, status, reason=reason, actor=self._actor)
        return await self.get()

    def _know(self, tenant: Tenant) -> Tenant:
        self._held.became(tenant)
        return tenant

    def _end(self, at: datetime, *, preserve_data: bool) -> dict[str, Any]:
        """Return the columns that say when the tenant is deactivated, and what becomes of its data."""
        deadline = at + self._retention if preserve_data else None
        return {"deactivate_at": at, "data_preserved": preserve_data, "reactivation_deadline": deadline}

    async def _close(self, tenant: Tenant, reason: str) -> Tenant:
        resume = tenant.status is TenantStatus.DEACTIVATING
        async with self._lifecycle.deactivating(self.tenant_id, reason=reason, actor=self._actor, resume=resume):
            await self._isolation.shut(tenant)
        return await self.get()

    async def _delete(self, tenant: Tenant, reason: str) -> Tenant:
        resume = tenant.status is TenantStatus.PURGING
        async with self._lifecycle.purging(self.tenant_id, reason=reason, actor=self._actor, resume=resume):
            for discard in self._on_purge.values():
                await discard(self.tenant_id)
            if await self._mover.settle():  # a move had left another place, and may even have changed the tenant's
                self._held.became(None)
                tenant = await self.get()
            await wipe(self._isolation, tenant, self.connection)
            await self._isolation.drop(self.connection, tenant)
        return await self.get()
