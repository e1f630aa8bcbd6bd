"""Services that are wrong in one way, by the names of the field: slow, never answering, flaky, lying, garbage.

Each is made over a right :class:`~mt_paas.testing.fake.FakeService`, a new one unless one is given, and is served in
its place; ``service`` is the one beneath it. ``on`` names the operation that is wrong; without it all are, but for
:class:`Lying`, which is about activations. As a context manager a double is wrong inside of the block::

    with Slow(service, seconds=2, on="activate"):
        ...

They are behaviours with a name; ``service.behave`` takes those, and any of your own.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from starlette.types import Receive, Scope, Send

from mt_paas.standard_api.models import TenantState
from mt_paas.testing.behaviours import Behaviour, Call, flaky, garbage, lying, rightly, silent, slow
from mt_paas.testing.fake import FakeService, OperationName

__all__ = ["Fault", "Flaky", "Garbage", "Lying", "Never", "Slow"]


class Fault:
    """A service that behaves in one way until it is told to be right; an ASGI application."""

    def __init__(self, service: FakeService | None, behaviour: Behaviour, on: OperationName | None) -> None:
        self.service = service if service is not None else FakeService()
        self._on = on
        self.service.behave(behaviour, on=on)

    @property
    def api_key(self) -> str:
        """The market's key for the service."""
        return self.service.api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, wrongly."""
        await self.service(scope, receive, send)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.mend()

    def mend(self) -> None:
        """Have the service be right from the next call on."""
        self.service.behave(rightly, on=self._on)


class Slow(Fault):
    """Does what the contract says, ``seconds`` too late, or once ``until`` is set; for a caller that has gone too."""

    def __init__(
        self,
        service: FakeService | None = None,
        *,
        seconds: float = 5.0,
        until: asyncio.Event | None = None,
        on: OperationName | None = None,
    ) -> None:
        async def late(call: Call) -> None:
            await asyncio.sleep(seconds)
            await call.proceed()

        super().__init__(service, late if until is None else slow(until), on)


class Never(Fault):
    """Takes the request and never answers."""

    def __init__(self, service: FakeService | None = None, *, on: OperationName | None = None) -> None:
        super().__init__(service, silent, on)


class Flaky(Fault):
    """Is wrong ``failures`` times, by default with 503 ``service_not_ready``, and right from then on."""

    def __init__(
        self,
        service: FakeService | None = None,
        *,
        failures: int = 1,
        behaviour: Behaviour | None = None,
        on: OperationName | None = None,
    ) -> None:
        super().__init__(service, flaky(failures, behaviour), on)


class Lying(Fault):
    """Says that a tenant was activated, while it is in ``state``; None: while there is no such tenant."""

    def __init__(self, service: FakeService | None = None, *, state: TenantState | None = None) -> None:
        super().__init__(service, lying(state), "activate")


class Garbage(Fault):
    """Answers what the contract does not know: by default a web page, with status 200."""

    def __init__(
        self,
        service: FakeService | None = None,
        *,
        body: bytes = b"<html><body>It works!</body></html>",
        status: int = 200,
        content_type: str = "text/html",
        on: OperationName | None = None,
    ) -> None:
        super().__init__(service, garbage(body, status=status, content_type=content_type), on)
