"""What a check gets to work with: calls by the manifest, tenants of its own and shared ones, the service's time."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from mt_paas.conformance.evidence import Exchange
from mt_paas.conformance.expect import Answer, Inapplicable, Violation
from mt_paas.conformance.service import Service
from mt_paas.conformance.story import Story
from mt_paas.conformance.target import Target
from mt_paas.standard_api.problem import error_registry

if TYPE_CHECKING:
    from mt_paas.conformance.tenants import Tenant, Tenants

__all__ = ["Caller", "Leak", "Run", "Trial"]

_LEAKS = re.compile(
    r"Traceback \(most recent call last\)|File \"[^\"]+\", line \d+"
    r"|(?:\b|\\t)at (?:java|javax|org|com|kotlin|scala)\.[\w.$/]+\("
    r"|\bpsycopg\w*[.:]|asyncpg\.|SQLSTATE|syntax error at or near|sqlalche|sqlite3\.|SQLITE_[A-Z]+|ORA-\d{5}"
    r"|\bobject at 0x[0-9a-f]{6,}|/site-packages/|/node_modules/|/vendor/bundle/|\b(?:java|javax)\.[a-z]+\.\w+Exception"
    r"|\b(?:postgres(?:ql)?|mysql|mariadb|mongodb|redis|amqp)(?:\+\w+)?://\S+@|PDOException|System\.\w+Exception"
    r"|goroutine \d+ \[|node:internal|\.[jt]s:\d+:\d+\)|\.go:\d+ \+0x|\.rb:\d+:in [`']"
)
_LEAKS_KEY_FROM = 12  # characters: a shorter key may stand in an answer by chance
_OPERATION_SECONDS = 60.0
_LONGEST_PAUSE = 0.5  # seconds between two looks at an operation


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that no answer may hold, and the answer that held it."""

    what: str
    answer: Answer


@dataclass(slots=True)
class Run:
    """What all checks of one run share. ``skew`` is how far the service's clock is ahead of this machine's."""

    target: Target
    service: Service
    key: str
    second_key: str | None = None
    is_slow: bool = False
    skew: timedelta = timedelta()
    leaks: list[Leak] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    stories: dict[str, asyncio.Task[Story]] = field(default_factory=dict)
    tenants: Tenants = field(init=False)


