"""The router's five calls, by HTTP: nothing wrong reaches the handler."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx2
import pytest
from fastapi import FastAPI
from mt_paas.errors import ConfigurationError
from mt_paas.standard_api import Health, HealthStatus, StandardAPIHandler, create_standard_router
from mt_paas.testing.doubles import FakeService

ACTIVATE = "/mt/tenant/hallym_univ/activate"
DEACTIVATE = "/mt/tenant/hallym_univ/deactivate"
STATUS = "/mt/tenant/hallym_univ/status"
USAGE = "/mt/tenant/hallym_univ/usage"


class TestHealth:
    async def test_it_needs_no_key(self, make_http):
        response = await make_http(headers={}).get("/mt/health")
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-store"
        assert Health.model_validate_json(response.content).status is HealthStatus.HEALTHY

    async def test_it_reports_the_version_of_the_manifest(self, make_http):
        response = await make_http(manifest=FakeService().manifest("https://x.example")).get("/mt/health")
        assert response.json()["version"] == "1.0.0"


class TestKey:
    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", ACTIVATE), ("POST", DEACTIVATE), ("GET", STATUS), ("GET", USAGE), ("HEAD", STATUS)],
    )
    async def test_every_other_call_needs_it(self, make_http, handler, method, path):
        response = await make_http(headers={}).request(method, path)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'ApiKey header="X-Market-API-Key"'
        assert handler.asked == []

    async def test_a_wrong_one_is_refused_before_anything_else_is_looked_at(self, assert_refused, make_http):
        http = make_http(headers={"X-Market-API-Key": "wrong"})
        assert_refused(await http.post("/mt/tenant/NOT A SLUG/activate", content=b"garbage"), 401, "invalid_api_key")

    async def test_two_values_are_refused(self, key, assert_refused, make_http, body):
        http = make_http(headers=[("X-Market-API-Key", key), ("X-Market-API-Key", key)])
        assert_refused(await http.post(ACTIVATE, json=body), 401, "invalid_api_key")

    @pytest.mark.parametrize("name", ["x-market-api-key", "X-MARKET-API-KEY"])
    async def test_the_header_is_found_however_it_is_written(self, key, make_http, body, name):
        assert (await make_http(headers={name: key}).post(ACTIVATE, json=body)).status_code == 200

    async def test_two_keys_work_while_one_replaces_the_other(self, make_http, body):
        keys = ["an-old-key-of-the-market", "a-new-key-of-the-market"]
        for key in keys:
            http = make_http(api_key=None, api_keys=keys, headers={"X-Market-API-Key": key})
            assert (await http.post(ACTIVATE, json=body)).status_code == 200

    async def test_the_header_is_the_one_that_the_manifest_names(self, key, assert_refused, make_http, body):
        manifest = FakeService().manifest("https://x.example")
        manifest = manifest.model_copy(
            update={"auth": manifest.auth.model_copy(update={"header": "X-Marketplace-Key"})}
        )
        http = make_http(manifest=manifest, headers={"X-Marketplace-Key": key})
        assert (await http.post(ACTIVATE, json=body)).status_code == 200
        http = make_http(manifest=manifest)
        assert_refused(await http.post(ACTIVATE, json=body), 401, "invalid_api_key")

    async def test_in_authorization_it_is_a_bearer_token(self, key, make_http, body):
        http = make_http(header="Authorization", headers={"Authorization": f"Bearer {key}"})
        assert (await http.post(ACTIVATE, json=body)).status_code == 200

    @pytest.mark.parametrize("options", [{}, {"api_key": ""}, {"api_keys": []}, {"api_key": "guess"}])
    def test_without_a_good_one_there_is_no_router(self, handler, options):
        with pytest.raises(ConfigurationError, match="make one with"):
            create_standard_router(handler, **options)


class TestTenantId:
    @pytest.mark.parametrize(
        "tenant_id", ["ab", "A", "Hallym", "-ab", "ab-", "a" * 64, "a.b", "a%20b", "abc%0A", "한림대", "a'b;c"]
    )
    async def test_anything_but_a_slug_is_refused_before_any_code_sees_it(
        self, assert_refused, http, handler, body, tenant_id
    ):
        for answer in (
            await http.post(f"/mt/tenant/{tenant_id}/activate", json=body | {"tenant_id": tenant_id}),
            await http.get(f"/mt/tenant/{tenant_id}/status"),
            await http.get(f"/mt/tenant/{tenant_id}/usage"),
        ):
            assert_refused(answer, 422, "invalid_tenant_id")
        assert handler.asked == []

    @pytest.mark.parametrize(
        "path", ["/mt/tenant/..%2f..%2fetc/status", "/mt/tenant//status", "/mt/tenant/a%2Fb/status"]
    )
    async def test_a_path_in_a_path_is_no_address(self, assert_refused, http, path):
        assert_refused(await http.get(path), 404, "not_found")


class TestActivate:
    async def test_the_handler_gets_the_request_and_its_answer_goes_out(self, http, handler, body, activation):
        response = await http.post(ACTIVATE, json=body)
        assert response.status_code == 200
        assert response.json() == {
            "status": "activated",
            "tenant_id": "hallym_univ",
            "access_url": "https://hallym.example",
            "admin_credentials": None,
        }
        assert handler.asked == [activation]

    async def test_fields_that_a_service_declares_for_itself_arrive(self, http, handler, body):
        body["config"]["languages"] = ["ko", "en"]
        body["color"] = "blue"
        await http.post(ACTIVATE, json=body)
        assert handler.asked[0].config.model_extra == {"languages": ["ko", "en"]}

    async def test_every_fault_of_a_body_is_told_with_its_path(self, assert_refused, http, handler, body):
        del body["plan"]
        body["admin"]["email"] = "nobody"
        body["config"]["max_users"] = "500"
        problem = assert_refused(await http.post(ACTIVATE, json=body), 422, "invalid_body")
        assert [fault["path"] for fault in problem["details"]] == ["plan", "config.max_users", "admin.email"]
        assert "nobody" not in json.dumps(problem)
        assert handler.asked == []

    @pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\u007fb", "x" * 201])
    async def test_a_name_is_a_line_of_text(self, assert_refused, http, body, name):
        assert_refused(await http.post(ACTIVATE, json=body | {"tenant_name": name}), 422, "invalid_body")

    @pytest.mark.parametrize(
        "raw", [b"", b"[]", b"{", b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}', b'{"a":' * 10_000, b"\x1f\x8b\x08\x00"]
    )
    async def test_what_is_not_a_json_object_is_refused(self, assert_refused, http, raw):
        response = await http.post(ACTIVATE, content=raw, headers={"Content-Type": "application/json"})
        assert assert_refused(response, 422, "invalid_body")["details"][0]["path"] == ""

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"]
    )
    async def test_another_type_of_body_is_refused(self, assert_refused, http, body, content_type):
        response = await http.post(ACTIVATE, content=json.dumps(body), headers={"Content-Type": content_type})
        assert "application/json" in assert_refused(response, 422, "invalid_body")["message"]

    async def test_a_body_without_a_type_is_refused(self, assert_refused, http, body):
        assert_refused(await http.post(ACTIVATE, content=json.dumps(body)), 422, "invalid_body")

    async def test_a_compressed_body_is_refused(self, assert_refused, http):
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        assert_refused(await http.post(ACTIVATE, content=b"x", headers=headers), 422, "invalid_body")

    async def test_path_and_body_name_one_tenant(self, assert_refused, http, handler, body):
        response = await http.post("/mt/tenant/other_univ/activate", json=body)
        assert_refused(response, 422, "tenant_id_mismatch")
        assert handler.asked == []

    async def test_a_plan_that_the_manifest_does_not_have_is_refused(self, assert_refused, make_http, handler, body):
        http = make_http(manifest=FakeService(plans=("small", "large")).manifest("https://x.example"))
        problem = assert_refused(await http.post(ACTIVATE, json=body), 422, "invalid_plan")
        assert problem["details"] == {"plans": ["small", "large"]}
        assert handler.asked == []
        assert (await http.post(ACTIVATE, json=body | {"plan": "large"})).status_code == 200


class TestBodySize:
    async def test_a_body_of_the_limit_is_read(self, assert_refused, make_http, body):
        raw = json.dumps(body).encode()
        http = make_http(max_body_bytes=len(raw))
        headers = {"Content-Type": "application/json"}
        assert (await http.post(ACTIVATE, content=raw, headers=headers)).status_code == 200
        assert_refused(await http.post(ACTIVATE, content=raw + b" ", headers=headers), 413, "body_too_large")

    async def test_reading_stops_at_the_limit(self, assert_refused, make_http):
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while True:
                sent += 1
                yield b" " * 1000

        http = make_http(max_body_bytes=10_000)
        response = await http.post(ACTIVATE, content=endless(), headers={"Content-Type": "application/json"})
        assert_refused(response, 413, "body_too_large")
        assert sent <= 12

    def test_a_limit_that_fits_nothing_is_refused(self, key, handler):
        with pytest.raises(ConfigurationError, match="max_body_bytes is 0"):
            create_standard_router(handler, api_key=key, max_body_bytes=0)


class TestDeactivate:
    async def test_the_handler_gets_the_request(self, http, handler):
        body = {"reason": "violation", "preserve_data": False, "deactivate_at": "2026-02-01T00:00:00+09:00"}
        response = await http.post(DEACTIVATE, json=body)
        assert response.json()["status"] == "deactivated"
        assert handler.asked[0].deactivate_at == datetime(2026, 1, 31, 15, tzinfo=UTC)

    async def test_a_body_that_names_another_tenant_is_refused(self, assert_refused, http):
        body = {"reason": "violation", "preserve_data": True, "tenant_id": "other_univ"}
        assert_refused(await http.post(DEACTIVATE, json=body), 422, "tenant_id_mismatch")

    @pytest.mark.parametrize(
        "change", [{"reason": "boredom"}, {"preserve_data": "yes"}, {"deactivate_at": "2026-02-01T00:00:00"}]
    )
    async def test_a_wrong_value_is_refused(self, assert_refused, http, change):
        body = {"reason": "violation", "preserve_data": True} | change
        problem = assert_refused(await http.post(DEACTIVATE, json=body), 422, "invalid_body")
        assert [fault["path"] for fault in problem["details"]] == list(change)


class TestUsage:
    @pytest.mark.parametrize(
        ("query", "resolved"),
        [
            ("", "2026-01"),
            ("?period=monthly", "2026-01"),
            ("?period=daily", "2026-01-03"),
            ("?period=2025-12", "2025-12"),
        ],
    )
    async def test_the_handler_gets_the_resolved_period(self, make_http, handler, query, resolved):
        http = make_http(clock=lambda: datetime(2026, 1, 3, tzinfo=UTC))
        assert (await http.get(USAGE + query)).json()["period"] == resolved
        assert handler.asked == [resolved]

    @pytest.mark.parametrize("period", ["2026-13", "2026-02-30", "yesterday", ""])
    async def test_anything_else_is_refused(self, assert_refused, http, handler, period):
        assert_refused(await http.get(USAGE, params={"period": period}), 422, "invalid_period")
        assert handler.asked == []

    async def test_a_service_may_not_offer_it(self, key, assert_refused, activation):
        app = FastAPI()
        app.include_router(create_standard_router(StandardAPIHandler(), api_key=key))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://service") as http:
            response = await http.get(USAGE, headers={"X-Market-API-Key": key})
        assert_refused(response, 501, "not_implemented")
