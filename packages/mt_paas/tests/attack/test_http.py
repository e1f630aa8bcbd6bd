"""Hostile requests to a service whose routes forget every filter: whatever they name, they reach their own tenant only.

One connection serves tenants that share tables, and one that has a schema. A request comes with a key, a token, a
cookie, or several that contradict one another; it names others in its path, header, sub-domain, query and body, and is
cut off at any moment.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx2
import pytest
import pytest_asyncio
from attacks.world import METADATA, NOTES
from fastapi import Body, FastAPI
from fastapi.responses import PlainTextResponse
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey
from mt_paas.setup import CurrentTenant, TenantSession, setup_multi_tenant
from mt_paas.standard_api.manifest import Manifest
from mt_paas.testing.doubles import FakeService
from mt_paas.utils.config import Settings
from mt_paas.utils.isolation_settings import IsolationSettings
from mt_paas.utils.pool_settings import PoolSettings
from mt_paas.utils.traffic_settings import JwtSettings, TenantSettings
from pydantic import SecretStr
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(0),
]

MARKET = {"X-Market-API-Key": "the-markets-key-0123456789"}
ISSUER, SECRET = "https://issuer.example", "a-secret-that-is-shared-with-the-issuer"
PLANS = {
    "alpha_univ": "basic",
    "bravo_univ": "basic",
    "delta-univ": "premium",
}  # basic shares tables, premium has a schema
DOMAIN = "notes.example"


@dataclass
class Side:
    """A tenant: its credentials, its marker, and the ids of its rows."""

    id: str
    marker: str
    key: str
    cookie: str
    token: str
    user_id: str = ""
    setup_token: str = ""
    rows: tuple[int, ...] = ()


class Target:
    """The service under attack, and its tenants."""

    def __init__(self, app: FastAPI, client: httpx2.AsyncClient) -> None:
        self.app, self.client = app, client
        self.sides: list[Side] = []
        self.requests = 0

    async def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        self.requests += 1
        return await self.client.request(method, path, **options)

    async def join(self, tenant_id: str, plan: str) -> None:
        """Activate the tenant, with a key, a user who is logged in, a token, and rows."""
        marker = f"mk{tenant_id[0]}{secrets.token_hex(6)}"
        body = {"tenant_id": tenant_id, "tenant_name": marker, "plan": plan, "admin": {"email": "a@b.kr", "name": "A"}}
        answer = await self.call("POST", f"/mt/tenant/{tenant_id}/activate", json=body, headers=MARKET)
        link = answer.json()["admin_credentials"]["setup_url"]
        key = (await self.call("POST", link)).json()["access_key"]
        users = [{"email": f"u{number}@{marker}.kr", "name": marker, "role": "student"} for number in range(3)]
        made = [
            (await self.call("POST", f"/mt/tenant/{tenant_id}/users", json=user, headers=MARKET)).json()
            for user in users
        ]
        launch = await self.call(
            "POST", f"/mt/tenant/{tenant_id}/sso", json={"user": {"email": users[0]["email"]}}, headers=MARKET
        )
        came = await self.call("GET", launch.json()["launch_url"])
        cookie = came.headers["set-cookie"].partition(";")[0]
        self.client.cookies.clear()
        claims = {
            "iss": ISSUER,
            "aud": "notes",
            "sub": "somebody",
            "tenant_id": tenant_id,
            "exp": int((datetime.now(UTC) + timedelta(hours=1)).timestamp()),
        }
        token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))
        side = Side(tenant_id, marker, key, cookie, token, made[0]["id"], link.partition("token=")[2])
        self.sides.append(side)
        await self.refill(side)

    async def refill(self, side: Side) -> None:
        """Leave the tenant two rows."""
        async with self.app.state.mt_paas.manager.get_tenant_session(side.id) as session:
            await session.execute(NOTES.delete())
            made = await session.scalars(
                NOTES.insert().returning(NOTES.c.id), [{"text": f"{side.marker} {number}"} for number in range(2)]
            )
            side.rows = tuple(made)

    async def rows(self, side: Side) -> list[str]:
        async with self.app.state.mt_paas.manager.get_tenant_session(side.id) as session:
            return sorted(await session.scalars(select(NOTES.c.text)))

    def check(self, side: Side, said: str) -> None:
        """Fail if ``said`` holds another tenant's marker."""
        for other in self.sides:
            assert other is side or other.marker not in said, f"{side.id} was shown what is {other.id}'s: {said[:300]}"


