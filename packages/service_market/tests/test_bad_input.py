"""Whatever a caller sends, the answer is a fault of the caller with its place, and never a crash of the market."""

from __future__ import annotations

import json
from typing import Any

import pytest

JSON = {"Content-Type": "application/json"}
ENDLESS = "x" * 20_000


def place_of(answer: Any) -> str:
    """Return the place of the answer's only fault."""
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_body"), answer.text
    (fault,) = answer.json()["details"]
    assert answer.json()["message"] == f"{fault['path']}: {fault['message']}"
    return str(fault["path"])


def nested(levels: int) -> dict[str, Any]:
    """Return an object of so many levels."""
    return {"x": nested(levels - 1)} if levels > 1 else {}


class TestAddresses:
    async def test_that_hold_a_nul_are_refused(self, operator: Any) -> None:
        for address, place in {
            "/tenants/a%00b": "path/tenant_id",
            "/tenants/a%00b/usage": "path/tenant_id",
            "/organizations/%00": "path/slug",
            "/services/a%00b/manifest": "path/service_id",
            "/tenants?service_id=a%00b": "query/service_id",
            "/operations?tenant_id=%00": "query/tenant_id",
            "/tenants?cursor=%00": "query/cursor",
        }.items():
            assert place_of(await operator.get(address)) == place, address

    async def test_that_are_not_utf_8_are_not_there(self, operator: Any) -> None:
        for address in ("/tenants/%ff%fe", "/tenants/%ed%a0%80", "/organizations/%ff"):
            assert (await operator.get(address)).status_code == 404, address

    async def test_that_name_an_id_which_is_none_are_not_there(self, operator: Any) -> None:
        for method, address, error in (
            ("GET", "/operations/nonsense", "operation_not_found"),
            ("GET", "/subscriptions/12", "subscription_not_found"),
            ("POST", "/subscriptions/x/cancel", "subscription_not_found"),
            ("DELETE", "/tokens/mtp_3fKq", "token_not_found"),
        ):
            answer = await operator.request(method, address)
            assert (answer.status_code, answer.json()["error"]) == (404, error), address


class TestSentences:
    """Each kind of fault in the market's own words."""

    @pytest.mark.parametrize(
        ("address", "body", "sentences"),
        [
            ("/organizations", {}, ["slug: it is missing", "name: it is missing"]),
            (
                "/organizations",
                {"slug": "Not A Slug", "name": 7, "kind": "club", "more": 1},
                [
                    "slug: it must be 3 to 63 characters a-z, 0-9, _ and -, the first and the last a letter or digit",
                    "name: it must be a text",
                    "kind: it must be one of operator, school or vendor",
                    "more: there is no such field",
                ],
            ),
            ("/organizations", {"slug": "abc", "name": "x" * 201}, ["name: it has more than 200 characters"]),
            ("/organizations", {"slug": "abc", "name": " "}, ["name: it must be a line of text that is not blank"]),
            ("/services", {"manifest": "x", "api_key": "short"}, ["api_key: it has fewer than 16 characters"]),
            (
                "/tokens",
                {"organization": "abc", "name": "x", "role": "operator", "expires_at": "soon"},
                ["expires_at: it must be a time such as 2027-03-01T00:00:00Z"],
            ),
            (
                "/tokens",
                {"organization": "abc", "name": "x", "role": "operator", "expires_at": "2030-01-01T00:00:00"},
                ["expires_at: it must be a time with its zone, such as 2027-03-01T00:00:00Z"],
            ),
            (
                "/subscriptions",
                {"service_id": "x", "plan": "b", "term_months": 0, "admin": {"email": "nobody"}, "config": []},
                [
                    "term_months: it must be at least 1",
                    "admin/email: it must be an e-mail address",
                    "admin/name: it is missing",
                    "config: it must be an object",
                ],
            ),
            (
                "/subscriptions",
                {"service_id": "x", "plan": "b", "term_months": "one", "admin": {"email": "a@b", "name": "x"}},
                ["term_months: it must be a whole number"],
            ),
            (
                "/tenants/abc/usage",
                {"period": "2026-02-30", "usage": {}},
                ["period: there is no 2026-02-30 in the calendar", "usage: it is empty"],
            ),
            (
                "/tenants/abc/usage",
                {"period": "May", "usage": {"calls": -1, "storage": "much", "A b": 1}},
                [
                    "period: it must be a month, YYYY-MM, or a day, YYYY-MM-DD",
                    "usage/calls: it must be at least 0",
                    "usage/storage: it must be a number",
                    "usage/A b/[key]: it must be 1 to 63 characters a-z, 0-9 and _, the first a letter",
                ],
            ),
        ],
    )
    async def test_say_what_is_wrong(
        self, operator: Any, address: str, body: dict[str, Any], sentences: list[str]
    ) -> None:
        answer = await operator.post(address, json=body)
        told = [f"{fault['path'].removeprefix('body/')}: {fault['message']}" for fault in answer.json()["details"]]
        assert told == sentences

    async def test_say_what_is_wrong_with_a_query(self, operator: Any) -> None:
        answer = await operator.get("/tenants?state=asleep&limit=501&may_be_orphaned=perhaps")
        assert answer.json()["message"] == (
            "query/limit: it must be at most 500; "
            "query/state: it must be one of pending, provisioning, active, failed, suspended, updating, deactivating, "
            "deactivated, purging, purged or cancelled; query/may_be_orphaned: it must be true or false"
        )


