"""What the middleware of a service share: which requests are tenants' traffic, and how one of them is refused.

A request is refused in the contract's one error shape. A WebSocket that is not accepted yet gets the same as the
answer to its handshake where the server can send one (the ASGI extension ``websocket.http.response``); elsewhere it is
closed with 1008, policy violation (RFC 6455, section 7.4.1).
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import HTTPConnection
from starlette.types import Scope, Send

from mt_paas.errors import ContractError
from mt_paas.standard_api.answers import call_context_of
from mt_paas.standard_api.problem import PROBLEM_TYPE, problem_json

__all__ = ["POLICY_VIOLATION", "REFUSAL", "SERVED", "OpenPaths", "refuse", "unknown"]

POLICY_VIOLATION = 1008
#: A key of the ASGI scope: why the credentials of a request were not accepted. Who asks for a tenant is told.
REFUSAL = "mt_paas.refusal"
#: The kinds of connections that may be a tenant's; the others are the server's own.
SERVED = frozenset({"http", "websocket"})

_OPEN = "mt_paas.open"
_LONGEST_REASON = 123  # bytes that a close frame has for it: RFC 6455, section 5.5


class OpenPaths:
    """The requests that are nobody's: what is at ``paths``, and what is below those that end with a slash."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        paths = tuple(paths)
        self._exact = frozenset(paths) | {path.rstrip("/") for path in paths}
        self._below = tuple(path for path in paths if path.endswith("/"))

    def hold(self, scope: Scope) -> bool:
        """Tell whether the request, or WebSocket, is nobody's; written down for those who ask again about the same."""
        path: str = scope["path"]
        if (root := scope.get("root_path")) and (path == root or path.startswith(f"{root}/")):
            path = path[len(root) :]  # as Starlette finds its routes
        found = scope[_OPEN] = path in self._exact or path.startswith(self._below)
        return found

    def marked(self, scope: Scope) -> bool:
        """Tell what was written down, or what would have been."""
        return scope[_OPEN] if _OPEN in scope else self.hold(scope)


def unknown(_name: str) -> None:
    """Tell that what is asked for is not remembered: what a middleware asks first where it was given nothing better."""


async def refuse(scope: Scope, send: Send, error: ContractError) -> None:
    """Answer the request with ``error``, or close the WebSocket, and be done with it."""
    is_websocket = scope["type"] == "websocket"
    if is_websocket and "websocket.http.response" not in scope.get("extensions", {}):
        reason = f"{error.code}: {error.message}".encode()[:_LONGEST_REASON].decode(errors="ignore")
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})
        return
    request_id = call_context_of(HTTPConnection(scope)).request_id
    body = problem_json(error, request_id).encode()
    headers = {
        **error.headers,
        "Content-Type": PROBLEM_TYPE,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Request-ID": request_id,
    }
    kind = "websocket.http.response" if is_websocket else "http.response"
    await send(
        {
            "type": f"{kind}.start",
            "status": error.status,
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        }
    )
    await send({"type": f"{kind}.body", "body": body})
