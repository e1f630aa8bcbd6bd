"""The frame of the demo: a place, ports, keys and databases; the processes; the story; what is left standing."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import socket
import sys
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from service_market.cli import text
from service_market.cli.demo.databases import OwnDatabases
from service_market.cli.demo.keeper import Order, Program
from service_market.cli.demo.place import Place, claim
from service_market.cli.demo.processes import Processes, Surprise
from service_market.cli.demo.services import Service
from service_market.cli.demo.story import Story
from service_market.cli.exits import ExitCode, Stop
from service_market.cli.remote import TOKEN_FILE, Remote
from service_market.cli.screen import Screen

__all__ = ["run"]

_HOST = "127.0.0.1"
_SERVICES = ("sample_service", "plain_service")
_OURS = ("MARKET_", "MT_", "DATABASE_URL")  # settings of the caller's shell, which must not reach the demo's processes
_LOOK = 0.5  # seconds between two looks while the demo stands


def run(*, home: Path, port: int, once: bool) -> None:
    """Show the main job; then end everything with ``once``, or stand until Ctrl-C without."""
    missing = [service for service in _SERVICES if find_spec(service) is None]
    if missing:
        raise Stop(ExitCode.FAILED, text.DEMO_NEEDS(services=", ".join(missing)))
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background jobs are born ignoring it
        signal.signal(number, _interrupt)
    with claim(home) as place:
        _play(place, port, once=once)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _play(place: Place, port: int, *, once: bool) -> None:
    screen, began = Screen(), time.monotonic()
    server = os.environ.get("DATABASE_URL") or None
    if server is not None and place.past_run is not None:
        OwnDatabases(server, place.past_run).drop()  # of a run that was killed together with its keeper
    place.empty()
    databases = OwnDatabases(server, f"demo_{secrets.token_hex(4)}") if server is not None else None
    if databases is not None:
        place.note_run(databases.name)
    market_socket, service_sockets = _listen(port), [_listen(0) for _ in _SERVICES]
    url = _url(market_socket)
    services = [
        Service(name, _url(each), secrets.token_urlsafe(32))
        for name, each in zip(_SERVICES, service_sockets, strict=True)
    ]
    programs = [_market_program(place, market_socket.detach(), databases)]
    for service, each in zip(services, service_sockets, strict=True):
        programs.append(_service_program(place, service, each.detach(), databases))
    order = Order(programs, place.lock, server, databases.name if databases else "")
    with Processes(order) as processes:
        try:
            with screen.busy(text.DEMO_START()):
                processes.wait_until_answered("market", f"{url}/api/v1/health")
                for service in services:
                    processes.wait_until_answered(service.name, f"{service.url}/mt/health")
            screen.say(f"✓ {time.monotonic() - began:5.2f} s  {text.DEMO_START()}", style="green")
            with Remote(url, None, place.folder) as market:
                Story(market, services, processes, move_clock=partial(_move, place.clock), screen=screen).play()
            screen.say(text.DEMO_DONE(seconds=f"{time.monotonic() - began:.1f}"), style="bold green")
            if not once:
                _stand(screen, processes, place, url)
        except Surprise as surprise:
            raise Stop(ExitCode.FAILED, _told(surprise, processes, place)) from None
    screen.say(text.STOPPED())


def _stand(screen: Screen, processes: Processes, place: Place, url: str) -> None:
    token = place.folder / TOKEN_FILE
    try:
        screen.say(text.DEMO_STANDS(url=url, token=token, folder=place.folder, path=_path_to_market()))
        while True:
            processes.require_all()
            time.sleep(_LOOK)
    except KeyboardInterrupt:
        screen.say("")


def _path_to_market() -> str:
    """Return the line without which the shell that started the demo does not find ``market``; empty where it does."""
    scripts = Path(sys.executable).parent
    if shutil.which("market") == str(scripts / "market"):
        return ""
    return f"export PATH={shlex.quote(str(scripts))}:$PATH\n  "


def _told(surprise: Surprise, processes: Processes, place: Place) -> str:
    if surprise.program is None or not (words := processes.last_words(surprise.program)):
        return str(surprise)
    return "\n".join([str(surprise), "", f"{place.log(surprise.program)}:", *(f"  {line}" for line in words)])


def _move(clock: Path, seconds: float) -> None:
    """Move the market's calendar; it never sees a half-written number."""
    fresh = clock.with_suffix(".new")
    fresh.write_text(str(seconds))
    fresh.replace(clock)


def _market_program(place: Place, listening: int, databases: OwnDatabases | None) -> Program:
    environment = {"MARKET_HOME": str(place.folder), "MARKET_CLOCK_FILE": str(place.clock)}
    if databases is not None:
        environment["DATABASE_URL"] = databases.market
    command = ["-m", "service_market.cli", "up", "--fd", str(listening)]
    return _python(place, "market", listening, command, environment)


def _service_program(place: Place, service: Service, listening: int, databases: OwnDatabases | None) -> Program:
    environment = {"MT_API_KEYS": service.market_key, "MT_PUBLIC_URL": service.url}
    if service.name != "sample_service":
        environment["MT_HOME"] = str(place.folder / service.name)
    elif databases is None:
        environment["MT_HOME"] = str(place.folder / "postgres")  # the embedded server that the market uses too
    else:
        environment |= {"MT_DATABASE_URL": databases.registry, "MT_TENANT_PREFIX": databases.prefix}
    command = ["-m", "uvicorn", f"{service.name}.app:app", "--fd", str(listening), "--no-access-log"]
    return _python(place, service.name, listening, command, environment)


def _python(place: Place, name: str, listening: int, command: list[str], settings: dict[str, str]) -> Program:
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(_OURS) or key == "MT_POSTGRES_BIN"
    }
    return Program(name, listening, [sys.executable, *command], {**inherited, **settings}, str(place.log(name)))


def _listen(port: int) -> socket.socket:
    """Return a socket that listens on ``port``, on a free one where that is in use."""
    try:
        return socket.create_server((_HOST, port))
    except OSError:
        if port == 0:
            raise
        return _listen(0)


def _url(listening: socket.socket) -> str:
    return f"http://{_HOST}:{listening.getsockname()[1]}"
