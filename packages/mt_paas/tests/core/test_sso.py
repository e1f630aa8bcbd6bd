"""Single sign-on: links that work once and for a minute, and the sessions that they begin."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from mt_paas.errors import (
    InvalidApiKey,
    InvalidBody,
    LinkExpired,
    TenantBlocked,
    TenantNotActive,
    UserLimitReached,
    UserNotFound,
)
from mt_paas.standard_api.handler import UserQuery
from mt_paas.standard_api.models import (
    DeactivateReason,
    DeactivateRequest,
    SsoRequest,
    SsoUser,
    SuspendRequest,
    UserCreate,
    UserStatus,
    UserUpdate,
)

HOME = "http://notes.example/prefix"
CLOSING = DeactivateRequest(reason=DeactivateReason.ADMIN_REQUEST, preserve_data=True)


def request(email: str = "kim@hallym.ac.kr", return_to: str | None = None, **facts) -> SsoRequest:
    return SsoRequest(user=SsoUser(email=email, **facts), return_to=return_to)


def link_of(answer) -> tuple[str, str]:
    query = dict(part.split("=") for part in answer.launch_url.partition("?")[2].split("&"))
    return query["tenant_id"], query["token"]


async def log_in(handler, tenant_id: str, **facts):
    answer = await handler.create_sso_link(tenant_id, request(**facts))
    return await handler.sign_on.redeem(*link_of(answer), handler.home_of)


class TestLink:
    async def test_logs_a_new_user_in_who_is_made_and_active(self, handler, tenant_id, clock):
        answer = await handler.create_sso_link(tenant_id, request(name="김하나", role="teacher"))
        assert answer.launch_url.startswith(f"{HOME}/access/sso?")
        assert answer.expires_at == clock() + timedelta(seconds=60)

        came = await handler.sign_on.redeem(*link_of(answer), handler.home_of)

        tenant, user = await handler.sign_on.authenticate(came.cookie)
        assert (tenant.tenant_id, user.email, user.name, user.role) == (
            tenant_id,
            "kim@hallym.ac.kr",
            "김하나",
            "teacher",
        )
        assert (user.status, user.last_active_at) == ("active", clock())
        assert came.location == f"{HOME}/app/{tenant_id}"

    async def test_finds_the_user_who_is_there_in_whatever_letter_case(self, handler, tenant_id):
        there = await handler.create_user(tenant_id, UserCreate(email="Kim@hallym.ac.kr", name="Kim", role="teacher"))

        came = await log_in(handler, tenant_id, name="Another", role="student")

        _, user = await handler.sign_on.authenticate(came.cookie)
        assert (user.id, user.name, user.role) == (there.id, "Kim", "teacher")
        assert (await handler.list_users(tenant_id, UserQuery())).total == 1

    async def test_works_once_also_when_it_is_opened_twice_at_the_same_moment(self, handler, tenant_id):
        answer = await handler.create_sso_link(tenant_id, request())

        ends = await asyncio.gather(
            *(handler.sign_on.redeem(*link_of(answer), handler.home_of) for _ in range(5)), return_exceptions=True
        )

        assert sum(isinstance(end, LinkExpired) for end in ends) == 4

    async def test_ends_after_a_minute(self, handler, tenant_id, clock):
        answer = await handler.create_sso_link(tenant_id, request())
        clock.move(seconds=60)

        with pytest.raises(LinkExpired):
            await handler.sign_on.redeem(*link_of(answer), handler.home_of)

    async def test_is_good_for_its_own_tenant_alone(self, handler, tenant_id, activation):
        await handler.activate_tenant(activation("other_univ"))
        _, token = link_of(await handler.create_sso_link(tenant_id, request()))

        for tenant, secret in (("other_univ", token), (tenant_id, "x"), ("nobody", token), ("\0", token)):
            with pytest.raises(LinkExpired):
                await handler.sign_on.redeem(tenant, secret, handler.home_of)

    async def test_for_a_new_user_beyond_the_limit_is_refused(self, handler, tenant_id):
        for number in range(3):
            await handler.create_user(tenant_id, UserCreate(email=f"u{number}@hallym.ac.kr"))

        with pytest.raises(UserLimitReached):
            await handler.create_sso_link(tenant_id, request())
        assert (await log_in(handler, tenant_id, email="u0@hallym.ac.kr")).cookie

    async def test_the_same_new_user_at_once_is_one(self, handler, tenant_id):
        await asyncio.gather(*(handler.create_sso_link(tenant_id, request()) for _ in range(5)))

        assert (await handler.list_users(tenant_id, UserQuery())).total == 1

    async def test_returns_to_the_services_own_host_alone(self, handler, tenant_id):
        for given, expected in [
            ("/courses/7?a=b#c", f"{HOME}/courses/7?a=b#c"),
            ("http://notes.example/elsewhere", "http://notes.example/elsewhere"),
            ("http://notes.example:80/x", "http://notes.example:80/x"),
        ]:
            assert (await log_in(handler, tenant_id, return_to=given)).location == expected
        for foreign in [
            *("//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example/", "javascript:alert(1)"),
            *("http://notes.example@evil.example/", "http://notes.example.evil.example", "https://notes.example/"),
            *("http://evil.example\\@notes.example/", "http://notes.example:81/", "evil.example", "http://[x/"),
        ]:
            with pytest.raises(InvalidBody):
                await handler.create_sso_link(tenant_id, request(return_to=foreign))

    async def test_is_for_an_open_tenant(self, handler, tenant_id):
        answer = await handler.create_sso_link(tenant_id, request())
        await handler.suspend_tenant(tenant_id, SuspendRequest(reason="unpaid"))

        with pytest.raises(TenantNotActive):
            await handler.create_sso_link(tenant_id, request())
        with pytest.raises(TenantBlocked):
            await handler.sign_on.redeem(*link_of(answer), handler.home_of)

    async def test_tells_nobody_without_one_how_a_tenant_stands(self, handler, tenant_id):
        for close in (
            lambda: handler.suspend_tenant(tenant_id, SuspendRequest(reason="unpaid")),
            lambda: handler.deactivate_tenant(tenant_id, CLOSING),
        ):
            await close()
            for tenant in (tenant_id, "nobody"):
                with pytest.raises(LinkExpired):
                    await handler.sign_on.redeem(tenant, "x", handler.home_of)
                with pytest.raises(InvalidApiKey):
                    await handler.sign_on.authenticate(f"{tenant}.x")


class TestSession:
    async def test_ends_with_its_time(self, handler, tenant_id, clock):
        came = await log_in(handler, tenant_id)
        clock.move(hours=12)

        with pytest.raises(InvalidApiKey):
            await handler.sign_on.authenticate(came.cookie)

    async def test_ends_when_the_user_logs_out_is_disabled_or_removed(self, handler, tenant_id):
        cookies = [(await log_in(handler, tenant_id, email=f"u{number}@x.kr")).cookie for number in range(3)]
        users = sorted((await handler.list_users(tenant_id, UserQuery())).items, key=lambda user: user.email)
        pending = await handler.create_sso_link(tenant_id, request(email="u1@x.kr"))

        await handler.sign_on.log_out(cookies[0])
        await handler.update_user(tenant_id, users[1].id, UserUpdate(status=UserStatus.DISABLED))
        await handler.delete_user(tenant_id, users[2].id)

        for cookie in cookies:
            with pytest.raises(InvalidApiKey):
                await handler.sign_on.authenticate(cookie)
        with pytest.raises(LinkExpired):
            await handler.sign_on.redeem(*link_of(pending), handler.home_of)
        with pytest.raises(UserNotFound):
            await handler.create_sso_link(tenant_id, request(email="u1@x.kr"))

    async def test_opens_nothing_while_the_tenant_is_closed(self, handler, tenant_id, activation):
        came = await log_in(handler, tenant_id)
        await handler.suspend_tenant(tenant_id, SuspendRequest(reason="unpaid"))
        with pytest.raises(TenantBlocked):
            await handler.sign_on.authenticate(came.cookie)
        await handler.deactivate_tenant(tenant_id, CLOSING)
        with pytest.raises(InvalidApiKey):
            await handler.sign_on.authenticate(came.cookie)

        await handler.activate_tenant(activation())
        assert (await handler.sign_on.authenticate(came.cookie))[1].email == "kim@hallym.ac.kr"

    async def test_ends_when_the_user_logs_out_while_the_tenant_is_closed(self, handler, tenant_id, activation):
        cookies = [(await log_in(handler, tenant_id, email=f"u{number}@x.kr")).cookie for number in range(3)]
        await handler.suspend_tenant(tenant_id, SuspendRequest(reason="unpaid"))
        await handler.sign_on.log_out(cookies[0])
        await handler.deactivate_tenant(tenant_id, CLOSING)
        await handler.sign_on.log_out(cookies[1])

        await handler.activate_tenant(activation())

        for cookie in cookies[:2]:
            with pytest.raises(InvalidApiKey):
                await handler.sign_on.authenticate(cookie)
        assert (await handler.sign_on.authenticate(cookies[2]))[1].email == "u2@x.kr"

    async def test_of_a_purged_tenant_can_be_logged_out_of(self, handler, tenant_id):
        came = await log_in(handler, tenant_id)
        await handler.deactivate_tenant(tenant_id, CLOSING.model_copy(update={"preserve_data": False}))

        await handler.sign_on.log_out(came.cookie)

    async def test_a_made_up_one_is_nobodys(self, handler, tenant_id):
        await log_in(handler, tenant_id)

        for cookie in ("", "x", f"{tenant_id}.x", f"{tenant_id}.", "nobody.x", "\0.x"):
            with pytest.raises(InvalidApiKey):
                await handler.sign_on.authenticate(cookie)

    async def test_is_kept_as_a_digest_and_shows_nowhere(self, handler, tenant_id, tenants):
        answer = await handler.create_sso_link(tenant_id, request())
        came = await handler.sign_on.redeem(*link_of(answer), handler.home_of)

        stored = await tenants.ask(tenant_id, "SELECT string_agg(s::text, '') FROM mt_session s")
        assert came.cookie.partition(".")[2] not in stored + repr(came)

    async def test_shows_when_the_user_was_at_work(self, handler, tenant_id, clock):
        came = await log_in(handler, tenant_id)
        clock.move(minutes=6)

        await handler.sign_on.authenticate(came.cookie)

        assert (await handler.list_users(tenant_id, UserQuery())).items[0].last_active_at == clock()
