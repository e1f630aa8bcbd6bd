"""Who sends a request: access keys and sessions, and what browsers are made to send."""

from __future__ import annotations

from datetime import timedelta

import pytest

OTHER_PAGE = {"Sec-Fetch-Site": "cross-site"}


@pytest.fixture
async def client(start):
    return await start()


class TestAccessKey:
    async def test_its_holder_is_recognised_and_bound_to_its_tenant(self, client, directory):
        told = (await client.get("/tell", headers=directory.bearer(scopes={"notes:read"}))).json()

        assert told == {
            "tenant": "hallym_univ",
            "context": "hallym_univ",
            "principal": "1",
            "scopes": ["notes:read"],
        }

    async def test_the_scheme_may_be_written_in_any_case(self, client, directory):
        answer = await client.get("/tell", headers={"Authorization": f"bEARER  {directory.key('hallym_univ')}"})

        assert answer.json()["tenant"] == "hallym_univ"

    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer mtk_unknown", "Bearer mtk_" + "x" * 5000, "Basic eDp5", "Bearer é"]
    )
    async def test_others_are_nobody_and_open_routes_stay_open(self, client, header):
        answer = await client.get("/tell", headers=[(b"Authorization", header.encode("latin-1"))])

        assert (answer.status_code, answer.json()["principal"], answer.json()["tenant"]) == (200, None, None)

    async def test_it_opens_nothing_after_its_end(self, client, directory, clock):
        headers = directory.bearer(expires_at=clock() + timedelta(minutes=1))

        before = (await client.get("/tell", headers=headers)).json()
        clock.move(minutes=1)
        after = (await client.get("/tell", headers=headers)).json()

        assert (before["tenant"], after["tenant"]) == ("hallym_univ", None)

    async def test_two_that_differ_are_nobody(self, client, directory):
        pair = [("Authorization", f"Bearer {directory.key(name)}") for name in ("hallym_univ", "other_univ")]

        assert (await client.get("/tell", headers=pair)).json()["principal"] is None
        assert (await client.get("/tell", headers=[pair[0], pair[0]])).json()["tenant"] == "hallym_univ"


class TestSession:
    async def test_a_user_is_recognised_by_the_cookie(self, client, directory):
        answer = await client.get("/tell", headers={"Cookie": f"a=b; mt_session={directory.log_in('hallym_univ')}"})

        assert (answer.json()["principal"], answer.json()["tenant"]) == ("user-1", "hallym_univ")

    async def test_one_that_has_ended_is_nobody(self, client):
        answer = await client.get("/tell", headers={"Cookie": "mt_session=hallym_univ.gone"})

        assert (answer.status_code, answer.json()["principal"]) == (200, None)

    async def test_a_cookie_whose_name_only_ends_alike_is_none(self, client, directory):
        answer = await client.get("/tell", headers={"Cookie": f"not_mt_session={directory.log_in('hallym_univ')}"})

        assert answer.json()["principal"] is None

    async def test_two_that_differ_are_nobody(self, client, directory):
        mine, planted = directory.log_in("hallym_univ"), directory.log_in("other_univ")

        answer = await client.get("/tell", headers={"Cookie": f"mt_session={mine}; mt_session={planted}"})

        assert answer.json()["principal"] is None

    async def test_another_sites_page_changes_nothing_in_the_users_name(self, client, directory):
        headers = {"Cookie": f"mt_session={directory.log_in('hallym_univ')}"}

        assert (await client.post("/tell", headers=headers | OTHER_PAGE)).json()["principal"] is None
        assert (await client.get("/tell", headers=headers | OTHER_PAGE)).json()["principal"] == "user-1"
        assert (await client.post("/tell", headers=headers)).json()["principal"] == "user-1"

    async def test_a_key_goes_before_it_if_both_are_of_one_tenant(self, client, directory):
        headers = directory.bearer() | {"Cookie": f"mt_session={directory.log_in('hallym_univ')}"}

        assert (await client.get("/tell", headers=headers)).json()["principal"] == "1"

    async def test_a_key_and_a_session_of_two_tenants_are_refused(self, client, directory):
        headers = directory.bearer("hallym_univ") | {"Cookie": f"mt_session={directory.log_in('other_univ')}"}

        answer = await client.get("/tell", headers=headers)

        assert (answer.status_code, answer.json()["error"]) == (403, "tenant_forbidden")


class TestOpenPaths:
    @pytest.mark.parametrize("path", ["/mt/tell", "/health"])
    async def test_they_are_nobodys(self, client, directory, path):
        headers = directory.bearer("hallym_univ") | {"X-Tenant-ID": "not an id"}

        answer = await client.get(path, headers=headers)

        assert answer.json() == {"tenant": None, "context": None, "principal": None, "scopes": None}
