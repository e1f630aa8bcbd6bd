"""Who sends a request: the holder of a bearer token, or nobody. What they may do is decided at the route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from service_market.core.errors import Unauthenticated
from service_market.core.principal import Principal

__all__ = ["AuthenticationMiddleware"]


class AuthenticationMiddleware:
    """Puts the :class:`Principal` of ``Authorization: Bearer …`` on the request's state; None where there is none.

    Where ``authenticate`` raises :class:`Unauthenticated`, that is ``refusal``: why there is none.
    """

    def __init__(self, app: ASGIApp, authenticate: Callable[[str], Awaitable[Principal]]) -> None:
        self.app = app
        self.authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
            scheme, _, token = header.partition(" ")
            state = scope.setdefault("state", {})
            state["principal"], state["refusal"] = None, Unauthenticated()
            if scheme.lower() == "bearer" and token.strip():
                try:
                    state["principal"] = await self.authenticate(token.strip())
                except Unauthenticated as refusal:
                    state["refusal"] = refusal
        await self.app(scope, receive, send)
