"""The ways in which a service can be wrong, as functions that answer in its place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from starlette.types import Message, Receive, Scope, Send

from mt_paas.errors import ContractError, ServiceNotReady, TenantAlreadyExists
from mt_paas.standard_api.models import TenantState
from mt_paas.standard_api.problem import PROBLEM_TYPE, problem_json

if TYPE_CHECKING:
    from mt_paas.testing.fake import FakeService

__all__ = [
    "Behaviour",
    "Call",
    "RecordedCall",
    "Said",
    "altering",
    "answer_with",
    "dripping",
    "dropped",
    "fail",
    "flaky",
    "garbage",
    "lying",
    "refuse",
    "rightly",
    "silent",
    "slow",
]


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call that a service got, as it came; without the headers that carry secrets."""

    operation: str
    method: str
    path: str
    tenant_id: str | None
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Call:
    """One request while it is being answered: what a behaviour works on."""

    service: FakeService
    recorded: RecordedCall
    scope: Scope
    receive: Receive
    send: Send

    async def proceed(self, *, before_answer: Callable[[], object] = lambda: None) -> None:
        """Let the service answer rightly; ``before_answer`` is called when it has worked and not yet said so."""

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                before_answer()
            await self.send(message)

        await self.service.right(self.scope, self.receive, send)

    async def answer(
        self, status: int, body: bytes, content_type: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer in the service's place."""
        await self.start(status, {"content-type": content_type, "content-length": str(len(body)), **(headers or {})})
        await self.send({"type": "http.response.body", "body": body})

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of an answer alone."""
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    async def hung_up(self) -> None:
        """Wait until the caller has gone."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


@dataclass(slots=True)
class Said:
    """A right answer on its way, for :func:`altering` to change."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body read as JSON; None where there is none."""
        return json.loads(self.body) if self.body else None

    @document.setter
    def document(self, document: Any) -> None:
        self.body = json.dumps(document).encode()


Behaviour: TypeAlias = Callable[[Call], Awaitable[None]]


async def rightly(call: Call) -> None:
    """Do what the contract says."""
    await call.proceed()


def refuse(error: type[ContractError] | ContractError = TenantAlreadyExists) -> Behaviour:
    """Answer with an error of the contract, and do nothing."""
    refusal = error if isinstance(error, ContractError) else error()

    async def behave(call: Call) -> None:
        request_id = call.recorded.headers.get("x-request-id", "-")
        body = problem_json(refusal, request_id).encode()
        await call.answer(refusal.status, body, PROBLEM_TYPE, headers=refusal.headers)

    return behave


def answer_with(
    status: int, content: Any, content_type: str = "application/json", *, headers: Mapping[str, str] | None = None
) -> Behaviour:
    """Answer with ``content``, bytes as they are and anything else as JSON, and do nothing."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    async def behave(call: Call) -> None:
        await call.answer(status, body, content_type, headers=headers)

    return behave


def fail(status: int = 500, message: str = "Something broke.") -> Behaviour:
    """Answer as a service in another language that broke: a status, and a plain ``{error, message}``."""
    return answer_with(status, {"error": "internal_error", "message": message})


def garbage(
    body: bytes = b"<html><body>It works!</body></html>", *, status: int = 200, content_type: str = "text/html"
) -> Behaviour:
    """Answer something that the contract does not know: by default a web page, with status 200."""
    return answer_with(status, body, content_type)


async def silent(call: Call) -> None:
    """Take the request and never answer, until the caller goes."""
    await call.hung_up()


def slow(until: asyncio.Event) -> Behaviour:
    """Do what the contract says, but only when the test sets ``until``; also for a caller that has gone by then."""

    async def behave(call: Call) -> None:
        await until.wait()
        await call.proceed()

    return behave


async def dropped(call: Call) -> None:
    """Close the connection in the middle of the answer."""
    await call.start(200, {"content-type": "application/json", "content-length": "1000"})
    await call.send({"type": "http.response.body", "body": b'{"status":', "more_body": True})


def dripping(interval: float = 0.02) -> Behaviour:
    """Send an answer that never ends, a byte each ``interval`` seconds."""

    async def behave(call: Call) -> None:
        gone = asyncio.create_task(call.hung_up())
        try:
            await call.start(200, {"content-type": "application/json"})
            while not gone.done():
                await call.send({"type": "http.response.body", "body": b" ", "more_body": True})
                await asyncio.wait({gone}, timeout=interval)
        finally:
            gone.cancel()

    return behave


def lying(state: TenantState | None = None) -> Behaviour:
    """Say that the tenant was activated, while it is in ``state``; None: while there is no such tenant."""

    async def behave(call: Call) -> None:
        def undo() -> None:
            tenant = call.service.tenants.pop(call.recorded.tenant_id or "", None)
            if tenant is not None and state is not None:
                tenant.state = state
                call.service.tenants[tenant.request.tenant_id] = tenant

        await call.proceed(before_answer=undo)

    return behave


def altering(change: Callable[[Said, RecordedCall], object]) -> Behaviour:
    """Do what the contract says, and have ``change`` alter the answer before it goes."""

    async def behave(call: Call) -> None:
        said = Said(0, {}, b"")

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                said.status = message["status"]
                said.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
            else:
                said.body += message.get("body", b"")

        await replace(call, send=keep).proceed()
        change(said, call.recorded)
        await call.start(said.status, said.headers | {"content-length": str(len(said.body))})
        await call.send({"type": "http.response.body", "body": said.body})

    return behave


def flaky(failures: int, behaviour: Behaviour | None = None) -> Behaviour:
    """Behave wrongly ``failures`` times, by default with 503 ``service_not_ready``, and rightly from then on."""
    wrongly = behaviour or refuse(ServiceNotReady)
    left = failures

    async def behave(call: Call) -> None:
        nonlocal left
        left -= 1
        await (wrongly if left >= 0 else rightly)(call)

    return behave
