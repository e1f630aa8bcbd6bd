"""The users of one tenant, in the tenant's own database.

By default they are in the library's table ``mt_user``. A service that has a table of users of its own points to it::

    class Handler(ManagedTenantHandler):
        users = Users(UserColumns(id=account.c.id, email=account.c.mail, ...))

and the contract's calls read and write that table. Every method works within the caller's session and commits nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Row, delete, func, insert, literal, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from mt_paas.core import tenant_tables
from mt_paas.core.cursors import Cursors
from mt_paas.core.pages import read_page
from mt_paas.errors import InvalidQuery, UserAlreadyExists, UserLimitReached, UserNotFound
from mt_paas.standard_api.handler import UserQuery
from mt_paas.standard_api.models import User, UserCreate, UserFigures, UserPage, UserStatus, UserUpdate

__all__ = ["DEFAULT_ROLE", "UserColumns", "Users"]

DEFAULT_ROLE = "member"
_SHOWN = 200  # characters of a name or a role: what the contract takes; a service's own table may hold more
_LOCK = 0x6D745573  # "mtUs": the first half of the lock; the second is whose users they are

_WHOSE = func.hashtext(func.concat(func.current_setting("mt.tenant", literal(value=True)), func.current_schema()))


@dataclass(frozen=True, slots=True, kw_only=True)
class UserColumns:
    """Where a user's facts are: columns of one table.

    ``id`` may be a text, a number or a UUID, which the table fills in for a new user. ``email_key`` is the address in
    the form in which it is unique; without such a column addresses are compared in lower case. ``status`` holds the
    contract's three words.
    """

    id: Column[Any]
    email: Column[str]
    name: Column[str]
    role: Column[str]
    status: Column[str]
    created_at: Column[datetime]
    last_active_at: Column[datetime] | None = None
    email_key: Column[str] | None = None


_own = tenant_tables.users.c
_OWN = UserColumns(
    id=_own.id,
    email=_own.email,
    name=_own.name,
    role=_own.role,
    status=_own.status,
    created_at=_own.created_at,
    last_active_at=_own.last_active_at,
    email_key=_own.email_key,
)


class Users:
    """The users of whichever tenant the session at hand sees."""

    def __init__(self, columns: UserColumns = _OWN) -> None:
        self._at = columns
        self._table = columns.id.table
        seen = columns.last_active_at if columns.last_active_at is not None else literal(None)
        self._facts = [
            column.label(name)
            for name, column in {
                "id": columns.id,
                "email": columns.email,
                "name": columns.name,
                "role": columns.role,
                "status": columns.status,
                "created_at": columns.created_at,
                "last_active_at": seen,
            }.items()
        ]

    async def figures(self, session: AsyncSession, now: datetime) -> UserFigures:
        """Count the users, and those of them who were active on the day (UTC) of ``now``."""
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        active: ColumnElement[int] = literal(0)
        if self._at.last_active_at is not None:
            active = func.count().filter(self._at.last_active_at >= today)
        total, active_today = (await session.execute(select(func.count(), active).select_from(self._table))).one()
        return UserFigures(total=total, active_today=active_today)

    async def page(self, session: AsyncSession, tenant_id: str, query: UserQuery, cursors: Cursors) -> UserPage:
        """Return a page, oldest user first. Raises :class:`~mt_paas.errors.InvalidQuery` for a foreign cursor."""
        scope = ("users", tenant_id, query.q, query.role, query.status)
        matching = self._matching(query)
        wanted = select(*self._facts).where(*matching).order_by(self._at.created_at, self._at.id)
        if query.cursor is not None:
            moment, user_id = cursors.decode(scope, query.cursor)
            after = (
                literal(datetime.fromisoformat(moment), self._at.created_at.type),
                literal(self._id(user_id), self._at.id.type),
            )
            wanted = wanted.where(tuple_(self._at.created_at, self._at.id) > tuple_(*after))
        total = await session.scalar(select(func.count()).select_from(self._table).where(*matching))
        items, last = await read_page(session, wanted, query.limit, _user)
        cursor = cursors.encode(scope, last.created_at.isoformat(), str(last.id)) if last is not None else None
        return UserPage(items=items, next_cursor=cursor, total=total or 0)

    async def get(self, session: AsyncSession, user_id: str) -> User:
        """Return the user. Raises :class:`~mt_paas.errors.UserNotFound`."""
        return _found((await session.execute(select(*self._facts).where(self._is(user_id)))).one_or_none())

    async def find(self, session: AsyncSession, email: str) -> User | None:
        """Return the user with this address, in whatever letter case, or null."""
        row = (await session.execute(select(*self._facts).where(self._has(email)))).first()
        return _user(row) if row is not None else None

    async def add(self, session: AsyncSession, request: UserCreate, *, limit: int | None, now: datetime) -> User:
        """Add a user, ``invited``, unless there are ``limit`` already. The caller holds the users (``hold``).

        Raises :class:`~mt_paas.errors.UserAlreadyExists` and :class:`~mt_paas.errors.UserLimitReached`.
        """
        same = func.count().filter(self._has(request.email))
        total, with_address = (await session.execute(select(func.count(), same).select_from(self._table))).one()
        if with_address:
            raise UserAlreadyExists
        if limit is not None and total >= limit:
            raise UserLimitReached(
                f"The tenant has as many users as its plan allows ({limit}).", details={"max_users": limit}
            )
        values = {
            self._at.email: request.email,
            self._at.name: request.name or request.email.partition("@")[0],
            self._at.role: request.role or DEFAULT_ROLE,
            self._at.status: UserStatus.INVITED.value,
            self._at.created_at: now,
        }
        if self._at.email_key is not None:
            values[self._at.email_key] = request.email.casefold()
        row = (await session.execute(insert(self._table).values(values).returning(*self._facts))).one()
        return _user(row)

    async def change(self, session: AsyncSession, user_id: str, request: UserUpdate) -> User:
        """Change what ``request`` names; who is disabled is logged out. Raises ``UserNotFound``."""
        given = {"name": request.name, "role": request.role, "status": request.status}
        values = {getattr(self._at, name): str(value) for name, value in given.items() if value is not None}
        if not values:
            return await self.get(session, user_id)
        changed = update(self._table).where(self._is(user_id)).values(values).returning(*self._facts)
        user = _found((await session.execute(changed)).one_or_none())
        if user.status is UserStatus.DISABLED:
            await self._log_out(session, user.id)
        return user

    async def remove(self, session: AsyncSession, user_id: str) -> None:
        """Remove the user, logged out. Raises :class:`~mt_paas.errors.UserNotFound`."""
        removed = delete(self._table).where(self._is(user_id)).returning(self._at.id)
        if (await session.execute(removed)).one_or_none() is None:
            raise UserNotFound
        await self._log_out(session, user_id)

    async def was_active(self, session: AsyncSession, user_id: str, now: datetime) -> None:
        """Write down that the user is at work; one who was invited has come."""
        came = update(self._table).where(self._is(user_id), self._at.status == UserStatus.INVITED.value)
        await session.execute(came.values({self._at.status: UserStatus.ACTIVE.value}))
        if self._at.last_active_at is not None:
            await session.execute(update(self._table).where(self._is(user_id)).values({self._at.last_active_at: now}))

    async def count(self, session: AsyncSession) -> int:
        """Return how many users there are, whatever their status."""
        return await session.scalar(select(func.count()).select_from(self._table)) or 0

    async def hold(self, session: AsyncSession) -> None:
        """Keep everybody else from adding users until this transaction ends."""
        await session.execute(select(func.pg_advisory_xact_lock(_LOCK, _WHOSE)))

    async def _log_out(self, session: AsyncSession, user_id: str) -> None:
        for table in (tenant_tables.logins, tenant_tables.sessions):
            await session.execute(delete(table).where(table.c.user_id == user_id))

    def _matching(self, query: UserQuery) -> list[ColumnElement[bool]]:
        if any("\0" in text for text in (query.q, query.role) if text is not None):
            raise InvalidQuery("A filter holds the character U+0000, which no user's name or role has.")
        conditions: list[ColumnElement[bool]] = []
        if query.q:
            conditions.append(
                or_(*(column.icontains(query.q, autoescape=True) for column in (self._at.name, self._at.email)))
            )
        if query.role is not None:
            conditions.append(self._at.role == query.role)
        if query.status is not None:
            conditions.append(self._at.status == query.status.value)
        return conditions

    def _has(self, email: str) -> ColumnElement[bool]:
        if self._at.email_key is not None:
            same: ColumnElement[bool] = self._at.email_key == email.casefold()
            return same
        in_lower_case: ColumnElement[bool] = func.lower(self._at.email) == func.lower(email)
        return in_lower_case

    def _is(self, user_id: str) -> ColumnElement[bool]:
        same: ColumnElement[bool] = self._at.id == self._id(user_id)
        return same

    def _id(self, user_id: str) -> Any:
        """Return the id as its column has it. Raises :class:`~mt_paas.errors.UserNotFound` if it can be no such id."""
        kind = self._at.id.type.python_type
        try:
            if kind is int and not (user_id.isascii() and user_id.isdigit() and int(user_id) < 2**63):
                raise UserNotFound
            found = {int: int, UUID: UUID}.get(kind, str)(user_id)
        except ValueError:
            raise UserNotFound from None
        if str(found) != user_id:  # "007" is not the id that user 7 was shown with
            raise UserNotFound
        return found


def _found(row: Row[Any] | None) -> User:
    if row is None:
        raise UserNotFound
    return _user(row)


def _user(row: Row[Any]) -> User:
    facts = row._asdict()
    facts |= {name: _in_utc(facts[name]) for name in ("created_at", "last_active_at")}
    facts |= {name: facts[name][:_SHOWN] for name in ("name", "role")}
    return User.model_validate({**facts, "id": str(facts["id"]), "status": UserStatus(facts["status"])})


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
