"""What a market needs before it is worth loading one: settings that are right, and a port that is free.

Both are tried before the server is imported, which takes seconds: a mistake is told at once.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from service_market.cli import text
from service_market.cli.exits import ExitCode, Stop
from service_market.settings import Settings

__all__ = ["listen", "load_settings"]


def load_settings(*, home: Path | None = None, host: str | None = None, port: int | None = None) -> Settings:
    """Return the settings of the environment with those of the command line above them.

    Raises :class:`~service_market.cli.exits.Stop` with every fault.
    """
    given: dict[str, Any] = {"home": home} if home else {}
    given["api"] = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, each['loc'])) or 'settings'}: {each['msg']}" for each in error.errors()]
        raise Stop(ExitCode.USAGE, text.BAD_SETTINGS(faults="; ".join(faults))) from None
    except SettingsError as error:
        raise Stop(ExitCode.USAGE, text.BAD_SETTINGS(faults=error)) from None


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
