"""Runs the checks against one service: a few at once, each with a verdict, and cleans up whatever happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mt_paas.conformance.evidence import Exchange, Mask
from mt_paas.conformance.expect import Blocked, Inapplicable, Violation, error_word
from mt_paas.conformance.finding import found_document
from mt_paas.conformance.greeting import greet, nobody
from mt_paas.conformance.registry import Check, Level, Phase, Profile, chosen
from mt_paas.conformance.results import CheckResult, Report, Status
from mt_paas.conformance.service import Service, Unreachable
from mt_paas.conformance.target import Document, target_of
from mt_paas.conformance.tenants import Tenants
from mt_paas.conformance.trial import Run, Trial
from mt_paas.errors import ConfigurationError

__all__ = ["run"]

_AT_ONCE = 8
_ACTIVATION = "lifecycle.activate"
_PAUSE = 0.1  # seconds between two looks at a service that does not answer yet
_EVIDENCE = 5  # exchanges that a failed check shows


@dataclass(slots=True)
class _Verdict:
    check: Check
    status: Status
    message: str = ""
    duration_ms: float | None = None
    trial: Trial | None = None
    violation: Violation | None = None
    needed: str = ""


@dataclass(slots=True)
class _Progress:
    checks: tuple[Check, ...]
    tell: Callable[[CheckResult, int, int], None] | None
    mask: Mask
    verdicts: dict[str, _Verdict] = field(default_factory=dict)

    def note(self, verdict: _Verdict) -> None:
        self.verdicts[verdict.check.id] = verdict
        if self.tell is not None:
            self.tell(_result(verdict, self.mask), len(self.verdicts), len(self.checks))


async def run(
    url: str,
    key: str,
    *,
    manifest: Document | None = None,
    profile: Profile = Profile.FULL,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    second_key: str | None = None,
    slow: bool = False,
    timeout: float = 10.0,  # noqa: ASYNC109 - of each call, not of this one
    wait: float = 0.0,
    tell: Callable[[CheckResult, int, int], None] | None = None,
) -> Report:
    """Try the service at ``url`` with the market's ``key``, and return the report.

    Without a ``manifest`` the one that the service serves counts, and without that the paths of version 1. ``only`` and
    ``skip`` are ids, areas or names of checks. ``timeout`` is in seconds, for each call; for up to ``wait`` seconds a
    service that does not answer yet may take to begin. ``tell`` hears of each result as it comes, with how many there
    are and will be.

    Raises ``ConfigurationError`` when the service can not be judged: nothing answers at the address, or no service of
    the contract; it refuses the key everywhere; the manifest that was given can not be used; a check does not exist.
    """
    only, skip, profile = tuple(only), tuple(skip), Profile(profile)
    checks = chosen(profile, only, skip)
    if not checks:
        raise ConfigurationError("no check is left to try: what is asked for is left out again")
    began = time.perf_counter()
    started_at = datetime.now(UTC)
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError("the key is not visible ASCII without blanks: no header can carry it")
    async with Service(timeout=timeout) as service:
        target_of(url, manifest)  # before anything is sent: what is wrong with the arguments
        await _awaited(service, url, wait)
        document = manifest or await _found(service, url, key)
        target = target_of(url, document)
        context = Run(target, service, key, second_key, is_slow=slow)
        context.tenants = Tenants(context)
        mask = Mask([key, *filter(None, [second_key])], key_headers=(target.key_header, *target.header_aliases))
        progress = _Progress(checks, tell, mask)
        try:
            await greet(context)
            await _run_all(context, progress)
        finally:
            await context.tenants.remove_all()
        if await _has_gone(context):
            _excuse_silence(context, progress.verdicts.values())
    if (obstacle := context.tenants.obstacle) is not None:
        context.hints.append(_told(context, obstacle))
        _excuse(context, obstacle, progress.verdicts.values())
    verdicts = [_settled(progress.verdicts[each.id], progress.verdicts) for each in checks]
    return Report(
        target=target,
        profile=profile,
        checks=tuple(_result(verdict, mask) for verdict in verdicts),
        started_at=started_at,
        duration_ms=(time.perf_counter() - began) * 1000,
        left_out=max(len(chosen(profile)) - len(checks), 0),
        hints=tuple(context.hints),
    )


async def _awaited(service: Service, url: str, wait: float) -> None:
    """Return when something answers at ``url``, or ``wait`` seconds have passed."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    while clock() < deadline:
        try:
            await service.send("GET", url, headers={})
        except Unreachable:
            await asyncio.sleep(_PAUSE)
        except Violation:
            return  # whatever it was, somebody is there
        else:
            return


async def _found(service: Service, url: str, key: str) -> Document | None:
    """Return the manifest that the service serves, if any. Raises ``ConfigurationError`` if nothing answers."""
    try:
        return await found_document(service, url, key)
    except Unreachable as silence:
        raise ConfigurationError(nobody(url, silence)) from None


async def _run_all(context: Run, progress: _Progress) -> None:
    def of(*phases: Phase) -> list[Check]:
        return [each for phase in phases for each in progress.checks if each.phase is phase]

    for phases in ((Phase.EARLY, Phase.NORMAL), (Phase.LATE,)):
        await _run_some(context, progress, of(*phases))
    if last := of(Phase.CLEANED):
        await context.tenants.remove_all()
        await _run_some(context, progress, last)


