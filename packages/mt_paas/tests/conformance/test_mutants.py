"""The tester finds every fault that is planted in a right service, and none in a service that is right.

A mutant is judged by the checks of the areas that have to find it, and by what these need. The right services are
judged by all.
"""

from __future__ import annotations

import asyncio
import re

import pytest
from mt_paas.conformance import Report, Status, run, runner, trial
from mt_paas.conformance.registry import AREAS
from mt_paas.standard_api.models import TENANT_ID_PATTERN
from mt_paas.testing.doubles import Call, FakeService, serve
from mutants import Mutant, all_mutants, plain
from mutants.planting import given_key, instead, plant

SECOND_KEY = "the-other-key-0123456789abcdef"
#: Areas whose checks every mutant of another area fails in passing, or that judge the run as a whole.
SHARED_AREAS = {"format"}


def complaints(report: Report) -> list[str]:
    bad = {Status.FAIL, Status.WARN}
    return [f"{each.id}: {each.message}" for each in report.checks if each.status in bad]


@pytest.fixture
def short_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run does not wait a minute for an operation that never ends."""
    monkeypatch.setattr(trial, "_OPERATION_SECONDS", 1.0)


@pytest.mark.usefixtures("short_operations")
@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda mutant: mutant.name)
class TestAMutant:
    async def test_is_found(self, mutant: Mutant):
        service = mutant.make()
        second_key = SECOND_KEY if "rotation" in mutant.judges else None
        async with serve(service) as url:
            report = await run(url, service.api_key, only=mutant.areas, second_key=second_key)
        failed = [
            each for each in report.checks if each.status in {Status.FAIL, Status.WARN} and each.level is mutant.level
        ]
        assert {each.area for each in failed} & mutant.judges, f"nobody saw that it breaks: {mutant.breaks}"
        assert not [each for each in failed if "the check itself broke" in each.message]


class TwoHeaders(FakeService):
    """A right service that knows the market's key by another header, too."""

    def manifest(self, base_url):
        manifest = super().manifest(base_url)
        return manifest.model_copy(update={"auth": manifest.auth.model_copy(update={"header_aliases": ["X-API-Key"]})})


LIFECYCLE = {"activate", "deactivate", "suspend", "resume", "plan", "purge", "credentials"}


def take_one_at_a_time(service: FakeService) -> None:
    """Have a right service be slow, and refuse every lifecycle call for a tenant that another one is at work on."""
    at_work: set[str] = set()

    async def behave(call: Call) -> None:
        tenant = call.recorded.tenant_id or ""
        is_one = call.recorded.operation in LIFECYCLE and given_key(call) in {service.api_key, SECOND_KEY}
        if not is_one or not re.fullmatch(TENANT_ID_PATTERN, tenant):
            await call.proceed()
        elif tenant in at_work:
            await instead(409, "operation_in_progress")(call)
        else:
            at_work.add(tenant)
            try:
                await asyncio.sleep(0.03)
                await call.proceed()
            finally:
                at_work.remove(tenant)

    plant(service, behave, None)


class TestARightService:
    @pytest.mark.parametrize(
        "options",
        [
            pytest.param({}, id="everything"),
            pytest.param({"version": "1.0"}, id="version 1"),
            pytest.param({"asynchronous": True}, id="answers later"),
            pytest.param({"second_key": SECOND_KEY}, id="two keys"),
        ],
    )
    async def test_in_memory_has_no_fault(self, options):
        service = FakeService(**options)
        async with serve(service) as url:
            report = await run(url, service.api_key, second_key=options.get("second_key"))
        assert complaints(report) == []
        assert (report.conforms, report.level) == (True, "MAY")
        assert service.tenants == {}

    async def test_that_takes_one_lifecycle_call_of_a_tenant_at_a_time_has_no_fault(self, monkeypatch):
        monkeypatch.setattr(runner, "_AT_ONCE", 1000)  # checks that can get in each other's way do
        service = FakeService(second_key=SECOND_KEY)
        take_one_at_a_time(service)
        async with serve(service) as url:
            report = await run(url, service.api_key, second_key=SECOND_KEY)
        assert complaints(report) == []

    async def test_of_version_1_on_the_standard_library_has_no_fault(self):
        with plain.plain_service() as url:
            report = await run(url, plain.KEY)
        assert complaints(report) == []
        assert (report.conforms, report.level) == (True, "MAY")

    async def test_is_tried_in_every_area(self):
        """Nothing is skipped that some right service could be tried on."""
        tried = set()
        rights = [FakeService(second_key=SECOND_KEY), FakeService(asynchronous=True), FakeService(version="1.0")]
        for service in (*rights, TwoHeaders()):
            async with serve(service) as url:
                report = await run(url, service.api_key, second_key=SECOND_KEY if service is rights[0] else None)
            assert complaints(report) == []
            tried |= {each.id for each in report.checks if each.status is not Status.SKIP}
        skipped = [each.id for each in report.checks if each.id not in tried]
        assert skipped == ["sso.expires"]  # a minute of waiting


class TestTheMutants:
    def test_each_area_has_some(self):
        areas = {area for mutant in all_mutants() for area in mutant.judges}
        assert areas - AREAS.keys() == set()
        assert AREAS.keys() - areas == SHARED_AREAS - areas

    def test_each_says_which_sentence_it_breaks(self):
        assert [mutant.name for mutant in all_mutants() if len(mutant.breaks) < 10] == []
