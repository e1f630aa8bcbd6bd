""":class:`TenantManager`: the tenants of one service, from onboarding to purge, and a session for each.

It needs a PostgreSQL database of its own, the registry, and the service's tables as SQLAlchemy metadata. Every change
of a tenant's status goes through :class:`~mt_paas.core.lifecycle.TenantLifecycle` and leaves a row. For one tenant one
such call works at a time, whatever the number of processes: another raises
:class:`~mt_paas.errors.OperationInProgress` and leaves nothing behind.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from mt_paas.errors import (
    MissingExtraError,
    OperationInProgress,
    ServiceNotReady,
    TenantNotActive,
)

try:
    from sqlalchemy import MetaData
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import AsyncSession
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.core.manager", "sqlalchemy") from error

from mt_paas.core.access_keys import AccessKey, AccessKeys
from mt_paas.core.clock import Clock, utc_now
from mt_paas.core.cursors import Cursors
from mt_paas.core.database.blueprint import Blueprint
from mt_paas.core.database.isolations import IsolationPlan, Isolations
from mt_paas.core.database.server import parse_url
from mt_paas.core.faults import told_when_away
from mt_paas.core.for_tenant import require_tenant_id
from mt_paas.core.identity import ServiceIdentity
from mt_paas.core.lifecycle import TenantStatus, check
from mt_paas.core.lookups import Lookups
from mt_paas.core.migrations.revisions import TenantRevisions
from mt_paas.core.migrations.store import RevisionStore
from mt_paas.core.moving.api import MoveTools, MovingTenants
from mt_paas.core.moving.backups import BackupTools
from mt_paas.core.moving.store import MoveStore
from mt_paas.core.operation import OperationTools, TenantOperation
from mt_paas.core.operation_store import OperationStore
from mt_paas.core.parts import Parts
from mt_paas.core.schemas import Profile, Tenant, TenantPage, Transition
from mt_paas.core.store import Store
from mt_paas.core.tenant_tables import TABLES_VERSION, refuse_collisions
from mt_paas.standard_api.models import Callback, DeletionReceipt
from mt_paas.utils.pool_settings import PoolSettings

if TYPE_CHECKING:
    from mt_paas.core.migrations.scripts import Migrations

__all__ = ["TenantManager"]

AnyStore = TypeVar("AnyStore", bound=Store)

_SWEEP_AT_ONCE = 500
_log = logging.getLogger(__name__)


class TenantManager(MovingTenants):
    """The tenants of ``service_id``. Use it as an async context manager, or call ``start`` and ``close``.

    ``database_url`` may be a coroutine function: it is called at ``start``, for a server that has to be started first.
    ``metadata`` are the tables that each tenant has; with ``migrations``, a folder of Alembic's, these make the tables,
    and with ``refuse_behind`` a tenant that waits for them has no sessions. ``secret`` is what passwords and links are
    derived from; without one it is generated once and kept in the registry. Data of a deactivated tenant are kept for
    ``retention``. Names of databases and roles begin with ``tenant_prefix``: services on one server need one each.
    """

    def __init__(
        self,
        database_url: str | Callable[[], Awaitable[str]],
        *,
        service_id: str,
        metadata: MetaData | None = None,
        secret: str | None = None,
        retention: timedelta = timedelta(days=90),
        tenant_prefix: str = "tnnt_",
        isolation: IsolationPlan | None = None,
        pools: PoolSettings | None = None,
        clock: Clock = utc_now,
        migrations: Path | None = None,
        refuse_behind: bool = False,
    ) -> None:
        self.service_id = service_id
        self.clock = clock
        self._database_url = database_url
        refuse_collisions(metadata or MetaData())
        self.blueprint = Blueprint(metadata or MetaData(), _migrations(migrations))
        self._secret = secret
        self._retention = retention
        self._tenant_prefix = tenant_prefix
        self._isolation = isolation or IsolationPlan()
        self._refuse_behind = refuse_behind
        #: How many connections there are, from the next ``start`` on.
        self.bounds = pools or PoolSettings()
        self._running: tuple[Parts, ServiceIdentity] | None = None
        #: What this process remembers of tenants and access keys.
        self.lookups = Lookups()
        #: What else of a tenant is deleted when it is purged, by its word in the receipt.
        self.on_purge: dict[str, Callable[[str], Awaitable[None]]] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Get ready: make the registry and the tenants' template where they are missing."""
        given = self._database_url
        parts = Parts.build(
            parse_url(given if isinstance(given, str) else await given()),
            self.blueprint,
            self._isolation,
            prefix=self._tenant_prefix,
            bounds=self.bounds,
            clock=self.clock,
            keys_changed=self.lookups.forget,
            on_purge=self.on_purge,
        )
        try:
            identity = await parts.registry.start(self.service_id, self._secret)
            async with parts.lock.connect() as connection:
                await parts.isolation.start(connection, identity)
            await self.lookups.start(parts.engine.url)
        except BaseException:
            await self.lookups.close()
            await parts.close()
            raise
        self._running = parts, identity

    async def close(self) -> None:
        """Close every connection. Calls from now on raise :class:`~mt_paas.errors.ServiceNotReady`."""
        running, self._running = self._running, None
        if running is not None:
            await self.lookups.close()
            await running[0].close()

    @property
    def identity(self) -> ServiceIdentity:
        """Whose registry this is. Raises :class:`~mt_paas.errors.ServiceNotReady` before ``start``."""
        if self._running is None:
            raise ServiceNotReady
        return self._running[1]

    @asynccontextmanager
    async def operation(
        self, tenant_id: str, *, actor: str = "service", beside: tuple[str, ...] = ()
    ) -> AsyncIterator[TenantOperation]:
        """Hold the tenant for several steps, and those ``beside`` it that nobody else is to work on meanwhile.

        Raises :class:`~mt_paas.errors.OperationInProgress` when one of them is held.
        """
        require_tenant_id(tenant_id)
        parts = self._parts
        tables = TenantRevisions(self.blueprint, parts.isolation, self.store(RevisionStore))
        tools = OperationTools(
            parts.registry, parts.isolation, tables, self.store(MoveStore), self.clock, self._retention, self.on_purge
        )
        async with parts.lock.hold(tenant_id, *beside) as connection:
            with self.lookups.changing(tenant_id):
                yield TenantOperation(tools, connection, tenant_id, actor)

    async def onboard_tenant(
        self,
        tenant_id: str,
        name: str,
        service_type: str | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        plan: str = "basic",
        features: tuple[str, ...] = (),
        isolation: str | None = None,
    ) -> Tenant:
        """Write down a new tenant, ``pending``: its data have no place yet. ``service_type`` is the service's id.

        It gets the ``isolation`` of this name; without one, what the service's ``IsolationPlan`` says for its plan.
        """
        profile = Profile(
            name=name, service_type=service_type or self.service_id, plan=plan, features=features, config=config or {}
        )
        async with self.operation(tenant_id) as operation:
            return await operation.onboard(profile, isolation)

    async def provision_tenant(self, tenant_id: str) -> Tenant:
        """Make an onboarded tenant real and ``active``; one that failed or was cut off is completed."""
        async with self.operation(tenant_id) as operation:
            return await operation.provision()

    def get_tenant_session(self, tenant_id: str) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session on the tenant's database, as the tenant's role.

        It commits at the end and rolls back on an error. Raises :class:`~mt_paas.errors.TenantNotFound`, and
        :class:`~mt_paas.errors.TenantBlocked` for a tenant that is not open.
        """
        return _Opened(self, tenant_id)

    def open_session(self, tenant: Tenant) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session for a tenant that was looked up just now; as ``get_tenant_session``."""
        return _Opened(self, tenant)

    def require_head(self, tenant: Tenant) -> None:
        """Raise :class:`~mt_paas.errors.ServiceNotReady` for a tenant that waits for migrations, if so configured."""
        if self._refuse_behind:
            self.blueprint.require_head(tenant)

    @asynccontextmanager
    async def visit(
        self, tenant: Tenant, *, closed: bool = False, snapshot: bool = False
    ) -> AsyncIterator[AsyncSession]:
        """Open a session for the market's work: on a suspended tenant too, and with ``closed`` on a deactivated one.

        The library's tables are there. With ``snapshot`` it reads everything as it was at its beginning, and writes
        nothing. Raises :class:`~mt_paas.errors.TenantNotActive`.
        """
        status = tenant.status_at(self.clock())
        if not (tenant.is_working(self.clock()) or (closed and status is TenantStatus.DEACTIVATED)):
            raise TenantNotActive(f"Tenant {tenant.tenant_id} is {status}.")
        tenant.require_usable()
        parts = self._parts
        if tenant.tables < TABLES_VERSION:
            await parts.isolation.complete(tenant)
            await parts.registry.change(tenant.tenant_id, tables=TABLES_VERSION)
        try:
            with told_when_away("The tenant's database"):
                async with self._told_when_moved(tenant), parts.isolation.session(tenant, snapshot=snapshot) as session:
                    yield session
        finally:
            if status is TenantStatus.DEACTIVATED:
                await parts.isolation.shut(tenant)

    async def get_tenant(self, tenant_id: str) -> Tenant:
        """Return the tenant. Raises :class:`~mt_paas.errors.TenantNotFound`."""
        lookups = self.lookups
        return lookups.known_tenant(tenant_id) or await lookups.tenant(tenant_id, self._parts.registry.get)

    async def list_tenants(
        self, *, cursor: str | None = None, limit: int = 100, status: TenantStatus | None = None
    ) -> TenantPage:
        """Return a page of up to ``limit`` tenants, ordered by id, with the cursor of the next.

        Raises :class:`~mt_paas.errors.InvalidQuery` for a cursor that is not of this list.
        """
        return await self._page(cursor, limit, status)

    async def inventory(self, *, cursor: str | None = None, limit: int = 100) -> TenantPage:
        """Return a page of the tenants that are there for the market; as ``list_tenants``."""
        return await self._page(cursor, limit, None, known=True)

    async def find_tenant_of(self, admin_email: str) -> Tenant | None:
        """Return the open tenant that this address administers, in whatever letter case; null when it has none."""
        return await self._parts.registry.find_by_admin(admin_email, self.clock())

    async def history(self, tenant_id: str) -> tuple[Transition, ...]:
        """Return every step of the tenant's life, oldest first; it outlives the tenant."""
        return await self._parts.registry.history(tenant_id)

    async def storage_bytes(self, tenant: Tenant) -> int:
        """Return how many bytes the tenant's data take on disk."""
        return await self._parts.isolation.storage_bytes(tenant)

    async def update_tenant(
        self,
        tenant_id: str,
        *,
        name: str | None = None,
        plan: str | None = None,
        features: tuple[str, ...] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Tenant:
        """Change an active tenant; what is left out stays."""
        given = {"name": name, "plan": plan, "features": features, "config": config}
        changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        async with self.operation(tenant_id) as operation:
            profile = replace((await operation.get()).profile, **changes)
            return await operation.update(profile, f"changed: {', '.join(changes) or 'nothing'}")

    async def suspend_tenant(self, tenant_id: str, reason: str) -> Tenant:
        """Block an active tenant for its users; its data are untouched."""
        async with self.operation(tenant_id) as operation:
            return await operation.suspend(reason)

    async def resume_tenant(self, tenant_id: str, reason: str = "resumed") -> Tenant:
        """Open a suspended tenant again."""
        async with self.operation(tenant_id) as operation:
            return await operation.resume(reason)

    async def deactivate_tenant(
        self, tenant_id: str, reason: str = "admin_request", *, preserve_data: bool = True, at: datetime | None = None
    ) -> Tenant:
        """Deactivate the tenant, now or when ``at`` has come; without ``preserve_data`` its data are deleted then."""
        async with self.operation(tenant_id) as operation:
            if at is not None and at > self.clock():
                check((await operation.settle()).status, TenantStatus.DEACTIVATING)
                return await operation.schedule(at, preserve_data=preserve_data)
            return await operation.deactivate(reason, preserve_data=preserve_data)

    async def reactivate_tenant(self, tenant_id: str) -> Tenant:
        """Bring a deactivated tenant back with its data. Raises :class:`~mt_paas.errors.TenantPurged` if it is late."""
        async with self.operation(tenant_id) as operation:
            return await operation.provision("reactivated")

    async def purge_tenant(self, tenant_id: str, reason: str = "purged") -> Tenant:
        """Delete the data of a deactivated tenant now, deadline or not; its id is not given out again."""
        async with self.operation(tenant_id) as operation:
            return await operation.purge(reason)

    async def sweep(self) -> int:
        """Do what is due for all tenants, and return how many steps were taken.

        Scheduled deactivations whose time has come, data whose deadline is over, what a crash cut off, and places that
        tenants have left. Any number
        of processes may sweep at once; a tenant that is held, or fails, is left for the next sweep.
        """
        done, after = 0, ""
        while found := await self._parts.registry.overdue(self.clock(), after, _SWEEP_AT_ONCE):
            done += sum([await self._settle(tenant_id) for tenant_id in found])
            after = found[-1]
        return done + await self._tend_moves()

    async def tenants_behind(self) -> int:
        """Return how many tenants wait for the service's migrations, or are in quarantine for one that failed."""
        migrations = self.blueprint.migrations
        if migrations is None:
            return 0
        standings = await self.store(RevisionStore).standings()
        return sum(each.count for each in standings if each.is_quarantined or migrations.is_behind(each.revision))

    async def check_database(self) -> None:
        """Return when the registry answers. Raises :class:`~mt_paas.errors.ServiceNotReady` when it does not."""
        await self._parts.registry.ping()

    async def add_access_key(self, tenant: Tenant, digest: str) -> None:
        """Keep the access key of the tenant's credentials. Raises ``LinkExpired`` when they gave one already."""
        await self._parts.keys.add_key(tenant, digest)

    async def find_access_key(self, digest: str) -> AccessKey | None:
        """Return the access key with this digest, ended or not."""
        lookups = self.lookups
        return lookups.known_key(digest) or await lookups.key(digest, self._parts.access_keys.find)

    async def rotate_credentials(self, tenant_id: str) -> Tenant:
        """End the tenant's set-up link and access keys. Raises :class:`~mt_paas.errors.TenantNotActive`."""
        with self.lookups.changing(tenant_id):
            return await self._parts.keys.rotate(tenant_id)

    async def set_callback(self, tenant_id: str, callback: Callback) -> None:
        """Keep how to report back about the tenant, in place of what was kept before."""
        await self._parts.keys.set_callback(tenant_id, callback)

    async def callback(self, tenant_id: str) -> Callback | None:
        """Return how to report back about the tenant; null where the market never said."""
        return await self._parts.keys.callback(tenant_id)

    async def receipt(self, tenant_id: str) -> DeletionReceipt:
        """Return what was deleted of a purged tenant. Raises :class:`~mt_paas.errors.TenantNotFound`."""
        return await self._parts.registry.receipt(tenant_id)

    @property
    def access_keys(self) -> AccessKeys:
        """The access keys of tenants: to make, list, replace and end them."""
        return self._parts.access_keys

    @property
    def operations(self) -> OperationStore:
        """The operations of this service: calls that were answered with 202."""
        return self._parts.operations

    def store(self, kind: type[AnyStore]) -> AnyStore:
        """Return queries of another kind on the registry of this service."""
        return kind(self._parts.engine, self.clock)

    @property
    def cursors(self) -> Cursors:
        """The cursors of this service's lists."""
        return Cursors(self.identity.secret)

    async def _settle(self, tenant_id: str) -> bool:
        """Do what is due for the tenant, and tell whether that was done."""
        try:
            async with self.operation(tenant_id, actor="sweep") as operation:
                await operation.settle()
        except OperationInProgress:
            return False
        except Exception as error:  # noqa: BLE001 - one tenant's trouble, whatever it is, does not stop the others
            _log.warning("the sweep leaves tenant %s for the next time: %s", tenant_id, type(error).__name__)
            return False
        return True

    async def _page(
        self, cursor: str | None, limit: int, status: TenantStatus | None, *, known: bool = False
    ) -> TenantPage:
        scope = ("tenants", status, "known" if known else None)
        after = self.cursors.decode(scope, cursor)[0] if cursor is not None else None
        found = await self._parts.registry.page(after, limit + 1, status, known=known)
        items = tuple(found[:limit])
        return TenantPage(items, self.cursors.encode(scope, items[-1].tenant_id) if len(found) > limit else None)

    @property
    def isolation(self) -> Isolations:
        """How the tenants are kept apart."""
        return self._parts.isolation

    @property
    def _moving(self) -> MoveTools:
        parts = self._parts
        backups = BackupTools(parts.isolation, self.blueprint, self.identity, self.clock)
        return MoveTools(parts.registry, parts.isolation, self.store(MoveStore), parts.lock, self.lookups, backups)

    @property
    def _parts(self) -> Parts:
        if self._running is None:
            raise ServiceNotReady
        return self._running[0]


class _Opened(AbstractAsyncContextManager[AsyncSession]):
    """The session of a tenant who is open, for a block. Every request has one, so it is no generator."""

    __slots__ = ("_manager", "_session", "_tenant")

    def __init__(self, manager: TenantManager, tenant: Tenant | str) -> None:
        self._manager = manager
        self._tenant = tenant

    async def __aenter__(self) -> AsyncSession:
        manager, tenant = self._manager, self._tenant
        if isinstance(tenant, str):
            require_tenant_id(tenant)
            self._tenant = tenant = await manager.get_tenant(tenant)
        tenant.require_open(manager.clock())
        manager.require_head(tenant)
        self._session = manager.isolation.session(tenant)
        try:
            return await self._session.__aenter__()
        except DBAPIError as error:
            await manager.tell_if_moved(tenant, error)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert isinstance(self._tenant, Tenant)  # noqa: S101 - since it was entered
        try:
            await self._session.__aexit__(kind, error, trace)
        except DBAPIError as fault:
            await self._manager.tell_if_moved(self._tenant, fault)
            raise
        if isinstance(error, DBAPIError):
            await self._manager.tell_if_moved(self._tenant, error)


def _migrations(folder: Path | None) -> Migrations | None:
    if folder is None:
        return None
    from mt_paas.core.migrations.scripts import Migrations  # here: only who has some needs Alembic

    return Migrations(folder)
