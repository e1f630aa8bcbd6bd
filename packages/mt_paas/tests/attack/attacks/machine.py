"""The machine: plays programs of several tenants over few connections, and looks at each answer and at each change.

What a tenant is shown, in whatever way (rows, errors, notices, notifications), must hold no other tenant's marker; what
a tenant does must leave the others' rows as they were; and each must find its own rows, all of them, afterwards.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from mt_paas.errors import MtPaasError, TenantNotBound
from sqlalchemy import select, text
from sqlalchemy.exc import InvalidRequestError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

from attacks import statements
from attacks.world import METADATA, NOTES, Victim, World

__all__ = ["ACTIONS", "Leak", "Machine", "Move", "random_program"]

#: What a tenant does next, and which statements there are to choose from.
ACTIONS: dict[str, tuple[str, ...]] = {
    "read": statements.READS,
    "write": statements.WRITES,
    "forge": tuple(f"{bind}; {read}" for bind in statements.BINDS for read in statements.READS[:2]),
    "bind": statements.BINDS,
    "leave": statements.LEAVES,
    "leave its name": statements.LEAVES[:2],
    "end": statements.ENDS,
    "end and read": tuple(f"{end}; {read}" for end in statements.ENDS[:7] for read in statements.READS[:2]),
    "end and forge": tuple(
        f"{end}; {bind}; TABLE {{theirs}}" for end in ("COMMIT", "ROLLBACK") for bind in statements.BINDS
    ),
    "end and write": tuple(f"{end}; {write}" for end in ("COMMIT", "ROLLBACK") for write in statements.WRITES[:8]),
    "take": statements.RIGHTS,
    "nested": statements.WRITES,
    "elsewhere": statements.READS,
    "object": ("",),
    "copy": ("COPY {theirs} TO STDOUT", "COPY note TO STDOUT", "COPY (SELECT * FROM {theirs}) TO STDOUT"),
    "notices": ("",),
    "commit": ("",),
    "rollback": ("",),
    "leave session": ("",),
    "fail": ("",),
    "cancel": ("SELECT pg_sleep(60)", "UPDATE note SET text = text || ' {mine}' WHERE pg_sleep(60) IS NOT NULL"),
    "after the end": statements.READS[:2],
    "unbound": statements.READS[:2],
}
_PATIENCE = 30.0


class Leak(AssertionError):
    """A tenant saw or changed what is another's."""


@dataclass(frozen=True, slots=True)
class Move:
    """One step of one tenant: all numbers are taken modulo what there is."""

    tenant: int
    action: str
    choice: int
    other: int = 0


class _Failed(Exception):
    """What a handler raises within its session."""


class Base(DeclarativeBase):
    metadata = METADATA


class Note(Base):
    __table__ = NOTES


class _Seat:
    """A tenant's open session."""

    def __init__(self, victim: Victim, stack: AsyncExitStack, session: AsyncSession) -> None:
        self.victim, self.stack, self.session = victim, stack, session


