"""Work that goes on after a request was answered, or belongs to none: for one tenant, with a session of its own.

It lives in this process and ends with it: an orderly end waits for it, ``kill -9`` does not. What must be done whatever
happens is written into the tenant's database with the change that causes it, and done from there.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import Any, ParamSpec

from sqlalchemy.ext.asyncio import AsyncSession

from mt_paas.core.context import tenant_bound
from mt_paas.core.for_tenant import tenant_id_or_bound
from mt_paas.core.manager import TenantManager
from mt_paas.core.schemas import Tenant
from mt_paas.errors import MtPaasError, ServiceNotReady
from mt_paas.standard_api.handler import call_context

__all__ = ["TenantWork"]

P = ParamSpec("P")
_log = logging.getLogger(__name__)


class TenantWork:
    """The work of this process for the tenants of ``manager``; its end waits for it for ``patience`` seconds."""

    def __init__(self, manager: TenantManager, patience: float = 10.0) -> None:
        self._manager = manager
        self._patience = patience
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def run_as(self, tenant_id: str) -> AsyncIterator[Tenant]:
        """Work for the tenant in a block: it is what is bound there, also in tasks that the block starts.

        Raises :class:`~mt_paas.errors.TenantNotFound`, and :class:`~mt_paas.errors.TenantBlocked` for a tenant that is
        not open.
        """
        tenant = await self._manager.get_tenant(tenant_id_or_bound(tenant_id))
        tenant.require_open(self._manager.clock())
        with tenant_bound(tenant.tenant_id):
            yield tenant

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Open a session of its own for the tenant that is bound: committed at the end, rolled back on an error."""
        async with self._manager.get_tenant_session(tenant_id_or_bound(None)) as session:
            yield session

    def start(self, work: Callable[P, Coroutine[Any, Any, object]], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Begin ``work(*args, **kwargs)`` for the tenant that is bound, and return at once; any thread may.

        The work opens sessions of its own: a session among the arguments is a ``TypeError``, because it ends with its
        request. What goes wrong, also that the tenant is not open any more, is logged with the ids of tenant and
        request. Raises :class:`~mt_paas.errors.TenantNotBound`, and :class:`~mt_paas.errors.ServiceNotReady` when the
        service stops.
        """
        tenant_id = tenant_id_or_bound(None)
        if not inspect.iscoroutinefunction(work):
            raise TypeError(f"{_name(work)} is no coroutine function: define it with async def")
        if any(isinstance(given, AsyncSession) for given in (*args, *kwargs.values())):
            raise TypeError(f"{_name(work)} is given a session, which ends with its request: let it open mt.session()")
        loop = self._loop
        if loop is None:
            raise ServiceNotReady("The service is stopping, or has not started: no work is begun.")
        context = copy_context()

        def begin() -> None:
            task = loop.create_task(self._see_through(tenant_id, work, args, kwargs), context=context)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        if loop is _running_loop():
            begin()
        else:
            loop.call_soon_threadsafe(begin)

    async def settle(self) -> None:
        """Wait until no work goes on."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take work for as long as the context lasts; its end waits ``patience`` seconds, and then cancels it."""
        self._loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            self._loop = None
            await asyncio.sleep(0)  # what another thread just handed over begins now
            if self._tasks:
                _, late = await asyncio.wait(self._tasks, timeout=self._patience)
                for task in late:
                    task.cancel()
                await self.settle()

    async def _see_through(
        self, tenant_id: str, work: Callable[..., Coroutine[Any, Any, object]], args: Any, kwargs: Any
    ) -> None:
        ids = (_name(work), tenant_id, call_context().request_id)
        try:
            async with self.run_as(tenant_id):
                await work(*args, **kwargs)
        except asyncio.CancelledError:
            _log.error("work %s for tenant %s (request %s) was cut off: the service stopped", *ids)
        except MtPaasError as error:
            _log.error("work %s for tenant %s (request %s) was not done: %s", *ids, error)
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody waits for it: the log is where it is told
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else "?"
            _log.error("work %s for tenant %s (request %s) failed: %s at %s", *ids, type(error).__name__, where)


def _name(work: Callable[..., object]) -> str:
    return str(getattr(work, "__qualname__", work))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
