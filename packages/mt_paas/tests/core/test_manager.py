from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

import pytest
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.manager import TenantManager
from mt_paas.errors import (
    ConfigurationError,
    IllegalTransition,
    InvalidTenantId,
    OperationInProgress,
    ServiceNotReady,
    TenantAlreadyExists,
    TenantBlocked,
    TenantNotFound,
    TenantPurged,
)
from mt_paas.utils.pool_settings import PoolSettings


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


class TestSuspension:
    async def test_blocks_and_opens_again_with_the_data(self, manager, tenants):
        await tenants.activate("hallym_univ")
        await tenants.write("hallym_univ", "kept")

        await manager.suspend_tenant("hallym_univ", "unpaid bill")
        with pytest.raises(TenantBlocked) as blocked:
            await tenants.read("hallym_univ")
        await manager.resume_tenant("hallym_univ")

        assert blocked.value.code == "tenant_suspended"
        assert await tenants.read("hallym_univ") == ["kept"]

    async def test_what_never_became_active_is_not_resumed(self, manager):
        await manager.onboard_tenant("hallym_univ", "Hallym")
        async with manager.operation("hallym_univ") as operation:
            await operation._become(TenantStatus.PROVISIONING, "and then the process died")

        with pytest.raises(IllegalTransition):
            await manager.resume_tenant("hallym_univ")


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


class TestDeactivation:
    async def test_keeps_the_data_until_the_deadline(self, manager, tenants, clock):
        await tenants.activate("hallym_univ")
        await tenants.write("hallym_univ", "kept")

        tenant = await manager.deactivate_tenant("hallym_univ")
        with pytest.raises(TenantBlocked) as blocked:
            await tenants.read("hallym_univ")
        await manager.reactivate_tenant("hallym_univ")

        assert tenant.reactivation_deadline == clock() + timedelta(days=90)
        assert blocked.value.code == "tenant_deactivated"
        assert await tenants.read("hallym_univ") == ["kept"]

    async def test_past_the_deadline_there_is_no_way_back(self, manager, tenants, clock, server, prefix):
        await tenants.activate("hallym_univ")
        await manager.deactivate_tenant("hallym_univ")

        clock.move(days=90)
        with pytest.raises(TenantPurged):
            await manager.reactivate_tenant("hallym_univ")

        assert server.databases(prefix) == []

    async def test_without_preserving_the_data_are_gone(self, manager, tenants, server, prefix):
        await tenants.activate("hallym_univ")

        tenant = await manager.deactivate_tenant("hallym_univ", preserve_data=False)

        assert (tenant.status, tenant.data_preserved) == ("purged", False)
        assert (server.databases(prefix), server.roles(prefix)) == ([], [])

    async def test_a_scheduled_one_works_until_its_time(self, manager, tenants, clock):
        await tenants.activate("hallym_univ")

        await manager.deactivate_tenant("hallym_univ", at=clock() + timedelta(days=7))
        await tenants.write("hallym_univ", "still open")
        clock.move(days=7)

        with pytest.raises(TenantBlocked):
            await tenants.read("hallym_univ")

    async def test_a_scheduled_one_counts_its_deadline_from_its_time(self, manager, tenants, clock):
        await tenants.activate("hallym_univ")
        at = clock() + timedelta(days=7)
        await manager.deactivate_tenant("hallym_univ", at=at)

        clock.move(days=9)
        await manager.sweep()

        tenant = await manager.get_tenant("hallym_univ")
        assert (tenant.status, tenant.deactivated_at) == ("deactivated", at)
        assert tenant.reactivation_deadline == at + timedelta(days=90)


class TestPurge:
    async def test_leaves_a_tombstone_without_personal_data(self, manager, tenants):
        await tenants.activate("hallym_univ")
        await manager.deactivate_tenant("hallym_univ")

        tenant = await manager.purge_tenant("hallym_univ")

        assert (tenant.status, tenant.name, tenant.profile.admin_email) == ("purged", "", None)
        with pytest.raises(TenantPurged):
            await manager.onboard_tenant("hallym_univ", "Again")

    async def test_an_active_tenant_is_not_purged(self, manager, tenants):
        await tenants.activate("hallym_univ")
        await tenants.write("hallym_univ", "kept")

        with pytest.raises(IllegalTransition):
            await manager.purge_tenant("hallym_univ")

        assert await tenants.read("hallym_univ") == ["kept"]

    async def test_again_changes_nothing(self, manager, tenants):
        await tenants.activate("hallym_univ")
        await manager.deactivate_tenant("hallym_univ", preserve_data=False)

        assert (await manager.purge_tenant("hallym_univ")).status == "purged"

    async def test_ends_sessions_that_are_still_open(self, manager, tenants, new_manager, tenants_of, server):
        await tenants.activate("hallym_univ")
        async with new_manager() as elsewhere:
            assert await tenants_of(elsewhere).read("hallym_univ") == []  # its pool holds a connection now

            purged = await manager.deactivate_tenant("hallym_univ", preserve_data=False)

        assert server.databases(purged.database) == []


