"""What the tests of the client share: a manifest that declares everything, and services that say what a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from mt_paas.standard_api import AddressPolicy, Manifest, StandardAPIClient
from mt_paas.testing.doubles import FakeService

TENANT = "/mt/tenant/{tenant_id}"
KEY = "a-key-of-the-market-1"


def everything(base_url: str, **changes: object) -> Manifest:
    document = {
        "version": "2.0",
        "service": {"id": "notes", "name": "Notes", "description": "", "version": "1.0.0", "vendor": "V"},
        "endpoints": {
            "base_url": base_url,
            "health": "/mt/health",
            "tenant_activate": f"{TENANT}/activate",
            "tenant_deactivate": f"{TENANT}/deactivate",
            "tenant_status": f"{TENANT}/status",
            "usage_report": f"{TENANT}/usage",
            "stats": f"{TENANT}/stats",
            "stats_costs": f"{TENANT}/stats/costs",
            "stats_top_users": f"{TENANT}/stats/top-users",
            "users": f"{TENANT}/users",
            "user": f"{TENANT}/users/{{user_id}}",
            "resources": f"{TENANT}/resources",
            "settings": f"{TENANT}/settings",
            "operation": "/mt/operations/{operation_id}",
            "plan_change": f"{TENANT}/plan",
            "suspend": f"{TENANT}/suspend",
            "resume": f"{TENANT}/resume",
            "purge": TENANT,
            "export": f"{TENANT}/export",
            "credentials_rotate": f"{TENANT}/credentials/rotate",
            "sso": f"{TENANT}/sso",
            "inventory": "/mt/tenants",
        },
        "auth": {"type": "api_key", "header": "X-Market-API-Key"},
        "isolation": {"supported": ["SHARED_TABLES"], "default": "SHARED_TABLES"},
        "capabilities": ["async_operations"],
    }
    return Manifest.model_validate(document | changes)


class Pauses(list[float]):
    """Does not wait, and remembers for how long it should have."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def client(
    service: FakeService, base_url: str, loopback: AddressPolicy, pauses: Pauses
) -> AsyncIterator[StandardAPIClient]:
    """Return a client of ``service``, which declares all that there is, and behaves as a test tells it."""
    async with StandardAPIClient(everything(base_url), service.api_key, addresses=loopback, pause=pauses) as client:
        yield client


class Script:
    """A service at the other end of a transport: gives its answers in turn, the last one for ever."""

    def __init__(self, *answers: httpx2.Response) -> None:
        self.answers = list(answers)
        self.asked: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)

    @property
    def paths(self) -> list[str]:
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.asked]


def answer(status: int, content: object = None, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, headers=headers, **({} if content is None else {"json": content}))


@pytest.fixture
def says() -> Callable[..., httpx2.Response]:
    """Return a maker of answers: a status, a JSON body, headers."""
    return answer


@pytest.fixture
def scripted(pauses: Pauses) -> Callable[..., tuple[StandardAPIClient, Script]]:
    """Return a maker of clients whose service gives the answers of a test, one after the other."""

    def make(*answers: httpx2.Response, manifest: dict | None = None, **options) -> tuple[StandardAPIClient, Script]:
        script = Script(*answers)
        options = {"pause": pauses, "transport": httpx2.MockTransport(script)} | options
        return StandardAPIClient(everything("https://notes.example", **(manifest or {})), KEY, **options), script

    return make
