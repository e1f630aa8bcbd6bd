"""The keys of an issuer of tokens: fetched from its JWKS address, kept, and refreshed (RFC 7517).

Keys are fetched when the first token comes, and again when they are older than ten minutes (meanwhile the old ones
serve) or when a token names a key that is not there. Between two fetches lie ten seconds at least, whatever is sent:
tokens with invented key ids do not become requests to the issuer. While the issuer is away its last keys serve, for a
day at most. What comes is bounded in size and time, and only from addresses that may be called.
"""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import urlsafe_b64decode
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2

from mt_paas.errors import MissingExtraError, MtPaasError, ServiceNotReady
from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.transport import CheckedTransport

try:
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry, Key, OctKey
except ModuleNotFoundError as error:
    raise MissingExtraError("mt_paas.middleware.key_sets", "jwt") from error

__all__ = ["KeySource", "RemoteKeys", "SharedSecret"]

FRESH_FOR = 600.0  # seconds
STALE_FOR = 86_400.0
PAUSE = 10.0
PATIENCE = 5.0
MAX_BYTES = 256 * 1024
MAX_KEYS = 100
_MIN_RSA_BITS = 2048  # RFC 7518, section 3.3

_BY_KIND = {
    ("RSA", None): frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA", "Ed25519"}),
}

_log = logging.getLogger(__name__)


class KeySource(Protocol):
    """Where the key of a token is found."""

    #: Counts the changes of the keys: what was verified by older ones is to be looked at again.
    generation: int

    async def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """Return the key that verifies ``algorithm``; null where there is none, or more than one that it could be."""

    async def close(self) -> None:
        """Stop what is under way."""


class SharedSecret:
    """One secret that issuer and service share, for HS256: who can verify such a token can make one."""

    generation = 0

    def __init__(self, secret: str) -> None:
        self._key = OctKey.import_key(secret)

    async def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """Return the secret, for HS256 and for nothing else."""
        return self._key if algorithm == "HS256" else None

    async def close(self) -> None:
        """Do nothing: nothing is open."""


@dataclass(frozen=True, slots=True)
class _PublicKey:
    """A key, and what it may verify: its kind decides, and its own ``alg`` where it says one."""

    key_id: str | None
    key: Key
    algorithms: frozenset[str]


class RemoteKeys:
    """The keys at ``url``. ``clock`` counts seconds, and need not be anybody's time of day."""

    def __init__(self, url: str, addresses: AddressPolicy, *, clock: Callable[[], float] | None = None) -> None:
        self._url = url
        self._addresses = addresses
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._keys: tuple[_PublicKey, ...] = ()
        self._body = b""
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None
        self.generation = 0

    async def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """Return the key. Raises :class:`~mt_paas.errors.ServiceNotReady` while the issuer never gave any."""
        age = self._age(self._fetched_at)
        if age > STALE_FOR:
            await self._refresh()
            if self._age(self._fetched_at) > STALE_FOR:
                raise ServiceNotReady("The keys of the issuer of tokens can not be fetched; try again in a while.")
        elif age > FRESH_FOR:
            self._begin()
        found = self._pick(key_id, algorithm)
        if found is None:
            await self._refresh()
            found = self._pick(key_id, algorithm)
        return found

    async def close(self) -> None:
        """End a fetch that is under way."""
        fetching, self._fetching = self._fetching, None
        if fetching is not None:
            fetching.cancel()
            await asyncio.wait({fetching})

    def _pick(self, key_id: str | None, algorithm: str) -> Key | None:
        fitting = [
            known.key
            for known in self._keys
            if algorithm in known.algorithms and (key_id is None or known.key_id == key_id)
        ]
        return fitting[0] if len(fitting) == 1 else None

    async def _refresh(self) -> None:
        """Wait for a fetch, begun now or before; or for nothing, where the last one began just now."""
        fetching = self._begin()
        if fetching is not None:
            await asyncio.shield(fetching)  # others wait for it too: who goes away does not end it

    def _begin(self) -> asyncio.Task[None] | None:
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if self._age(self._tried_at) < PAUSE:
            return None
        self._tried_at = self._clock()
        # In an empty context: the fetch is nobody's, whichever tenant's request was the first to need it.
        self._fetching = asyncio.get_running_loop().create_task(self._fetch(), context=Context())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                body = await self._download()
                keys = _read(body)
        except (httpx2.HTTPError, MtPaasError, OSError, TimeoutError, ValueError) as error:
            _log.warning("the keys of the issuer of tokens were not fetched: %s", type(error).__name__)
            return
        self._fetched_at, self._keys = self._clock(), keys
        if body != self._body:
            self._body = body
            self.generation += 1

    async def _download(self) -> bytes:
        client = httpx2.AsyncClient(transport=CheckedTransport(self._addresses), trust_env=False)
        async with client, client.stream("GET", self._url, headers={"Accept": "application/json"}) as answer:
            if answer.status_code != 200:
                raise ValueError(f"the answer is {answer.status_code}")
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise ValueError("the answer is too large")
            return bytes(body)

    def _age(self, moment: float | None) -> float:
        return float("inf") if moment is None else self._clock() - moment


def _read(body: bytes) -> tuple[_PublicKey, ...]:
    """Return the keys of a set that can verify something. Raises ``ValueError`` for what is no set, or has none."""
    try:
        listed = json.loads(body)["keys"]
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("the answer is no key set") from error
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError(f"a key set lists at most {MAX_KEYS} keys")
    keys = tuple(key for key in map(_public_key, listed) if key is not None)
    if not keys:
        raise ValueError("the key set has no key that verifies a signature")
    return keys


def _public_key(data: Any) -> _PublicKey | None:
    """Return the key; null for what is of another kind, is for something else, or is weak: others may be fine."""
    if not isinstance(data, dict) or data.get("use", "sig") != "sig" or "d" in data:
        return None
    kind, curve, key_id = data.get("kty"), data.get("crv"), data.get("kid")
    if not isinstance(kind, str) or not isinstance(curve, str | None) or not isinstance(key_id, str | None):
        return None
    algorithms = _BY_KIND.get((kind, curve if kind != "RSA" else None), frozenset[str]())
    if "alg" in data:
        algorithms = algorithms & {data["alg"]} if isinstance(data["alg"], str) else frozenset()
    if not algorithms:
        return None
    try:
        if kind == "RSA" and _bits(data["n"]) < _MIN_RSA_BITS:
            return None
        key = JWKRegistry.import_key(data)
        key.check_key_op("verify")
    except (JoseError, KeyError, ValueError, TypeError):
        return None
    return _PublicKey(key_id, key, algorithms)


def _bits(number: str) -> int:
    """Return the length of a number in base64url (RFC 7518, section 2), before a library warns of a short one."""
    return int.from_bytes(urlsafe_b64decode(number + "=" * (-len(number) % 4)), "big").bit_length()