class TestSweep:
    async def test_does_what_is_due_and_nothing_else(self, manager, tenants, clock):
        await tenants.activate("due_univ", "later_univ", "over_univ")
        await manager.deactivate_tenant("over_univ")
        clock.move(days=89)
        await manager.deactivate_tenant("due_univ", at=clock() + timedelta(days=1))
        await manager.deactivate_tenant("later_univ", at=clock() + timedelta(days=2))
        clock.move(days=1)

        assert await manager.sweep() == 2

        found = {tenant.tenant_id: tenant.status for tenant in (await manager.list_tenants()).items}
        assert found == {"due_univ": "deactivated", "later_univ": "active", "over_univ": "purged"}

    async def test_again_finds_nothing(self, manager, tenants, clock):
        await tenants.activate("due_univ")
        await manager.deactivate_tenant("due_univ", at=clock() + timedelta(days=1))
        clock.move(days=1)
        await manager.sweep()

        assert await manager.sweep() == 0

    async def test_two_at_once_do_each_thing_once(self, manager, tenants, new_manager, clock):
        await tenants.activate("due_univ")
        await manager.deactivate_tenant("due_univ", at=clock() + timedelta(days=1))
        clock.move(days=1)

        async with new_manager() as elsewhere:
            await asyncio.gather(manager.sweep(), elsewhere.sweep())

        steps = [step.went_to for step in await manager.history("due_univ")]
        assert steps.count(TenantStatus.DEACTIVATED) == 1

    async def test_leaves_a_tenant_that_is_held(self, manager, tenants, clock):
        await tenants.activate("due_univ")
        await manager.deactivate_tenant("due_univ", at=clock() + timedelta(days=1))
        clock.move(days=1)

        async with manager.operation("due_univ"):
            assert await manager.sweep() == 0


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
        with pytest.raises(ValueError, match="no cursor"):
            await manager.list_tenants(cursor=cursor)


class TestConcurrency:
    async def test_of_two_calls_one_works_and_the_other_is_told(self, manager, new_manager):
        await manager.onboard_tenant("hallym_univ", "Hallym")

        async with new_manager() as elsewhere, elsewhere.operation("hallym_univ"):
            with pytest.raises(OperationInProgress):
                await manager.provision_tenant("hallym_univ")

        assert [step.went_to for step in await manager.history("hallym_univ")] == ["pending"]

    async def test_many_at_once_make_one_tenant(self, manager, new_manager, server, prefix):
        await manager.onboard_tenant("hallym_univ", "Hallym")
        async with new_manager() as elsewhere:
            calls = [where.provision_tenant("hallym_univ") for where in (manager, elsewhere) for _ in range(3)]
            results = await asyncio.gather(*calls, return_exceptions=True)

        assert sum(not isinstance(result, Exception) for result in results) == 1
        refused = [type(result) for result in results if isinstance(result, Exception)]
        assert set(refused) <= {OperationInProgress, IllegalTransition}
        assert server.databases(prefix) == [f"{prefix}hallym_univ"]

    async def test_tenants_do_not_wait_for_each_other(self, manager):
        await manager.onboard_tenant("other_univ", "Other")

        async with manager.operation("hallym_univ"):
            tenant = await manager.provision_tenant("other_univ")

        assert tenant.status == "active"

    async def test_a_call_that_is_cancelled_lets_go(self, manager):
        await manager.onboard_tenant("hallym_univ", "Hallym")
        held = asyncio.Event()

        async def hold() -> None:
            async with manager.operation("hallym_univ"):
                held.set()
                await asyncio.Event().wait()

        holder = asyncio.create_task(hold())
        await held.wait()
        holder.cancel()
        await asyncio.wait([holder])

        assert (await manager.provision_tenant("hallym_univ")).status == "active"

    async def test_more_calls_than_places_wait(self, new_manager):
        async with new_manager(pools=PoolSettings(operations=1)) as manager:
            ids = [f"univ_{number}" for number in range(4)]
            await asyncio.gather(*(manager.onboard_tenant(tenant_id, "A name") for tenant_id in ids))

            assert len((await manager.list_tenants()).items) == 4


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
