"""What can not be judged ends a run before its checks, in one sentence; what is wrong in one place is judged."""

from __future__ import annotations

import asyncio

import pytest
from mt_paas.conformance import CheckResult, Status, run
from mt_paas.errors import ConfigurationError
from mt_paas.testing.doubles import answer_with, fail, garbage, serve, silent
from starlette.applications import Starlette


def by_id(report) -> dict[str, CheckResult]:
    return {each.id: each for each in report.checks}


class TestWhatCanNotBeJudged:
    async def test_nothing_answers(self):
        with pytest.raises(ConfigurationError, match=r"nothing answers at http://127\.0\.0\.1:1"):
            await run("http://127.0.0.1:1", "a-key-of-a-market")

    async def test_a_service_that_is_silent_in_every_call(self, first_version):
        service, url = first_version
        service.behave(silent)
        with pytest.raises(ConfigurationError, match=r"nothing answers at .* in time: it did not"):
            await run(url, service.api_key, timeout=1.5)

    async def test_a_service_without_health_is_judged(self, first_version):
        service, url = first_version
        service.behave(silent, on="health")
        report = await run(url, service.api_key, only=["health.answers", "status.shape"], timeout=1.5)
        assert [each.status for each in report.checks] == [Status.FAIL, Status.PASS]

    async def test_a_name_that_nobody_has(self):
        with pytest.raises(
            ConfigurationError, match=r"nothing answers at http://service\.invalid .*is the service running"
        ):
            await run("http://service.invalid", "a-key-of-a-market")

    async def test_no_tls_where_the_address_says_https(self, first_version):
        _, url = first_version
        with pytest.raises(ConfigurationError, match=r"https://.* does not speak TLS .*SSL.*: is it http, or https\?"):
            await run(url.replace("http:", "https:"), "a-key-of-a-market")

    async def test_what_does_not_speak_http(self):
        async def greet(reader, writer):
            writer.write(b"220 mail.example ESMTP\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(ConfigurationError, match="does not speak HTTP"):
                await run(url, "a-key-of-a-market")

    @pytest.mark.parametrize(
        "behaviour",
        [
            garbage(),
            garbage(status=404),
            answer_with(404, {"detail": "Not Found"}),
            answer_with(200, {}),
            answer_with(301, b"", "text/html", headers={"location": "https://elsewhere.example/"}),
        ],
    )
    async def test_what_is_no_service_of_the_contract(self, first_version, behaviour):
        service, url = first_version
        service.behave(behaviour)
        with pytest.raises(ConfigurationError, match=r"is no service of the Standard API: GET .*/mt/health answered"):
            await run(url, service.api_key)

    async def test_an_address_that_ends_in_the_path_of_a_call_of_another_program(self):
        async with serve(Starlette()) as url:
            with pytest.raises(ConfigurationError, match="without the path of a call"):
                await run(f"{url}/app", "a-key-of-a-market", only=["health"])

    @pytest.mark.parametrize("status", [401, 403])
    async def test_a_key_that_every_call_refuses(self, first_version, status):
        service, url = first_version
        if status == 403:
            service.behave(answer_with(403, {"error": "forbidden", "message": "No."}))
        with pytest.raises(ConfigurationError, match=r"the service refuses this key: .*X-Market-API-Key") as raised:
            await run(url, "the-key-of-another-service", only=["Tenant Status"])
        assert "the-key-of-another-service" not in str(raised.value)

    @pytest.mark.parametrize("operation", ["status", "activate", "deactivate"])
    @pytest.mark.parametrize("behaviour", [answer_with(401, {"error": "invalid_api_key", "message": "No."}), garbage()])
    async def test_one_call_that_is_wrong_is_judged(self, first_version, operation, behaviour):
        service, url = first_version
        service.behave(behaviour, on=operation)
        report = await run(url, service.api_key, only=["lifecycle.activate", "lifecycle.deactivate"])
        assert not report.conforms

    @pytest.mark.parametrize("behaviour", [garbage(), fail(500), answer_with(200, {})])
    async def test_health_alone_that_is_wrong_is_judged(self, first_version, behaviour):
        service, url = first_version
        service.behave(behaviour, on="health")
        results = by_id(await run(url, service.api_key, only=["health.answers", "Tenant Status"]))
        assert [each.status for each in results.values()] == [Status.FAIL, Status.PASS]

    async def test_all_that_the_key_opens_is_wrong_and_health_is_not(self, first_version):
        service, url = first_version
        for operation in ("status", "activate", "deactivate"):
            service.behave(garbage(), on=operation)
        report = await run(url, service.api_key, only=["health.answers", "lifecycle.activate"])
        assert [each.status for each in report.checks] == [Status.PASS, Status.FAIL]

    async def test_a_tenant_that_was_made_of_nothing_is_removed(self, first_version):
        service, url = first_version
        service.behave(answer_with(200, {"status": "activated", "tenant_id": "x", "access_url": url}), on="activate")
        await run(url, service.api_key, only=["health"])
        asked = {call.tenant_id for call in service.calls if call.operation == "activate"}
        removed = {call.tenant_id for call in service.calls if call.operation == "deactivate"}
        assert len(asked) == 1
        assert asked <= removed

    @pytest.mark.parametrize(
        "url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://u:p@host", "http://h/?q=1"]
    )
    async def test_an_address_that_is_none(self, url):
        with pytest.raises(ConfigurationError, match="address"):
            await run(url, "a-key-of-a-market")

    @pytest.mark.parametrize("key", ["", "two words", "schlüssel"])
    async def test_a_key_that_no_header_carries(self, key):
        with pytest.raises(ConfigurationError, match="no header can carry it"):
            await run("http://127.0.0.1:1", key)

    @pytest.mark.parametrize("word", ["user", "lifecycle.activated", "Helth Check"])
    async def test_a_check_that_does_not_exist(self, word):
        with pytest.raises(ConfigurationError, match="did you mean"):
            await run("http://127.0.0.1:1", "a-key-of-a-market", only=[word])

    async def test_nothing_that_is_left_to_try(self, first_version):
        service, url = first_version
        with pytest.raises(ConfigurationError, match="no check is left to try"):
            await run(url, service.api_key, only=["health"], skip=["health"])
