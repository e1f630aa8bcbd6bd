"""How one call is made: its headers, its attempts, its deadline, the version it is asked in, and who it is about.

The areas of the contract (:mod:`~mt_paas.standard_api.client.lifecycle` and its neighbours) say what is asked; this
says how. Nothing here knows a single call.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypedDict, TypeVar, Unpack
from uuid import uuid4

import httpx2

from mt_paas.errors import ConfigurationError, ServiceCallError
from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.exchange import exchange, jittered
from mt_paas.standard_api.handler import CallContext, call_context
from mt_paas.standard_api.manifest import Manifest
from mt_paas.standard_api.manifest.endpoints import SINCE_2
from mt_paas.standard_api.models import ContractModel, OperationAccepted
from mt_paas.standard_api.outgoing import Outgoing
from mt_paas.standard_api.reply import Reply

__all__ = ["Asked", "Caller", "Timeouts", "foreign"]

logger = logging.getLogger("mt_paas.standard_api.client")

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_RETRIED_STATUSES = frozenset({429, 502, 503, 504})
_VERSIONS = ("1", "2")  # of the contract, that this client speaks

#: Paths of the contract that a manifest need not name.
_KNOWN_PATHS = {"configuration": "/mt/.well-known/mt-configuration", "operation": "/mt/operations/{operation_id}"}

Answer = TypeVar("Answer", bound=ContractModel)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may take, in seconds.

    ``connect`` bounds one attempt to reach the service, ``read`` the silence between two pieces of an answer (None:
    no bound of its own), ``total`` the whole call with its retries, and ``operation`` the work that a service does
    after an answer 202.
    """

    connect: float = 5.0
    read: float | None = None
    total: float = 30.0
    operation: float = 600.0


class Asked(TypedDict, total=False):
    """What a call says beside its method and endpoint."""

    tenant_id: str
    user_id: str
    operation_id: str
    query: Mapping[str, str]
    body: ContractModel
    idempotency_key: str | None
    headers: Mapping[str, str]
    with_key: bool


