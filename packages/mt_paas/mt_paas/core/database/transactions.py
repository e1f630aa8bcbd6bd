"""How the transaction of a tenant begins: on a connection that remembers nothing, for one tenant, in one round trip.

A pooled connection may have served another tenant a moment ago, and whoever had it may have left something behind: a
setting, a cursor that outlives its transaction, a lock, a prepared statement. So before each transaction that is wiped
away, in a transaction of its own: what PostgreSQL forgets within one comes back when it is rolled back, settings for
example. Then what binds the transaction to its tenant is set (:class:`Fence`), and ends with it. The values travel as
parameters, never in the text of a statement: other sessions of the same role can read texts in ``pg_stat_activity``.

psycopg is put into autocommit and sent all of it in one pipeline, in place of its own ``BEGIN``: a tenant's transaction
costs no more round trips than any other. With asyncpg, which has no pipelines, it costs two more.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

from mt_paas.core.database.server import connect_args
from mt_paas.errors import TenantNotBound

try:
    import psycopg
    from psycopg.pq import ExecStatus
    from psycopg.waiting import Ready, Wait
except ModuleNotFoundError:  # the other driver is used then
    psycopg = None  # type: ignore[assignment]  # a module that is not there

__all__ = ["FENCE", "NO_FENCE", "SNAPSHOT", "Fence", "create_tenant_engine"]

#: The execution option that holds a session's :class:`Fence`.
FENCE = "mt_paas_fence"
#: The execution option of a session that reads everything as it was at its beginning, and writes nothing.
SNAPSHOT = "mt_paas_snapshot"

_SCHEMAS = 500  # of ten tables each: some 50 MiB
_READ_AT_ONCE = "REPEATABLE READ, READ ONLY"
# One statement, which can not be within a transaction: the connection stays the same until the next one.
_WIPE = (b"DISCARD ALL",)
# Behind a pooler it stays the same within one round trip alone. Wiped in a transaction of its own: what is wiped within
# the tenant's comes back with its rollback. A statement that is prepared under the name of one of the driver's would be
# what the next tenant's query runs.
_WIPE_BEHIND_A_POOLER = (
    b"DEALLOCATE ALL",
    b"BEGIN",
    b"CLOSE ALL",
    b"UNLISTEN *",
    b"RESET ALL",
    b"DISCARD SEQUENCES",
    b"SELECT pg_advisory_unlock_all()",
    b"COMMIT",
)
_UNPREPARED: dict[bool, dict[str, Any]] = {
    False: {"prepare_threshold": None},
    True: {"statement_cache_size": 0, "prepared_statement_cache_size": 0},
}


@dataclass(frozen=True, slots=True)
class Fence:
    """What binds a transaction to one tenant: settings of PostgreSQL, in the order of ``names`` and ``values``."""

    names: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


#: The fence of a database that holds one tenant alone.
NO_FENCE = Fence()


def create_tenant_engine(
    url: URL, *, size: int, patience: float, shared: bool = False, pooled: bool = False
) -> AsyncEngine:
    """Return an engine of up to ``size`` connections, on which no transaction begins without a :class:`Fence`.

    ``pooled`` is for a ``url`` of a pooler, behind which each transaction may be on another connection, and ``shared``
    for connections of many tenants: nothing is prepared for either. A session or connection that has none raises
    :class:`~mt_paas.errors.TenantNotBound`.
    """
    arguments = connect_args(url)
    if not _is_asyncpg(url):
        arguments["autocommit"] = True  # BEGIN is sent below, with what belongs to it
    if shared or pooled:
        arguments |= _UNPREPARED[_is_asyncpg(url)]
    engine = create_async_engine(
        url, pool_size=size, max_overflow=0, pool_timeout=patience, pool_use_lifo=True, connect_args=arguments
    )
    begin = _begin_asyncpg if _is_asyncpg(url) else _begin_psycopg
    event.listen(engine.sync_engine, "begin", partial(begin, pooled=pooled))
    if shared and not _is_asyncpg(url):
        event.listen(engine.sync_engine, "connect", _keep_no_notifications)
    if shared and not pooled:
        event.listen(engine.sync_engine, "begin", _note_schema)
        event.listen(engine.sync_engine, "checkin", _renew)
    return engine


def _is_asyncpg(url: URL) -> bool:
    return url.drivername.endswith("asyncpg")


def _keep_no_notifications(connection: Any, _: object) -> None:
    """Drop what the connection is notified of: the driver would keep it for whoever asks, the next tenant too."""
    connection.driver_connection.add_notify_handler(lambda _: None)


def _note_schema(connection: Connection) -> None:
    connection.info.setdefault("schemas", set()).update(_fence_of(connection).values[:1])


def _renew(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    """Have another connection take the place of one that was in so many schemas.

    Its server process keeps what it has read of each of their tables, for as long as it lives.
    """
    if len(record.info.get("schemas", ())) >= _SCHEMAS:
        record.invalidate(soft=True)


def _fence_of(connection: Connection) -> Fence:
    fence = connection.get_execution_options().get(FENCE)
    if not isinstance(fence, Fence):
        raise TenantNotBound
    return fence


def _level_of(connection: Connection) -> str:
    """Return how isolated the transaction is to be, whatever the server's default is."""
    options = connection.get_execution_options()
    return _READ_AT_ONCE if options.get(SNAPSHOT) else str(options.get("isolation_level") or "READ COMMITTED")


