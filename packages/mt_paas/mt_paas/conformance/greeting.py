"""The few calls before the checks: whether there is something to judge, and what time it is there.

A service that nobody runs, a web page, or a key that is another service's would fail every check, each with a
sentence that misleads. So they are found out first, and told in one. A service that is wrong in one place is judged:
one call that is answered as the contract has it is enough, and one that the key opens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from mt_paas.conformance.expect import Answer, Violation, time_of
from mt_paas.conformance.service import Unreachable
from mt_paas.conformance.trial import Run, Trial
from mt_paas.errors import ConfigurationError

__all__ = ["greet"]

_OWN_CLOCK = timedelta(seconds=1)  # less than this is the way of the answer, not another clock
_WHATEVER = tuple(range(500, 600))
_KEY_REFUSED = frozenset({401, 403})
_Came: TypeAlias = Answer | Violation


async def greet(run: Run) -> None:
    """Ask for health and, with the key, a few calls on tenants that are not there; note hints and the service's clock.

    Raises ``ConfigurationError`` when the service can not be judged: nothing answers, what answers is no such service,
    or it refuses the key wherever that was shown.
    """
    trial = Trial(run)
    health, *keyed = await asyncio.gather(
        _asked(trial, "GET", "health", key=None),
        _asked(trial, "GET", "tenant_status"),
        _asked(trial, "POST", "tenant_deactivate", json={"reason": "admin_request", "preserve_data": True}),
        _asked(trial, "POST", "tenant_activate", json={}),
    )
    answers = [each for each in (health, *keyed) if isinstance(each, Answer)]
    if not answers and isinstance(health, Violation):
        raise ConfigurationError(nobody(run.target.url, health))
    is_found = run.target.document is not None and not run.target.document.is_given
    if not is_found and not _is_health(health) and not any(map(_is_of_the_contract, keyed)):
        raise ConfigurationError(_something_else(run, answers[0]))
    refusals = [each for each in keyed if isinstance(each, Answer) and each.status in _KEY_REFUSED]
    if len(refusals) == len(keyed):
        if all(map(_is_of_the_contract, refusals)):
            raise ConfigurationError(_key_refused(run, refusals[0]))
        run.hints.append("The service refuses the key that was given: is it the one in its settings?")
    if isinstance(health, Answer):
        _heed(run, health)


def nobody(url: str, silence: Violation) -> str:
    """Return the sentence that says that nothing answers at ``url``, and how that was seen."""
    trouble = silence.exchange.trouble if silence.exchange else silence.message
    if trouble.startswith("did not answer"):
        return f"nothing answers at {url} in time: it {trouble}. Is this its address? --timeout gives it longer"
    if "CERTIFICATE_VERIFY_FAILED" in trouble:
        return (
            f"the certificate of {url} is not one that this machine trusts ({trouble}): name the file of its authority"
            " in the environment variable SSL_CERT_FILE"
        )
    if "[SSL" in trouble:
        return f"what answers at {url} does not speak TLS ({trouble}): is it http, or https?"
    if isinstance(silence, Unreachable) or not trouble.startswith("broke off"):
        return f"nothing answers at {url} ({trouble}): is the service running, and is this its address?"
    return f"what answers at {url} does not speak HTTP as this address says ({trouble}): is it http, or https?"


async def _asked(trial: Trial, method: str, endpoint: str, *, key: str | None = "", json: Any = None) -> _Came:
    """Return the answer to one call about a tenant that is not there, or the ``Violation`` that came instead."""
    try:
        return await trial.call(method, endpoint, trial.new_id(), json=json, key=key, tolerate=_WHATEVER, follow=False)
    except Violation as silence:
        return silence


def _is_health(answer: _Came) -> bool:
    """Return whether this is meant as health: a JSON object with a status; whether it is right is for the checks."""
    return isinstance(answer, Answer) and isinstance(_members(answer).get("status"), str)


def _is_of_the_contract(answer: _Came) -> bool:
    """Return whether a call was answered in the contract's form: with its error, or with something about a tenant."""
    if not isinstance(answer, Answer):
        return False
    if answer.status < 300:
        return isinstance(_members(answer).get("tenant_id"), str)
    try:
        answer.error()
    except Violation:
        return False
    return True


def _members(answer: Answer) -> dict[str, Any]:
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _something_else(run: Run, answer: Answer) -> str:
    return (
        f"what answers at {run.target.url} is no service of the Standard API: {_said(answer)}, and nothing that was"
        " asked with the key was answered in the contract's form. Is this the address of the service, without the path"
        " of a call? Other paths than those of the contract are told by --manifest"
    )


def _key_refused(run: Run, answer: Answer) -> str:
    hint = "" if run.target.document else "; where it reads another header, its manifest says so: --manifest"
    return (
        f"the service refuses this key: {_said(answer)}, and every other call with it was refused too. Is it the"
        f" market's key in the settings of the service? It was sent in the header {run.target.key_header}{hint}"
    )


def _said(answer: Answer) -> str:
    """Return what a call was answered, without anything of its body but the error's word."""
    word = answer.error_word
    where = answer.headers.get("location")
    kind = answer.content_type.partition(";")[0] or "of no type"
    return f"{answer.call} answered {answer.status}{f' {word}' if word else f', {kind}'}" + (
        f", which leads to {where}" if where else ""
    )


def _heed(run: Run, health: Answer) -> None:
    if health.status in {404, 405} or not _is_health(health):
        run.hints.append(
            f"{_said(health)}: is this the address of a service, without the path of a call? Other paths than those of"
            " the contract are told by --manifest."
        )
    with contextlib.suppress(Violation):
        skew = time_of(health.object().get("timestamp")) - datetime.now(UTC)
        if abs(skew) > _OWN_CLOCK:
            run.skew = skew
