"""How a run goes: what is judged, what is skipped and why, and that nothing is left behind."""

from __future__ import annotations

import asyncio

import pytest
from mt_paas.conformance import CheckResult, Document, Level, Profile, Status, all_checks, registry, run
from mt_paas.conformance.registry import chosen
from mt_paas.conformance.report.text import as_text, summary
from mt_paas.standard_api.models import TenantState
from mt_paas.testing.doubles import Call, FakeService, answer_with, fail, garbage, serve, silent
from mutants.planting import asking, mending


def by_id(report) -> dict[str, CheckResult]:
    return {each.id: each for each in report.checks}


class TestRightService:
    async def test_it_keeps_everything_that_applies_to_version_1(self, first_version):
        service, url = first_version
        report = await run(url, service.api_key)
        assert [each for each in report.checks if each.status in {Status.FAIL, Status.WARN}] == []
        assert (report.level, report.conforms, report.score.percent) == ("MAY", True, 100)
        assert report.score.passed > 50

    async def test_the_named_checks_are_the_core(self, first_version):
        service, url = first_version
        report = await run(url, service.api_key, profile=Profile.CORE)
        verdicts = {each.name: each.status for each in report.checks}
        named = ["Health Check", "Tenant Activation", "Tenant Status", "API Key Validation", "Response Format"]
        assert [verdicts[name] for name in named] == [Status.PASS] * 5
        assert {"Webhook Basic", "Tenant Reuse"} <= set(verdicts)
        assert len(verdicts) < 20

    async def test_what_a_manifest_of_version_1_can_not_declare_is_skipped(self, first_version):
        service, url = first_version
        results = by_id(await run(url, service.api_key, only=["users", "discovery", "sso"]))
        assert {each.status for each in results.values()} == {Status.SKIP}
        assert results["users.create"].message == "not declared: endpoints.users"

    async def test_a_manifest_that_is_given_is_taken_and_the_target_stays_where_it_is(self, first_version):
        service, url = first_version
        content = service.manifest("http://elsewhere.invalid:1").model_dump(mode="json", exclude_none=True)
        report = await run(url, service.api_key, manifest=Document("given", content, is_given=True), profile="core")
        assert report.conforms
        assert report.target.document.source == "given"

    async def test_how_much_of_a_profile_was_tried_is_told(self, first_version):
        service, url = first_version
        report = await run(url, service.api_key, only=["health"])
        assert report.left_out == len(chosen(Profile.FULL)) - len(chosen(Profile.FULL, ["health"]))
        assert "no more were asked for" in as_text(report)
        assert "no more were asked for" in summary(report)

    async def test_progress_is_told(self, first_version):
        service, url = first_version
        heard = []
        await run(url, service.api_key, only=["health"], tell=lambda result, done, total: heard.append((done, total)))
        total = len(chosen(Profile.FULL, ["health"]))
        assert heard == [(done, total) for done in range(1, total + 1)]


