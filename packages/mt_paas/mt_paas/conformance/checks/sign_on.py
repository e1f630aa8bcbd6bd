"""Getting in: credentials that are renewed, and links for single sign-on that work once."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from mt_paas.conformance.checks._links import altered, follow_link
from mt_paas.conformance.checks._people import new_user
from mt_paas.conformance.expect import Answer, password_members, time_of
from mt_paas.conformance.registry import SHOULD, Phase, check, endpoint
from mt_paas.conformance.tenants import Tenant
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import SsoResponse

__all__: list[str] = []

_CREDENTIALS = [endpoint("credentials_rotate")]
_ROTATED = "`POST …/credentials/rotate`: new admin credentials; the old ones end"
_SSO = [endpoint("sso")]
_LAUNCH = "`{launch_url}`: a one-time, 60-second link that logs the user in"
_LIFETIME = 60  # seconds
_ELSEWHERE = "elsewhere.mtpaas-test.example"


async def _rotated(t: Trial, tenant: Tenant) -> str:
    answer = (await t.call("POST", "credentials_rotate", tenant)).expect(200)
    members = answer.object()
    answer.require(not list(password_members(members)), "a password is in the answer; credentials are a link")
    credentials = members.get("admin_credentials", members)
    link = credentials.get("setup_url") if isinstance(credentials, dict) else None
    if not isinstance(link, str) or not link.startswith(("http://", "https://")):
        answer.fail(f"admin_credentials.setup_url is {link!r}, no link")
    if (end := credentials.get("expires_at")) is not None:
        answer.require(time_of(end) > t.now(), f"the new credentials have expired already ({end})")
    return link


@check("credentials.rotate", needs=_CREDENTIALS, rule=_ROTATED)
async def new_credentials_are_new(t: Trial) -> None:
    """New credentials come as a new link each time, and never as a password."""
    async with t.lent() as tenant:
        activated = tenant.answer.object().get("admin_credentials")
        links = [activated.get("setup_url")] if isinstance(activated, dict) else []
        links += [await _rotated(t, tenant), await _rotated(t, tenant)]
        t.require(len(set(links)) == len(links), "new credentials have an old link")


@check("credentials.old_end", needs=_CREDENTIALS, rule=_ROTATED)
async def old_credentials_end(t: Trial) -> None:
    """The old set-up link works no more once there are new credentials."""
    async with t.lent() as tenant:
        old = await _rotated(t, tenant)
        new = await _rotated(t, tenant)
        ended = await follow_link(t, old)
        if ended.status < 400:
            nonsense = await follow_link(t, altered(old))
            if nonsense.status < 400 and nonsense.body == ended.body:
                t.skip(
                    "the page of a set-up link answers the same whatever the link: it can not be judged from outside"
                )
            ended.fail("the old set-up link still works")
        works = await follow_link(t, new)
        works.require(works.status < 400, "the new set-up link does not work")


def _wish(t: Trial, **changes: Any) -> dict[str, Any]:
    user = {"email": f"{t.unique('sso-')}@mtpaas-test.example", "name": "Kim Hana", "role": "member"}
    return {"user": user, "return_to": "/", **changes}


async def _link(t: Trial, tenant: Tenant, **changes: Any) -> tuple[Answer, SsoResponse]:
    answer = (await t.call("POST", "sso", tenant, json=_wish(t, **changes))).expect(200)
    return answer, answer.model(SsoResponse)


def _lets_in(answer: Answer, first: Answer | None = None) -> bool:
    """Return whether following the link got somebody in: not where it leads to another place than the first time."""
    if answer.status >= 400:
        return False
    if first is None or answer.status < 300:
        return True
    return "set-cookie" in answer.headers or answer.headers.get("location") == first.headers.get("location")


@check("sso.once", needs=_SSO, rule=_LAUNCH)
async def a_link_works_once(t: Trial) -> None:
    """A link logs in once; the second time it is refused."""
    _, link = await _link(t, await t.shared())
    first = await follow_link(t, link.launch_url)
    first.require(_lets_in(first), "the link does not work")
    second = await follow_link(t, link.launch_url)
    second.require(not _lets_in(second, first), "the link works a second time")


@check("sso.at_once", needs=_SSO, rule=_LAUNCH)
async def a_link_works_once_also_at_once(t: Trial) -> None:
    """Of several who follow one link at once, one gets in."""
    _, link = await _link(t, await t.shared())
    answers = await asyncio.gather(*(follow_link(t, link.launch_url) for _ in range(4)))
    entered = [answer for answer in answers if _lets_in(answer)]
    with_session = [answer for answer in entered if "set-cookie" in answer.headers] or entered
    answers[0].require(len(with_session) == 1, f"{len(with_session)} of 4 got in by one link")


@check("sso.links", needs=_SSO, rule=_LAUNCH)
async def each_call_has_its_link(t: Trial) -> None:
    """Each call has a link of its own, which expires within a minute; a made-up one lets nobody in."""
    tenant = await t.shared()
    (answer, one), (_, other) = await _link(t, tenant), await _link(t, tenant)
    answer.require(one.launch_url != other.launch_url, "two calls were answered with the same link")
    if one.expires_at is not None:
        ahead = one.expires_at - t.now()
        answer.require(timedelta() < ahead, "the link has expired already (`expires_at`)")
        answer.require(ahead <= timedelta(seconds=_LIFETIME + 5), f"the link works for {ahead.total_seconds():.0f} s")
    made_up = await follow_link(t, altered(one.launch_url))
    made_up.require(not ("set-cookie" in made_up.headers and made_up.status < 400), "a made-up link lets in")


@check("sso.return_to", needs=_SSO, rule="`POST …/sso {user{email, name, role}, return_to}`")
async def nobody_is_sent_elsewhere(t: Trial) -> None:
    """A return_to on a foreign host is refused, or not followed: the link must not lead people elsewhere."""
    tenant, here = await t.shared("b"), urlsplit(t.target.url)
    wish = _wish(t)
    for target in (
        *(f"https://{_ELSEWHERE}/", f"https:{_ELSEWHERE}", f"//{_ELSEWHERE}/", f"///{_ELSEWHERE}/", "data:text/html,x"),
        *(f"/\\{_ELSEWHERE}/", f"/\t/{_ELSEWHERE}/", "javascript:alert(1)"),
        *(f"{t.target.url}.{_ELSEWHERE}/", f"{here.scheme}://{here.netloc}@{_ELSEWHERE}/"),
    ):
        answer = await t.call("POST", "sso", tenant, json=wish | {"return_to": target})
        if answer.status == 200:
            entered = await follow_link(t, answer.model(SsoResponse).launch_url)
            where = entered.headers.get("location", "")
            entered.require(not _leads_away(where), f"the link leads to {where}")
        else:
            answer.refused()


def _leads_away(where: str) -> bool:
    """Return whether a browser that is sent to ``where`` leaves the service, as browsers read it (WHATWG URL)."""
    read = re.sub(r"[\t\r\n]", "", where).strip().replace("\\", "/")
    if read.lower().startswith(("javascript:", "data:")):
        return True
    parts = urlsplit(re.sub(r"^(https?:)?/*(?=[^/])", r"\1//", read) if re.match(r"https?:|//", read) else read)
    return (parts.hostname or "").endswith(_ELSEWHERE)


@check("sso.return_to_kept", level=SHOULD, needs=_SSO, rule="`POST …/sso {user{email, name, role}, return_to}`")
async def people_come_to_where_they_wanted(t: Trial) -> None:
    """Who follows the link is sent to the path of return_to."""
    path = "/conformance/7"
    _, link = await _link(t, await t.shared(), return_to=path)
    entered = await follow_link(t, link.launch_url)
    where = entered.headers.get("location", "")
    if not 300 <= entered.status < 400:
        t.skip("the link does not redirect: where it leads can not be judged from outside")
    entered.require(path in unquote(where), f"the link leads to {where}, and return_to was {path}")


@check("sso.deactivated", needs=_SSO, rule="a deactivated tenant does not work: a scheduled one does until its time")
async def a_deactivated_tenant_lets_nobody_in(t: Trial) -> None:
    """Nobody gets into a deactivated tenant by a link, neither by a new one nor by one from before."""
    async with t.lent() as tenant:
        _, before = await _link(t, tenant)
        (await t.deactivate(tenant)).expect(200)
        answers = [await follow_link(t, before.launch_url)]
        new = await t.call("POST", "sso", tenant, json=_wish(t))
        if new.status == 200:
            answers.append(await follow_link(t, new.model(SsoResponse).launch_url))
        else:
            new.refused()
        for answer in answers:
            shut = answer.status >= 400 or (300 <= answer.status < 400 and "set-cookie" not in answer.headers)
            answer.require(shut, "a user got into a deactivated tenant")
        (await t.activate(tenant)).expect(200)


@check("sso.disabled", level=SHOULD, needs=[*_SSO, endpoint("user")], rule="`status: active|invited|disabled`")
async def a_disabled_user_is_not_let_in(t: Trial) -> None:
    """A user who is disabled does not get in by a link."""
    tenant = await t.shared("b")
    user = await new_user(t, tenant)
    (await t.call("PUT", "user", tenant, user_id=user["id"], json={"status": "disabled"})).expect(200)
    wish = _wish(t, user={"email": user["email"], "name": user["name"], "role": user["role"]})
    answer = await t.call("POST", "sso", tenant, json=wish)
    if answer.status == 200:
        entered = await follow_link(t, answer.model(SsoResponse).launch_url)
        entered.require("set-cookie" not in entered.headers or entered.status >= 400, "a disabled user got in")
    else:
        answer.refused()


@check("sso.invalid_body", needs=_SSO, rule="A body that is not valid: 422 `invalid_body`")
async def nobody_is_logged_in_without_an_address(t: Trial) -> None:
    """A call that does not say who is to be logged in is refused."""
    tenant = await t.shared()
    bodies: tuple[Any, ...] = (
        {},
        {"user": {}},
        {"user": {"name": "Kim"}},
        {"user": {"email": "no-address"}},
        {"user": 7},
        [],
    )
    for body in bodies:
        (await t.call("POST", "sso", tenant, json=body)).refuse(422, "invalid_body")


@check("sso.expires", needs=_SSO, rule=_LAUNCH, phase=Phase.EARLY)
async def a_link_expires(t: Trial) -> None:
    """A link that nobody followed for a minute is refused."""
    if not t.run.is_slow:
        t.skip("takes a minute: run with --slow")
    _, link = await _link(t, await t.shared())
    await asyncio.sleep(_LIFETIME + 2)
    late = await follow_link(t, link.launch_url)
    late.require(
        not _lets_in(late) or (300 <= late.status < 400 and "set-cookie" not in late.headers), "it still works"
    )
