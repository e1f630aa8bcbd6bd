"""The extensions: what is asked, and which answers are believed."""

from __future__ import annotations

import pytest
from mt_paas.errors import NotImplementedByService, ServiceAnswerInvalid
from mt_paas.standard_api import StandardAPIClient
from mt_paas.standard_api.models import PlanChangeRequest, SsoRequest, SsoUser, SuspendRequest
from mt_paas.testing.doubles import answer_with

T = "hallym_univ"
WHEN = "2026-01-03T12:00:00Z"
SETUP = {"setup_url": "https://notes.example/setup/1", "expires_at": WHEN}
CONFIGURATION = {
    "versions": ["1", "2"],
    "extensions": ["purge"],
    "limits": {},
    "keys": {"header": "X-Market-API-Key", "accepted": 2},
    "schemas": {},
}
KIM = SsoRequest(user=SsoUser(email="kim@hallym.ac.kr"), return_to="/courses/7")
OVERDUE = SuspendRequest(reason="payment_overdue")
PRO = PlanChangeRequest(plan="pro", features=["rag"])


class TestWhatIsAsked:
    @pytest.mark.parametrize(
        ("ask", "asked", "answered"),
        [
            (
                lambda c: c.change_plan(T, PRO, idempotency_key="1"),
                (f"POST /mt/tenant/{T}/plan", b'{"plan":"pro","features":["rag"],"config":{}}'),
                {"tenant_id": T, "plan": "pro"},
            ),
            (
                lambda c: c.suspend(T, OVERDUE),
                (f"POST /mt/tenant/{T}/suspend", b'{"reason":"payment_overdue"}'),
                {"tenant_id": T, "status": "suspended"},
            ),
            (lambda c: c.resume(T), (f"POST /mt/tenant/{T}/resume", b""), {"tenant_id": T, "status": "active"}),
            (lambda c: c.purge(T), (f"DELETE /mt/tenant/{T}", b""), {"tenant_id": T, "purged_at": WHEN}),
            (
                lambda c: c.rotate_credentials(T),
                (f"POST /mt/tenant/{T}/credentials/rotate", b""),
                {"tenant_id": T, "admin_credentials": SETUP},
            ),
            (
                lambda c: c.sso(T, KIM),
                (f"POST /mt/tenant/{T}/sso", b'{"user":{"email":"kim@hallym.ac.kr"},"return_to":"/courses/7"}'),
                {"launch_url": "https://notes.example/launch/1"},
            ),
            (
                lambda c: c.list_tenants(cursor="a", limit=9),
                ("GET /mt/tenants?cursor=a&limit=9", b""),
                {"items": [{"tenant_id": T, "status": "active"}]},
            ),
            (lambda c: c.configuration(), ("GET /mt/.well-known/mt-configuration", b""), CONFIGURATION),
        ],
    )
    async def test_it_is_the_call_of_the_contract(self, scripted, says, ask, asked, answered):
        client, script = scripted(says(200, answered))
        async with client:
            assert (await ask(client)).model_dump(mode="json", exclude_unset=True).items() <= answered.items()
        path, body = asked
        assert script.paths == [path]
        assert script.asked[0].content == body
        assert ("content-type" in script.asked[0].headers) is (body != b"")

    async def test_discovery_needs_no_key(self, base_url, service, loopback):
        service.behave(answer_with(200, CONFIGURATION))
        async with StandardAPIClient(service.manifest(base_url), "", addresses=loopback) as client:
            assert (await client.configuration()).keys.accepted == 2

    async def test_what_is_not_declared_is_not_asked(self, scripted, says):
        client, script = scripted(says(200, {}))
        bare = {"purge": None, "sso": None, "suspend": None, "inventory": None}
        client._manifest = client._manifest.model_copy(
            update={"endpoints": client._manifest.endpoints.model_copy(update=bare)}
        )
        async with client:
            for call in (client.purge(T), client.sso(T, KIM), client.suspend(T, OVERDUE), client.list_tenants()):
                with pytest.raises(NotImplementedByService):
                    await call
        assert script.asked == []


class TestAnswersThatAreNotBelieved:
    @pytest.mark.parametrize(
        ("ask", "answered", "fault"),
        [
            (lambda c: c.suspend(T, OVERDUE), {"tenant_id": T, "status": "active"}, "status: it is about active"),
            (lambda c: c.resume(T), {"tenant_id": T, "status": "suspended"}, "status: it is about suspended"),
            (lambda c: c.resume(T), {"tenant_id": "other_univ", "status": "active"}, "it is about other_univ"),
            (
                lambda c: c.change_plan(T, PRO, idempotency_key="1"),
                {"tenant_id": T, "plan": "basic"},
                "plan: it is about basic, not about pro",
            ),
            (lambda c: c.purge(T), {"tenant_id": "other_univ", "purged_at": WHEN}, "it is about other_univ"),
            (lambda c: c.purge(T), {"tenant_id": T}, "purged_at: Field required"),
            (
                lambda c: c.rotate_credentials(T),
                {"tenant_id": "other_univ", "admin_credentials": SETUP},
                "it is about other_univ",
            ),
            (lambda c: c.sso(T, KIM), {"launch_url": "javascript:alert(1)"}, "launch_url: "),
            (lambda c: c.configuration(), CONFIGURATION | {"versions": []}, "versions: "),
            (
                lambda c: c.list_tenants(limit=1),
                {"items": [{"tenant_id": f"t-{n}", "status": "active"} for n in range(2)]},
                "items: 2 came, and 1 at most were asked for",
            ),
        ],
    )
    async def test_they_are_refused_by_what_is_wrong_with_them(self, client, service, ask, answered, fault):
        service.behave(answer_with(200, answered))
        with pytest.raises(ServiceAnswerInvalid) as refusal:
            await ask(client)
        assert fault in str(refusal.value)

    async def test_a_purge_without_a_receipt_is_refused(self, client, service):
        service.behave(answer_with(204, b""))
        with pytest.raises(ServiceAnswerInvalid, match="answered 204, but the contract knows 200 alone"):
            await client.purge(T)

    async def test_new_credentials_that_are_a_password_are_not_shown(self, client, service):
        service.behave(answer_with(200, {"tenant_id": T, "admin_credentials": {"temp_password": "hunter2"}}))
        rotated = await client.rotate_credentials(T)
        assert rotated.admin_credentials.temp_password == "hunter2"
        assert "hunter2" not in repr(rotated) + rotated.model_dump_json()
