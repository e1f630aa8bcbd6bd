"""The names that tenants have on a PostgreSQL server.

PostgreSQL cuts identifiers at 63 bytes without a word, and a tenant id may be that long by itself: a name that does
not fit ends in a hash instead. Names that fit have at most 62 characters, names with a hash exactly 63, so that the
two kinds never meet.
"""

from __future__ import annotations

import hashlib
from uuid import UUID

__all__ = ["fit", "group_name", "quote", "staging_name", "template_name"]

_LIMIT = 63
_HASH = 12  # hexadecimal digits


def fit(name: str) -> str:
    """Return ``name``, or where it is longer than PostgreSQL keeps, its beginning and a hash of all of it."""
    if len(name) < _LIMIT:
        return name
    return f"{name[: _LIMIT - _HASH - 1]}_{_hash(name)}"


def group_name(service_id: str, registry_id: UUID) -> str:
    """Return the name of the role that all tenants of one registry are members of."""
    return fit(f"mt_{registry_id.hex[:12]}_tenants_{service_id}")


def template_name(service_id: str, registry_id: UUID, fingerprint: str) -> str:
    """Return the name of the database that tenants with this schema are cloned from."""
    return fit(f"mt_{registry_id.hex[:12]}_template_{fingerprint[:12]}_{service_id}")


def staging_name(registry_id: UUID, name: str) -> str:
    """Return the name that a database has while it is made, before it gets ``name``.

    It carries the whole registry id: what has this name was made by this registry, and may be thrown away.
    """
    return f"mt_{registry_id.hex}_new_{_hash(name)}"


def quote(identifier: str) -> str:
    """Return ``identifier`` quoted for SQL, whatever it holds."""
    return '"' + identifier.replace('"', '""') + '"'


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH]
