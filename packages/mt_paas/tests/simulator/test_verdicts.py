"""What the contract says of answers: refusals in their shape, and two answers to one request."""

from __future__ import annotations

import json

import pytest
from mt_paas.simulator.line import Exchange
from mt_paas.simulator.verdicts import disagreement, refusal_fault

RIGHT = {"error": "tenant_not_found", "message": "There is none."}


def exchange(status: int, content: dict, lost: str = "") -> Exchange:
    made = Exchange("POST", "/", "activate", "hallym_univ", {}, None)
    made.status, made.lost = status, lost
    made.body += json.dumps(content).encode()
    return made


class TestRefusals:
    def test_a_plain_error_of_another_language_is_right(self):
        assert refusal_fault(404, "application/json; charset=utf-8", json.dumps(RIGHT).encode()) == ""

    def test_a_word_of_the_services_own_is_right(self):
        body = json.dumps({"error": "quota_exceeded", "message": "No."}).encode()
        assert refusal_fault(429, "application/problem+json", body) == ""

    @pytest.mark.parametrize(
        ("status", "content_type", "body", "said"),
        [
            (404, "text/html", b"<h1>Not Found</h1>", "text/html"),
            (404, "application/json", b'{"detail": "Not Found"}', "error"),
            (404, "application/json", b'{"error": "Not Found", "message": "x"}', "machine word"),
            (404, "application/json", b'{"error": "tenant_not_found", "message": " "}', "empty"),
            (404, "application/json", b'{"error": "tenant_not_found", "message": "x", "status": 400}', "HTTP says 404"),
            (400, "application/json", json.dumps(RIGHT).encode(), "goes with 404"),
        ],
    )
    def test_each_fault_is_named(self, status, content_type, body, said):
        assert said in refusal_fault(status, content_type, body)


ACTIVATED = {"status": "activated", "tenant_id": "hallym_univ", "access_url": "https://s.example/a"}


class TestTwoAnswers:
    def test_new_credentials_are_no_difference(self):
        again = ACTIVATED | {"admin_credentials": {"setup_url": "https://s.example/setup/2"}}
        assert disagreement("activate", exchange(200, ACTIVATED), exchange(200, again)) == ""

    def test_another_address_is_one(self):
        again = ACTIVATED | {"access_url": "https://s.example/b"}
        assert "`access_url` was" in disagreement("activate", exchange(200, ACTIVATED), exchange(200, again))

    def test_a_refusal_after_a_success_is_one(self):
        refused = exchange(409, {"error": "tenant_already_exists", "message": "x"})
        said = disagreement("activate", exchange(200, ACTIVATED), refused)
        assert said == "the first answer was 200, the second 409 tenant_already_exists"

    def test_work_under_way_may_say_so(self):
        busy = exchange(409, {"error": "operation_in_progress", "message": "x"})
        assert disagreement("activate", exchange(200, ACTIVATED), busy) == ""
        assert disagreement("activate", exchange(202, {"operation_id": "o"}), exchange(200, ACTIVATED)) == ""

    def test_a_deadline_may_count_from_the_second_call_and_no_more(self):
        def closed(deadline: str) -> Exchange:
            content = {"status": "deactivated", "tenant_id": "hallym_univ", "data_preserved": True}
            return exchange(200, content | {"reactivation_deadline": deadline})

        first = closed("2026-04-03T12:00:00Z")
        assert disagreement("deactivate", first, closed("2026-04-03T12:00:30Z")) == ""
        assert "`reactivation_deadline`" in disagreement("deactivate", first, closed("2026-04-03T12:02:00Z"))

    def test_an_answer_that_the_market_gave_up_on_counts_if_it_came(self):
        lost = exchange(200, ACTIVATED, lost="gave up")
        other = ACTIVATED | {"access_url": "https://s.example/b"}
        assert disagreement("activate", lost, exchange(200, other)) != ""
        lost.body.clear()
        assert disagreement("activate", lost, exchange(200, other)) == ""
