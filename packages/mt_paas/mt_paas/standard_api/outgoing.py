"""What calls addresses that somebody else named: its HTTP client, open for as long as it is used."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Self

import httpx2

from mt_paas.standard_api.addresses import AddressPolicy
from mt_paas.standard_api.transport import CheckedTransport

__all__ = ["Outgoing"]


class Outgoing:
    """An async context manager with an HTTP client that follows no redirect and reads nothing of the environment.

    ``addresses`` rules which hosts are called (default: public ones), unless a ``transport`` is given: then that
    decides, and ``tls``, TLS settings of one's own, are its affair too.
    """

    def __init__(
        self,
        transport: httpx2.AsyncBaseTransport | None,
        addresses: AddressPolicy | None,
        tls: ssl.SSLContext | None,
        timeout: httpx2.Timeout,
    ) -> None:
        self._http = httpx2.AsyncClient(
            transport=transport or CheckedTransport(addresses or AddressPolicy(), tls=tls),
            timeout=timeout,
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._http.__aexit__(exc_type, exc, traceback)
