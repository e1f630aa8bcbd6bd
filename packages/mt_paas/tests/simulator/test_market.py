"""The simulated market drives a real service over HTTP, believes nothing, and does wrong only what its knobs say."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import TenantNotFound
from mt_paas.simulator import Knobs
from mt_paas.simulator.journal import Journal, Level
from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import (
    FakeService,
    altering,
    answer_with,
    dropped,
    fail,
    flaky,
    garbage,
    lying,
    refuse,
    rightly,
    serve,
)


def calls(journal: Journal) -> list[tuple[str, str, int | None]]:
    """Return the calls in a journal, without health: what, by which method, and how answered."""
    return [
        (entry.facts["call"], entry.facts["method"], entry.facts["status"])
        for entry in journal.since(0)
        if entry.kind == "call" and entry.facts["call"] != "health"
    ]


async def ok(run, line: str):
    outcome = await run.session.run(line)
    assert outcome.is_ok, outcome.text
    return outcome


class TestLife:
    async def test_a_tenant_is_made_closed_and_brought_back_with_its_data(self, run, service):
        activated = await ok(run, "activate hallym_univ premium name=한림대학교 email=kim@hallym.ac.kr max_users=5")
        assert activated.links["set-up link"].startswith("http://")
        request = service.tenants["hallym_univ"].request
        assert (request.tenant_name, request.plan, request.admin.email) == ("한림대학교", "premium", "kim@hallym.ac.kr")
        assert request.config.max_users == 5
        await ok(run, "deactivate hallym_univ")
        assert service.tenants["hallym_univ"].state is TenantState.DEACTIVATED
        await ok(run, "reactivate hallym_univ")
        assert service.tenants["hallym_univ"].state is TenantState.ACTIVE
        assert service.tenants["hallym_univ"].request.tenant_name == "한림대학교"
        assert run.market.faults == 0

    async def test_every_step_is_checked_by_the_status(self, run):
        await ok(run, "activate hallym_univ")
        assert calls(run.market.journal) == [("activate", "POST", 200), ("status", "GET", 200)]

    async def test_plan_suspension_and_purge(self, run, service):
        await ok(run, "activate hallym_univ basic")
        await ok(run, "plan hallym_univ premium")
        await ok(run, "suspend hallym_univ unpaid bill")
        assert service.tenants["hallym_univ"].state is TenantState.SUSPENDED
        await ok(run, "resume hallym_univ")
        await ok(run, "deactivate hallym_univ")
        await ok(run, "purge hallym_univ")
        assert "hallym_univ" not in service.tenants
        assert run.market.tenants.get("hallym_univ").state is TenantStatus.PURGED
        assert run.market.faults == 0

    async def test_version_1_is_purged_by_deactivate(self, simulate):
        service = FakeService(version="1.0")
        async with serve(service) as url, simulate(target=url, key=service.api_key) as run:
            await ok(run, "activate hallym_univ")
            await ok(run, "deactivate hallym_univ")
            await ok(run, "purge hallym_univ")
            assert run.market.tenants.get("hallym_univ").state is TenantStatus.PURGED
            assert "hallym_univ" not in service.tenants
            refused = await run.session.run("suspend hallym_univ")
            assert "declares no endpoints.suspend" in refused.text

    async def test_what_a_service_answers_later_is_waited_for(self, simulate):
        service = FakeService(asynchronous=True)
        async with serve(service) as url, simulate(target=url, key=service.api_key) as run:
            await ok(run, "activate hallym_univ")
            assert service.tenants["hallym_univ"].state is TenantState.ACTIVE
            assert calls(run.market.journal)[0] == ("activate", "POST", 202)

    async def test_the_same_line_again_is_the_same_request(self, run, service):
        await ok(run, "activate hallym_univ premium")
        again = await ok(run, "activate hallym_univ premium")
        assert "activated" in again.text
        other = await run.session.run("activate hallym_univ basic")
        assert (other.status, other.error) == (409, "tenant_already_exists")
        assert service.tenants["hallym_univ"].request.plan == "premium"
        assert run.market.tenants.get("hallym_univ").request.plan == "premium"

    async def test_a_closing_in_the_future_leaves_it_open_and_can_be_done_at_once(self, run):
        await ok(run, "activate hallym_univ")
        scheduled = await ok(run, "deactivate hallym_univ at=+1h")
        assert scheduled.text.startswith("scheduled")
        assert run.market.tenants.get("hallym_univ").state is TenantStatus.ACTIVE
        await ok(run, "deactivate hallym_univ")
        assert run.market.tenants.get("hallym_univ").state is TenantStatus.DEACTIVATED

    async def test_a_refused_activation_can_be_tried_again(self, run, service):
        service.behave(answer_with(422, {"error": "invalid_plan", "message": "No such plan."}), on="activate")
        assert not (await run.session.run("activate hallym_univ")).is_ok
        tenant = run.market.tenants.get("hallym_univ")
        assert (tenant.state, tenant.failure) == (TenantStatus.FAILED, "422 invalid_plan: No such plan.")
        service.behave(rightly, on="activate")
        await ok(run, "activate hallym_univ")

    async def test_a_tenant_of_another_run_is_taken_over(self, run, service, simulate):
        await ok(run, "activate hallym_univ premium")
        async with simulate() as later:
            assert "taken over" in (await ok(later, "status hallym_univ")).text
            await ok(later, "deactivate hallym_univ")

    async def test_clean_leaves_nothing_at_the_service(self, run, service):
        await ok(run, "activate hallym_univ")
        await ok(run, "activate seoul_univ")
        await ok(run, "deactivate seoul_univ")
        service.behave(fail(), on="activate")
        assert not (await run.session.run("activate busan_univ")).is_ok
        service.behave(rightly, on="activate")
        await ok(run, "clean")
        assert service.tenants == {}
        assert run.market.tenants.left == []


class TestJudging:
    async def test_an_answer_that_the_contract_does_not_know_is_wrong_and_counted(self, run, service):
        service.behave(answer_with(200, {"status": "ok"}), on="activate")
        outcome = await run.session.run("activate hallym_univ")
        (entry,) = [entry for entry in run.market.journal.since(0) if entry.level is Level.WRONG]
        assert not outcome.is_ok
        assert "tenant_id: Field required" in entry.facts["says"]
        assert run.market.faults == 1

    @pytest.mark.parametrize(
        "behaviour", [garbage(), garbage(status=404), fail(500), dropped], ids=["html", "404", "500", "cut"]
    )
    async def test_so_is_everything_else_that_is_none(self, run, service, behaviour):
        await ok(run, "activate hallym_univ")
        service.behave(behaviour, on="status")
        assert not (await run.session.run("status hallym_univ")).is_ok
        assert run.market.faults >= 1

    async def test_a_refusal_in_the_words_of_the_contract_is_none(self, run, service):
        service.behave(refuse(TenantNotFound), on="status")
        outcome = await run.session.run("status hallym_univ")
        assert (outcome.status, outcome.error, run.market.faults) == (404, "tenant_not_found", 0)

    async def test_a_service_that_says_activated_and_is_not_is_found_out(self, run, service):
        service.behave(lying(TenantState.SUSPENDED), on="activate")
        await run.session.run("activate hallym_univ")
        assert "hallym_univ should be active now, and its status says suspended" in run.market.journal.texts(
            Level.WRONG
        )

    async def test_data_that_were_to_be_kept_and_are_not(self, run, service):
        def lose(said, recorded) -> None:
            said.body = said.body.replace(b'"data_preserved":true', b'"data_preserved":false')

        await ok(run, "activate hallym_univ")
        service.behave(altering(lose), on="deactivate")
        await run.session.run("deactivate hallym_univ")
        assert "preserve_data was true, and data_preserved is false" in run.market.journal.texts(Level.WRONG)

    async def test_a_password_in_an_answer_is_warned_of_and_never_shown(self, run, service):
        def add(said, recorded) -> None:
            content = json.loads(said.body)
            content["admin_credentials"] = {"temp_password": "hunter2hunter2"}
            said.body = json.dumps(content).encode()

        service.behave(altering(add), on="activate")
        outcome = await ok(run, "activate hallym_univ")
        shown = json.dumps([entry.as_dict() for entry in run.market.journal.since(0)]) + json.dumps(outcome.as_dict())
        assert "hunter2hunter2" not in shown
        assert any("temp_password" in text for text in run.market.journal.texts(Level.WARNING))

    async def test_no_secret_is_in_the_journal(self, run, service):
        outcome = await ok(run, "activate hallym_univ")
        await ok(run, "sso hallym_univ")
        tenant = run.market.tenants.get("hallym_univ")
        shown = json.dumps([entry.as_dict() for entry in run.market.journal.since(0)])
        secrets = [service.api_key, tenant.token, tenant.secret, outcome.links["set-up link"].rpartition("/")[2]]
        assert [secret for secret in secrets if secret in shown] == []
        assert "whsec_" not in shown


class TestFailing:
    async def test_a_lost_call_is_sent_again_with_its_key_and_its_body(self, simulate, service):
        async with simulate(knobs=Knobs(fail=1)) as run:
            for number in range(2):
                await ok(run, f"activate school_{number}")
        sent = [call for call in service.calls if call.operation == "activate"]
        by_tenant = {call.tenant_id: [] for call in sent}
        for call in sent:
            by_tenant[call.tenant_id].append((call.headers["idempotency-key"], json.dumps(call.body)))
        assert len(sent) == 6
        assert all(len(set(each)) == 1 for each in by_tenant.values())

    async def test_the_service_sees_the_line_cut_and_is_asked_again_until_it_answers(self, simulate, service):
        service.behave(flaky(1, dropped), on="activate")
        async with simulate() as run:
            outcome = await run.session.run("activate hallym_univ")
        assert not outcome.is_ok  # a broken answer is none of the contract's: no market goes on from there
        service.behave(flaky(1), on="activate")
        async with simulate() as run:
            await ok(run, "activate hallym_univ")
        assert service.count("activate") == 3

    async def test_the_same_seed_and_commands_give_the_same_faults(self, simulate, service):
        async def faults(seed: int) -> list[str]:
            async with simulate(knobs=Knobs(fail=0.5, repeat=0.5), seed=seed) as run:
                for line in ("activate hallym_univ", "usage hallym_univ", "deactivate hallym_univ", "clean"):
                    await run.session.run(line)
                service.tenants.clear()
                service.purged.clear()
                entries = [entry for entry in run.market.journal.since(0) if entry.kind == "call"]
                return [f"{each.text} {each.facts['lost']}" for each in entries if each.facts["call"] != "health"]

        first = await faults(11)
        assert first == await faults(11)
        assert any("knob: fail" in text for text in first)
        assert first != await faults(12)

    async def test_who_only_changes_a_user_is_left_alone_because_nobody_would_send_it_again(self, simulate, service):
        async with simulate(knobs=Knobs(fail=1)) as run:
            await run.session.run("status hallym_univ")
            assert service.count("status") == 3
            await run.session.run("user-add hallym_univ kim@hallym.ac.kr")
        assert service.count("users") == 1

    async def test_an_answer_that_was_given_up_on_is_compared_with_the_next(self, simulate, service):
        def move(said, recorded) -> None:
            content = json.loads(said.body)
            content["access_url"] = f"https://s.example/{service.count('activate')}"
            said.body = json.dumps(content).encode()

        service.behave(altering(move), on="activate")
        for seed in range(40):  # the dice decide between hanging up and giving up
            async with simulate(knobs=Knobs(fail=0.5), seed=seed) as run:
                await run.session.run(f"activate school_{seed}")
                lost = [entry.facts for entry in run.market.journal.since(0) if entry.facts.get("call") == "activate"]
                given_up = any("gave up" in facts["lost"] for facts in lost)
                if given_up and lost[-1]["lost"] == "":
                    assert any(
                        "was answered otherwise: `access_url`" in text for text in run.market.journal.texts(Level.WRONG)
                    )
                    return
        pytest.fail("no seed of forty made the market give up once and get its answer then")


class TestRepeating:
    async def test_a_right_service_answers_the_same_twice(self, simulate, service):
        async with simulate(knobs=Knobs(repeat=1)) as run:
            for line in (
                "activate hallym_univ",
                "suspend hallym_univ",
                "resume hallym_univ",
                "deactivate hallym_univ",
                "purge hallym_univ",
            ):
                await ok(run, line)
            assert run.market.faults == 0
        assert service.count("activate") == 2
        first, second = (call for call in service.calls if call.operation == "activate")
        assert (first.body, first.headers["idempotency-key"]) == (second.body, second.headers["idempotency-key"])

    async def test_one_that_answers_otherwise_is_told_how(self, simulate, service):
        def refuse_the_second(said, recorded) -> None:
            if service.count("activate") > 1:
                said.status = 409
                said.body = b'{"error": "tenant_already_exists", "message": "There already."}'

        service.behave(altering(refuse_the_second), on="activate")
        async with simulate(knobs=Knobs(repeat=1)) as run:
            await run.session.run("activate hallym_univ")
            (said,) = run.market.journal.texts(Level.WRONG)
        assert said.endswith("the first answer was 200, the second 409 tenant_already_exists")


class TestDisorder:
    async def test_a_deactivation_that_overtakes_leaves_the_tenant_active_in_the_end(self, simulate):
        service = FakeService(asynchronous=True)
        async with serve(service) as url, simulate(target=url, key=service.api_key, knobs=Knobs(disorder=1)) as run:
            await ok(run, "activate hallym_univ")
            assert service.count("deactivate") == 1
            assert service.tenants["hallym_univ"].state is TenantState.ACTIVE
            assert run.market.faults == 0

    async def test_a_late_activation_does_not_stay(self, simulate, service):
        async with simulate() as run:
            await ok(run, "activate hallym_univ")
            await ok(run, "set disorder=1")
            await ok(run, "deactivate hallym_univ")
            assert service.count("activate") == 2
            assert len({call.headers["idempotency-key"] for call in service.calls if call.operation == "activate"}) == 1
            assert service.tenants["hallym_univ"].state is TenantState.DEACTIVATED
            assert run.market.faults == 0

    async def test_a_service_that_breaks_by_it_is_wrong(self, simulate, service):
        service.behave(fail(500), on="deactivate")
        async with simulate(knobs=Knobs(disorder=1)) as run:
            await run.session.run("activate hallym_univ")
            assert [
                entry.facts["call"]
                for entry in [entry for entry in run.market.journal.since(0) if entry.level is Level.WRONG]
            ] == ["deactivate"]


class TestDelay:
    async def test_calls_are_held_back_and_health_is_not(self, simulate, service):
        async with simulate(knobs=Knobs(delay=60)) as run:
            asking = asyncio.create_task(run.session.run("status hallym_univ"))
            await service.wait_for("health")
            assert service.count("status") == 0
            asking.cancel()


class TestTwoRuns:
    async def test_they_do_not_disturb_each_other(self, simulate):
        first, second = FakeService(), FakeService()
        async with AsyncExitStack() as stack:
            one_url = await stack.enter_async_context(serve(first))
            other_url = await stack.enter_async_context(serve(second))
            one = await stack.enter_async_context(simulate(target=one_url, key=first.api_key))
            other = await stack.enter_async_context(
                simulate(target=other_url, key=second.api_key, knobs=Knobs(repeat=1))
            )
            await asyncio.gather(
                ok(one, "activate hallym_univ premium"), ok(other, "activate hallym_univ basic"), ok(one, "set fail=0")
            )
            assert first.tenants["hallym_univ"].request.plan == "premium"
            assert second.tenants["hallym_univ"].request.plan == "basic"
            assert (first.count("activate"), second.count("activate")) == (1, 2)
            assert one.url != other.url
            assert not [text for text in one.market.journal.texts() if "basic" in text or "repeat)" in text]