class TestVerdicts:
    async def test_a_broken_activation_fails_once_and_what_needs_a_tenant_is_skipped(self, first_version):
        service, url = first_version
        service.behave(fail(500), on="activate")
        results = by_id(await run(url, service.api_key, only=["lifecycle", "status"]))
        assert results["lifecycle.activate"].status is Status.FAIL
        assert "answered 500" in results["lifecycle.activate"].message
        assert results["status.shape"].status is Status.SKIP
        assert results["status.shape"].message == "could not be judged, because lifecycle.activate fails"

    @pytest.mark.parametrize(
        "behaviour",
        [
            fail(500),
            answer_with(403, {"error": "forbidden", "message": "No."}),
            answer_with(401, {"error": "invalid_api_key", "message": "No."}),
            answer_with(422, {"error": "invalid_body", "message": "No."}),
            garbage(status=404),
        ],
    )
    async def test_activations_that_all_fail_alike_are_one_fault(self, first_version, behaviour):
        service, url = first_version
        service.behave(behaviour, on="activate")
        report = await run(url, service.api_key)
        assert [each.id for each in report.checks if each.status in {Status.FAIL, Status.WARN}] == [
            "lifecycle.activate"
        ]
        (cause,) = report.hints
        assert cause.startswith("No tenant can be activated: POST ")
        excused = by_id(report)["bodies.every_fault"]
        assert (excused.status, excused.message) == (
            Status.SKIP,
            "could not be judged, because lifecycle.activate fails",
        )
        assert not report.conforms

    async def test_an_activation_that_is_refused_otherwise_is_a_fault_of_its_own(self, first_version):
        service, url = first_version

        async def behave(call: Call) -> None:
            is_whole = isinstance(call.recorded.body, dict) and "plan" in call.recorded.body
            await answer_with(503 if is_whole else 403, {"error": "no", "message": "No."})(call)

        service.behave(behave, on="activate")
        results = by_id(await run(url, service.api_key, only=["lifecycle.activate", "bodies"]))
        assert results["bodies.activate_junk"].status is Status.FAIL
        assert "answered 403 no" in results["bodies.activate_junk"].message

    async def test_where_one_activation_works_the_others_are_not_excused(self, first_version):
        service, url = first_version

        async def behave(call: Call) -> None:
            is_odd = isinstance(call.recorded.body, dict) and call.recorded.body.get("tenant_name", "").startswith(
                "long"
            )
            body = {"tenant_name": "Long"}
            refused = answer_with(403, {"error": "no", "message": "No."})
            await (asking(call, body=call.recorded.body | body).proceed() if is_odd else refused(call))

        service.behave(behave, on="activate")
        report = await run(
            url, service.api_key, only=["lifecycle.activate", "bodies.odd_values", "bodies.activate_junk"]
        )
        assert by_id(report)["bodies.activate_junk"].status is Status.FAIL
        assert report.hints == ()

    async def test_every_wrong_member_is_told_in_one_run(self, first_version):
        service, url = first_version

        def mend(body):
            body["admin"] = {"email": "a@example.org", "name": "Kim"}
            body["features"] = []

        mending(service, "activate", mend)
        results = by_id(await run(url, service.api_key, only=["bodies.activate_members"]))
        said = results["bodies.activate_members"].message
        told = [
            "without admin (200)",
            "without admin.email (200)",
            'with features: "ai_chat" (200)',
            'with admin.email: "two words@example.org" (200)',
        ]
        assert [each for each in told if each not in said] == []
        assert "tenant_name" not in said
        assert {tenant.state for tenant in service.tenants.values()} <= {TenantState.DEACTIVATED}

    async def test_plans_that_nobody_told_are_hinted_at(self, first_version):
        service, url = first_version

        async def behave(call: Call) -> None:
            is_told = call.recorded.path in {"/mt/manifest", "/mt/.well-known/mt-configuration"}
            await (answer_with(404, b"")(call) if is_told else call.proceed())

        service.behave(behave, on=None)
        service.behave(answer_with(422, {"error": "invalid_plan", "message": "No."}), on="activate")
        report = await run(url, service.api_key, only=["lifecycle.activate"])
        assert "No manifest tells its plans" in report.hints[-1]

    async def test_a_tenant_that_is_needed_and_not_judged_fails_the_check_itself(self, first_version):
        service, url = first_version
        service.behave(fail(500), on="activate")
        results = by_id(await run(url, service.api_key, only=["status.shape"]))
        assert results["status.shape"].status is Status.FAIL

    async def test_a_broken_should_warns_and_the_service_conforms(self, first_version):
        service, url = first_version
        service.behave(answer_with(200, {"status": "healthy", "version": "1", "timestamp": "2001-01-01T00:00:00Z"}))
        report = await run(url, service.api_key, only=["health.time"])
        assert by_id(report)["health.time"].status is Status.WARN
        assert (report.conforms, report.level) == (True, "MUST")

    async def test_a_service_that_is_silent_in_one_call_is_told_so(self, first_version):
        service, url = first_version
        service.behave(silent, on="status")
        results = by_id(await run(url, service.api_key, only=["status.shape"], timeout=1.5))
        assert "did not answer within 1.5 s" in results["status.shape"].message

    async def test_a_fault_of_a_check_is_its_own_and_ends_nothing(self, first_version, monkeypatch):
        service, url = first_version

        async def broken(t) -> None:
            """This check has a fault."""
            raise KeyError("oh")

        fault = registry.Check("health.broken", "A fault", Level.MUST, "none", broken)
        monkeypatch.setattr(
            "mt_paas.conformance.runner.chosen", lambda *_: (fault, *registry.chosen("core", ["health"]))
        )
        results = by_id(await run(url, service.api_key))
        assert results["health.broken"].status is Status.FAIL
        assert results["health.broken"].message == "the check itself broke: KeyError: 'oh'"
        assert results["health.answers"].status is Status.PASS


