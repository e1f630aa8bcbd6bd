"""How a fault is planted: the decorator that registers a mutant, and behaviours that break a service on the wire.

A mutant is a subclass of :class:`~mt_paas.testing.doubles.FakeService`, or a function that spoils one::

    @mutant("users", "409 `user_already_exists`")
    class TheSameEmailTwice(FakeService): ...

    @mutant("status", "times are RFC 3339 in UTC")
    def created_at_has_no_zone(service): ...

``areas`` is where the tester must find it: areas of checks, or single checks, in one text. ``level`` is how much
that sentence binds; ``options`` are those of ``FakeService``.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from mt_paas.conformance import MUST, Level
from mt_paas.testing.doubles import Behaviour, Call, FakeService, RecordedCall, Said, altering

MUTANTS: dict[str, Mutant] = {}
GONE = object()
KEY_HEADER = "x-market-api-key"


@dataclass(frozen=True)
class Mutant:
    """One planted fault: the sentence of the contract that it breaks, and the areas that have to find it."""

    name: str
    breaks: str
    areas: tuple[str, ...]
    plant: Callable[..., Any]
    options: dict[str, Any] = field(default_factory=dict)
    level: Level = MUST

    @property
    def judges(self) -> set[str]:
        """The areas that have to find it, also where it names single checks of them."""
        return {area.partition(".")[0] for area in self.areas}

    def make(self) -> FakeService:
        """Return a new service with the fault in it."""
        if inspect.isclass(self.plant):
            return self.plant(**self.options)
        service = FakeService(**self.options)
        self.plant(service)
        return service


def mutant(areas: str, breaks: str, *, level: Level = MUST, **options: Any) -> Callable[[Any], Any]:
    """Register the decorated class or function as a mutant."""

    def register(plant: Any) -> Any:
        name = re.sub(r"(?<=.)(?=[A-Z])", "_", plant.__name__).lower()
        assert name not in MUTANTS, name
        MUTANTS[name] = Mutant(name, breaks, tuple(areas.split()), plant, options, level)
        return plant

    return register


def plant(service: FakeService, behaviour: Behaviour, on: str | None, method: str | None = None) -> None:
    """Have ``service`` behave so in the operation ``on``: for one method of it, or for all."""

    async def behave(call: Call) -> None:
        if method in {None, call.recorded.method}:
            await behaviour(call)
        else:
            await call.proceed()

    service.behave(behave, on=on)


def succeeding(
    service: FakeService, on: str, change: Callable[[Said, RecordedCall], object], method: str | None = None
) -> None:
    """Have successes of ``on`` changed by ``change``."""
    plant(service, altering(lambda said, call: change(said, call) if said.status < 300 else None), on, method)


def refusing(service: FakeService, change: Callable[[Said], object], word: str = "", on: str | None = None) -> None:
    """Have errors changed by ``change``: those with the error ``word``, or all of them."""

    def changed(said: Said, call: RecordedCall) -> None:
        if said.status >= 400 and word in {"", said.document["error"]}:
            change(said)

    plant(service, altering(changed), on)


def members(service: FakeService, on: str, method: str | None = None, **changes: Any) -> None:
    """Have members of what ``on`` answers be others: a value, a function of the right one, or ``GONE``.

    ``a__b`` is a member of a member, and ``items__b`` one of every item.
    """

    def change(said: Said, call: RecordedCall) -> None:
        document = said.document
        for path, value in changes.items():
            *outer, last = path.split("__")
            for place in _places(document, outer):
                if value is GONE:
                    place.pop(last, None)
                else:
                    place[last] = value(place.get(last)) if callable(value) else value
        said.document = document

    succeeding(service, on, change, method)


def _places(document: Any, outer: list[str]) -> list[dict[str, Any]]:
    if isinstance(document, list):
        return [place for item in document for place in _places(item, outer)]
    return _places(document.get(outer[0]) or [], outer[1:]) if outer else [document]


def instead(status: int, error: str, message: str = "No.") -> Behaviour:
    """Answer with an error, and do nothing."""

    async def behave(call: Call) -> None:
        body = json.dumps({"error": error, "message": message}).encode()
        await call.answer(status, body, "application/json")

    return behave


def asking(
    call: Call, *, path: str | None = None, body: Any = None, headers: dict[str, str | None] | None = None
) -> Call:
    """Return the call as if it had been another: with another path, another body, other headers."""
    scope, receive = dict(call.scope), call.receive
    if path is not None:
        scope |= {"path": path, "raw_path": path.encode()}
    changed = {name.encode(): value for name, value in (headers or {}).items()}
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in changed]
    scope["headers"] += [(name, value.encode("latin-1")) for name, value in changed.items() if value is not None]
    if body is not None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        scope["headers"] = [(n, v) for n, v in scope["headers"] if n != b"content-length"]
        scope["headers"].append((b"content-length", str(len(raw)).encode()))
        pending = [{"type": "http.request", "body": raw, "more_body": False}]

        async def once_more() -> Any:
            return pending.pop() if pending else await call.receive()

        receive = once_more
    return replace(call, scope=scope, receive=receive)


def given_key(call: Call) -> str | None:
    """Return the key that came with a call."""
    return next((value.decode("latin-1") for name, value in call.scope["headers"] if name == KEY_HEADER.encode()), None)


def letting_in(
    service: FakeService, who: Callable[[Call], object], on: str | None = None, method: str | None = None
) -> None:
    """Have calls be served of which ``who`` says so, whatever their key."""

    async def behave(call: Call) -> None:
        await (asking(call, headers={KEY_HEADER: service.api_key}) if who(call) else call).proceed()

    plant(service, behave, on, method)


def mending(service: FakeService, on: str, mend: Callable[[dict[str, Any]], object], method: str | None = None) -> None:
    """Have the body of a request be mended before the service reads it: a lenient reader."""

    async def behave(call: Call) -> None:
        body = call.recorded.body
        if isinstance(body, dict):
            body = json.loads(json.dumps(body))
            mend(body)
            call = asking(call, body=body)
        await call.proceed()

    plant(service, behave, on, method)
