"""What the shared contract tests do not reach: what a crash or a fault leaves, and how it is taken up again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from mt_paas.core.handler import ManagedTenantHandler
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import ConfigurationError, TenantAlreadyExists, TenantNotFound
from mt_paas.standard_api.handler import CallContext, in_call
from mt_paas.standard_api.models import ActivateRequest, Admin, DeactivateReason, DeactivateRequest, UserFigures
from mt_paas.testing.doubles import FakeService
from sqlalchemy import text

MANIFEST = FakeService(service_id="notes").manifest("http://notes.example/prefix/")


def request(tenant_id: str = "hallym_univ", **changes) -> ActivateRequest:
    admin = Admin(email="admin@hallym.ac.kr", name="Hong")
    return ActivateRequest(
        **{"tenant_id": tenant_id, "tenant_name": "Hallym", "plan": "basic", "admin": admin} | changes
    )


def closing(**changes) -> DeactivateRequest:
    return DeactivateRequest(**{"reason": DeactivateReason.ADMIN_REQUEST, "preserve_data": True} | changes)


@pytest.fixture
def handler(manager) -> ManagedTenantHandler:
    return ManagedTenantHandler(manager, MANIFEST)


@pytest.fixture
async def failed(handler, server, prefix) -> str:
    """A tenant whose first activation failed because something is in its way."""
    server.rows(f'CREATE DATABASE "{prefix}hallym_univ"')
    with pytest.raises(ConfigurationError):
        await handler.activate_tenant(request())
    server.rows(f'DROP DATABASE "{prefix}hallym_univ"')
    return "hallym_univ"


class TestHalfDoneActivation:
    async def test_is_completed_by_the_same_request(self, handler, failed):
        assert (await handler.activate_tenant(request())).status == "activated"

    async def test_is_completed_by_another_body_too(self, handler, failed):
        await handler.activate_tenant(request(plan="premium"))

        assert (await handler.get_tenant_status(failed)).plan == "premium"
        with pytest.raises(TenantAlreadyExists):
            await handler.activate_tenant(request(plan="basic"))

    async def test_is_not_there_for_the_market(self, handler, failed):
        with pytest.raises(TenantNotFound):
            await handler.get_tenant_status(failed)
        with pytest.raises(TenantNotFound):
            await handler.get_tenant_usage(failed, "2026-03")

    async def test_names_its_reason(self, manager, failed, prefix):
        tenant = await manager.get_tenant(failed)

        assert tenant.status == "failed"
        assert f"{prefix}hallym_univ exists" in tenant.failure_reason

    async def test_is_undone_by_a_deactivation_and_its_id_is_free(self, handler, failed, server, prefix):
        answer = await handler.deactivate_tenant(failed, closing())

        assert (answer.status, answer.data_preserved) == ("deactivated", False)
        assert (server.databases(prefix), server.roles(prefix)) == ([], [])
        assert (await handler.activate_tenant(request())).status == "activated"

    async def test_that_was_cut_off_is_undone_too(self, handler, manager, server, prefix):
        await manager.onboard_tenant("hallym_univ", "Hallym")
        async with manager.operation("hallym_univ") as operation:
            await operation._become(TenantStatus.PROVISIONING, "and then the process died")

        await handler.deactivate_tenant("hallym_univ", closing(preserve_data=False))

        with pytest.raises(TenantNotFound):
            await manager.get_tenant("hallym_univ")


class TestHalfDoneReactivation:
    @pytest.fixture
    async def half_done(self, handler, manager, tenants) -> str:
        """A tenant with data whose process died while it was reactivated."""
        await handler.activate_tenant(request())
        await tenants.write("hallym_univ", "kept")
        await handler.deactivate_tenant("hallym_univ", closing())
        async with manager.operation("hallym_univ") as operation:
            await operation._become(TenantStatus.PROVISIONING, "and then the process died")
        return "hallym_univ"

    async def test_is_deactivated_for_the_market(self, handler, half_done):
        assert (await handler.get_tenant_status(half_done)).status == "deactivated"

    async def test_is_completed_by_the_same_request(self, handler, half_done, tenants):
        await handler.activate_tenant(request())

        assert await tenants.read(half_done) == ["kept"]

    async def test_a_deactivation_keeps_its_data(self, handler, half_done, tenants):
        answer = await handler.deactivate_tenant(half_done, closing())
        await handler.activate_tenant(request())

        assert answer.data_preserved
        assert await tenants.read(half_done) == ["kept"]

    async def test_a_deactivation_can_give_its_data_up(self, handler, half_done, server, prefix):
        answer = await handler.deactivate_tenant(half_done, closing(preserve_data=False))

        assert not answer.data_preserved
        assert server.databases(prefix) == []


class TestCutOff:
    async def test_a_deactivation_is_completed_by_the_next_call(self, handler, manager):
        await handler.activate_tenant(request())
        async with manager.operation("hallym_univ") as operation:
            await operation._become(TenantStatus.DEACTIVATING, "and then the process died")

        assert (await handler.get_tenant_status("hallym_univ")).status == "deactivated"
        assert (await handler.deactivate_tenant("hallym_univ", closing())).status == "deactivated"

    async def test_a_change_leaves_the_tenant_active(self, handler, manager):
        await handler.activate_tenant(request())
        async with manager.operation("hallym_univ") as operation:
            await operation._become(TenantStatus.UPDATING, "and then the process died")

        assert (await handler.get_tenant_status("hallym_univ")).status == "active"
        assert (await manager.suspend_tenant("hallym_univ", "unpaid bill")).status == "suspended"


class TestSuspended:
    async def test_is_told_and_can_be_deactivated(self, handler, manager):
        await handler.activate_tenant(request())
        await manager.suspend_tenant("hallym_univ", "unpaid bill")

        assert (await handler.get_tenant_status("hallym_univ")).status == "suspended"
        assert (await handler.deactivate_tenant("hallym_univ", closing())).status == "deactivated"

    async def test_the_activation_again_answers_the_same_and_does_not_open_it(self, handler, manager):
        first = await handler.activate_tenant(request())
        await manager.suspend_tenant("hallym_univ", "unpaid bill")

        assert await handler.activate_tenant(request()) == first
        assert (await manager.get_tenant("hallym_univ")).status == "suspended"


class TestActivate:
    async def test_the_key_of_a_request_is_remembered(self, handler, manager):
        with in_call(CallContext("a-request", idempotency_key="the-key")):
            await handler.activate_tenant(request())

        assert (await manager.get_tenant("hallym_univ")).idempotency_key == "the-key"

    async def test_links_lead_to_where_the_service_is_reached(self, handler):
        answer = await handler.activate_tenant(request())

        assert answer.access_url == "http://notes.example/prefix/app/hallym_univ"
        assert answer.admin_credentials.setup_url.startswith("http://notes.example/prefix/access/setup?")

    async def test_the_market_is_in_the_history(self, handler, manager):
        await handler.activate_tenant(request())

        assert {step.actor for step in await manager.history("hallym_univ")} == {"market"}


class TestCounting:
    async def test_what_the_service_counts_is_reported(self, manager, tenants):
        class Counting(ManagedTenantHandler):
            async def count_users(self, session):
                return UserFigures(total=await session.scalar(text("SELECT count(*) FROM note")), active_today=0)

            async def count_usage(self, session, period):
                return {"api_calls": 12, "notes": await session.scalar(text("SELECT count(*) FROM note"))}

        handler = Counting(manager, MANIFEST)
        await handler.activate_tenant(request())
        await tenants.write("hallym_univ", "one")

        status = await handler.get_tenant_status("hallym_univ")
        usage = (await handler.get_tenant_usage("hallym_univ", "2026-03")).usage.model_dump()

        assert status.users.total == 1
        assert (usage["api_calls"], usage["notes"]) == (12, 1)
        assert usage["storage_gb"] > 0

    async def test_a_deactivated_tenant_is_not_opened_to_be_counted(self, handler, clock):
        await handler.activate_tenant(request())
        await handler.deactivate_tenant("hallym_univ", closing(deactivate_at=clock() + timedelta(days=1)))
        clock.move(days=1)

        assert (await handler.get_tenant_status("hallym_univ")).status == "deactivated"
        assert (await handler.get_tenant_usage("hallym_univ", "2026-03")).usage.storage_gb > 0


class TestHealth:
    async def test_is_good_while_the_registry_answers(self, handler):
        health = await handler.health()

        assert (health.status, health.version) == ("healthy", "1.0.0")
        assert health.checks["database"].latency_ms > 0

    async def test_is_bad_without_it(self, handler, manager):
        await manager.close()

        health = await handler.health()

        assert (health.status, health.checks["database"].status) == ("unhealthy", "unhealthy")
