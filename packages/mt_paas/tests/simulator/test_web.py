"""The page and its API: for the developer's own browser, and for no page of another address."""

from __future__ import annotations

import json

import httpx2
import pytest


@pytest.fixture
async def browser(run):
    async with httpx2.AsyncClient(base_url=run.url, trust_env=False, timeout=10) as client:
        yield client


class TestPage:
    @pytest.mark.parametrize(
        ("path", "kind"), [("/", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css")]
    )
    async def test_its_files_are_served_under_a_strict_policy(self, browser, path, kind):
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy

    async def test_it_holds_to_that_policy(self, browser):
        page = (await browser.get("/")).text
        assert "style=" not in page
        assert "<style" not in page
        assert " onclick" not in page
        assert "http://" not in page
        assert "https://" not in page
        assert "innerHTML" not in (await browser.get("/app.js")).text


class TestApi:
    async def test_a_command_is_carried_out_and_seen_in_the_state(self, browser, service):
        answer = await browser.post("/simulator/commands", json={"command": "activate hallym_univ premium"})
        assert (answer.status_code, answer.json()["ok"]) == (200, True)
        state = (await browser.get("/simulator/state")).json()
        (tenant,) = state["tenants"]
        assert (tenant["tenant_id"], tenant["state"], tenant["plan"]) == ("hallym_univ", "active", "premium")
        assert tenant["seen"]["status"] == "active"
        assert "suspend" in [command["name"] for command in state["commands"]]
        assert service.api_key not in json.dumps(state)

    async def test_a_refusal_of_the_service_is_an_outcome(self, browser):
        answer = await browser.post("/simulator/commands", json={"command": "status hallym_univ"})
        assert (answer.status_code, answer.json()["ok"], answer.json()["error"]) == (200, False, "tenant_not_found")

    @pytest.mark.parametrize(
        "body", [{"command": "activte x"}, {"command": ""}, {"command": 5}, {}, {"command": "# x"}, {"command": "a\nb"}]
    )
    async def test_what_is_no_command_is_refused(self, browser, body):
        assert (await browser.post("/simulator/commands", json=body)).status_code == 422

    async def test_knobs_are_turned(self, browser, run):
        answer = await browser.patch("/simulator/knobs", json={"fail": 0.25})
        assert answer.json() == {"delay": 0, "fail": 0.25, "repeat": 0, "disorder": 0}
        assert run.market.knobs.fail == 0.25
        assert (await browser.patch("/simulator/knobs", json={"fail": 2})).status_code == 422
        assert run.market.knobs.fail == 0.25

    async def test_the_log_is_streamed_and_taken_up_where_it_was_left(self, browser, run):
        await browser.post("/simulator/commands", json={"command": "set delay=0"})
        last = run.market.journal.last
        async with browser.stream("GET", "/simulator/log", headers={"Last-Event-ID": str(last - 1)}) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    assert json.loads(line.removeprefix("data: "))["text"].startswith("knobs: ")
                    break

    @pytest.mark.parametrize("given", ["-1", "1.5", "x", "\xb2", "9" * 5000])
    async def test_a_place_in_the_log_that_is_none_begins_at_the_start(self, browser, given):
        begins = []
        for headers in ({}, {"Last-Event-ID": given.encode("latin-1")}):
            async with browser.stream("GET", "/simulator/log", headers=headers) as stream:
                assert stream.status_code == 200
                begins.append(await anext(line async for line in stream.aiter_lines() if line.startswith("id: ")))
        assert begins[0] == begins[1]

    async def test_a_stream_that_is_open_does_not_keep_the_simulator_from_ending(self, simulate):
        async with (
            simulate() as run,
            httpx2.AsyncClient(trust_env=False, timeout=10) as client,
            client.stream("GET", f"{run.url}/simulator/log") as stream,
        ):
            run.market.journal.close()
            lines = [line async for line in stream.aiter_lines()]
        assert "retry: 1000" in lines


class TestGuard:
    @pytest.mark.parametrize("path", ["/", "/simulator/state", "/simulator/log"])
    async def test_another_name_for_this_machine_is_refused(self, browser, path):
        answer = await browser.get(path, headers={"Host": "evil.example"})
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:1"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Content-Type": "text/plain"},
            {"Content-Type": "application/x-www-form-urlencoded"},
        ],
        ids=str,
    )
    async def test_a_command_from_another_page_is_refused_and_not_done(self, browser, service, headers):
        content = b'{"command": "activate hallym_univ"}'
        sent = {"Content-Type": "application/json"} | headers
        answer = await browser.post("/simulator/commands", content=content, headers=sent)
        assert answer.status_code == 403
        assert service.tenants == {}

    async def test_its_own_page_is_let_in_under_each_name_of_this_machine(self, browser, run):
        port = run.url.rpartition(":")[2]
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"):
            headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
            answer = await browser.post("/simulator/commands", json={"command": "help"}, headers=headers)
            assert answer.status_code == 200, answer.text

    async def test_a_service_in_a_container_reaches_its_addresses_under_another_name(self, browser):
        answer = await browser.post("/api/v1/events", content=b"{}", headers={"Host": "host.docker.internal:8505"})
        assert (answer.status_code, answer.json()["error"]) == (401, "token_unknown")
