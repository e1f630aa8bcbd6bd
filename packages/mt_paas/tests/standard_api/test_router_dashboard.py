"""The router's calls of version 2, by HTTP: figures, users, resources, settings."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from mt_paas.errors import InvalidQuery, UserAlreadyExists, UserLimitReached, UserNotFound, VersionConflict
from mt_paas.standard_api.handler import ResourceQuery, UserQuery
from mt_paas.standard_api.models import (
    Costs,
    ResourcePage,
    SettingsResponse,
    SettingsUpdate,
    TopUser,
    TopUsers,
    User,
    UserCreate,
    UserPage,
    UserStatus,
    UserUpdate,
)

TENANT = "/mt/tenant/hallym_univ"
FIGURES = ["/stats", "/stats/costs", "/stats/top-users"]
LISTS = ["/users", "/resources"]
USER = User(
    id="u_1001",
    email="kim@hallym.ac.kr",
    name="김하나",
    role="teacher",
    status=UserStatus.ACTIVE,
    created_at=datetime(2026, 1, 3, tzinfo=UTC),
)


@pytest.fixture
def http(make_http, whole):
    return make_http(whole, clock=lambda: datetime(2026, 1, 3, tzinfo=UTC))


class TestFigures:
    @pytest.mark.parametrize("path", FIGURES)
    async def test_the_handler_gets_the_resolved_period_and_its_answer_goes_out(self, http, whole, path):
        response = await http.get(TENANT + path)
        assert response.status_code == 200, response.text
        assert whole.asked[0][1:3] == ("hallym_univ", "2026-01")
        assert response.json() == whole.answers[whole.asked[0][0]].model_dump(mode="json")

    @pytest.mark.parametrize("path", FIGURES)
    @pytest.mark.parametrize(
        "period", ["", "2026-13", "2026-02-30", "weekly", "2026-1", "20260101", "2026-01\n", "２０２６-01", "2026-W01"]
    )
    async def test_what_is_no_period_is_refused(self, assert_refused, http, whole, path, period):
        assert_refused(await http.get(TENANT + path, params={"period": period}), 422, "invalid_period")
        assert whole.asked == []

    @pytest.mark.parametrize("path", FIGURES[:2])
    async def test_an_answer_about_another_period_is_a_500(self, assert_refused, http, path):
        assert_refused(await http.get(TENANT + path, params={"period": "2025-12"}), 500, "internal_error")

    async def test_costs_whose_breakdown_is_wrong_are_a_500(self, assert_refused, http, whole):
        good = whole.answers["get_tenant_costs"]
        whole.answers["get_tenant_costs"] = Costs.model_construct(**(dict(good) | {"by_feature": []}))
        assert_refused(await http.get(f"{TENANT}/stats/costs"), 500, "internal_error")

    async def test_money_leaves_as_decimal_strings(self, http):
        assert (await http.get(f"{TENANT}/stats/costs")).json()["total"] == "12500.50"

    async def test_top_users_are_ten_unless_it_is_said(self, http, whole):
        await http.get(f"{TENANT}/stats/top-users")
        await http.get(f"{TENANT}/stats/top-users?limit=3&period=2025-12")
        assert [asked[2:] for asked in whole.asked] == [("2026-01", 10), ("2025-12", 3)]

    async def test_more_top_users_than_were_asked_for_are_a_500(self, assert_refused, http, whole):
        whole.answers["get_top_users"] = TopUsers(
            items=[TopUser(user_id=f"u{number}", name="", activity=1.0) for number in range(3)]
        )
        assert (await http.get(f"{TENANT}/stats/top-users?limit=3")).status_code == 200
        assert_refused(await http.get(f"{TENANT}/stats/top-users?limit=2"), 500, "internal_error")


class TestQueries:
    @pytest.mark.parametrize("path", [*LISTS, "/stats/top-users"])
    @pytest.mark.parametrize("limit", ["0", "501", "-1", "abc", "", "1.0", "+5", " 5", "05", "1e2", "５", "9" * 5000])
    async def test_a_limit_is_1_to_500(self, assert_refused, http, whole, path, limit):
        problem = assert_refused(await http.get(TENANT + path, params={"limit": limit}), 422, "invalid_query")
        assert problem["details"] == [{"path": "query.limit", "message": "it is a whole number from 1 to 500"}]
        assert whole.asked == []

    @pytest.mark.parametrize("limit", [1, 500])
    async def test_its_bounds_are_taken(self, http, whole, limit):
        assert (await http.get(f"{TENANT}/users?limit={limit}")).status_code == 200
        assert whole.asked[0][2].limit == limit

    async def test_the_handler_gets_the_whole_query(self, http, whole):
        query = {"cursor": "abc", "limit": "7", "q": "김 h", "role": "선생님", "status": "invited"}
        await http.get(f"{TENANT}/users", params=query)
        await http.get(f"{TENANT}/resources", params={"type": "course", "unknown": "is ignored"})
        assert [asked[2] for asked in whole.asked] == [
            UserQuery(cursor="abc", limit=7, q="김 h", role="선생님", status=UserStatus.INVITED),
            ResourceQuery(type="course", limit=100),
        ]

    @pytest.mark.parametrize(
        ("path", "query"),
        [
            ("/users", {"status": "gone"}),
            ("/users", {"status": "ACTIVE"}),
            ("/users", {"status": ""}),
            ("/users", {"q": "x" * 201}),
            ("/users", {"q": "a\x00b"}),
            ("/users", {"q": ""}),
            ("/users", {"role": "a\nb"}),
            ("/users", {"cursor": ""}),
            ("/users", {"cursor": "x" * 1001}),
            ("/users", {"cursor": "두"}),
            ("/resources", {"type": "\x7f"}),
            ("/resources", {"cursor": "a b"}),
        ],
    )
    async def test_a_wrong_parameter_is_refused_by_its_name(self, assert_refused, http, whole, path, query):
        problem = assert_refused(await http.get(TENANT + path, params=query), 422, "invalid_query")
        assert [fault["path"] for fault in problem["details"]] == [f"query.{name}" for name in query]
        assert whole.asked == []

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            *[("/users", name) for name in ("cursor", "limit", "q", "role", "status")],
            *[("/resources", name) for name in ("cursor", "limit", "type")],
            *[("/stats/top-users", name) for name in ("limit", "period")],
            *[("/usage", "period"), ("/stats", "period"), ("/stats/costs", "period")],
        ],
    )
    async def test_a_parameter_that_came_twice_is_refused(self, assert_refused, http, whole, path, name):
        value = {"limit": "1", "status": "active", "period": "2026-01"}.get(name, "x")
        response = await http.get(f"{TENANT}{path}?{name}={value}&{name}={value}")
        problem = assert_refused(response, 422, "invalid_query")
        assert f"parameter {name} of the query" in problem["message"]
        assert whole.asked == []

    async def test_a_cursor_that_the_handler_does_not_know_is_refused(self, assert_refused, http, whole):
        whole.answers["list_users"] = InvalidQuery("The cursor is not one of this list.")
        assert_refused(await http.get(f"{TENANT}/users?cursor=made-up"), 422, "invalid_query")

    @pytest.mark.parametrize("path", LISTS)
    async def test_more_items_than_were_asked_for_are_a_500(self, assert_refused, http, whole, path):
        page = whole.answers["list_users"]
        whole.answers["list_users"] = UserPage(items=[*page.items] * 2, total=2)
        resources = whole.answers["list_resources"]
        whole.answers["list_resources"] = ResourcePage(items=[*resources.items] * 2)
        assert_refused(await http.get(f"{TENANT}{path}?limit=1"), 500, "internal_error")


class TestUsers:
    BODY = {"email": "kim@hallym.ac.kr", "name": "김하나", "role": "teacher"}  # noqa: RUF012 - never changed

    async def test_a_user_is_made(self, http, whole):
        response = await http.post(f"{TENANT}/users", json=self.BODY, headers={"Idempotency-Key": "k-1"})
        assert response.status_code == 201
        assert response.headers["location"] == f"{TENANT}/users/u_1001"
        assert response.json()["id"] == "u_1001"
        assert whole.asked == [("create_user", "hallym_univ", UserCreate(**self.BODY))]
        assert whole.contexts[0].idempotency_key == "k-1"

    async def test_the_address_of_a_user_with_an_odd_id_is_quoted(self, http, whole):
        whole.answers["create_user"] = USER.model_copy(update={"id": "홍:길동@x"})
        response = await http.post(f"{TENANT}/users", json=self.BODY)
        location = response.headers["location"]
        assert location.isascii()
        assert (await http.delete(location)).status_code == 204
        assert whole.asked[-1] == ("delete_user", "hallym_univ", "홍:길동@x")

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"email": "nobody"},
            {"email": 5},
            {"email": None},
            {"email": "a@b.c", "name": "a\nb"},
            {"email": "a@b.c", "role": ""},
            {"email": "a@b.c", "role": "two words"},
        ],
    )
    async def test_a_wrong_body_is_refused(self, assert_refused, http, whole, body):
        assert_refused(await http.post(f"{TENANT}/users", json=body), 422, "invalid_body")
        assert whole.asked == []

    @pytest.mark.parametrize("error", [UserAlreadyExists(), UserLimitReached()])
    async def test_what_the_handler_refuses_is_refused(self, assert_refused, http, whole, error):
        whole.answers["create_user"] = error
        assert_refused(await http.post(f"{TENANT}/users", json=self.BODY), error.status, error.code)

    async def test_a_change_names_what_it_changes(self, http, whole):
        response = await http.put(f"{TENANT}/users/u_1001", json={"status": "disabled"})
        assert (response.status_code, response.json()["id"]) == (200, "u_1001")
        assert whole.asked == [("update_user", "hallym_univ", "u_1001", UserUpdate(status=UserStatus.DISABLED))]

    async def test_a_status_that_there_is_not_is_refused(self, assert_refused, http):
        assert_refused(await http.put(f"{TENANT}/users/u_1001", json={"status": "asleep"}), 422, "invalid_body")

    async def test_an_answer_about_another_user_is_a_500(self, assert_refused, http):
        assert_refused(await http.put(f"{TENANT}/users/u_2", json={"name": "x"}), 500, "internal_error")

    async def test_a_deleted_user_is_answered_without_a_body(self, http, whole):
        response = await http.delete(f"{TENANT}/users/u_1001")
        assert (response.status_code, response.content) == (204, b"")
        assert "content-type" not in response.headers
        assert response.headers["x-request-id"]
        assert whole.asked == [("delete_user", "hallym_univ", "u_1001")]

    @pytest.mark.parametrize("user_id", ["a%20b", "%00", "a%3Fb", "x" * 201, "a%0A", "%5C"])
    async def test_what_can_be_nobodys_id_is_not_found(self, assert_refused, http, whole, user_id):
        assert_refused(await http.delete(f"{TENANT}/users/{user_id}"), 404, "user_not_found")
        assert_refused(await http.put(f"{TENANT}/users/{user_id}", json={}), 404, "user_not_found")
        assert whole.asked == []

    async def test_an_unknown_user_is_not_found(self, assert_refused, http, whole):
        whole.answers["delete_user"] = UserNotFound()
        assert_refused(await http.delete(f"{TENANT}/users/u_9"), 404, "user_not_found")

    async def test_the_tenant_is_checked_before_the_user_and_the_body(self, assert_refused, http):
        response = await http.put("/mt/tenant/AB/users/%00", content=b"garbage")
        assert_refused(response, 422, "invalid_tenant_id")

    async def test_the_methods_of_an_address_are_told(self, http):
        assert (await http.options(f"{TENANT}/users")).headers["allow"] == "GET, HEAD, POST, OPTIONS"
        assert (await http.patch(f"{TENANT}/users/u_1")).headers["allow"] == "PUT, DELETE, OPTIONS"
        assert (await http.post(f"{TENANT}/settings")).headers["allow"] == "GET, HEAD, PUT, OPTIONS"


class TestSettings:
    PATH = f"{TENANT}/settings"
    BODY = {"settings": {"language": "ko"}}  # noqa: RUF012 - never changed

    async def test_they_come_with_their_version_as_etag(self, http):
        response = await http.get(self.PATH)
        assert (response.status_code, response.headers["etag"]) == (200, '"7"')

    async def test_a_write_carries_the_version_that_was_read(self, http, whole):
        etag = (await http.get(self.PATH)).headers["etag"]
        whole.answers["update_settings"] = SettingsResponse(settings={"language": "ko"}, limits={}, version=8)
        response = await http.put(self.PATH, json=self.BODY, headers={"If-Match": etag})
        assert (response.status_code, response.headers["etag"]) == (200, '"8"')
        assert whole.asked[-1] == ("update_settings", "hallym_univ", SettingsUpdate(**self.BODY), "7")

    async def test_a_star_is_any_version(self, http, whole):
        assert (await http.put(self.PATH, json=self.BODY, headers={"If-Match": "*"})).status_code == 200
        assert whole.asked[-1][-1] is None

    async def test_a_write_without_it_is_refused(self, assert_refused, http, whole):
        assert_refused(await http.put(self.PATH, json=self.BODY), 428, "precondition_required")
        assert whole.asked == []

    @pytest.mark.parametrize("tag", ['W/"7"', "7", '"7', '"7", "8"', "", "'7'", '"7""8"', "**", "garbage", '"\xe9"'])
    async def test_what_is_not_one_strong_tag_matches_nothing(self, assert_refused, http, whole, tag):
        headers = {"If-Match": tag.encode("latin-1")}
        assert_refused(await http.put(self.PATH, json=self.BODY, headers=headers), 412, "version_conflict")
        assert whole.asked == []

    async def test_a_lost_race_is_told_by_the_handler(self, assert_refused, http, whole):
        whole.answers["update_settings"] = VersionConflict()
        response = await http.put(self.PATH, json=self.BODY, headers={"If-Match": '"6"'})
        assert_refused(response, 412, "version_conflict")

    @pytest.mark.parametrize("settings", [[], "x", None, 5, True])
    async def test_settings_are_an_object(self, assert_refused, http, settings):
        response = await http.put(self.PATH, json={"settings": settings}, headers={"If-Match": "*"})
        assert_refused(response, 422, "invalid_body")

    @pytest.mark.parametrize("version", ["", 'a"b', "a\r\nSet-Cookie: x=1", "버전"])
    async def test_a_version_that_no_header_carries_is_a_500(self, assert_refused, http, whole, version):
        whole.answers["get_settings"] = SettingsResponse(settings={}, limits={}, version=version)
        response = await http.get(self.PATH)
        assert_refused(response, 500, "internal_error")
        assert "set-cookie" not in response.headers
