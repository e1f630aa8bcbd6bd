""":func:`setup_multi_tenant`: one call makes a FastAPI app a service that a market can sell.

It adds the Standard API under ``/mt``, the administrator's set-up page, the registry and the tenants' databases, and
composes them with the app's own lifespan. Routes take :data:`CurrentTenant` and :data:`TenantSession`; which tenant
that is, is decided by the middleware (:mod:`mt_paas.middleware`), once for each request. Settings come from the
environment (:class:`~mt_paas.utils.config.Settings`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from mt_paas.errors import (
    ConfigurationError,
    ContractError,
    InvalidApiKey,
    MissingExtraError,
    TenantForbidden,
)

try:
    from fastapi import APIRouter, Depends, FastAPI, Request, Response, WebSocket
    from pydantic_settings import SettingsError
    from sqlalchemy import MetaData
    from sqlalchemy.ext.asyncio import AsyncSession
    from starlette.requests import HTTPConnection
    from starlette.websockets import WebSocketState
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.setup", "fastapi,sqlalchemy") from error

from mt_paas.core.access_keys import KEY_PREFIX
from mt_paas.core.access_router import HideSetupTokens, create_access_router
from mt_paas.core.clock import Clock, utc_now
from mt_paas.core.database.isolations import IsolationPlan
from mt_paas.core.database.names import fit
from mt_paas.core.database.per_container import DatabaseOfContainer
from mt_paas.core.handler import HandlerOptions, ManagedTenantHandler
from mt_paas.core.manager import TenantManager
from mt_paas.core.own_data import OwnSettings, OwnUsers
from mt_paas.core.schemas import Tenant
from mt_paas.core.tenant_tools import TenantTools
from mt_paas.middleware.own_routes import include_own_routes
from mt_paas.middleware.principal import Principal, PrincipalKind
from mt_paas.middleware.stack import OWN_PATHS, Doors, Stack
from mt_paas.middleware.traffic import POLICY_VIOLATION, REFUSAL, OpenPaths, refuse
from mt_paas.postgres import resolve
from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.answers import call_context_of, problem_response
from mt_paas.standard_api.handler import call_context
from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.models import User
from mt_paas.standard_api.router import create_standard_router
from mt_paas.utils.config import Settings

__all__ = ["CurrentPrincipal", "CurrentTenant", "CurrentUser", "MultiTenant", "TenantSession", "setup_multi_tenant"]

_MANIFEST_PATH = "/mt/manifest"
_NO_KEY = "no key for the market is set: set MT_API_KEYS to one, or to two during a rotation"
_ISOLATION_SETTINGS = "MT_ISOLATION__DEFAULT and MT_ISOLATION__BY_PLAN"
_log = logging.getLogger(__name__)


class MultiTenant(TenantTools):
    """A multi-tenant service: its manifest, its tenants and its handler, and what keeps them running.

    ``users`` and ``tenant_settings`` are those of the tenant that is bound.
    """

    def __init__(
        self,
        manifest: Manifest,
        settings: Settings,
        *,
        isolation: IsolationPlan,
        metadata: MetaData | None,
        handler: type[ManagedTenantHandler],
        clock: Clock,
        migrations: Path | None = None,
    ) -> None:
        self.manifest = manifest
        self.settings = settings
        self._server = AsyncExitStack()
        manager = TenantManager(
            self._find_database,
            service_id=manifest.service.id,
            metadata=metadata,
            secret=settings.secret_key.get_secret_value() if settings.secret_key else None,
            retention=settings.retention,
            tenant_prefix=settings.tenant_prefix,
            isolation=isolation,
            pools=settings.pools,
            clock=clock,
            migrations=migrations or settings.migrations,
            refuse_behind=settings.migrations_behind == "refuse",
        )
        super().__init__(
            manager,
            files_folder=settings.files_folder or settings.home / "files",
            usage_folder=(settings.usage_folder or settings.home / "usage") if settings.usage_journal else None,
            usage_interval=settings.usage_interval,
            patience=settings.background_patience,
        )
        options = HandlerOptions(
            setup_link_lifetime=settings.setup_link_lifetime,
            session_lifetime=settings.session_lifetime,
            export_lifetime=settings.export_lifetime,
            export_folder=settings.export_folder or settings.home / "exports",
            async_after=settings.async_after,
            event_addresses=_event_addresses(manifest, settings),
            meters=self.usage,
        )
        self.handler = handler(self.manager, manifest, options)
        self.users, self.tenant_settings = OwnUsers(self.handler), OwnSettings(self.handler)
        doors = Doors(
            find_key=manager.find_access_key,
            known_key=manager.lookups.known_key,
            find_session=self._find_session,
            get_tenant=manager.get_tenant,
            known_tenant=manager.lookups.known_tenant,
            clock=self._now,
        )
        self.stack = Stack(settings, manifest, doors)

    @asynccontextmanager
    async def managing(self) -> AsyncIterator[TenantManager]:
        """Keep the tenants reachable for a program that works on them and serves nobody: a command."""
        async with self._server, self.manager:
            yield self.manager

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the tenants reachable, and do what is due, for as long as the context lasts."""
        async with self._server, self.manager, self.equipped():
            if behind := await self.manager.tenants_behind():
                _log.warning("%d tenants wait for migrations: mt-paas tenants migrate", behind)
            sweeping = asyncio.create_task(self._sweep_forever())
            try:
                yield
            finally:
                sweeping.cancel()
                with suppress(asyncio.CancelledError):
                    await sweeping
                await self.handler.close()
                await self.stack.close()

    async def _sweep_forever(self) -> None:
        while True:
            try:
                await self.handler.sweep()
                await self.files.sweep()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next sweep is to come
                _log.warning("the sweep did not end, and is tried again: %s", type(error).__name__)
            await asyncio.sleep(self.settings.sweep_interval)

    def _now(self) -> datetime:
        return self.manager.clock()

    async def _find_session(self, cookie: str) -> Principal:
        tenant, user = await self.handler.sign_on.authenticate(cookie)
        return Principal(PrincipalKind.SESSION, user.id, tenant.tenant_id, user=user)

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


