"""What setup_multi_tenant puts around an app: principals, scopes, tokens, limits, proxies, WebSockets."""

from __future__ import annotations

import json

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from joserfc import jwt
from joserfc.jwk import ECKey
from mt_paas.errors import ConfigurationError, ScopeMissing
from mt_paas.middleware.own_routes import include_own_routes
from mt_paas.middleware.traffic import OpenPaths
from mt_paas.setup import CurrentPrincipal, CurrentTenant, setup_multi_tenant
from mt_paas.testing.serving import serve
from mt_paas.utils.config import JwtSettings, RateLimitSettings, TenantSettings
from starlette.routing import Match
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

KEY = ECKey.generate_key("P-256", {"kid": "1"})


@pytest.fixture
def make_app(manifest, settings, clock):
    def make(**changed) -> FastAPI:
        app = FastAPI()
        setup_multi_tenant(app, manifest=manifest, settings=settings.model_copy(update=changed), clock=clock)

        @app.get("/whose")
        async def whose(tenant: CurrentTenant) -> str:
            return tenant.tenant_id

        @app.get("/who")
        async def who(principal: CurrentPrincipal) -> str:
            return f"{principal.kind} {principal.subject}"

        @app.delete("/notes")
        async def delete(principal: CurrentPrincipal, tenant: CurrentTenant) -> str:
            principal.require_scope("notes:delete")
            return tenant.tenant_id

        @app.get("/open")
        async def everybody() -> str:
            return "everybody"

        @app.websocket("/socket")
        async def talk(socket: WebSocket, tenant: CurrentTenant) -> None:
            await socket.accept()
            await socket.send_text(tenant.tenant_id)
            raise ScopeMissing

        return app

    return make


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


class TestAccessKeys:
    async def test_each_may_do_what_its_scopes_say(self, make_app, running):
        async with running(make_app()) as service:
            administrator = await service.activate("hallym_univ")
            keys = service.app.state.mt_paas.manager.access_keys
            reader = bearer((await keys.create("hallym_univ", name="reader", scopes=["notes:read"])).secret)
            writer = bearer((await keys.create("hallym_univ", name="writer", scopes=["notes:delete"])).secret)

            answers = [await service.client.delete("/notes", headers=h) for h in (administrator, reader, writer)]

        assert [answer.status_code for answer in answers] == [200, 403, 200]
        assert answers[1].json()["error"] == "scope_missing"

    async def test_one_that_is_ended_opens_nothing_any_more(self, make_app, running):
        async with running(make_app()) as service:
            await service.activate("hallym_univ")
            keys = service.app.state.mt_paas.manager.access_keys
            made = await keys.create("hallym_univ", name="robot")
            before = await service.client.get("/whose", headers=bearer(made.secret))
            await keys.revoke("hallym_univ", made.key.key_id)
            after = await service.client.get("/whose", headers=bearer(made.secret))
            anyway = await service.client.get("/open", headers=bearer(made.secret))

        assert (before.status_code, after.status_code, anyway.status_code) == (200, 401, 200)
        assert after.headers["WWW-Authenticate"] == "Bearer"

    async def test_who_it_is_is_told(self, make_app, running):
        async with running(make_app()) as service:
            headers = await service.activate("hallym_univ")
            told = await service.client.get("/who", headers=headers)
            nobody = await service.client.get("/who")

        assert told.json().startswith("access_key ")
        assert (nobody.status_code, nobody.json()["error"]) == (401, "invalid_api_key")


class TestTokens:
    async def test_an_issuers_token_opens_its_tenant_and_no_other(self, make_app, running, clock):
        issuer = FastAPI()

        @issuer.get("/jwks")
        async def jwks() -> dict:
            return {"keys": [KEY.as_dict(private=False)]}

        def token(**claims) -> dict[str, str]:
            good = {"iss": "https://login.example", "aud": "notes", "sub": "kim"}
            good |= {"exp": int(clock().timestamp()) + 60} | claims
            return bearer(jwt.encode({"alg": "ES256", "kid": "1"}, good, KEY))

        async with serve(issuer) as url:
            tokens = JwtSettings(issuer="https://login.example", audience="notes", jwks_url=f"{url}/jwks")
            async with running(make_app(jwt=tokens)) as service:
                await service.activate("hallym_univ")
                await service.activate("other_univ")
                own = token(tenant_id="hallym_univ")
                answers = [
                    await service.client.get("/whose", headers=own),
                    await service.client.get("/whose", headers=own | {"X-Tenant-ID": "other_univ"}),
                    await service.client.get("/whose", headers=token()),
                    await service.client.get("/whose", headers=token(tenant_id="hallym_univ", aud="other")),
                    await service.client.get("/who", headers=token()),
                ]

        assert [answer.status_code for answer in answers] == [200, 403, 403, 401, 200]
        assert answers[3].json()["error"] == "invalid_token"
        assert answers[4].json() == "token kim"

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"issuer": "a"}, "MT_JWT__AUDIENCE"),
            ({"issuer": "a", "audience": "b"}, "MT_JWT__JWKS_URL"),
            ({"jwks_url": "https://a.example"}, "MT_JWT__ISSUER"),
            ({"issuer": "a", "audience": "b", "jwks_url": "http://a.example"}, "https"),
            ({"issuer": "a", "audience": "b", "jwks_url": "https://a.example", "secret": "s" * 32}, "one of them"),
            ({"issuer": "a", "audience": "b", "jwks_url": "https://a.example", "algorithms": "HS256"}, "algorithms"),
            ({"issuer": "a", "audience": "b", "jwks_url": "https://a.example", "algorithms": "none"}, "algorithms"),
        ],
    )
    def test_settings_that_would_take_too_much_are_refused(self, given, told):
        with pytest.raises(ValueError, match=told):
            JwtSettings(**given)


