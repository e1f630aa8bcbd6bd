"""Every route × every kind of caller: each has an explicit answer, and nobody sees what is another's."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from fastapi.routing import APIRoute
from service_market.assembly import ROUTERS
from service_market.core.principal import permissions_of
from service_market.main import API_PREFIX, CALLBACK_ROUTES, PUBLIC_ROUTES
from service_market.rooms.identity.types import PERMISSIONS, ROLES, Role

ANY_CALLER = frozenset({"/api/v1/me"})
WITHOUT_TOKEN = PUBLIC_ROUTES | CALLBACK_ROUTES


def routes_of(app: Any) -> list[tuple[str, str, str | None]]:
    """Return (method, path, permission) of every route that takes a token. Fails where a route says nothing."""
    own = [(route.path, route) for route in app.routes if isinstance(route, APIRoute)]
    rooms = [(API_PREFIX + route.path, route) for router in ROUTERS for route in router.routes]
    found: list[tuple[str, str, str | None]] = []
    for path, route in own + rooms:
        if path in WITHOUT_TOKEN:
            continue
        asked = permissions_of(dependency.call for dependency in route.dependant.dependencies)
        assert len(asked) == 1, f"{path} does not say who may call it"
        assert asked[0] is not None or path in ANY_CALLER, f"{path} is open to every token"
        found.extend((method, path, asked[0]) for method in route.methods)
    described = {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}
    assert {(method, path) for method, path, _ in found} == {each for each in described if each[1] not in WITHOUT_TOKEN}
    return found


class TestEveryRoute:
    async def test_says_what_it_needs_and_the_dictionary_knows_it(self, app: Any) -> None:
        routes = routes_of(app)
        assert len(routes) > 20
        assert {permission for _, _, permission in routes if permission} == set(PERMISSIONS)

    async def test_refuses_a_caller_without_a_token(self, app: Any, anybody: Any) -> None:
        for method, path, _ in routes_of(app):
            answer = await anybody.request(method, "http://market.test" + _filled(path))
            assert (answer.status_code, answer.json()["error"]) == (401, "unauthenticated"), (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize("role", [Role.SCHOOL_MANAGER, Role.VENDOR_DEVELOPER, Role.SERVICE])
    async def test_admits_exactly_the_roles_that_have_its_permission(
        self, app: Any, scene: Any, caller_with: Any, role: Role
    ) -> None:
        kind = {Role.VENDOR_DEVELOPER: "vendor"}.get(role, "school")
        await scene.operator.post("/organizations", json={"slug": "another", "name": "Another", "kind": kind})
        service = {"service_id": "fake_tutor"} if role is Role.SERVICE else {}
        caller = await caller_with(organization="another", role=role, **service)
        for method, path, permission in routes_of(app):
            answer = await caller.request(method, "http://market.test" + _filled(path))
            admitted = permission is None or permission in ROLES[role]
            assert (answer.status_code != 403) == admitted, (method, path, answer.text)

    async def test_that_is_not_there_says_so_in_the_one_shape(self, operator: Any) -> None:
        answer = await operator.get("/nothing/here")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json()) >= {"type", "title", "status", "detail", "error", "message", "request_id"}


def _filled(path: str) -> str:
    path = re.sub(r"\{(operation|subscription|token)_id\}", "0198a4c2-7d1e-7aa0-b3a1-0c6a5f0d9b11", path)
    return re.sub(r"\{\w+\}", "nobody", path)


class TestFences:
    async def test_a_school_sees_its_own_tenants_alone(self, active: Any, caller_with: Any) -> None:
        await active.add_school("snu_univ", "서울대학교")
        own = await caller_with(organization="hallym_univ", role="school_manager")
        other = await caller_with(organization="snu_univ", role="school_manager")
        assert [row["tenant_id"] for row in (await own.get("/tenants")).json()["data"]] == ["hallym_univ"]
        for path in ("/tenants", "/subscriptions", "/operations"):
            page = (await other.get(path)).json()
            assert (page["data"], page["meta"]["total"]) == ([], 0), path
        operation = (await own.get("/operations")).json()["data"][0]["id"]
        subscription = (await own.get("/subscriptions")).json()["data"][0]["id"]
        for method, path in (
            ("GET", "/tenants/hallym_univ"),
            ("GET", "/tenants/hallym_univ/history"),
            ("GET", "/tenants/hallym_univ/usage"),
            ("GET", "/tenants/hallym_univ/events"),
            ("POST", "/tenants/hallym_univ/setup-link"),
            ("POST", "/tenants/hallym_univ/purge"),
            ("GET", f"/operations/{operation}"),
            ("GET", f"/subscriptions/{subscription}"),
            ("POST", f"/subscriptions/{subscription}/cancel"),
        ):
            assert (await other.request(method, path)).status_code == 404, path
            assert (await own.request(method, path)).status_code != 404, path

    async def test_a_school_subscribes_itself_and_nobody_else(self, scene: Any, caller_with: Any) -> None:
        await scene.add_school("snu_univ", "서울대학교")
        school = await caller_with(organization="hallym_univ", role="school_manager")
        body = {"service_id": "fake_tutor", "plan": "basic", "admin": scene.admin}
        refused = await school.post("/subscriptions", json={**body, "organization": "snu_univ"})
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
        assert (await school.post("/subscriptions", json=body)).status_code == 202

    async def test_a_service_sees_the_tenants_that_are_its_own(self, active: Any, caller_with: Any) -> None:
        await active.operator.post("/organizations", json={"slug": "vendor", "name": "V", "kind": "vendor"})
        own = await caller_with(organization="vendor", role="service", service_id="fake_tutor")
        another = (await active.get("/services/fake_tutor/manifest"))["source"].replace("fake_tutor", "other_tutor")
        await active.operator.post("/services", json={"manifest": another, "api_key": active.service.api_key})
        other = await caller_with(organization="vendor", role="service", service_id="other_tutor")
        assert (await own.get("/tenants/hallym_univ")).status_code == 200
        assert (await other.get("/tenants/hallym_univ")).status_code == 404
        report = {"period": "2026-01", "usage": {"api_calls": 1}}
        assert (await other.post("/tenants/hallym_univ/usage", json=report)).status_code == 404
        assert (await other.patch("/tenants/hallym_univ/status", json={"status": "active"})).status_code == 404


class TestTokens:
    async def test_a_token_is_shown_once_and_works_until_it_is_revoked(self, operator: Any, app: Any) -> None:
        made = (
            await operator.post("/tokens", json={"organization": "operator", "name": "x", "role": "operator"})
        ).json()
        secret = made["data"].pop("token")
        listed = await operator.get("/tokens")
        assert secret not in listed.text
        assert secret.startswith(made["data"]["prefix"])
        headers = {"Authorization": f"Bearer {secret}"}
        assert (await operator.get("/me", headers=headers)).json()["data"]["name"] == "x"
        await operator.delete(f"/tokens/{made['data']['id']}")
        refused = await operator.get("/me", headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (401, "token_revoked")
        assert refused.json()["message"] == "The token was revoked; ask for a new one."
        assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'

    async def test_an_expired_token_is_told_when_it_expired(self, operator: Any, clock: Any) -> None:
        soon = clock.now() + timedelta(hours=1)
        body = {"organization": "operator", "name": "x", "role": "operator", "expires_at": soon.isoformat()}
        headers = {"Authorization": f"Bearer {(await operator.post('/tokens', json=body)).json()['data']['token']}"}
        assert (await operator.get("/me", headers=headers)).status_code == 200
        clock.moved = timedelta(hours=1)
        refused = await operator.get("/me", headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (401, "token_expired")
        assert refused.json()["message"] == f"The token expired on {soon:%Y-%m-%d}; ask for a new one."

    async def test_who_does_not_hold_the_whole_token_learns_nothing_of_it(self, operator: Any, clock: Any) -> None:
        soon = (clock.now() + timedelta(hours=1)).isoformat()
        body = {"organization": "operator", "name": "x", "role": "operator", "expires_at": soon}
        secret = (await operator.post("/tokens", json=body)).json()["data"]["token"]
        clock.moved = timedelta(hours=1)
        for wrong in (secret[:-1], secret + "x", "mtp_", "nothing", secret.removeprefix("mtp_")):
            refused = await operator.get("/me", headers={"Authorization": f"Bearer {wrong}"})
            assert (refused.status_code, refused.json()["error"]) == (401, "token_unknown"), wrong

    async def test_a_header_that_holds_no_token_is_told_what_it_takes(self, operator: Any) -> None:
        for wrong in ("", "Bearer", "Bearer ", "Basic bXRwX3g6"):
            refused = await operator.get("/me", headers={"Authorization": wrong})
            assert (refused.status_code, refused.json()["error"]) == (401, "unauthenticated"), wrong

    async def test_one_that_would_have_expired_already_is_refused(self, operator: Any, clock: Any) -> None:
        body = {"organization": "operator", "name": "x", "role": "operator", "expires_at": clock.now().isoformat()}
        answer = await operator.post("/tokens", json=body)
        assert (answer.status_code, answer.json()["error"]) == (422, "invalid_token")

    async def test_one_for_a_service_that_is_not_there_is_refused(self, operator: Any) -> None:
        body = {"organization": "operator", "name": "x", "role": "service", "service_id": "nothing"}
        answer = await operator.post("/tokens", json=body)
        assert (answer.status_code, answer.json()["error"]) == (404, "service_not_found")
        assert [token["name"] for token in (await operator.get("/tokens")).json()["data"]] == ["the operator"]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"role": "service"},
            {"role": "school_manager", "service_id": "x"},
            {"role": "school_manager"},
            {"role": "vendor_developer"},
        ],
    )
    async def test_a_role_that_does_not_fit_is_refused(self, operator: Any, wrong: dict[str, str]) -> None:
        answer = await operator.post("/tokens", json={"organization": "operator", "name": "x", **wrong})
        assert (answer.status_code, answer.json()["error"]) == (422, "invalid_token")
