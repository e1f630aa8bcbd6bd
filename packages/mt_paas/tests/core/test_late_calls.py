"""Calls that come once more when others followed them: answered as the first time, and nothing is undone by them."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from mt_paas.core import answered_calls
from mt_paas.core.schemas import ActivationCall
from mt_paas.errors import TenantAlreadyExists, TenantPurged
from mt_paas.standard_api.handler import CallContext, in_call
from mt_paas.standard_api.models import (
    Callback,
    DeactivateReason,
    DeactivateRequest,
    PlanChangeRequest,
    SuspendRequest,
)

SUSPENSION = SuspendRequest(reason="unpaid")


def closing(**changes) -> DeactivateRequest:
    return DeactivateRequest(**{"reason": DeactivateReason.ADMIN_REQUEST, "preserve_data": True} | changes)


def callback(name: str) -> Callback:
    return Callback(events_url=f"https://m.example/{name}", token="a-secret-token-of-it", secret="whsec_" + "A" * 32)


def keyed(key: str | None):
    return in_call(CallContext("a-request", idempotency_key=key))


@pytest.fixture
def activate(handler, activation):
    async def call(key: str | None = None, **changes):
        with keyed(key):
            return await handler.activate_tenant(activation(**changes))

    return call


@pytest.fixture
def deactivate(handler):
    async def call(key: str | None = None, **changes):
        with keyed(key):
            return await handler.deactivate_tenant("hallym_univ", closing(**changes))

    return call


async def state(handler) -> str:
    return (await handler.get_tenant_status("hallym_univ")).status


class TestActivation:
    async def test_opens_nothing_that_was_closed_since(self, handler, activate, deactivate):
        first = await activate("one")
        await deactivate("two")

        assert await activate("one") == first
        assert await state(handler) == "deactivated"

    async def test_with_a_new_key_or_none_brings_the_tenant_back(self, handler, activate, deactivate):
        await activate("one")
        for key in ("another", None):
            await deactivate()
            await activate(key)
            assert await state(handler) == "active"

    async def test_of_each_key_is_remembered(self, handler, manager, activate, deactivate):
        for key in ("one", "two", "three"):
            await activate(key)
            await deactivate()

        for key in ("one", "two", "three"):
            assert (await activate(key)).status == "activated"
        assert (await manager.get_tenant("hallym_univ")).activation == 3
        assert await state(handler) == "deactivated"

    async def test_that_was_answered_without_doing_anything_is_remembered_too(self, handler, activate, deactivate):
        await activate("one")
        await activate("the-same-again")
        await deactivate()

        await activate("the-same-again")

        assert await state(handler) == "deactivated"

    async def test_of_an_earlier_life_is_answered_without_its_link_that_ended(self, handler, activate, deactivate):
        await activate("one")
        await deactivate()
        await activate("two", plan="premium")

        late = await activate("one")

        assert (late.status, late.admin_credentials) == ("activated", None)
        assert (await handler.get_tenant_status("hallym_univ")).plan == "premium"
        with pytest.raises(TenantAlreadyExists):
            await activate("three")

    async def test_of_an_earlier_life_does_not_take_the_call_back_over(self, manager, activate, deactivate):
        await activate("one", callback=callback("first"))
        await deactivate()
        await activate("two", callback=callback("second"))

        await activate("one", callback=callback("first"))
        assert (await manager.callback("hallym_univ")).events_url == "https://m.example/second"

        await activate("two", callback=callback("again"))
        assert (await manager.callback("hallym_univ")).events_url == "https://m.example/again"

    async def test_does_not_complete_a_reactivation_by_another_key(self, manager, handler, activate, deactivate):
        await activate("one")
        await deactivate()
        async with manager.operation("hallym_univ") as operation:
            profile = (await operation.get()).profile
            await operation.describe(profile, ActivationCall(fingerprint="another", idempotency_key="two"))
            await operation._become("provisioning", "and then the process died")

        await activate("one")
        assert await state(handler) == "deactivated"

        await activate("two")
        assert await state(handler) == "active"

    async def test_is_answered_by_an_operation_where_the_service_answers_later(
        self, new_handler, activation, activate, deactivate
    ):
        first = await activate("one")
        await deactivate()
        await activate("two", plan="premium")
        later = new_handler(async_after=0)

        with keyed("one"):
            accepted = await later.activate_tenant(activation())
        await later.operations.settle()

        ended = await later.get_operation(accepted.operation_id)
        assert (ended.status, ended.result["access_url"]) == ("succeeded", first.access_url)
        assert (await later.get_tenant_status("hallym_univ")).plan == "premium"

    async def test_of_a_purged_tenant_is_refused_and_no_key_is_left(self, activate, deactivate, registry_url):
        await activate("one")
        await deactivate("two", preserve_data=False)

        with pytest.raises(TenantPurged):
            await activate("one")
        with psycopg.connect(registry_url) as connection:
            assert connection.execute("SELECT * FROM mt_answered_call").fetchall() == []

    async def test_to_a_registry_of_an_older_version_is_known(
        self, new_handler, new_manager, activation, activate, deactivate
    ):
        await activate("one")
        await deactivate()
        async with new_manager() as updated:
            with psycopg.connect(updated._database_url, autocommit=True) as connection:
                connection.execute("DROP TABLE mt_answered_call")
            await updated.close()
            await updated.start()

            handler = new_handler(manager=updated)
            with keyed("one"):
                await handler.activate_tenant(activation())
            assert await state(handler) == "deactivated"

    async def test_is_remembered_while_it_is_among_the_tenants_newest(
        self, handler, activate, deactivate, registry_url, monkeypatch
    ):
        monkeypatch.setattr(answered_calls, "KEPT", 3)
        await activate("elsewhere", tenant_id="other_univ")
        for key in ("one", "two", "three", "four"):
            await activate(key)
        await deactivate()

        await activate("two")
        assert await state(handler) == "deactivated"
        with psycopg.connect(registry_url) as connection:
            counts = connection.execute("SELECT tenant_id, count(*) FROM mt_answered_call GROUP BY 1").fetchall()
        assert sorted(counts) == [("hallym_univ", 3), ("other_univ", 1)]


class TestScheduledDeactivation:
    @pytest.fixture
    async def scheduled(self, activate, deactivate, clock):
        """A tenant that is to be deactivated in a day."""
        await activate("one")
        await deactivate("two", deactivate_at=clock() + timedelta(days=1))

    async def test_is_taken_back_by_an_activation_with_a_new_key(self, handler, manager, scheduled, activate, clock):
        first = await activate("one")

        assert await activate("renewed") == first

        clock.move(days=2)
        await manager.sweep()
        assert await state(handler) == "active"
        tenant = await manager.get_tenant("hallym_univ")
        assert (tenant.deactivate_at, tenant.reactivation_deadline, tenant.data_preserved) == (None, None, True)

    @pytest.mark.parametrize("key", ["one", None])
    async def test_stays_when_the_same_activation_comes_again(self, handler, scheduled, activate, clock, key):
        await activate(key)

        clock.move(days=2)
        assert await state(handler) == "deactivated"

    async def test_stays_when_another_activation_is_refused(self, handler, scheduled, activate, clock):
        with pytest.raises(TenantAlreadyExists):
            await activate("renewed", plan="premium")

        clock.move(days=2)
        assert await state(handler) == "deactivated"

    async def test_is_not_taken_back_a_second_time_by_the_same_call(
        self, handler, scheduled, activate, deactivate, clock
    ):
        await activate("renewed")
        await deactivate("three", deactivate_at=clock() + timedelta(days=1))
        await activate("renewed")

        clock.move(days=2)
        assert await state(handler) == "deactivated"

    async def test_that_was_taken_back_is_not_made_again_by_the_same_call(
        self, handler, scheduled, activate, deactivate, clock
    ):
        await activate("renewed")

        assert (await deactivate("two", deactivate_at=clock() + timedelta(days=1))).status == "scheduled"

        clock.move(days=2)
        assert await state(handler) == "active"


class TestOtherCalls:
    async def test_a_deactivation_closes_nothing_that_was_opened_since(self, handler, activate, deactivate):
        await activate("one")
        first = await deactivate("two")
        await activate("three")

        assert await deactivate("two") == first
        assert await state(handler) == "active"

        await deactivate("four")
        assert await state(handler) == "deactivated"

    async def test_a_suspension_and_a_resumption_undo_nothing_that_followed(self, handler, tenant_id):
        with keyed("one"):
            await handler.suspend_tenant(tenant_id, SUSPENSION)
        with keyed("two"):
            await handler.resume_tenant(tenant_id)
        with keyed("one"):
            assert (await handler.suspend_tenant(tenant_id, SUSPENSION)).status == "suspended"
        assert await state(handler) == "active"

        with keyed("three"):
            await handler.suspend_tenant(tenant_id, SUSPENSION)
        with keyed("two"):
            assert (await handler.resume_tenant(tenant_id)).status == "active"
        assert await state(handler) == "suspended"

    async def test_a_change_of_plan_does_not_take_the_next_one_back(self, handler, tenant_id):
        for key, plan in (("one", "premium"), ("two", "basic")):
            with keyed(key):
                await handler.change_plan(tenant_id, PlanChangeRequest(plan=plan))
        with keyed("one"):
            assert (await handler.change_plan(tenant_id, PlanChangeRequest(plan="premium"))).plan == "premium"

        assert (await handler.get_tenant_status(tenant_id)).plan == "basic"