async def answer_contract_error(connection: Request | WebSocket, error: Exception) -> Response | None:
    """Answer a contract error that a route of the app raised, in the contract's own shape; a WebSocket is closed."""
    if not isinstance(error, ContractError):
        raise error
    if isinstance(connection, WebSocket):
        if connection.application_state is WebSocketState.CONNECTING:
            await refuse(connection.scope, connection.send, error)
        else:
            await connection.close(POLICY_VIOLATION, error.code)
        return None
    bound = call_context()  # of the tenant's request, the same that the log has
    request_id = (bound if bound.request_id != "-" else call_context_of(connection)).request_id
    response = problem_response(error, request_id)
    response.headers["X-Request-ID"] = request_id
    return response


async def current_tenant(connection: HTTPConnection) -> Tenant:
    """Return the tenant of the request, as :class:`~mt_paas.middleware.TenantMiddleware` found it.

    Raises why there is none (:class:`~mt_paas.errors.InvalidApiKey`, …), and
    :class:`~mt_paas.errors.TenantForbidden` where the path names another one.
    """
    scope = connection.scope
    tenant: Tenant | None = scope.get("state", {}).get("tenant")
    if tenant is None:
        raise _nobody(connection, "The token names no tenant, and this is for a tenant.")
    if scope["path_params"].get("tenant_id", tenant.tenant_id) != tenant.tenant_id:
        raise TenantForbidden
    return tenant


CurrentTenant = Annotated[Tenant, Depends(current_tenant)]


async def current_principal(connection: HTTPConnection) -> Principal:
    """Return who sends the request. Raises why nobody was recognised."""
    principal: Principal | None = connection.scope.get("state", {}).get("principal")
    if principal is None:
        raise _nobody(connection)
    return principal


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


async def current_user(principal: CurrentPrincipal, tenant: CurrentTenant) -> User:  # noqa: ARG001 - the path may differ
    """Return the user who is logged in. An access key or a token is nobody's: it raises ``InvalidApiKey``."""
    if not isinstance(principal.user, User):
        raise InvalidApiKey("This is for a user who is logged in; an access key is the tenant's, and no user's.")
    return principal.user


CurrentUser = Annotated[User, Depends(current_user)]


