from __future__ import annotations

import logging
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from mt_paas.core.access_router import HideSetupTokens
from mt_paas.core.handler import ManagedTenantHandler
from mt_paas.errors import ConfigurationError, ManifestError
from mt_paas.setup import CurrentTenant, setup_multi_tenant
from mt_paas.standard_api.models import UserFigures
from mt_paas.utils.config import Settings
from mt_paas.utils.isolation_settings import IsolationSettings
from pydantic import SecretStr


class TestSetup:
    async def test_offers_the_standard_api(self, service):
        answer = await service.client.get("/mt/health")

        assert (answer.status_code, answer.json()["checks"]["database"]["status"]) == (200, "healthy")

    async def test_shows_the_manifest_without_a_key(self, service, manifest):
        answer = await service.client.get("/mt/manifest")

        assert answer.status_code == 200
        assert type(manifest).model_validate(answer.json()) == manifest

    async def test_the_public_address_replaces_the_manifests(self, manifest, settings):
        app = FastAPI()

        mt = setup_multi_tenant(
            app, manifest=manifest, settings=settings.model_copy(update={"public_url": "https://elsewhere.example"})
        )

        assert mt.manifest.endpoints.base_url == "https://elsewhere.example"

    async def test_runs_around_the_apps_own_lifespan(self, manifest, settings, running):
        seen = []

        @asynccontextmanager
        async def lifespan(app):
            await app.state.mt_paas.manager.check_database()
            seen.append("started")
            yield {"given": "by the app"}
            await app.state.mt_paas.manager.check_database()
            seen.append("stopped")

        app = FastAPI(lifespan=lifespan)
        setup_multi_tenant(app, manifest=manifest, settings=settings)
        async with running(app):
            assert seen == ["started"]

        assert seen == ["started", "stopped"]

    async def test_the_handler_can_be_the_services_own(self, manifest, settings, running, clock):
        class Handler(ManagedTenantHandler):
            async def count_users(self, session):
                return UserFigures(total=7, active_today=2)

        app = FastAPI()
        setup_multi_tenant(app, manifest=manifest, settings=settings, handler=Handler, clock=clock)
        async with running(app) as service:
            await service.activate("hallym_univ")
            path = "/mt/tenant/hallym_univ/status"
            key = settings.api_keys[0].get_secret_value()
            answer = await service.client.get(path, headers={"X-Market-API-Key": key})

        assert answer.json()["users"] == {"total": 7, "active_today": 2}

    def test_without_a_key_for_the_market_it_is_refused(self, manifest):
        with pytest.raises(ConfigurationError, match="MT_API_KEYS"):
            setup_multi_tenant(FastAPI(), manifest=manifest, settings=Settings(api_keys=()))

    def test_a_manifest_that_promises_another_isolation_is_refused(self, manifest, settings):
        promised = manifest.isolation.model_copy(
            update={"supported": ("DOCKER_PER_TENANT",), "default": "DOCKER_PER_TENANT"}
        )

        with pytest.raises(ConfigurationError, match="isolation"):
            setup_multi_tenant(
                FastAPI(), manifest=manifest.model_copy(update={"isolation": promised}), settings=settings
            )

    def test_an_isolation_for_a_plan_that_the_manifest_does_not_have_is_refused(self, manifest, settings):
        given = IsolationSettings(by_plan={"premum": "DATABASE_PER_TENANT", "basic": "DATABASE_PER_TENANT"})

        with pytest.raises(ConfigurationError) as refused:
            setup_multi_tenant(FastAPI(), manifest=manifest, settings=settings.model_copy(update={"isolation": given}))

        said = "MT_ISOLATION__BY_PLAN is for premum, and the manifest's plans are basic, standard, premium"
        assert str(refused.value) == said

    def test_a_service_that_takes_any_plan_has_isolations_for_any(self, manifest, settings):
        given = IsolationSettings(by_plan={"gold": "DATABASE_PER_TENANT"})
        taking_any = manifest.model_copy(update={"plans": {}, "features": {}})

        mt = setup_multi_tenant(
            FastAPI(), manifest=taking_any, settings=settings.model_copy(update={"isolation": given})
        )

        assert mt.manifest.plan_names == ()

    def test_a_broken_manifest_is_refused(self, tmp_path, settings):
        path = tmp_path / "manifest.yaml"
        path.write_text("version: '1.0'\n")

        with pytest.raises(ManifestError):
            setup_multi_tenant(FastAPI(), manifest=path, settings=settings)


