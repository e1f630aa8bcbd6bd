"""Encryption of what must be readable again (a service's key, a set-up link): AES-256-GCM under a key ring.

A sealed value is ``version ‖ key id ‖ nonce ‖ ciphertext+tag``. The *context* (which row, which column) is
authenticated with it, so that a sealed value copied into another row does not open there.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["KEY_ID_AT", "KEY_ID_BYTES", "SealBroken", "SecretBox"]

_VERSION = b"\x01"
_NONCE = 12
#: Where in a sealed value the id of its key is.
KEY_ID_AT, KEY_ID_BYTES = 1, 4

_NONCE_AT = KEY_ID_AT + KEY_ID_BYTES


class SealBroken(Exception):
    """A sealed value does not open: it was altered, moved to another row, or its key is not on the ring."""


class SecretBox:
    """Seals with the first key of the ring and opens with any: put a new key first, and old values stay readable."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or any(len(key) < 32 for key in keys):
            raise ValueError("a secret key has at least 32 characters")
        derived = [hashlib.scrypt(key.encode(), salt=b"service-market", n=2**12, r=8, p=1, dklen=32) for key in keys]
        self._ring = {hashlib.sha256(key).digest()[:KEY_ID_BYTES]: AESGCM(key) for key in derived}
        self._first = hashlib.sha256(derived[0]).digest()[:KEY_ID_BYTES]

    @property
    def key_ids(self) -> frozenset[bytes]:
        """The ids of the keys on the ring. They tell nothing of the keys."""
        return frozenset(self._ring)

    @property
    def old_key_ids(self) -> frozenset[bytes]:
        """The ids of the keys that open and do not seal any more."""
        return self.key_ids - {self._first}

    def seal(self, text: str, *, context: str) -> bytes:
        """Return ``text`` encrypted; it opens again only with the same ``context``."""
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + self._first + nonce + self._ring[self._first].encrypt(nonce, text.encode(), context.encode())

    def open(self, sealed: bytes, *, context: str) -> str:
        """Return the text of ``sealed``. Raises :class:`SealBroken`."""
        if not sealed:
            raise SealBroken("it was dropped, because its secret key was lost")
        key_id, body = sealed[KEY_ID_AT:_NONCE_AT], sealed[_NONCE_AT:]
        if sealed[:1] != _VERSION or key_id not in self._ring:
            raise SealBroken(
                "sealed with a key that is not on the ring: is the secret key (MARKET_SECRET_KEYS) what it was before?"
            )
        try:
            return self._ring[key_id].decrypt(body[:_NONCE], body[_NONCE:], context.encode()).decode()
        except InvalidTag:
            raise SealBroken("the sealed value was altered, or belongs to another row") from None
