"""The older auto-provision webhook, where a service still answers it: an activation that reuses a tenant by e-mail."""

from __future__ import annotations

from typing import Any

from mt_paas.conformance.checks._stories import ABSENT, TELLING_KEYS, wrong_keys
from mt_paas.conformance.checks.lifecycle import judge_activation
from mt_paas.conformance.expect import Answer, Violation, password_members
from mt_paas.conformance.registry import Profile, check, version_2
from mt_paas.conformance.story import Story
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import Stats

__all__: list[str] = []

_PATH = "/api/tenant/webhook/auto-provision"
_ACTIVATES = "`POST /api/tenant/webhook/auto-provision` goes to activate (reuse by e-mail)"
_REUSE = (
    "if the admin's e-mail already owns a tenant of this service, that tenant is returned with `reused: true`, and none"
    " is created"
)
_VERIFIED = "Only for an address that the market vouches for (`email_verified: true`, under a valid key)"
_DEPRECATED = '`Deprecation` and `Link: <…>; rel="successor-version"` headers'
#: What vouches for no address: see ``legacy.unverified``.
_NO_VOUCHERS: dict[str, Any] = {"unverified": False, "unsaid": ABSENT, "said in a word": "true", "said as a number": 1}
_TAKEN = "the id of somebody's tenant"
#: The older addresses of a tenant, and where they lead.
_ALIASES = {
    "/api/tenant/stats/{}": ("stats", {}),
    "/api/tenant/users/{}": ("users", {}),
    "/api/tenant/courses/{}": ("resources", {"type": "course"}),
    "/api/tenant/discussions/{}": ("resources", {"type": "discussion"}),
}
_NOT_THERE = frozenset({401, 403, 404, 405, 501})


async def webhook(t: Trial, story: Story) -> None:
    """Tell of an address for which a tenant is asked for three times, the last time without a voucher."""
    email = f"{t.unique('owner-')}@example.org"
    first = await story.step("first", _asked(t, email))
    if first is not None and first.status < 300:
        await story.step("again", _asked(t, email))
        for name, voucher in _NO_VOUCHERS.items():
            await story.step(name, _asked(t, email, voucher=voucher))
        for what, key in _keys(t).items():
            await story.step(what, _asked(t, email, key=key))
        owned, stranger = first.object().get("tenant_id"), f"{t.unique('stranger-')}@example.org"
        await story.step(_TAKEN, _asked(t, stranger, tenant_id=owned if isinstance(owned, str) else ""))


def _keys(t: Trial) -> dict[str, str | None]:
    return {what: key for what, key in wrong_keys(t.run.key).items() if what in TELLING_KEYS}


async def _asked(t: Trial, email: str, *, voucher: Any = True, key: str | None = "", tenant_id: str = "") -> Answer:
    tenant_id = tenant_id or t.new_id()
    body: dict[str, Any] = t.body(tenant_id)
    del body["admin"]
    body |= {"email": email, "name": "시험 관리자"} | ({} if voucher is ABSENT else {"email_verified": voucher})
    answer = await t.send("POST", _PATH, json=body, key=key, tolerate=(501,))
    if answer.status == 202 and t.target.has_capability("async_operations"):
        answer = await t.ended(answer)
    if answer.status < 300:
        made = answer.object().get("tenant_id")
        t.run.tenants.remember(made if isinstance(made, str) and made else tenant_id)
    return answer


async def _told(t: Trial) -> Story:
    story = await t.story(webhook)
    if story["first"].status in _NOT_THERE:
        t.skip("the service does not offer the older auto-provision webhook, which is optional")
    return story


@check("legacy.webhook", name="Webhook Basic", rule=_ACTIVATES, profile=Profile.CORE)
async def webhook_activates(t: Trial) -> None:
    """The auto-provision webhook answers as an activation does."""
    story = await _told(t)
    answer = story["first"].expect(200, 201)
    tenant_id = answer.object().get("tenant_id")
    if not isinstance(tenant_id, str):
        answer.fail("`tenant_id` is missing")
    if answer.status == 200:
        judge_activation(answer, tenant_id)


