"""Settings of a tenant: read, written whole, and never lost to a second writer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from mt_paas.conformance.expect import Answer
from mt_paas.conformance.registry import SHOULD, check, endpoint
from mt_paas.conformance.tenants import Tenant
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import SettingsResponse

__all__ = ["Settings", "read_settings", "write_settings"]

_SETTINGS = [endpoint("settings")]
_SHAPE = "`GET …/settings`, `PUT …/settings` `{settings}`: `{settings{…}, limits{…}, version}` and an ETag"
_RACE = "the write carries `If-Match` and answers 412 `version_conflict` on a lost race"
_PROBE = "mtpaas_test"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings as they were read, and their ETag."""

    members: dict[str, Any]
    etag: str

    @property
    def settings(self) -> dict[str, Any]:
        """The settings themselves."""
        found: dict[str, Any] = self.members["settings"]
        return found


async def read_settings(t: Trial, tenant: Tenant) -> Settings:
    """Return the settings; raise ``Violation`` unless they have their shape."""
    answer = (await t.call("GET", "settings", tenant)).expect(200)
    return Settings(answer.object(), _judged(answer))


def _judged(answer: Answer) -> str:
    """Raise ``Violation`` unless ``answer`` has settings, limits, a version and an ETag; return the ETag."""
    answer.model(SettingsResponse)
    etag = answer.headers.get("etag", "")
    answer.require(
        etag.removeprefix("W/").startswith('"') and etag.endswith('"') and len(etag) > 2, f"ETag is {etag!r}"
    )
    return etag


def _varied(settings: dict[str, Any], word: str) -> list[dict[str, Any]]:
    """Return settings that differ from these, the likeliest to be taken first."""
    varied = [{**settings, _PROBE: word}]
    for name, value in settings.items():
        if isinstance(value, bool):
            varied.append({**settings, name: not value})
        elif isinstance(value, int):
            varied.append({**settings, name: value + 1})
        elif isinstance(value, str):
            varied.append({**settings, name: "en" if value == "ko" else "ko"})
    return varied


async def write_settings(
    t: Trial, tenant: Tenant, read: Settings, *, or_skip: bool = True
) -> tuple[Answer | None, dict[str, Any]]:
    """Write something else than what was read; return the answer and what was written.

    When the service takes nothing, the check is skipped, or nothing is returned.
    """
    for settings in _varied(read.settings, t.unique()):
        answer = await _put(t, tenant, settings, read.etag)
        if answer.status not in {400, 422}:
            return answer.expect(200), settings
    if or_skip:
        t.skip("the service takes no setting that these tests could think of")
    return None, {}


async def _put(t: Trial, tenant: Tenant, settings: Any, etag: str) -> Answer:
    return await t.call("PUT", "settings", tenant, json={"settings": settings}, headers={"If-Match": etag})


@check("settings.answer", needs=_SETTINGS, rule=_SHAPE)
async def settings_have_their_shape(t: Trial) -> None:
    """Settings come with limits, a version and an ETag; without a write they stay the same."""
    tenant = await t.shared()
    first, second = await read_settings(t, tenant), await read_settings(t, tenant)
    t.require(first.etag == second.etag, "the ETag changes although nothing was written")


@check("settings.write", needs=_SETTINGS, rule=_SHAPE)
async def what_is_written_is_read(t: Trial) -> None:
    """What is written is read again, with a new version and a new ETag."""
    async with t.lent() as tenant:
        before = await read_settings(t, tenant)
        answer, written = await write_settings(t, tenant, before)
        etags = set()
        for told in (answer, await t.call("GET", "settings", tenant)):
            if told is None:
                continue
            etag = _judged(told.expect(200))
            etags.add(etag)
            settings = told.object()["settings"]
            wrong = [name for name, value in written.items() if settings.get(name) != value]
            told.require(not wrong, f"{', '.join(wrong)} is not what was written")
            told.require(etag != before.etag, "the ETag is the same after a write")
            told.require(told.object()["version"] != before.members["version"], "the version is the same after a write")
        t.require(len(etags) == 1, f"the write answers another ETag than the reading after it: {', '.join(etags)}")


