"""Commands about the run itself: knobs, events, waiting, the manifest, help."""

from __future__ import annotations

from mt_paas.errors import ConfigurationError
from mt_paas.simulator.commands.grammar import CommandError, Words, duration_of, number_of
from mt_paas.simulator.commands.registry import COMMANDS, Reply, command
from mt_paas.simulator.commands.session import Session
from mt_paas.standard_api.models import HealthStatus

__all__: list[str] = []

_PATIENCE = 10.0  # seconds, unless a command says otherwise


@command("health")
async def health(session: Session, words: Words) -> Reply:
    """Ask the service how it is."""
    words.finish()
    answer = (await session.market.ask("health", lambda client: client.health())).answer
    session.health.heard(answer.status)
    parts = [f"{name} {part.status}" for name, part in answer.checks.items()]
    return Reply(" · ".join([answer.status, f"version {answer.version}", *parts]), answer.model_dump(mode="json"))


@command("tenants")
async def tenants(session: Session, words: Words) -> Reply:
    """List the tenants of this market."""
    words.finish()
    there = [tenant.as_dict() for tenant in session.market.tenants]
    lines = [f"{each['tenant_id']}  {each['state']}  {each['plan']}" for each in there]
    return Reply("\n".join(lines) or "none yet; try: activate hallym_univ", {"items": there})


@command("events [TENANT]")
async def events(session: Session, words: Words) -> Reply:
    """List the events and reports that came from the service."""
    tenant_id = words.maybe()
    words.finish()
    there = [each for each in session.inbox.received if tenant_id in {None, each.tenant_id}]
    lines = [f"{each.type}  {each.tenant_id or '-'}  {each.data}" for each in there]
    return Reply("\n".join(lines) or "none came", {"items": [each.as_dict() for each in there]})


@command("knobs")
async def knobs(session: Session, words: Words) -> Reply:
    """Show what the market does wrong on purpose."""
    words.finish()
    return Reply(f"{session.market.knobs}  seed={session.market.dice.seed}", session.market.knobs.as_dict())


@command("set KNOB=VALUE …")
async def turn(session: Session, words: Words) -> Reply:
    """Turn knobs: delay (seconds), fail, repeat, disorder (rates from 0 to 1)."""
    changes = {
        name: duration_of(value) if name == "delay" else number_of(name, value) for name, value in words.options.items()
    }
    words.options.clear()
    words.finish()
    if not changes:
        raise CommandError("set takes knobs, such as: set fail=0.2 delay=500ms")
    after = session.market.turn(changes)
    return Reply(str(after), after.as_dict())


@command("wait 2s | wait event TYPE [TENANT] [within=10s] | wait healthy [within=10s]")
async def wait(session: Session, words: Words) -> Reply:
    """Wait for a time, for an event, or until the service is healthy."""
    what = words.word("a time")
    if what == "event":
        kind, tenant_id = words.word("TYPE"), words.maybe()
        within = duration_of(words.option("within") or f"{_PATIENCE:g}s")
        words.finish()
        event = await session.inbox.wait_for(kind, tenant_id, within)
        return Reply(f"{event.type} of {event.tenant_id or 'the service'}", event.as_dict())
    if what == "healthy":
        within = duration_of(words.option("within") or f"{_PATIENCE:g}s")
        words.finish()
        await session.health.wait_until(HealthStatus.HEALTHY, within)
        return Reply("healthy")
    seconds = duration_of(what)
    words.finish()
    await session.market.pause(seconds)
    return Reply(f"waited {seconds:g} s")


@command("reload")
async def reload(session: Session, words: Words) -> Reply:
    """Read the manifest again."""
    words.finish()
    registration = await session.registers()
    await session.market.register(registration)
    if registration.manifest is None:
        raise ConfigurationError("\n".join([registration.trouble, *registration.faults]))
    service = registration.manifest.service
    return Reply(f"{service.id} {service.version}, from {registration.source}")


@command("help [COMMAND]")
async def show_help(session: Session, words: Words) -> Reply:
    """Show the commands that this service offers, or one of them."""
    name = words.maybe()
    words.finish()
    if name is None:
        width = max(len(each.name) for each in session.offered())
        return Reply("\n".join(f"{each.name:<{width}}  {each.summary}" for each in session.offered()))
    found = COMMANDS.get(name)
    if found is None:
        raise CommandError(f"there is no command {name!r}; see: help")
    return Reply(f"{found.usage}\n{found.summary}")
