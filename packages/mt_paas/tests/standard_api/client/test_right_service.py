"""All of the contract, from the caller's side, against a service that keeps it and one that is slow about it."""

from __future__ import annotations

import asyncio

import pytest
from mt_paas.errors import OperationLost, ServiceFailed, ServiceRefused
from mt_paas.standard_api import DeactivateReason, DeactivateRequest, StandardAPIClient, TenantState
from mt_paas.standard_api.models import (
    OperationAccepted,
    OperationStatus,
    PlanChangeRequest,
    SsoRequest,
    SsoUser,
    SuspendRequest,
    TenantConfig,
    UserCreate,
    UserStatus,
    UserUpdate,
)
from mt_paas.testing.doubles import FakeService, dropped, fail, flaky, garbage, lying, serve, slow

T = "hallym_univ"


@pytest.fixture
async def client(service, base_url, loopback, activation):
    """Return a client of a service that has the tenant, driven by the manifest that the service itself gives out."""
    async with StandardAPIClient(service.manifest(base_url), service.api_key, addresses=loopback) as client:
        await client.activate(activation, idempotency_key="1")
        yield client


class TestARightService:
    async def test_its_users_are_made_changed_walked_and_removed(self, client):
        before = {user.id async for user in client.walk_users(T)}
        made = [await client.create_user(T, UserCreate(email=f"u{n}@hallym.ac.kr", role="teacher")) for n in range(7)]
        assert {user.id async for user in client.walk_users(T, limit=2)} == before | {user.id for user in made}
        changed = await client.update_user(T, made[0].id, UserUpdate(status=UserStatus.DISABLED))
        assert changed.status is UserStatus.DISABLED
        page = await client.users(T, status=UserStatus.DISABLED, role="teacher", q="u0@")
        assert [(user.id, page.total) for user in page.items] == [(made[0].id, 1)]
        await client.delete_user(T, made[0].id)
        with pytest.raises(ServiceRefused, match="404 user_not_found"):
            await client.delete_user(T, made[0].id)
        with pytest.raises(ServiceRefused, match="409 user_already_exists"):
            await client.create_user(T, UserCreate(email="u1@hallym.ac.kr"))

    async def test_its_figures_are_read(self, client, service):
        for period in ("monthly", "daily"):
            stats, costs = await client.stats(T, period), await client.costs(T, period)
            assert stats.period == costs.period == (await client.usage(T, period)).period
            assert costs.total == sum(part.cost for part in costs.by_model)
        assert len((await client.top_users(T, limit=1)).items) <= 1
        there = service.tenants[T].resources
        assert [each async for each in client.walk_resources(T, limit=1)] == list(there.values())

    async def test_of_two_writers_of_its_settings_one_wins(self, client):
        read = await client.settings(T)
        written = await client.update_settings(T, {"language": "en"}, if_match=read.etag)
        assert written.etag != read.etag
        with pytest.raises(ServiceRefused, match="412 version_conflict"):
            await client.update_settings(T, {"language": "ko"}, if_match=read.etag)
        assert (await client.settings(T)).settings == {"language": "en"}

    async def test_the_extensions_change_the_tenant(self, client, service):
        config = TenantConfig(max_users=900)
        assert (await client.change_plan(T, PlanChangeRequest(plan="basic", config=config), idempotency_key="2")).plan
        assert (await client.status(T)).plan == "basic"
        assert (await client.suspend(T, SuspendRequest(reason="payment_overdue"))).status is TenantState.SUSPENDED
        assert (await client.resume(T)).status is TenantState.ACTIVE
        first = (await client.rotate_credentials(T)).admin_credentials.setup_url
        assert first != (await client.rotate_credentials(T)).admin_credentials.setup_url
        user = SsoUser(email="admin@hallym.ac.kr")
        assert (await client.sso(T, SsoRequest(user=user, return_to="/"))).launch_url.startswith("http://127.0.0.1:")
        assert [tenant.tenant_id async for tenant in client.walk_tenants(limit=1)] == [T]
        assert (await client.export(T)).download_url.startswith("http://127.0.0.1:")
        await client.deactivate(T, DeactivateRequest(reason=DeactivateReason.VIOLATION, preserve_data=True), **KEY)
        receipt = await client.purge(T)
        assert (receipt.tenant_id, await client.purge(T)) == (T, receipt)
        with pytest.raises(ServiceRefused, match="tenant_"):
            await client.status(T)

    async def test_it_says_what_it_offers(self, client, service, base_url):
        offered = await client.configuration()
        assert tuple(offered.versions) == service.manifest(base_url).api_versions
        assert set(offered.extensions) == set(service.manifest(base_url).extensions)


KEY = {"idempotency_key": "3"}


class TestASlowService:
    @pytest.fixture
    async def slow_client(self, loopback, pauses):
        service = FakeService(asynchronous=True, steps=3)
        async with (
            serve(service) as url,
            StandardAPIClient(service.manifest(url), service.api_key, addresses=loopback, pause=pauses) as client,
        ):
            yield client, service

    async def test_is_waited_for(self, slow_client, activation, deactivation):
        client, service = slow_client
        assert (await client.activate(activation, idempotency_key="1")).tenant_id == T
        assert (service.count("activate"), service.count("operation")) == (1, 3)
        assert (await client.deactivate(T, deactivation, idempotency_key="2")).status == "deactivated"

    async def test_can_be_left_alone_and_asked_later(self, slow_client, activation):
        client, service = slow_client
        begun = await client.begin_activate(activation, idempotency_key="1")
        assert begun == await client.begin_activate(activation, idempotency_key="1")
        assert isinstance(begun, OperationAccepted)
        assert (await client.operation(begun.operation_id)).status is OperationStatus.IN_PROGRESS
        cancelled = await client.cancel_operation(begun.operation_id)
        assert (cancelled.status, cancelled.error.error) == (OperationStatus.FAILED, "cancelled")
        assert service.tenants == {}

    @pytest.mark.parametrize("wrongly", [fail(500), dropped, garbage()])
    async def test_that_is_flaky_about_its_operations_is_asked_again(self, slow_client, activation, wrongly):
        client, service = slow_client
        service.behave(flaky(2, wrongly), on="operation")
        assert (await client.activate(activation, idempotency_key="1")).tenant_id == T
        assert service.count("activate") == 1

    async def test_that_ends_as_another_than_it_says_is_seen_by_its_status(self, slow_client, activation):
        client, service = slow_client
        service.asynchronous = False
        service.behave(lying(TenantState.SUSPENDED), on="activate")
        await client.activate(activation, idempotency_key="1")
        assert (await client.status(T)).status is TenantState.SUSPENDED

    async def test_that_loses_its_memory_is_told_apart_from_one_that_failed(self, slow_client, activation):
        client, service = slow_client
        begun = await client.begin_activate(activation, idempotency_key="1")
        service.operations.clear()
        with pytest.raises(OperationLost, match="operation_not_found"):
            await client.wait_for(begun, type(begun))
        assert not issubclass(OperationLost, ServiceFailed | ServiceRefused)

    async def test_a_call_that_is_given_up_by_its_caller_leaves_nothing_open(self, slow_client, activation):
        client, service = slow_client
        service.behave(slow(asyncio.Event()), on="operation")
        waiting = asyncio.create_task(client.activate(activation, idempotency_key="1"))
        await service.wait_for("operation")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await client.health()).version