@check("legacy.reuse", name="Tenant Reuse", rule=_REUSE, profile=Profile.CORE)
async def tenant_is_reused(t: Trial) -> None:
    """An address that owns a tenant gets that one, and no other is made."""
    story = await _told(t)
    first = story.after("first", "legacy.webhook").object()
    answer = story["again"].expect(200)
    told = answer.object()
    answer.require(told.get("tenant_id") == first.get("tenant_id"), f"another tenant: {told.get('tenant_id')!r}")
    answer.require(told.get("reused") is True, f"`reused` is {told.get('reused')!r}, expected true")


@check("legacy.no_password", rule="No password in an answer")
async def webhook_answers_no_password(t: Trial) -> None:
    """No answer of the webhook holds a password."""
    story = await _told(t)
    answer = story.after("first", "legacy.webhook")
    allowed = set() if t.target.is_version_2 else {"admin_credentials.temp_password"}
    found = set(password_members(answer.object())) - allowed
    answer.require(not found, f"there is a password in {', '.join(sorted(found))}")


@check("legacy.unverified", rule=_VERIFIED)
async def address_must_be_verified(t: Trial) -> None:
    """An address gets nobody else's tenant: not unless the market vouches for it, and not by naming the tenant."""
    story = await _told(t)
    first = story.after("first", "legacy.webhook").object()
    for name in (*_NO_VOUCHERS, _TAKEN):
        answer = story[name]
        if answer.status < 300:
            other = answer.object().get("tenant_id") != first.get("tenant_id")
            answer.require(other, "the tenant of an address that nobody vouched for was handed out")
        else:
            answer.refused()


@check("legacy.key", rule=f"{_VERIFIED}. Missing or wrong key: 401 `invalid_api_key`")
async def webhook_needs_the_key(t: Trial) -> None:
    """The webhook makes and tells nothing without the key."""
    story = await _told(t)
    story.after("first", "legacy.webhook")
    for what in _keys(t):
        if story[what].status != 401:
            story[what].fail(f"expected 401 invalid_api_key for {what}")
        story[what].refuse(401, "invalid_api_key")


@check("legacy.alias_keys", rule="Every call but health carries the market's key")
async def older_addresses_need_the_key(t: Trial) -> None:
    """The older addresses of a tenant tell nothing without the key."""
    for path, _, _ in await _aliases(t):
        for what, key in _keys(t).items():
            answer = await t.send("GET", path, key=key)
            answer.require(answer.status >= 400, f"expected 401 invalid_api_key for {what}")


@check("legacy.successors", needs=[version_2], rule=f"They … answer with {_DEPRECATED}")
async def older_addresses_name_their_successors(t: Trial) -> None:
    """An older address says that it is deprecated, and what comes after it."""
    for path, _, _ in await _aliases(t):
        answer = await t.send("GET", path)
        answer.require(answer.headers.get("deprecation"), "it has no header Deprecation")
        link = answer.headers.get("link", "")
        answer.require("successor-version" in link and "<" in link, f"Link is {link!r}, and names no successor")


@check("legacy.same_answer", needs=[version_2], rule="`GET /api/tenant/courses/{id}` goes to …/resources?type=course")
async def older_addresses_answer_as_their_successors(t: Trial) -> None:
    """An older address answers with what its successor answers."""
    tenant = await t.shared("b")
    for path, endpoint, query in await _aliases(t):
        if not t.target.declares(endpoint):
            continue
        if endpoint == "stats":
            (await t.send("GET", path)).expect(200).model(Stats, tenant_id=tenant.id)
            continue
        old = (await t.send("GET", path, query={"limit": "500"})).expect(200)
        new = (await t.call("GET", endpoint, tenant, query={**query, "limit": "500"})).expect(200)
        kinds = [{each.get("type") for each in answer.object().get("items") or ()} for answer in (old, new)]
        old.require(kinds[0] == kinds[1], f"it brings the types {kinds[0]}, its successor {kinds[1]}")


async def _aliases(t: Trial) -> list[tuple[str, str, dict[str, str]]]:
    """Return the older addresses of a tenant that the service answers; skip when there is none."""
    tenant = await t.shared("b")
    there = []
    for path, (endpoint, query) in _ALIASES.items():
        answer = await t.send("GET", path.format(tenant.id), tolerate=(501,))
        if answer.status < 300 and isinstance(_members(answer), dict):
            there.append((path.format(tenant.id), endpoint, query))
    if not there:
        t.skip("the service does not offer the older addresses, which are optional")
    return there


def _members(answer: Answer) -> Any:
    try:
        return answer.json()
    except Violation:
        return None
