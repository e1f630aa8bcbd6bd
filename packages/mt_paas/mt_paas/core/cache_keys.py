"""Keys for a cache that all tenants share: each names its service and its tenant, and no two things have the same."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

from mt_paas.core.for_tenant import tenant_id_or_bound

__all__ = ["CacheKeys"]


class CacheKeys:
    """The cache keys of ``service_id``."""

    def __init__(self, service_id: str) -> None:
        self._service_id = service_id

    def key(self, *parts: str | int | UUID, tenant_id: str | None = None) -> str:
        """Return the key of what ``parts`` name, for the tenant that is bound unless one is named.

        Other parts, another key: what separates them is escaped within them. A part counts as its text, so ``7`` and
        ``"7"`` are the same. The key is ASCII without spaces. Raises ``TypeError`` without a part and for one of
        another type, and :class:`~mt_paas.errors.TenantNotBound`.
        """
        if not parts:
            raise TypeError("a cache key needs something that it is the key of")
        return self.prefix(tenant_id=tenant_id) + ":".join(map(_escaped, parts))

    def prefix(self, *, tenant_id: str | None = None) -> str:
        """Return what all keys of the tenant begin with, and no key of another: by it a cache is rid of them."""
        return f"mt:{quote(self._service_id, safe='')}:{tenant_id_or_bound(tenant_id)}:"


def _escaped(part: str | int | UUID) -> str:
    if isinstance(part, bool) or not isinstance(part, (str, int, UUID)):
        raise TypeError(f"a part of a cache key is a text, a whole number or a UUID, not {type(part).__name__}")
    return quote(str(part), safe="", errors="surrogatepass")
