"""One place that knows how a database that is away shows itself, and what callers are told then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from mt_paas.errors import ServiceNotReady

__all__ = ["told_when_away"]


@contextmanager
def told_when_away(what: str) -> Iterator[None]:
    """Raise :class:`~mt_paas.errors.ServiceNotReady` when ``what`` can not be reached or has no connection free."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
        raise ServiceNotReady(f"{what} does not answer; try again shortly.") from error
