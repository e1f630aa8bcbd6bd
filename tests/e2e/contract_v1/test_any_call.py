"""What holds for any call: its key, its version, its shape."""

from __future__ import annotations

import pytest

from tests.e2e.contract_v1.speaking import KEY, SECOND_KEY, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestKey:
    @pytest.mark.parametrize("key", ["", "wrong-key-0123456789", KEY[:-1], f"{KEY} "[:-2]])
    async def test_a_wrong_one_is_refused(self, market, tenant_id, key):
        answer = await market.client.get(f"/mt/tenant/{tenant_id}/status", headers={"X-Market-API-Key": key})

        assert refused(answer, 401, "invalid_api_key")

    async def test_a_wrong_one_learns_nothing_more(self, market):
        answer = await market.client.post("/mt/tenant/NOT-VALID/activate", headers={"X-Market-API-Key": "wrong"})

        assert refused(answer, 401, "invalid_api_key")

    async def test_two_are_good_during_a_rotation(self, market, tenant_id):
        answer = await market.client.get(f"/mt/tenant/{tenant_id}/status", headers={"X-Market-API-Key": SECOND_KEY})

        assert refused(answer, 404, "tenant_not_found")


class TestVersion:
    async def test_one_that_the_service_does_not_serve_is_refused(self, market, tenant_id):
        headers = {"X-MT-API-Version": "9"}
        answer = await market.client.get(f"/mt/tenant/{tenant_id}/status", headers=headers)

        assert refused(answer, 412, "unsupported_api_version")
        assert "1" in answer.json()["details"]["versions"]


class TestElsewhere:
    async def test_an_unknown_address_is_told_in_the_one_shape(self, market):
        assert refused(await market.client.get("/mt/nothing/here"), 404, "not_found")

    async def test_another_method_is_told_in_the_one_shape(self, market, tenant_id):
        answer = await market.client.delete(f"/mt/tenant/{tenant_id}/status")

        assert refused(answer, 405, "method_not_allowed")
        assert {"GET", "HEAD"} <= {each.strip() for each in answer.headers["Allow"].split(",")}

    async def test_the_request_id_comes_back(self, market, tenant_id):
        path = f"/mt/tenant/{tenant_id}/status"
        answer = await market.client.get(path, headers={"X-Request-ID": "from-the-market"})

        assert (answer.headers["X-Request-ID"], answer.json()["request_id"]) == ("from-the-market",) * 2
