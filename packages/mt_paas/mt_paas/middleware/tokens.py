"""Tokens of an issuer (JSON Web Tokens, RFC 7519), verified as RFC 8725 advises.

The algorithms are the settings', and a key verifies those of its own kind alone: a token chooses neither. Issuer,
audience and end are required and checked, the beginning where there is one; keys and addresses that a token brings
along are not looked at. What was verified is remembered by its digest until it ends, or the issuer's keys change.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from mt_paas.errors import InvalidToken, MissingExtraError, TenantUnclear
from mt_paas.middleware.key_sets import KeySource
from mt_paas.middleware.principal import Principal, PrincipalKind
from mt_paas.standard_api.models import TENANT_ID_PATTERN

try:
    from joserfc import jws
    from joserfc.errors import JoseError, UnsupportedAlgorithmError
    from joserfc.jwt import JWTClaimsRegistry
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.middleware.tokens", "jwt") from error

__all__ = ["TokenVerifier"]

MAX_LENGTH = 16 * 1024
MAX_HEADER = 2048
_REMEMBERED = 4096
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})  # and not those of other uses, such as logout+jwt
_KEY_ID = re.compile(r"[\x20-\x7e]{1,200}")
_TENANT_ID = re.compile(TENANT_ID_PATTERN)


class TokenVerifier:
    """The tokens of ``issuer`` that are meant for one of ``audiences``, signed by a key of ``keys``.

    ``tenant_claim`` is where a token names its tenant; without one none does. Clocks may differ by ``leeway`` seconds.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audiences: Collection[str],
        algorithms: Collection[str],
        keys: KeySource,
        clock: Callable[[], datetime],
        tenant_claim: str | None = "tenant_id",
        leeway: int = 30,
    ) -> None:
        self._issuer = issuer
        self._audiences = list(audiences)
        self._algorithms = frozenset(algorithms)
        self._registry = _Registry(algorithms=self._algorithms, strict_check_header=False)
        self._keys = keys
        self._clock = clock
        self._tenant_claim = tenant_claim
        self._leeway = leeway
        self._known: dict[bytes, tuple[Principal, float]] = {}
        self._generation = 0

    async def verify(self, token: str) -> Principal:
        """Return whose token it is.

        Raises :class:`~mt_paas.errors.InvalidToken`, :class:`~mt_paas.errors.TenantUnclear` where its tenant is no
        tenant's id, and :class:`~mt_paas.errors.ServiceNotReady` while the issuer's keys can not be had.
        """
        if len(token) > MAX_LENGTH:
            raise _refused(f"is longer than {MAX_LENGTH} characters")
        digest, now = hashlib.sha256(token.encode()).digest(), self._clock().timestamp()
        if self._generation == self._keys.generation:
            principal, end = self._known.get(digest, (None, 0.0))
            if principal is not None and now < end:
                return principal.copy()  # a request may keep something on its own
        principal, end = await self._look(token, int(now))
        if self._generation != self._keys.generation:
            self._known.clear()
            self._generation = self._keys.generation
        elif len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[digest] = principal, end
        return principal.copy()

    async def close(self) -> None:
        """Stop what is under way."""
        await self._keys.close()

    async def _look(self, token: str, now: int) -> tuple[Principal, float]:
        header = _header(token)
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise _refused("is signed by an algorithm that is not taken")
        if key_id is not None and not (isinstance(key_id, str) and _KEY_ID.fullmatch(key_id)):
            raise _refused("names its key in a way that no key has")
        if str(header.get("typ", "jwt")).lower() not in _TYPES:
            raise _refused("is of another type, for another use")
        key = await self._keys.find(key_id, algorithm)
        if key is None:
            raise _refused("is signed by a key that its issuer does not show")
        try:
            signed = jws.deserialize_compact(token, key, algorithms=[algorithm], registry=self._registry)
            claims = json.loads(signed.payload)
            if not isinstance(claims, dict):
                raise _refused("has no claims")
            self._rules(now).validate(claims)
        except (JoseError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise _refused(f"is not valid ({getattr(error, 'error', '') or 'malformed'})") from None
        return self._principal(claims), float(claims["exp"])

    def _rules(self, now: int) -> JWTClaimsRegistry:
        return JWTClaimsRegistry(
            now=now,
            leeway=self._leeway,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "values": self._audiences},
            exp={"essential": True},
        )

    def _principal(self, claims: dict[str, Any]) -> Principal:
        if not isinstance(claims["iss"], str):  # a list that holds the issuer is none (RFC 7519, section 4.1.1)
            raise _refused("has more than one issuer")
        tenant_id = claims.get(self._tenant_claim) if self._tenant_claim is not None else None
        if tenant_id is not None and not (isinstance(tenant_id, str) and _TENANT_ID.fullmatch(tenant_id)):
            raise TenantUnclear("The token's tenant is not the id of a tenant.")
        return Principal(
            kind=PrincipalKind.TOKEN,
            subject=str(claims.get("sub", "")),
            tenant_id=tenant_id,
            scopes=_scopes(claims),
            claims=MappingProxyType(claims),
        )


class _Registry(jws.JWSRegistry):
    """joserfc's rules for headers, with room for long key ids, and for the name by which issuers know Ed25519."""

    max_header_length = MAX_HEADER

    def get_alg(self, name: str) -> Any:
        """Return the algorithm. joserfc warns of ``EdDSA``, which RFC 9864 renames; here its keys are Ed25519's."""
        if self.allowed is None or name not in self.allowed:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


def _header(token: str) -> Mapping[str, Any]:
    """Return what the token says of its signature, which nothing vouches for yet."""
    part, dots, _ = token.partition(".")
    if token.count(".") != 2 or not dots or len(part) > MAX_HEADER:
        raise _refused("is no signed token")
    try:
        header = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        raise _refused("is no signed token") from None
    if not isinstance(header, dict):
        raise _refused("is no signed token")
    return header


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return what was granted: ``scope`` as RFC 8693, section 4.2, has it, or the list ``scp`` of other issuers."""
    given = claims.get("scope", claims.get("scp", ""))
    words = given.split(" ") if isinstance(given, str) else given if isinstance(given, list) else []
    return frozenset(word for word in words if isinstance(word, str) and word)


def _refused(why: str) -> InvalidToken:
    return InvalidToken(
        f"The token {why}: get a new one.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
    )
