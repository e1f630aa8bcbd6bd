"""Calls that were answered with 202: what becomes of them, also when the process that worked on them is gone."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from mt_paas.core.handler import HandlerOptions, ManagedTenantHandler
from mt_paas.core.operation_store import LEASE, Task
from mt_paas.errors import (
    OperationInProgress,
    OperationNotCancellable,
    OperationNotFound,
    TenantAlreadyExists,
    TenantNotActive,
    TenantNotFound,
)
from mt_paas.standard_api.handler import CallContext, in_call
from mt_paas.standard_api.models import (
    ActivateResponse,
    Callback,
    DeactivateReason,
    DeactivateRequest,
    OperationAccepted,
    PlanChangeRequest,
    SuspendRequest,
)

CLOSING = DeactivateRequest(reason=DeactivateReason.ADMIN_REQUEST, preserve_data=True)
CALLBACK = Callback(events_url="https://m.example/e", token="a-secret-token-of-it", secret="whsec_" + "A" * 32)
PROGRAM = Path(__file__).with_name("dies_while_activating.py")


class Held(ManagedTenantHandler):
    """A handler whose activations wait, with the tenant held, until they are let go."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.let_go = asyncio.Event()
        self.at_work = asyncio.Event()
        isolation = self.manager._parts.isolation
        create = isolation.create

        async def create_when_let_go(connection, tenant) -> None:
            self.at_work.set()
            await self.let_go.wait()
            await create(connection, tenant)

        isolation.create = create_when_let_go


@pytest.fixture
def held(new_handler) -> Held:
    return new_handler(Held, async_after=0.01)


class TestAnswer:
    async def test_what_is_quick_is_answered_at_once(self, new_handler, activation):
        handler = new_handler(async_after=60)

        assert isinstance(await handler.activate_tenant(activation()), ActivateResponse)
        with pytest.raises(TenantAlreadyExists):
            await handler.activate_tenant(activation(plan="premium"))

    async def test_what_takes_longer_is_an_operation_that_ends_with_the_answer(self, held, activation):
        accepted = await held.activate_tenant(activation())
        assert isinstance(accepted, OperationAccepted)
        under_way = await held.get_operation(accepted.operation_id)
        assert (under_way.status, under_way.retry_after is not None) == ("in_progress", True)
        with pytest.raises(TenantNotFound):
            await held.get_tenant_status("hallym_univ")

        held.let_go.set()
        await held.operations.settle()

        ended = await held.get_operation(accepted.operation_id)
        answer = await held.do_activate(activation())
        assert (ended.status, ended.result) == ("succeeded", answer.model_dump(mode="json"))

    async def test_the_same_call_meanwhile_is_the_same_operation_and_another_is_refused(self, held, activation):
        callback = CALLBACK
        with in_call(CallContext("r1", idempotency_key="one")):
            accepted = await held.activate_tenant(activation(callback=callback))
        await held.at_work.wait()  # with the tenant held

        assert await held.activate_tenant(activation()) == accepted
        with in_call(CallContext("r2", idempotency_key="one")):
            assert await held.activate_tenant(activation(plan="premium")) == accepted
        for other in (held.activate_tenant(activation(plan="premium")), held.deactivate_tenant("hallym_univ", CLOSING)):
            with pytest.raises(OperationInProgress):
                await other

    async def test_no_link_and_no_request_is_stored_of_one_that_ended(self, held, activation, registry_url):
        callback = CALLBACK
        await held.activate_tenant(activation(callback=callback))
        held.let_go.set()
        await held.operations.settle()

        stored = _rows(registry_url, "SELECT o::text FROM mt_operation o")
        assert "token" not in stored
        assert "admin@hallym.ac.kr" not in stored
        assert (await held.manager.callback("hallym_univ")) == callback
        assert "a-secret-token" not in repr(await held.manager.get_tenant("hallym_univ")) + repr(callback)

    async def test_a_failure_is_told_without_its_text(self, new_handler, activation):
        class Broken(ManagedTenantHandler):
            async def do_activate(self, request):
                raise ValueError("the password is s3cret")

        handler = new_handler(Broken, async_after=0)
        accepted = await handler.activate_tenant(activation())
        await handler.operations.settle()

        ended = await handler.get_operation(accepted.operation_id)
        assert (ended.status, ended.error.error) == ("failed", "internal_error")
        assert "s3cret" not in ended.model_dump_json()

    async def test_a_refusal_is_told_with_its_word(self, new_handler, tenant_id):
        handler = new_handler(async_after=0)
        await handler.suspend_tenant(tenant_id, SuspendRequest(reason="unpaid"))

        accepted = await handler.change_plan(tenant_id, PlanChangeRequest(plan="premium"))
        await handler.operations.settle()

        assert (await handler.get_operation(accepted.operation_id)).error.error == "tenant_not_active"

    async def test_nobody_waits_for_what_is_certain_to_be_refused(self, new_handler, tenant_id, activation):
        handler = new_handler(async_after=0)

        with pytest.raises(TenantAlreadyExists):
            await handler.activate_tenant(activation(plan="premium"))
        with pytest.raises(TenantNotActive):
            await handler.purge_tenant(tenant_id)
        for call in (
            handler.deactivate_tenant("nobody", CLOSING),
            handler.change_plan("nobody", PlanChangeRequest(plan="premium")),
            handler.purge_tenant("nobody"),
        ):
            with pytest.raises(TenantNotFound):
                await call

    async def test_every_call_of_a_life_can_be_one(self, new_handler, activation):
        handler = new_handler(async_after=0)

        async def done(accepted) -> dict:
            await handler.operations.settle()
            return (await handler.get_operation(accepted.operation_id)).result

        await done(await handler.activate_tenant(activation()))
        plan = await done(await handler.change_plan("hallym_univ", PlanChangeRequest(plan="premium")))
        closed = await done(await handler.deactivate_tenant("hallym_univ", CLOSING))
        receipt = await done(await handler.purge_tenant("hallym_univ"))

        assert (plan["plan"], closed["status"], receipt["tenant_id"]) == ("premium", "deactivated", "hallym_univ")
        assert await done(await handler.purge_tenant("hallym_univ")) == receipt

    async def test_a_service_that_does_not_declare_it_answers_nothing_later(self, manager, manifest, activation):
        manifest = manifest.model_copy(update={"capabilities": []})
        handler = ManagedTenantHandler(manager, manifest, HandlerOptions(async_after=0))

        assert isinstance(await handler.activate_tenant(activation()), ActivateResponse)

    async def test_an_unknown_operation_is_told(self, handler):
        with pytest.raises(OperationNotFound):
            await handler.get_operation("op_unknown")
        with pytest.raises(OperationNotFound):
            await handler.cancel_operation("op_unknown")


