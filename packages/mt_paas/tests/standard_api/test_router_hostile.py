"""Whatever comes, the answer has the contract's shape, and no fault of the caller is the service's."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from urllib.parse import quote

import httpx2
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from mt_paas.standard_api import ErrorBody, StandardAPIHandler, create_standard_router
from mt_paas.standard_api.models import Operation, OperationStatus, SettingsResponse, User, UserPage, UserStatus
from mt_paas.testing.doubles import FakeService, serve
from starlette.types import ASGIApp

SERVICE = FakeService()
ACTIVATE = "/mt/tenant/hallym_univ/activate"
RIGHT = {
    "tenant_id": "hallym_univ",
    "tenant_name": "한림대학교",
    "plan": "premium",
    "admin": {"email": "admin@hallym.ac.kr", "name": "홍길동"},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def ask(
    method: str, path: str, content: bytes = b"", *, app: ASGIApp = SERVICE, **headers: str | bytes
) -> httpx2.Response:
    async def send() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://service") as http:
            given = {"X-Market-API-Key": SERVICE.api_key, "Content-Type": "application/json"} | headers
            return await http.request(method, path, content=content, headers=given)

    return asyncio.run(send())


def assert_refused_or_done(response: httpx2.Response) -> None:
    assert response.status_code < 500
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/problem+json"
        assert ErrorBody.model_validate_json(response.content).status == response.status_code


@given(st.binary(max_size=500))
def test_any_bytes(content):
    assert_refused_or_done(ask("POST", ACTIVATE, content))


@given(JSON)
def test_any_json(value):
    assert_refused_or_done(ask("POST", ACTIVATE, json.dumps(value).encode()))


@given(st.sampled_from([*RIGHT, "config", "features"]), JSON)
def test_a_right_body_with_any_value_in_one_place(name, value):
    assert_refused_or_done(ask("POST", ACTIVATE, json.dumps(RIGHT | {name: value}).encode()))


@given(st.text(max_size=80), st.text(max_size=20))
def test_any_tenant_and_any_period(tenant_id, period):
    path = f"/mt/tenant/{quote(tenant_id, safe='', errors='replace')}/usage?period={quote(period, errors='replace')}"
    assert_refused_or_done(ask("GET", path))


@given(st.binary(max_size=200).filter(lambda raw: not {0, 10, 13} & set(raw)))
def test_any_header(value):
    headers = {"X-Request-ID": value, "traceparent": value, "Idempotency-Key": value}
    assert_refused_or_done(ask("POST", ACTIVATE, json.dumps(RIGHT).encode(), **headers))


class EchoingService(StandardAPIHandler):
    """Answers about whatever it is asked, so that only a request can be at fault."""

    async def list_users(self, tenant_id, query):
        assert 1 <= query.limit <= 500
        assert query.q is None or 0 < len(query.q) <= 200
        return UserPage(items=[], total=0)

    async def update_user(self, tenant_id, user_id, request):
        return User(
            id=user_id,
            email="kim@hallym.ac.kr",
            name=request.name or "",
            role=request.role or "",
            status=request.status or UserStatus.ACTIVE,
            created_at=datetime(2026, 1, 3, tzinfo=UTC),
        )

    async def update_settings(self, tenant_id, request, expected_version):
        return SettingsResponse(settings=request.settings, limits={}, version="8")

    async def get_operation(self, operation_id):
        return Operation(operation_id=operation_id, status=OperationStatus.IN_PROGRESS)


ECHO = FastAPI()
ECHO.include_router(create_standard_router(EchoingService(), api_key=SERVICE.api_key))


@given(st.sampled_from(["cursor", "limit", "q", "role", "status", "period"]), st.binary(max_size=60))
def test_any_query(name, value):
    assert_refused_or_done(ask("GET", f"/mt/tenant/hallym_univ/users?{name}={quote(value)}", app=ECHO))


@given(st.text(max_size=60))
def test_any_user_and_any_operation(thing):
    name = quote(thing, safe="", errors="replace")
    assert_refused_or_done(ask("PUT", f"/mt/tenant/hallym_univ/users/{name}", b"{}", app=ECHO))
    assert_refused_or_done(ask("GET", f"/mt/operations/{name}", app=ECHO))


@given(JSON, st.binary(max_size=20).filter(lambda raw: not {0, 10, 13} & set(raw)))
def test_any_settings_and_any_tag(settings, tag):
    content = json.dumps({"settings": settings}).encode()
    for condition in (tag, b'"7"'):
        headers = {"If-Match": condition, "X-MT-API-Version": "2"}
        assert_refused_or_done(ask("PUT", "/mt/tenant/hallym_univ/settings", content, app=ECHO, **headers))


@given(st.binary(max_size=20).filter(lambda raw: not {0, 10, 13} & set(raw)))
def test_any_version(value):
    assert_refused_or_done(ask("GET", "/mt/operations/op_1", app=ECHO, **{"X-MT-API-Version": value}))


async def test_a_caller_that_goes_in_the_middle_of_its_body_leaves_nothing_behind(caplog):
    service = FakeService()
    head = (
        f"POST {ACTIVATE} HTTP/1.1\r\nHost: service\r\nX-Market-API-Key: {service.api_key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    )
    answered = asyncio.Event()

    async def app(scope, receive, send):
        await service.right(scope, receive, send)
        if scope["type"] == "http":
            answered.set()

    async with serve(app) as url:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(head.encode() + b'{"tenant_id": "hallym')
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        await answered.wait()
    assert service.tenants == {}
    assert "broke" not in caplog.text