class Caller:
    """Calls the service by its manifest, and records what was said."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.target = run.target
        self.exchanges: list[Exchange] = []
        self.asked: list[str] = []  # the tenants that it was the first to ask for, as they stand in an address

    async def call(
        self,
        method: str,
        endpoint: str,
        tenant: Tenant | str = "",
        *,
        json: Any = None,
        content: bytes | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str | None] | None = None,
        key: str | None = "",
        user_id: str = "",
        operation_id: str = "",
        is_encoded: bool = False,
        tolerate: tuple[int, ...] = (),
        follow: bool = True,
    ) -> Answer:
        """Call ``endpoint``, such as ``tenant_status``, and return the answer, whatever it says below 500.

        The right key goes with it unless ``key`` is another one; None is no key. ``json`` is the body, or ``content``
        the very bytes. ``is_encoded`` takes ids as they are to stand in the address. A 202 of a service that declares
        ``async_operations`` is waited out, unless ``follow`` is false: what it ended with is then the answer.

        Raises ``Violation`` for a 5xx that is not in ``tolerate``, and when there is no whole answer in time.
        """
        if not self.target.declares(endpoint):
            raise Violation(f"the manifest names no endpoints.{endpoint} to call")
        tenant_id = tenant if isinstance(tenant, str) else tenant.id
        if endpoint == "tenant_activate" and method == "POST":
            attempt = self.run.tenants.expect(self, tenant_id, json, is_encoded=is_encoded)
        else:
            attempt = None
        if tenant_id and isinstance(json, dict) and not self.target.names_tenant(endpoint):
            json = {"tenant_id": tenant_id, **json}
        url = self.target.address(
            endpoint, tenant_id, user_id=user_id, operation_id=operation_id, is_encoded=is_encoded
        )
        answer = await self.send(
            method, url, json=json, content=content, query=query, headers=headers, key=key, tolerate=tolerate
        )
        if attempt is not None and answer.status < 300:
            attempt.was_granted = True
            self.run.tenants.has_activated = True
        if answer.status == 202 and follow and self.target.has_capability("async_operations"):
            return await self.ended(answer)
        return answer

    async def send(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str | None] | None = None,
        key: str | None = "",
        tolerate: tuple[int, ...] = (),
    ) -> Answer:
        """Call an address, or a path of the service, and return the answer; see :meth:`call`.

        A header that is None is left out, where it would be sent otherwise.
        """
        if json is not None:
            content = _encoded(json)
        all_headers = {
            **({} if content is None else {"Content-Type": "application/json"}),
            **({"X-MT-API-Version": "2"} if self.target.is_version_2 else {}),
            **({} if key is None else self.key_header(key or self.run.key)),
            **(headers or {}),
        }
        answer = await self.run.service.send(
            method,
            self.target.absolute(url),
            headers={name: value for name, value in all_headers.items() if value is not None},
            content=content,
            query=query,
            record=self.exchanges,
        )
        self._note_leaks(answer)
        if answer.status >= 500 and answer.status not in tolerate:
            answer.fail("no call may break the service")
        return answer

    def key_header(self, key: str, header: str | None = None) -> dict[str, str]:
        """Return the header that carries ``key``, as the manifest has it."""
        name = header or self.target.key_header
        return {name: f"Bearer {key}" if name.lower() == "authorization" else key}

    async def ended(self, accepted: Answer) -> Answer:
        """Wait for the end of the operation that a 202 announced; return what the call would have answered at once."""
        body = accepted.object()
        operation_id = body.get("operation_id")
        if not isinstance(operation_id, str) or not operation_id:
            accepted.fail("a 202 names its operation_id")
        pause = body.get("retry_after")
        deadline = asyncio.get_running_loop().time() + _OPERATION_SECONDS
        while True:
            await asyncio.sleep(_pause(pause))
            answer = await self.call("GET", "operation", operation_id=operation_id)
            told = answer.expect(200).object()
            if told.get("status") == "succeeded":
                return self._as_answer(answer, 200, told.get("result"))
            if told.get("status") == "failed":
                error = told.get("error")
                word = error.get("error") if isinstance(error, dict) else None
                known = error_registry().get(word) if isinstance(word, str) else None
                return self._as_answer(answer, known.status if known else 409, error)
            answer.require(told.get("status") == "in_progress", f"status is {told.get('status')!r}")
            if asyncio.get_running_loop().time() > deadline:
                answer.fail(f"the operation has not ended after {_OPERATION_SECONDS:g} s")
            pause = told.get("retry_after")

    def _as_answer(self, answer: Answer, status: int, body: Any) -> Answer:
        headers = {"content-type": "application/json"}
        return Answer(f"{answer.call} (operation)", status, headers, _encoded(body), answer.exchange)

    def _note_leaks(self, answer: Answer) -> None:
        held = (*answer.headers.values(), answer.body.decode("utf-8", "replace"))
        for key in filter(None, (self.run.key, self.run.second_key)):
            if len(key) >= _LEAKS_KEY_FROM and key not in answer.exchange.url and any(key in text for text in held):
                self.run.leaks.append(Leak("the market's key", answer))
            elif answer.status == 401 and any(part in text for part in _halves(key) for text in held):
                self.run.leaks.append(Leak("half of the market's key", answer))
        if answer.status >= 400 and (found := _LEAKS.search(answer.body[:200_000].decode("utf-8", "replace"))):
            self.run.leaks.append(Leak(f"the service's inside ({found[0][:60]!r})", answer))


class Trial(Caller):
    """One check while it runs."""

    def new_id(self) -> str:
        """Return a tenant id that the service does not have."""
        return self.run.tenants.new_id()

    def body(self, tenant_id: str, **changes: Any) -> dict[str, Any]:
        """Return the body of an activation, with ``changes``."""
        return self.run.tenants.body(tenant_id, **changes)

    async def tenant(self, **changes: Any) -> Tenant:
        """Return a new active tenant of this check alone; ``changes`` are members of its activation's body.

        Raises ``Blocked`` when the service does not activate tenants at all.
        """
        return await self.run.tenants.fresh(self, **changes)

    async def shared(self, name: str = "a") -> Tenant:
        """Return the active tenant ``name``, which other checks read too: it is never changed."""
        return await self.run.tenants.shared(name)

    def lent(self) -> AbstractAsyncContextManager[Tenant]:
        """Lend an active tenant to change: nobody else has it meanwhile, and it is active again when it goes back.

        What other checks did to it stays: users and settings of theirs may be there.
        """
        return self.run.tenants.lent()

    async def activate(self, tenant: Tenant | str, body: Any = None, **options: Any) -> Answer:
        """Ask for an activation, by default the one that made ``tenant``, and return the answer."""
        if body is None:
            body = self.body(tenant) if isinstance(tenant, str) else tenant.body
        return await self.call("POST", "tenant_activate", tenant, json=body, **options)

    async def deactivate(self, tenant: Tenant | str, *, preserve_data: bool = True, **members: Any) -> Answer:
        """Ask for a deactivation; ``members`` are more of its body, such as ``deactivate_at``."""
        body = {"reason": "admin_request", "preserve_data": preserve_data, **members}
        return await self.call("POST", "tenant_deactivate", tenant, json=body)

    async def status(self, tenant: Tenant | str, **options: Any) -> Answer:
        """Ask for a tenant's status and return the answer."""
        return await self.call("GET", "tenant_status", tenant, **options)

    async def state(self, tenant: Tenant | str) -> dict[str, Any]:
        """Return what the status of a tenant says; raise ``Violation`` unless it is 200 and about this tenant."""
        tenant_id = tenant if isinstance(tenant, str) else tenant.id
        answer = (await self.status(tenant)).expect(200)
        told = answer.object()
        answer.require(told.get("tenant_id") == tenant_id, f"it is about {told.get('tenant_id')!r}, not {tenant_id!r}")
        return told

    async def story(self, tell: Callable[[Trial, Story], Awaitable[None]]) -> Story:
        """Return the story that ``tell`` tells: calls in a row on a tenant, made once and judged by many checks."""
        stories = self.run.stories
        if tell.__qualname__ not in stories:
            stories[tell.__qualname__] = asyncio.create_task(_told(Trial(self.run), tell))
        return await asyncio.shield(stories[tell.__qualname__])

    def now(self) -> datetime:
        """Return the service's time as far as it is known, in UTC."""
        return datetime.now(UTC) + self.run.skew

    def fail(self, what: str) -> NoReturn:
        """Raise ``Violation``."""
        raise Violation(what)

    def require(self, good: object, what: str) -> None:
        """Raise ``Violation`` with ``what`` unless ``good``."""
        if not good:
            raise Violation(what)

    def skip(self, why: str) -> NoReturn:
        """End the check without a verdict."""
        raise Inapplicable(why)

    def unique(self, prefix: str = "") -> str:
        """Return a word that nothing else in this run has, such as for an e-mail address."""
        return f"{prefix}{secrets.token_hex(6)}"


async def _told(trial: Trial, tell: Callable[[Trial, Story], Awaitable[None]]) -> Story:
    story = Story()
    try:
        await tell(trial, story)
    finally:
        trial.run.tenants.discard(trial)
    return story


def _halves(key: str) -> tuple[str, ...]:
    """Return the halves of a key, none where they are short: who guesses at a key is told no part of it."""
    half = len(key) // 2
    return (key[:half], key[-half:]) if half >= _LEAKS_KEY_FROM else ()


def _encoded(body: Any) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair is in no UTF-8; as an escape it is JSON all the same
        return json.dumps(body).encode()


def _pause(retry_after: object) -> float:
    if isinstance(retry_after, bool) or not isinstance(retry_after, (int, float)):
        return _LONGEST_PAUSE
    return min(max(float(retry_after), 0.02), _LONGEST_PAUSE)