class TestCancel:
    async def test_leaves_nothing_of_a_tenant_that_never_was(self, held, activation, server, prefix):
        accepted = await held.activate_tenant(activation())
        await held.at_work.wait()

        ended = await held.cancel_operation(accepted.operation_id)

        assert (ended.status, ended.error.error) == ("failed", "cancelled")
        assert (server.databases(prefix), server.roles(prefix)) == ([], [])
        with pytest.raises(TenantNotFound):
            await held.manager.get_tenant("hallym_univ")
        held.let_go.set()
        assert (await held.do_activate(activation())).status == "activated"

    async def test_comes_too_late_for_one_that_has_ended(self, held, activation):
        accepted = await held.activate_tenant(activation())
        held.let_go.set()
        await held.operations.settle()

        with pytest.raises(OperationNotCancellable):
            await held.cancel_operation(accepted.operation_id)

        assert (await held.get_tenant_status("hallym_univ")).status == "active"

    async def test_of_a_tenant_with_data_completes_what_was_begun(self, held, activation, tenants):
        held.let_go.set()
        await held.do_activate(activation())
        await tenants.write("hallym_univ", "kept")
        await held.do_deactivate("hallym_univ", CLOSING)
        held.let_go.clear()
        held.at_work.clear()
        accepted = await held.activate_tenant(activation())
        await held.at_work.wait()
        cancelling = asyncio.ensure_future(held.cancel_operation(accepted.operation_id))
        held.let_go.set()

        with pytest.raises(OperationNotCancellable):
            await cancelling

        assert await tenants.read("hallym_univ") == ["kept"]

    async def test_in_another_process_is_carried_out_when_its_own_ends(
        self, held, new_handler, activation, server, prefix
    ):
        accepted = await held.activate_tenant(activation())
        await held.at_work.wait()
        other = new_handler()
        assert (await other.cancel_operation(accepted.operation_id)).status == "in_progress"

        await held.close()

        assert (await other.get_operation(accepted.operation_id)).error.error == "cancelled"
        assert server.databases(prefix) == []