@check("settings.values", needs=_SETTINGS, rule=_SHAPE)
async def values_are_kept_as_they_are(t: Trial) -> None:
    """A setting of any JSON type is read as it was written, if the service takes it."""
    async with t.lent() as tenant:
        values: tuple[Any, ...] = ({"값": [1, 2.5, True, None, "é"]}, False, "")
        for value in values:
            before = await read_settings(t, tenant)
            answer = await _put(t, tenant, {**before.settings, _PROBE: value}, before.etag)
            if answer.status in {400, 422}:
                continue  # the service has settings of its own
            told = (answer.expect(200).object()["settings"], (await read_settings(t, tenant)).settings)
            for settings in told:
                kept = settings.get(_PROBE) if isinstance(settings, dict) else None
                same = kept == value and type(kept) is type(value)
                answer.require(same, f"{_PROBE} is {kept!r}, and {value!r} was written")


@check("settings.conflict", needs=_SETTINGS, rule=_RACE)
async def a_lost_race_is_told(t: Trial) -> None:
    """A write with the ETag of settings that have changed since is refused and changes nothing."""
    async with t.lent() as tenant:
        old = await read_settings(t, tenant)
        _, written = await write_settings(t, tenant, old)
        now = await read_settings(t, tenant)
        lost = await _put(t, tenant, {**written, _PROBE: t.unique()}, old.etag)
        lost.refuse(412, "version_conflict")
        after = await read_settings(t, tenant)
        t.require(after.members["settings"] == now.members["settings"], "the refused write changed the settings")
        t.require(after.etag == now.etag, "the refused write changed the ETag")
        foreign = await _put(t, tenant, written, '"no-etag-of-this-service"')
        foreign.refuse((412, 400, 422))


@check("settings.race", needs=_SETTINGS, rule=_RACE)
async def of_two_writers_one_wins(t: Trial) -> None:
    """Of several writers at once with one ETag exactly one wins, and what it wrote is there."""
    async with t.lent() as tenant:
        await write_settings(t, tenant, await read_settings(t, tenant))  # which settings are taken is known now
        read = await read_settings(t, tenant)
        candidates = [candidate for word in "abcd" for candidate in _varied(read.settings, t.unique(word))[:1]]
        if _PROBE not in read.settings:
            t.skip("the service takes no setting of a name of our own, so writers can not be told apart")
        answers = await asyncio.gather(*(_put(t, tenant, candidate, read.etag) for candidate in candidates))
        won = [index for index, answer in enumerate(answers) if answer.status == 200]
        for index, answer in enumerate(answers):
            if index not in won:
                answer.refuse((412, 409), ("version_conflict", "operation_in_progress"))
        answers[0].require(len(won) == 1, f"{len(won)} of {len(answers)} writers with the same ETag won")
        after = await read_settings(t, tenant)
        t.require(
            after.settings.get(_PROBE) == candidates[won[0]][_PROBE],
            "what the winner wrote is not what is there afterwards",
        )


@check("settings.invalid", needs=_SETTINGS, rule="A body that is not valid: 422 `invalid_body`")
async def what_are_no_settings_is_refused(t: Trial) -> None:
    """Settings that are no object, or missing, are refused and change nothing."""
    tenant = await t.shared()
    before = await read_settings(t, tenant)
    bodies: tuple[Any, ...] = ({}, {"settings": None}, {"settings": []}, {"settings": "x"}, {"settings": 7}, [], "x")
    for body in bodies:
        answer = await t.call("PUT", "settings", tenant, json=body, headers={"If-Match": before.etag})
        answer.refuse(422, "invalid_body")
    after = await read_settings(t, tenant)
    t.require(after.etag == before.etag, "a refused write changed the ETag")


@check("settings.if_match", level=SHOULD, needs=_SETTINGS, rule="the write carries `If-Match`")
async def a_write_without_if_match_is_refused(t: Trial) -> None:
    """A write that does not say what it is based on is refused."""
    tenant = await t.shared()
    before = await read_settings(t, tenant)
    (await t.call("PUT", "settings", tenant, json={"settings": before.settings})).refuse((428, 412, 400, 422))
