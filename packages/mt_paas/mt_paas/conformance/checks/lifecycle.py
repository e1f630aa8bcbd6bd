"""The life of a tenant: activation, deactivation, and its return with what it had."""

from __future__ import annotations

from urllib.parse import urlsplit

from mt_paas.conformance.checks._stories import life, repeated, returns
from mt_paas.conformance.expect import Answer, Blocked, password_members, time_of
from mt_paas.conformance.registry import SHOULD, Profile, check
from mt_paas.conformance.trial import Trial
from mt_paas.standard_api.models import ActivateResponse, DeactivateResponse, StatusResponse

__all__ = ["judge_activation", "judge_deactivation"]

_ACTIVATED = "200 `{status: activated, tenant_id, access_url, admin_credentials?}`"
_DEACTIVATED = "200 `{status: deactivated|scheduled, tenant_id, data_preserved, reactivation_deadline}`"
_REACTIVATED = "A deactivated tenant whose data is preserved is *re*activated with its data"
_GONE = "past its deadline, 410 `tenant_purged`"
_NO_PASSWORD = "No password in an answer. `admin_credentials` carries a one-time set-up link"  # noqa: S105 - a rule
_IGNORED = "both sides ignore fields that they do not know: that is how the contract grows"
_PLAN = "body `tenant_id, tenant_name, plan, features[], config{max_users, storage_limit_gb, …}, admin{email, name}`"


def judge_activation(answer: Answer, tenant_id: str) -> None:
    """Raise ``Violation`` unless ``answer`` is that of an activation of ``tenant_id`` that was done."""
    activated = answer.expect(200).model(ActivateResponse, status="activated", tenant_id=tenant_id)
    answer.require(urlsplit(activated.access_url).hostname, "`access_url` names no host")


def judge_deactivation(t: Trial, answer: Answer, *, data_preserved: bool, status: str = "deactivated") -> None:
    """Raise ``Violation`` unless ``answer`` is that of a deactivation that was done, or planned."""
    told = answer.expect(200).model(DeactivateResponse, status=status, data_preserved=data_preserved)
    if data_preserved:
        deadline = told.reactivation_deadline
        answer.require(deadline is not None, "`reactivation_deadline` is missing, and the data are preserved")
        answer.require(deadline is None or deadline > t.now(), "`reactivation_deadline` is over already")


@check("lifecycle.activate", name="Tenant Activation", rule=_ACTIVATED, profile=Profile.CORE)
async def activate(t: Trial) -> None:
    """An activation answers 200 with the tenant and where it is entered."""
    try:
        tenant = await t.shared()
    except Blocked as blocked:
        raise blocked.violation from None
    judge_activation(tenant.answer, tenant.id)


@check("lifecycle.setup_link", rule=_NO_PASSWORD)
async def setup_link_is_good(t: Trial) -> None:
    """The set-up link, where there is one, has not expired yet."""
    tenant = await t.shared()
    credentials = tenant.answer.object().get("admin_credentials")
    if not isinstance(credentials, dict):
        t.skip("the activation answered without admin_credentials, which are optional")
    tenant.answer.model(ActivateResponse)
    if (expires_at := credentials.get("expires_at")) is not None:
        tenant.answer.require(time_of(expires_at) > t.now(), "`admin_credentials.expires_at` is over already")


@check("lifecycle.setup_link_own", rule=_NO_PASSWORD)
async def setup_link_is_its_own(t: Trial) -> None:
    """Each tenant's administrator has a set-up link of their own."""
    links = []
    for tenant in (await t.shared("a"), await t.shared("b")):
        credentials = tenant.answer.object().get("admin_credentials")
        links.append(credentials.get("setup_url") if isinstance(credentials, dict) else None)
    if None in links:
        t.skip("the activation answered without a set-up link, which is optional")
    t.require(links[0] != links[1], "two tenants have the same set-up link")


@check("lifecycle.no_password", rule=_NO_PASSWORD)
async def no_password(t: Trial) -> None:
    """No answer to an activation holds a password."""
    tenant = await t.shared()
    allowed = set() if t.target.is_version_2 else {"admin_credentials.temp_password"}
    found = set(password_members(tenant.answer.object())) - allowed
    tenant.answer.require(not found, f"there is a password in {', '.join(sorted(found))}")


