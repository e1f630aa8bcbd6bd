"""The middleware of one service, made from its settings and manifest, in the one order that works."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from fastapi import FastAPI

from mt_paas.middleware.auth import AuthMiddleware, FindKey, FindSession, KnownKey
from mt_paas.middleware.naming import Naming, TrustedProxies
from mt_paas.middleware.tenant import GetTenant, KnownTenant, TenantMiddleware
from mt_paas.middleware.traffic import OpenPaths
from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.manifest import Manifest
from mt_paas.utils.config import Settings
from mt_paas.utils.traffic_settings import JwtSettings

if TYPE_CHECKING:
    from mt_paas.middleware.tokens import TokenVerifier  # with the extra jwt

__all__ = ["OWN_PATHS", "Doors", "Stack"]

#: Below them are the market, set-up pages and the links of users: no tenant's traffic.
OWN_PATHS = ("/mt/", "/access/", "/api/tenant/")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the middleware looks principals and tenants up."""

    find_key: FindKey
    known_key: KnownKey
    find_session: FindSession
    get_tenant: GetTenant
    known_tenant: KnownTenant
    clock: Callable[[], datetime]


class Stack:
    """Authentication, tenant and rate limit of a service. Raises ``ConfigurationError`` for settings that do not fit.

    What a setting asks for whose extra is missing raises :class:`~mt_paas.errors.MissingExtraError`.
    """

    def __init__(self, settings: Settings, manifest: Manifest, doors: Doors) -> None:
        self._settings = settings
        self._manifest = manifest
        self._doors = doors
        self._closing: list[Callable[[], Awaitable[None]]] = []

    def surround(self, app: FastAPI) -> None:
        """Put the middleware around ``app``; what the app adds later is around it."""
        settings, doors = self._settings, self._doors
        given = settings.tenant
        documents = (app.docs_url, app.redoc_url, app.openapi_url, app.swagger_ui_oauth2_redirect_url)
        open_paths = OpenPaths([*OWN_PATHS, *given.open_paths, *_present(documents)])
        naming = Naming(
            header="X-Tenant-ID" if given.header else None,
            domain=given.domain,
            not_tenants=frozenset(given.not_tenants),
            query=settings.development if given.query is None else given.query,
        )
        self._limit(app)  # the last that is added is the first that a request comes to
        app.add_middleware(
            TenantMiddleware,
            get_tenant=doors.get_tenant,
            known_tenant=doors.known_tenant,
            clock=doors.clock,
            naming=naming,
            proxies=TrustedProxies(given.trusted_proxies),
            open_paths=open_paths,
        )
        tokens = None
        if settings.jwt.issuer is not None:
            tokens = _tokens(settings.jwt, doors.clock, settings.jwt.tenant_claim if given.claim else None)
            self._closing.append(tokens.close)
        app.add_middleware(
            AuthMiddleware,
            find_key=doors.find_key,
            known_key=doors.known_key,
            clock=doors.clock,
            tokens=tokens,
            sessions=doors.find_session,
            public_url=str(self._manifest.endpoints.base_url),
            open_paths=open_paths,
        )

    async def close(self) -> None:
        """Close what the middleware holds open."""
        for close in self._closing:
            await close()

    def _limit(self, app: FastAPI) -> None:
        given = self._settings.rate_limit
        limits_named = any(
            name.startswith("requests_per_") for plan in self._manifest.plans.values() for name in plan.limits
        )
        if not given.enabled or not (limits_named or given.plans or given.default):
            return
        from mt_paas.middleware.counters import Counters, MemoryCounters, RedisCounters
        from mt_paas.middleware.quotas import quotas_of
        from mt_paas.middleware.rate_limit import RateLimitMiddleware

        if unknown := self._manifest.unknown_plans(given.plans):
            # Tenants may be on a plan that is sold no longer, and keep its limits: it may be meant so.
            _log.warning(
                "MT_RATE_LIMIT__PLANS limits %s, and the manifest's plans are %s: no new tenant gets the former",
                ", ".join(unknown),
                ", ".join(self._manifest.plan_names),
            )
        quotas, other = quotas_of(self._manifest, given.plans, given.default)
        counters: Counters = MemoryCounters()
        if given.storage is not None:
            prefix = f"mt:{self._manifest.service.id}:requests"
            counters = RedisCounters(given.storage.get_secret_value(), prefix=prefix, patience=given.patience)
        self._closing.append(counters.close)
        app.add_middleware(RateLimitMiddleware, counters=counters, quotas=quotas, other=other, headers=given.headers)


def _tokens(settings: JwtSettings, clock: Callable[[], datetime], tenant_claim: str | None) -> TokenVerifier:
    from mt_paas.middleware.key_sets import KeySource, RemoteKeys, SharedSecret
    from mt_paas.middleware.tokens import TokenVerifier

    assert settings.issuer is not None  # noqa: S101 - the caller asked
    keys: KeySource
    algorithms: tuple[str, ...] = settings.algorithms
    if settings.secret is not None:
        keys, algorithms = SharedSecret(settings.secret.get_secret_value()), ("HS256",)
    else:
        assert settings.jwks_url is not None  # noqa: S101 - the settings have one or the other
        here = ("127.0.0.0/8", "::1/128") if settings.jwks_url.startswith("http:") else ()
        keys = RemoteKeys(settings.jwks_url, AddressPolicy(allow=[*settings.allow, *here]))
    return TokenVerifier(
        issuer=settings.issuer,
        audiences=settings.audience,
        algorithms=algorithms,
        keys=keys,
        clock=clock,
        tenant_claim=tenant_claim,
        leeway=settings.leeway,
    )


def _present(texts: Iterable[str | None]) -> list[str]:
    return [text for text in texts if text is not None]