# ruff: noqa: S608 - a service that puts what it is sent into its SQL is what this is about


def make_app() -> FastAPI:  # noqa: C901 - a route after another
    """Return a service that trusts everything it is sent."""
    app = FastAPI()

    @app.get("/notes")
    async def list_all(session: TenantSession) -> list[str]:
        return list(await session.scalars(select(NOTES.c.text)))

    @app.get("/notes/{number}")
    async def show(session: TenantSession, number: int) -> str | None:
        return await session.scalar(select(NOTES.c.text).where(NOTES.c.id == number))

    @app.put("/notes/{number}")
    async def change(session: TenantSession, number: int, said: str) -> int:
        return (await session.execute(NOTES.update().where(NOTES.c.id == number).values(text=said))).rowcount

    @app.delete("/notes/{number}")
    async def delete(session: TenantSession, number: int) -> int:
        return (await session.execute(NOTES.delete().where(NOTES.c.id == number))).rowcount

    @app.post("/notes")
    async def add(session: TenantSession, given: Annotated[dict[str, Any], Body()]) -> str:
        names = ", ".join(given)  # mass assignment: the columns too are what was sent
        statement = f"INSERT INTO note ({names}) VALUES ({', '.join(f':{name}' for name in given)}) RETURNING text"
        return str(await session.scalar(text(statement), given))

    @app.get("/search")
    async def search(session: TenantSession, q: str) -> list[str]:
        found = await (await session.connection()).exec_driver_sql(f"SELECT text FROM note WHERE text LIKE '{q}'")
        return [str(row) for row in found]

    @app.get("/of/{tenant_id}/notes")
    async def of(tenant: CurrentTenant, session: TenantSession) -> list[str]:
        return [tenant.tenant_id, *await session.scalars(select(NOTES.c.text))]

    @app.get("/half")
    async def fail_halfway(session: TenantSession, said: str) -> None:
        await session.execute(NOTES.insert().values(text=said))
        raise ZeroDivisionError

    @app.get("/slow")
    async def never_end(session: TenantSession, said: str) -> None:
        await session.execute(NOTES.insert().values(text=said))
        await session.execute(text("SELECT set_config('mt.tenant', current_setting('mt.tenant'), false), pg_sleep(60)"))

    @app.exception_handler(DBAPIError)
    async def tell(request: Any, error: DBAPIError) -> PlainTextResponse:
        return PlainTextResponse(str(error), 500)  # a service that tells its errors, with all that they hold

    return app


def make_manifest() -> Manifest:
    tenant = "/mt/tenant/{tenant_id}"
    given = FakeService(service_id="notes").manifest(f"http://{DOMAIN}").model_dump(mode="json")
    given["version"] = "2.0"
    given["endpoints"] |= {"users": f"{tenant}/users", "user": f"{tenant}/users/{{user_id}}", "sso": f"{tenant}/sso"}
    kinds = ["SHARED_TABLES", "SCHEMA_PER_TENANT"]
    given["isolation"] = given["isolation"] | {"supported": kinds, "default": kinds[0]}
    return Manifest.model_validate(given)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def target(databases, tell, tmp_path_factory) -> AsyncIterator[Target]:
    app = make_app()
    given = Settings(
        database_url=SecretStr(databases.registry()),
        api_keys=(SecretStr(MARKET["X-Market-API-Key"]),),
        tenant_prefix=f"t{secrets.token_hex(3)}_",
        home=tmp_path_factory.mktemp("home"),
        pools=PoolSettings(connections=4, size=1, registry=1, operations=1, patience=30),
        isolation=IsolationSettings(by_plan={"premium": "SCHEMA_PER_TENANT"}),
        tenant=TenantSettings(domain=DOMAIN, query=True),
        jwt=JwtSettings(issuer=ISSUER, audience=("notes",), secret=SecretStr(SECRET)),
    )
    setup_multi_tenant(app, manifest=make_manifest(), metadata=METADATA, settings=given)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=f"http://{DOMAIN}") as client,
    ):
        target = Target(app, client)
        for tenant_id, plan in PLANS.items():
            await target.join(tenant_id, plan)
        yield target
        tell(f"HTTP: {target.requests} requests")


