"""Puts a market together from its settings: the kernel, the rooms with their jobs and listeners, the adapters.

The API and the worker are two doors of the same assembly, and may be open in one process.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2
from mt_paas.errors import ConfigurationError
from mt_paas.postgres import resolve
from mt_paas.standard_api.client import AddressPolicy, Timeouts

from service_market.adapters.standard_api import StandardAPIDriver
from service_market.core import idempotency, seals
from service_market.core.clock import Clock, FileClock, SystemClock
from service_market.core.crypto import SecretBox
from service_market.core.db import Database
from service_market.core.events import EventBus
from service_market.core.jobs import Job, JobQueue, WorkerOptions
from service_market.core.uow import Kernel
from service_market.rooms.catalog import wiring as catalog
from service_market.rooms.identity import wiring as identity
from service_market.rooms.provisioning import wiring as provisioning
from service_market.rooms.reports import wiring as reports
from service_market.rooms.subscriptions import wiring as subscriptions
from service_market.rooms.tenants import wiring as tenants
from service_market.rooms.usage import wiring as usage
from service_market.settings import Environment, Settings

__all__ = [
    "MODELS",
    "ROUTERS",
    "Addresses",
    "Market",
    "assemble",
    "forget_sealed",
    "management_database",
    "require_readable",
]

#: Every module of tables: importing this module makes the metadata whole.
MODELS = (
    identity.models,
    catalog.models,
    tenants.models,
    reports.models,
    subscriptions.models,
    provisioning.models,
    usage.models,
)
ROUTERS = (
    identity.router,
    catalog.router,
    tenants.router,
    reports.router,
    reports.callbacks,
    subscriptions.router,
    provisioning.router,
    usage.router,
)
#: How long the traces of finished jobs and of repeatable requests are kept.
_KEPT = timedelta(days=7)
SECRET_FILE = "secret.key"  # noqa: S105 - the name of a file
_LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The management database's address, in the two forms that its users take."""

    conninfo: str

    @property
    def sqlalchemy(self) -> str:
        """The address for SQLAlchemy's psycopg dialect."""
        return "postgresql+psycopg://" + self.conninfo.partition("://")[2]


@dataclass(frozen=True)
class Market:
    """A market of this process."""

    settings: Settings
    kernel: Kernel
    worker_options: WorkerOptions

    async def work(self) -> None:
        """Run jobs until cancelled."""
        await self.kernel.jobs.run(self.worker_options)

    async def close(self) -> None:
        """Let go of every connection."""
        await self.kernel.database.close()


@asynccontextmanager
async def management_database(settings: Settings) -> AsyncIterator[Addresses]:
    """Give the management database's address while the context lasts; start the embedded server where none is named.

    The embedded server belongs to the first process that asks; others on the same ``home`` share it, and it ends with
    its owner.
    """
    given = settings.database_url.get_secret_value() if settings.database_url else None
    server = await asyncio.to_thread(resolve, settings.home / "postgres", given)
    try:
        if given:
            yield Addresses("postgresql://" + given.partition("://")[2])
        else:
            await asyncio.to_thread(server.create_database_if_missing, settings.database_name)
            yield Addresses(server.url(settings.database_name))
    finally:
        await asyncio.to_thread(server.stop)


def _secret_keys(settings: Settings) -> list[str]:
    if settings.secret_keys:
        return [key.get_secret_value() for key in settings.secret_keys]
    return [_kept(settings.home / SECRET_FILE)]


async def require_readable(settings: Settings, addresses: Addresses) -> None:
    """Raise ``ConfigurationError`` where the database holds what was sealed with a key that is not here.

    A key is not made: where one was lost, a new one in its place would hide that.
    """
    known = await asyncio.to_thread(_known_keys, settings)
    async with _database(addresses) as database:
        count = await seals.count_unreadable(database, known)
    if count:
        file = settings.home / SECRET_FILE
        where = "MARKET_SECRET_KEYS" if settings.secret_keys else f"{file}{'' if known else ', which is not there'}"
        raise ConfigurationError(
            f"The database holds sealed values ({count}), keys of services, set-up links or call-backs, that can not "
            f"be opened with {where}: is this the home of another database? Put the secret key back that it was used "
            f"with. If that is lost, drop them with market forget-sealed, and register each service again."
        )


