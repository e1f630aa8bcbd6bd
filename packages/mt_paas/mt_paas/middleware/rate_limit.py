"""How often a tenant may ask: :class:`RateLimitMiddleware` counts each request against the tenant's plan."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mt_paas.core.schemas import Tenant
from mt_paas.errors import RateLimited
from mt_paas.middleware.counters import Counters, MemoryCounters
from mt_paas.middleware.quotas import Quota
from mt_paas.middleware.traffic import SERVED, refuse
from mt_paas.utils.traffic_settings import LimitHeaders

__all__ = ["RateLimitMiddleware"]


class RateLimitMiddleware:
    """Counts the requests of the tenant on ``request.state.tenant``, and the WebSockets that it opens.

    ``quotas`` are those of the plans, ``other`` is that of all other plans; null is without limit. Every answer says
    how much is left, in the ``headers`` that are wanted; a request that is too many is answered with 429, with all of
    them, and when to come again.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        counters: Counters,
        quotas: Mapping[str, Quota | None],
        other: Quota | None = None,
        headers: LimitHeaders = "standard",
    ) -> None:
        self.app = app
        self._counters = counters
        self._now = counters.take_now if isinstance(counters, MemoryCounters) else None
        self._quotas = quotas
        self._other = other
        self._standard = headers != "early"
        self._early = headers != "standard"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        app = self.app
        tenant: Tenant | None = scope["state"].get("tenant") if "state" in scope else None
        quota = self._quotas.get(tenant.profile.plan, self._other) if tenant is not None else None
        if tenant is None or quota is None or scope["type"] not in SERVED:
            await app(scope, receive, send)
            return
        take = self._now
        counts = take(quota, tenant.tenant_id) if take else await self._counters.take(quota, tenant.tenant_id)
        headers = quota.headers(counts) if self._standard else []
        if self._early:
            headers += quota.early_headers(counts)
        wait = counts[0].retry_after if len(counts) == 1 else max([count.retry_after for count in counts])
        if wait:
            told = dict([*quota.headers(counts), *quota.early_headers(counts), (b"retry-after", b"%d" % wait)])
            error = RateLimited(headers={name.decode(): value.decode("latin-1") for name, value in told.items()})
            await refuse(scope, send, error)
            return

        def answer(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            return send(message)

        await app(scope, receive, answer)
