"""Serving an ASGI application over real HTTP inside a test, on a free port of the loopback interface."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from mt_paas.errors import ConfigurationError

try:
    import uvicorn
    from starlette.types import ASGIApp, Receive, Scope, Send
except ModuleNotFoundError as error:
    raise ConfigurationError("mt_paas.testing.serving runs uvicorn: pip install uvicorn") from error

__all__ = ["serve"]


@asynccontextmanager
async def serve(app: ASGIApp, *, websockets: str = "none") -> AsyncIterator[str]:
    """Serve ``app`` in this event loop and yield its address, such as ``http://127.0.0.1:49152``.

    The application's lifespan runs around it. At the end requests that are still being answered are cancelled, and
    nothing is left open. ``websockets`` is what uvicorn speaks them with, where a test needs any. Raises
    ``RuntimeError`` when the application does not start.
    """
    requests = _Requests(app)
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = _Server(uvicorn.Config(requests, log_config=None, access_log=False, ws=websockets))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not server.ready.is_set():
            raise RuntimeError("The application did not start: its lifespan failed")
        yield address
    finally:
        ready.cancel()
        requests.cancel()
        server.ask_to_stop()
        await serving
        listener.close()


class _Server(uvicorn.Server):
    """uvicorn, woken by events where it would look at its flags ten times a second; signals are the test runner's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._asked_to_stop = asyncio.Event()

    def ask_to_stop(self) -> None:
        self.should_exit = True
        self._asked_to_stop.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # uvicorn's answer to a lifespan that fails; here the test goes on
            self.should_exit = True
        else:
            self.ready.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._asked_to_stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # As uvicorn does it, without its fixed pauses: the requests have been cancelled, nobody is kept waiting.
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if tasks := set(self.server_state.tasks):
            await asyncio.wait(tasks)
        for server in self.servers:
            await server.wait_closed()
        await self.lifespan.shutdown()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Requests:
    """The application, with a list of the requests that it is answering."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tasks: set[asyncio.Task[object]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if task is None or scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        self._tasks.add(task)
        try:
            await self._app(scope, receive, send)
        finally:
            self._tasks.discard(task)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
