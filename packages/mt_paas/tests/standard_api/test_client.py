"""The client over real HTTP, against services that are right, and wrong in every way."""

from __future__ import annotations

import asyncio
import json

import httpx2
import pytest
from mt_paas.errors import (
    ConfigurationError,
    InvalidTenantId,
    NotImplementedByService,
    OperationInProgress,
    ServiceAnswerInvalid,
    ServiceCallError,
    ServiceFailed,
    ServiceNotReady,
    ServiceRefused,
    TenantAlreadyExists,
)
from mt_paas.standard_api import (
    CallContext,
    DeactivateReason,
    DeactivateRequest,
    StandardAPIClient,
    TenantState,
    Timeouts,
    in_call,
)
from mt_paas.testing.doubles import (
    Call,
    FakeService,
    answer_with,
    dropped,
    fail,
    garbage,
    refuse,
)

AT_ONCE = DeactivateRequest(reason=DeactivateReason.VIOLATION, preserve_data=True)


class TestARightService:
    async def test_all_calls_work(self, client, activation, deactivation):
        assert (await client.health()).version == "1.0.0"
        assert (await client.activate(activation, idempotency_key="1")).access_url.endswith("/app/hallym_univ")
        status = await client.status("hallym_univ")
        assert (status.status, status.plan, status.storage.limit_gb) == (TenantState.ACTIVE, "premium", 100)
        assert (await client.usage("hallym_univ", "2026-01")).period == "2026-01"
        assert (await client.usage("hallym_univ", "daily")).usage.api_calls is not None
        assert (await client.deactivate("hallym_univ", deactivation, idempotency_key="2")).status == "deactivated"

    async def test_the_request_is_what_the_contract_says(self, client, service, activation):
        await client.activate(activation, idempotency_key="op-1")
        (call,) = service.calls
        assert call.body == activation.model_dump(mode="json", exclude_none=True)
        assert call.headers["content-type"] == "application/json"
        assert call.headers["accept-encoding"] == "identity"
        assert call.headers["idempotency-key"] == "op-1"
        assert len(call.headers["x-request-id"]) == 32
        assert call.headers["x-mt-api-version"] == service.manifest("https://x.example").api_versions[-1]

    async def test_ids_of_the_call_that_is_being_handled_travel_on(self, client, service):
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        with in_call(CallContext(request_id="req-1", traceparent=trace)):
            await client.health()
        assert service.calls[0].headers["x-request-id"] == "req-1"
        assert service.calls[0].headers["traceparent"] == trace

    async def test_health_is_asked_without_the_key(self, make_client):
        async with make_client(api_key="") as client:
            assert (await client.health()).status == "healthy"
            with pytest.raises(ConfigurationError, match="needs its API key"):
                await client.status("hallym_univ")

    async def test_the_key_goes_in_the_header_that_the_manifest_names(self, raw_service, loopback, activation):
        async with raw_service(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n") as (url, asked):
            manifest = FakeService().manifest(url)
            for auth in ({"type": "api_key", "header": "X-API-Key"}, {"type": "jwt", "header": "Authorization"}):
                changed = manifest.model_validate(manifest.model_dump(mode="json") | {"auth": auth})
                async with StandardAPIClient(changed, "k3y", addresses=loopback) as client:
                    with pytest.raises(ServiceRefused):
                        await client.activate(activation, idempotency_key="1")
        assert b"X-API-Key: k3y\r\n" in asked[0]
        assert b"Authorization: Bearer k3y\r\n" in asked[1]

    async def test_a_service_with_its_old_paths_is_called_there(self, loopback, activation, deactivation):
        done = json.dumps({"status": "deactivated", "tenant_id": "hallym_univ", "data_preserved": True})
        asked = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            asked.append((request.url.path, json.loads(request.content)))
            return httpx2.Response(200, text=done, headers={"Content-Type": "application/json"})

        manifest = FakeService().manifest("https://old.example/base")
        paths = {"tenant_deactivate": "/api/marketplace/demo/deprovision"}
        manifest = manifest.model_copy(update={"endpoints": manifest.endpoints.model_copy(update=paths)})
        async with StandardAPIClient(manifest, "k3y", transport=httpx2.MockTransport(answer)) as client:
            await client.deactivate("hallym_univ", deactivation, idempotency_key="1")
        assert asked == [
            (
                "/base/api/marketplace/demo/deprovision",
                {"reason": "admin_request", "preserve_data": True, "tenant_id": "hallym_univ"},
            )
        ]

    async def test_usage_may_not_be_offered(self, loopback):
        manifest = FakeService().manifest("https://x.example")
        manifest = manifest.model_copy(
            update={"endpoints": manifest.endpoints.model_copy(update={"usage_report": None})}
        )
        async with StandardAPIClient(manifest, "k3y", addresses=loopback) as client:
            with pytest.raises(NotImplementedByService, match="usage_report"):
                await client.usage("hallym_univ", "daily")

    async def test_a_tenant_id_that_is_none_is_not_sent(self, client, service):
        with pytest.raises(InvalidTenantId):
            await client.status("../../etc")
        assert service.calls == []


class TestRefusals:
    async def test_the_message_names_the_call_and_what_the_service_said(self, client, service, base_url, activation):
        service.behave(refuse(TenantAlreadyExists("Tenant hallym_univ already exists")))
        with pytest.raises(ServiceRefused) as refusal:
            await client.activate(activation, idempotency_key="1")
        assert str(refusal.value) == (
            f"POST {base_url}/mt/tenant/hallym_univ/activate answered 409 tenant_already_exists: "
            "Tenant hallym_univ already exists"
        )
        assert (refusal.value.status, refusal.value.error) == (409, "tenant_already_exists")
        assert refusal.value.retryable is False

    @pytest.mark.parametrize(
        ("behaviour", "said"),
        [
            (answer_with(422, {"detail": "plan unknown"}), "answered 422: plan unknown"),
            (
                answer_with(
                    422, {"detail": [{"loc": ["body", "plan"], "msg": "Field required", "input": {"x": "s3cret"}}]}
                ),
                "answered 422: body.plan: Field required",
            ),
            (
                answer_with(400, b"<html><style>p{}</style><h1>Bad</h1> gateway</html>", "text/html"),
                "answered 400: Bad gateway",
            ),
            (answer_with(403, b""), "answered 403, and said no more"),
            (answer_with(418, b"[]"), "answered 418: []"),
            (answer_with(400, {"error": "two words", "message": 5}), "answered 400, and said no more"),
            (answer_with(400, {"error": "x", "message": "a\r\nb\x1b[31mc\u202ed"}), "answered 400 x: a b [31mc d"),
            (answer_with(400, {"error": "x", "message": "y" * 5000}), f"answered 400 x: {'y' * 299}…"),
            (answer_with(400, b"z" * 2_000_000, "text/plain"), f"answered 400: {'z' * 299}…"),
            (answer_with(400, {"message": "temp_password=hunter2, hi"}), "answered 400: temp_password=*** hi"),
            (
                answer_with(400, {"message": 'it is {"temp_password": "a b"}'}),
                'answered 400: it is {"temp_password": ***}',
            ),
            (answer_with(400, b"\xff\x00", "application/octet-stream"), "answered 400: \ufffd"),
        ],
    )
    async def test_what_a_service_says_is_quoted_with_care(self, client, service, behaviour, said):
        service.behave(behaviour)
        with pytest.raises(ServiceRefused) as refusal:
            await client.status("hallym_univ")
        assert str(refusal.value).partition("/status ")[2] == said

    async def test_a_service_that_echoes_the_key_does_not_get_it_into_the_log(self, client, service):
        service.behave(answer_with(400, {"error": "x", "message": f"the key {service.api_key} is bad"}))
        with pytest.raises(ServiceRefused, match=r"the key \*\*\* is bad"):
            await client.status("hallym_univ")

    @pytest.mark.parametrize(
        ("behaviour", "error", "retryable"),
        [
            (refuse(OperationInProgress), ServiceRefused, True),
            (answer_with(409, {"error": "operation_in_progress", "message": "x"}), ServiceRefused, True),
            (answer_with(409, {"error": "x", "message": "x"}), ServiceRefused, False),
            (answer_with(429, b""), ServiceRefused, True),
            (fail(500), ServiceFailed, True),
            (answer_with(500, {"error": "x", "message": "x", "retryable": False}), ServiceFailed, False),
            (answer_with(501, b""), ServiceFailed, False),
            (refuse(ServiceNotReady), ServiceFailed, True),
        ],
    )
    async def test_it_is_told_whether_to_come_again(self, client, service, behaviour, error, retryable):
        service.behave(behaviour)
        with pytest.raises(error) as refusal:
            await client.deactivate("hallym_univ", AT_ONCE, idempotency_key="1")
        assert (type(refusal.value), refusal.value.retryable) == (error, retryable)

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [("7", 7), ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("soon", None), ("-5", None), ("9" * 400, None), ("", None)],
    )
    async def test_retry_after_is_read(self, client, service, activation, value, seconds):
        service.behave(answer_with(503, b"", headers={"retry-after": value}))
        with pytest.raises(ServiceFailed) as refusal:
            await client.activate(activation, idempotency_key="1")
        assert refusal.value.retry_after == seconds


