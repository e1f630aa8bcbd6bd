"""The older addresses: each answers as its successor, and says that it has one."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

import pytest
from mt_paas.errors import TenantAlreadyExists, TenantNotFound
from mt_paas.standard_api import ActivateResponse, StandardAPIHandler
from mt_paas.standard_api.handler import ResourceQuery
from mt_paas.standard_api.models import (
    TENANT_ID_PATTERN,
    AdminCredentials,
    OperationAccepted,
    StatusResponse,
    StorageFigures,
    TenantState,
    UserFigures,
)

WEBHOOK = "/api/tenant/webhook/auto-provision"
ALIASES = {
    "/api/tenant/stats/hallym_univ": "/mt/tenant/hallym_univ/stats",
    "/api/tenant/users/hallym_univ": "/mt/tenant/hallym_univ/users",
    "/api/tenant/courses/hallym_univ": "/mt/tenant/hallym_univ/resources?type=course",
    "/api/tenant/discussions/hallym_univ": "/mt/tenant/hallym_univ/resources?type=discussion",
}
BODY = {"email": "kim@hallym.ac.kr", "name": "김하나", "plan": "premium", "email_verified": True}


class DemoService(StandardAPIHandler):
    """Keeps tenants by their administrator's address."""

    def __init__(self) -> None:
        self.activated = []
        self.asked = []
        self.later = False
        self.closed = set()

    async def activate_tenant(self, request):
        if self.later:
            return OperationAccepted(operation_id="op_1", retry_after=1.0)
        for other in self.activated:
            if other.tenant_id not in self.closed and other.tenant_id == request.tenant_id and other != request:
                raise TenantAlreadyExists
        if request not in self.activated:
            self.activated.append(request)
        return self._welcome(request)

    async def find_tenant_of(self, email):
        self.asked.append(email)
        owned = (each for each in self.activated if each.admin.email == email and each.tenant_id not in self.closed)
        found = next((self._welcome(each) for each in owned), None)
        await asyncio.sleep(0)  # as a query would, it lets others have their turn
        return found

    async def get_tenant_status(self, tenant_id):
        if tenant_id not in {each.tenant_id for each in self.activated}:
            raise TenantNotFound
        state = TenantState.DEACTIVATED if tenant_id in self.closed else TenantState.ACTIVE
        users, storage = UserFigures(total=0, active_today=0), StorageFigures(used_gb=0)
        now = datetime(2026, 1, 3, tzinfo=UTC)
        return StatusResponse(
            tenant_id=tenant_id, status=state, plan="premium", created_at=now, users=users, storage=storage
        )

    def _welcome(self, request):
        setup = AdminCredentials(setup_url=f"https://demo.example/setup/{request.tenant_id}", temp_password="hunter2")
        access_url = f"https://demo.example/{request.tenant_id}"
        return ActivateResponse(tenant_id=request.tenant_id, access_url=access_url, admin_credentials=setup)


@pytest.fixture
def demo() -> DemoService:
    return DemoService()


@pytest.fixture
def http(make_http, demo):
    return make_http(demo, legacy_aliases=True)


