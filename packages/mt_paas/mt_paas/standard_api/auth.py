"""The market's key, as a service checks it: a few keys at once while one replaces another, known only by digest.

A presented key is compared with every known one in constant time, so that neither the time of an answer nor a dump
of the process tells anything about a key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence

from mt_paas.errors import ConfigurationError, InvalidApiKey

__all__ = ["DEFAULT_HEADER", "ApiKeys"]

DEFAULT_HEADER = "X-Market-API-Key"

_MIN_LENGTH = 16
_MIN_DIFFERENT = 6
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_HOW_TO_MAKE_ONE = 'make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'


class ApiKeys:
    """The keys that a service accepts in one header.

    In the ``Authorization`` header a key travels as ``Bearer <key>`` (RFC 6750), elsewhere as it is. Raises
    ``ConfigurationError`` when there is no key, or one that could be guessed: a service without a key would be an
    open door.
    """

    def __init__(self, keys: Iterable[str], *, header: str = DEFAULT_HEADER) -> None:
        keys = list(keys)
        if not keys:
            raise ConfigurationError(f"The Standard API needs the market's key: set api_key; {_HOW_TO_MAKE_ONE}")
        for key in keys:
            _refuse_weak(key)
        self.header = header
        self._digests = [_digest(key) for key in keys]

    @property
    def is_bearer(self) -> bool:
        """Whether the key travels as a bearer token."""
        return self.header.lower() == "authorization"

    def check(self, presented: Sequence[str]) -> None:
        """Accept the values that came in the header, or raise ``InvalidApiKey``.

        Two values are refused even when one of them is right: a proxy and the service could each take another.
        """
        if not presented:
            raise self._refusal(f"The key is missing: send it in the header {self.header}.")
        if len(presented) > 1:
            raise self._refusal(f"The header {self.header} came {len(presented)} times: send it once.")
        if not self._is_known(presented[0]):
            raise self._refusal("The key is not one that this service knows.")

    def _is_known(self, value: str) -> bool:
        if self.is_bearer:
            scheme, _, value = value.partition(" ")
            if scheme.lower() != "bearer":
                return False
        presented = _digest(value.strip())
        known = [hmac.compare_digest(presented, digest) for digest in self._digests]  # all of them, always
        return any(known)

    def _refusal(self, message: str) -> InvalidApiKey:
        scheme = "Bearer" if self.is_bearer else f'ApiKey header="{self.header}"'
        return InvalidApiKey(message, headers={"WWW-Authenticate": scheme})


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
