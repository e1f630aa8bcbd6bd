"""Security primitives: random tokens, their digests, keys derived from one secret, and PostgreSQL's password hash.

Everything here is a pure function over the standard library. A token is made with 256 bits of randomness, so a plain
SHA-256 is enough to store it: there is no dictionary to try. Nothing here logs, and nothing keeps what it was given.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets

__all__ = ["derive_token", "digest_secret", "digest_token", "equal", "mint_token", "scram_sha256"]

_SCRAM_ITERATIONS = 4096  # what PostgreSQL itself uses


def equal(left: str, right: str) -> bool:
    """Compare two texts in a time that does not tell where they differ."""
    return hmac.compare_digest(left.encode(), right.encode())


def mint_token(prefix: str) -> str:
    """Return a new random token, 256 bits after ``prefix``, that is safe in URLs and headers."""
    return prefix + secrets.token_urlsafe(32)


def digest_token(token: str) -> str:
    """Return what is stored instead of ``token``: its SHA-256 in hexadecimal."""
    return digest_secret(token.encode())


def digest_secret(secret: bytes) -> str:
    """Return what :func:`digest_token` does, of a token as it came over the network."""
    return hashlib.sha256(secret).hexdigest()


def derive_token(secret: str, purpose: str, *parts: str) -> str:
    """Return the token that belongs to ``purpose`` and ``parts`` under ``secret``: the same each time, never stored.

    The parts are framed by their length, so that ``("ab", "c")`` and ``("a", "bc")`` differ.
    """
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in (purpose, *parts))
    return _text(hmac.digest(secret.encode(), message, "sha256"))


def scram_sha256(password: str, *, salt: bytes | None = None, iterations: int = _SCRAM_ITERATIONS) -> str:
    """Return the verifier that PostgreSQL stores for ``password``, an ASCII text.

    ``iterations`` make it slow to try passwords, and to connect: a token that nobody can guess needs no more than one.
    Sent in place of the password it keeps the password out of the server's statement log (RFC 5803; the format is
    the one of ``pg_authid.rolpassword``).
    """
    salt = salt if salt is not None else os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