@dataclass(frozen=True)
class Shot:
    """A request: who sends it, against whom, by which credentials, and what it names where."""

    who: int
    whom: int
    credentials: str
    header: str
    host: str
    query: str
    route: int
    cut_off: int | None


NAMED = st.sampled_from(["nobody", "me", "other", "both"])
SHOTS = st.builds(
    Shot,
    who=st.integers(0, 2),
    whom=st.integers(0, 1),
    credentials=st.sampled_from(
        ["key", "key", "cookie", "token", "none", "key and their cookie", "their token unsigned", "made up"]
    ),
    header=NAMED | st.just("nobody"),
    host=NAMED.filter(lambda name: name != "both") | st.just("nobody"),
    query=NAMED | st.just("nobody"),
    route=st.integers(0, 99),
    cut_off=st.none() | st.none() | st.integers(0, 60),
)


def routes(me: Side, other: Side) -> list[tuple[str, str, Any]]:
    row, mine = other.rows[0], me.marker
    space = "mt_shared"
    injected = [
        f"%' UNION ALL SELECT text FROM {space}.note --",
        "x'; COMMIT; SELECT text FROM note --",
        f"x'; ROLLBACK; SET search_path = {space}; SELECT text FROM note --",
        f"x'; SELECT set_config('mt.tenant', '{other.id}', false); COMMIT; SELECT text FROM {space}.note --",
        f"x'; PREPARE _pg3_0 AS SELECT '{mine}'; SELECT text FROM note --",
        f"x'; DELETE FROM {space}.note; SELECT text FROM note --",
        "x' OR text::int > 0 --",
    ]
    return [
        ("GET", "/notes", None),
        ("GET", f"/notes/{row}", None),
        ("PUT", f"/notes/{row}?said={mine}", None),
        ("DELETE", f"/notes/{row}", None),
        ("POST", "/notes", {"text": mine}),
        ("POST", "/notes", {"text": mine, "tenant_id": other.id}),
        ("POST", "/notes", {"text": mine, "tenant_id": other.id, "id": row}),
        ("POST", "/notes", {"text": mine, "id": row}),
        ("GET", f"/of/{other.id}/notes", None),
        ("GET", f"/of/{me.id}/notes", None),
        ("GET", f"/half?said={mine}", None),
        ("GET", f"/slow?said={mine}", None),
        *(("GET", "/search?" + str(httpx2.QueryParams({"q": q})), None) for q in injected),
    ]


def aim(shot: Shot, me: Side, other: Side) -> tuple[list[tuple[str, str]], str]:
    """Return the headers of the request, and what its query has more."""
    headers = {
        "key": [("Authorization", f"Bearer {me.key}")],
        "cookie": [("Cookie", me.cookie)],
        "token": [("Authorization", f"Bearer {me.token}")],
        "none": [],
        "key and their cookie": [("Authorization", f"Bearer {me.key}"), ("Cookie", f"mt_session={other.id}.guessed")],
        "their token unsigned": [("Authorization", f"Bearer {other.token.rpartition('.')[0]}.{'A' * 43}")],
        "made up": [("Cookie", me.cookie.replace(me.id, other.id, 1))],
    }[shot.credentials]
    names = {"nobody": [], "me": [me.id], "other": [other.id], "both": [me.id, other.id]}
    headers += [("X-Tenant-ID", name) for name in names[shot.header]]
    headers += [("Host", f"{name}.{DOMAIN}") for name in names[shot.host]]
    return headers, "&".join(f"tenant_id={name}" for name in names[shot.query])


