"""``expect …``: what a script holds the service to. One that is not met ends the script."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from mt_paas.simulator.commands.grammar import CommandError, Words, duration_of, value_of
from mt_paas.simulator.commands.registry import Reply, command
from mt_paas.simulator.commands.session import Outcome, Session
from mt_paas.simulator.looking import look

__all__ = ["ExpectationNotMet"]

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_KINDS = (
    "ok",
    "refused [WORD]",
    "http STATUS",
    "status [TENANT] STATE",
    "plan [TENANT] PLAN",
    "answer PATH OPERATOR VALUE",
    "event TYPE [TENANT] [within=10s]",
    "health WORD",
    "no-faults",
)


class ExpectationNotMet(CommandError):
    """Something is not as a script expects it."""


@command("expect " + " | ".join(_KINDS))
async def expect(session: Session, words: Words) -> Reply:
    """Hold the service to something; the last answer, or what it says now."""
    kind = words.word("what")
    check = _CHECKS.get(kind)
    if check is None:
        raise CommandError(f"expect knows {', '.join(_CHECKS)}; not {kind!r}")
    text = await check(session, words)
    words.finish()
    return Reply(text)


async def _ok(session: Session, _: Words) -> str:
    last = _last(session)
    _require(last.is_ok, f"{last.line!r} to work, and it did not: {last.text}")
    return "it worked"


async def _refused(session: Session, words: Words) -> str:
    last, word = _last(session), words.maybe()
    _require(not last.is_ok and last.status is not None, f"{last.line!r} to be refused, and: {last.text}")
    _require(word is None or last.error == word, f"the refusal {word}, and it was {last.error}")
    return f"refused with {last.error}"


async def _http(session: Session, words: Words) -> str:
    last, status = _last(session), words.word("STATUS")
    answered = "200" if last.is_ok else str(last.status)
    _require(answered == status, f"HTTP {status}, and it was {answered}")
    return f"HTTP {answered}"


async def _status(session: Session, words: Words) -> str:
    tenant_id, wanted = _tenant_and_word(session, words, "STATE")
    seen = await look(session.market, session.known(tenant_id))
    _require(seen.status == wanted, f"{tenant_id} to be {wanted}, and the service says {seen.status}")
    return f"{tenant_id} is {seen.status}"


async def _plan(session: Session, words: Words) -> str:
    tenant_id, wanted = _tenant_and_word(session, words, "PLAN")
    seen = await look(session.market, session.known(tenant_id))
    _require(seen.plan == wanted, f"{tenant_id} to be on {wanted}, and the service says {seen.plan}")
    return f"{tenant_id} is on {seen.plan}"


async def _answer(session: Session, words: Words) -> str:
    last, path = _last(session), words.word("PATH")
    sign = words.word("OPERATOR", "!=") if words.positional else "!="
    wanted = value_of(words.rest() or "null")
    if sign not in _COMPARISONS:
        raise CommandError(f"expect answer compares by {' '.join(_COMPARISONS)}, not by {sign!r}")
    value = _at(last.answer, path)
    try:
        holds = _COMPARISONS[sign](value, wanted)
    except TypeError:
        holds = False
    _require(holds, f"{path} {sign} {wanted!r}, and it is {value!r}")
    return f"{path} is {value!r}"


async def _event(session: Session, words: Words) -> str:
    kind, tenant_id = words.word("TYPE"), words.maybe()
    within = duration_of(words.option("within") or "10s")
    event = await session.inbox.wait_for(kind, tenant_id, within)
    return f"{event.type} came"


async def _health(session: Session, words: Words) -> str:
    wanted = words.word("WORD")
    seen = (await session.market.ask("health", lambda client: client.health())).answer.status
    session.health.heard(seen)
    _require(seen == wanted, f"the service to be {wanted}, and it says {seen}")
    return f"the service is {seen}"


async def _no_faults(session: Session, _: Words) -> str:
    many = session.market.faults
    _require(many == 0, f"no faults, and {many} answers were not what the contract says")
    return "every answer was as the contract says"


_CHECKS = {
    "ok": _ok,
    "refused": _refused,
    "http": _http,
    "status": _status,
    "plan": _plan,
    "answer": _answer,
    "event": _event,
    "health": _health,
    "no-faults": _no_faults,
}


def _last(session: Session) -> Outcome:
    if session.last is None:
        raise CommandError("expect is about the command before it, and there is none")
    return session.last


def _tenant_and_word(session: Session, words: Words, what: str) -> tuple[str, str]:
    """Return the tenant, by default the one that was spoken of last, and what is expected of it."""
    first = words.word(what)
    second = words.maybe()
    if second is not None:
        return first, second
    if session.last_tenant is None:
        raise CommandError("expect is about the tenant of a command before it, and there is none; name it")
    return session.last_tenant, first


def _require(holds: object, expected: str) -> None:
    if not holds:
        raise ExpectationNotMet(f"expected {expected}")


def _at(value: Any, path: str) -> Any:
    """Return the member at ``usage.api_calls`` or ``items.0.email``; None where there is none."""
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
