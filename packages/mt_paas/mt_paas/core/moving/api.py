"""What a :class:`~mt_paas.core.manager.TenantManager` can do about where its tenants' data are."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from mt_paas.core.database.isolations import Isolations
from mt_paas.core.database.server import drop_database
from mt_paas.core.for_tenant import require_tenant_id
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.lookups import Lookups
from mt_paas.core.moving.archive import BackupManifest, check_archive, require_free
from mt_paas.core.moving.backups import Backups, BackupTools
from mt_paas.core.moving.mover import MoveOptions, Mover, require_data
from mt_paas.core.moving.scratch import left_behind
from mt_paas.core.moving.store import MoveStore, Phase
from mt_paas.core.registry import Registry
from mt_paas.core.schemas import Profile, Tenant
from mt_paas.errors import BackupInvalid, OperationInProgress, ServiceNotReady

if TYPE_CHECKING:
    from mt_paas.core.operation import TenantLock, TenantOperation

__all__ = ["MoveTools", "MovingTenants"]

_NEW = frozenset({TenantStatus.PENDING, TenantStatus.FAILED})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MoveTools:
    """What moves work with."""

    registry: Registry
    isolations: Isolations
    moves: MoveStore
    lock: TenantLock
    lookups: Lookups
    backups: BackupTools


class MovingTenants(ABC):
    """Moves of tenants between isolations, and backups, restores and clones of one."""

    @property
    @abstractmethod
    def _moving(self) -> MoveTools:
        """What moves work with."""

    @abstractmethod
    def operation(
        self, tenant_id: str, *, actor: str = "service", beside: tuple[str, ...] = ()
    ) -> AbstractAsyncContextManager[TenantOperation]:
        """Hold the tenant for several steps, and those ``beside`` it."""

    async def move_tenant(
        self, tenant_id: str, to: str, *, actor: str = "service", options: MoveOptions | None = None
    ) -> Tenant:
        """Move the tenant with its data to the isolation ``to``, while it is written to; return it at its new place.

        A move that was cut off is taken up. The old place is kept for a day, closed, unless ``options`` say otherwise.
        Raises :class:`~mt_paas.errors.MoveFailed`, and the tenant is where it was;
        :class:`~mt_paas.errors.OperationInProgress` while another move, or a step of its life, is under way.
        """
        async with self._mover(tenant_id) as mover:
            return await mover.move(to, actor, options or MoveOptions())

    async def backup_tenant(self, tenant_id: str, path: Path, *, replace: bool = False) -> BackupManifest:
        """Write a backup of the tenant to ``path``, as it is at one moment, and return what it says of itself.

        The tenant works on. A file of that name is replaced only if ``replace`` says so, when all of the new one is
        written. Raises :class:`~mt_paas.errors.BackupInvalid` where it could not be written: then there is no new file.
        """
        require_free(path, replace=replace)
        async with self._mover(tenant_id) as mover:
            await mover.end()
            tenant = await self._moving.registry.get(tenant_id)
            require_data(tenant)
            return await Backups(self._moving.backups, mover.connection).write(tenant, path, replace=replace)

    async def restore_tenant(
        self, path: Path, *, as_tenant: str | None = None, isolation: str | None = None, replace: bool = False
    ) -> Tenant:
        """Bring a tenant back from its backup, or as another one, ``as_tenant``; return it.

        A tenant that is not there is made, active, with the ``isolation`` of this name. What one has that is there is
        replaced, if ``replace`` says so, all at once, and it keeps its place and status. Raises
        :class:`~mt_paas.errors.BackupInvalid`, and nothing was changed then.
        """
        manifest = await asyncio.to_thread(check_archive, path)
        tenant_id = as_tenant or manifest.tenant_id
        require_tenant_id(tenant_id)
        tools = self._moving
        if manifest.service_id != tools.backups.identity.service_id:
            raise BackupInvalid(f"{path} is of the service {manifest.service_id}, and this is another")
        there = await tools.registry.find(tenant_id)
        if there is not None and not _is_new(there):
            if not replace:
                raise BackupInvalid(
                    f"tenant {tenant_id} is there: replace what it has (--replace), or name another (--as)"
                )
            async with self._mover(tenant_id) as mover:
                await mover.end()
                there = await tools.registry.get(tenant_id)
                require_data(there)
                await Backups(tools.backups, mover.connection).restore(path, there)
            return await tools.registry.get(tenant_id)
        profile = Profile(
            name=manifest.name, service_type=manifest.service_id, plan=manifest.plan, features=manifest.features
        )
        async with self.operation(tenant_id) as operation:
            return await self._make(
                operation, profile, isolation, lambda backups, tenant: backups.restore(path, tenant), "restored"
            )

    async def clone_tenant(
        self, tenant_id: str, new_tenant_id: str, *, name: str | None = None, isolation: str | None = None
    ) -> Tenant:
        """Make a new, active tenant with all that the tenant has at this moment, and return it.

        It has the same plan, features and configuration; nobody administers it yet, and nobody is logged in. Raises
        :class:`~mt_paas.errors.TenantAlreadyExists` for one that is there, unless it is what is left of the same call
        that was cut off; :class:`~mt_paas.errors.OperationInProgress` while either is at a step of its life.
        """
        require_tenant_id(tenant_id)
        async with self.operation(new_tenant_id, beside=(tenant_id,)) as operation:
            await self._end_move(tenant_id, operation.connection)
            source = await self._moving.registry.get(tenant_id)
            require_data(source)
            profile = dataclasses.replace(source.profile, name=name or source.name, admin_email=None, admin_name=None)
            return await self._make(
                operation,
                profile,
                isolation or source.isolation,
                lambda backups, tenant: backups.clone(source, tenant),
                f"cloned from {tenant_id}",
            )

    async def _make(
        self,
        operation: TenantOperation,
        profile: Profile,
        isolation: str | None,
        fill: Callable[[Backups, Tenant], Awaitable[object]],
        reason: str,
    ) -> Tenant:
        """Make a tenant whose data come from elsewhere: active when they are there, else nothing is left of it.

        One that is there is somebody else's, unless its first step says that it was begun for this, and was cut off.
        """
        tools, begun = self._moving, f"to be {reason}"
        tenant = await operation.find()
        if tenant is None or not _is_new(tenant) or await self._first_step(tenant) != begun:
            tenant = await operation.onboard(profile, isolation, begun)
        else:
            tenant = await operation.describe(profile)
        try:
            await tools.isolations.create(operation.connection, tenant)
            await fill(Backups(tools.backups, operation.connection), tenant)
        except BaseException:
            await operation.cancel(f"could not be {reason}")
            raise
        return await operation.provision(reason)

    async def _first_step(self, tenant: Tenant) -> str:
        """Return the reason with which the tenant was written down, the last time that its id was given out."""
        steps = await self._moving.registry.history(tenant.tenant_id)
        return [step.reason for step in steps if step.came_from is None][-1]

    async def _end_move(self, tenant_id: str, connection: AsyncConnection) -> None:
        """End a move of the tenant, which ``connection`` holds, if it is to be ended."""
        tools = self._moving
        with tools.lookups.changing(tenant_id):
            await Mover(tools.registry, tools.isolations, tools.moves, connection, tenant_id).end()

    @asynccontextmanager
    async def _mover(self, tenant_id: str) -> AsyncIterator[Mover]:
        require_tenant_id(tenant_id)
        tools = self._moving
        async with tools.lock.hold(tenant_id) as connection:
            with tools.lookups.changing(tenant_id):
                yield Mover(tools.registry, tools.isolations, tools.moves, connection, tenant_id)

    async def _tend_moves(self) -> int:
        """Do what is due for moves, and return for how many; one that is held, or fails, is left for the next time."""
        done = 0
        for tenant_id in await self._moving.moves.due():
            try:
                async with self._mover(tenant_id) as mover:
                    await mover.tend()
                    done += 1
            except OperationInProgress:
                continue
            except Exception as error:  # noqa: BLE001 - one tenant's trouble, whatever it is, does not stop the others
                _log.warning("the move of tenant %s is left for the next time: %s", tenant_id, type(error).__name__)
        return done + await self._clear_scratch()

    async def _clear_scratch(self) -> int:
        """Drop what backups and restores have left that were killed."""
        tools, done = self._moving, 0
        async with tools.lock.connect() as connection:
            found = await left_behind(connection, tools.backups.identity.registry_id.hex)
        for name, tenant_id in found.items():
            try:
                async with tools.lock.hold(tenant_id) as connection:
                    await drop_database(connection, name)
                    done += 1
            except OperationInProgress:
                continue
        return done

    @asynccontextmanager
    async def _told_when_moved(self, tenant: Tenant) -> AsyncIterator[None]:
        """Raise ``ServiceNotReady`` where PostgreSQL refused a statement because the tenant has moved meanwhile."""
        try:
            yield
        except DBAPIError as error:
            await self.tell_if_moved(tenant, error)
            raise

    async def tell_if_moved(self, tenant: Tenant, error: DBAPIError) -> None:
        """Raise ``ServiceNotReady`` if PostgreSQL refused a statement because the tenant has moved meanwhile."""
        if not isinstance(error, IntegrityError) and await self._has_moved(tenant):
            raise ServiceNotReady(f"Tenant {tenant.tenant_id} has just been moved; try again.") from error

    async def _has_moved(self, tenant: Tenant) -> bool:
        tools = self._moving
        move = await tools.moves.find(tenant.tenant_id)  # before its place, which changes together with the phase
        if move is not None and move.phase is Phase.SHUTTING:
            return True
        now = await tools.registry.find(tenant.tenant_id)
        if now is None or (now.isolation, now.database) == (tenant.isolation, tenant.database):
            return False
        tools.lookups.forget(tenant.tenant_id)
        return True


def _is_new(tenant: Tenant) -> bool:
    """Tell whether the tenant never had data: it may be made from a backup."""
    return tenant.status in _NEW and not tenant.activation
