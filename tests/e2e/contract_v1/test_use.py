"""What a tenant's people do: the set-up link, and their notes."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.e2e.contract_v1.speaking import KEY, link_of, refused, when

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestSetupLink:
    async def test_looking_at_it_uses_nothing_up(self, market, tenant_id):
        link = link_of(await market.activate(tenant_id))

        pages = [await market.client.get(link) for _ in range(2)]
        answer = await market.client.post(link)

        assert all(page.headers["content-type"].startswith("text/html") for page in pages)
        assert all(page.headers["referrer-policy"] == "no-referrer" for page in pages)
        assert answer.json().keys() == {"tenant_id", "access_key"}

    async def test_works_once(self, market, tenant_id):
        link = link_of(await market.activate(tenant_id))

        answers = await asyncio.gather(*(market.client.post(link) for _ in range(5)))

        assert sorted(answer.status_code for answer in answers) == [200, 410, 410, 410, 410]

    async def test_ends_after_its_time(self, market, tenant_id):
        activated = await market.activate(tenant_id)
        market.clock.now = when(activated.json()["admin_credentials"]["expires_at"])

        assert refused(await market.client.post(link_of(activated)), 410, "link_expired")

    async def test_of_another_tenant_opens_nothing(self, market, tenant_id):
        token = urlsplit(link_of(await market.activate(f"{tenant_id}_a"))).query.partition("token=")[2]
        await market.activate(f"{tenant_id}_b")

        answer = await market.client.post(f"/access/setup?tenant_id={tenant_id}_b&token={token}")

        assert refused(answer, 410, "link_expired")

    async def test_tells_nobody_who_is_a_tenant(self, market, tenant_id):
        await market.activate(tenant_id)

        known = await market.client.post(f"/access/setup?tenant_id={tenant_id}&token=guess")
        unknown = await market.client.post("/access/setup?tenant_id=nobody_here&token=guess")

        assert refused(known, 410, "link_expired")
        assert refused(unknown, 410, "link_expired")
        assert known.json()["message"] == unknown.json()["message"]

    async def test_a_reactivation_ends_the_old_one(self, market, tenant_id):
        first = await market.activate(tenant_id)
        await market.deactivate(tenant_id)
        second = await market.activate(tenant_id)

        assert refused(await market.client.post(link_of(first)), 410, "link_expired")
        assert (await market.client.post(link_of(second))).status_code == 200


class TestNotes:
    async def test_are_kept_in_order(self, market, tenant_id):
        user = await market.user(await market.activate(tenant_id))

        for text in ("하나", "two", "3"):
            assert (await user.write(text)).status_code == 201

        assert await user.notes() == ["하나", "two", "3"]

    async def test_one_tenant_does_not_see_anothers(self, market, tenant_id):
        ours = await market.user(await market.activate(f"{tenant_id}_a"))
        theirs = await market.user(await market.activate(f"{tenant_id}_b"))

        await ours.write("ours")

        assert await theirs.notes() == []
        assert refused(await theirs.get(f"/app/{tenant_id}_a"), 403, "tenant_forbidden")
        named = await theirs.get("/app/notes", **{"X-Tenant-ID": f"{tenant_id}_a"})
        assert refused(named, 403, "tenant_forbidden")

    async def test_naming_ones_own_tenant_is_fine(self, market, tenant_id):
        user = await market.user(await market.activate(tenant_id))

        assert (await user.get("/app/notes", **{"X-Tenant-ID": tenant_id})).status_code == 200
        assert (await user.get(f"/app/{tenant_id}")).json() == {"tenant_id": tenant_id, "name": "한림대학교"}

    @pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer wrong", "Basic bm90ZXM6", KEY])
    async def test_need_an_access_key(self, market, authorization):
        headers = {} if authorization is None else {"Authorization": authorization}

        assert refused(await market.client.get("/app/notes", headers=headers), 401, "invalid_api_key")

    @pytest.mark.parametrize("text", ["", None, 5, "x" * 10_001, "nul\0"])
    async def test_that_are_no_text_are_refused(self, market, tenant_id, text):
        user = await market.user(await market.activate(tenant_id))

        assert (await user.write(text)).status_code == 422
        assert await user.notes() == []
