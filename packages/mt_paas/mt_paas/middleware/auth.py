"""Who sends a request: :class:`AuthMiddleware` recognises access keys, tokens of an issuer, and sessions of users.

It refuses nobody who is merely unknown: a route may be for everybody. Why somebody was not recognised is kept, and
told by whatever asks for a tenant or a principal. Who is recognised and may not enter is refused at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from hmac import compare_digest
from typing import Protocol
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from mt_paas.core.access_keys import KEY_PREFIX, AccessKey
from mt_paas.errors import ContractError, InvalidApiKey, TenantBlocked, TenantForbidden
from mt_paas.middleware.principal import Principal, PrincipalKind
from mt_paas.middleware.traffic import REFUSAL, SERVED, OpenPaths, refuse, unknown
from mt_paas.utils.security import digest_secret

__all__ = ["AuthMiddleware", "FindKey", "FindSession", "KnownKey", "Tokens"]

_KEY = KEY_PREFIX.encode()
_LONGEST_KEY = 200
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ACCESS_KEY = PrincipalKind.ACCESS_KEY
_CHALLENGE = {"WWW-Authenticate": "Bearer"}

#: Takes the digest of an access key, returns what is kept of it.
FindKey = Callable[[str], Awaitable[AccessKey | None]]
#: As ``FindKey``, where that waits for nothing; null where ``FindKey`` is to be asked.
KnownKey = Callable[[str], AccessKey | None]
#: Takes the value of a session's cookie, returns whose it is. Raises ``InvalidApiKey`` and ``TenantBlocked``.
FindSession = Callable[[str], Awaitable[Principal]]


class Tokens(Protocol):
    """What verifies tokens: :class:`~mt_paas.middleware.tokens.TokenVerifier`."""

    async def verify(self, token: str) -> Principal:
        """Return whose token it is. Raises :class:`~mt_paas.errors.ContractError`."""


class AuthMiddleware:
    """Puts the :class:`Principal` on ``request.state.principal``; null where nobody was recognised.

    ``known_key`` answers at once what ``find_key`` would, or nothing: a key that is remembered waits for nobody.

    An ``Authorization`` header goes before a cookie, and a cookie of another tenant beside it is refused. Sessions are
    recognised in the cookie ``cookie``, whose value begins with the tenant's id and a dot, on requests of the service's
    own pages: ``public_url`` is where it is reached, and what is the ``Origin`` of its WebSockets.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        find_key: FindKey,
        known_key: KnownKey = unknown,
        clock: Callable[[], datetime],
        tokens: Tokens | None = None,
        sessions: FindSession | None = None,
        cookie: str = "mt_session",
        public_url: str | None = None,
        open_paths: OpenPaths | None = None,
    ) -> None:
        self.app = app
        self._find_key = find_key
        self._known_key = known_key
        self._clock = clock
        self._tokens = tokens
        self._sessions = sessions
        self._cookie = cookie
        self._cookie_mark = f"{cookie}=".encode("latin-1")
        self._public_host = urlsplit(public_url).netloc.lower() if public_url is not None else None
        self._open = open_paths or OpenPaths()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        app = self.app
        if scope["type"] not in SERVED:
            await app(scope, receive, send)
            return
        principal = None
        if not self._open.hold(scope):
            try:
                principal = await self._recognise(scope)
            except (TenantBlocked, TenantForbidden) as error:
                await refuse(scope, send, error)
                return
            except ContractError as error:
                scope[REFUSAL] = error
        state = scope.setdefault("state", {})
        state["principal"] = principal
        try:
            await app(scope, receive, send)
        finally:
            state.pop("principal", None)

    async def _recognise(self, scope: Scope) -> Principal | None:
        authorization: bytes | None = None
        session: str | None = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                if authorization is not None and value != authorization:
                    raise InvalidApiKey("Two different Authorization headers came: send one.", headers=_CHALLENGE)
                authorization = value
            elif name == b"cookie" and self._cookie_mark in value:
                session = self._session_in(value.decode("latin-1"), session)
        if authorization is None:
            return await self._by_session(scope, session) if session is not None and self._sessions else None
        secret = authorization[7:].strip(b" ") if authorization[:7].lower() == b"bearer " else b""
        if secret.startswith(_KEY):
            digest, known_key = digest_secret(secret[:_LONGEST_KEY]), self._known_key
            key = known_key(digest) or await self._find_key(digest)
            if key is None or not compare_digest(key.digest, digest):
                raise InvalidApiKey(headers=_CHALLENGE)
            if key.expires_at is not None and not key.is_valid(self._clock()):
                raise InvalidApiKey("The access key has ended.", headers=_CHALLENGE)
            principal = Principal(_ACCESS_KEY, str(key.key_id), key.tenant_id, key.scopes)
        else:
            principal = await self._by_token(secret.decode("latin-1"))
        if session is not None and principal.tenant_id not in {None, session.partition(".")[0]}:
            raise TenantForbidden("The session is another tenant's than the key or token beside it: send one of them.")
        return principal

    async def _by_token(self, token: str) -> Principal:
        if token and self._tokens is not None:
            return await self._tokens.verify(token)
        raise InvalidApiKey(f"Send the tenant's access key: Authorization: Bearer {KEY_PREFIX}…", headers=_CHALLENGE)

    async def _by_session(self, scope: Scope, session: str) -> Principal | None:
        if self._is_foreign(scope):
            scope[REFUSAL] = TenantForbidden("Another site's page may not act in this user's name.")
            return None
        assert self._sessions is not None  # noqa: S101 - the caller asked
        return await self._sessions(session)

    def _session_in(self, cookies: str, before: str | None) -> str | None:
        found = before
        for pair in cookies.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self._cookie:
                value = value.strip('"')
                if found not in {None, value}:
                    raise InvalidApiKey("Two sessions came: log in again.", headers=_CHALLENGE)
                found = value
        return found

    def _is_foreign(self, scope: Scope) -> bool:
        """Tell whether another site's page makes the user's browser change something here, or open a WebSocket.

        Browsers say where a request comes from (Fetch Metadata), and send the Origin of every WebSocket.
        """
        headers = HTTPConnection(scope).headers
        if scope["type"] == "http" and scope["method"] in _SAFE_METHODS:
            return False
        page = headers.get("sec-fetch-site")
        if page is not None and page not in {"same-origin", "none"}:
            return True
        origin = headers.get("origin")
        if scope["type"] == "http" or origin is None:
            return False
        return urlsplit(origin).netloc.lower() not in {headers.get("host", "").lower(), self._public_host}
