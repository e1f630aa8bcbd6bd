"""A tenant's move from one place to another, while it is written to.

::

    copying    the new place is made, and filled from one snapshot; the tenant works on
    copied     what changed meanwhile is fetched, and all rows are compared; the tenant works on
    shutting   the old place is held: writers wait, readers do not. The last changes are fetched, numbers and checksums
               compared. The new place is committed; then the old one is shut, and with that commit writers go on, and
               are refused; then the registry says where the tenant is
    moved      the old place is kept for a while, then deleted

The order of the three commits is what makes a crash safe. Before the old place is shut it is the tenant's, whole and
writable, whatever the new one holds: the move is undone, or goes on, and nobody was told otherwise. Once it is shut the
new place is complete: the move can only be ended, by the same command or by the sweep of any process. Whether it is
shut is asked of the old place itself, so no note that came too early or too late can be wrong about it.

Nothing of this needs another process to know of the move: PostgreSQL lets writers wait, and refuses them at the old
place (:mod:`mt_paas.core.moving.gates`). The tenant's lock is held throughout: no two moves, and no step of its life
meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import IsolationLevel
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from mt_paas.core.database.isolations import Isolations
from mt_paas.core.database.per_container import DatabaseOfContainer
from mt_paas.core.database.per_schema import SchemaPerTenant
from mt_paas.core.lifecycle import TenantStatus
from mt_paas.core.moving.catalog import Table, read_tables
from mt_paas.core.moving.checks import difference
from mt_paas.core.moving.copying import Copy, moment
from mt_paas.core.moving.fitting import fit, make_missing, missing, reflected, require_others
from mt_paas.core.moving.gates import hold, is_shut, open_up, shut
from mt_paas.core.moving.places import Connection, Place, place_of, sealed_name
from mt_paas.core.moving.sequences import carry_sequences, make_sequences
from mt_paas.core.moving.store import Move, MoveStore, Phase
from mt_paas.core.moving.wiping import wipe
from mt_paas.core.registry import Registry
from mt_paas.core.schemas import Tenant
from mt_paas.core.tenant_tables import TABLES_VERSION
from mt_paas.errors import MoveBusy, MoveFailed, MtPaasError, TenantNotActive

__all__ = ["MoveOptions", "Mover", "require_data"]

_WITH_DATA = frozenset({TenantStatus.ACTIVE, TenantStatus.SUSPENDED, TenantStatus.DEACTIVATED})
_SHORT = 1.0  # seconds: what takes no longer to compare is compared once more while writers wait
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveOptions:
    """How a tenant is moved.

    The old place is kept for ``keep``. Writers wait for ``patience`` seconds at most until the tenant's open
    transactions have ended, and for ``limit`` seconds in all; after ``attempts`` the move is given up. ``report`` is
    called with a word for each step. To undo a move that failed may take ``undo`` seconds; else the sweep does it.
    """

    keep: timedelta = timedelta(days=1)
    patience: float = 5.0
    limit: float = 30.0
    attempts: int = 5
    undo: float = 60.0
    report: Callable[[str], None] = lambda _: None


class Mover:
    """Moves of the tenant that is held by ``connection``."""

    def __init__(
        self,
        registry: Registry,
        isolations: Isolations,
        moves: MoveStore,
        connection: AsyncConnection,
        tenant_id: str,
    ) -> None:
        self._registry, self._isolations, self._moves = registry, isolations, moves
        self.connection = connection
        self._tenant_id = tenant_id

    async def move(self, to: str, actor: str, options: MoveOptions) -> Tenant:
        """Move the tenant, or take up a move that was cut off, and return it where it is now.

        Raises :class:`~mt_paas.errors.MoveFailed`; the tenant is where it was then, and nothing is left of the attempt.
        """
        chosen = self._isolations.named(to)
        await self.end()
        found, tenant = await self._moves.find(self._tenant_id), await self._registry.get(self._tenant_id)
        if found is not None and (found.phase is Phase.MOVED or found.new_isolation != to):
            if tenant.isolation == to:
                return tenant
            await self.settle()
            found = None
        if tenant.isolation == to:
            return tenant
        require_data(tenant)
        move = found or await self._moves.begin(
            self._tenant_id, isolation=to, database=chosen.place(self._tenant_id), actor=actor
        )
        try:
            await self._carry(move, tenant, options)
        except BaseException as error:
            await self._undo_after(error, options.undo)
            tenant = await self._registry.get(self._tenant_id)
            if tenant.isolation == to and isinstance(error, Exception):  # what failed came after the old place was shut
                return tenant
            told = _told(error)
            if told is error:
                raise
            raise told from None  # whose traceback would show what PostgreSQL said, with rows of the tenant's
        return await self._registry.get(self._tenant_id)

    async def settle(self) -> bool:
        """Bring the tenant's move to its end, or undo it; an old place that is still kept is deleted now.

        Tell whether there was one.
        """
        move = await self._moves.find(self._tenant_id)
        if move is not None and await self._end(move):
            move = await self._moves.find(self._tenant_id)
        if move is None:
            return False
        database = move.new_database, move.new_isolation
        if move.phase is Phase.MOVED:
            database = move.old_database, move.old_isolation
        tenant = await self._registry.get(self._tenant_id)
        await self._drop(_at(tenant, isolation=database[1], database=database[0]))
        await self._moves.forget(self._tenant_id)
        return True

    async def tend(self) -> None:
        """Do what is due for the tenant's move: end one that was cut off, delete an old place whose time is over."""
        ended = await self.end()
        if not ended and self._tenant_id in await self._moves.due():
            await self.settle()

    async def end(self) -> bool:
        """End the move if the old place is shut already, and tell whether that was so."""
        move = await self._moves.find(self._tenant_id)
        return move is not None and await self._end(move)

    async def _end(self, move: Move) -> bool:
        if move.phase is not Phase.SHUTTING:
            return False
        tenant = await self._registry.get(self._tenant_id)
        source = await place_of(self._isolations, tenant)
        async with source.connect() as connection:
            if not await is_shut(connection, source):
                return False
        await self._switch(move, tenant, MoveOptions())
        return True

    async def _carry(self, move: Move, tenant: Tenant, options: MoveOptions) -> None:
        target_tenant = _at(tenant, move.new_isolation, move.new_database)
        source = await place_of(self._isolations, tenant)
        if move.since is None:
            options.report("copying")
            await self._make(tenant, target_tenant)
            since = await self._fill(source, await place_of(self._isolations, target_tenant))
            move = await self._moves.advance(self._tenant_id, Phase.COPIED, since=since)
            options.report("copied")
        target = await place_of(self._isolations, target_tenant)
        for attempt in range(options.attempts):
            since, took = await self._catch_up(source, target, move.since or 0)
            options.report("compared")
            try:
                await self._hand_over(source, target, since, options, whole=took <= _SHORT)
                break
            except (MoveBusy, TimeoutError) as error:
                if attempt + 1 == options.attempts:
                    raise
                options.report("busy")
                _log.info("the move of tenant %s waits for a moment: %s", self._tenant_id, type(error).__name__)
                await asyncio.sleep(attempt)
        options.report("shut")
        await self._switch(move, tenant, options)

    async def _make(self, tenant: Tenant, target: Tenant) -> None:
        """Make the new place, with all tables that the tenant has; what an earlier attempt left is thrown away."""
        await self._drop(target)
        await self._isolations.create(self.connection, target)
        if tenant.tables < TABLES_VERSION:
            await self._isolations.complete(tenant)
        source, place = await place_of(self._isolations, tenant), await place_of(self._isolations, target)
        async with source.connect() as reading, place.connect() as writing:
            await make_sequences(reading, writing, source, place)
            await writing.commit()
            names = await missing(reading, writing, source, place)
        if not names:
            return
        async with self._isolations.owner(tenant) as owner:
            found = await reflected(owner, source, names)
        async with self._isolations.owner(target) as owner:
            await make_missing(found, place, owner)
            await self._isolations.secure(owner, target)

    async def _fill(self, source: Place, target: Place) -> int:
        """Copy all rows as they are at one moment, and return it."""
        async with source.connect() as reading, target.connect() as writing:
            await reading.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            since = await moment(reading)
            copy = await _copy(source, target, reading, writing)
            await writing.commit()
            await copy.all_rows()
            await writing.commit()
            return since

    async def _catch_up(self, source: Place, target: Place, since: int) -> tuple[int, float]:
        """Fetch what changed, and compare all rows. Return the moment of it, and how many seconds comparing took."""
        async with source.connect() as reading, target.connect() as writing:
            await reading.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            reached = await moment(reading)
            copy = await _copy(source, target, reading, writing)
            await copy.changes(since)
            await writing.commit()
            began = time.monotonic()
            _require_same(await difference(copy, copy.filled))
            return reached, time.monotonic() - began

    async def _hand_over(self, source: Place, target: Place, since: int, options: MoveOptions, *, whole: bool) -> None:
        """Hold the old place, complete the new one, and shut the old one behind the tenant."""
        async with AsyncExitStack() as stack:
            reading = await stack.enter_async_context(source.connect())
            writing = await stack.enter_async_context(target.connect())
            async with asyncio.timeout(options.limit):
                await hold(reading, source, options.patience)
                options.report("held")
                await require_others(reading, writing, source, target)  # what came since the new place was made
                copy = await _copy(source, target, reading, writing)
                replaced = await copy.changes(since)
                await self._compare(copy, since, replaced, whole=whole)
                await carry_sequences(reading, writing, source, target)
                await shut(reading, source)
                await open_up(writing, target)
                await self._still_held()
                await self._moves.advance(self._tenant_id, Phase.SHUTTING)
            options.report("shutting")
            await writing.commit()
            options.report("filled")
            await reading.commit()

    async def _compare(self, copy: Copy, since: int, replaced: frozenset[tuple[str, str]], *, whole: bool) -> None:
        entirely: Sequence[Table] = [table for table in copy.filled if whole or table.name in replaced]
        others = [table for table in copy.filled if table not in entirely]
        faults = await difference(copy, entirely) + await difference(copy, others, since=since)
        _require_same(faults)

    async def _switch(self, move: Move, tenant: Tenant, options: MoveOptions) -> None:
        shut_name = sealed_name(move.old_database) if move.old_isolation == SchemaPerTenant.name else move.old_database
        await self._moves.switch(move, old_database=shut_name, keep=options.keep)
        options.report("moved")
        await self._isolations.shut(tenant)

    async def _still_held(self) -> None:
        """Raise where the connection that holds the tenant's lock is gone: somebody else may be at work on it."""
        await self.connection.execute(select(1))

    async def _undo_after(self, error: BaseException, seconds: float) -> None:
        """Undo the move after ``error``, unless the old place is shut; where that can not be told it is left alone.

        It is over when this returns or raises, whatever comes: the tenant may be another's to work on then.
        """
        try:
            await _to_its_end(self.settle(), seconds)
        except (MtPaasError, psycopg.Error, SQLAlchemyError, TimeoutError) as trouble:
            _log.warning(
                "the move of tenant %s %s and is not undone yet (%s): the sweep does that, or the next move",
                self._tenant_id,
                "was interrupted" if isinstance(error, asyncio.CancelledError) else f"failed ({type(error).__name__})",
                type(trouble).__name__,
            )

    async def _drop(self, tenant: Tenant) -> None:
        """Delete a place of the tenant's that is not the one it works at."""
        isolation = self._isolations.of(tenant)
        if isinstance(isolation, DatabaseOfContainer) and not await isolation.is_marked(tenant):
            return  # nothing in it is the tenant's
        await self._still_held()
        await wipe(self._isolations, tenant, self.connection)
        await self._isolations.drop(self.connection, tenant)


