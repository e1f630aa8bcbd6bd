"""Version 2 and the extensions over HTTP, as setup_multi_tenant wires them: links, cookies, keys, older addresses."""

from __future__ import annotations

import json

import httpx2
import pytest
from fastapi import FastAPI
from mt_paas import CurrentTenant, CurrentUser, setup_multi_tenant
from mt_paas.standard_api.manifest import Manifest
from pydantic import SecretStr

KEY, SECOND_KEY = "the-markets-key-0123456789", "its-successor-9876543210"
VERSION_1 = {"base_url", "health", "tenant_activate", "tenant_deactivate", "tenant_status", "user_access"}
TENANT = "/mt/tenant/hallym_univ"


@pytest.fixture
def manifest(manifest) -> Manifest:
    given = manifest.model_dump(mode="json")
    tenant = "/mt/tenant/{tenant_id}"
    given |= {"version": "2.0", "capabilities": ["async_operations", "events"]}
    given["auth"]["header_aliases"] = ["X-Marketplace-Key"]
    given["endpoints"] = {name: path for name, path in given["endpoints"].items() if name in VERSION_1} | {
        "users": f"{tenant}/users",
        "user": f"{tenant}/users/{{user_id}}",
        "settings": f"{tenant}/settings",
        "operation": "/mt/operations/{operation_id}",
        "export": f"{tenant}/export",
        "sso": f"{tenant}/sso",
    }
    return Manifest.model_validate(given)


@pytest.fixture
def settings(settings, tmp_path):
    keys = (SecretStr(KEY), SecretStr(SECOND_KEY))
    return settings.model_copy(update={"api_keys": keys, "legacy_aliases": True, "home": tmp_path})


@pytest.fixture
def app(manifest, settings, clock) -> FastAPI:
    app = FastAPI()
    setup_multi_tenant(app, manifest=manifest, settings=settings, clock=clock)

    @app.get("/app/{tenant_id}")
    async def show(tenant: CurrentTenant) -> str:
        return tenant.tenant_id

    @app.post("/whoami")
    async def tell(user: CurrentUser) -> str:
        return user.email

    return app


class Market:
    """What a market asks of the service."""

    def __init__(self, service) -> None:
        self.http: httpx2.AsyncClient = service.client
        self.headers = {"X-Market-API-Key": KEY}

    async def post(self, path: str, body: object = None) -> httpx2.Response:
        return await self.http.post(path, json=body, headers=self.headers)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.http.get(path, headers=headers or self.headers)


@pytest.fixture
async def market(service) -> Market:
    await service.activate("hallym_univ")
    return Market(service)


def local(url: str) -> str:
    assert url.startswith("http://notes.example/")
    return url.removeprefix("http://notes.example")


class TestSingleSignOn:
    async def test_logs_a_user_in_by_a_cookie_that_no_script_reads(self, market):
        link = (await market.post(f"{TENANT}/sso", {"user": {"email": "kim@x.kr"}, "return_to": "/x"})).json()

        came = await market.http.get(local(link["launch_url"]))

        assert (came.status_code, came.headers["location"]) == (303, "http://notes.example/x")
        cookie = came.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert came.headers["cache-control"] == "no-store"
        assert (await market.http.get("/app/hallym_univ")).json() == "hallym_univ"
        assert (await market.http.post("/whoami")).json() == "kim@x.kr"
        again = await market.http.get(local(link["launch_url"]))
        assert (again.status_code, again.json()["error"]) == (410, "link_expired")

    async def test_another_sites_page_may_not_act_for_the_user_and_a_log_out_ends_it(self, market):
        link = (await market.post(f"{TENANT}/sso", {"user": {"email": "kim@x.kr"}})).json()
        await market.http.get(local(link["launch_url"]))

        foreign = await market.http.post("/whoami", headers={"Sec-Fetch-Site": "cross-site"})
        assert (foreign.status_code, foreign.json()["error"]) == (403, "tenant_forbidden")
        other = await market.http.get("/app/other_univ")
        assert (other.status_code, other.json()["error"]) == (403, "tenant_forbidden")
        cookie = market.http.cookies["mt_session"]
        assert (await market.http.post("/access/logout")).status_code == 204
        market.http.cookies.clear()
        late = await market.http.post("/whoami", headers={"Cookie": f"mt_session={cookie}"})
        assert (late.status_code, late.json()["error"]) == (401, "invalid_api_key")

    async def test_an_access_key_is_no_user(self, service):
        answer = await service.client.post("/whoami", headers=await service.activate("hallym_univ"))

        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_api_key")


class TestExport:
    async def test_is_fetched_by_its_link_without_a_key(self, market, service):
        await market.post(f"{TENANT}/users", {"email": "kim@x.kr"})
        accepted = await market.post(f"{TENANT}/export")
        await service.app.state.mt_paas.handler.operations.settle()
        operation = (await market.get(accepted.headers["location"])).json()

        fetched = await market.http.get(local(operation["result"]["download_url"]))

        assert (accepted.status_code, operation["status"], fetched.status_code) == (202, "succeeded", 200)
        assert fetched.headers["content-type"] == "application/jsonl"
        assert "attachment" in fetched.headers["content-disposition"]
        lines = [json.loads(line) for line in fetched.text.splitlines()]
        assert [line["row"]["email"] for line in lines if line.get("table") == "mt_user"] == ["kim@x.kr"]
        wrong = await market.http.get(f"/access/export?operation_id={operation['operation_id']}&token=x")
        assert (wrong.status_code, wrong.json()["error"]) == (410, "link_expired")


class TestDoors:
    async def test_both_keys_and_the_older_header_are_good(self, market):
        for headers in ({"X-Market-API-Key": SECOND_KEY}, {"X-Marketplace-Key": KEY}):
            assert (await market.get(f"{TENANT}/settings", **headers)).status_code == 200

    async def test_what_the_manifest_does_not_declare_is_not_offered(self, market):
        answer = await market.post(f"{TENANT}/suspend", {"reason": "unpaid"})

        assert (answer.status_code, answer.json()["error"]) == (501, "not_implemented")

    async def test_the_configuration_leads_to_the_manifest(self, market):
        told = (await market.get("/mt/.well-known/mt-configuration")).json()

        assert (told["schemas"]["manifest"], told["keys"]["accepted"]) == ("/mt/manifest", 2)
        assert set(told["extensions"]) == {"async_operations", "export", "sso", "events"}

    async def test_an_address_that_owns_a_tenant_gets_it_where_the_market_vouches(self, market):
        body = {"email": "A@b.kr", "email_verified": True}

        answer = await market.post("/api/tenant/webhook/auto-provision", body)

        assert (answer.status_code, answer.json()["reused"], answer.json()["tenant_id"]) == (200, True, "hallym_univ")
        refused = await market.post("/api/tenant/webhook/auto-provision", body | {"email_verified": False})
        assert (refused.status_code, refused.json()["error"]) == (403, "email_not_verified")