class TestLimits:
    async def test_they_count_tenants_and_not_the_market(self, make_app, running, settings):
        market = {"X-Market-API-Key": settings.api_keys[0].get_secret_value()}
        async with running(make_app(rate_limit=RateLimitSettings(default="1/day"))) as service:
            headers = await service.activate("hallym_univ")
            mine = [await service.client.get("/whose", headers=headers) for _ in range(2)]
            path = "/mt/tenant/hallym_univ/status"
            markets = [await service.client.get(path, headers=market) for _ in range(3)]

        assert [answer.status_code for answer in mine] == [200, 429]
        assert int(mine[1].headers["Retry-After"]) > 0
        assert [(answer.status_code, "RateLimit" in answer.headers) for answer in markets] == [(200, False)] * 3

    def test_one_that_is_none_is_told_at_the_start(self, make_app):
        with pytest.raises(ConfigurationError, match="fortnight"):
            make_app(rate_limit=RateLimitSettings(default="5/fortnight"))

    def test_one_for_a_plan_that_the_manifest_does_not_have_is_told_in_the_log(self, make_app, caplog):
        make_app(rate_limit=RateLimitSettings(plans={"premum": "5/minute", "basic": "1/minute"}))

        (said,) = [each.getMessage() for each in caplog.records if each.name == "mt_paas.middleware.stack"]
        assert "limits premum, and the manifest's plans are basic, standard, premium" in said


class TestNames:
    async def test_a_trusted_proxys_word_counts(self, make_app, running):
        trusting = TenantSettings(trusted_proxies="127.0.0.0/8")
        async with running(make_app(tenant=trusting)) as service:
            await service.activate("hallym_univ")
            by_header = await service.client.get("/whose", headers={"X-Tenant-ID": "hallym_univ"})
            by_query = await service.client.get("/whose?tenant_id=hallym_univ")

        assert (by_header.status_code, by_query.status_code) == (200, 401)

    async def test_the_query_counts_in_development(self, make_app, running):
        trusting = TenantSettings(trusted_proxies="127.0.0.0/8")
        async with running(make_app(tenant=trusting, development=True)) as service:
            await service.activate("hallym_univ")
            by_query = await service.client.get("/whose?tenant_id=hallym_univ")

        assert by_query.json() == "hallym_univ"


class TestWebSockets:
    async def test_they_take_current_tenant_and_are_closed_by_errors(self, make_app):
        app = make_app()
        async with serve(app, websockets="websockets-sansio") as url, httpx2.AsyncClient(base_url=url):
            manager = app.state.mt_paas.manager
            await manager.onboard_tenant("hallym_univ", "Hallym")
            await manager.provision_tenant("hallym_univ")
            secret = (await manager.access_keys.create("hallym_univ", name="robot")).secret
            address = f"{url.replace('http:', 'ws:')}/socket"

            async with connect(address, additional_headers=bearer(secret), proxy=None) as socket:
                told = await socket.recv()
                with pytest.raises(ConnectionClosed) as closed:
                    await socket.recv()
            with pytest.raises(InvalidStatus) as refused:
                await connect(address, proxy=None)

        assert told == "hallym_univ"
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "scope_missing")
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body)["error"] == "invalid_api_key"


class TestOwnRoutes:
    async def test_they_are_in_the_apps_document_and_answer_what_is_nowhere(self, make_app, running):
        async with running(make_app()) as service:
            document = (await service.client.get("/openapi.json")).json()
            nowhere = await service.client.get("/mt/nowhere")

        assert {"/mt/health", "/mt/manifest", "/access/setup", "/open"} <= set(document["paths"])
        assert (nowhere.status_code, nowhere.json()["error"]) == (404, "not_found")

    def test_a_request_elsewhere_passes_them_without_a_look_at_each(self):
        class Asked(Exception):
            pass

        def never(scope):
            raise Asked

        app, own = FastAPI(), APIRouter()
        own.add_api_route("/mt/health", lambda: None)
        own.routes[0].matches = never
        several = len(app.routes)
        include_own_routes(app, own, OpenPaths(["/mt/"]))
        (route,) = app.routes[several:]

        assert route.matches({"type": "http", "path": "/notes", "method": "GET"}) == (Match.NONE, {})
        with pytest.raises(Asked):
            route.matches({"type": "http", "path": "/mt/health", "method": "GET"})
