"""What the routes of a service have for the tenant of their request, over real HTTP."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from mt_paas.core.context import current_tenant_id
from mt_paas.core.log_context import TenantLogFilter
from mt_paas.errors import UserAlreadyExists
from mt_paas.setup import CurrentTenant, MultiTenant, setup_multi_tenant
from mt_paas.standard_api.models import UserUpdate
from sqlalchemy import text

MARKET = {"X-Market-API-Key": "the-markets-key-0123456789"}


@pytest.fixture
def settings(settings, tmp_path):
    return settings.model_copy(update={"home": tmp_path, "usage_interval": 3600.0})


@pytest.fixture
def mt(app) -> MultiTenant:
    return app.state.mt_paas


@pytest.fixture
def app(manifest, settings, clock) -> FastAPI:
    app = FastAPI()
    mt = setup_multi_tenant(app, manifest=manifest, settings=settings, clock=clock)
    app.state.seen = []

    @app.post("/use")
    async def use(tenant: CurrentTenant, tokens: int) -> str:
        mt.usage.count("ai_tokens", tokens)
        mt.path("a/note.txt").write_text(tenant.tenant_id)
        return mt.cache_key("note", 7)

    @app.post("/use-in-a-thread")
    def use_in_a_thread(tenant: CurrentTenant) -> None:
        mt.usage.count("notes")
        mt.background(look)

    @app.post("/later")
    async def later(tenant: CurrentTenant) -> None:
        mt.background(look)

    @app.post("/people")
    async def people(tenant: CurrentTenant) -> list[str]:
        user = await mt.users.add("hong@hallym.ac.kr", name="Hong")
        with pytest.raises(UserAlreadyExists):
            await mt.users.add("HONG@hallym.ac.kr")
        await mt.users.change(user.id, UserUpdate(role="teacher"))
        found = await mt.users.find("Hong@hallym.ac.kr")
        everybody = await mt.users.page()
        await mt.users.remove(user.id)
        return [found.role, *(user.email for user in everybody.items), str(await mt.users.find(user.email))]

    @app.post("/settings")
    async def change_settings(tenant: CurrentTenant) -> list[object]:
        before = await mt.tenant_settings.read()
        after = await mt.tenant_settings.write({"theme": "dark"}, expected_version=str(before.version))
        return [before.settings, after.settings, (await mt.tenant_settings.read()).settings]

    @app.post("/fail")
    async def fail(tenant: CurrentTenant) -> None:
        mt.path("../x")

    async def look() -> None:
        async with mt.session() as session:
            database = await session.scalar(text("SELECT current_database()"))
        app.state.seen.append((current_tenant_id(), database))

    return app


async def usage(service, tenant_id: str, period: str = "2026-03") -> dict[str, float]:
    answer = await service.client.get(f"/mt/tenant/{tenant_id}/usage", params={"period": period}, headers=MARKET)
    assert answer.status_code == 200, answer.text
    return answer.json()["usage"]


class TestUsage:
    async def test_of_each_tenant_is_what_its_requests_counted(self, app, running):
        async with running(app) as service:
            one, other = await service.activate("hallym_univ"), await service.activate("snu_univ")
            for headers, tokens in ((one, 5), (one, 7), (other, 100)):
                assert (await service.client.post(f"/use?tokens={tokens}", headers=headers)).status_code == 200
            await service.client.post("/use-in-a-thread", headers=one)

            answers = [await usage(service, tenant_id) for tenant_id in ("hallym_univ", "snu_univ")]
            none = await usage(service, "hallym_univ", "2026-02")

        assert [(answer["ai_tokens"], answer.get("notes")) for answer in answers] == [(12, 1), (100, None)]
        assert none["ai_tokens"] is None

    async def test_is_still_told_of_a_tenant_that_is_closed_and_gone_with_its_data(self, app, running):
        async with running(app) as service:
            headers = await service.activate("hallym_univ")
            await service.client.post("/use?tokens=5", headers=headers)
            closing = {"reason": "admin_request", "preserve_data": True}
            await service.client.post("/mt/tenant/hallym_univ/deactivate", json=closing, headers=MARKET)

            assert (await usage(service, "hallym_univ"))["ai_tokens"] == 5

    async def test_is_written_when_the_service_ends(self, app, running, settings):
        async with running(app) as service:
            headers = await service.activate("hallym_univ")
            await service.client.post("/use?tokens=5", headers=headers)

        assert [path for path in (settings.home / "usage").rglob("*") if path.is_file()] == []


class TestOthers:
    async def test_files_and_keys_are_the_tenants(self, app, mt, running):
        async with running(app) as service:
            headers = await service.activate("hallym_univ")
            key = (await service.client.post("/use?tokens=5", headers=headers)).json()

            assert key == "mt:sample_service:hallym_univ:note:7".replace("sample_service", mt.manifest.service.id)
            assert key.startswith(mt.cache_prefix(tenant_id="hallym_univ"))
            assert mt.path("a/note.txt", tenant_id="hallym_univ").read_text() == "hallym_univ"

    @pytest.mark.parametrize("path", ["/later", "/use-in-a-thread"])
    async def test_background_work_is_done_for_the_tenant_in_its_database(self, app, mt, running, path):
        async with running(app) as service:
            headers = await service.activate("hallym_univ")
            tenant = await mt.manager.get_tenant("hallym_univ")
            await service.client.post(path, headers=headers)

        assert app.state.seen == [("hallym_univ", tenant.database)]

    async def test_users_and_settings_are_the_tenants(self, app, running):
        async with running(app) as service:
            headers = await service.activate("hallym_univ")
            people = (await service.client.post("/people", headers=headers)).json()
            changed = (await service.client.post("/settings", headers=headers)).json()

        assert people == ["teacher", "hong@hallym.ac.kr", "None"]
        assert changed == [{}, {"theme": "dark"}, {"theme": "dark"}]

    async def test_a_purge_deletes_files_and_usage_and_what_the_service_says(self, app, mt, running):
        gone = []

        async def forget(tenant_id: str) -> None:
            gone.append(mt.cache_prefix(tenant_id=tenant_id))

        mt.on_purge("cache", forget)
        async with running(app) as service:
            headers = await service.activate("hallym_univ")
            await service.client.post("/use?tokens=5", headers=headers)
            folder = mt.files.folder(tenant_id="hallym_univ")
            closing = {"reason": "admin_request", "preserve_data": False}
            await service.client.post("/mt/tenant/hallym_univ/deactivate", json=closing, headers=MARKET)
            receipt = await mt.manager.receipt("hallym_univ")

        assert receipt.deleted[-3:] == ["usage", "files", "cache"]
        assert (folder.exists(), len(gone)) == (False, 1)

    async def test_logs_of_a_request_have_its_ids(self, app, running, caplog):
        caplog.handler.addFilter(TenantLogFilter())

        async def fail() -> None:
            raise ZeroDivisionError

        mt = app.state.mt_paas

        @app.post("/log")
        async def log(tenant: CurrentTenant) -> None:
            mt.background(fail)

        async with running(app) as service:
            headers = await service.activate("hallym_univ") | {"X-Request-ID": "request-7"}
            assert (await service.client.post("/log", headers=headers)).status_code == 200
            await mt.work.settle()

        (record,) = [record for record in caplog.records if record.name == "mt_paas.core.background"]
        assert (record.tenant_id, record.request_id) == ("hallym_univ", "request-7")
