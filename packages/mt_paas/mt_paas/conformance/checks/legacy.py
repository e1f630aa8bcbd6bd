"""The older auto-provision webhook, where a service still answers it: an activation that reuses a tenant by e-mail."""

from __future__ import annotations

from typing import Any

from mt_paas.conformance.checks.lifecycle import judge_activation
from mt_paas.conformance.expect import Answer, password_members
from mt_paas.conformance.registry import Profile, check
from mt_paas.conformance.story import Story
from mt_paas.conformance.trial import Trial

__all__: list[str] = []

_PATH = "/api/tenant/webhook/auto-provision"
_ACTIVATES = "`POST /api/tenant/webhook/auto-provision` goes to activate (reuse by e-mail)"
_REUSE = (
    "if the admin's e-mail already owns a tenant of this service, that tenant is returned with `reused: true`, and none"
    " is created"
)
_VERIFIED = "Only for an address that the market vouches for (`email_verified: true`, under a valid key)"
_NOT_THERE = frozenset({401, 403, 404, 405, 501})


async def webhook(t: Trial, story: Story) -> None:
    """Tell of an address for which a tenant is asked for three times, the last time without a voucher."""
    email = f"{t.unique('owner-')}@example.org"
    first = await story.step("first", _asked(t, email))
    if first is not None and first.status < 300:
        await story.step("again", _asked(t, email))
        await story.step("unverified", _asked(t, email, is_verified=False))


async def _asked(t: Trial, email: str, *, is_verified: bool = True) -> Answer:
    tenant_id = t.new_id()
    body: dict[str, Any] = t.body(tenant_id)
    del body["admin"]
    body |= {"email": email, "name": "시험 관리자", "email_verified": is_verified}
    answer = await t.send("POST", _PATH, json=body, tolerate=(501,))
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
    """An address that the market does not vouch for gets nobody's tenant."""
    story = await _told(t)
    first = story.after("first", "legacy.webhook").object()
    answer = story["unverified"]
    if answer.status < 300:
        other = answer.object().get("tenant_id") != first.get("tenant_id")
        answer.require(other, "the tenant of an address that nobody vouched for was handed out")
    else:
        answer.refused()
