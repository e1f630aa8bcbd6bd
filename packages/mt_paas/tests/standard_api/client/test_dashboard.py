"""Figures, users, resources and settings: what is asked, and which answers are believed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from mt_paas.errors import (
    NotImplementedByService,
    ServiceAnswerInvalid,
    ServiceFailed,
    ServiceRefused,
    ServiceTimeout,
    UserLimitReached,
    VersionConflict,
)
from mt_paas.standard_api import Manifest, StandardAPIClient, Timeouts
from mt_paas.standard_api.models import UserCreate, UserStatus, UserUpdate
from mt_paas.testing.doubles import answer_with, dripping, dropped, fail, garbage, refuse, silent

WHEN = "2026-01-03T12:00:00Z"
T = "hallym_univ"


def user(user_id: str = "u_1", **changes: object) -> dict:
    known = {"id": user_id, "email": "kim@hallym.ac.kr", "name": "Kim", "role": "teacher"}
    return known | {"status": "active", "created_at": WHEN} | changes


def page(*ids: str, cursor: str | None = None, **more: object) -> dict:
    return {"items": [user(each) for each in ids], "total": 9, "next_cursor": cursor} | more


STATS = {"tenant_id": T, "period": "2026-01", "users": {"total": 3, "active_today": 1}}
COSTS = {"tenant_id": T, "period": "2026-01", "currency": "KRW", "total": "12.50"}
SETTINGS = {"settings": {"language": "ko"}, "limits": {}, "version": 7}


class TestWhatIsAsked:
    @pytest.mark.parametrize(
        ("ask", "asked", "answered"),
        [
            (lambda c: c.stats(T, "2026-01"), "GET /stats?period=2026-01", STATS),
            (lambda c: c.costs(T, "2026-01"), "GET /stats/costs?period=2026-01", COSTS),
            (
                lambda c: c.top_users(T, "daily", limit=3),
                "GET /stats/top-users?period=daily&limit=3",
                {"items": [{"user_id": "u_1", "name": "Kim", "activity": 2}]},
            ),
            (
                lambda c: c.users(T, cursor="a b&c", limit=2, q="김", role="teacher", status=UserStatus.ACTIVE),
                "GET /users?cursor=a+b%26c&limit=2&q=%EA%B9%80&role=teacher&status=active",
                page("u_1"),
            ),
            (lambda c: c.users(T), "GET /users", page("u_1")),
            (lambda c: c.update_user(T, "u_1", UserUpdate(name="Kim")), "PUT /users/u_1", user()),
            (
                lambda c: c.resources(T, resource_type="course", limit=5),
                "GET /resources?limit=5&type=course",
                {"items": []},
            ),
            (lambda c: c.settings(T), "GET /settings", SETTINGS),
        ],
    )
    async def test_it_is_the_call_of_the_contract(self, scripted, says, ask, asked, answered):
        client, script = scripted(says(200, answered))
        async with client:
            assert (await ask(client)).model_dump(mode="json", exclude_unset=True).items() <= answered.items()
        method, _, rest = asked.partition(" ")
        assert script.paths == [f"{method} /mt/tenant/{T}{rest}"]
        assert script.asked[0].headers["x-mt-api-version"] == "2"
        assert script.asked[0].headers["x-market-api-key"] == "a-key-of-the-market-1"

    async def test_a_users_id_stays_one_segment_of_the_address(self, scripted, says):
        client, script = scripted(says(204))
        async with client:
            await client.delete_user(T, "kim@hallym:1")
            with pytest.raises(ValueError, match="needs user_id"):
                await client.delete_user(T, "../activate")
        assert script.paths == [f"DELETE /mt/tenant/{T}/users/kim@hallym:1"]

    async def test_what_the_manifest_does_not_name_is_not_asked(self, scripted, says):
        client, script = scripted(says(200, STATS))
        older = StandardAPIClient(Manifest.model_validate(client._manifest.model_dump() | {"version": "1.0"}), "k3y")
        async with client, older:
            for call in (older.stats(T), older.users(T), older.settings(T), older.create_user(T, KIM)):
                with pytest.raises(NotImplementedByService, match="names no endpoint"):
                    await call
        assert script.asked == []

    async def test_a_body_says_no_more_than_what_was_given(self, scripted, says):
        client, script = scripted(says(200, user(status="disabled")))
        async with client:
            await client.update_user(T, "u_1", UserUpdate(status=UserStatus.DISABLED))
        assert script.asked[0].content == b'{"status":"disabled"}'


KIM = UserCreate(email="kim@hallym.ac.kr", name="Kim", role="teacher")


class TestMoney:
    @pytest.mark.parametrize("total", ["12.50", 12.5])
    async def test_it_is_a_decimal_however_it_was_sent(self, scripted, says, total):
        by_day = [{"date": "2026-01-01", "cost": "12.4"}, {"date": "2026-01-02", "cost": "0.1"}]
        client, _ = scripted(says(200, COSTS | {"total": total, "by_day": by_day}))
        async with client:
            costs = await client.costs(T, "2026-01")
        assert costs.total == Decimal("12.5")
        assert sum(day.cost for day in costs.by_day) == costs.total

    async def test_a_breakdown_that_does_not_sum_is_refused(self, client, service):
        service.behave(answer_with(200, COSTS | {"by_model": [{"model": "m", "cost": "12.49"}]}))
        with pytest.raises(ServiceAnswerInvalid, match=r"by_model sums to 12\.49, and total is 12\.50"):
            await client.costs(T, "2026-01")


class TestAnswersThatAreNotBelieved:
    @pytest.mark.parametrize(
        ("ask", "answered", "fault"),
        [
            (lambda c: c.stats(T, "2026-01"), STATS | {"tenant_id": "other_univ"}, "it is about other_univ"),
            (lambda c: c.stats(T, "2026-02"), STATS, "period: it is about 2026-01, not about 2026-02"),
            (lambda c: c.costs(T, "2026-01"), COSTS | {"tenant_id": "other_univ"}, "it is about other_univ"),
            (lambda c: c.costs(T, "2026-01"), COSTS | {"total": "1e9"}, "total: "),
            (
                lambda c: c.top_users(T, limit=1),
                {"items": [{"user_id": each, "name": "", "activity": 1} for each in "ab"]},
                "items: 2 came, and 1 at most were asked for",
            ),
            (lambda c: c.users(T, limit=1), page("a", "b"), "items: 2 came, and 1 at most were asked for"),
            (lambda c: c.users(T), page("a", "b", total=1), "total: it is 1, and 2 came on this page alone"),
            (lambda c: c.users(T), page("a", cursor=""), "next_cursor: its length is not 1 to 2000"),
            (lambda c: c.users(T), page("a", cursor="c" * 2001), "next_cursor: its length is not 1 to 2000"),
            (lambda c: c.users(T), {"items": [user(status="gone")], "total": 1}, "items.0.status: "),
            (lambda c: c.update_user(T, "u_1", UserUpdate(name="Kim")), user("u_2"), "it is about u_2, not about u_1"),
            (lambda c: c.create_user(T, KIM), user(), "answered 200, but the contract knows 201 alone"),
            (lambda c: c.delete_user(T, "u_1"), {}, "answered 200, but the contract knows 204 alone"),
            (lambda c: c.settings(T), SETTINGS | {"version": 'a"b'}, "version: it can not be an entity tag"),
            (lambda c: c.settings(T), SETTINGS | {"version": "a\r\nX: y"}, "version: it can not be an entity tag"),
        ],
    )
    async def test_they_are_refused_by_what_is_wrong_with_them(self, client, service, ask, answered, fault):
        service.behave(answer_with(200, answered))
        with pytest.raises(ServiceAnswerInvalid) as refusal:
            await ask(client)
        assert fault in str(refusal.value)
        assert len(service.calls) == 1

    async def test_a_user_that_was_made_is_the_one_that_was_asked_for(self, client, service):
        service.behave(answer_with(201, user(email="KIM@hallym.ac.kr")))
        assert (await client.create_user(T, KIM, idempotency_key="1")).id == "u_1"
        service.behave(answer_with(201, user(email="lee@hallym.ac.kr")))
        with pytest.raises(ServiceAnswerInvalid, match="email: it is about another address"):
            await client.create_user(T, KIM)

    async def test_nothing_later_is_accepted_where_the_contract_has_no_later(self, client, service):
        service.behave(answer_with(202, {"operation_id": "op_1", "retry_after": 0}))
        with pytest.raises(ServiceAnswerInvalid, match="expected 200"):
            await client.stats(T)

    @pytest.mark.parametrize("behaviour", [garbage(), dropped, answer_with(200, b"[]"), answer_with(204, b"")])
    async def test_garbage_is_refused_in_every_call(self, client, service, behaviour):
        service.behave(behaviour)
        for call in (client.stats(T), client.users(T), client.resources(T), client.settings(T), client.list_tenants()):
            with pytest.raises(ServiceAnswerInvalid):
                await call

    @pytest.mark.parametrize("behaviour", [silent, dripping(interval=0.01)])
    async def test_every_call_ends_by_its_deadline(self, service, loopback, client, behaviour):
        service.behave(behaviour)
        hasty = Timeouts(connect=2, total=0.2)
        async with StandardAPIClient(
            client._manifest, service.api_key, addresses=loopback, timeouts=hasty
        ) as impatient:
            for call in (impatient.costs(T), impatient.delete_user(T, "u_1")):
                with pytest.raises(ServiceTimeout):
                    await call

    async def test_a_refusal_says_what_the_service_said(self, client, service):
        service.behave(refuse(UserLimitReached("50 of 50")))
        with pytest.raises(ServiceRefused, match="answered 403 user_limit_reached: 50 of 50"):
            await client.create_user(T, KIM)
        service.behave(fail(500))
        with pytest.raises(ServiceFailed):
            await client.delete_user(T, "u_1")
        assert len(service.calls) == 2  # neither was sent again: it may have been done


class TestSettings:
    async def test_a_write_names_what_it_replaces(self, scripted, says):
        client, script = scripted(says(200, SETTINGS, etag='"7"'), says(200, SETTINGS | {"version": 8}, etag='W/"8"'))
        async with client:
            read = await client.settings(T)
            written = await client.update_settings(T, {"language": "en"}, if_match=read.etag)
        assert (read.etag, written.etag) == ('"7"', '"8"')
        assert script.asked[1].headers["if-match"] == '"7"'
        assert script.asked[1].content == b'{"settings":{"language":"en"}}'

    async def test_a_tag_that_is_not_the_version_is_refused(self, client, service):
        service.behave(answer_with(200, SETTINGS, headers={"etag": '"6"'}))
        with pytest.raises(ServiceAnswerInvalid, match='ETag: it is "6", and version says "7"'):
            await client.settings(T)

    async def test_a_lost_race_is_told(self, client, service):
        service.behave(refuse(VersionConflict))
        with pytest.raises(ServiceRefused) as refusal:
            await client.update_settings(T, {}, if_match='"7"')
        assert (refusal.value.status, refusal.value.error) == (412, "version_conflict")
        assert len(service.calls) == 1

    @pytest.mark.parametrize("tag", ["7", "", '"a"b"', '"7"\r\nX: y'])
    async def test_what_is_no_tag_is_not_sent(self, client, service, tag):
        with pytest.raises(ValueError, match="if_match is an entity tag"):
            await client.update_settings(T, {}, if_match=tag)
        assert service.calls == []


class TestWalking:
    async def test_every_item_comes_once(self, scripted, says):
        pages = [page("a", "b", cursor="1"), page("b", "c", cursor="2"), page("d")]
        client, script = scripted(*(says(200, each) for each in pages))
        async with client:
            walked = [each.id async for each in client.walk_users(T, limit=2, role="teacher")]
        assert walked == ["a", "b", "c", "d"]
        assert [path.partition("?")[2] for path in script.paths] == [
            "limit=2&role=teacher",
            "cursor=1&limit=2&role=teacher",
            "cursor=2&limit=2&role=teacher",
        ]

    async def test_nothing_is_asked_before_it_is_wanted(self, scripted, says):
        client, script = scripted(says(200, page("a", "b", cursor="1")), says(200, page("c")))
        async with client:
            async for each in client.walk_users(T):
                assert each.id == "a"
                break
        assert len(script.asked) == 1

    async def test_a_cursor_that_comes_again_ends_the_walk(self, scripted, says):
        pages = [page("a", cursor="1"), page("b", cursor="2"), page("c", cursor="1")]
        client, script = scripted(*(says(200, each) for each in pages))
        async with client:
            with pytest.raises(ServiceAnswerInvalid, match="the cursor of a page came before"):
                [each async for each in client.walk_users(T)]
        assert len(script.asked) == 3

    @pytest.mark.parametrize("ids", [(), ("a",)])
    async def test_a_page_with_nothing_new_must_be_the_last(self, scripted, says, ids):
        pages = [page("a", cursor="1"), *(page(*ids, cursor=str(number)) for number in range(2, 9))]
        client, script = scripted(*(says(200, each) for each in pages))
        async with client:
            with pytest.raises(ServiceAnswerInvalid, match="a page had nothing new and was not the last one"):
                [each async for each in client.walk_users(T)]
        assert len(script.asked) == 2

    async def test_a_list_without_an_end_ends_where_the_caller_wants(self, scripted, says):
        pages = [page(f"{number}a", f"{number}b", cursor=str(number)) for number in range(50)]
        client, script = scripted(*(says(200, each) for each in pages))
        async with client:
            with pytest.raises(ServiceAnswerInvalid, match=f"The users of {T}: there are more than 5, and no end"):
                [each async for each in client.walk_users(T, at_most=5)]
        assert len(script.asked) == 3

    async def test_resources_and_tenants_are_walked_too(self, scripted, says):
        course = {"id": "c1", "type": "course", "name": "", "created_at": WHEN, "updated_at": WHEN}
        client, _ = scripted(
            says(200, {"items": [course], "next_cursor": "1"}),
            says(200, {"items": [course | {"id": "c2"}]}),
            says(200, {"items": [{"tenant_id": T, "status": "active"}], "next_cursor": None}),
        )
        async with client:
            assert [each.id async for each in client.walk_resources(T, resource_type="course")] == ["c1", "c2"]
            assert [each.tenant_id async for each in client.walk_tenants(limit=500)] == [T]
