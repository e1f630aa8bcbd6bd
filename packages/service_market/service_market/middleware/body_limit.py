"""No request body is read beyond a bound, whatever its ``Content-Length`` says."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_market.core.errors import BodyTooLarge

__all__ = ["BodyLimitMiddleware"]


class BodyLimitMiddleware:
    """Raises :class:`BodyTooLarge` into the reader of a body of more than ``limit`` bytes."""

    def __init__(self, app: ASGIApp, limit: int = 1024 * 1024) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > self.limit:
                    raise BodyTooLarge(f"a request body has at most {self.limit} bytes")
            return message

        await self.app(scope, bounded, send)
