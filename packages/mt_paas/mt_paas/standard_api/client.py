"""The caller's side of the Standard API: :class:`StandardAPIClient` drives one service as its manifest says.

A service is somebody else's program, and may be slow, silent, wrong or lying. So every call ends by a deadline that no
dripping answer stretches, reads a bounded answer, believes nothing that the contract does not allow, and follows no
redirect. What goes wrong is one of the :class:`~mt_paas.errors.ServiceCallError` family, whose message names the call
and what the service said; the key, a password and control characters never stand in it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx2

from mt_paas.errors import (
    AddressNotAllowed,
    ConfigurationError,
    ServiceAnswerInvalid,
    ServiceCallError,
    ServiceFailed,
    ServiceTimeout,
    ServiceUnreachable,
)
from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.handler import CallContext, call_context
from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.models import (
    ActivateRequest,
    ActivateResponse,
    ContractModel,
    DeactivateRequest,
    DeactivateResponse,
    Health,
    StatusResponse,
    UsageResponse,
)
from mt_paas.standard_api.reply import MAX_ANSWER_BYTES, Reply
from mt_paas.standard_api.transport import CheckedTransport

__all__ = ["AddressPolicy", "StandardAPIClient", "Timeouts"]

logger = logging.getLogger("mt_paas.standard_api.client")

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_FIRST_DELAY, _LONGEST_DELAY = 0.25, 5.0  # seconds

Answer = TypeVar("Answer", bound=ContractModel)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may take, in seconds.

    ``connect`` bounds one attempt to reach the service, ``read`` the silence between two pieces of an answer (None:
    no bound of its own), ``total`` the whole call with its retries.
    """

    connect: float = 5.0
    read: float | None = None
    total: float = 30.0