class TestAnswersThatTheContractDoesNotKnow:
    @pytest.mark.parametrize(
        ("behaviour", "fault"),
        [
            (garbage(), "the answer is text/html, not application/json"),
            (answer_with(200, b"{}", ""), "the answer is of no type, not application/json"),
            (answer_with(200, b"{", "application/json"), "it is not JSON"),
            (answer_with(200, b""), "it is empty"),
            (answer_with(200, []), "expected a JSON object"),
            (answer_with(200, b'{"status": NaN}'), "NaN is not a JSON number"),
            (answer_with(200, {"status": "done", "tenant_id": 5}), "status: Input should be 'activated'; tenant_id: "),
            (answer_with(200, {"status": "activated", "tenant_id": "hallym_univ"}), "access_url: Field required"),
            (
                answer_with(
                    200, {"status": "activated", "tenant_id": "hallym_univ", "access_url": "javascript:alert(1)"}
                ),
                "access_url: ",
            ),
            (
                answer_with(200, {"status": "activated", "tenant_id": "other_univ", "access_url": "https://x.example"}),
                "tenant_id: it is about other_univ, not about hallym_univ",
            ),
            (answer_with(200, b" " * 2_000_000), "the answer is larger than 1048576 bytes"),
            (answer_with(200, b"\x1f\x8b", headers={"content-encoding": "gzip"}), "the answer is compressed"),
            (answer_with(201, {}), "the contract knows 200 alone"),
            (answer_with(204, b""), "the contract knows 200 alone"),
        ],
    )
    async def test_they_are_refused_by_what_is_wrong_with_them(self, client, service, activation, behaviour, fault):
        service.behave(behaviour)
        with pytest.raises(ServiceAnswerInvalid) as refusal:
            await client.activate(activation, idempotency_key="1")
        assert fault in str(refusal.value)
        assert "/activate answered 20" in str(refusal.value)
        assert refusal.value.sent
        assert len(service.calls) == 1

    async def test_reading_stops_where_an_answer_is_too_large(self, make_client, service):
        async def flood(call: Call) -> None:
            gone = asyncio.create_task(call.hung_up())
            await call.start(200, {"content-type": "application/json"})
            while not gone.done():
                await call.send({"type": "http.response.body", "body": b" " * 65536, "more_body": True})
                await asyncio.sleep(0)  # sending does not let others run while there is room

        service.behave(flood)
        async with make_client(attempts=1, timeouts=Timeouts(total=10)) as client:
            with pytest.raises(ServiceAnswerInvalid, match="larger than 1048576 bytes"):
                await client.health()

    async def test_an_answer_for_another_period_is_refused(self, client, service):
        service.behave(answer_with(200, {"tenant_id": "hallym_univ", "period": "1999-01", "usage": {}}))
        with pytest.raises(ServiceAnswerInvalid, match="period: it is about 1999-01, not about 2026-01"):
            await client.usage("hallym_univ", "2026-01")

    async def test_a_password_in_an_answer_is_read_and_not_shown(self, client, service, activation):
        answer = {"status": "activated", "tenant_id": "hallym_univ", "access_url": "https://x.example"}
        service.behave(answer_with(200, answer | {"admin_credentials": {"temp_password": "hunter2"}}))
        answer = await client.activate(activation, idempotency_key="1")
        assert answer.admin_credentials.temp_password == "hunter2"
        assert "hunter2" not in repr(answer) + answer.model_dump_json()

    @pytest.mark.parametrize("target", ["http://169.254.169.254/latest", "/elsewhere", ""])
    async def test_a_redirect_is_not_followed(self, client, service, activation, target):
        service.behave(answer_with(307, b"", headers={"location": target}))
        with pytest.raises(ServiceAnswerInvalid, match=f"a redirect to {target or 'nowhere'}; "):
            await client.activate(activation, idempotency_key="1")
        assert len(service.calls) == 1

    async def test_an_answer_that_breaks_off_is_refused(self, client, service, activation):
        service.behave(dropped)
        with pytest.raises(ServiceAnswerInvalid, match="answered 200, and broke off"):
            await client.activate(activation, idempotency_key="1")
        assert service.count("activate") == 1

    @pytest.mark.parametrize(
        "answer", [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x16", b"HTTP/1.1 zweihundert\r\n\r\n"]
    )
    async def test_what_is_not_http_is_refused(self, raw_service, loopback, activation, answer):
        async with (
            raw_service(answer) as (url, _),
            StandardAPIClient(FakeService().manifest(url), "k3y", addresses=loopback) as client,
        ):
            with pytest.raises(ServiceAnswerInvalid, match="something that is not HTTP"):
                await client.activate(activation, idempotency_key="1")

    async def test_an_endless_header_is_refused(self, raw_service, loopback, activation):
        async with (
            raw_service(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000) as (url, _),
            StandardAPIClient(FakeService().manifest(url), "k3y", addresses=loopback) as client,
        ):
            with pytest.raises(ServiceCallError):
                await client.activate(activation, idempotency_key="1")
