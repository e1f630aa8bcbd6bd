""":func:`setup_multi_tenant`: one call makes a FastAPI app a service that a market can sell.

It adds the Standard API under ``/mt``, the administrator's set-up page, the registry and the tenants' databases, and
composes them with the app's own lifespan. Routes take :data:`CurrentTenant` and :data:`TenantSession`; which tenant
that is, is decided by the access key of the request and by nothing else. Settings come from the environment
(:class:`~mt_paas.utils.config.Settings`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from mt_paas.errors import (
    ConfigurationError,
    ContractError,
    MissingExtraError,
    TenantForbidden,
)

try:
    from fastapi import Depends, FastAPI, Request, Response
    from sqlalchemy import MetaData
    from sqlalchemy.ext.asyncio import AsyncSession
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.setup", "fastapi,sqlalchemy") from error

from mt_paas.core.access import authenticate
from mt_paas.core.access_router import HideSetupTokens, create_access_router
from mt_paas.core.clock import Clock, utc_now
from mt_paas.core.database.names import fit
from mt_paas.core.database.per_database import DatabasePerTenant
from mt_paas.core.handler import ManagedTenantHandler
from mt_paas.core.manager import TenantManager
from mt_paas.core.schemas import Tenant
from mt_paas.postgres import resolve
from mt_paas.standard_api.answers import call_context_of, problem_response
from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.router import create_standard_router
from mt_paas.utils.config import Settings

__all__ = ["CurrentTenant", "MultiTenant", "TenantSession", "setup_multi_tenant"]

_log = logging.getLogger(__name__)


class MultiTenant:
    """A multi-tenant service: its manifest, its tenants and its handler, and what keeps them running."""

    def __init__(
        self,
        manifest: Manifest,
        settings: Settings,
        *,
        metadata: MetaData | None,
        handler: type[ManagedTenantHandler],
        clock: Clock,
    ) -> None:
        self.manifest = manifest
        self.settings = settings
        self._server = AsyncExitStack()
        self.manager = TenantManager(
            self._find_database,
            service_id=manifest.service.id,
            metadata=metadata,
            secret=settings.secret_key.get_secret_value() if settings.secret_key else None,
            retention=settings.retention,
            tenant_prefix=settings.tenant_prefix,
            pools=settings.pools,
            clock=clock,
        )
        self.handler = handler(self.manager, manifest, setup_link_lifetime=settings.setup_link_lifetime)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the tenants reachable, and do what is due, for as long as the context lasts."""
        async with self._server, self.manager:
            sweeping = asyncio.create_task(self._sweep_forever())
            try:
                yield
            finally:
                sweeping.cancel()
                with suppress(asyncio.CancelledError):
                    await sweeping

    async def _sweep_forever(self) -> None:
        while True:
            try:
                await self.manager.sweep()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next sweep is to come
                _log.warning("the sweep did not end, and is tried again: %s", type(error).__name__)
            await asyncio.sleep(self.settings.sweep_interval)

    async def _find_database(self) -> str:
        """Return the address of the registry's database; without a setting, on an embedded server that is started."""
        given = self.settings.database_url.get_secret_value() if self.settings.database_url else None
        server = await asyncio.to_thread(resolve, self.settings.home, given)
        self._server.push_async_callback(asyncio.to_thread, server.stop)
        if given is not None:
            return given
        name = fit(f"registry_{self.manager.service_id}")
        await asyncio.to_thread(server.create_database_if_missing, name)
        return server.url(name)


async def answer_contract_error(request: Request, error: Exception) -> Response:
    """Answer a contract error that a route of the app raised, in the contract's own shape."""
    if not isinstance(error, ContractError):
        raise error
    request_id = call_context_of(request).request_id
    response = problem_response(error, request_id)
    response.headers["X-Request-ID"] = request_id
    return response


async def current_tenant(request: Request) -> Tenant:
    """Return the tenant that the request's access key belongs to.

    A header or path that names another tenant is refused with :class:`~mt_paas.errors.TenantForbidden`.
    """
    tenant = await authenticate(_multi_tenant(request).manager, request.headers.get("Authorization"))
    named = [*request.headers.getlist("X-Tenant-ID"), request.path_params.get("tenant_id", tenant.tenant_id)]
    if any(name != tenant.tenant_id for name in named):
        raise TenantForbidden
    return tenant


CurrentTenant = Annotated[Tenant, Depends(current_tenant)]


async def tenant_session(request: Request, tenant: CurrentTenant) -> AsyncIterator[AsyncSession]:
    """Open the tenant's session for one request: committed before the answer leaves, rolled back on an error."""
    async with _multi_tenant(request).manager.open_session(tenant) as session:
        yield session


TenantSession = Annotated[AsyncSession, Depends(tenant_session, scope="function")]


def setup_multi_tenant(
    app: FastAPI,
    *,
    manifest: Manifest | Path | str,
    metadata: MetaData | None = None,
    handler: type[ManagedTenantHandler] = ManagedTenantHandler,
    settings: Settings | None = None,
    clock: Clock = utc_now,
) -> MultiTenant:
    """Make ``app`` a multi-tenant service and return what it runs on.

    ``metadata`` are the tables that each tenant has; ``handler`` is the class that answers the market. Raises
    :class:`~mt_paas.errors.ManifestError` and :class:`~mt_paas.errors.ConfigurationError`.
    """
    settings = settings or Settings()
    loaded = manifest if isinstance(manifest, Manifest) else Manifest.load(manifest)
    if settings.public_url is not None:
        loaded = _moved(loaded, settings.public_url)
    if DatabasePerTenant.name not in loaded.isolation.supported:
        raise ConfigurationError(
            f"the manifest does not list {DatabasePerTenant.name} under isolation.supported, which is how this "
            "service keeps its tenants apart: add it"
        )
    if not settings.api_keys:
        raise ConfigurationError("no key for the market is set: set MT_API_KEYS to one, or to two during a rotation")
    mt = MultiTenant(loaded, settings, metadata=metadata, handler=handler, clock=clock)
    keys = [key.get_secret_value() for key in settings.api_keys]

    @app.get("/mt/manifest", tags=["mt"], summary="What this service tells a market about itself")
    async def show_manifest() -> dict[str, Any]:
        return loaded.model_dump(mode="json", exclude_none=True)

    app.state.mt_paas = mt
    app.include_router(create_standard_router(mt.handler, manifest=loaded, api_keys=keys, clock=clock))
    app.include_router(create_access_router(mt.handler.links))
    app.add_exception_handler(ContractError, answer_contract_error)
    logging.getLogger("uvicorn.access").addFilter(HideSetupTokens())
    _compose_lifespan(app, mt)
    return mt


def _compose_lifespan(app: FastAPI, mt: MultiTenant) -> None:
    """Run the tenants around the app's own lifespan, which finds them ready."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(scope: Any) -> AsyncIterator[Any]:
        async with mt.running(), inner(scope) as state:
            yield state

    app.router.lifespan_context = lifespan


def _moved(manifest: Manifest, base_url: str) -> Manifest:
    endpoints = manifest.endpoints.model_copy(update={"base_url": base_url})
    return manifest.model_copy(update={"endpoints": endpoints})


def _multi_tenant(request: Request) -> MultiTenant:
    mt = getattr(request.app.state, "mt_paas", None)
    if not isinstance(mt, MultiTenant):
        raise ConfigurationError("this app takes CurrentTenant but was not given to setup_multi_tenant(app, …)")
    return mt
