"""Whatever breaks is answered here, in the one shape, and ends here: no server prints its text."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_market.core.problems import unforeseen

__all__ = ["FailuresMiddleware"]


class FailuresMiddleware:
    """Answers every exception that reaches it, unless the answer has begun, and lets none through.

    A server writes the exception that an application raises to its log, with its text: a statement's parameters, a
    body. A caller who went away in the middle of a request is nobody's failure.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the server
            answer = unforeseen(Request(scope), error)
            if not begun:
                await answer(scope, receive, send)
