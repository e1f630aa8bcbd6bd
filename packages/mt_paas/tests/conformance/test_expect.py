"""What an answer is held to: the wire first, then the contract's models."""

from __future__ import annotations

import json

import pytest
from mt_paas.conformance.evidence import Exchange
from mt_paas.conformance.expect import Answer, Violation, at_path, is_utc, password_members
from mt_paas.standard_api.models import Health, StatusResponse, UserPage


def answer(body, status=200, content_type="application/json") -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer("GET /x", status, {"content-type": content_type}, raw, Exchange("GET", "/x", {}, b""))


HEALTH = {"status": "healthy", "version": "1", "timestamp": "2026-01-03T12:00:00Z"}
STATUS = {
    "tenant_id": "hallym",
    "status": "active",
    "plan": "basic",
    "created_at": "2026-01-03T12:00:00Z",
    "users": {"total": 3, "active_today": 1},
    "storage": {"used_gb": 1, "limit_gb": None},
}


class TestModel:
    def test_a_null_is_a_member_that_is_not_there(self):
        assert answer(HEALTH | {"checks": None}).model(Health).checks == {}

    def test_members_that_nobody_knows_are_fine(self):
        answer(HEALTH | {"x": {"y": None}}).model(Health)

    def test_a_whole_number_may_stand_for_a_fraction(self):
        assert answer(STATUS).model(StatusResponse).storage.used_gb == 1

    @pytest.mark.parametrize("total", ["3", True, 3.5, None, -1])
    def test_a_count_is_a_whole_number(self, total):
        with pytest.raises(Violation, match="total"):
            answer(STATUS | {"users": {"total": total, "active_today": 0}}).model(StatusResponse)

    @pytest.mark.parametrize(
        "moment", ["2026-01-03T21:00:00+09:00", "2026-01-03T12:00:00", "2026-01-03 12:00", 1767441600]
    )
    def test_times_are_in_utc(self, moment):
        with pytest.raises(Violation):
            answer(STATUS | {"created_at": moment}).model(StatusResponse)

    def test_times_of_the_items_of_a_page_are_too(self):
        user = {"id": "1", "email": "a@b.c", "name": "", "role": "", "status": "active"}
        items = [user | {"created_at": "2026-01-03T12:00:00Z"}, user | {"created_at": "2026-01-03T12:00:00+01:00"}]
        with pytest.raises(Violation, match=r"items\.1\.created_at"):
            answer({"items": items, "total": 2}).model(UserPage)

    def test_what_is_expected_of_a_member(self):
        with pytest.raises(Violation, match="plan is 'basic', expected 'premium'"):
            answer(STATUS).model(StatusResponse, plan="premium")

    @pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{", b'{"a": "\xff"}', b"<html>"])
    def test_anything_but_an_object_is_none(self, body):
        with pytest.raises(Violation):
            answer(body).model(Health)

    @pytest.mark.parametrize("kind", ["text/html", "", "application/json; charset=latin-1"])
    def test_it_is_announced_as_json(self, kind):
        with pytest.raises(Violation, match="content type"):
            answer(HEALTH, content_type=kind).model(Health)

    def test_the_type_may_say_its_character_set(self):
        answer(HEALTH, content_type="application/json; charset=utf-8").model(Health)


REFUSED = {"error": "tenant_not_found", "message": "No."}


class TestRefusal:
    def test_a_plain_error_conforms(self):
        assert answer(REFUSED, 404).refuse(404, "tenant_not_found")["message"] == "No."

    def test_problem_json_does_too(self):
        answer(REFUSED | {"status": 404}, 404, "application/problem+json").refuse(404)

    @pytest.mark.parametrize(
        "change",
        [
            {"error": "Not Found"},
            {"error": None},
            {"error": 404},
            {"message": ""},
            {"message": None},
            {"status": 400},
            {"retryable": "no"},
        ],
    )
    def test_another_shape_does_not(self, change):
        with pytest.raises(Violation):
            answer(REFUSED | change, 404).refuse(404)

    def test_another_status_or_word_is_told_with_what_came(self):
        with pytest.raises(Violation, match="answered 404 tenant_not_found: expected 410 tenant_purged"):
            answer(REFUSED, 404).refuse(410, "tenant_purged")


class TestTimes:
    @pytest.mark.parametrize(
        "text", ["2026-01-03T12:00:00Z", "2026-01-03T12:00:00.123456789+00:00", "2026-01-03t12:00:00z"]
    )
    def test_utc(self, text):
        assert is_utc(text)

    @pytest.mark.parametrize("text", ["2026-02-30T12:00:00Z", "2026-01-03T12:00:00+01:00", "2026-01-03", None, 3])
    def test_anything_else(self, text):
        assert not is_utc(text)


class TestMembers:
    def test_passwords_are_found_wherever_they_are(self):
        told = {"admin": [{"tempPassword": "x"}], "passed": "yes", "client_secret": "s", "password": None}
        assert sorted(password_members(told)) == ["admin.0.tempPassword", "client_secret"]

    def test_a_path_leads_through_lists_and_mappings(self):
        told = {"checks": {"db": {"at": 1}, "queue": {"at": None}}}
        assert list(at_path(told, ("checks", "*", "at"))) == [("checks.db.at", 1)]