class TestAliases:
    @pytest.fixture
    def http(self, make_http, whole):
        return make_http(whole, legacy_aliases=True, clock=lambda: datetime(2026, 1, 3, tzinfo=UTC))

    @pytest.mark.parametrize("path", ALIASES)
    async def test_each_answers_as_its_successor(self, http, path):
        old, new = await http.get(path), await http.get(ALIASES[path])
        assert (old.status_code, old.json()) == (200, new.json())

    @pytest.mark.parametrize("path", ALIASES)
    async def test_each_says_since_when_it_is_deprecated_and_what_took_its_place(self, http, path):
        headers = (await http.get(path)).headers
        assert re.fullmatch("@[0-9]+", headers["deprecation"])
        assert headers["link"] == f'<{ALIASES[path]}>; rel="successor-version"'
        assert headers["x-mt-api-version"] == "2"

    @pytest.mark.parametrize("path", ALIASES)
    async def test_an_error_says_it_too(self, assert_refused, make_http, whole, path):
        response = await make_http(whole, legacy_aliases=True, headers={}).get(path)
        assert_refused(response, 401, "invalid_api_key")
        assert "successor-version" in response.headers["link"]
        assert "deprecation" in response.headers

    async def test_the_type_is_that_of_the_address(self, http, whole):
        await http.get("/api/tenant/courses/hallym_univ?type=discussion&limit=7")
        assert whole.asked == [("list_resources", "hallym_univ", ResourceQuery(type="course", limit=7))]

    @pytest.mark.parametrize("tenant_id", ["a%0D%0AX-Evil:1", "AB", "%3E;rel=x", "한림"])
    async def test_no_tenant_id_gets_into_a_header_as_it_came(self, assert_refused, http, tenant_id):
        response = await http.get(f"/api/tenant/stats/{tenant_id}")
        assert_refused(response, 422, "invalid_tenant_id")
        assert "x-evil" not in response.headers
        assert re.fullmatch(r'</mt/tenant/[\w%.-]+/stats>; rel="successor-version"', response.headers["link"])

    async def test_a_call_that_is_not_offered_is_not_implemented(self, assert_refused, make_http, make_manifest, whole):
        http = make_http(whole, manifest=make_manifest("stats"), legacy_aliases=True)
        assert_refused(await http.get("/api/tenant/stats/hallym_univ"), 501, "not_implemented")

    async def test_a_wrong_method_is_told_the_right_one_in_the_shape(self, assert_refused, http):
        response = await http.put("/api/tenant/users/hallym_univ")
        assert_refused(response, 405, "method_not_allowed")
        assert response.headers["allow"] == "GET, HEAD, OPTIONS"
        assert (await http.get(WEBHOOK)).headers["allow"] == "POST, OPTIONS"

    async def test_they_are_where_the_router_is(self, make_http, whole):
        http = make_http(whole, legacy_aliases=True, prefix="/std", include={"prefix": "/svc"})
        response = await http.get("/svc/api/tenant/stats/hallym_univ")
        assert response.headers["link"] == '</svc/std/tenant/hallym_univ/stats>; rel="successor-version"'

    async def test_without_the_option_there_are_none(self, make_http, whole):
        assert (await make_http(whole).get("/api/tenant/stats/hallym_univ")).status_code == 404

    async def test_the_document_has_them_as_deprecated(self, http):
        paths = (await http.get("/openapi.json")).json()["paths"]
        for path in (WEBHOOK, *(path.replace("hallym_univ", "{tenant_id}") for path in ALIASES)):
            (operation,) = paths[path].values()
            assert operation["deprecated"] is True
            assert {"Deprecation", "Link"} <= operation["responses"]["200"]["headers"].keys()