def _begin_psycopg(connection: Connection, *, pooled: bool) -> None:
    """Begin the transaction. A connection that turns out to be broken, or is cut off in between, is closed."""
    fence = _fence_of(connection)
    begin = f"BEGIN ISOLATION LEVEL {_level_of(connection)}".encode()
    raw: Any = connection.connection.driver_connection
    try:
        await_only(raw.wait(_pipeline(raw.pgconn, begin, fence, pooled=pooled)))
    except psycopg.Error as error:
        connection.invalidate(error)
        raise OperationalError("BEGIN", None, error, connection_invalidated=True) from error
    except BaseException as error:
        connection.invalidate(error)
        raise
    while raw.pgconn.notifies() is not None:  # what came before the wipe, and was not read
        pass


def _pipeline(pgconn: Any, begin: bytes, fence: Fence, *, pooled: bool) -> Generator[Wait, Ready, None]:
    """Send everything at once, and wait until all of it is done: the protocol of psycopg's generators."""
    pgconn.enter_pipeline_mode()
    syncs = 1
    if fence.names:
        for statement in _WIPE_BEHIND_A_POOLER if pooled else _WIPE:
            pgconn.send_query_params(statement, [])
        if not pooled:
            pgconn.pipeline_sync()
            syncs += 1
    pgconn.send_query_params(begin, [])
    if fence.names:
        pgconn.send_query_params(_set(fence.names).encode(), [value.encode() for value in fence.values])
    pgconn.pipeline_sync()
    yield from _done(pgconn, syncs)


def _done(pgconn: Any, syncs: int) -> Generator[Wait, Ready, None]:
    """Send what is to be sent, read until so many synchronisations have come, and raise the first error of them."""
    while pgconn.flush():
        if (yield Wait.RW) & Ready.R:
            pgconn.consume_input()
    fault: Exception | None = None
    while syncs:
        while pgconn.is_busy():
            yield Wait.R
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # between the results of two statements
            continue
        syncs -= result.status == ExecStatus.PIPELINE_SYNC
        if result.status == ExecStatus.FATAL_ERROR and fault is None:
            fault = psycopg.errors.error_from_result(result)
    pgconn.exit_pipeline_mode()
    if fault is not None:
        raise fault


def _begin_asyncpg(connection: Connection, *, pooled: bool) -> None:
    """Begin the transaction; behind a pooler the wipe may be on another connection, and is left to the pooler."""
    fence = _fence_of(connection)
    raw: Any = connection.connection.driver_connection
    try:
        for statement in _WIPE if fence.names and not pooled else (b"SELECT 1",):  # does the connection still live?
            await_only(raw.execute(statement.decode()))
    except BaseException as error:
        connection.invalidate(error)
        if isinstance(error, Exception):
            raise OperationalError("BEGIN", None, error, connection_invalidated=True) from error
        raise
    connection.exec_driver_sql(f"SET TRANSACTION ISOLATION LEVEL {_level_of(connection)}")
    if fence.names:
        connection.exec_driver_sql(_set(fence.names), fence.values)


def _set(names: tuple[str, ...]) -> str:
    return "SELECT " + ", ".join(f"set_config('{name}', ${place}, true)" for place, name in enumerate(names, 1))
