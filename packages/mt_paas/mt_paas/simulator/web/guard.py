"""Keeps other web pages, and other machines, away from the simulator's controls.

The developer's browser also shows other people's pages, and these may send requests to this machine. So the page and
its API answer only to this machine, under a name that is this machine's (a page of ``evil.example`` that resolves to
127.0.0.1 says so in ``Host``), from a page of this very address (``Origin``, ``Sec-Fetch-Site``), and take only JSON,
which no form of another site can send unasked. What the service calls is not kept back: it proves itself by its token.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "Guard"]

#: On every answer: the page may load its own files and talk to its own address, and nothing may frame or sniff it.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_OPEN = "/api/v1/"
_READS = frozenset({"GET", "HEAD"})


class Guard:
    """See the module; pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        why = "" if scope["path"].startswith(_OPEN) else _refusal(scope)
        if why:
            response = JSONResponse({"error": "forbidden", "message": why}, 403)
            await response(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)


def _refusal(scope: Scope) -> str:
    headers = Headers(scope=scope)
    host, origin = headers.get("host", ""), headers.get("origin")
    if scope.get("client") is not None and not _is_loopback(scope["client"][0]):
        return "the controls of the simulator answer to this machine alone"
    if not _is_loopback(urlsplit(f"//{host}").hostname or ""):
        return "the controls of the simulator answer under 127.0.0.1 or localhost alone"
    if origin is not None and origin != f"{scope['scheme']}://{host}":
        return "a page of another address may not use the simulator"
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return "a page of another address may not use the simulator"
    if (
        scope["method"] not in _READS
        and headers.get("content-type", "").partition(";")[0].strip() != "application/json"
    ):
        return "send application/json"
    return ""


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