class StandardAPIClient:
    """Calls one service by its manifest. An async context manager.

    Queries are tried up to ``attempts`` times where that can help, after a ``pause`` of some seconds; a POST is tried
    again only when it certainly never arrived. ``addresses`` rules which hosts are called, unless a ``transport`` is
    given: then that decides. ``tls`` are TLS settings of one's own, say for a private authority.

    The request id and trace of the call that is being handled travel on; who handles none sets them by ``in_call``.
    """

    def __init__(
        self,
        manifest: Manifest,
        api_key: str,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        addresses: AddressPolicy | None = None,
        timeouts: Timeouts | None = None,
        attempts: int = 3,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if api_key and not _VISIBLE_ASCII.fullmatch(api_key):
            raise ConfigurationError(
                f"The API key of {manifest.service.id} is not visible ASCII: no header can carry it"
            )
        self._manifest = manifest
        self._api_key = api_key
        self._timeouts = timeouts or Timeouts()
        self._attempts = attempts
        self._pause = pause
        self._http = httpx2.AsyncClient(
            transport=transport or CheckedTransport(addresses or AddressPolicy(), tls=tls),
            timeout=httpx2.Timeout(
                self._timeouts.total, connect=self._timeouts.connect, read=self._timeouts.read or self._timeouts.total
            ),
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._http.__aexit__(exc_type, exc, traceback)

    async def health(self) -> Health:
        """Ask the service how it is. The only call without the key."""
        return await self._call(Health, "GET", "health", with_key=False)

    async def activate(self, request: ActivateRequest, *, idempotency_key: str) -> ActivateResponse:
        """Have the tenant created, or brought back with its data. The same call again is safe."""
        return await self._call(
            ActivateResponse,
            "POST",
            "tenant_activate",
            tenant_id=request.tenant_id,
            body=request,
            headers={"Idempotency-Key": idempotency_key},
        )

    async def deactivate(
        self, tenant_id: str, request: DeactivateRequest, *, idempotency_key: str
    ) -> DeactivateResponse:
        """Have the tenant closed for its users, now or later. The same call again is safe."""
        if not self._manifest.names_tenant("tenant_deactivate"):
            request = request.model_copy(update={"tenant_id": tenant_id})
        return await self._call(
            DeactivateResponse,
            "POST",
            "tenant_deactivate",
            tenant_id=tenant_id,
            body=request,
            headers={"Idempotency-Key": idempotency_key},
        )

    async def status(self, tenant_id: str) -> StatusResponse:
        """Ask for the tenant's state and figures."""
        return await self._call(StatusResponse, "GET", "tenant_status", tenant_id=tenant_id)

    async def usage(self, tenant_id: str, period: str) -> UsageResponse:
        """Ask what the tenant used in ``period`` (``daily``, ``monthly``, ``YYYY-MM``, ``YYYY-MM-DD``).

        Raises ``NotImplementedByService`` when the manifest names no such call.
        """
        return await self._call(
            UsageResponse,
            "GET",
            "usage_report",
            tenant_id=tenant_id,
            query={"period": period},
            expected={} if period in {"daily", "monthly"} else {"period": period},
        )

    async def _call(
        self,
        model: type[Answer],
        method: str,
        endpoint: str,
        *,
        tenant_id: str | None = None,
        query: Mapping[str, str] | None = None,
        body: ContractModel | None = None,
        headers: Mapping[str, str] | None = None,
        expected: Mapping[str, str] | None = None,
        with_key: bool = True,
    ) -> Answer:
        request = self._http.build_request(
            method,
            self._manifest.url(endpoint, tenant_id),
            params=query,
            content=None if body is None else body.model_dump_json(exclude_none=True).encode(),
            headers={
                "Accept": "application/json, application/problem+json",
                "Accept-Encoding": "identity",  # a bounded answer: nothing that unfolds
                **({} if body is None else {"Content-Type": "application/json"}),
                **_trace_headers(call_context()),
                **(self._key_header() if with_key else {}),
                **(headers or {}),
            },
        )
        reply = await self._send_until_answered(request)
        answer = reply.read(model)
        expected = {**({} if tenant_id is None else {"tenant_id": tenant_id}), **(expected or {})}
        for name, value in expected.items():
            if (answered := getattr(answer, name)) != value:
                raise reply.invalid(f"{name}: it is about {answered}, not about {value}")
        return answer

    def _key_header(self) -> dict[str, str]:
        if not self._api_key:
            raise ConfigurationError(
                f"A call to {self._manifest.service.id} needs its API key: only health goes without"
            )
        name = self._manifest.auth.header
        return {name: f"Bearer {self._api_key}" if name.lower() == "authorization" else self._api_key}

    async def _send_until_answered(self, request: httpx2.Request) -> Reply:
        """Return the reply to ``request``, which may be a refusal, after as many attempts as are safe."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._timeouts.total
        for attempt in range(1, self._attempts + 1):
            problem: ServiceCallError
            try:
                reply = await self._send(request, deadline)
            except ServiceCallError as error:
                problem, may_retry = error, error.retryable and (not error.sent or request.method == "GET")
            else:
                if reply.is_success:
                    return reply
                problem = reply.problem()
                may_retry = request.method == "GET" and reply.status in _RETRIED_STATUSES
            delay = max(problem.retry_after or 0, _jittered(attempt))
            if not may_retry or attempt == self._attempts or clock() + delay >= deadline:
                raise problem
            logger.info("%s; trying again in %.1f s", problem, delay)
            await self._pause(delay)
        raise AssertionError("the last attempt returns or raises")

    async def _send(self, request: httpx2.Request, deadline: float) -> Reply:
        """Send ``request`` once, and return what came back before ``deadline``, in the loop's time."""
        call = f"{request.method} {request.url.copy_with(query=None)}"
        progress = _Progress()
        request.extensions = {**request.extensions, "trace": progress.note}
        response: httpx2.Response | None = None
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._http.send(request, stream=True)
                async with aclosing(response):
                    body = await _bounded(response)
        except AddressNotAllowed as error:
            raise AddressNotAllowed(f"{call} was not sent: {error}") from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise ServiceUnreachable(f"{call} found no connection: {str(error) or 'it took too long'}") from error
        except (TimeoutError, httpx2.TimeoutException) as error:
            if not progress.sent:
                raise ServiceUnreachable(f"{call} found no connection within {self._timeouts.total:g} s") from error
            raise ServiceTimeout(f"{call} got no whole answer in time") from error
        except httpx2.TransportError as error:
            if response is not None:
                raise ServiceAnswerInvalid(f"{call} answered {response.status_code}, and broke off") from error
            if isinstance(error, httpx2.RemoteProtocolError) and not str(error).startswith("Server disconnected"):
                raise ServiceAnswerInvalid(f"{call} was answered by something that is not HTTP") from error
            raise ServiceFailed(f"{call} was not answered: the connection ended") from error
        return Reply(call, response.status_code, response.headers, body, secret=self._api_key)


class _Progress:
    """Whether a request may have reached the service, as far as the transport tells; unless it tells: it may."""

    def __init__(self) -> None:
        self.sent = True

    async def note(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self.sent = False
        elif event.endswith(".send_request_headers.started"):
            self.sent = True


def _trace_headers(context: CallContext) -> dict[str, str]:
    """Return the ids of the call that is being handled, so that they travel on; or a new request id."""
    request_id = context.request_id if context.request_id != "-" else uuid4().hex
    return {"X-Request-ID": request_id} | ({"traceparent": context.traceparent} if context.traceparent else {})


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


def _jittered(attempt: int) -> float:
    """Return how long to wait after ``attempt``: exponential, with full jitter, so that callers spread out."""
    return random.uniform(0, min(_LONGEST_DELAY, _FIRST_DELAY * 2**attempt))  # noqa: S311 - spreads load, hides nothing
