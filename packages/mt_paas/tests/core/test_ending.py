"""How a tenant ends: suspended, deactivated, swept, purged; and the way back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import IllegalTransition, TenantBlocked, TenantPurged


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

    async def test_comes_to_those_behind_any_number_that_it_must_leave(self, manager, tenants, clock, monkeypatch):
        monkeypatch.setattr("mt_paas.core.manager._SWEEP_AT_ONCE", 2)
        await tenants.activate("due_1", "due_2", "due_3", "due_4", "due_5")
        for number in range(1, 6):
            await manager.deactivate_tenant(f"due_{number}", at=clock() + timedelta(days=1))
        clock.move(days=1)

        async with manager.operation("due_1"), manager.operation("due_2"), manager.operation("due_3"):
            assert await manager.sweep() == 2

        found = {tenant.tenant_id for tenant in (await manager.list_tenants(status=TenantStatus.DEACTIVATED)).items}
        assert found == {"due_4", "due_5"}

    async def test_leaves_a_tenant_that_is_held(self, manager, tenants, clock):
        await tenants.activate("due_univ")
        await manager.deactivate_tenant("due_univ", at=clock() + timedelta(days=1))
        clock.move(days=1)

        async with manager.operation("due_univ"):
            assert await manager.sweep() == 0
