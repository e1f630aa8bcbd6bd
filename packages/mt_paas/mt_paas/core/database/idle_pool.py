"""The connections to one database that nobody uses at the moment, as SQLAlchemy's pools keep theirs."""

from __future__ import annotations

from typing import Any

from sqlalchemy.pool import ConnectionPoolEntry, Pool

__all__ = ["IdlePool"]


class IdlePool(Pool):
    """Lends the connection that was used last, and opens one where none is idle.

    How many there are at once is not its business: whoever asks has a place for one
    (:class:`~mt_paas.core.database.connections.Connections`). It keeps nothing of a connection that was closed, where
    SQLAlchemy's own pools open it again.
    """

    _is_asyncio = True  # what SQLAlchemy asks of a pool for drivers that are awaited; nothing here waits

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._idle: list[ConnectionPoolEntry] = []
        self._disposed = False

    def __len__(self) -> int:
        """Return how many connections are idle."""
        return len(self._idle)

    @property
    def next(self) -> ConnectionPoolEntry | None:
        """The connection that is lent next; null where one will be opened."""
        return self._idle[-1] if self._idle else None

    def take_oldest(self) -> ConnectionPoolEntry:
        """Return the idle connection that was used the longest ago, for whoever closes it; it is not lent any more."""
        return self._idle.pop(0)

    def dispose(self) -> None:
        """Close every idle connection, and from now on each that comes back."""
        self._disposed = True
        while self._idle:
            self._idle.pop().close()

    def recreate(self) -> IdlePool:
        """Return an empty one of the same kind."""
        return type(self)(
            self._creator,
            recycle=self._recycle,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            pre_ping=self._pre_ping,
            _dispatch=self.dispatch,
            dialect=self._dialect,
        )

    def status(self) -> str:
        """Describe the pool for a log."""
        return f"{len(self)} idle connections"

    def _do_get(self) -> ConnectionPoolEntry:
        return self._idle.pop() if self._idle else self._create_connection()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if self._disposed:
            record.close()
        elif record.dbapi_connection is not None:
            self._idle.append(record)
