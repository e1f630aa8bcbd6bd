"""How a request names a tenant: by a header, the sub-domain, a parameter of its query. And from whom that counts.

What a request names is a claim, and no proof: it has to be the tenant of the principal. Where there is no principal,
it counts only if the connection comes from a proxy that is trusted to have checked it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from operator import itemgetter
from urllib.parse import parse_qsl

from starlette.types import Scope

from mt_paas.errors import ConfigurationError, TenantUnclear
from mt_paas.standard_api.models import TENANT_ID_PATTERN

__all__ = ["Naming", "TrustedProxies", "require_one"]

_TENANT_ID = re.compile(TENANT_ID_PATTERN)
_PARAMETER = "tenant_id"
_NAME = itemgetter(0)  # of a header


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """The ways that count, in their order: header, token, sub-domain of ``domain``, query; the token's is elsewhere.

    ``not_tenants`` are sub-domains that are no tenant's. A way that is switched off is not looked at.
    """

    header: str | None = "X-Tenant-ID"
    domain: str | None = None
    not_tenants: frozenset[str] = frozenset({"www"})
    query: bool = False
    header_name: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "header_name", (self.header or "").lower().encode("latin-1"))

    def named(self, scope: Scope) -> list[list[str]]:
        """Return what each way names, each name once, in the order of the ways; ways that name nothing are left out."""
        found = []
        if self.header_name in map(_NAME, scope["headers"]):
            found.append([value.decode("latin-1") for name, value in scope["headers"] if name == self.header_name])
        if self.domain is not None:
            found.append(self._by_domain(scope, f".{self.domain.lower()}"))
        if self.query:
            found.append(self._by_query(scope))
        return [list(dict.fromkeys(values)) for values in found if values] if found else found

    def _by_domain(self, scope: Scope, end: str) -> list[str]:
        """Return what the host's names begin with."""
        hosts = [
            value.decode("latin-1").lower().partition(":")[0] for name, value in scope["headers"] if name == b"host"
        ]
        labels = [host.rstrip(".").removesuffix(end) for host in hosts if host.rstrip(".").endswith(end)]
        return [label for label in labels if label not in self.not_tenants]

    def _by_query(self, scope: Scope) -> list[str]:
        """Return what the query names."""
        query: bytes = scope["query_string"]
        if _PARAMETER.encode() not in query:
            return []
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        return [value for name, value in pairs if name == _PARAMETER]


def require_one(named: list[str]) -> str:
    """Return the one tenant that is named. Raises :class:`~mt_paas.errors.TenantUnclear` without quoting anything."""
    if len(named) > 1:
        raise TenantUnclear("The request names two tenants: name one.")
    if not _TENANT_ID.fullmatch(named[0]):
        raise TenantUnclear("What the request names is not the id of a tenant.")
    return named[0]


class TrustedProxies:
    """The networks whose word on the tenant counts. None are, unless they are named.

    An address that a server took from ``X-Forwarded-For`` has no port (uvicorn writes 0): it is who the proxy says the
    caller is, and not the proxy, so it is not trusted.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        for network in networks:
            try:
                self._networks.append(ip_network(network.strip()))
            except ValueError as error:
                raise ConfigurationError(
                    f"{network!r} is no network of trusted proxies: {error}. Write 10.0.0.0/8, or an address"
                ) from None
        self._holds = lru_cache(maxsize=1024)(self._look)

    def sent(self, scope: Scope) -> bool:
        """Tell whether the connection itself comes from a trusted proxy."""
        client = scope.get("client")
        return bool(self._networks and client and client[1] and self._holds(client[0]))

    def _look(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks if network.version == address.version)
