"""The market's key, as a service checks it: a few keys at once while one replaces another, known only by digest.

A presented key is compared with every known one in constant time, so that neither the time of an answer nor a dump
of the process tells anything about a key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Sequence

from mt_paas.errors import ConfigurationError, InvalidApiKey

__all__ = ["DEFAULT_HEADER", "ApiKeys", "is_bearer"]

DEFAULT_HEADER = "X-Market-API-Key"

_MIN_LENGTH = 16
_MIN_DIFFERENT = 6
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HOW_TO_MAKE_ONE = 'make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'


class ApiKeys:
    """The keys that a service accepts, in one header or in its aliases.

    In the ``Authorization`` header a key travels as ``Bearer <key>`` (RFC 6750), elsewhere as it is. Raises
    ``ConfigurationError`` when there is no key, or one that could be guessed: a service without a key would be an
    open door; and for a header that HTTP does not have.
    """

    def __init__(self, keys: Iterable[str], *, header: str = DEFAULT_HEADER, aliases: Iterable[str] = ()) -> None:
        keys = list(dict.fromkeys(keys))
        if not keys:
            raise ConfigurationError(f"The Standard API needs the market's key: set api_key; {_HOW_TO_MAKE_ONE}")
        for key in keys:
            _refuse_weak(key)
        self.header = header
        known = {header.lower(): header}
        for name in aliases:
            known.setdefault(name.lower(), name)
        self.headers = tuple(known.values())
        for name in self.headers:
            if not _HEADER_NAME.fullmatch(name):
                raise ConfigurationError(f"{name!r} is not the name of an HTTP header")
        self._digests = [_digest(key) for key in keys]

    def __len__(self) -> int:
        return len(self._digests)

    @property
    def aliases(self) -> tuple[str, ...]:
        """The other headers that carry the key."""
        return self.headers[1:]

    def check(self, values_of: Callable[[str], Sequence[str]]) -> None:
        """Accept a call by the values that came in each header, or raise ``InvalidApiKey``.

        Two values are refused even when one of them is right: a proxy and the service could each take another.
        """
        presented: set[bytes] = set()
        for header in self.headers:
            values = values_of(header)
            if len(values) > 1:
                raise self._refusal(f"The header {header} came {len(values)} times: send it once.")
            presented.update(_digest(_key_in(header, value)) for value in values)
        if not presented:
            raise self._refusal(f"The key is missing: send it in the header {self.header}.")
        if len(presented) > 1:
            raise self._refusal(f"Two different keys came: send one, in the header {self.header}.")
        if not self._is_known(presented.pop()):
            raise self._refusal("The key is not one that this service knows.")

    def _is_known(self, presented: bytes) -> bool:
        known = [hmac.compare_digest(presented, digest) for digest in self._digests]  # all of them, always
        return any(known)

    def _refusal(self, message: str) -> InvalidApiKey:
        scheme = "Bearer" if is_bearer(self.header) else f'ApiKey header="{self.header}"'
        return InvalidApiKey(message, headers={"WWW-Authenticate": scheme})


def is_bearer(header: str) -> bool:
    """Return whether a key travels in ``header`` as a bearer token."""
    return header.lower() == "authorization"


def _key_in(header: str, value: str) -> str:
    """Return the key that a header's value carries; an empty one, which nobody has, where it carries none."""
    if not is_bearer(header):
        return value.strip()
    scheme, _, key = value.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _refuse_weak(key: str) -> None:
    if not _VISIBLE_ASCII.fullmatch(key):
        raise ConfigurationError(
            f"A key is visible ASCII without blanks, or no header can carry it; {_HOW_TO_MAKE_ONE}"
        )
    if len(key) < _MIN_LENGTH or len(set(key)) < _MIN_DIFFERENT:
        raise ConfigurationError(
            f"A key of fewer than {_MIN_LENGTH} characters, or of fewer than {_MIN_DIFFERENT} different ones, "
            f"can be guessed; {_HOW_TO_MAKE_ONE}"
        )
