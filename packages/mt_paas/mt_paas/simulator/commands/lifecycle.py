"""Commands for the life of a tenant: version 1, and the extensions that change its state."""

from __future__ import annotations

import re
from typing import Any

from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import ServiceRefused
from mt_paas.simulator import steps
from mt_paas.simulator.commands.grammar import CommandError, Words, checked, moment_of, value_of
from mt_paas.simulator.commands.registry import IN, Reply, command
from mt_paas.simulator.commands.session import Session
from mt_paas.simulator.looking import look
from mt_paas.simulator.tenants import SimulatedTenant
from mt_paas.standard_api.models import (
    TENANT_ID_PATTERN,
    ActivateRequest,
    DeactivateReason,
    PlanChangeRequest,
    StatusResponse,
    TenantState,
)

__all__: list[str] = []

_ADMIN = {"email": "admin@example.com", "name": "Admin"}


@command("activate TENANT [PLAN] [name=…] [email=…] [features=a,b] [max_users=…] [any_config=…]", states=IN.any)
async def activate(session: Session, words: Words) -> Reply:
    """Have a tenant made; the same line again is the same request."""
    market = session.market
    tenant_id = _tenant_id(words)
    known = market.tenants.get(tenant_id)
    request = _request(session, tenant_id, known, words)
    tenant = known or market.tenants.add(SimulatedTenant(tenant_id, request))
    answer = await steps.activate(market, tenant, request)
    links = {"set-up link": tenant.setup_url} if tenant.setup_url else {}
    return Reply(f"activated, {answer.access_url}", answer.model_dump(mode="json", exclude_none=True), links)


@command("reactivate TENANT", states=IN.closed)
async def reactivate(session: Session, words: Words) -> Reply:
    """Bring a deactivated tenant back with its data, as it was."""
    tenant = session.known(words.word("TENANT"))
    words.finish()
    answer = await steps.activate(session.market, tenant, tenant.request)
    return Reply(f"activated again, {answer.access_url}", answer.model_dump(mode="json", exclude_none=True))


@command("deactivate TENANT [reason=admin_request] [keep=yes] [at=+1h]", states=IN.open)
async def deactivate(session: Session, words: Words) -> Reply:
    """Close a tenant; keep=no deletes its data, at= does it later."""
    tenant = session.known(words.word("TENANT"))
    why = words.option("reason") or DeactivateReason.ADMIN_REQUEST
    if why not in set(DeactivateReason):
        raise CommandError(f"reason is one of {', '.join(DeactivateReason)}, not {why!r}")
    at, keep = words.option("at"), words.flag("keep", default=True)
    moment = None if at is None else moment_of(at, session.market.clock())
    words.finish()
    answer = await steps.deactivate(session.market, tenant, why=DeactivateReason(why), keep=keep, at=moment)
    text = f"{answer.status}, data {'kept' if answer.data_preserved else 'not kept'}"
    if answer.reactivation_deadline is not None:
        text += f" until {answer.reactivation_deadline:%Y-%m-%d %H:%M} UTC"
    return Reply(text, answer.model_dump(mode="json", exclude_none=True))


@command("status TENANT", states=IN.any)
async def status(session: Session, words: Words) -> Reply:
    """Ask the service how a tenant is; one that this market does not know is taken over."""
    tenant_id = _tenant_id(words)
    words.finish()
    tenant = session.market.tenants.get(tenant_id)
    if tenant is None:
        return await _taken_over(session, tenant_id)
    seen = await look(session.market, tenant)
    drift = f"; this market believes it is {tenant.state}" if tenant.is_drifting else ""
    return Reply(_told(seen) + drift, seen.model_dump(mode="json"))


@command("suspend TENANT [REASON]", needs="suspend", states=IN.active)
async def suspend(session: Session, words: Words) -> Reply:
    """Block a tenant for its users; its data stay."""
    tenant, why = session.known(words.word("TENANT")), words.rest() or "payment_overdue"
    words.finish()
    answer = await steps.suspend(session.market, tenant, why)
    return Reply(answer.status, answer.model_dump(mode="json"))


@command("resume TENANT", needs="resume", states=IN.suspended)
async def resume(session: Session, words: Words) -> Reply:
    """Open a suspended tenant again."""
    tenant = session.known(words.word("TENANT"))
    words.finish()
    answer = await steps.resume(session.market, tenant)
    return Reply(answer.status, answer.model_dump(mode="json"))


@command("plan TENANT PLAN [features=a,b] [max_users=…] [any_config=…]", needs="plan_change", states=IN.active)
async def plan(session: Session, words: Words) -> Reply:
    """Put a tenant on another plan."""
    tenant, name = session.known(words.word("TENANT")), words.word("PLAN")
    request = checked(
        PlanChangeRequest,
        {"plan": name, "features": _features(session, words, name), "config": _config(words, {})},
    )
    words.finish()
    answer = await steps.change_plan(session.market, tenant, request)
    return Reply(f"on the plan {answer.plan}", answer.model_dump(mode="json"))


