"""How the transaction of a tenant begins: on a connection that remembers nothing, for one tenant, in one round trip.

A pooled connection may have served another tenant a moment ago, and whoever had it may have left something behind: a
setting, a cursor that outlives its transaction, a lock, a prepared statement. So before each transaction that is wiped
away, in a transaction of its own: what PostgreSQL forgets within one comes back when it is rolled back, settings for
example. Then what binds the transaction to its tenant is set (:class:`Fence`), and ends with it. The values travel as
parameters, never in the text of a statement: other sessions of the same role can read texts in ``pg_stat_activity``.

A tenant that has a database of its own is given the same: what one of its requests left would meet its next ones.
Nothing is prepared on the server for longer than one statement, as what is prepared is wiped away too.

psycopg is put into autocommit and sent all of it in one pipeline, in place of its own ``BEGIN``: a tenant's transaction
costs no more round trips than any other. Who knows which connection is lent next sends it before
(:func:`begin_ahead`), and makes the session while the server is at work. With asyncpg, which has no pipelines, a
transaction costs one round trip more, and two where it is fenced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState
from sqlalchemy.util import await_only

from mt_paas.core.database.idle_pool import IdlePool
from mt_paas.core.database.server import connect_args
from mt_paas.errors import TenantNotBound

try:
    import psycopg
    from psycopg.pq import ExecStatus, TransactionStatus
    from psycopg.waiting import Ready, Wait
except ModuleNotFoundError:  # the other driver is used then
    psycopg = None  # type: ignore[assignment]  # a module that is not there

__all__ = ["FENCE", "NO_FENCE", "SNAPSHOT", "Fence", "begin_ahead", "create_tenant_engine", "take_back"]

#: The execution option that holds a session's :class:`Fence`.
FENCE = "mt_paas_fence"
#: The execution option of a session that reads everything as it was at its beginning, and writes nothing.
SNAPSHOT = "mt_paas_snapshot"

_SCHEMAS = 500  # of ten tables each: some 50 MiB
_READ_AT_ONCE = "REPEATABLE READ, READ ONLY"
_READ_COMMITTED = "READ COMMITTED"
# One statement, which can not be within a transaction: the connection stays the same until the next one. It has to be
# the first of its pipeline, and is committed on its own.
_WIPE = (b"DISCARD ALL",)
# Behind a pooler it stays the same within one round trip alone. Wiped in a transaction of its own: what is wiped within
# the tenant's comes back with its rollback. A statement that is prepared under the name of one of the driver's would be
# what the next tenant's query runs.
_WIPE_BEHIND_A_POOLER = (
    b"DEALLOCATE ALL",
    b"BEGIN",
    b"CLOSE ALL",
    b"SET SESSION AUTHORIZATION DEFAULT",
    b"RESET ALL",
    b"UNLISTEN *",
    b"SELECT pg_advisory_unlock_all()",
    b"DISCARD TEMP",
    b"DISCARD SEQUENCES",
    b"COMMIT",
)
_UNPREPARED: dict[bool, dict[str, Any]] = {
    False: {"prepare_threshold": None},
    True: {"statement_cache_size": 0, "prepared_statement_cache_size": 0},
}
# A key of a connection's ``info``: the fence that was sent to it with the beginning of a transaction, and the answer.
_AHEAD = "mt_paas_ahead"


@dataclass(frozen=True, slots=True)
class Fence:
    """What binds a transaction to one tenant: settings of PostgreSQL, in the order of ``names`` and ``values``."""

    names: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


#: The fence of a database that holds one tenant alone.
NO_FENCE = Fence()


def create_tenant_engine(url: URL, *, pooled: bool = False) -> AsyncEngine:
    """Return an engine on which no transaction begins without a :class:`Fence`, with an :class:`IdlePool`.

    ``pooled`` is for a ``url`` of a pooler, behind which each transaction may be on another connection. A session or
    connection that has no fence raises :class:`~mt_paas.errors.TenantNotBound`.
    """
    is_asyncpg = url.drivername.endswith("asyncpg")
    arguments = connect_args(url) | _UNPREPARED[is_asyncpg]
    if is_asyncpg:
        engine = create_async_engine(url, poolclass=IdlePool, connect_args=arguments)
        event.listen(engine.sync_engine, "begin", partial(_begin_asyncpg, pooled=pooled))
    else:
        arguments["autocommit"] = True  # BEGIN is sent below, with what belongs to it
        engine = create_async_engine(url, poolclass=IdlePool, pool_reset_on_return=None, connect_args=arguments)
        event.listen(engine.sync_engine, "connect", _keep_no_notifications)
        event.listen(engine.sync_engine, "reset", _roll_back)
        event.listen(engine.sync_engine, "begin", partial(_begin_psycopg, pooled=pooled))
    if not pooled:
        event.listen(engine.sync_engine, "checkin", _renew)
    return engine


def begin_ahead(record: ConnectionPoolEntry, fence: Fence, *, snapshot: bool, pooled: bool) -> None:
    """Send the beginning of a transaction to an idle connection, on which it begins before anything is awaited.

    Whoever calls this calls :func:`take_back` when the transaction has begun, or has not.
    """
    raw: Any = record.driver_connection
    if not hasattr(raw, "pgconn"):  # asyncpg
        return
    answer = _pipeline(raw.pgconn, _READ_AT_ONCE if snapshot else _READ_COMMITTED, fence, pooled=pooled)
    try:
        next(answer)
    except psycopg.Error:  # who begins the transaction is told
        raw.pgconn.finish()
    else:
        record.info[_AHEAD] = fence, answer


def take_back(record: ConnectionPoolEntry) -> None:
    """Close the connection if the transaction whose beginning was sent has not begun: its answer is still to come."""
    if record.info.pop(_AHEAD, None) is not None:
        raw: Any = record.driver_connection
        raw.pgconn.finish()


def _keep_no_notifications(connection: Any, _: object) -> None:
    """Drop what the connection is notified of: the driver would keep it for whoever asks, the next tenant too."""
    connection.driver_connection.add_notify_handler(lambda _: None)


def _renew(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    """Close a connection that was in so many schemas; another takes its place when one is needed.

    Its server process keeps what it has read of each of their tables, for as long as it lives.
    """
    if len(record.info.get("schemas", ())) >= _SCHEMAS:
        record.invalidate()


def _note_schema(info: dict[Any, Any], fence: Fence) -> None:
    if fence.values:
        info.setdefault("schemas", set()).add(fence.values[0])


def _roll_back(connection: Any, _: object, state: PoolResetState) -> None:
    """End the transaction that a connection is given back with; most come without one."""
    if state.asyncio_safe and connection.driver_connection.pgconn.transaction_status != TransactionStatus.IDLE:
        connection.rollback()


def _bound(connection: Connection) -> tuple[Fence, str]:
    """Return what the transaction is bound to, and how isolated it is to be, whatever the server's default is."""
    options = connection.get_execution_options()
    fence = options.get(FENCE)
    if not isinstance(fence, Fence):
        raise TenantNotBound
    return fence, _READ_AT_ONCE if options.get(SNAPSHOT) else str(options.get("isolation_level") or _READ_COMMITTED)


