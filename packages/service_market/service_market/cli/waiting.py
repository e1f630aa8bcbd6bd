"""Waiting for what the market does after it has answered: an operation, the verification of a service.

Progress is said on standard error, a line for each step as it ends. Ctrl-C ends the waiting, never the work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from service_market.cli import text
from service_market.cli.exits import ExitCode, Stop
from service_market.cli.remote import Answer, path
from service_market.cli.session import Session

__all__ = ["finish", "follow", "require_success", "wait_for_verification"]

_SHORTEST, _LONGEST = 0.1, 1.0  # seconds between two looks
_PATIENCE = 10.0  # seconds after which somebody should look for a worker
_UNDER_WAY = {"uncertain", "accepted", "undo_accepted"}  # it was sent, and has not ended yet
_MARKS = {"done": ("✓", "green"), "undone": ("–", "yellow")}
#: What people do about an operation that failed, by its kind.
_AGAIN = {"activate": "retry", "reactivate": "retry", "deactivate": "deactivate", "purge": "purge"}


def follow(session: Session, operation_id: str) -> dict[str, Any]:
    """Return the operation once it has ended. Raises :class:`~service_market.cli.exits.Stop` where it failed."""
    told = _Told(session)
    with session.screen.busy(text.WAITING_FOR(what=operation_id)):
        try:
            looks = _looks()
            while True:
                operation: dict[str, Any] = session.market.get(path("operations", operation_id))
                told.tell(operation)
                if operation["state"] in {"succeeded", "failed"}:
                    return operation
                waited = next(looks)
                if operation["state"] == "pending" and not operation["error"]:
                    told.wonder(waited)
        except KeyboardInterrupt:
            session.screen.say(text.STILL_UNDER_WAY(id=operation_id))
            raise


def finish(session: Session, answer: Answer, *, wait: bool) -> dict[str, Any] | None:
    """Wait for the operation that ``answer`` started, if there is one and it is to be waited for; return it.

    Raises :class:`~service_market.cli.exits.Stop` where it failed.
    """
    if answer.operation_id is None:
        return None
    if not wait:
        started = session.market.get(path("operations", answer.operation_id))
        session.screen.say(text.STARTED(kind=started["kind"], tenant=started["tenant_id"], id=started["id"]))
        return None
    return require_success(follow(session, answer.operation_id))


def require_success(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the operation, which has ended. Raises :class:`~service_market.cli.exits.Stop` where it failed."""
    if operation["state"] == "failed":
        kind, tenant = operation["kind"], operation["tenant_id"]
        said = text.OPERATION_FAILED(kind=kind, tenant=tenant, why=(operation["error"] or {}).get("message", "?"))
        if kind in _AGAIN:
            said += f"\n{text.TRY_AGAIN(command=f'market tenant {_AGAIN[kind]} {tenant}')}"
        raise Stop(ExitCode.FAILED, said)
    return operation


def wait_for_verification(session: Session, service_id: str) -> dict[str, Any]:
    """Return the service once it is verified. Raises :class:`~service_market.cli.exits.Stop` where it is rejected."""
    told = _Told(session)
    with session.screen.busy(text.WAITING_FOR(what=service_id)):
        looks = _looks()
        while (service := _service(session, service_id))["state"] == "verifying":
            told.wonder(next(looks))
    if service["state"] != "listed":
        raise Stop(ExitCode.FAILED, text.SERVICE_REJECTED(service=service_id, why=service["reason"]))
    if service["reason"]:  # a new version was refused, and the one before stays on sale
        raise Stop(ExitCode.FAILED, text.NOT_ACCEPTED(service=service_id, why=service["reason"]))
    return service


def _service(session: Session, service_id: str) -> dict[str, Any]:
    service: dict[str, Any] = session.market.get(path("services", service_id))
    return service


def _looks() -> Iterator[float]:
    """Yield for ever, at growing distances, the seconds that were waited so far."""
    since, delay = time.monotonic(), _SHORTEST
    while True:
        time.sleep(delay)
        yield time.monotonic() - since
        delay = min(delay * 1.3, _LONGEST)


def _of_step(step: dict[str, Any]) -> str:
    """Return how the step ended, and why if it did not end well."""
    name, why = step["name"], step["error"]
    match step["state"]:
        case "undone":
            return text.STEP_UNDONE(step=name)
        case "undo_failed":
            return text.STEP_NOT_UNDONE(step=name, why=why)
    return f"{name}: {why}" if why else str(name)


class _Told:
    """What was said already of something that is waited for, so that nothing is said twice: only what changes."""

    def __init__(self, session: Session) -> None:
        self._screen = session.screen
        self._said: set[tuple[Any, ...]] = set()

    def tell(self, operation: dict[str, Any]) -> None:
        """Say what is waited for, which steps ended since the last time, and which attempt is followed by another."""
        kind, tenant = operation["kind"], operation["tenant_id"]
        self._once(("operation",), text.WATCHING(kind=kind, tenant=tenant, id=operation["id"]), "")
        for step in operation["steps"]:
            if step["state"] in _UNDER_WAY:
                continue
            mark, style = _MARKS.get(step["state"], ("✗", "red"))
            self._once(("step", step["name"], step["state"], step["error"]), f"  {mark} {_of_step(step)}", style)
        if operation["error"] and operation["next_attempt_at"]:
            why = operation["error"]["message"]
            said = text.ATTEMPT_FAILED(why=why) if operation["attempt"] else text.NOT_BEGUN(why=why)
            told = any(step["state"] == "failed" and step["error"] == why for step in operation["steps"])
            self._once(("attempt", why), f"  … {text.AGAIN() if told else said}", "yellow")

    def wonder(self, waited: float) -> None:
        """Say, once and after a while, that there may be no worker."""
        if waited > _PATIENCE:
            self._once(("worker",), text.NO_WORKER_YET(seconds=round(_PATIENCE)), "yellow")

    def _once(self, what: tuple[Any, ...], sentence: str, style: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._screen.say(sentence, style=style)