class TestHints:
    async def test_a_right_service_needs_none(self, first_version):
        service, url = first_version
        assert (await run(url, service.api_key, only=["health"])).hints == ()

    async def test_a_key_that_is_refused_in_another_form_than_the_contract_has(self, first_version):
        service, url = first_version
        for operation in ("status", "activate", "deactivate"):
            service.behave(answer_with(403, {"detail": "Forbidden"}), on=operation)
        report = await run(url, service.api_key, only=["Tenant Status"])
        assert report.hints[0] == "The service refuses the key that was given: is it the one in its settings?"
        assert "Hint: The service refuses the key" in as_text(report)

    async def test_a_service_that_ends_meanwhile_is_told_once(self):
        service = FakeService(version="1.0")
        context, ends = serve(service), []
        url = await context.__aenter__()

        def tell(result, done, total):
            if done == 5:
                ends.append(asyncio.ensure_future(context.__aexit__(None, None, None)))

        report = await run(url, service.api_key, tell=tell)
        await asyncio.gather(*ends)
        assert not report.conforms
        found = [each for each in report.checks if "found no connection" in each.message]
        assert [each.status for each in found] == [Status.FAIL]
        assert "the service answers no more" in {each.message for each in report.checks if each.status is Status.SKIP}
        assert any(hint.startswith("The service stopped answering while it was tried") for hint in report.hints)

    async def test_health_that_is_a_page(self, first_version):
        service, url = first_version
        service.behave(garbage(), on="health")
        report = await run(url, service.api_key, only=["health.answers"])
        assert "is this the address of a service, without the path of a call?" in report.hints[0]


class TestEvidence:
    async def test_a_failed_check_shows_request_and_answer_and_no_key(self, first_version):
        service, url = first_version
        told = {"tenant_id": "hallym", "note": f"your key is {service.api_key}"}
        service.behave(answer_with(200, told), on="status")
        report = await run(url, service.api_key, only=["status.shape", "errors.no_leaks"])
        (shown,) = by_id(report)["status.shape"].exchanges
        assert shown["request"]["headers"]["X-Market-API-Key"] == "***"
        assert '"note": "your key is ***"' in shown["response"]["body"]
        assert service.api_key not in str(report.as_dict())

    async def test_a_key_in_an_answer_is_a_leak(self, first_version):
        service, url = first_version
        service.behave(answer_with(404, {"error": "no", "message": f"{service.api_key} may not"}), on="status")
        report = await run(url, service.api_key, only=["status.shape", "errors.no_leaks"])
        assert "it holds the market's key" in by_id(report)["errors.no_leaks"].message

    async def test_the_near_misses_of_a_key_are_masked_too(self, first_version):
        service, url = first_version
        service.behave(fail(404), on="deactivate")  # one call that does not refuse the key: so the service is judged
        report = await run(url, service.api_key[:-1], only=["authentication"])
        assert not report.conforms
        text = str(report.as_dict())
        assert service.api_key[:-1] not in text
        assert service.api_key[:-1].swapcase() not in text


class TestCleanUp:
    async def test_no_tenant_is_left(self, first_version):
        service, url = first_version
        await run(url, service.api_key)
        assert {tenant.state for tenant in service.tenants.values()} <= {TenantState.DEACTIVATED}

    async def test_a_tenant_that_stays_active_is_told(self, first_version):
        service, url = first_version
        said = {"status": "deactivated", "tenant_id": "x", "data_preserved": False}
        service.behave(answer_with(200, said), on="deactivate")
        results = by_id(await run(url, service.api_key, only=["status.shape", "clean_up"]))
        assert results["clean_up.nothing_left"].status is Status.FAIL
        assert "'active'" in results["clean_up.nothing_left"].message

    async def test_a_run_that_is_interrupted_leaves_no_tenant(self, first_version):
        service, url = first_version
        running = asyncio.create_task(run(url, service.api_key, only=["lifecycle", "status", "scheduling"]))
        await service.wait_for("status", 3)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert service.count("activate") > 1
        assert [tenant for tenant in service.tenants.values() if tenant.state is TenantState.ACTIVE] == []

    async def test_a_tenant_that_was_made_where_it_should_have_been_refused_is_removed(self, first_version):
        service, url = first_version
        await run(url, service.api_key, only=["identifiers.mismatch", "bodies.plan"])
        asked = {call.tenant_id for call in service.calls if call.operation == "activate"}
        removed = {call.tenant_id for call in service.calls if call.operation == "deactivate"}
        assert asked <= removed


class TestRegistry:
    def test_every_check_has_a_name_a_rule_and_an_area(self):
        for each in all_checks():
            assert each.name, each.id
            assert each.rule, each.id
            assert each.area in registry.AREAS

    def test_names_are_told_apart(self):
        names = [each.name for each in all_checks()]
        assert [name for name in names if names.count(name) > 1] == []

    def test_only_and_skip_take_areas_ids_and_names(self):
        ids = {each.id for each in registry.chosen(Profile.FULL, ["clean_up", "health", "Tenant Status"], ["health"])}
        assert ids == {"clean_up.nothing_left", "status.shape"}
