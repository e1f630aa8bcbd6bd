"""How a manager starts, and what it does with tenants that are wanted: made, read, changed, listed."""

from __future__ import annotations

import asyncio
from datetime import UTC

import pytest
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.manager import TenantManager
from mt_paas.errors import (
    ConfigurationError,
    IllegalTransition,
    InvalidQuery,
    InvalidTenantId,
    ServiceNotReady,
    TenantAlreadyExists,
    TenantBlocked,
    TenantNotFound,
)


class TestOnboarding:
    async def test_a_new_tenant_is_pending_and_has_no_database(self, manager, server, prefix):
        tenant = await manager.onboard_tenant("hallym_univ", "한림대학교", config={"max_users": 5})

        assert (tenant.status, tenant.name, tenant.profile.config) == ("pending", "한림대학교", {"max_users": 5})
        assert tenant.profile.service_type == "notes"
        assert server.databases(prefix) == []

    async def test_an_id_is_given_out_once(self, manager):
        await manager.onboard_tenant("hallym_univ", "Hallym")

        with pytest.raises(TenantAlreadyExists):
            await manager.onboard_tenant("hallym_univ", "Another")

    @pytest.mark.parametrize("tenant_id", ["", "ab", "Hallym", "a b", "a" * 64, "hallym\n", "../etc", 'a"b'])
    async def test_an_id_that_could_do_harm_is_refused(self, tenant_id):
        never_started = TenantManager("postgresql://localhost/registry", service_id="notes")

        with pytest.raises(InvalidTenantId):
            await never_started.onboard_tenant(tenant_id, "Hallym")

    async def test_personal_data_do_not_show_in_repr(self, manager):
        tenant = await manager.onboard_tenant("hallym_univ", "Hallym", config={"token": "s3cret"})

        assert "s3cret" not in repr(tenant)


class TestProvisioning:
    async def test_makes_the_tenant_active(self, manager, tenants, clock):
        await manager.onboard_tenant("hallym_univ", "Hallym")

        tenant = await manager.provision_tenant("hallym_univ")

        assert (tenant.status, tenant.activation, tenant.activated_at) == ("active", 1, clock())
        assert await tenants.read("hallym_univ") == []

    async def test_an_unknown_tenant_is_told(self, manager):
        with pytest.raises(TenantNotFound):
            await manager.provision_tenant("hallym_univ")

    async def test_an_active_tenant_is_not_made_again(self, manager, tenants):
        await tenants.activate("hallym_univ")

        with pytest.raises(IllegalTransition):
            await manager.provision_tenant("hallym_univ")

    async def test_each_step_is_a_row_with_who_why_and_when(self, manager, tenants, clock):
        await tenants.activate("hallym_univ")

        steps = [(step.came_from, step.went_to) for step in await manager.history("hallym_univ")]
        assert steps == [(None, "pending"), ("pending", "provisioning"), ("provisioning", "active")]
        for step in await manager.history("hallym_univ"):
            assert step.actor == "service"
            assert step.reason
            assert (step.at, step.at.tzinfo) == (clock(), UTC)


