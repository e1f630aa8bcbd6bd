"""One request and what came back of it before a deadline: a whole answer of bounded length, or a named failure.

Both callers of the contract stand on this: the market's calls to a service, and a service's events to a market. What
went wrong is one of the :class:`~mt_paas.errors.ServiceCallError` family, whose ``sent`` says whether the request may
have arrived.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import httpx2

from mt_paas.errors import (
    AddressNotAllowed,
    ServiceAnswerInvalid,
    ServiceFailed,
    ServiceTimeout,
    ServiceUnreachable,
)
from mt_paas.standard_api.reply import MAX_ANSWER_BYTES, Reply

__all__ = ["exchange", "jittered"]

_FIRST_DELAY, _LONGEST_DELAY = 0.25, 5.0  # seconds


async def exchange(
    http: httpx2.AsyncClient, request: httpx2.Request, deadline: float, *, limit: float, secret: str
) -> Reply:
    """Send ``request`` once, and return what came back before ``deadline``, in the loop's time.

    ``limit`` is what a message calls the time that was given, in seconds; ``secret`` stands in no message.
    """
    call = f"{request.method} {request.url.copy_with(query=None)}"
    progress = _Progress()
    request.extensions = {**request.extensions, "trace": progress.note}
    response: httpx2.Response | None = None
    try:
        async with asyncio.timeout_at(deadline):
            response = await http.send(request, stream=True)
            async with aclosing(response):
                body = await _bounded(response)
    except AddressNotAllowed as error:
        raise AddressNotAllowed(f"{call} was not sent: {error}") from None
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise ServiceUnreachable(f"{call} found no connection: {str(error) or 'it took too long'}") from error
    except (TimeoutError, httpx2.TimeoutException) as error:
        if not progress.sent:
            raise ServiceUnreachable(f"{call} found no connection within {limit:g} s") from error
        raise ServiceTimeout(f"{call} got no whole answer in time") from error
    except httpx2.TransportError as error:
        if response is not None:
            raise ServiceAnswerInvalid(f"{call} answered {response.status_code}, and broke off") from error
        if isinstance(error, httpx2.RemoteProtocolError) and not str(error).startswith("Server disconnected"):
            raise ServiceAnswerInvalid(f"{call} was answered by something that is not HTTP") from error
        raise ServiceFailed(f"{call} was not answered: the connection ended") from error
    return Reply(call, response.status_code, response.headers, body, secret=secret)


class _Progress:
    """Whether a request may have reached the service, as far as the transport tells; unless it tells: it may."""

    def __init__(self) -> None:
        self.sent = True

    async def note(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self.sent = False
        elif event.endswith(".send_request_headers.started"):
            self.sent = True


async def _bounded(response: httpx2.Response) -> bytes:
    """Return the answer's body, or as much of it as shows that it is too large; nothing of one that would unfold."""
    body = bytearray()
    if "content-encoding" in response.headers:
        return b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            break
    return bytes(body)


def jittered(attempt: int, longest: float = _LONGEST_DELAY) -> float:
    """Return how long to wait after ``attempt``, in seconds: exponential with full jitter, so that callers spread."""
    return random.uniform(0, min(longest, _FIRST_DELAY * 2 ** min(attempt, 30)))  # noqa: S311 - spreads load, hides nothing
