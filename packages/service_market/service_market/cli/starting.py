"""What a market needs before it is worth loading one: settings that are right, and a port that is free.

Both are tried before the server is imported, which takes seconds: a mistake is told at once.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from service_market.cli import text
from service_market.cli.exits import ExitCode, Stop
from service_market.core.faults import sentence
from service_market.settings import Settings

__all__ = ["heard_at", "listen", "load_settings"]

_PREFIX = "MARKET_"


def load_settings(*, home: Path | None = None, host: str | None = None, port: int | None = None) -> Settings:
    """Return the settings of the environment with those of the command line above them.

    Raises :class:`~service_market.cli.exits.Stop` with every fault.
    """
    given: dict[str, Any] = {"home": home} if home else {}
    given["api"] = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        faults = "; ".join(f"{_variable(each['loc'])}{sentence(each)}" for each in error.errors())
        raise Stop(ExitCode.USAGE, text.BAD_SETTINGS(faults=faults)) from None
    except SettingsError as error:
        raise Stop(ExitCode.USAGE, text.BAD_SETTINGS(faults=f'{_not_json(error)}it must be JSON, as ["…"]')) from None


def heard_at(settings: Settings, listening: socket.socket) -> Settings:
    """Return the settings with the address that is really listened on, for it may have come with a descriptor."""
    host, port = listening.getsockname()[:2]
    return settings.model_copy(update={"api": settings.api.model_copy(update={"host": host, "port": port})})


def _variable(place: Sequence[int | str]) -> str:
    """Return the environment's name for the setting at ``place``, before a colon; nothing where several are meant."""
    names = [str(part) for part in place if isinstance(part, str)]
    if not names:
        return ""
    name = "__".join(names).upper()
    return f"{name if name.endswith('DATABASE_URL') else _PREFIX + name}: "


def _not_json(error: SettingsError) -> str:
    """Return which variables of the field that could not be read do not hold JSON, before a colon."""
    field = re.search(r'field "(\w+)"', str(error))
    found = [
        name
        for name, value in os.environ.items()
        if field and re.fullmatch(rf"{_PREFIX}{field[1]}(__\w+)?", name, re.IGNORECASE) and not _is_json(value)
    ]
    return f"{', '.join(found)}: " if found else ""


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


@contextmanager
def listen(host: str, port: int, fd: int | None) -> Iterator[socket.socket]:
    """Give a socket that listens on the port; with ``fd``, the one that is behind that descriptor.

    Raises :class:`~service_market.cli.exits.Stop` where the port is in use, or can not be had.
    """
    if fd is not None:
        with _given(fd) as listening:
            yield listening
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        said = text.PORT_IN_USE if error.errno == errno.EADDRINUSE else text.CANNOT_LISTEN
        raise Stop(ExitCode.FAILED, said(host=host, port=port, why=os.strerror(error.errno or 0))) from None
    with listening:
        yield listening


def _given(fd: int) -> socket.socket:
    try:
        return socket.socket(fileno=fd)
    except OSError as error:
        raise Stop(ExitCode.USAGE, text.NOT_A_SOCKET(fd=fd, why=error.strerror)) from None
