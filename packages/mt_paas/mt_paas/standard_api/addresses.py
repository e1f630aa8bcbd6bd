"""Which addresses may be called: by default public ones alone, and private ones by name.

A manifest is written by a vendor, so its ``base_url`` could point into the market's own network (server-side request
forgery). The rule is applied to *addresses*, after the name was resolved and however it was written (``127.1``,
``2130706433``, ``localhost.``), and the connection goes to an address that was checked: a name that is resolved a
second time could lead elsewhere (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from mt_paas.errors import AddressNotAllowed, ConfigurationError

__all__ = ["AddressPolicy", "Resolver", "resolve_by_system"]

#: Takes a host and a port, returns the addresses of the host as texts. Raises ``OSError`` where there are none.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*")
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that IANA has given out to be reached from everywhere
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_V4_COMPATIBLE = IPv6Network("::/96")  # RFC 4291, deprecated, and still routed by some
_ISATAP = 0x5EFE  # RFC 5214, in the third quarter of the address


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Return the addresses that the operating system knows for ``host``, in its order of preference."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True)
class AddressPolicy:
    """The addresses that may be called: public ones, and what ``allow`` names.

    ``allow`` holds networks (``10.20.0.0/16``), addresses, and names of hosts that are trusted whatever their
    addresses are. Raises ``ConfigurationError`` for an entry that is none of these.
    """

    allow: Sequence[str] = ()
    resolver: Resolver = resolve_by_system
    _networks: tuple[IPv4Network | IPv6Network, ...] = field(init=False, repr=False)
    _hosts: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        networks, hosts = [], []
        for entry in self.allow:
            try:
                networks.append(ip_network(entry.strip("[]")))
            except ValueError as error:
                host = _canonical(entry)
                if not _HOST.fullmatch(host) or _HOST_OF_DIGITS.fullmatch(host):
                    message = f"{entry!r} can not be allowed: {error}. Write a network, an address, or a host's name"
                    raise ConfigurationError(message) from None
                hosts.append(host)
        object.__setattr__(self, "_networks", tuple(networks))
        object.__setattr__(self, "_hosts", frozenset(hosts))

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of ``host``, all of them checked, in the order in which to try them.

        Raises ``AddressNotAllowed`` when one of them may not be called: a host that is partly in a private network
        is not a public service. Raises ``OSError`` when the host has no address.
        """
        found = await self._resolve(host, port)
        if not found:
            raise OSError(f"{host} has no address")
        if _canonical(host) not in self._hosts:
            for address in found:
                self._check(host, address)
        return [str(address) for address in found]

    async def _resolve(self, host: str, port: int) -> list[IPv4Address | IPv6Address]:
        try:
            return [ip_address(host)]
        except ValueError:
            return [ip_address(text) for text in await self.resolver(host, port)]

    def _check(self, host: str, address: IPv4Address | IPv6Address) -> None:
        for meant in _meant_by(address):
            if not _is_public(meant) and not self._is_allowed(meant):
                name = host if host == str(address) else f"{host} ({address})"
                raise AddressNotAllowed(
                    f"{name} is not a public address, and not one that may be called; if it should be, allow it "
                    f"in the settings by its network, its address, or its name"
                )

    def _is_allowed(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks if network.version == address.version)


_HOST_OF_DIGITS = re.compile(r"[0-9.]+|0x[0-9a-f.x]+")  # a mistyped address is not a name


def _canonical(host: str) -> str:
    return host.lower().removesuffix(".")


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if address.is_multicast or not address.is_global:
        return False
    return address.version == 4 or address in _GLOBAL_UNICAST


def _meant_by(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """Yield the addresses where a packet to ``address`` can arrive: an IPv6 address may carry an IPv4 one."""
    if isinstance(address, IPv4Address):
        yield address
        return
    low, bits = IPv4Address(int(address) & 0xFFFFFFFF), int(address)
    if address.ipv4_mapped is not None or address in _NAT64 or (address in _V4_COMPATIBLE and bits > 1):
        yield low
    else:
        yield address
        if address.sixtofour is not None:
            yield address.sixtofour
        if (bits >> 32) & 0xFFFF == _ISATAP:
            yield low
