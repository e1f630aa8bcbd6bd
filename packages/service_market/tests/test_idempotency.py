"""``Idempotency-Key``: the same request again gets the same answer, and is done once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from service_market.core.idempotency import forget

SCHOOL = {"slug": "hallym_univ", "name": "한림대학교"}


class TestIdempotencyKey:
    async def test_the_same_request_again_gets_the_same_answer(self, operator: Any) -> None:
        key = {"Idempotency-Key": "one"}
        first = await operator.post("/organizations", json=SCHOOL, headers=key)
        again = await operator.post("/organizations", json=SCHOOL, headers=key)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers

    async def test_at_once_it_is_done_once(self, operator: Any) -> None:
        key = {"Idempotency-Key": "one"}
        answers = await asyncio.gather(*(operator.post("/organizations", json=SCHOOL, headers=key) for _ in range(4)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["data"]["id"] for answer in answers}) == 1

    async def test_the_key_of_another_request_is_refused(self, operator: Any) -> None:
        key = {"Idempotency-Key": "one"}
        await operator.post("/organizations", json=SCHOOL, headers=key)
        other = await operator.post("/organizations", json={**SCHOOL, "slug": "snu_univ"}, headers=key)
        assert (other.status_code, other.json()["error"]) == (422, "idempotency_key_reused")
        assert (await operator.get("/organizations/snu_univ")).status_code == 404

    async def test_a_request_that_failed_leaves_its_key_free(self, operator: Any) -> None:
        key = {"Idempotency-Key": "one"}
        body = {"organization": "hallym_univ", "name": "x", "role": "school_manager"}
        assert (await operator.post("/tokens", json=body, headers=key)).status_code == 404
        await operator.post("/organizations", json=SCHOOL)
        assert (await operator.post("/tokens", json=body, headers=key)).status_code == 201

    async def test_an_answer_with_a_secret_is_not_kept(self, operator: Any) -> None:
        key = {"Idempotency-Key": "one"}
        body = {"organization": "operator", "name": "x", "role": "operator"}
        assert (await operator.post("/tokens", json=body, headers=key)).status_code == 201
        again = await operator.post("/tokens", json=body, headers=key)
        assert (again.status_code, again.json()["error"]) == (409, "answer_not_kept")
        assert (await operator.get("/tokens")).json()["meta"]["total"] == 2

    async def test_keys_of_two_callers_do_not_meet(self, operator: Any, caller_with: Any) -> None:
        key = {"Idempotency-Key": "one"}
        other = await caller_with(organization="operator", role="operator")
        await operator.post("/organizations", json=SCHOOL, headers=key)
        answer = await other.post("/organizations", json={**SCHOOL, "slug": "snu_univ"}, headers=key)
        assert answer.status_code == 201

    async def test_a_key_that_is_none_is_refused(self, operator: Any) -> None:
        answer = await operator.post("/organizations", json=SCHOOL, headers={"Idempotency-Key": "x" * 256})
        assert (answer.status_code, answer.json()["error"]) == (422, "invalid")

    async def test_after_a_week_the_record_is_forgotten(self, operator: Any, market: Any, clock: Any) -> None:
        key = {"Idempotency-Key": "one"}
        await operator.post("/organizations", json=SCHOOL, headers=key)
        await forget(market.kernel, older_than=timedelta(days=7))
        assert (await operator.post("/organizations", json=SCHOOL, headers=key)).status_code == 201
        clock.moved = timedelta(days=8)
        await forget(market.kernel, older_than=timedelta(days=7))
        again = await operator.post("/organizations", json=SCHOOL, headers=key)
        assert (again.status_code, again.json()["error"]) == (409, "organization_exists")