def _begin_psycopg(connection: Connection, *, pooled: bool) -> None:
    """Begin the transaction. A connection that turns out to be broken, or is cut off in between, is closed."""
    fence, level = _bound(connection)
    given = connection.connection
    raw: Any = given.driver_connection
    try:
        ahead = given.info.pop(_AHEAD, None)
        answer = _of_this(fence, ahead) if ahead else _pipeline(raw.pgconn, level, fence, pooled=pooled)
        if not _is_there(answer):
            await_only(
                asyncio.sleep(0)
            )  # a turn of the loop takes less than watching the connection, and often will do
            if not _is_there(answer):
                await_only(raw.wait(answer))
    except psycopg.Error as error:
        connection.invalidate(error)
        raise OperationalError("BEGIN", None, error, connection_invalidated=True) from error
    except BaseException as error:
        connection.invalidate(error)
        raise
    _note_schema(given.info, fence)
    while raw.pgconn.notifies() is not None:  # what came before the wipe, and was not read
        pass


def _of_this(fence: Fence, ahead: tuple[Fence, Generator[Wait, Ready, None]]) -> Generator[Wait, Ready, None]:
    """Return the answer that is to come. Raises ``TenantNotBound`` where another fence was sent, which can not be."""
    sent, answer = ahead
    if sent is not fence:
        raise TenantNotBound
    return answer


def _is_there(answer: Generator[Wait, Ready, None]) -> bool:
    """Go on as far as that can be done without waiting, and tell whether that was to the end."""
    try:
        next(answer)
    except StopIteration:
        return True
    return False


def _pipeline(pgconn: Any, level: str, fence: Fence, *, pooled: bool) -> Generator[Wait, Ready, None]:
    """Send everything at once, and wait until all of it is done: the protocol of psycopg's generators."""
    pgconn.enter_pipeline_mode()
    for statement in _WIPE_BEHIND_A_POOLER if pooled else _WIPE:
        pgconn.send_query_params(statement, None)
    pgconn.send_query_params(_begin(level), None)
    if fence.names:
        pgconn.send_query_params(_set(fence.names), [value.encode() for value in fence.values])
    pgconn.pipeline_sync()
    yield from _done(pgconn)


def _done(pgconn: Any) -> Generator[Wait, Ready, None]:
    """Send what is to be sent, read until all of it is answered, and raise the first error."""
    while pgconn.flush():
        if (yield Wait.RW) != Ready.W:
            pgconn.consume_input()
    fault: Exception | None = None
    while True:
        while pgconn.is_busy():
            yield Wait.R
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # between the results of two statements
            continue
        if result.status == ExecStatus.PIPELINE_SYNC:
            break
        if result.status == ExecStatus.FATAL_ERROR and fault is None:
            fault = psycopg.errors.error_from_result(result)
    pgconn.exit_pipeline_mode()
    if fault is not None:
        raise fault


def _begin_asyncpg(connection: Connection, *, pooled: bool) -> None:
    """Begin the transaction; behind a pooler the wipe may be on another connection, and is left to the pooler."""
    fence, level = _bound(connection)
    raw: Any = connection.connection.driver_connection
    try:
        for statement in (b"SELECT 1",) if pooled else _WIPE:  # it tells too whether the connection still lives
            await_only(raw.execute(statement.decode()))
    except BaseException as error:
        connection.invalidate(error)
        if isinstance(error, Exception):
            raise OperationalError("BEGIN", None, error, connection_invalidated=True) from error
        raise
    connection.exec_driver_sql(f"SET TRANSACTION ISOLATION LEVEL {level}")
    if fence.names:
        connection.exec_driver_sql(_set(fence.names).decode(), fence.values)
    _note_schema(connection.info, fence)


@lru_cache(maxsize=8)
def _begin(level: str) -> bytes:
    return f"BEGIN ISOLATION LEVEL {level}".encode()


@lru_cache(maxsize=8)
def _set(names: tuple[str, ...]) -> bytes:
    settings = ", ".join(f"set_config('{name}', ${place}, true)" for place, name in enumerate(names, 1))
    return f"SELECT {settings}".encode()