class TestAutoProvision:
    async def test_a_new_address_gets_a_new_tenant(self, http, demo):
        response = await http.post(WEBHOOK, json=BODY)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer["reused"] is False
        assert re.fullmatch(r"hallym-[0-9a-f]{10}", answer["tenant_id"])
        (request,) = demo.activated
        assert request.admin.email == "kim@hallym.ac.kr"
        assert (request.tenant_name, request.admin.name, request.plan) == ("김하나", "김하나", "premium")
        assert response.headers["link"] == f'</mt/tenant/{answer["tenant_id"]}/activate>; rel="successor-version"'

    async def test_an_address_that_the_market_vouches_for_gets_its_tenant_back(self, http, demo):
        first = (await http.post(WEBHOOK, json=BODY)).json()
        again = await http.post(WEBHOOK, json=BODY | {"tenant_id": "another_one", "plan": "basic"})
        assert again.json() == first | {"reused": True}
        assert len(demo.activated) == 1
        assert "successor-version" in again.headers["link"]

    @pytest.mark.parametrize("verified", [{}, {"email_verified": False}])
    async def test_an_address_that_nobody_vouches_for_gets_nobodys_tenant(self, assert_refused, http, demo, verified):
        first = (await http.post(WEBHOOK, json=BODY)).json()
        body = {name: value for name, value in BODY.items() if name != "email_verified"} | verified
        for wanted in ({}, {"tenant_id": first["tenant_id"]}, {"tenant_id": "another_one"}):
            response = await http.post(WEBHOOK, json=body | wanted)
            assert_refused(response, 403, "email_not_verified")
            assert first["tenant_id"] not in response.text + str(response.headers)
        assert len(demo.activated) == 1

    async def test_one_without_a_tenant_gets_a_new_one_though_nobody_vouches_for_it(self, http):
        body = BODY | {"email_verified": False}
        assert (await http.post(WEBHOOK, json=body)).json()["reused"] is False

    @pytest.mark.parametrize("verified", ["true", 1, None])
    async def test_a_voucher_is_true_and_nothing_else(self, assert_refused, http, demo, verified):
        response = await http.post(WEBHOOK, json=BODY | {"email_verified": verified})
        assert_refused(response, 422, "invalid_body")
        assert demo.asked == []

    async def test_a_wrong_key_asks_nobody(self, assert_refused, make_http, demo):
        http = make_http(demo, legacy_aliases=True, headers={"X-Market-API-Key": "wrong"})
        assert_refused(await http.post(WEBHOOK, json=BODY), 401, "invalid_api_key")
        assert demo.asked == []

    async def test_no_password_leaves(self, http):
        for _ in range(2):
            answer = await http.post(WEBHOOK, json=BODY)
            assert "hunter2" not in answer.text
            assert answer.json()["admin_credentials"]["setup_url"].startswith("https://demo.example/setup/")

    async def test_the_same_call_again_is_the_same_tenant_though_nobody_vouches(self, http, demo):
        body = BODY | {"email_verified": False}
        first = await http.post(WEBHOOK, json=body, headers={"Idempotency-Key": "k-1"})
        again = await http.post(WEBHOOK, json=body, headers={"Idempotency-Key": "k-1"})
        assert (again.status_code, again.json()) == (200, first.json())
        other = await http.post(WEBHOOK, json=body, headers={"Idempotency-Key": "k-2"})
        assert other.json()["error"] == "email_not_verified"
        assert len(demo.activated) == 1

    async def test_two_calls_for_one_new_address_at_once_make_one_tenant(self, http, demo):
        answers = await asyncio.gather(*(http.post(WEBHOOK, json=BODY) for _ in range(5)))
        assert len({answer.json()["tenant_id"] for answer in answers}) == 1
        assert sorted(answer.json()["reused"] for answer in answers) == [False, True, True, True, True]
        assert len(demo.activated) == 1

    async def test_a_tenant_id_that_is_given_is_taken(self, http):
        response = await http.post(WEBHOOK, json=BODY | {"tenant_id": "hallym_demo"})
        assert response.json()["tenant_id"] == "hallym_demo"

    async def test_one_that_is_somebody_elses_is_refused(self, assert_refused, http):
        await http.post(WEBHOOK, json=BODY | {"tenant_id": "hallym_demo"})
        body = BODY | {"email": "lee@other.ac.kr", "tenant_id": "hallym_demo"}
        assert_refused(await http.post(WEBHOOK, json=body), 409, "tenant_already_exists")

    @pytest.mark.parametrize("is_verified", [True, False])
    async def test_a_closed_one_is_not_opened_for_whoever_names_it(self, assert_refused, http, demo, is_verified):
        await http.post(WEBHOOK, json=BODY | {"tenant_id": "hallym_demo"})
        demo.closed.add("hallym_demo")
        body = BODY | {"tenant_id": "hallym_demo", "email": "lee@other.ac.kr", "email_verified": is_verified}
        assert_refused(await http.post(WEBHOOK, json=body), 409, "tenant_already_exists")
        assert_refused(await http.post(WEBHOOK, json=BODY | {"tenant_id": "hallym_demo"}), 409, "tenant_already_exists")
        assert len(demo.activated) == 1

    @pytest.mark.parametrize(
        "email", ["a@b", "a@" + "x" * 180 + ".kr", "a@한림.kr", "a@-.-", "a@---a---.kr", "x@1.2", "a@UPPER.example"]
    )
    async def test_every_domain_leads_to_an_id_of_the_contract(self, http, email):
        answer = (await http.post(WEBHOOK, json=BODY | {"email": email})).json()
        assert re.fullmatch(TENANT_ID_PATTERN, answer["tenant_id"])

    async def test_the_persons_name_is_no_part_of_the_id(self, http):
        assert "kim" not in (await http.post(WEBHOOK, json=BODY)).json()["tenant_id"]

    async def test_the_plan_is_the_manifests_first_with_its_features(self, make_http, make_manifest, demo):
        http = make_http(demo, manifest=make_manifest(), legacy_aliases=True)
        body = {name: value for name, value in BODY.items() if name != "plan"}
        assert (await http.post(WEBHOOK, json=body)).status_code == 200
        assert (demo.activated[0].plan, demo.activated[0].features) == ("basic", ["notes"])

    async def test_without_a_list_of_plans_one_has_to_be_named(self, assert_refused, http, demo):
        body = {name: value for name, value in BODY.items() if name != "plan"}
        assert_refused(await http.post(WEBHOOK, json=body), 422, "invalid_plan")
        assert demo.activated == []

    async def test_a_plan_that_there_is_not_is_refused(self, assert_refused, make_http, make_manifest, demo):
        http = make_http(demo, manifest=make_manifest(), legacy_aliases=True)
        assert_refused(await http.post(WEBHOOK, json=BODY | {"plan": "gold"}), 422, "invalid_plan")

    async def test_it_may_be_answered_later(self, make_http, demo):
        demo.later = True
        http = make_http(demo, legacy_aliases=True, include={"prefix": "/svc"})
        response = await http.post(f"/svc{WEBHOOK}", json=BODY)
        assert (response.status_code, response.headers["location"]) == (202, "/svc/mt/operations/op_1")

    @pytest.mark.parametrize(
        "body", [{}, {"email": "nobody"}, BODY | {"name": "a\nb"}, BODY | {"tenant_id": "AB"}, BODY | {"plan": ""}, []]
    )
    async def test_a_wrong_body_is_refused(self, assert_refused, http, demo, body):
        response = await http.post(WEBHOOK, json=body)
        assert_refused(response, 422, "invalid_body")
        assert "deprecation" in response.headers
        assert demo.asked == []
