"""Which version is served, and which calls: as the manifest declares, or as the handler offers."""

from __future__ import annotations

import pytest
from mt_paas.errors import ConfigurationError
from mt_paas.standard_api import StandardAPIHandler, create_standard_router
from mt_paas.standard_api.describe import DESCRIPTIONS

STATUS = "/mt/tenant/hallym_univ/status"
USERS = "/mt/tenant/hallym_univ/users"
NEWER = [call for call in DESCRIPTIONS if call.since == "2"]


def asking(version: str) -> dict[str, str]:
    return {"X-MT-API-Version": version}


def address(path: str) -> str:
    return "/mt" + path.format(tenant_id="hallym_univ", user_id="u_1001", operation_id="op_01J9ZC4T6Q")


class TestVersion:
    @pytest.mark.parametrize("version", ["1", "2"])
    async def test_the_one_that_is_asked_for_is_served_and_named(self, whole_http, version):
        response = await whole_http.get(STATUS, headers=asking(version))
        assert (response.status_code, response.headers["x-mt-api-version"]) == (200, version)

    async def test_without_a_word_it_is_the_newest(self, whole_http, http):
        assert (await whole_http.get(STATUS)).headers["x-mt-api-version"] == "2"
        assert (await http.get("/mt/health")).headers["x-mt-api-version"] == "1"

    @pytest.mark.parametrize("version", ["3", "99", "0", "abc", "", "2.0", "２", "1,2", "1" * 5000])
    async def test_another_one_is_refused_with_those_that_there_are(self, assert_refused, whole_http, whole, version):
        response = await whole_http.get(STATUS, headers={"X-MT-API-Version": version.encode()})
        assert assert_refused(response, 412, "unsupported_api_version")["details"] == {"versions": ["1", "2"]}
        assert "x-mt-api-version" not in response.headers
        assert whole.asked == []

    async def test_two_are_refused(self, key, assert_refused, make_http, whole):
        headers = [("X-Market-API-Key", key), ("X-MT-API-Version", "2"), ("X-MT-API-Version", "2")]
        assert_refused(await make_http(whole, headers=headers).get(STATUS), 412, "unsupported_api_version")

    async def test_the_key_is_looked_at_first(self, assert_refused, make_http, whole):
        response = await make_http(whole, headers={"X-MT-API-Version": "99"}).get(STATUS)
        assert_refused(response, 401, "invalid_api_key")

    async def test_the_version_before_the_tenant_and_the_body(self, assert_refused, whole_http):
        response = await whole_http.post("/mt/tenant/NOT A SLUG/users", content=b"garbage", headers=asking("9"))
        assert_refused(response, 412, "unsupported_api_version")

    @pytest.mark.parametrize("version", ["1", "2", "99", "abc"])
    async def test_health_is_always_served(self, whole_http, version):
        response = await whole_http.get("/mt/health", headers=asking(version))
        assert response.status_code == 200
        assert response.headers["x-mt-api-version"] == (version if version in {"1", "2"} else "2")

    async def test_version_1_has_no_calls_of_version_2(self, assert_refused, whole_http):
        response = await whole_http.get(USERS, headers=asking("1"))
        assert assert_refused(response, 412, "unsupported_api_version")["details"] == {"versions": ["2"]}

    async def test_it_stands_in_errors_too(self, assert_refused, whole_http):
        response = await whole_http.get("/mt/tenant/AB/status", headers=asking("1"))
        assert_refused(response, 422, "invalid_tenant_id")
        assert response.headers["x-mt-api-version"] == "1"


class TestOffer:
    @pytest.mark.parametrize("call", NEWER, ids=lambda call: call.call)
    async def test_a_call_that_the_handler_does_not_override_is_not_implemented(self, assert_refused, http, call):
        response = await http.request(call.method, address(call.path), content=b"garbage")
        assert_refused(response, 501, "not_implemented")

    @pytest.mark.parametrize("call", NEWER, ids=lambda call: call.call)
    async def test_a_call_that_the_manifest_does_not_declare_is_not_implemented(
        self, assert_refused, make_http, make_manifest, whole, call
    ):
        http = make_http(whole, manifest=make_manifest(call.endpoint))
        response = await http.request(call.method, address(call.path), content=b"garbage")
        assert_refused(response, 501, "not_implemented")
        assert whole.asked == []

    @pytest.mark.parametrize("call", NEWER, ids=lambda call: call.call)
    async def test_every_call_needs_the_key(self, assert_refused, make_http, whole, call):
        http = make_http(whole, headers={"X-Market-API-Key": "wrong"})
        response = await http.request(call.method, address(call.path), content=b"garbage")
        assert_refused(response, 401, "invalid_api_key")

    async def test_a_manifest_of_version_1_offers_version_1(self, assert_refused, make_http, make_manifest, whole):
        http = make_http(whole, manifest=make_manifest(version="1.0"))
        assert_refused(await http.get(USERS), 501, "not_implemented")
        assert_refused(await http.get(USERS, headers=asking("2")), 412, "unsupported_api_version")
        response = await http.get(STATUS)
        assert (response.status_code, response.headers["x-mt-api-version"]) == (200, "1")

    async def test_a_declared_call_that_nobody_wrote_is_not_implemented(self, assert_refused, make_http, make_manifest):
        http = make_http(StandardAPIHandler(), manifest=make_manifest())
        assert_refused(await http.get(USERS), 501, "not_implemented")

    async def test_the_document_has_what_is_offered(self, make_http, make_manifest, whole):
        http = make_http(whole, manifest=make_manifest("users", "purge"))
        paths = (await http.get("/openapi.json")).json()["paths"]
        assert "/mt/tenant/{tenant_id}/users/{user_id}" in paths
        assert not {"/mt/tenant/{tenant_id}/users", "/mt/tenant/{tenant_id}"} & paths.keys()


