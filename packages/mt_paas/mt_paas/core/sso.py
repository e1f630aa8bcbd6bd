"""Single sign-on: a link that logs one user in, once, within a minute, and the session that it begins.

Links and sessions are kept beside the user, in the tenant's own database, as digests. The session travels in a cookie
that no script can read (``mt_session``: HttpOnly, SameSite=Lax, Secure where the service is reached by https). It ends
with its time and with its user, and opens nothing while the tenant is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from mt_paas.core.manager import TenantManager
from mt_paas.core.schemas import Tenant
from mt_paas.core.tenant_tables import logins, sessions
from mt_paas.core.users import Users
from mt_paas.errors import InvalidApiKey, InvalidBody, LinkExpired, TenantNotActive, TenantNotFound, UserNotFound
from mt_paas.standard_api.models import SsoResponse, User, UserStatus
from mt_paas.utils.security import digest_token, mint_token

__all__ = ["COOKIE", "SSO_PATH", "SignedOn", "SingleSignOn"]

COOKIE = "mt_session"
SSO_PATH = "/access/sso"
LINK_LIFETIME = timedelta(seconds=60)  # the contract's
_SEEN_EVERY = timedelta(minutes=5)  # how often it is written down that a user is at work


@dataclass(frozen=True, slots=True)
class SignedOn:
    """Who came in by a link: the cookie's value, and where they wanted to go."""

    cookie: str = field(repr=False)
    location: str


class SingleSignOn:
    """Links and sessions of a service that is reached at ``base_url``; a session is good for ``lifetime``."""

    def __init__(self, manager: TenantManager, users: Users, base_url: str, lifetime: timedelta) -> None:
        self._manager = manager
        self._users = users
        self.base_url = str(base_url).rstrip("/")
        self.lifetime = lifetime

    def target(self, return_to: str | None) -> str | None:
        """Return the address that ``return_to`` means. Raises ``InvalidBody`` for one on a foreign host."""
        if return_to is None:
            return None
        is_path = return_to.startswith("/") and not return_to.startswith("//")
        if "\\" not in return_to:
            if is_path:
                return self.base_url + return_to
            if _origin(return_to) == _origin(self.base_url):
                return return_to
        rule = "it is a path of the service, beginning with one /, or an address on its own host"
        raise InvalidBody(f"return_to: {rule}.", details=[{"path": "return_to", "message": rule}])

    async def issue(self, session: AsyncSession, tenant: Tenant, user: User, target: str | None) -> SsoResponse:
        """Return a link that logs ``user`` in. Raises ``UserNotFound`` for one who is disabled."""
        if user.status is UserStatus.DISABLED:
            raise UserNotFound("The tenant's user with this address is disabled, and can not be logged in.")
        token, expires_at = mint_token(""), self._manager.clock() + LINK_LIFETIME
        values = {"digest": digest_token(token), "user_id": user.id, "return_to": target, "expires_at": expires_at}
        await session.execute(delete(logins).where(logins.c.expires_at <= self._manager.clock()))
        await session.execute(insert(logins).values(values))
        query = urlencode({"tenant_id": tenant.tenant_id, "token": token})
        return SsoResponse(launch_url=f"{self.base_url}{SSO_PATH}?{query}", expires_at=expires_at)

    async def redeem(self, tenant_id: str, token: str, home: Callable[[str], str]) -> SignedOn:
        """Use a link up, and begin a session. ``home`` tells where users of a tenant go whose link names no place.

        Raises :class:`~mt_paas.errors.LinkExpired`, and :class:`~mt_paas.errors.TenantBlocked` for a tenant that is
        suspended, which is told to the holder of a good link alone.
        """
        now = self._manager.clock()
        tenant = await self._find(tenant_id)
        if tenant is None:
            raise LinkExpired  # the same answer as for a wrong token: the link tells nobody who is a tenant
        secret = mint_token("")
        async with self._manager.visit(tenant) as session:
            used = delete(logins).where(logins.c.digest == digest_token(token), logins.c.expires_at > now)
            row = (await session.execute(used.returning(logins.c.user_id, logins.c.return_to))).one_or_none()
            if row is None:
                raise LinkExpired
            tenant.require_open(now)
            await self._allowed(session, row.user_id)
            await self._users.was_active(session, row.user_id, now)
            await session.execute(delete(sessions).where(sessions.c.expires_at <= now))
            begun = {"digest": digest_token(secret), "user_id": row.user_id, "expires_at": now + self.lifetime}
            await session.execute(insert(sessions).values(begun))
        return SignedOn(cookie=f"{tenant_id}.{secret}", location=row.return_to or home(tenant_id))

    async def authenticate(self, cookie: str) -> tuple[Tenant, User]:
        """Return whose session it is. Raises :class:`~mt_paas.errors.InvalidApiKey`, and ``TenantBlocked`` as above."""
        tenant_id, _, secret = cookie.partition(".")
        now = self._manager.clock()
        tenant = await self._find(tenant_id)
        if tenant is None:
            raise _logged_out()
        async with self._manager.visit(tenant) as session:
            mine = select(sessions.c.user_id).where(
                sessions.c.digest == digest_token(secret), sessions.c.expires_at > now
            )
            user_id = await session.scalar(mine)
            if user_id is None:
                raise _logged_out()
            tenant.require_open(now)
            try:
                user = await self._allowed(session, user_id)
            except LinkExpired:
                raise _logged_out() from None
            if user.last_active_at is None or now - user.last_active_at > _SEEN_EVERY:
                await self._users.was_active(session, user.id, now)
            return tenant, user

    async def log_out(self, cookie: str) -> None:
        """End the session, also while the tenant is closed: when it opens again, the session is not there any more.

        One that has ended is fine.
        """
        tenant_id, _, secret = cookie.partition(".")
        with suppress(TenantNotFound, TenantNotActive):
            async with self._manager.visit(await self._manager.get_tenant(tenant_id), closed=True) as session:
                await session.execute(delete(sessions).where(sessions.c.digest == digest_token(secret)))

    async def _find(self, tenant_id: str) -> Tenant | None:
        """Return the tenant if its database is open for a look: what is in there tells who may hear of its state."""
        with suppress(TenantNotFound):
            tenant = await self._manager.get_tenant(tenant_id)
            if tenant.is_working(self._manager.clock()):
                return tenant
        return None

    async def _allowed(self, session: AsyncSession, user_id: str) -> User:
        try:
            user = await self._users.get(session, user_id)
        except UserNotFound:
            raise LinkExpired from None
        if user.status is UserStatus.DISABLED:
            raise LinkExpired
        return user


def _origin(address: str) -> tuple[str, str | None, int | None] | None:
    """Return scheme, host and port of an address of the web; null for anything else, and for one with a user name."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port or {"http": 80, "https": 443}[parts.scheme]


def _logged_out() -> InvalidApiKey:
    return InvalidApiKey("The session has ended: log in again.", headers={"WWW-Authenticate": "Bearer"})