@pytest.mark.system
class TestEmbeddedDatabase:
    async def test_without_a_setting_the_service_has_a_server_of_its_own(
        self, manifest, running, clock, tmp_path, monkeypatch
    ):
        for name in ("DATABASE_URL", "MT_DATABASE_URL"):
            monkeypatch.delenv(name, raising=False)
        settings = Settings(home=tmp_path, api_keys=(SecretStr("the-markets-key-0123456789"),))
        first, second = FastAPI(), FastAPI()
        for app in (first, second):
            setup_multi_tenant(app, manifest=manifest, settings=settings, clock=clock)

        async with running(first) as service:
            await service.activate("hallym_univ")
        async with running(second):
            tenant = await second.state.mt_paas.manager.get_tenant("hallym_univ")

        assert (tenant.status, tenant.database) == ("active", "tnnt_hallym_univ")


class TestCurrentTenant:
    async def test_is_the_one_of_the_access_key(self, service):
        headers = await service.activate("hallym_univ")

        assert (await service.client.get("/of/hallym_univ", headers=headers)).json() == "hallym_univ"

    async def test_naming_another_one_is_refused_however_it_is_named(self, service):
        headers = await service.activate("hallym_univ")

        by_path = await service.client.get("/of/other_univ", headers=headers)
        by_header = await service.client.get("/notes", headers=headers | {"X-Tenant-ID": "other_univ"})
        by_two = await service.client.get(
            "/notes", headers=[*headers.items(), ("X-Tenant-ID", "hallym_univ"), ("X-Tenant-ID", "other_univ")]
        )

        for answer in (by_path, by_header, by_two):
            assert (answer.status_code, answer.json()["error"]) == (403, "tenant_forbidden")
            assert answer.headers["content-type"] == "application/problem+json"

    async def test_a_header_alone_is_nobody(self, service):
        await service.activate("hallym_univ")

        answer = await service.client.get("/notes", headers={"X-Tenant-ID": "hallym_univ"})

        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_api_key")
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    async def test_a_suspended_tenant_is_blocked_and_let_in_again(self, service):
        headers = await service.activate("hallym_univ")
        manager = service.app.state.mt_paas.manager

        await manager.suspend_tenant("hallym_univ", "unpaid bill")
        blocked = await service.client.get("/notes", headers=headers)
        await manager.resume_tenant("hallym_univ")
        again = await service.client.get("/notes", headers=headers)

        assert (blocked.status_code, blocked.json()["error"]) == (403, "tenant_suspended")
        assert again.status_code == 200

    async def test_an_app_that_was_not_set_up_says_so(self, running):
        app = FastAPI()

        @app.get("/")
        async def show(tenant: CurrentTenant) -> str:
            return tenant.tenant_id

        async with running(app) as service:
            assert (await service.client.get("/")).status_code == 500


class TestTenantSession:
    async def test_commits_when_the_handler_succeeds(self, service):
        headers = await service.activate("hallym_univ")

        answer = await service.client.post("/notes", params={"number": 1}, headers=headers)

        assert answer.status_code == 201
        assert (await service.client.get("/notes", headers=headers)).json() == 1

    async def test_rolls_back_when_it_fails(self, service):
        headers = await service.activate("hallym_univ")

        answer = await service.client.post("/notes", params={"number": 1, "fail": True}, headers=headers)

        assert answer.status_code == 500
        assert (await service.client.get("/notes", headers=headers)).json() == 0

    async def test_a_commit_that_fails_is_never_answered_with_success(self, service):
        headers = await service.activate("hallym_univ")

        answer = await service.client.post("/notes", params={"number": 1, "reply_to": 99}, headers=headers)

        assert answer.status_code == 500
        assert (await service.client.get("/notes", headers=headers)).json() == 0

    async def test_leaves_no_connection_in_use(self, service):
        headers = await service.activate("hallym_univ")
        for number in range(3):
            await service.client.post("/notes", params={"number": number, "fail": number == 1}, headers=headers)

        (pool,) = service.app.state.mt_paas.manager._parts.isolation.connections._pools.values()
        assert (pool.leases, len(pool.idle)) == (0, pool.open)


class TestAccessLog:
    def test_does_not_hold_the_token_of_a_setup_link(self):
        arguments = ("127.0.0.1:1", "POST", "/access/setup?tenant_id=a&token=s3cret", "1.1", 200)
        record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', arguments, None)

        assert HideSetupTokens().filter(record)

        assert record.getMessage() == '127.0.0.1:1 - "POST /access/setup?tenant_id=a&token=… HTTP/1.1" 200'