class TestKeyHeaders:
    async def test_the_aliases_are_those_of_the_manifest(self, key, assert_refused, make_http, make_manifest, whole):
        auth = {"type": "api_key", "header_aliases": ["X-Marketplace-Key", "X-API-Key"]}
        manifest = make_manifest(auth=auth)
        for name in ("X-Market-API-Key", "X-Marketplace-Key", "x-api-key"):
            assert (await make_http(whole, manifest=manifest, headers={name: key}).get(STATUS)).status_code == 200
        http = make_http(whole, manifest=manifest, header_aliases=(), headers={"X-API-Key": key})
        assert_refused(await http.get(STATUS), 401, "invalid_api_key")

    async def test_two_headers_with_different_keys_are_refused(self, assert_refused, make_http, whole):
        keys = ["an-old-key-of-the-market", "a-new-key-of-the-market"]
        headers = {"X-Market-API-Key": keys[0], "X-API-Key": keys[1]}
        http = make_http(whole, api_keys=keys, header_aliases=["X-API-Key"], headers=headers)
        assert "Two different keys" in assert_refused(await http.get(STATUS), 401, "invalid_api_key")["message"]

    async def test_the_document_says_that_one_of_them_is_needed(self, make_http, whole):
        document = (await make_http(whole, header_aliases=["X-API-Key"]).get("/openapi.json")).json()
        assert [scheme["name"] for scheme in document["components"]["securitySchemes"].values()] == [
            "X-Market-API-Key",
            "X-API-Key",
        ]
        security = document["paths"]["/mt/tenant/{tenant_id}/status"]["get"]["security"]
        assert security == [{"MarketKey": []}, {"MarketKey2": []}]


class TestConfiguration:
    PATH = "/mt/.well-known/mt-configuration"

    async def test_it_tells_what_a_manifest_declares(self, make_http, make_manifest, whole):
        http = make_http(whole, manifest=make_manifest("export", "sso"), manifest_path="/mt/manifest")
        assert (await http.get(self.PATH)).json() == {
            "versions": ["1", "2"],
            "extensions": [
                *("async_operations", "plan_change", "suspend", "purge", "credentials", "events", "inventory")
            ],
            "endpoints": [
                *("health", "tenant_activate", "tenant_deactivate", "tenant_status", "usage_report"),
                *("stats", "stats_costs", "stats_top_users", "users", "user", "resources", "settings"),
                *("plan_change", "suspend", "resume", "purge", "credentials_rotate", "operation", "inventory"),
            ],
            "limits": {"max_body_bytes": 1_048_576, "max_page_limit": 500},
            "keys": {"header": "X-Market-API-Key", "header_aliases": [], "accepted": 1},
            "schemas": {"manifest": "/mt/manifest", "openapi": "/openapi.json", "errors": None},
        }

    async def test_without_a_manifest_it_tells_what_the_handler_overrides(self, make_http, handler, whole):
        told = (await make_http(handler).get(self.PATH)).json()
        assert (told["versions"], told["extensions"]) == (["1"], [])
        assert told["endpoints"] == [
            *("health", "tenant_activate", "tenant_deactivate", "tenant_status", "usage_report")
        ]
        told = (await make_http(whole, api_keys=["another-key-of-the-market"]).get(self.PATH)).json()
        assert told["versions"] == ["1", "2"]
        assert {"async_operations", "inventory"} <= set(told["extensions"])
        assert "events" not in told["extensions"]
        assert told["keys"]["accepted"] == 2

    async def test_it_needs_the_key(self, assert_refused, make_http):
        assert_refused(await make_http(headers={}).get(self.PATH), 401, "invalid_api_key")

    async def test_it_is_served_in_version_1_too(self, http):
        assert (await http.get(self.PATH, headers=asking("1"))).status_code == 200


class TestPrefix:
    @pytest.mark.parametrize("prefix", ["mt", "/mt/", "/", "/a//b", "/{x}"])
    def test_one_that_makes_no_addresses_is_refused(self, key, handler, prefix):
        with pytest.raises(ConfigurationError, match='write it as "/mt"'):
            create_standard_router(handler, api_key=key, prefix=prefix)
