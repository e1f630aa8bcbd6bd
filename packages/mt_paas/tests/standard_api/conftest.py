"""What the tests of the router share: a handler that does what it is told, and the router in an application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import httpx2
import pytest
from fastapi import FastAPI
from mt_paas.standard_api import (
    ActivateRequest,
    ActivateResponse,
    DeactivateResponse,
    StandardAPIHandler,
    Usage,
    UsageResponse,
    call_context,
    create_standard_router,
)
from mt_paas.standard_api.describe import DESCRIPTIONS
from mt_paas.standard_api.manifest import Manifest

MakeHttp: TypeAlias = Callable[..., httpx2.AsyncClient]


@pytest.fixture
def key() -> str:
    return "a-key-of-the-market-1"


class Service(StandardAPIHandler):
    """Does what a test tells it: ``answers[method]`` is a result, or an exception to raise. Keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {
            "activate": ActivateResponse(tenant_id="hallym_univ", access_url="https://hallym.example"),
            "deactivate": DeactivateResponse(status="deactivated", tenant_id="hallym_univ", data_preserved=True),
        }
        self.asked: list[object] = []
        self.contexts: list[object] = []

    def _answer(self, method: str, *asked: object):
        self.asked.extend(asked)
        self.contexts.append(call_context())
        answer = self.answers[method]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def activate_tenant(self, request):
        return self._answer("activate", request)

    async def deactivate_tenant(self, tenant_id, request):
        return self._answer("deactivate", request)

    async def get_tenant_status(self, tenant_id):
        return self._answer("status", tenant_id)

    async def get_tenant_usage(self, tenant_id, period):
        self.asked.append(period)
        return UsageResponse(tenant_id=tenant_id, period=period, usage=Usage(api_calls=1))


class WholeService(StandardAPIHandler):
    """Offers every call, and answers with the example of its description, or as a test tells it by ``answers``."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {call.call: call.answers[0].example for call in DESCRIPTIONS}
        self.asked: list[tuple[object, ...]] = []
        self.contexts: list[object] = []


def _telling(name: str):
    async def method(self: WholeService, *asked: object):
        self.asked.append((name, *asked))
        self.contexts.append(call_context())
        answer = self.answers[name]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return method


for _call in DESCRIPTIONS:
    setattr(WholeService, _call.call, _telling(_call.call))

MANIFEST = {
    "version": "2.0",
    "service": {"id": "whole", "name": "Whole", "description": "", "version": "2.1.0", "vendor": "mt_paas"},
    "endpoints": {"base_url": "http://service"}
    | {call.endpoint: f"/mt{call.path}" for call in DESCRIPTIONS if call.endpoint},
    "auth": {"type": "api_key"},
    "isolation": {"supported": ["DATABASE_PER_TENANT"], "default": "DATABASE_PER_TENANT"},
    "features": {"basic": ["notes"], "premium": ["ai_chat", "rag"]},
    "capabilities": ["async_operations", "events"],
}


@pytest.fixture
def make_manifest() -> Callable[..., Manifest]:
    """Return a maker of manifests that declare everything, but for ``without`` and what is changed."""

    def make(*without: str, **changes: object) -> Manifest:
        endpoints = {name: path for name, path in MANIFEST["endpoints"].items() if name not in without}
        return Manifest.model_validate(MANIFEST | {"endpoints": endpoints} | changes)

    return make


@pytest.fixture
def handler() -> Service:
    return Service()


@pytest.fixture
def whole() -> WholeService:
    return WholeService()


@pytest.fixture
def whole_http(make_http: MakeHttp, whole: WholeService) -> httpx2.AsyncClient:
    return make_http(whole)


@pytest.fixture
async def make_http(handler: Service, key: str) -> AsyncIterator[MakeHttp]:
    """Return a client, holding the key, of an application with the router and options of one's own."""
    opened = []

    def make(
        service: StandardAPIHandler = handler, *, include: dict | None = None, headers: dict | None = None, **options
    ) -> httpx2.AsyncClient:
        app = FastAPI()
        app.include_router(create_standard_router(service, **({"api_key": key} | options)), **(include or {}))
        http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app),
            base_url="http://service",
            headers={"X-Market-API-Key": key} if headers is None else headers,
        )
        opened.append(http)
        return http

    yield make
    for http in opened:
        await http.aclose()


@pytest.fixture
def http(make_http: MakeHttp) -> httpx2.AsyncClient:
    return make_http()


@pytest.fixture
def body(activation: ActivateRequest) -> dict:
    return activation.model_dump(mode="json")


@pytest.fixture
def assert_refused() -> Callable[[httpx2.Response, int, str], dict]:
    """Return a check that an answer is an error in the contract's one shape; it returns the error."""

    def assert_refused(response: httpx2.Response, status: int, error: str) -> dict:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["cache-control"] == "no-store"
        problem = response.json()
        assert (response.status_code, problem["error"]) == (status, error), problem
        assert problem["status"] == status
        assert problem["type"] == f"urn:mt-paas:error:{error}"
        assert problem["message"] == problem["detail"] != ""
        assert problem["title"]
        assert problem["request_id"] == response.headers["x-request-id"]
        assert isinstance(problem["retryable"], bool)
        return problem

    return assert_refused


@pytest.fixture
def raw_service() -> Callable[[bytes], AbstractAsyncContextManager[tuple[str, list[bytes]]]]:
    """Return a server that gives the same bytes to whoever asks; it yields its address and what was asked."""

    @asynccontextmanager
    async def serve_bytes(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
        asked: list[bytes] = []

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(converse, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked

    return serve_bytes
