"""Which version of the contract a call is made in."""

from __future__ import annotations

import pytest
from mt_paas.errors import ServiceRefused

T = "hallym_univ"
HEALTHY = {"status": "healthy", "version": "1", "timestamp": "2026-01-03T12:00:00Z"}
STATS = {"tenant_id": T, "period": "2026-01", "users": {"total": 3, "active_today": 1}}


@pytest.fixture
def only(says):
    """Return a maker of refusals that name versions, in a member of ``details`` or elsewhere."""

    def make(*versions: object, **where: object):
        said = where or {"details": {"versions": list(versions)}}
        return says(412, {"error": "unsupported_api_version", "message": "no"} | said)

    return make


def asked_in(script) -> list[str]:
    return [request.headers["x-mt-api-version"] for request in script.asked]


class TestTheVersion:
    @pytest.mark.parametrize(("manifest", "version"), [("1.0", "1"), ("2.0", "2")])
    async def test_it_is_the_newest_of_the_manifest(self, scripted, says, manifest, version):
        client, script = scripted(says(200, HEALTHY), manifest={"version": manifest})
        async with client:
            await client.health()
        assert asked_in(script) == [version]

    async def test_a_service_that_lacks_it_is_asked_once_more_in_one_that_it_has(self, scripted, says, only):
        client, script = scripted(only("1", "7"), says(200, HEALTHY))
        async with client:
            await client.health()
            await client.health()
        assert asked_in(script) == ["2", "1", "1"]

    async def test_what_changes_something_is_asked_again_too(self, scripted, says, only, activation):
        done = {"tenant_id": T, "access_url": "https://notes.example"}
        client, script = scripted(only("1"), says(200, done))
        async with client:
            await client.activate(activation, idempotency_key="1")
        assert asked_in(script) == ["2", "1"]
        assert script.asked[0].content == script.asked[1].content
        assert script.asked[1].headers["idempotency-key"] == "1"

    async def test_a_call_is_not_made_in_a_version_that_has_none_such(self, scripted, only):
        client, script = scripted(only("1"))
        async with client:
            with pytest.raises(ServiceRefused, match="answered 412 unsupported_api_version: no"):
                await client.stats(T, "2026-01")
        assert asked_in(script) == ["2"]

    async def test_a_call_of_version_2_is_asked_in_it_whatever_was_agreed_before(self, scripted, says, only):
        client, script = scripted(only("1"), says(200, HEALTHY), says(200, STATS))
        async with client:
            await client.health()
            await client.stats(T, "2026-01")
        assert asked_in(script) == ["2", "1", "2"]

    async def test_a_service_that_wants_a_newer_one_gets_it(self, scripted, says, only):
        client, script = scripted(only("2"), says(200, HEALTHY), manifest={"version": "1.0"})
        async with client:
            await client.health()
        assert asked_in(script) == ["1", "2"]

    async def test_a_service_that_changes_its_mind_is_asked_twice_and_no_more(self, scripted, only):
        client, script = scripted(only("1", "2"))
        async with client:
            with pytest.raises(ServiceRefused):
                await client.health()
        assert asked_in(script) == ["2", "1"]

    @pytest.mark.parametrize("versions", [(), ("3", "4"), ("2",), (2.0,), (None,), ({"a": 1},)])
    async def test_without_one_that_both_speak_it_is_refused(self, scripted, only, versions):
        client, script = scripted(only(*versions))
        async with client:
            with pytest.raises(ServiceRefused) as refusal:
                await client.health()
        assert (refusal.value.status, refusal.value.error) == (412, "unsupported_api_version")
        assert asked_in(script) == ["2"]

    @pytest.mark.parametrize(
        "where", [{"supported_versions": ["1"]}, {"details": [1]}, {"details": {"supported": [1]}}]
    )
    async def test_older_ways_to_name_them_are_understood(self, scripted, says, only, where):
        client, script = scripted(only(**where), says(200, HEALTHY))
        async with client:
            await client.health()
        assert asked_in(script) == ["2", "1"]