async def tenant_session(connection: HTTPConnection, tenant: CurrentTenant) -> AsyncIterator[AsyncSession]:
    """Open the tenant's session for one request: committed before the answer leaves, rolled back on an error."""
    async with _multi_tenant(connection).manager.open_session(tenant) as session:
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
    container_database: Callable[[Tenant], Awaitable[str]] | None = None,
    migrations: Path | str | None = None,
) -> MultiTenant:
    """Make ``app`` a multi-tenant service and return what it runs on.

    ``metadata`` are the tables that each tenant has; ``handler`` is the class that answers the market. The manifest
    decides what is offered: its version, its endpoints, the headers that carry the market's key, and how tenants are
    kept apart. ``container_database`` tells the URL of the database that a tenant's containers have.
    ``migrations`` is a folder of Alembic's, whose scripts make and change the tables in place of ``metadata``. Raises
    :class:`~mt_paas.errors.ManifestError` and :class:`~mt_paas.errors.ConfigurationError`. Without ``settings`` those
    of the environment are taken, and wrong ones end the program with one line.
    """
    is_given = settings is not None
    settings = settings or _from_environment()
    loaded = manifest if isinstance(manifest, Manifest) else Manifest.load(manifest)
    if settings.public_url is not None:
        loaded = _moved(loaded, settings.public_url)
    if not settings.api_keys:
        raise ConfigurationError(_NO_KEY)
    try:
        isolation = _isolation_plan(loaded, settings, container_database)
    except ConfigurationError as error:
        if is_given:
            raise
        raise SystemExit(f"error: {error}; see isolation in the manifest, and {_ISOLATION_SETTINGS}") from None
    mt = MultiTenant(
        loaded,
        settings,
        isolation=isolation,
        metadata=metadata,
        handler=handler,
        clock=clock,
        migrations=Path(migrations) if migrations is not None else None,
    )
    keys = [key.get_secret_value() for key in settings.api_keys]

    own = APIRouter()

    @own.get(_MANIFEST_PATH, tags=["mt"], summary="What this service tells a market about itself")
    async def show_manifest() -> dict[str, Any]:
        return loaded.model_dump(mode="json", exclude_none=True)

    app.state.mt_paas = mt
    own.include_router(
        create_standard_router(
            mt.handler,
            manifest=loaded,
            api_keys=keys,
            manifest_path=_MANIFEST_PATH,
            clock=clock,
            legacy_aliases=settings.legacy_aliases,
        )
    )
    own.include_router(
        create_access_router(mt.handler.links, mt.handler.sign_on, mt.handler.exports, mt.handler.home_of)
    )
    include_own_routes(app, own, OpenPaths(OWN_PATHS))
    app.add_exception_handler(ContractError, answer_contract_error)  # type: ignore[arg-type]  # it answers both kinds
    mt.stack.surround(app)
    logging.getLogger("uvicorn.access").addFilter(HideSetupTokens())
    _compose_lifespan(app, mt)
    return mt


def _from_environment() -> Settings:
    """Return the settings of the environment. What is wrong with them ends the program, in one line for its operator.

    Nobody can catch it in code: the service can not start, and a traceback through an import says nothing of why.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise SystemExit(f"error: a setting is wrong: {faults}") from None
    except SettingsError as error:
        raise SystemExit(f"error: a setting is wrong: {error}: {error.__cause__}") from None
    if not settings.api_keys:
        raise SystemExit(f"error: {_NO_KEY}")
    return settings


def _isolation_plan(
    manifest: Manifest, settings: Settings, container_database: Callable[[Tenant], Awaitable[str]] | None
) -> IsolationPlan:
    """Return who gets which isolation, of those that the manifest lists and this service can give."""
    given = settings.isolation
    if unknown := manifest.unknown_plans(given.by_plan):
        raise ConfigurationError(
            f"MT_ISOLATION__BY_PLAN is for {', '.join(unknown)}, and the manifest's plans are"
            f" {', '.join(manifest.plan_names)}"
        )
    return IsolationPlan(
        default=given.default or manifest.isolation.default,
        supported=tuple(
            name
            for name in manifest.isolation.supported
            if name != DatabaseOfContainer.name or container_database is not None
        ),
        by_plan=given.by_plan,
        spares=given.spares,
        container_database=container_database,
    )


def _event_addresses(manifest: Manifest, settings: Settings) -> AddressPolicy:
    """Return where events may be posted to: a service that is reached on this machine alone may post there."""
    here = urlsplit(manifest.endpoints.base_url).hostname in {"localhost", "127.0.0.1", "::1"}
    return AddressPolicy(allow=[*settings.events_allow, *(["127.0.0.0/8", "::1/128"] if here else [])])


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


def _nobody(connection: HTTPConnection, of_no_tenant: str | None = None) -> ContractError:
    """Return why the request is nobody's, or for no tenant. Raises ``ConfigurationError`` where nothing looked."""
    _multi_tenant(connection)
    refusal = connection.scope.get(REFUSAL)
    if isinstance(refusal, ContractError):
        return refusal
    if connection.scope.get("state", {}).get("principal") is not None:
        return TenantForbidden(of_no_tenant)
    return InvalidApiKey(
        f"Send the tenant's access key: Authorization: Bearer {KEY_PREFIX}…", headers={"WWW-Authenticate": "Bearer"}
    )


def _multi_tenant(connection: HTTPConnection) -> MultiTenant:
    mt = getattr(connection.app.state, "mt_paas", None)
    if not isinstance(mt, MultiTenant):
        raise ConfigurationError("this app takes CurrentTenant but was not given to setup_multi_tenant(app, …)")
    return mt
