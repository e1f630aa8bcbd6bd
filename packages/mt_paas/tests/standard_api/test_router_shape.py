"""The shape of the router's answers, whatever the handler, the caller or the application do."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from mt_paas.errors import ContractError, ServiceNotReady, TenantNotFound
from mt_paas.standard_api import (
    ActivateRequest,
    ActivateResponse,
    Health,
    HealthStatus,
    Usage,
    UsageResponse,
    call_context,
    create_standard_router,
)

ACTIVATE = "/mt/tenant/hallym_univ/activate"
STATUS = "/mt/tenant/hallym_univ/status"
USAGE = "/mt/tenant/hallym_univ/usage"


class TestErrorsOfTheHandler:
    @pytest.mark.parametrize("error", [TenantNotFound(), ServiceNotReady("starting", headers={"Retry-After": "3"})])
    async def test_a_contract_error_is_the_answer(self, assert_refused, http, handler, error):
        handler.answers["status"] = error
        response = await http.get(STATUS)
        assert assert_refused(response, error.status, error.code)["message"] == error.message
        assert response.headers.get("retry-after") == error.headers.get("Retry-After")

    async def test_an_error_of_the_services_own_keeps_its_word(self, assert_refused, http, handler):
        class QuotaSpent(ContractError):
            """There is no room for another tenant."""

            status, code = 507, "quota_spent"

        handler.answers["activate"] = QuotaSpent()
        handler.answers["status"] = QuotaSpent("none left", details={"tenants": 5})
        assert assert_refused(await http.get(STATUS), 507, "quota_spent")["details"] == {"tenants": 5}

    async def test_anything_else_is_logged_and_leaves_without_its_text(
        self, assert_refused, http, handler, body, caplog
    ):
        handler.answers["activate"] = RuntimeError(f"insert failed for {body['admin']['email']}")
        with caplog.at_level(logging.INFO, "mt_paas"):
            response = await http.post(ACTIVATE, json=body, headers={"X-Request-ID": "req-7"})
        problem = assert_refused(response, 500, "internal_error")
        assert problem["retryable"] is True
        (record,) = caplog.records
        assert "RuntimeError (request req-7)" in record.getMessage()
        assert "in activate_tenant" in record.getMessage()
        for secret in ("hallym.ac.kr", http.headers["X-Market-API-Key"]):
            assert secret not in response.text + caplog.text

    async def test_its_text_is_in_the_log_for_those_who_debug(self, http, handler, caplog):
        handler.answers["status"] = RuntimeError("the cause")
        with caplog.at_level(logging.DEBUG, "mt_paas"):
            await http.get(STATUS)
        assert "the cause" in caplog.text

    @pytest.mark.parametrize(
        "answer",
        [
            None,
            {"status": "activated", "tenant_id": "hallym_univ", "access_url": "https://x.example"},
            Health(status=HealthStatus.HEALTHY, version="1", timestamp=datetime(2026, 1, 1, tzinfo=UTC)),
            ActivateResponse(tenant_id="other_univ", access_url="https://x.example"),
            ActivateResponse.model_construct(tenant_id="hallym_univ", access_url="javascript:alert(1)"),
            ActivateResponse.model_construct(tenant_id="hallym_univ", access_url=5),
            ActivateResponse.model_construct(tenant_id="hallym_univ"),
        ],
    )
    async def test_an_answer_that_the_contract_does_not_know_is_a_500(
        self, assert_refused, http, handler, body, answer
    ):
        handler.answers["activate"] = answer
        assert_refused(await http.post(ACTIVATE, json=body), 500, "internal_error")

    async def test_an_answer_about_another_period_is_a_500(self, assert_refused, http, handler, monkeypatch):
        async def other_period(tenant_id, period):
            return UsageResponse(tenant_id=tenant_id, period="1999-01", usage=Usage())

        monkeypatch.setattr(handler, "get_tenant_usage", other_period)
        assert_refused(await http.get(USAGE), 500, "internal_error")


class TestContext:
    async def test_a_request_id_comes_back_and_reaches_the_handler(self, http, handler, body):
        headers = {
            "X-Request-ID": "req-42",
            "Idempotency-Key": "op-1",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        }
        response = await http.post(ACTIVATE, json=body, headers=headers)
        assert response.headers["x-request-id"] == "req-42"
        (context,) = handler.contexts
        assert context.request_id == "req-42"
        assert context.idempotency_key == "op-1"
        assert context.traceparent == headers["traceparent"]

    @pytest.mark.parametrize("given", ["", "x" * 129, "two words", 'a"b', "<script>", "é"])
    async def test_one_that_is_not_sane_is_replaced(self, http, given):
        response = await http.get("/mt/health", headers={"X-Request-ID": given.encode("latin-1")})
        assert len(response.headers["x-request-id"]) == 32

    @pytest.mark.parametrize("given", ["x", "00-0-0-0", f"ff-{'a' * 32}-{'b' * 16}-01", f"00-{'0' * 32}-{'b' * 16}-01"])
    async def test_a_traceparent_that_is_none_is_left_out(self, http, handler, body, given):
        await http.post(ACTIVATE, json=body, headers={"traceparent": given})
        assert handler.contexts[0].traceparent is None

    @pytest.mark.parametrize("given", ["", "x" * 256, "a b", "é"])
    async def test_an_idempotency_key_that_is_not_sane_is_refused(self, assert_refused, http, handler, body, given):
        response = await http.post(ACTIVATE, json=body, headers={"Idempotency-Key": given.encode("latin-1")})
        assert "Idempotency-Key" in assert_refused(response, 422, "invalid_body")["message"]
        assert handler.asked == []

    def test_outside_of_a_call_there_is_an_empty_one(self):
        assert call_context().request_id == "-"


class TestElsewhere:
    @pytest.mark.parametrize(
        "path", ["/mt", "/mt/", "/mt/health/", "/mt/nothing", "/mt/tenant", "/mt/tenant/a/b/c", "/mt//health"]
    )
    async def test_an_unknown_address_is_answered_in_the_shape(self, assert_refused, make_http, path):
        assert_refused(await make_http(headers={}).get(path), 404, "not_found")

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("POST", "/mt/health", "GET, HEAD, OPTIONS"),
            ("DELETE", "/mt/health", "GET, HEAD, OPTIONS"),
            ("PROPFIND", "/mt/health", "GET, HEAD, OPTIONS"),
            ("GET", ACTIVATE, "POST, OPTIONS"),
            ("HEAD", ACTIVATE, "POST, OPTIONS"),
            ("PUT", STATUS, "GET, HEAD, OPTIONS"),
        ],
    )
    async def test_a_wrong_method_is_told_the_right_ones(self, assert_refused, make_http, method, path, allowed):
        response = await make_http(headers={}).request(method, path)
        assert response.status_code == 405
        assert response.headers["allow"] == allowed
        if method != "HEAD":
            assert_refused(response, 405, "method_not_allowed")

    async def test_options_tells_the_methods(self, make_http):
        response = await make_http(headers={}).options(ACTIVATE)
        assert (response.status_code, response.headers["allow"]) == (204, "POST, OPTIONS")

    async def test_head_is_get_without_a_body(self, http):
        get, head = await http.get("/mt/health"), await http.head("/mt/health")
        assert (head.status_code, head.headers["content-type"]) == (200, "application/json")
        assert head.content == b""
        assert head.headers["content-length"] == str(len(get.content))

    async def test_the_rest_of_the_application_is_left_alone(self, key, handler):
        app = FastAPI()
        app.include_router(create_standard_router(handler, api_key=key))
        app.add_api_route("/mtx", lambda: "mine")
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://service") as http:
            assert (await http.get("/mtx")).json() == "mine"
            assert (await http.get("/nothing")).json() == {"detail": "Not Found"}


class TestInAnApplication:
    async def test_it_may_have_another_prefix_and_be_included_under_one(self, assert_refused, make_http, body):
        http = make_http(prefix="/std", include={"prefix": "/api"})
        assert (await http.post("/api/std/tenant/hallym_univ/activate", json=body)).status_code == 200
        assert_refused(await http.get("/api/std/nothing"), 404, "not_found")
        assert_refused(await http.delete("/api/std/health"), 405, "method_not_allowed")

    async def test_it_may_be_included_in_a_router(self, key, assert_refused, handler, body):
        app, outer = FastAPI(), APIRouter(prefix="/v1")
        outer.include_router(create_standard_router(handler, api_key=key))
        app.include_router(outer)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://service") as http:
            assert_refused(await http.post("/v1" + ACTIVATE, json=body), 401, "invalid_api_key")
            assert_refused(await http.get("/v1/mt/nothing"), 404, "not_found")

    async def test_dependencies_of_the_application_run_and_fail_in_the_shape(self, assert_refused, make_http):
        def too_often() -> None:
            raise HTTPException(429, "Slow down.", headers={"Retry-After": "1"})

        response = await make_http(include={"dependencies": [Depends(too_often)]}).get("/mt/health")
        problem = assert_refused(response, 429, "too_many_requests")
        assert (problem["message"], problem["retryable"]) == ("Slow down.", True)
        assert response.headers["retry-after"] == "1"

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (401, "unauthorized"),
            (404, "not_found"),
            (413, "body_too_large"),
            (499, "http_499"),
            (503, "service_not_ready"),
        ],
    )
    async def test_http_errors_of_the_application_have_a_word(self, assert_refused, make_http, status, error):
        def fail() -> None:
            raise HTTPException(status)

        assert_refused(await make_http(include={"dependencies": [Depends(fail)]}).get("/mt/health"), status, error)

    async def test_a_dependency_that_misses_a_parameter_fails_in_the_shape(self, assert_refused, make_http):
        def needs(number: int) -> None:
            pass

        response = await make_http(include={"dependencies": [Depends(needs)]}).get("/mt/health")
        assert assert_refused(response, 422, "invalid_body")["details"][0]["path"] == "query.number"


class TestOpenAPI:
    @pytest.fixture
    async def document(self, http):
        return (await http.get("/openapi.json")).json()

    async def test_it_has_the_calls_that_are_offered_and_nothing_else(self, document):
        operations = {
            operation["operationId"]: (method, path)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }
        assert operations == {
            "mt_health": ("get", "/mt/health"),
            "mt_activate_tenant": ("post", "/mt/tenant/{tenant_id}/activate"),
            "mt_deactivate_tenant": ("post", "/mt/tenant/{tenant_id}/deactivate"),
            "mt_get_tenant_status": ("get", "/mt/tenant/{tenant_id}/status"),
            "mt_get_tenant_usage": ("get", "/mt/tenant/{tenant_id}/usage"),
            "mt_get_configuration": ("get", "/mt/.well-known/mt-configuration"),
        }

    async def test_every_status_is_there_with_an_example_of_each_word(self, document):
        responses = document["paths"]["/mt/tenant/{tenant_id}/activate"]["post"]["responses"]
        words = {
            status: list(response["content"]["application/problem+json"]["examples"])
            for status, response in responses.items()
            if status not in {"200", "202", "default"}
        }
        assert words == {
            "401": ["invalid_api_key"],
            "405": ["method_not_allowed"],
            "409": ["operation_in_progress", "tenant_already_exists"],
            "410": ["tenant_purged"],
            "412": ["unsupported_api_version"],
            "413": ["body_too_large"],
            "422": ["invalid_tenant_id", "tenant_id_mismatch", "invalid_body", "invalid_plan"],
            "500": ["internal_error"],
            "503": ["service_not_ready"],
        }

    async def test_every_reference_leads_somewhere(self, document):
        def references(node):
            if isinstance(node, dict):
                if "$ref" in node:
                    yield node["$ref"]
                for child in node.values():
                    yield from references(child)
            elif isinstance(node, list):
                for child in node:
                    yield from references(child)

        found = set(references(document))
        assert found
        for reference in found:
            target = document
            for step in reference.removeprefix("#/").split("/"):
                target = target[step]

    async def test_the_body_is_described_with_its_example(self, document):
        operation = document["paths"]["/mt/tenant/{tenant_id}/activate"]["post"]
        body = operation["requestBody"]["content"]["application/json"]
        assert body["schema"] == {"$ref": "#/components/schemas/ActivateRequest"}
        assert "ActivateRequest" in document["components"]["schemas"]
        assert ActivateRequest.model_validate_json(json.dumps(body["example"])).tenant_id == "hallym_univ"

    async def test_only_health_goes_without_the_key(self, document):
        assert document["components"]["securitySchemes"] == {
            "MarketKey": {
                "type": "apiKey",
                "in": "header",
                "name": "X-Market-API-Key",
                "description": "The market's key, which the service was given.",
            }
        }
        for path, methods in document["paths"].items():
            for operation in methods.values():
                assert operation["security"] == ([] if path == "/mt/health" else [{"MarketKey": []}])
