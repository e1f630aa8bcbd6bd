"""Plan, pause, credentials, purge and inventory: what changes a tenant that is there."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from mt_paas.core.handler import ManagedTenantHandler
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.schemas import Tenant
from mt_paas.errors import (
    InvalidQuery,
    LinkExpired,
    PlanChangeNotAllowed,
    TenantBlocked,
    TenantNotActive,
    TenantNotFound,
    TenantPurged,
    UserLimitReached,
)
from mt_paas.standard_api.handler import PageQuery, UserQuery
from mt_paas.standard_api.models import (
    Admin,
    DeactivateReason,
    DeactivateRequest,
    PlanChangeRequest,
    SuspendRequest,
    TenantConfig,
    UserCreate,
)
from mt_paas.utils.security import digest_token
from sqlalchemy import text

CLOSING = DeactivateRequest(reason=DeactivateReason.ADMIN_REQUEST, preserve_data=True)
UNPAID = SuspendRequest(reason="payment_overdue")


async def add_users(handler, tenant_id: str, number: int) -> None:
    for each in range(number):
        await handler.create_user(tenant_id, UserCreate(email=f"u{each}@hallym.ac.kr"))


def token_of(credentials) -> tuple[str, str]:
    query = dict(part.split("=") for part in credentials.setup_url.partition("?")[2].split("&"))
    return query["tenant_id"], query["token"]


class TestPlan:
    async def test_is_changed_with_its_limits_and_features_and_the_data_stay(self, handler, tenant_id, manager):
        await add_users(handler, tenant_id, 3)
        before = await handler.get_tenant_status(tenant_id)

        answer = await handler.change_plan(tenant_id, PlanChangeRequest(plan="premium"))

        after = await handler.get_tenant_status(tenant_id)
        assert (answer.plan, answer.features) == ("premium", ["notes", "search"])
        assert (after.plan, after.status, after.created_at) == ("premium", "active", before.created_at)
        assert (await handler.get_settings(tenant_id)).limits == {"max_users": 50, "notes": 1000}
        await handler.create_user(tenant_id, UserCreate(email="fourth@hallym.ac.kr"))

    async def test_what_the_request_says_goes_before_the_plan(self, handler, tenant_id):
        config = TenantConfig.model_validate({"max_users": 7, "theme": "dark"})

        answer = await handler.change_plan(
            tenant_id, PlanChangeRequest(plan="premium", features=["notes"], config=config)
        )

        assert answer.features == ["notes"]
        assert (await handler.get_settings(tenant_id)).limits["max_users"] == 7

    async def test_takes_the_limits_of_the_one_before_along(self, new_handler, tenant_id, manifest):
        handler = new_handler()
        unlimited = {"unlimited": manifest.plans["premium"].model_copy(update={"limits": {}})}
        handler.manifest = manifest.model_copy(update={"plans": {**manifest.plans, **unlimited}})
        own = TenantConfig.model_validate({"notes": 7})

        await handler.change_plan(tenant_id, PlanChangeRequest(plan="premium", config=own))
        await handler.change_plan(tenant_id, PlanChangeRequest(plan="unlimited"))

        config = (await handler.known(tenant_id)).profile.config
        assert (config.get("max_users"), config["notes"]) == (None, 7)

    async def test_the_same_one_again_is_fine(self, handler, tenant_id):
        for _ in range(2):
            assert (await handler.change_plan(tenant_id, PlanChangeRequest(plan="premium"))).plan == "premium"

    async def test_that_the_service_does_not_have_is_refused(self, handler, tenant_id):
        with pytest.raises(PlanChangeNotAllowed, match="basic, premium"):
            await handler.change_plan(tenant_id, PlanChangeRequest(plan="platinum"))

    async def test_that_is_too_small_for_the_users_is_refused_and_nothing_changes(self, handler, tenant_id, manager):
        await handler.change_plan(tenant_id, PlanChangeRequest(plan="premium"))
        await add_users(handler, tenant_id, 4)

        with pytest.raises(PlanChangeNotAllowed) as refused:
            await handler.change_plan(tenant_id, PlanChangeRequest(plan="basic"))

        assert refused.value.details == {"max_users": 3, "users": 4}
        tenant = await manager.get_tenant(tenant_id)
        assert (tenant.plan, tenant.status, tenant.profile.config["max_users"]) == ("premium", "active", 50)

    async def test_nobody_is_added_between_the_look_and_the_change(self, new_handler, tenant_id):
        class Racing(ManagedTenantHandler):
            async def count_users(self, session):
                """Count, and then let somebody else add a user, who gets as far as the lock."""
                figures = await super().count_users(session)
                if figures.total == 3:
                    new = UserCreate(email="late@hallym.ac.kr")
                    self.late = asyncio.ensure_future(handler.create_user(tenant_id, new))
                    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                    while not self.late.done() and not await session.scalar(waiting):
                        pass
                return figures

        handler = new_handler(Racing)
        await handler.change_plan(tenant_id, PlanChangeRequest(plan="premium"))
        await add_users(handler, tenant_id, 3)

        await handler.change_plan(tenant_id, PlanChangeRequest(plan="basic", config=TenantConfig(max_users=3)))

        with pytest.raises(UserLimitReached):
            await handler.late
        assert (await handler.list_users(tenant_id, UserQuery())).total == 3

    async def test_of_a_tenant_that_is_not_active_is_not_changed(self, handler, tenant_id):
        await handler.suspend_tenant(tenant_id, UNPAID)
        with pytest.raises(TenantNotActive):
            await handler.change_plan(tenant_id, PlanChangeRequest(plan="premium"))
        await handler.deactivate_tenant(tenant_id, CLOSING)
        with pytest.raises(TenantNotActive):
            await handler.change_plan(tenant_id, PlanChangeRequest(plan="premium"))

    async def test_the_same_activation_again_still_answers(self, handler, tenant_id, activation):
        await handler.change_plan(tenant_id, PlanChangeRequest(plan="premium"))

        assert (await handler.activate_tenant(activation())).status == "activated"
        assert (await handler.get_tenant_status(tenant_id)).plan == "premium"


class TestSuspension:
    async def test_blocks_the_users_and_keeps_the_data(self, handler, tenants, tenant_id):
        await tenants.write(tenant_id, "kept")

        for _ in range(2):
            assert (await handler.suspend_tenant(tenant_id, UNPAID)).status == "suspended"
        with pytest.raises(TenantBlocked):
            await tenants.read(tenant_id)
        for _ in range(2):
            assert (await handler.resume_tenant(tenant_id)).status == "active"

        assert await tenants.read(tenant_id) == ["kept"]

    async def test_of_a_closed_or_unknown_tenant_is_refused(self, handler, tenant_id):
        await handler.deactivate_tenant(tenant_id, CLOSING)

        for known, error in ((tenant_id, TenantNotActive), ("nobody", TenantNotFound)):
            with pytest.raises(error):
                await handler.suspend_tenant(known, UNPAID)
            with pytest.raises(error):
                await handler.resume_tenant(known)

    async def test_its_reason_is_in_the_history(self, handler, manager, tenant_id):
        await handler.suspend_tenant(tenant_id, UNPAID)

        last = (await manager.history(tenant_id))[-1]
        assert (last.went_to, last.reason, last.actor) == ("suspended", "payment_overdue", "market")

    async def test_a_deactivation_whose_time_has_come_goes_before_it(self, handler, tenant_id, clock):
        later = CLOSING.model_copy(update={"deactivate_at": clock() + timedelta(hours=1)})
        await handler.deactivate_tenant(tenant_id, later)
        clock.move(hours=1)

        with pytest.raises(TenantNotActive):
            await handler.suspend_tenant(tenant_id, UNPAID)


class TestPurge:
    async def test_deletes_everything_and_answers_the_same_receipt_each_time(
        self, handler, tenant_id, server, prefix, clock
    ):
        await handler.deactivate_tenant(tenant_id, CLOSING)

        receipt = await handler.purge_tenant(tenant_id)
        clock.move(days=1)

        assert (receipt.tenant_id, receipt.purged_at) == (tenant_id, clock() - timedelta(days=1))
        assert "database" in receipt.deleted
        assert await handler.purge_tenant(tenant_id) == receipt
        assert (server.databases(prefix), server.roles(prefix)) == ([], [])

    async def test_leaves_an_id_that_is_not_given_out_again(self, handler, tenant_id, activation):
        await handler.deactivate_tenant(tenant_id, CLOSING)
        await handler.purge_tenant(tenant_id)

        with pytest.raises(TenantNotFound):
            await handler.get_tenant_status(tenant_id)
        with pytest.raises(TenantPurged):
            await handler.activate_tenant(activation())

    async def test_that_the_deadline_did_has_a_receipt_too(self, handler, manager, tenant_id, clock):
        await handler.deactivate_tenant(tenant_id, CLOSING)
        clock.move(days=91)
        await manager.sweep()
        purged_at = clock()
        clock.move(days=1)

        assert (await handler.purge_tenant(tenant_id)).purged_at == purged_at

    async def test_an_open_tenant_is_not_purged(self, handler, tenant_id, tenants):
        await tenants.write(tenant_id, "kept")

        with pytest.raises(TenantNotActive):
            await handler.purge_tenant(tenant_id)
        await handler.suspend_tenant(tenant_id, UNPAID)
        with pytest.raises(TenantNotActive):
            await handler.purge_tenant(tenant_id)

        await handler.resume_tenant(tenant_id)
        assert await tenants.read(tenant_id) == ["kept"]

    async def test_a_tenant_that_never_was_is_unknown(self, handler, manager):
        await manager.onboard_tenant("half_done", "Half done")

        for unknown in ("half_done", "nobody"):
            with pytest.raises(TenantNotFound):
                await handler.purge_tenant(unknown)

    async def test_completes_what_a_crash_left(self, handler, manager, tenant_id, server, prefix):
        await handler.deactivate_tenant(tenant_id, CLOSING)
        async with manager.operation(tenant_id) as operation:
            await operation._become(TenantStatus.PURGING, "and then the process died")

        assert (await handler.purge_tenant(tenant_id)).tenant_id == tenant_id
        assert server.databases(prefix) == []

    async def test_of_a_half_done_reactivation_works(self, handler, manager, tenant_id, server, prefix):
        await handler.deactivate_tenant(tenant_id, CLOSING)
        async with manager.operation(tenant_id) as operation:
            await operation._become(TenantStatus.PROVISIONING, "and then the process died")

        await handler.purge_tenant(tenant_id)

        assert server.databases(prefix) == []


class TestCredentials:
    async def test_the_new_link_works_and_the_old_one_and_its_key_end(self, handler, manager, tenant_id, activation):
        old = (await handler.activate_tenant(activation())).admin_credentials
        key = await handler.links.redeem(*token_of(old))

        new = (await handler.rotate_credentials(tenant_id)).admin_credentials

        assert new.setup_url != old.setup_url
        assert await manager.find_access_key(digest_token(key)) is None
        with pytest.raises(LinkExpired):
            await handler.links.redeem(*token_of(old))
        assert await _opens(manager, await handler.links.redeem(*token_of(new)), tenant_id)
        assert (await handler.activate_tenant(activation())).admin_credentials == new

    async def test_those_of_an_administrator_end_when_the_tenant_comes_back_with_another(
        self, handler, manager, tenant_id, activation
    ):
        key = await handler.links.redeem(*token_of((await handler.do_activate(activation())).admin_credentials))
        await handler.deactivate_tenant(tenant_id, CLOSING)
        await handler.do_activate(activation())
        assert await _opens(manager, key, tenant_id)

        await handler.deactivate_tenant(tenant_id, CLOSING)
        await handler.do_activate(activation(admin=Admin(email="lee@hallym.ac.kr", name="Lee")))

        assert not await _opens(manager, key, tenant_id)

    async def test_a_link_that_is_being_used_while_it_ends_gives_no_key(self, handler, manager, tenant_id, activation):
        link = (await handler.activate_tenant(activation())).admin_credentials
        as_looked_up: Tenant = await handler.links.check(*token_of(link))

        await handler.rotate_credentials(tenant_id)

        with pytest.raises(LinkExpired):
            await manager.add_access_key(as_looked_up, digest_token("mtk_late"))

    async def test_the_new_link_has_its_whole_time(self, handler, tenant_id, clock):
        clock.move(days=30)

        credentials = (await handler.rotate_credentials(tenant_id)).admin_credentials

        assert credentials.expires_at == clock() + timedelta(days=3)

    async def test_a_closed_or_unknown_tenant_gets_none(self, handler, tenant_id):
        await handler.deactivate_tenant(tenant_id, CLOSING)

        with pytest.raises(TenantNotActive):
            await handler.rotate_credentials(tenant_id)
        with pytest.raises(TenantNotFound):
            await handler.rotate_credentials("nobody")


class TestInventory:
    async def test_has_every_tenant_once_and_none_that_is_not_there(self, handler, manager, activation):
        for tenant_id in ("one_univ", "two_univ", "three_univ", "four_univ"):
            await handler.activate_tenant(activation(tenant_id))
        await manager.onboard_tenant("pending_univ", "Pending")
        await handler.suspend_tenant("two_univ", UNPAID)
        closed = await handler.deactivate_tenant("three_univ", CLOSING)
        await handler.deactivate_tenant("four_univ", CLOSING)
        await handler.purge_tenant("four_univ")

        first = await handler.list_tenants(PageQuery(limit=2))
        second = await handler.list_tenants(PageQuery(limit=2, cursor=first.next_cursor))

        found = [*first.items, *second.items]
        assert [(each.tenant_id, each.status) for each in found] == [
            ("one_univ", "active"),
            ("three_univ", "deactivated"),
            ("two_univ", "suspended"),
        ]
        assert found[1].reactivation_deadline == closed.reactivation_deadline
        assert second.next_cursor is None

    async def test_a_cursor_of_another_list_is_refused(self, handler, manager, tenants):
        await tenants.activate("one_univ", "two_univ")
        other = (await manager.list_tenants(limit=1)).next_cursor

        for cursor in (other, "b25lX3VuaXY=", ""):
            with pytest.raises(InvalidQuery):
                await handler.list_tenants(PageQuery(cursor=cursor))


class TestReuse:
    async def test_the_address_finds_its_tenant_in_whatever_letter_case(self, handler, tenant_id, activation):
        first = await handler.activate_tenant(activation())

        assert await handler.find_tenant_of("ADMIN@Hallym.ac.kr") == first
        assert await handler.find_tenant_of("somebody@hallym.ac.kr") is None

    async def test_the_first_of_several_and_none_that_is_closed(self, handler, tenant_id, activation, clock):
        clock.move(seconds=1)
        await handler.activate_tenant(activation("a_second_univ"))

        assert (await handler.find_tenant_of("admin@hallym.ac.kr")).tenant_id == tenant_id
        await handler.suspend_tenant(tenant_id, UNPAID)
        assert (await handler.find_tenant_of("admin@hallym.ac.kr")).tenant_id == "a_second_univ"
        await handler.deactivate_tenant("a_second_univ", CLOSING.model_copy(update={"deactivate_at": clock()}))
        assert await handler.find_tenant_of("admin@hallym.ac.kr") is None


class TestLimits:
    async def test_a_limit_of_the_new_plan_holds_at_once(self, handler, tenant_id):
        await handler.change_plan(tenant_id, PlanChangeRequest(plan="premium", config=TenantConfig(max_users=1)))
        await add_users(handler, tenant_id, 1)

        with pytest.raises(UserLimitReached):
            await handler.create_user(tenant_id, UserCreate(email="second@hallym.ac.kr"))


async def _opens(manager, key: str, tenant_id: str) -> bool:
    found = await manager.find_access_key(digest_token(key))
    return found is not None and found.tenant_id == tenant_id