class Caller(Outgoing):
    """Sends calls to one service, and reads the answers; see ``StandardAPIClient`` for its arguments."""

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
        limits = timeouts or Timeouts()
        bounds = httpx2.Timeout(limits.total, connect=limits.connect, read=limits.read or limits.total)
        super().__init__(transport, addresses, tls, bounds)
        self._manifest = manifest
        self._api_key = api_key
        self._timeouts = limits
        self._attempts = attempts
        self._pause = pause
        self._version = manifest.api_versions[-1]

    async def _call(
        self,
        model: type[Answer],
        method: str,
        endpoint: str,
        *,
        status: int = 200,
        expected: Mapping[str, object] | None = None,
        **asked: Unpack[Asked],
    ) -> Answer:
        """Return the answer of a call, which is about the ``expected`` values of its fields, or refused."""
        return _about(await self._ask(method, endpoint, **asked), model, status, expected)

    async def _begin(
        self,
        model: type[Answer],
        method: str,
        endpoint: str,
        *,
        expected: Mapping[str, object] | None = None,
        **asked: Unpack[Asked],
    ) -> Answer | OperationAccepted:
        """Return the answer of a call that may be answered later, where the manifest says that it may."""
        reply = await self._ask(method, endpoint, **asked)
        if reply.status == 202 and self._may_answer_later(endpoint):
            return reply.read(OperationAccepted, status=202)
        return _about(reply, model, 200, expected)

    def _may_answer_later(self, endpoint: str) -> bool:
        return endpoint == "export" or "async_operations" in self._manifest.capabilities

    async def _ask(self, method: str, endpoint: str, **asked: Unpack[Asked]) -> Reply:
        """Return the successful reply to a call, in a version that the service speaks.

        A service that refuses the version and names others did nothing: it is asked once more, in the highest one
        that both speak and that has the call.
        """
        url, query, headers = self._url(endpoint, asked), asked.get("query"), self._headers(asked)
        content = asked["body"].model_dump_json(exclude_none=True).encode() if "body" in asked else None
        since = "2" if endpoint in SINCE_2["endpoints"] else "1"
        version = max(self._version, since)
        deadline = asyncio.get_running_loop().time() + self._timeouts.total

        def request() -> httpx2.Request:
            headers["X-MT-API-Version"] = version
            return self._http.build_request(method, url, params=query, content=content, headers=headers)

        reply = await self._send_until_answered(request(), deadline)
        spoken = [other for other in _VERSIONS if other >= since and other != version and other in reply.versions]
        if not reply.is_success and spoken:
            version = self._version = spoken[-1]
            logger.info("%s speaks no such version of the contract; asking in %s", reply.call, version)
            reply = await self._send_until_answered(request(), deadline)
        if not reply.is_success:
            raise reply.problem()
        return reply

    def _url(self, endpoint: str, asked: Asked) -> str:
        operation_id = asked.get("operation_id")
        if endpoint in _KNOWN_PATHS and not self._manifest.declares(endpoint):
            path = _KNOWN_PATHS[endpoint].replace("{operation_id}", operation_id or "")
            return self._manifest.endpoints.base_url.rstrip("/") + path
        return self._manifest.url(
            endpoint, asked.get("tenant_id"), user_id=asked.get("user_id"), operation_id=operation_id
        )

    def _headers(self, asked: Asked) -> dict[str, str]:
        key = asked.get("idempotency_key")
        return {
            "Accept": "application/json, application/problem+json",
            "Accept-Encoding": "identity",  # a bounded answer: nothing that unfolds
            **({"Content-Type": "application/json"} if "body" in asked else {}),
            **({} if key is None else {"Idempotency-Key": key}),
            **_trace_headers(call_context()),
            **(self._key_header() if asked.get("with_key", True) else {}),
            **asked.get("headers", {}),
        }

    def _key_header(self) -> dict[str, str]:
        if not self._api_key:
            raise ConfigurationError(
                f"A call to {self._manifest.service.id} needs its API key: only health goes without"
            )
        name = self._manifest.auth.header
        return {name: f"Bearer {self._api_key}" if name.lower() == "authorization" else self._api_key}

    async def _send_until_answered(self, request: httpx2.Request, deadline: float) -> Reply:
        """Return the reply to ``request`` after as many attempts as are safe: a success, or a refused version."""
        clock = asyncio.get_running_loop().time
        for attempt in range(1, self._attempts + 1):
            problem: ServiceCallError
            try:
                reply = await exchange(self._http, request, deadline, limit=self._timeouts.total, secret=self._api_key)
            except ServiceCallError as error:
                problem, may_retry = error, error.retryable and (not error.sent or request.method == "GET")
            else:
                if reply.is_success or reply.versions:
                    return reply
                problem = reply.problem()
                may_retry = request.method == "GET" and reply.status in _RETRIED_STATUSES
            delay = max(problem.retry_after or 0, jittered(attempt))
            if not may_retry or attempt == self._attempts or clock() + delay >= deadline:
                raise problem
            logger.info("%s; trying again in %.1f s", problem, delay)
            await self._pause(delay)
        raise AssertionError("the last attempt returns or raises")


def foreign(answer: ContractModel, expected: Mapping[str, object] | None) -> str:
    """Return what an answer is about where that is not what was asked for; nothing where it is."""
    for name, value in (expected or {}).items():
        if (answered := getattr(answer, name)) != value:
            return f"{name}: it is about {answered}, not about {value}"
    return ""


def _about(reply: Reply, model: type[Answer], status: int, expected: Mapping[str, object] | None) -> Answer:
    answer = reply.read(model, status=status)
    if fault := foreign(answer, expected):
        raise reply.invalid(fault)
    return answer


def _trace_headers(context: CallContext) -> dict[str, str]:
    """Return the ids of the call that is being handled, so that they travel on; or a new request id."""
    request_id = context.request_id if context.request_id != "-" else uuid4().hex
    return {"X-Request-ID": request_id} | ({"traceparent": context.traceparent} if context.traceparent else {})
