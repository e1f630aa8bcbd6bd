"""What the contract says of an answer: of one that can not be read, of a refusal, and of two that should agree.

A fault is one sentence that quotes no value that could be a secret. Where two readings of the contract are possible
both are taken: a false alarm would cost a vendor more than a miss.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mt_paas.errors import ServiceAnswerInvalid, ServiceCallError
from mt_paas.simulator.journal import Level
from mt_paas.simulator.line import Exchange
from mt_paas.standard_api.models import ErrorBody
from mt_paas.standard_api.problem import error_registry
from mt_paas.standard_api.wire import WireError, is_json, read

__all__ = ["DONE_ONCE", "disagreement", "refusal_fault", "verdict"]

#: The calls that do nothing more when they come again, with the members of their answers that must agree.
DONE_ONCE: Mapping[str, tuple[str, ...]] = {
    "activate": ("status", "tenant_id", "access_url"),
    "deactivate": ("status", "tenant_id", "data_preserved", "reactivation_deadline"),
    "plan": ("tenant_id", "plan"),
    "suspend": ("tenant_id", "status"),
    "resume": ("tenant_id", "status"),
    "purge": ("tenant_id", "receipt_id", "purged_at"),
}
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_SLACK = 60  # seconds by which a deadline may differ: it counts from the moment of the call


def verdict(exchange: Exchange, error: BaseException | None) -> tuple[Level, str]:
    """Return how the answer is to be taken, and what the contract says of it; ``error`` is what the client raised."""
    if isinstance(error, asyncio.CancelledError):
        return Level.INFO, "the market did not wait for the answer"
    if exchange.lost:
        return (Level.WARNING if exchange.is_excused else Level.WRONG), exchange.lost
    if isinstance(error, ServiceAnswerInvalid):
        _, _, what = error.message.partition(", but ")
        return Level.WRONG, what or error.message
    status = exchange.status or 0
    if 200 <= status < 300:
        return Level.GOOD, ""
    fault = refusal_fault(status, exchange.headers.get("content-type", ""), bytes(exchange.body))
    if fault:
        return Level.WRONG, fault
    said = f"{word_of(exchange)}: {(exchange.answer or {}).get('message', '')}"
    return (Level.WRONG if status >= 500 and status not in {501, 503} else Level.REFUSED), said


def word_of(exchange: Exchange) -> str:
    """Return the error word of an answer, or nothing."""
    word = (exchange.answer or {}).get("error")
    return word if isinstance(word, str) else ""


def refusal_fault(status: int, content_type: str, body: bytes) -> str:
    """Return what is wrong with the shape of an error; nothing when it is as the contract says."""
    if not is_json(content_type):
        return f"an error is JSON, {{error, message}}; this is {content_type or 'of no type'}"
    try:
        said = read(ErrorBody, body)
    except WireError as error:
        return f"an error is {{error, message}}: {error}"
    known = error_registry().get(said.error)
    fault = ""
    if not _WORD.fullmatch(said.error):
        fault = "`error` is a stable machine word, such as tenant_not_found"
    elif not said.message.strip():
        fault = "`message` is a text for people, and this one is empty"
    elif said.status is not None and said.status != status:
        fault = f"`status` says {said.status}, and HTTP says {status}"
    elif known is not None and known.status != status:
        fault = f"{said.error} goes with {known.status}, and this is {status}"
    return fault


def disagreement(call: str, first: Exchange, second: Exchange) -> str:
    """Return how the second answer to the same request differs from the first; nothing when it may stand.

    A call that goes on, or that another one holds up, may say so (202, 409 ``operation_in_progress``).
    """
    if second.lost or (first.lost and not first.body):
        return ""
    one, two = first.status or 0, second.status or 0
    if (
        two == 202
        or one == 202
        or word_of(second) == "operation_in_progress"
        or word_of(first) == word_of(second) != ""
    ):
        return ""
    if one != two:
        return f"the first answer was {one}, the second {_told(second)}"
    if not 200 <= one < 300 or first.answer is None or second.answer is None:
        return ""
    for name in DONE_ONCE.get(call, ()):
        before, after = first.answer.get(name), second.answer.get(name)
        if before != after and not _is_nearly(before, after):
            return f"`{name}` was {before!r} in the first answer, and is {after!r} in the second"
    return ""


def reason(error: ServiceCallError) -> str:
    """Return why a call did not work, without the address that the log shows already."""
    _, _, what = error.message.partition(" answered ")
    return what or error.message


def _told(exchange: Exchange) -> str:
    return f"{exchange.status} {word_of(exchange)}".strip()


def _is_nearly(one: Any, other: Any) -> bool:
    try:
        distance = datetime.fromisoformat(one) - datetime.fromisoformat(other)
    except (TypeError, ValueError):
        return False
    return abs(distance.total_seconds()) <= _SLACK