async def fire(target: Target, shot: Shot) -> None:
    """Send the request, cut it off if it says so, and look at the answer."""
    me = target.sides[shot.who]
    other = [side for side in target.sides if side is not me][shot.whom]
    known = routes(me, other)
    method, path, body = known[shot.route % len(known)]
    headers, query = aim(shot, me, other)
    path += (("&" if "?" in path else "?") + query) if query else ""
    cut_off = 40 if "/slow" in path and shot.cut_off is None else shot.cut_off
    task = asyncio.create_task(target.call(method, path, json=body, headers=headers))
    if cut_off is not None:
        for _ in range(cut_off):
            await asyncio.sleep(0)
        task.cancel()
    try:
        answer = await task
    except asyncio.CancelledError:
        return
    target.check(me, answer.text + str(answer.headers))
    names = {shot.header, shot.host, shot.query}
    if (
        names & {"other", "both"}
        or shot.credentials in {"none", "their token unsigned", "made up"}
        or f"/of/{other.id}" in path
    ):
        assert answer.status_code in {400, 401, 403}, (shot, answer.status_code, answer.text)


class TestRequests:
    @settings(
        max_examples=settings().max_examples * 6,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(shots=st.lists(SHOTS, min_size=3, max_size=8))
    async def test_reach_their_own_tenant_however_they_are_mixed(self, target, shots):
        for side in target.sides:
            await target.refill(side)

        await asyncio.gather(*(fire(target, shot) for shot in shots))

        attacked = {shot.who for shot in shots}
        for number, side in enumerate(target.sides):
            rows = await target.rows(side)
            assert all(side.marker in row for row in rows)
            if number not in attacked:
                assert len(rows) == 2


class TestMarket:
    """What one tenant is given opens nothing of another's, also where the market's own key is sent with it."""

    async def test_a_cursor_of_one_is_refused_for_another(self, target):
        for side in target.sides:
            page = await target.call("GET", f"/mt/tenant/{side.id}/users?limit=1", headers=MARKET)
            cursor = page.json()["next_cursor"]
            assert cursor
            for other in target.sides:
                path = f"/mt/tenant/{other.id}/users?" + str(httpx2.QueryParams({"limit": 1, "cursor": cursor}))
                answer = await target.call("GET", path, headers=MARKET)
                assert answer.status_code == (200 if other is side else 422)
                target.check(other, answer.text)

    async def test_a_users_id_is_nobody_elsewhere(self, target):
        for side in target.sides:
            for other in target.sides:
                path = f"/mt/tenant/{other.id}/users/{side.user_id}"
                answer = await target.call("PUT", path, json={"role": "teacher"}, headers=MARKET)
                assert answer.status_code == (200 if other is side else 404)
                target.check(other, answer.text)

    async def test_a_link_opens_no_other_tenant(self, target):
        for side in target.sides:
            for other in target.sides:
                launch = await target.call(
                    "POST",
                    f"/mt/tenant/{side.id}/sso",
                    json={"user": {"email": f"u0@{side.marker}.kr"}},
                    headers=MARKET,
                )
                link = launch.json()["launch_url"].replace(f"tenant_id={side.id}", f"tenant_id={other.id}")
                answer = await target.call("GET", link)
                target.client.cookies.clear()
                assert answer.status_code == (303 if other is side else 410), answer.text

    async def test_a_key_of_a_tenant_is_no_key_of_the_market(self, target):
        for side in target.sides:
            for other in target.sides:
                path = f"/mt/tenant/{other.id}/users"
                for headers in ({"X-Market-API-Key": side.key}, {"Authorization": f"Bearer {side.key}"}):
                    assert (await target.call("GET", path, headers=headers)).status_code == 401
