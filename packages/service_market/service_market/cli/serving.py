"""Running a market: one event loop for the API, the worker and the embedded database, and a clean end of it.

The end begins with the first SIGINT or SIGTERM: the API answers what it has begun, the worker finishes or hands back
its jobs, the database stops. What is wrong with the home or the database is one sentence.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from alembic.util import CommandError
from fastapi import FastAPI
from mt_paas.errors import MtPaasError
from sqlalchemy.exc import OperationalError

from service_market.assembly import Market, assemble, forget_sealed, management_database, require_readable
from service_market.cli import text
from service_market.cli.exits import ExitCode, Stop
from service_market.cli.remote import TOKEN_FILE
from service_market.cli.screen import Screen
from service_market.core import log
from service_market.core.errors import Unauthenticated
from service_market.main import create_app
from service_market.migrations.upgrade import upgrade
from service_market.rooms.identity import public as identity
from service_market.rooms.identity.errors import TokenUnknown
from service_market.settings import Settings
from service_market.worker import keep_working, until_signalled

__all__ = ["forget", "migrate", "up", "worker"]

_GRACE = 10  # seconds for requests that are being answered at the end


def up(settings: Settings, listening: socket.socket, *, worker: bool) -> None:
    """Serve on ``listening`` until told to stop."""
    log.configure(settings.log_level)
    with _sentences():
        asyncio.run(_until_told(_serve(settings, listening, worker=worker)))
    Screen().say(text.STOPPED())


def worker(settings: Settings) -> None:
    """Work until told to stop."""
    log.configure(settings.log_level)
    with _sentences():
        asyncio.run(_until_told(_work(settings)))
    Screen().say(text.STOPPED())


def migrate(settings: Settings) -> None:
    """Bring the schema to its head and say what changed."""
    log.configure(settings.log_level)
    with _sentences():
        before, after = asyncio.run(_migrate(settings))
    if before == after:
        Screen().say(text.UP_TO_DATE(after=after))
    else:
        Screen().say(text.MIGRATED(before=before or text.NO_SCHEMA(), after=after))


def forget(settings: Settings) -> None:
    """Drop what was sealed with a lost key, and say how much that was."""
    log.configure(settings.log_level)
    with _sentences():
        Screen().say(text.FORGOTTEN(count=asyncio.run(_forget(settings))))


async def _serve(settings: Settings, listening: socket.socket, *, worker: bool) -> None:
    async with _market(settings) as market:
        token_file = await _keep_operator_token(market, settings.home / TOKEN_FILE)
        server = _Server(create_app(market))
        tasks = [asyncio.create_task(server.serve(sockets=[listening]))]
        if worker:
            tasks.append(asyncio.create_task(keep_working(market)))
        try:
            await server.settled.wait()
            _announce(listening, token_file, worker=worker)
            await asyncio.shield(tasks[0])
        finally:
            server.should_exit = True
            for task in tasks[1:]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _announce(listening: socket.socket, token_file: Path, *, worker: bool) -> None:
    host, port = listening.getsockname()[:2]
    screen = Screen()
    screen.say(text.LISTENING(url=f"http://{f'[{host}]' if ':' in host else host}:{port}"))
    screen.say(text.TOKEN_AT(file=token_file))
    if not worker:
        screen.say(text.WITHOUT_WORKER())
    screen.say(text.TO_END())


async def _work(settings: Settings) -> None:
    async with _market(settings) as market:
        Screen().say(text.WORKING())
        await keep_working(market)


async def _migrate(settings: Settings) -> tuple[str | None, str | None]:
    async with management_database(settings) as addresses:
        return await asyncio.to_thread(upgrade, addresses)


async def _forget(settings: Settings) -> int:
    async with management_database(settings) as addresses:
        await asyncio.to_thread(upgrade, addresses)
        return await forget_sealed(settings, addresses)


@asynccontextmanager
async def _market(settings: Settings) -> AsyncIterator[Market]:
    """Give a market whose database runs and is at the head of its schema."""
    async with management_database(settings) as addresses:
        await asyncio.to_thread(upgrade, addresses)
        await require_readable(settings, addresses)
        market = assemble(settings, addresses)
        try:
            yield market
        finally:
            await market.close()


async def _keep_operator_token(market: Market, file: Path) -> Path:
    """Leave a token of the operator in ``file``, readable by its owner alone; one that works is kept.

    One that this database does not know may be another's that shares the home: it is put aside, and that is said.
    """
    there = _read(file)
    try:
        if there and (await identity.authenticate(market.kernel, there)).unfenced:
            return file
    except TokenUnknown:
        _put_aside(file, there)
    except Unauthenticated:
        pass  # expired or revoked, and of this database: nobody misses it
    async with market.kernel.unit() as uow:
        token = await identity.bootstrap_operator(uow, name=f"{TOKEN_FILE} of {socket.gethostname()}")
    _write(file, token)
    return file


def _put_aside(file: Path, token: str) -> None:
    """Rename the file by what everybody may know of its token: the prefix that lists show."""
    aside = file.with_name(f"{file.name}.{re.sub('[^A-Za-z0-9_-]', '_', token[:8])}")
    file.replace(aside)
    Screen().say(text.TOKEN_ASIDE(file=file, aside=aside), style="yellow")


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return ""


def _write(file: Path, token: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    fresh.write_text(token + "\n")
    fresh.replace(file)


async def _until_told(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` until it ends, or until the first signal, which cancels it and waits for its clean end."""
    working, told = asyncio.create_task(work), asyncio.create_task(until_signalled())
    await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


class _Server(uvicorn.Server):
    """A server that leaves signals to the process; ``settled`` is set when it answers, or can not."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=_GRACE)
        )
        self.settled = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        try:
            await super().startup(sockets)
        finally:
            self.settled.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@contextmanager
def _sentences() -> Iterator[None]:
    """Turn what is wrong with the machine or the set-up into one sentence."""
    try:
        yield
    except MtPaasError as error:
        raise Stop(ExitCode.FAILED, _with_hint(" ".join(str(error).split()))) from None
    except OperationalError as error:
        why = str(error.orig).strip().partition("\n")[0]
        raise Stop(ExitCode.FAILED, _with_hint(text.DATABASE_AWAY(why=why))) from None
    except CommandError:
        raise Stop(ExitCode.FAILED, text.SCHEMA_NEWER()) from None
    except OSError as error:
        raise Stop(ExitCode.FAILED, text.FILE_UNUSABLE(file=error.filename, why=error.strerror)) from None


def _with_hint(said: str) -> str:
    """Return the sentence, and what to do where it says that the database is not there."""
    missing = re.search(r'database "([^"]+)" does not exist', said)
    return f"{said} {text.MAKE_DATABASE(name=missing[1])}" if missing else said
