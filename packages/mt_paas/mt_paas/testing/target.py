"""The service that a project's tests are about: who it is, how to reach it, and running it while they run.

It is an ASGI application, or the address of a service that runs somewhere. An application is served over real HTTP, by
an event loop in a thread of its own: a test may be a plain function, or run in any event loop that it likes.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mt_paas.conformance import Document, read_document
from mt_paas.conformance.finding import found_document
from mt_paas.conformance.service import Service
from mt_paas.conformance.target import DEFAULT_ENDPOINTS
from mt_paas.errors import ConfigurationError
from mt_paas.standard_api.manifest import DEFAULT_KEY_HEADER, Manifest
from mt_paas.testing.serving import serve

__all__ = ["EventLoop", "RunningService", "ServiceUnderTest", "running"]

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ServiceUnderTest:
    """A service: an ASGI application or an address, the market's key, and its manifest or the manifest's file.

    Without a manifest the one that the service serves counts, and without that the paths of version 1.
    """

    app: Any
    key: str
    manifest: Manifest | str | Path | None = None

    @staticmethod
    def of(what: Any, *, key: str = "", manifest: str = "") -> ServiceUnderTest:
        """Return the service that ``what`` tells of: one, an application, an address, or ``module:application``.

        A double of this package knows its key and its manifest. Raises ``ConfigurationError`` for anything else.
        """
        if isinstance(what, ServiceUnderTest):
            return what
        if isinstance(what, str) and not what.startswith(("http://", "https://")):
            what = _imported(what)
        if not isinstance(what, str) and not callable(what):
            raise ConfigurationError(f"{what!r} is no service: give an ASGI application, or an address")
        key = key or getattr(what, "api_key", "")
        if not key:
            raise ConfigurationError("the market's key is missing: set mt_paas_key, or MT_PAAS_KEY in the environment")
        return ServiceUnderTest(what, key, manifest or None)


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service that runs, and the event loop from which it is called."""

    url: str
    key: str
    manifest: Manifest
    document: Document | None
    loop: EventLoop


class EventLoop:
    """An event loop in a thread of its own; :func:`event_loop` makes one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine there, and return its result; whoever asks waits for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


@contextmanager
def event_loop() -> Iterator[EventLoop]:
    """Run an event loop in a thread until the block ends; what is left in it is cancelled."""
    with asyncio.Runner() as runner:
        loop, done = runner.get_loop(), asyncio.Event()
        thread = threading.Thread(target=runner.run, args=(done.wait(),), name="mt_paas.testing", daemon=True)
        thread.start()
        try:
            yield EventLoop(loop)
        finally:
            loop.call_soon_threadsafe(done.set)
            thread.join()


@contextmanager
def running(service: ServiceUnderTest) -> Iterator[RunningService]:
    """Run the service, or find it at its address, until the block ends."""
    with event_loop() as loop:
        if isinstance(service.app, str):
            yield _known(service, service.app.rstrip("/"), loop)
            return
        served = serve(service.app)
        url = loop.run(served.__aenter__())
        try:
            yield _known(service, url, loop)
        finally:
            loop.run(served.__aexit__(None, None, None))


def _known(service: ServiceUnderTest, url: str, loop: EventLoop) -> RunningService:
    manifest, document = service.manifest, None
    if isinstance(manifest, Manifest):
        document = read_document("the manifest", manifest.model_dump_json(exclude_none=True).encode(), is_given=True)
    elif manifest is not None:
        document = read_document(str(manifest), Path(manifest).read_bytes(), is_given=True)
        manifest = Manifest.load(manifest)
    else:
        document = loop.run(_found(url, service.key))
        manifest = _default(url) if document is None else Manifest.model_validate(document.content)
    there = manifest.endpoints.model_copy(update={"base_url": url})
    return RunningService(url, service.key, manifest.model_copy(update={"endpoints": there}), document, loop)


async def _found(url: str, key: str) -> Document | None:
    async with Service() as service:
        return await found_document(service, url, key)


def _default(url: str) -> Manifest:
    """Return the manifest of a service that has none: version 1, at the contract's own paths."""
    return Manifest.model_validate(
        {
            "version": "1.0",
            "service": {
                "id": "service_under_test",
                "name": "The service under test",
                "description": "",
                "version": "0",
                "vendor": "-",
            },
            "endpoints": {"base_url": url, **DEFAULT_ENDPOINTS},
            "auth": {"type": "api_key", "header": DEFAULT_KEY_HEADER},
            "isolation": {"supported": ["DATABASE_PER_TENANT"], "default": "DATABASE_PER_TENANT"},
        }
    )


def _imported(name: str) -> Any:
    """Return the application that ``module:name`` names; with ``()`` behind it, what that returns."""
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ConfigurationError(f"the service {name!r} is neither an address nor module:application")
    try:
        app = getattr(importlib.import_module(module), attribute.removesuffix("()"))
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"the service {name!r} is not there ({error}): name it as module:application"
        ) from error
    if not colon:
        raise ConfigurationError(f"the service {name!r} is neither an address nor module:application")
    return app() if attribute.endswith("()") else app