async def _run_some(context: Run, progress: _Progress, checks: list[Check]) -> None:
    """Run checks in their order, a few at once; those that wait for something do not keep others waiting."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(each: Check) -> None:
        if each.phase is Phase.EARLY:
            progress.note(await _tried(context, each))
            return
        async with gate:
            progress.note(await _tried(context, each))

    async with asyncio.TaskGroup() as group:
        for each in checks:
            group.create_task(one(each))


async def _tried(context: Run, each: Check) -> _Verdict:
    """Run one check and return its verdict; its own faults are a verdict too."""
    if reason := each.inapplicable(context.target):
        return _Verdict(each, Status.SKIP, reason)
    trial = Trial(context)
    began = time.perf_counter()
    verdict = _Verdict(each, Status.PASS, trial=trial)
    try:
        await each.run(trial)
    except Violation as violation:
        verdict.status = _broken(each)
        verdict.message, verdict.violation = violation.message, violation
    except Inapplicable as reason:
        verdict.status, verdict.message = Status.SKIP, str(reason)
    except Blocked as blocked:
        verdict.status, verdict.message = Status.SKIP, str(blocked)
        verdict.needed, verdict.violation = blocked.needed, blocked.violation
    except Exception as error:  # noqa: BLE001 - a fault of the check is told, and does not end the run
        verdict.status = _broken(each)
        verdict.message = f"the check itself broke: {type(error).__name__}: {error}"
    finally:
        context.tenants.discard(trial)
    verdict.duration_ms = (time.perf_counter() - began) * 1000
    return verdict


def _broken(each: Check) -> Status:
    return Status.FAIL if each.level is Level.MUST else Status.WARN


def _told(context: Run, obstacle: Violation) -> str:
    """Return the one sentence about activations that all fail."""
    hint = ""
    if obstacle.exchange is not None and _word(obstacle.exchange) == "invalid_plan" and not context.target.plans:
        hint = " No manifest tells its plans, so the likely ones were tried: name them in one, by --manifest."
    return f"No tenant can be activated: {obstacle.message}.{hint}"


def _excuse(context: Run, obstacle: Violation, verdicts: Iterable[_Verdict]) -> None:
    """Have the check of activations alone answer for it where every activation, right or wrong, is answered alike."""
    for verdict in verdicts:
        exchange = verdict.violation.exchange if verdict.violation else None
        if verdict.needed or verdict.check.id == _ACTIVATION or exchange is None or obstacle.exchange is None:
            continue
        if context.target.is_activation(exchange.method, exchange.url) and _alike(exchange, obstacle.exchange):
            blocked = Blocked(_ACTIVATION, Violation(verdict.message, exchange))
            verdict.status, verdict.message = Status.SKIP, str(blocked)
            verdict.needed, verdict.violation = blocked.needed, blocked.violation


async def _has_gone(context: Run) -> bool:
    """Return whether nothing answers at the service any more."""
    try:
        await Trial(context).call("GET", "health", key=None, tolerate=tuple(range(500, 600)))
    except Unreachable:
        return True
    except Violation:
        pass  # whatever it was, somebody is there
    return False


def _excuse_silence(context: Run, verdicts: Iterable[_Verdict]) -> None:
    """Have the first MUST that found nobody answer for the service that has gone; the others are skipped."""
    silent = sorted(filter(_found_nobody, verdicts), key=lambda each: each.check.level is not Level.MUST)
    for verdict in silent[1:]:
        verdict.status, verdict.needed = Status.SKIP, ""
        verdict.message = "the service answers no more"
    if silent:
        context.hints.append(
            f"The service stopped answering while it was tried, first seen by {silent[0].check.id}: start it again, and"
            " look at what ended it. Tenants of the tests may be left there."
        )


def _found_nobody(verdict: _Verdict) -> bool:
    exchange = verdict.violation.exchange if verdict.violation else None
    return isinstance(verdict.violation, Unreachable) or (
        exchange is not None and exchange.trouble.startswith("no connection")
    )


def _alike(one: Exchange, other: Exchange) -> bool:
    return (one.status, one.trouble, _word(one)) == (other.status, other.trouble, _word(other))


def _word(exchange: Exchange) -> str:
    return error_word(exchange.status, exchange.response_body)


def _settled(verdict: _Verdict, verdicts: dict[str, _Verdict]) -> _Verdict:
    """Return a blocked check as skipped if the check that judges what blocked it failed; else it has failed itself."""
    if verdict.needed and verdict.violation is not None:
        judge = verdicts.get(verdict.needed)
        if judge is None or judge.status is not Status.FAIL:
            verdict.status, verdict.message = _broken(verdict.check), verdict.violation.message
    return verdict


def _result(verdict: _Verdict, mask: Mask) -> CheckResult:
    shown: list[dict[str, object]] = []
    if verdict.status in {Status.FAIL, Status.WARN}:
        exchanges = verdict.trial.exchanges if verdict.trial else []
        culprit = verdict.violation.exchange if verdict.violation else None
        if culprit is None:
            before = exchanges[-_EVIDENCE:]
        else:
            place = next((index for index, each in enumerate(exchanges) if each is culprit), 0)
            before = [*exchanges[max(place - _EVIDENCE + 1, 0) : place], culprit]
        shown = [mask.shown(each) for each in before]
    each = verdict.check
    return CheckResult(
        id=each.id,
        name=each.name,
        level=each.level,
        status=verdict.status,
        duration_ms=verdict.duration_ms,
        message=mask.text(verdict.message),
        rule=each.rule,
        exchanges=tuple(shown),
    )