class TestTakenUp:
    async def test_what_a_closing_process_leaves_is_done_by_another(self, held, new_handler, activation):
        accepted = await held.activate_tenant(activation())
        await held.at_work.wait()
        await held.close()
        held.let_go.set()
        other = new_handler()

        await other.sweep()
        await other.operations.settle()

        assert (await other.get_operation(accepted.operation_id)).status == "succeeded"
        assert (await other.get_tenant_status("hallym_univ")).status == "active"

    async def test_one_that_finds_the_tenant_held_is_done_when_it_is_not(self, new_handler, manager, activation):
        handler = new_handler(async_after=0)
        async with manager.operation("hallym_univ"):
            accepted = await handler.activate_tenant(activation())
            await handler.operations.settle()
            meanwhile = await handler.get_operation(accepted.operation_id)

        await handler.sweep()
        await handler.operations.settle()

        assert meanwhile.status == "in_progress"
        assert (await handler.get_operation(accepted.operation_id)).status == "succeeded"

    async def test_a_lease_that_has_not_run_out_is_left_alone(self, new_handler, manager, activation, clock):
        handler = new_handler()
        request = activation().model_dump(mode="json")
        begun = await manager.operations.begin(Task(kind="activate", tenant_id="hallym_univ", request=request))

        assert await handler.operations.sweep() == 0
        clock.move(seconds=LEASE.total_seconds())
        taken = await asyncio.gather(*(handler.operations.sweep() for _ in range(3)))
        await handler.operations.settle()

        assert sum(taken) == 1
        assert (await handler.get_operation(begun.operation_id)).status == "succeeded"

    async def test_one_that_was_cancelled_before_its_process_died_is_undone(
        self, new_handler, manager, activation, clock
    ):
        request = activation()
        begun = await manager.operations.begin(
            Task(kind="activate", tenant_id="hallym_univ", request=request.model_dump(mode="json"))
        )
        await manager.onboard_tenant("hallym_univ", "Hallym")
        handler = new_handler()
        assert (await handler.cancel_operation(begun.operation_id)).status == "in_progress"
        clock.move(seconds=LEASE.total_seconds())

        await handler.operations.sweep()
        await handler.operations.settle()

        assert (await handler.get_operation(begun.operation_id)).error.error == "cancelled"
        with pytest.raises(TenantNotFound):
            await manager.get_tenant("hallym_univ")

    async def test_one_that_was_cancelled_too_late_and_is_refused_ends_with_the_refusal(
        self, new_handler, manager, activation, clock
    ):
        handler = new_handler()
        await handler.do_activate(activation())
        request = activation(plan="premium").model_dump(mode="json")
        begun = await manager.operations.begin(Task(kind="activate", tenant_id="hallym_univ", request=request))
        await handler.cancel_operation(begun.operation_id)
        clock.move(seconds=LEASE.total_seconds())

        await handler.operations.sweep()
        await handler.operations.settle()

        ended = await handler.get_operation(begun.operation_id)
        assert (ended.status, ended.error.error) == ("failed", "tenant_already_exists")

    async def test_one_that_was_cancelled_and_can_not_be_undone_is_failed(
        self, new_handler, manager, activation, clock
    ):
        handler = new_handler()
        request = activation().model_dump(mode="json")
        begun = await manager.operations.begin(Task(kind="activate", tenant_id="hallym_univ", request=request))
        await handler.cancel_operation(begun.operation_id)

        async with manager.operation("hallym_univ"):  # somebody is at the tenant, for good
            for _ in range(5):
                clock.move(seconds=LEASE.total_seconds())
                await handler.operations.sweep()
                await handler.operations.settle()

        ended = await handler.get_operation(begun.operation_id)
        assert (ended.status, ended.error.error) == ("failed", "operation_in_progress")

    async def test_one_that_ends_every_process_is_failed(self, new_handler, manager, activation, clock):
        handler = new_handler()
        request = activation().model_dump(mode="json")
        begun = await manager.operations.begin(Task(kind="activate", tenant_id="hallym_univ", request=request))
        for _ in range(5):
            clock.move(seconds=LEASE.total_seconds())
            assert len(await manager.operations.take_up(10)) == 1

        clock.move(seconds=LEASE.total_seconds())
        await handler.operations.sweep()
        await handler.operations.settle()

        assert (await handler.get_operation(begun.operation_id)).error.error == "internal_error"

    async def test_one_that_ended_long_ago_is_forgotten(self, new_handler, activation, clock):
        handler = new_handler(async_after=0)
        accepted = await handler.activate_tenant(activation())
        await handler.operations.settle()
        clock.move(days=8)

        await handler.operations.sweep()

        with pytest.raises(OperationNotFound):
            await handler.get_operation(accepted.operation_id)

    @pytest.mark.system
    async def test_a_process_that_was_killed_leaves_nothing_in_progress(
        self, new_manager, new_handler, registry_url, prefix
    ):
        child = await asyncio.create_subprocess_exec(
            sys.executable, PROGRAM, registry_url, prefix, stdout=asyncio.subprocess.PIPE
        )
        operation_id = (await child.communicate())[0].decode().strip()
        assert child.returncode == -9

        async with new_manager(clock=lambda: datetime.now(UTC) + timedelta(minutes=1)) as manager:
            handler = new_handler(manager=manager)
            assert (await handler.get_operation(operation_id)).status == "in_progress"
            await handler.sweep()
            await handler.operations.settle()

            assert (await handler.get_operation(operation_id)).status == "succeeded"
            assert (await handler.get_tenant_status("hallym_univ")).status == "active"


def _rows(url: str, statement: str) -> str:
    with psycopg.connect(url) as connection:
        return str(connection.execute(statement).fetchall())
