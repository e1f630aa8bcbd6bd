"""How the tests speak: a market that drives one service, a user with an access key, and a clock that they move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx2

KEY, SECOND_KEY = "the-markets-key-0123456789", "its-successor-9876543210"
PUBLIC_URL = "https://notes.example"


class Clock:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


class Market:
    """A market that drives one service, and sees its answers as they are."""

    def __init__(self, client: httpx2.AsyncClient, clock: Clock) -> None:
        self.client, self.clock = client, clock

    @staticmethod
    def body(tenant_id: str, **changes: object) -> dict[str, object]:
        return {
            "tenant_id": tenant_id,
            "tenant_name": "한림대학교",
            "plan": "premium",
            "features": ["notes"],
            "config": {"max_users": 500, "storage_limit_gb": 100},
            "admin": {"email": "admin@hallym.ac.kr", "name": "홍길동"},
        } | changes

    async def activate(self, tenant_id: str, *, key: str | None = None, **changes: object) -> httpx2.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.post(tenant_id, "activate", self.body(tenant_id, **changes), headers)

    async def deactivate(self, tenant_id: str, **changes: object) -> httpx2.Response:
        body = {"reason": "admin_request", "preserve_data": True} | changes
        return await self.post(tenant_id, "deactivate", body)

    async def post(
        self, tenant_id: str, call: str, body: object, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        return await self.client.post(f"/mt/tenant/{tenant_id}/{call}", json=body, headers=headers)

    async def get(self, tenant_id: str, call: str, **query: str) -> httpx2.Response:
        return await self.client.get(f"/mt/tenant/{tenant_id}/{call}", params=query)

    async def status(self, tenant_id: str) -> str:
        answer = await self.get(tenant_id, "status")
        return answer.json()["status"] if answer.status_code == 200 else answer.json()["error"]

    async def user(self, activated: httpx2.Response) -> User:
        """Become the administrator of the tenant that was activated: use the set-up link."""
        answer = await self.client.post(link_of(activated))
        return User(self.client, answer.json()["access_key"])


class User:
    """Somebody with an access key."""

    def __init__(self, client: httpx2.AsyncClient, key: str) -> None:
        self._client, self._headers = client, {"Authorization": f"Bearer {key}"}

    async def write(self, text: object) -> httpx2.Response:
        return await self._client.post("/app/notes", json={"text": text}, headers=self._headers)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self._client.get(path, headers=self._headers | headers)

    async def notes(self) -> list[str]:
        return [note["text"] for note in (await self.get("/app/notes")).json()]


def link_of(activated: httpx2.Response) -> str:
    """Return the set-up link without the public address, under which nobody answers here."""
    url = activated.json()["admin_credentials"]["setup_url"]
    assert url.startswith(f"{PUBLIC_URL}/")
    return url.removeprefix(PUBLIC_URL)


def at(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def refused(answer: httpx2.Response, status: int, error: str) -> bool:
    """Tell whether the answer is this refusal, in the contract's one error shape."""
    body = answer.json()
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert {"type", "title", "status", "detail", "error", "message", "request_id", "retryable"} <= body.keys()
    assert body["status"] == answer.status_code
    assert (answer.status_code, body["error"]) == (status, error)
    return True