@command("purge TENANT", states=IN.gone)
async def purge(session: Session, words: Words) -> Reply:
    """Delete a tenant's data for good: by DELETE where the manifest declares it, else by deactivate."""
    tenant = session.known(words.word("TENANT"))
    words.finish()
    if not session.market.manifest.declares("purge"):
        if tenant.state in IN.gone:
            answer = await steps.delete(session.market, tenant)
        else:
            answer = await steps.deactivate(session.market, tenant, why=DeactivateReason.ADMIN_REQUEST, keep=False)
        return Reply(
            "purged, by deactivate with preserve_data false", answer.model_dump(mode="json", exclude_none=True)
        )
    receipt = await steps.purge(session.market, tenant)
    return Reply(f"purged at {receipt.purged_at:%Y-%m-%d %H:%M:%S} UTC", receipt.model_dump(mode="json"))


@command("clean")
async def clean(session: Session, words: Words) -> Reply:
    """Remove every tenant of this run from the service, with its data."""
    words.finish()
    left = session.market.tenants.left
    for tenant in left:
        async with session.market.locks[tenant.tenant_id]:
            await _remove(session, tenant)
    return Reply(f"{len(left)} removed" if left else "nothing to remove")


async def _remove(session: Session, tenant: SimulatedTenant) -> None:
    market = session.market
    try:
        if tenant.state not in IN.gone:
            await steps.deactivate(market, tenant, why=DeactivateReason.ADMIN_REQUEST, keep=False)
        elif market.manifest.declares("purge"):
            await steps.purge(market, tenant)
        else:
            await steps.delete(market, tenant)
    except ServiceRefused as error:
        if error.status not in {404, 410}:
            raise
        market.tenants.adopt(tenant, TenantStatus.PURGED)  # what failed half-way never came to be


async def _taken_over(session: Session, tenant_id: str) -> Reply:
    """Ask for a tenant that this market does not know, and take it into the market if the service has it."""
    market = session.market
    seen = (await market.ask("status", lambda client: client.status(tenant_id), tenant_id)).answer
    request = ActivateRequest.model_validate(
        {"tenant_id": tenant_id, "tenant_name": tenant_id, "plan": seen.plan, "admin": _ADMIN}
    )
    tenant = market.tenants.add(SimulatedTenant(tenant_id, request, seen=seen))
    market.tenants.adopt(tenant, _STATES[seen.status])
    return Reply(f"{_told(seen)}; taken over from the service", seen.model_dump(mode="json"))


_STATES = {
    TenantState.ACTIVE: TenantStatus.ACTIVE,
    TenantState.SUSPENDED: TenantStatus.SUSPENDED,
    TenantState.DEACTIVATED: TenantStatus.DEACTIVATED,
}


def _tenant_id(words: Words) -> str:
    tenant_id = words.word("TENANT")
    if not re.fullmatch(TENANT_ID_PATTERN.strip("^$"), tenant_id):
        raise CommandError(
            f"{tenant_id!r} is no tenant id: 3 to 63 of a-z, 0-9, _ and -, beginning and ending with a letter or digit"
        )
    return tenant_id


def _request(session: Session, tenant_id: str, known: SimulatedTenant | None, words: Words) -> ActivateRequest:
    """Return the activation that the words mean; what they leave open is as it was, or made up."""
    before = known.request if known else None
    plans = session.market.manifest.plan_names
    plan = words.maybe() or (before.plan if before else plans[0] if plans else "basic")
    if words.positional:
        raise CommandError(f"activate does not take {words.positional[0]!r}; a name with blanks stands in quotes")
    admin = before.admin.model_dump() if before else dict(_ADMIN)
    admin |= {"email": words.option("email") or admin["email"], "name": words.option("admin") or admin["name"]}
    name = words.option("name") or (before.tenant_name if before else tenant_id)
    kept = before is not None and before.plan == plan and "features" not in words.options
    features = list(before.features) if before and kept else _features(session, words, plan)
    config = _config(words, before.config.model_dump(exclude_none=True) if before else {})
    return checked(
        ActivateRequest,
        {
            "tenant_id": tenant_id,
            "tenant_name": name,
            "plan": plan,
            "features": features,
            "config": config,
            "admin": admin,
        },
    )


def _features(session: Session, words: Words, plan: str) -> list[str]:
    given = words.option("features")
    if given is None:
        return list(session.market.manifest.features_of(plan))
    return [feature for feature in given.split(",") if feature]


def _config(words: Words, before: dict[str, Any]) -> dict[str, Any]:
    given = {name: value_of(value) for name, value in words.options.items()}
    words.options.clear()
    return before | given


def _told(seen: StatusResponse) -> str:
    limit = "" if seen.storage.limit_gb is None else f" of {seen.storage.limit_gb:g}"
    return (
        f"{seen.status} · {seen.plan} · users {seen.users.total}, today {seen.users.active_today} · "
        f"{round(seen.storage.used_gb, 3):g}{limit} GB"
    )