class Machine:
    """Plays programs in ``world``, with up to ``seats`` sessions open at once, and one for a tenant."""

    def __init__(self, world: World, *, seats: int = 2, watch: bool = True) -> None:
        self.world = world
        self._most = seats
        self._watch = watch
        self._seats: dict[str, _Seat] = {}
        self._ended: dict[str, AsyncSession] = {}
        self._kept: dict[str, Note] = {}
        self._rows = {victim.id: victim.rows() for victim in world.victims}

    async def play(self, program: list[Move]) -> None:
        """Play ``program``, and look at the end what each tenant finds. Raises :class:`Leak`."""
        self.world.programs += 1
        try:
            for move in program:
                await self.step(move)
            for seat in list(self._seats.values()):
                await self._leave(seat)
            await self.inspect()
        finally:
            await self.close()

    async def close(self) -> None:
        """End the sessions that a leak has left open, and look at nothing more."""
        self._watch = False
        for seat in list(self._seats.values()):
            with suppress(Leak):
                await self._leave(seat)

    async def alone(self, program: list[Move]) -> None:
        """Play ``program`` as one request does, whose session is rolled back when it fails or is cut off."""
        self.world.programs += 1
        try:
            for move in program:
                await self.step(move)
        except BaseException as error:
            for seat in list(self._seats.values()):
                await self._leave(seat, error)
            raise
        for seat in list(self._seats.values()):
            await self._leave(seat)

    def accept(self) -> None:
        """Take the rows for what each tenant has made of them, as long as they are its own."""
        self._rows = {victim.id: victim.rows() for victim in self.world.victims}
        self.look()

    async def step(self, move: Move) -> None:
        """Take one step and look at what came of it."""
        victims = self.world.victims
        victim = victims[move.tenant % len(victims)]
        others = [other for other in victims if other is not victim]
        other = others[move.other % len(others)]
        action = move.action if move.action != "take" or not victim.owns_its_database else "read"
        texts = ACTIONS[action]
        words = self._words(victim, other)
        statement = texts[move.choice % len(texts)]
        for name, value in words.items():
            statement = statement.replace("{" + name + "}", value)
        self.world.steps += 1
        if victim.owns_its_database and statement.startswith("TRUNCATE"):
            return  # it may, and would keep the administrator waiting
        async with asyncio.timeout(_PATIENCE):
            await self._act(victim, action, statement, move)
        if self._watch:
            self.look(victim)

    def look(self, actor: Victim | None = None) -> None:
        """Look whether the rows of all but ``actor`` are as they were."""
        for victim in self.world.victims:
            rows = victim.rows()
            for _, said in rows:
                self._check(victim, said, "has in its rows")
            if victim is not actor and rows != self._rows[victim.id]:
                raise Leak(
                    f"{actor.id if actor else 'somebody'} changed {victim.id}: {self._rows[victim.id]} -> {rows}"
                )
            self._rows[victim.id] = rows

    async def inspect(self) -> None:
        """Look what each tenant finds in a session of its own: its rows, all of them, and nothing of another."""
        self.look()
        for victim in self.world.victims:  # what was left by another may come back when a transaction is rolled back
            seat = await self._enter(victim)
            for other in self.world.victims:
                await self._send(seat, f"ROLLBACK; TABLE {other.theirs}", driver=True)
            await self._leave(seat)
        for victim in self.world.victims:
            try:
                seat = await self._enter(victim)
                rows = [
                    tuple(row)
                    for row in await seat.session.execute(select(NOTES.c.id, NOTES.c.text).order_by(NOTES.c.id))
                ]
            except Exception as error:
                raise Leak(f"{victim.id} can not work any more: {type(error).__name__}: {error}") from error
            if rows != self._rows[victim.id]:
                raise Leak(f"{victim.id} finds {rows}, and has {self._rows[victim.id]}")
            for statement in ("SELECT name, statement FROM pg_prepared_statements", "SELECT * FROM pg_cursors"):
                await self._send(seat, statement, driver=False)
            await self._leave(seat)

    async def _act(self, victim: Victim, action: str, statement: str, move: Move) -> None:
        if action == "after the end":
            await self._use_ended(victim, statement)
            return
        seat = await self._enter(victim)
        by_driver = ";" in statement or bool(move.choice % 2)
        special: dict[str, Callable[[], Awaitable[object]]] = {
            "commit": lambda: self._finish(seat, commit=True),
            "rollback": lambda: self._finish(seat, commit=False),
            "leave session": lambda: self._leave(seat),
            "fail": lambda: self._leave(seat, _Failed()),
            "cancel": lambda: self._cancel(seat, statement),
            "unbound": lambda: self._use_unbound(seat, statement),
            "nested": lambda: self._nest(seat, statement),
            "elsewhere": lambda: asyncio.create_task(self._send(seat, statement, driver=by_driver)),
            "object": lambda: self._load(seat),
            "copy": lambda: self._copy(seat, statement),
            "notices": lambda: self._hear(seat),
        }
        await special.get(action, lambda: self._send(seat, statement, driver=by_driver))()

    async def _finish(self, seat: _Seat, *, commit: bool) -> None:
        """End the transaction and go on with another in the same session."""
        try:
            await (seat.session.commit() if commit else seat.session.rollback())
        except (SQLAlchemyError, psycopg.Error) as error:
            self._saw(seat.victim, error)

    async def _enter(self, victim: Victim) -> _Seat:
        """Return the tenant's session, opened if it has none; whoever has had one the longest makes room."""
        if victim.id in self._seats:
            return self._seats[victim.id]
        while len(self._seats) >= self._most:
            await self._leave(next(iter(self._seats.values())))
        stack = AsyncExitStack()
        session = await stack.enter_async_context(self.world.manager.get_tenant_session(victim.id))
        seat = self._seats[victim.id] = _Seat(victim, stack, session)
        return seat

    async def _leave(self, seat: _Seat, error: BaseException | None = None) -> None:
        """End the session: with ``error`` as a handler that raises it would, else well."""
        del self._seats[seat.victim.id]
        self._ended[seat.victim.id] = seat.session
        try:
            await seat.stack.__aexit__(type(error) if error else None, error, None)
        except (_Failed, asyncio.CancelledError):
            pass
        except (SQLAlchemyError, MtPaasError, psycopg.Error) as fault:  # the commit of what was broken before
            self._saw(seat.victim, fault)
        if self._watch:
            self.look(seat.victim)

    async def _send(self, seat: _Seat, statement: str, *, driver: bool) -> None:
        """Send the statement and look at the answer; several in one string go through the driver alone."""
        try:
            connection = await seat.session.connection()
            if not driver:
                result = await connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
                self._saw(seat.victim, result.all() if result.returns_rows else None)
                self.world.answered += 1
                return
            raw: Any = (await connection.get_raw_connection()).driver_connection
            hear = lambda notice: self._saw(seat.victim, notice.message_primary, notice.message_detail)  # noqa: E731 - to be taken away again
            raw.add_notice_handler(hear)
            try:
                async with raw.cursor() as cursor:
                    await cursor.execute(statement)
                    more: bool | None = True
                    while more:
                        self._saw(seat.victim, await cursor.fetchall() if cursor.description else None)
                        more = cursor.nextset()
            finally:
                raw.remove_notice_handler(hear)
            self.world.answered += 1
        except (SQLAlchemyError, psycopg.Error, MtPaasError) as error:
            self._saw(seat.victim, error)
            with suppress(SQLAlchemyError, psycopg.Error):
                await seat.session.rollback()

    async def _nest(self, seat: _Seat, statement: str) -> None:
        """Send the statement within a savepoint, and go back to it."""
        try:
            async with seat.session.begin_nested() as savepoint:
                result = await seat.session.execute(text(statement.replace(":", "\\:")))
                self._saw(seat.victim, result.all() if result.returns_rows else None)
                await savepoint.rollback()
        except (SQLAlchemyError, MtPaasError) as error:
            self._saw(seat.victim, error)
            with suppress(SQLAlchemyError):
                await seat.session.rollback()

    async def _load(self, seat: _Seat) -> None:
        """Load objects by ids that others have too, and let the session refresh one that another's session loaded."""
        try:
            for number in {row for rows in self._rows.values() for row, _ in rows[:2]}:
                found = await seat.session.get(Note, number)
                if found is not None:
                    self._saw(seat.victim, found.text)
                    self._kept[seat.victim.id] = found
            for owner, kept in self._kept.items():
                if owner != seat.victim.id:
                    with suppress(InvalidRequestError):
                        await seat.session.refresh(kept)
                        raise Leak(f"{seat.victim.id} refreshed an object of {owner}")
        except (SQLAlchemyError, MtPaasError) as error:
            self._saw(seat.victim, error)
            with suppress(SQLAlchemyError, psycopg.Error):
                await seat.session.rollback()

    async def _copy(self, seat: _Seat, statement: str) -> None:
        try:
            raw: Any = (await (await seat.session.connection()).get_raw_connection()).driver_connection
            async with raw.cursor() as cursor, cursor.copy(statement) as copy:
                async for data in copy:
                    self._saw(seat.victim, bytes(data))
        except (SQLAlchemyError, psycopg.Error, MtPaasError) as error:
            self._saw(seat.victim, error)
            with suppress(SQLAlchemyError, psycopg.Error):
                await seat.session.rollback()

    async def _hear(self, seat: _Seat) -> None:
        """Read what the connection was notified of, which may have been while another had it."""
        with suppress(SQLAlchemyError, psycopg.Error):
            raw: Any = (await (await seat.session.connection()).get_raw_connection()).driver_connection
            async for notice in raw.notifies(timeout=0):
                self._saw(seat.victim, notice.channel, notice.payload)

    async def _cancel(self, seat: _Seat, statement: str) -> None:
        """Begin a statement that does not end, and cut it off, with the session around it."""
        begun = asyncio.Event()

        async def work() -> None:
            connection = await seat.session.connection()
            begun.set()
            await connection.exec_driver_sql(statement, execution_options={"no_parameters": True})

        task = asyncio.create_task(work())
        waiting = asyncio.create_task(begun.wait())
        try:
            await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)
        finally:  # whoever is cut off meanwhile leaves no statement at work that does not end
            task.cancel()
            waiting.cancel()
        try:
            await task
        except asyncio.CancelledError as error:
            await self._leave(seat, error)
        except (SQLAlchemyError, psycopg.Error) as error:  # it could not begin
            await self._leave(seat, error)

    async def _use_ended(self, victim: Victim, statement: str) -> None:
        session = self._ended.get(victim.id)
        if session is None:
            return
        try:
            await session.execute(text(statement))
        except InvalidRequestError:
            return
        raise Leak("a session that has ended still answers")

    async def _use_unbound(self, seat: _Seat, statement: str) -> None:
        """Open a session that nobody gave a tenant, on the pool of one that has: it answers nothing."""
        pool = seat.session.bind
        await self._leave(seat)  # there may be no second connection
        async with AsyncSession(pool) as session:
            try:
                await session.execute(text(statement))
            except TenantNotBound:
                return
        raise Leak("a session that has no tenant answers")

    def _words(self, victim: Victim, other: Victim) -> dict[str, str]:
        rows = self._rows[other.id]
        return {
            "mine": victim.marker,
            "me": victim.id,
            "other": other.id,
            "theirs": other.theirs,
            "space": other.space,
            "row": str(rows[0][0] if rows else 1),
        }

    def _saw(self, victim: Victim, *things: object) -> None:
        for thing in things:
            if thing is not None:
                self._check(victim, f"{thing!r} {thing}", "was shown")

    def _check(self, victim: Victim, said: str, how: str) -> None:
        for other in self.world.victims:
            if other is not victim and other.marker in said:
                raise Leak(f"{victim.id} {how} what is {other.id}'s: {said[:500]}")


def random_program(numbers: random.Random, length: int) -> list[Move]:
    """Return a program that ``numbers`` decide."""
    names = tuple(ACTIONS)
    return [
        Move(numbers.randrange(12), numbers.choice(names), numbers.randrange(10_000), numbers.randrange(12))
        for _ in range(length)
    ]