async def _copy(source: Place, target: Place, reading: Connection, writing: Connection) -> Copy:
    tables = await fit(reading, writing, source, target)
    there = await read_tables(reading, source)
    return Copy(source, target, tables, reading, writing, frozenset(table.name for table in tables) - set(there))


def _at(tenant: Tenant, isolation: str, database: str) -> Tenant:
    """Return the tenant as if it were at this place, where nothing was before."""
    return replace(tenant, isolation=isolation, database=database, activation=0)


def require_data(tenant: Tenant) -> None:
    """Raise :class:`~mt_paas.errors.TenantNotActive` where the tenant has no data, or is at a step of its life."""
    if tenant.status not in _WITH_DATA:
        raise TenantNotActive(f"Tenant {tenant.tenant_id} is {tenant.status}: it has no data to work on.")


def _told(error: BaseException) -> BaseException:
    """Return the error that the caller gets for ``error``."""
    if isinstance(error, TimeoutError):
        return MoveBusy("the tenant could not be held still for long enough; try again when less is written")
    if isinstance(error, psycopg.Error | SQLAlchemyError):
        return MoveFailed(f"PostgreSQL refused a step of the move: {_without_rows(error)}")
    return error


def _without_rows(error: psycopg.Error | SQLAlchemyError) -> str:
    """Return what PostgreSQL said, but for its details and the context: they show rows of the tenant's."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error) or cause.diag.message_primary is None:
        return type(cause).__name__
    said = cause.diag
    where = {"table": said.table_name, "constraint": said.constraint_name}
    named = "".join(f", {what} {name}" for what, name in where.items() if name)
    return f"{said.message_primary} ({said.sqlstate}{named})"


async def _to_its_end(work: Coroutine[Any, Any, object], seconds: float) -> None:
    """Do the work, and return when it has ended, also where this is cancelled meanwhile; cut it off after ``seconds``.

    Cut off it has ended too: what it waited for was told, and it cleared up.
    """

    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await work

    task = asyncio.create_task(bounded())
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    try:
        task.result()
    finally:
        if cancelled is not None:
            raise cancelled


def _require_same(faults: Sequence[str]) -> None:
    if faults:
        raise MoveFailed(f"the new place is not the same as the old one: {'; '.join(faults)}")
