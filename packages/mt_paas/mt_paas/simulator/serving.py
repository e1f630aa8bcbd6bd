"""Serves the simulator on a socket that is bound already; signals are left to whoever runs it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from mt_paas.errors import ConfigurationError, MissingExtraError

try:
    import uvicorn
    from starlette.types import ASGIApp
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.simulator", "simulator") from error

__all__ = ["Server", "listen"]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; ``port`` 0 takes a free one. Raises ``ConfigurationError`` when it can not."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        what = error.strerror or str(error)
        raise ConfigurationError(f"{host}:{port} can not be listened on: {what}; take another with --port") from None


class Server(uvicorn.Server):
    """uvicorn without its log and its signal handlers; it ends within a second after ``should_exit`` is set."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app, log_config=None, access_log=False, ws="none", lifespan="off", timeout_graceful_shutdown=1
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield
