"""For which tenant a request is: :class:`TenantMiddleware` binds it for the request, and takes it away at its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from mt_paas.core.context import bind_tenant, unbind_tenant
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.schemas import Tenant
from mt_paas.errors import ContractError, TenantForbidden
from mt_paas.middleware.naming import Naming, TrustedProxies, require_one
from mt_paas.middleware.principal import Principal
from mt_paas.middleware.traffic import REFUSAL, SERVED, OpenPaths, refuse, unknown
from mt_paas.standard_api.answers import call_context_of
from mt_paas.standard_api.handler import CallContext, LateContext, begin_call, end_call

__all__ = ["GetTenant", "KnownTenant", "TenantMiddleware"]

_ACTIVE = TenantStatus.ACTIVE

#: Takes a tenant's id, returns the tenant. Raises :class:`~mt_paas.errors.TenantNotFound`.
GetTenant = Callable[[str], Awaitable[Tenant]]
#: As ``GetTenant``, where that waits for nothing; null where ``GetTenant`` is to be asked.
KnownTenant = Callable[[str], Tenant | None]


class TenantMiddleware:
    """Puts the tenant on ``request.state.tenant`` and in the context; null where the request is for none.

    The principal's tenant is the tenant, and a request that names another is refused. A request without a principal is
    for the tenant that a trusted proxy names, else for none. A tenant that is not open is refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        get_tenant: GetTenant,
        known_tenant: KnownTenant = unknown,
        clock: Callable[[], datetime],
        naming: Naming | None = None,
        proxies: TrustedProxies | None = None,
        open_paths: OpenPaths | None = None,
    ) -> None:
        self.app = app
        self._get_tenant = get_tenant
        self._known_tenant = known_tenant
        self._clock = clock
        self._naming = naming or Naming()
        self._proxies = proxies or TrustedProxies()
        self._open = open_paths or OpenPaths()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        app = self.app
        if scope["type"] not in SERVED:
            await app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        tenant = None
        if not self._open.marked(scope):
            try:
                tenant_id = self._find(scope, state.get("principal"))
                if tenant_id is not None:
                    known_tenant = self._known_tenant
                    tenant = known_tenant(tenant_id) or await self._get_tenant(tenant_id)
                    if tenant.status is not _ACTIVE or tenant.deactivate_at is not None:
                        tenant.require_open(self._clock())
            except ContractError as error:
                await refuse(scope, send, error)
                return
        state["tenant"] = tenant
        if tenant is None:
            bound, call = bind_tenant(None), None
        else:
            bound, call = bind_tenant(tenant.tenant_id), begin_call(LateContext(_context, scope))  # for logs and errors
        try:
            await app(scope, receive, send)
        finally:
            if call is not None:
                end_call(call)
            unbind_tenant(bound)
            state.pop("tenant", None)

    def _find(self, scope: Scope, principal: Principal | None) -> str | None:
        """Return the id of the tenant for which the request is."""
        bound = principal.tenant_id if principal is not None else None
        for named in self._naming.named(scope):
            if bound is not None:
                if named != [bound]:
                    raise _foreign(named, bound)
            elif REFUSAL not in scope and self._proxies.sent(scope):
                bound = require_one(named)
                break
            else:
                require_one(named)
        return bound


def _context(scope: Scope) -> CallContext:
    return call_context_of(HTTPConnection(scope))


def _foreign(named: list[str], bound: str) -> ContractError:
    """Return why a request that names something else than the principal's tenant is refused."""
    for name in named:
        if name != bound:
            require_one([name])
    return TenantForbidden()
