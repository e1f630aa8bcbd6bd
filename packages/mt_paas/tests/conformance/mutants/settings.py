"""Faults in settings."""

from __future__ import annotations

import asyncio

from mt_paas.errors import VersionConflict
from mt_paas.testing.doubles import FakeService

from mutants.planting import GONE, members, mending, mutant, refusing, succeeding

SETTINGS = "`{settings{…}, limits{…}, version}` and an ETag"
RACE = "the write carries `If-Match` and answers 412 `version_conflict` on a lost race"


@mutant("settings", SETTINGS)
def settings_have_no_etag(service):
    succeeding(service, "settings", lambda said, call: said.headers.pop("etag"))


@mutant("settings", SETTINGS)
def settings_have_no_version(service):
    members(service, "settings", version=GONE)


@mutant("settings", SETTINGS)
def settings_have_no_limits(service):
    members(service, "settings", limits=GONE)


@mutant("settings", SETTINGS)
def settings_are_a_list(service):
    members(service, "settings", settings=lambda settings: [{"name": name} for name in settings])


@mutant("settings", SETTINGS)
def the_etag_stays_after_a_write(service):
    succeeding(service, "settings", lambda said, call: said.headers.update({"etag": '"1"'}))


@mutant("settings", SETTINGS)
def the_version_stays_after_a_write(service):
    members(service, "settings", version="1")


@mutant("settings", SETTINGS)
class SettingsAreNotKept(FakeService):
    async def update_settings(self, tenant_id, request, expected_version):
        before = self.existing(tenant_id).settings
        answer = await super().update_settings(tenant_id, request, expected_version)
        self.tenants[tenant_id].settings = before
        return answer


@mutant("settings", RACE)
class TheLastWriterWins(FakeService):
    async def update_settings(self, tenant_id, request, expected_version):
        return await super().update_settings(tenant_id, request, None)


@mutant("settings", RACE)
class WritersAtOnceAllWin(FakeService):
    async def update_settings(self, tenant_id, request, expected_version):
        if expected_version not in {None, str(self.existing(tenant_id).settings_version)}:
            raise VersionConflict
        await asyncio.sleep(0.05)
        return await super().update_settings(tenant_id, request, None)


@mutant("settings", RACE)
class ALostRaceIsWrittenAllTheSame(FakeService):
    async def update_settings(self, tenant_id, request, expected_version):
        try:
            return await super().update_settings(tenant_id, request, expected_version)
        except VersionConflict:
            self.tenants[tenant_id].settings = request.settings
            raise


@mutant("settings", RACE)
def a_lost_race_is_409(service):
    refusing(service, lambda said: setattr(said, "status", 409), "version_conflict")


@mutant("settings", RACE)
def a_lost_race_has_another_word(service):
    def change(said):
        said.document = said.document | {"error": "precondition_failed"}

    refusing(service, change, "version_conflict")


@mutant("settings", "A body that is not valid: 422 `invalid_body`")
def settings_may_be_a_list(service):
    def mend(body):
        if isinstance(body.get("settings"), list):
            body["settings"] = {}

    mending(service, "settings", mend, "PUT")


@mutant("settings", "A body that is not valid: 422 `invalid_body`")
def settings_may_be_missing(service):
    mending(service, "settings", lambda body: body.setdefault("settings", {}), "PUT")


@mutant("settings", "the write carries `If-Match`")
class SettingsCanNotBeWritten(FakeService):
    async def update_settings(self, tenant_id, request, expected_version):
        raise VersionConflict
