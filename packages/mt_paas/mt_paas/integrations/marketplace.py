"""A service's side of the market's API: look a tenant up, ask for its provisioning, report its status and its usage.

Every call is safe to repeat: reads by nature, the rest because the market does a request with one ``Idempotency-Key``
once. So a call is tried again, with back-off, until it is answered or its attempts are used up.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx2

from mt_paas.core.lifecycle import TenantStatus
from mt_paas.errors import (
    ConfigurationError,
    ServiceAnswerInvalid,
    ServiceCallError,
    ServiceFailed,
    ServiceRefused,
    ServiceTimeout,
    ServiceUnreachable,
)

__all__ = ["MarketplaceClient"]

DEFAULT_URL = "http://localhost:8505/api/v1"


class MarketplaceClient:
    """Calls the market as one service, by the API token (role ``service``) that the market gave it.

    ``timeout`` is in seconds and bounds one attempt. Use it as an async context manager, or call ``aclose``. Every
    method raises the ``ServiceCallError`` family: ``ServiceRefused`` where the market said no (its ``status`` and
    ``error`` say how), the others where it could not be reached or did not answer.
    """

    def __init__(
        self,
        api_url: str = DEFAULT_URL,
        api_key: str | None = None,
        *,
        timeout: float = 10.0,
        attempts: int = 3,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        if not api_key:
            raise ConfigurationError("MarketplaceClient needs api_key: the token that the market gave this service")
        self._attempts = attempts
        self._http = httpx2.AsyncClient(
            base_url=api_url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {api_key}", "Accept": "application/json"},
            timeout=timeout,
            transport=transport,
            follow_redirects=False,
        )

    async def get_tenant(self, tenant_id: str) -> dict[str, Any]:
        """Return what the market knows of the tenant: its state, plan, features, limits."""
        return await self._call("GET", _path(tenant_id))

    async def request_provisioning(self, tenant_id: str) -> dict[str, Any]:
        """Ask for a pending or failed tenant to be provisioned; return the operation that does it."""
        return await self._call("POST", f"{_path(tenant_id)}/provision")

    async def sync_tenant_status(self, tenant_id: str, status: TenantStatus | str) -> bool:
        """Report how the service sees its tenant (a tenant's state, or a word such as ``unhealthy``).

        The market notes it beside its own state. Returns whether the two agree.
        """
        tenant = await self._call("PATCH", f"{_path(tenant_id)}/status", {"status": str(status)})
        return bool(tenant.get("state") == str(status))

    async def report_usage(
        self,
        tenant_id: str,
        usage: Mapping[str, float],
        *,
        period: str | None = None,
        source_id: str | None = None,
    ) -> bool:
        """Report what the tenant used in ``period`` (``2026-01`` or ``2026-01-03``; default: this month in UTC).

        A report of the same ``source_id`` (default: the period) corrects the one before. Returns whether it is the
        first one.
        """
        body: dict[str, Any] = {"period": period or f"{datetime.now(UTC):%Y-%m}", "usage": dict(usage)}
        if source_id is not None:
            body["source_id"] = source_id
        record = await self._call("POST", f"{_path(tenant_id)}/usage", body)
        return record.get("corrections") == 0

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = {} if method == "GET" else {"Idempotency-Key": str(uuid4())}
        attempt = 1
        while True:
            try:
                return await self._once(method, path, body, headers)
            except ServiceCallError as error:
                if not error.retryable or attempt >= self._attempts:
                    raise
                delay = max(0.2 * 2**attempt * random.uniform(0.5, 1), error.retry_after or 0)  # noqa: S311 - jitter
            await asyncio.sleep(min(delay, 10.0))
            attempt += 1

    async def _once(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        place = f"{method} {self._http.base_url.join(path)}"
        try:
            response = await self._http.request(method, path, json=body, headers=headers)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise ServiceUnreachable(f"{place}: no connection to the market") from error
        except httpx2.TransportError as error:
            raise ServiceTimeout(f"{place}: the market did not answer ({type(error).__name__})") from error
        return _data(place, response)


def _path(tenant_id: str) -> str:
    return f"tenants/{quote(tenant_id, safe='')}"


def _data(place: str, response: httpx2.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    answer = answer if isinstance(answer, dict) else {}
    if response.is_success:
        data = answer.get("data")
        if not isinstance(data, dict):
            raise ServiceAnswerInvalid(f"{place} answered {response.status_code} without data; is this a market?")
        return data
    word, message = str(answer.get("error", "")), str(answer.get("message", ""))[:300]
    said = f"{place} answered {response.status_code} {word}: {message}".rstrip(": ")
    kind = ServiceFailed if response.is_server_error else ServiceRefused
    after = response.headers.get("Retry-After", "")
    raise kind(
        said,
        status=response.status_code,
        error=word or None,
        retry_after=float(after) if after.isdigit() else None,
        retryable=bool(answer.get("retryable")) or response.status_code in {429, 502, 503, 504},
    )