async def forget_sealed(settings: Settings, addresses: Addresses) -> int:
    """Drop what was sealed with a key that is not here; return how many values that were."""
    known = await asyncio.to_thread(_known_keys, settings)
    async with _database(addresses) as database:
        return await seals.forget_unreadable(database, known)


def _known_keys(settings: Settings) -> frozenset[bytes]:
    if not settings.secret_keys and not (settings.home / SECRET_FILE).exists():
        return frozenset()
    return SecretBox(_secret_keys(settings)).key_ids


@asynccontextmanager
async def _database(addresses: Addresses) -> AsyncIterator[Database]:
    database = Database(addresses.sqlalchemy, pool_size=1)
    try:
        yield database
    finally:
        await database.close()


def _kept(path: Path) -> str:
    """Return the secret in the file; make one where there is none, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    fresh.write_text(secrets.token_urlsafe(48))
    try:
        path.hardlink_to(fresh)  # fails if another process was first: theirs is the one then
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_text().strip()


def assemble(
    settings: Settings,
    addresses: Addresses,
    *,
    clock: Clock | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
    checkpoint: provisioning.Checkpoint = provisioning.no_checkpoint,
) -> Market:
    """Return a market on that database. ``clock``, ``transport`` and ``checkpoint`` are seams for tests."""
    kernel = Kernel(
        database=Database(addresses.sqlalchemy, pool_size=settings.database_pool),
        clock=clock or (FileClock(settings.clock_file) if settings.clock_file else SystemClock()),
        box=SecretBox(_secret_keys(settings)),
        events=EventBus(),
        jobs=JobQueue(addresses.conninfo),
    )
    own = _LOOPBACK if settings.environment is Environment.DEVELOPMENT else ()
    driver = StandardAPIDriver(
        addresses=AddressPolicy(allow=(*own, *settings.outgoing.allow)),
        timeouts=Timeouts(connect=settings.outgoing.connect_timeout, total=settings.outgoing.total_timeout),
        transport=transport,
    )
    policy = settings.provisioning
    runner = provisioning.Runner(
        kernel,
        driver,
        provisioning.RetryPolicy(
            attempts=policy.attempts,
            first_delay=policy.first_delay,
            longest_delay=policy.longest_delay,
            lease=policy.lease,
            deadline=policy.deadline,
            per_service=policy.per_service,
        ),
        checkpoint,
        public_url=settings.reached_at,
    )
    catalog.listen(kernel.events)
    reports.listen(kernel.events)
    subscriptions.listen(kernel.events)
    provisioning.listen(kernel.events)
    usage.listen(kernel.events)
    for job in (
        *catalog.jobs(kernel, driver),
        *reports.jobs(kernel),
        *subscriptions.jobs(kernel),
        *provisioning.jobs(kernel, runner),
        _rescue(kernel, settings),
        _clean(kernel),
    ):
        kernel.jobs.register(job)
    worker = settings.worker
    return Market(
        settings,
        kernel,
        WorkerOptions(
            concurrency=worker.concurrency,
            polling=worker.polling,
            heartbeat=worker.heartbeat,
            stalled_after=worker.stalled_after,
            grace=worker.grace,
        ),
    )


def _clean(kernel: Kernel) -> Job:
    async def clean() -> None:
        await idempotency.forget(kernel, older_than=_KEPT)
        await kernel.jobs.forget(older_than=_KEPT)

    return Job("jobs.clean", clean, cron="17 3 * * *")


def _rescue(kernel: Kernel, settings: Settings) -> Job:
    async def rescue() -> None:
        await kernel.jobs.rescue(stalled_after=settings.worker.stalled_after)

    return Job("jobs.rescue", rescue, cron=f"* * * * * */{settings.worker.rescue_every}")