class TestSession:
    async def test_commits_at_the_end(self, tenants):
        await tenants.activate("hallym_univ")

        await tenants.write("hallym_univ", "kept")

        assert await tenants.read("hallym_univ") == ["kept"]

    async def test_rolls_back_on_an_error(self, manager, tenants, notes_table):
        await tenants.activate("hallym_univ")

        async def write_and_fail() -> None:
            async with manager.get_tenant_session("hallym_univ") as session:
                await session.execute(notes_table.insert().values(text="lost"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await write_and_fail()

        assert await tenants.read("hallym_univ") == []

    async def test_sees_its_own_tenant_and_no_other(self, tenants):
        await tenants.activate("hallym_univ", "other_univ")

        await tenants.write("hallym_univ", "ours")

        assert await tenants.read("other_univ") == []

    @pytest.mark.parametrize("tenant_id", ["", "unknown_univ"])
    async def test_without_a_tenant_there_is_none(self, manager, tenant_id):
        with pytest.raises((InvalidTenantId, TenantNotFound)):
            async with manager.get_tenant_session(tenant_id):
                pytest.fail("a session without a tenant")

    async def test_a_pending_tenant_has_none(self, manager):
        await manager.onboard_tenant("hallym_univ", "Hallym")

        with pytest.raises(TenantBlocked):
            async with manager.get_tenant_session("hallym_univ"):
                pytest.fail("a session of a tenant that is not active")


class TestUpdate:
    async def test_changes_what_is_given_and_leaves_the_rest(self, manager, tenants):
        await tenants.activate("hallym_univ")

        tenant = await manager.update_tenant("hallym_univ", plan="premium", config={"max_users": 9})

        assert (tenant.plan, tenant.name, tenant.profile.config) == ("premium", "Hallym_Univ", {"max_users": 9})
        assert [step.went_to for step in await manager.history("hallym_univ")][-2:] == ["updating", "active"]

    async def test_a_tenant_that_is_not_active_is_left_alone(self, manager):
        await manager.onboard_tenant("hallym_univ", "Hallym")

        with pytest.raises(IllegalTransition):
            await manager.update_tenant("hallym_univ", plan="premium")


class TestListing:
    async def test_the_pages_give_each_tenant_once(self, manager):
        ids = [f"univ_{number}" for number in range(5)]
        for tenant_id in reversed(ids):
            await manager.onboard_tenant(tenant_id, "A name")

        found, cursor = [], None
        while True:
            page = await manager.list_tenants(cursor=cursor, limit=2)
            found += [tenant.tenant_id for tenant in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break

        assert found == ids

    async def test_can_be_of_one_status(self, manager, tenants):
        await tenants.activate("active_univ")
        await manager.onboard_tenant("pending_univ", "Pending")

        page = await manager.list_tenants(status=TenantStatus.PENDING)

        assert [tenant.tenant_id for tenant in page.items] == ["pending_univ"]

    @pytest.mark.parametrize("cursor", ["한림", "a", "AP8="])
    async def test_a_made_up_cursor_is_refused(self, manager, cursor):
        with pytest.raises(InvalidQuery, match="cursor"):
            await manager.list_tenants(cursor=cursor)


class TestStart:
    async def test_before_it_calls_are_told_to_wait(self):
        never_started = TenantManager("postgresql://localhost/registry", service_id="notes")

        with pytest.raises(ServiceNotReady):
            await never_started.get_tenant("hallym_univ")

    async def test_many_processes_at_once_make_one_template(self, new_manager, server, empty_registry_url):
        managers = [new_manager(database_url=empty_registry_url) for _ in range(4)]
        await asyncio.gather(*(manager.start() for manager in managers))
        registry_id = managers[0].identity.registry_id
        for manager in managers:
            await manager.close()

        assert len(server.databases(f"mt_{registry_id.hex[:12]}_template")) == 1
        assert server.databases(f"mt_{registry_id.hex}_new") == []

    async def test_the_registry_of_another_service_is_refused(self, manager, new_manager):
        with pytest.raises(ConfigurationError, match="registry of the service notes"):
            await new_manager(service_id="chat").start()

    async def test_another_secret_than_the_registrys_is_refused(self, new_manager, empty_registry_url):
        async with new_manager(database_url=empty_registry_url, secret="the first secret, long enough for this"):
            pass

        for secret in ("another secret, long enough for this", None):
            with pytest.raises(ConfigurationError, match="MT_SECRET_KEY"):
                await new_manager(database_url=empty_registry_url, secret=secret).start()

    async def test_the_tenants_are_there_again_after_a_restart(self, new_manager, tenants_of):
        async with new_manager() as manager:
            await tenants_of(manager).activate("hallym_univ")
            await tenants_of(manager).write("hallym_univ", "kept")

        async with new_manager() as manager:
            assert await tenants_of(manager).read("hallym_univ") == ["kept"]

    @pytest.mark.parametrize(
        "url", ["mysql://u@h/d", "sqlite:///x", "postgresql+psycopg2://h/d", "no url", "postgresql://h"]
    )
    async def test_only_postgresql_will_do(self, url):
        with pytest.raises(ConfigurationError):
            await TenantManager(url, service_id="notes").start()

    async def test_a_url_that_is_none_is_not_quoted(self):
        with pytest.raises(ConfigurationError) as refused:
            await TenantManager("postgresql:/user:s3cret@host", service_id="notes").start()

        assert "s3cret" not in str(refused.value)

    async def test_a_server_that_does_not_answer_is_told(self):
        with pytest.raises(ServiceNotReady):
            await TenantManager("postgresql://nobody@127.0.0.1:1/nothing", service_id="notes").start()