@check("lifecycle.no_temp_password", level=SHOULD, rule=_NO_PASSWORD)
async def no_temp_password(t: Trial) -> None:
    """The administrator gets a set-up link and not a temporary password."""
    tenant = await t.shared()
    found = list(password_members(tenant.answer.object()))
    tenant.answer.require(not found, f"there is a password in {', '.join(found)}")


@check("lifecycle.deactivate", rule=_DEACTIVATED, profile=Profile.CORE)
async def deactivate(t: Trial) -> None:
    """A deactivation answers 200, and from then on the tenant is deactivated."""
    story = await t.story(life)
    tenant_id = story.after("status", "status.shape").object().get("tenant_id")
    answer = story["deactivated"]
    judge_deactivation(t, answer, data_preserved=True)
    answer.model(DeactivateResponse, tenant_id=tenant_id)
    story["status_deactivated"].expect(200).require(
        story["status_deactivated"].object().get("status") == "deactivated", "the tenant is not `deactivated`"
    )


@check("lifecycle.reactivate", rule=_REACTIVATED)
async def reactivate(t: Trial) -> None:
    """A deactivated tenant is active again after an activation."""
    story = await t.story(life)
    story.after("deactivated", "lifecycle.deactivate")
    answer = story["reactivated"]
    judge_activation(answer, answer.expect(200).object().get("tenant_id", ""))
    status = story["status_reactivated"].expect(200)
    status.require(status.object().get("status") == "active", "the reactivated tenant is not `active`")


@check("lifecycle.created_at", rule=_REACTIVATED)
async def created_at_stays(t: Trial) -> None:
    """A tenant that comes back is the old one: its `created_at` is what it was."""
    story = await t.story(life)
    before = story.after("status", "status.shape").object().get("created_at")
    story.after("reactivated", "lifecycle.reactivate")
    status = story["status_reactivated"].expect(200)
    after = status.object().get("created_at")
    status.require(time_of(after) == time_of(before), f"`created_at` was {before!r} and is {after!r}")


@check("lifecycle.erase", rule=_DEACTIVATED)
async def erase(t: Trial) -> None:
    """A deactivation that preserves no data says so, and the tenant is not active then."""
    story = await t.story(life)
    story.after("reactivated", "lifecycle.reactivate")
    judge_deactivation(t, story["erased"], data_preserved=False)
    status = story["status_erased"]
    if status.status == 200:
        status.require(status.object().get("status") == "deactivated", "the tenant is not `deactivated`")
    else:
        status.refuse((404, 410), ("tenant_not_found", "tenant_purged"))


@check("lifecycle.erased_stays_so", rule=_GONE)
async def erased_stays_so(t: Trial) -> None:
    """What was deleted does not come back: 410, or a new tenant."""
    story = await t.story(life)
    before = story.after("status_reactivated", "lifecycle.reactivate").object().get("created_at")
    story.after("erased", "lifecycle.erase")
    answer = story["activated_after_erasing"]
    if answer.status != 200:
        answer.refuse(410, "tenant_purged")
        return
    status = story["status_after_erasing"].expect(200)
    after = status.object().get("created_at")
    status.require(time_of(after) > time_of(before), f"the tenant is the old one: created at {after!r}")


@check("lifecycle.plans", rule=_PLAN)
async def plans(t: Trial) -> None:
    """A tenant is on the plan that it was activated with, and after its return on the one that it came back with."""
    known = t.run.tenants.plans
    if len(known) < 2:
        t.skip("the manifest lists fewer than two plans")
    story = await t.story(returns)
    story.after("activated", "identifiers.shortest")
    story["status"].expect(200).model(StatusResponse, plan=known[-1])
    story.after("past", "scheduling.past")
    judge_activation(story["back"], story["back"].object().get("tenant_id", ""))
    story["status_back"].expect(200).model(StatusResponse, status="active", plan=known[0])


@check("lifecycle.unknown_members", rule=_IGNORED)
async def unknown_members_are_ignored(t: Trial) -> None:
    """Members that the service does not know are ignored."""
    story = await t.story(repeated)
    judge_activation(story["activated"], story["activated"].expect(200).object().get("tenant_id", ""))
    story["deactivated"].expect(200)


@check("lifecycle.optional_members", level=SHOULD, rule="Models are strict about types and values")
async def optional_members(t: Trial) -> None:
    """An activation may leave `features` and `config` out."""
    tenant_id = t.new_id()
    await t.shared()
    body = t.body(tenant_id)
    del body["features"], body["config"]
    (await t.activate(tenant_id, body)).expect(200)
