"""What a user of the two services does, over their public HTTP: redeem a set-up link, write and read notes."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2

from service_market.cli import text
from service_market.cli.demo.processes import Surprise

__all__ = ["Service", "User"]


@dataclass(frozen=True)
class Service:
    """One of the demo's services: where it listens, and the key that it shares with the market."""

    name: str
    url: str
    market_key: str


class User:
    """Somebody at a terminal: calls services and compares what they answer with what they must."""

    def __init__(self) -> None:
        # Every call is plain HTTP on this machine: there are no certificates to load.
        self._http = httpx2.Client(timeout=10.0, trust_env=False, verify=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def redeem(self, service: Service, setup_url: str) -> str:
        """Use a set-up link, and see that it works only once; return the access key."""
        key = self._call(service, "POST", setup_url)["access_key"]
        self._call(service, "POST", setup_url, expect=410)
        return str(key)

    def write(self, service: Service, key: str, note: str) -> None:
        """Write a note."""
        self._call(service, "POST", "/app/notes", key=key, body={"text": note}, expect=201)

    def read(self, service: Service, key: str) -> list[str]:
        """Read the notes of the tenant that ``key`` belongs to."""
        return [str(note["text"]) for note in self._call(service, "GET", "/app/notes", key=key)]

    def is_refused(self, service: Service, key: str | None, *, expect: int, as_tenant: str | None = None) -> str:
        """See that reading is refused with that status; return the word that the service gave for it."""
        headers = {"X-Tenant-ID": as_tenant} if as_tenant else {}
        answer = self._call(service, "GET", "/app/notes", key=key, headers=headers, expect=expect)
        return str(answer["error"])

    def is_unknown(self, service: Service, tenant_id: str) -> str:
        """See that the service tells the market that it has no such tenant; return the word that it gave."""
        headers = {"X-Market-API-Key": service.market_key}
        answer = self._call(service, "GET", f"/mt/tenant/{tenant_id}/status", headers=headers, expect=404)
        return str(answer["error"])

    def _call(
        self,
        service: Service,
        method: str,
        where: str,
        *,
        key: str | None = None,
        body: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        expect: int = 200,
    ) -> Any:
        url = where if where.startswith(service.url) else service.url + where
        sent = {**(headers or {}), **({"Authorization": f"Bearer {key}"} if key else {})}
        shown = f"{method} {url.partition('?')[0]}"  # what follows may be the token of a set-up link
        try:
            response = self._http.request(method, url, json=body, headers=sent)
        except httpx2.TransportError as error:
            raise Surprise(text.DEMO_NO_ANSWER(call=shown, why=error), service.name) from None
        if response.status_code != expect:
            raise Surprise(
                text.DEMO_WRONG_STATUS(call=shown, status=response.status_code, expected=expect), service.name
            )
        return response.json()