class TestBodies:
    async def test_that_readers_take_differently_are_refused(self, operator: Any) -> None:
        for body, place in {
            rb'{"slug": "abc", "name": "a\u0000b"}': "body/name",
            rb'{"slug": "abc", "name": "a\ud800b"}': "body/name",
            rb'{"slug": "abc", "name": "x", "\ud800": {"\ud800": 1}}': "body",
            b'{"slug": "abc", "name": "x", "name": "y"}': "body",
            b'{"slug": NaN, "name": "x"}': "body",
            b'{"slug": -Infinity, "name": "x"}': "body",
            b'{"slug": 1e400, "name": "x"}': "body/slug",
            b'{"slug": ' + b"9" * 5000 + b"}": "body",
            b'{"slug": ' + b"[" * 40 + b"]" * 40 + b"}": "body/slug/0/0…",
            b"[" * 100_000: "body",
            b"[]": "body",
            b"{nope": "body",
            b"slug=abc&name=x": "body",
            '{"slug": "abc", "name": "x"}'.encode("utf-16"): "body",
        }.items():
            answer = await operator.post("/organizations", content=body, headers=JSON)
            assert place_of(answer) == place, body[:60]

    async def test_every_fault_is_told_at_once(self, operator: Any) -> None:
        body = rb'{"config": {"a": "\u0000", "b": [1e400]}}'
        answer = await operator.post("/tenants/a%00/deactivate", content=body, headers=JSON)
        assert [fault["path"] for fault in answer.json()["details"]] == [
            "path/tenant_id",
            "body/config/a",
            "body/config/b/0",
        ]

    async def test_of_callers_without_a_token_are_not_looked_at(self, anybody: Any) -> None:
        for body in (b"{nope", b'{"bad": 1}', b"x" * (1024 * 1024 + 1)):
            answer = await anybody.post("/organizations", content=body, headers=JSON)
            assert (answer.status_code, answer.json()["error"]) == (401, "unauthenticated")


class TestNames:
    async def test_hold_something_to_read_and_no_control_characters(self, operator: Any) -> None:
        for name in ("", "   ", "a\tb", "a\nb", "\x7f", "x" * 201):
            organization = {"slug": "tab_univ", "name": name}
            assert place_of(await operator.post("/organizations", json=organization)) == "body/name", name
            token = {"organization": "operator", "name": name, "role": "operator"}
            assert place_of(await operator.post("/tokens", json=token)) == "body/name", name

    async def test_lose_the_blanks_around_them(self, operator: Any) -> None:
        answer = await operator.post("/organizations", json={"slug": "hallym_univ", "name": "  한림대학교 "})
        assert answer.json()["data"]["name"] == "한림대학교"


class TestTokens:
    async def test_end_at_a_time_with_a_zone_that_every_clock_can_show(self, operator: Any) -> None:
        for time in (
            "2030-01-01T00:00:00",
            "9999-12-31T23:59:59-12:00",
            "9999-12-31T23:59:59Z",
            "9998-12-31T23:59:59-01:00",
            "0001-01-01T00:00:00+12:00",
            "2000-01-01T00:00:00+00:01",
        ):
            token = {"organization": "operator", "name": "x", "role": "operator", "expires_at": time}
            assert place_of(await operator.post("/tokens", json=token)) == "body/expires_at", time
        assert (await operator.get("/tokens")).status_code == 200

    async def test_keep_their_end_in_utc(self, operator: Any) -> None:
        for time, kept in {
            "2030-01-01T09:00:00+09:00": "2030-01-01T00:00:00Z",
            "9998-12-31T23:59:59Z": "9998-12-31T23:59:59Z",
        }.items():
            token = {"organization": "operator", "name": "x", "role": "operator", "expires_at": time}
            answer = await operator.post("/tokens", json=token)
            assert answer.json()["data"]["expires_at"] == kept


class TestSubscriptions:
    async def test_name_and_configure_within_bounds(self, scene: Any) -> None:
        body = {"organization": scene.school, "service_id": "fake_tutor", "plan": "premium", "admin": scene.admin}
        each: list[dict[str, Any]] = [
            {"plan": "no such plan"},
            {"plan": ""},
            {"tenant_name": "   "},
            {"tenant_name": "a\tb"},
            {"config": nested(9)},
            {"config": {"x": [[[[[[[[]]]]]]]]}},
            {"config": {"x": ENDLESS}},
            {"config": {ENDLESS: 1}},
            {"config": {"max_users": 10_000_001}},
            {"config": {"max_users": 0}},
            {"config": {"storage_limit_gb": 1e300}},
        ]
        for changed in each:
            answer = await scene.operator.post("/subscriptions", json={**body, **changed})
            assert place_of(answer).startswith(f"body/{next(iter(changed))}")

    async def test_take_ten_million_users_and_a_petabyte(self, scene: Any) -> None:
        most = {"max_users": 10_000_000, "storage_limit_gb": 1_000_000}
        await scene.subscribe(config=most)
        assert (await scene.tenant())["config"] == most

    async def test_take_a_config_of_eight_levels(self, scene: Any) -> None:
        started = await scene.subscribe(config=nested(8))
        assert (await scene.operation(started["meta"]["operation"]["id"]))["state"] == "succeeded"


class TestServices:
    async def test_are_called_with_keys_that_a_header_can_hold(self, operator: Any) -> None:
        for key in ("a-good-key-0123456789\n", "a good key 0123456789", "키" * 20):
            answer = await operator.post("/services", json={"manifest": "version: 1", "api_key": key})
            assert place_of(answer) == "body/api_key"
            assert key not in json.loads(answer.text)["message"]


class TestUsage:
    async def test_is_of_a_period_of_the_calendar(self, operator: Any) -> None:
        for period in ("٢٠٢٦-01", "0000-01", "2026-13", "2026-00", "2026-02-30", "2026-1", "2026-W01"):
            answer = await operator.post("/tenants/hallym_univ/usage", json={"period": period, "usage": {"a": 1}})
            assert place_of(answer) == "body/period", period
