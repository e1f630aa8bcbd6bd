"""A market over HTTP: the token, the envelope, safe repetition, and failures as sentences with an exit code."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote
from uuid import uuid4

from service_market.cli import text
from service_market.cli.exits import ExitCode, Stop, exit_code_of

if TYPE_CHECKING:
    import httpx2

__all__ = ["TOKEN_FILE", "Answer", "Refused", "Remote", "path"]

TOKEN_FILE = "operator.token"  # noqa: S105 - the name of a file
_ATTEMPTS = 4
_FIRST_DELAY = 0.1  # seconds, tripled each time
_TIMEOUT = 30.0  # seconds
_PAGE = 500  # the most that the market gives at once


@dataclass(frozen=True)
class Answer:
    """A success: the data, and what is said beside them."""

    data: Any
    meta: dict[str, Any]

    @property
    def operation_id(self) -> str | None:
        """The operation that goes on after this answer, if there is one."""
        operation = self.meta.get("operation")
        return operation["id"] if operation else None


class Refused(Stop):
    """The market answered, and said no."""

    def __init__(self, status: int, error: str, message: str, details: Any) -> None:
        code = exit_code_of(status)
        super().__init__(code, f"{text.REFUSALS[code]()}: {text.meaning(error, message)}")
        self.status = status
        self.error = error
        self.said = message
        self.details = details


class Remote:
    """The market at ``url``. Every request may be sent again: a mutation carries one ``Idempotency-Key`` throughout."""

    def __init__(self, url: str, token: str | None, home: Path) -> None:
        import httpx2

        self.url = url.rstrip("/")
        self._home = home
        self._token = token
        try:
            base = httpx2.URL(f"{self.url}/api/v1/")
        except httpx2.InvalidURL:
            raise Stop(ExitCode.USAGE, text.BAD_URL(url=url)) from None
        if base.scheme not in {"http", "https"} or not base.host:
            raise Stop(ExitCode.USAGE, text.BAD_URL(url=url))
        # Without TLS there is nothing to verify, and loading the certificates takes longer than most calls.
        self._http = httpx2.Client(base_url=base, timeout=_TIMEOUT, trust_env=False, verify=base.scheme == "https")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, where: str, **query: Any) -> Any:
        """Return the data at ``where``. Raises :class:`~service_market.cli.exits.Stop`."""
        return self._call("GET", where, query=query).data

    def list(self, where: str, *, limit: int, **query: Any) -> tuple[list[Any], int]:
        """Return up to ``limit`` rows of a list (0 means all), newest first, and how many there are."""
        rows: list[Any] = []
        cursor: str | None = None
        while True:
            wanted = min(limit - len(rows), _PAGE) if limit else _PAGE
            answer = self._call("GET", where, query={**query, "limit": wanted, "cursor": cursor})
            rows += answer.data
            cursor = answer.meta.get("next_cursor")
            if cursor is None or (limit and len(rows) >= limit):
                return rows, int(answer.meta["total"])

    def send(self, method: str, where: str, body: dict[str, Any] | None = None) -> Answer:
        """Change something, once, however often it has to be sent. Raises :class:`~service_market.cli.exits.Stop`."""
        return self._call(method, where, body=body, headers={"Idempotency-Key": str(uuid4())})

    def _call(
        self,
        method: str,
        where: str,
        *,
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        import httpx2

        request = self._http.build_request(
            method,
            where,
            params={name: value for name, value in (query or {}).items() if value is not None},
            json=body,
            headers={**(headers or {}), "Authorization": f"Bearer {self._bearer()}"},
        )
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                response = self._http.send(request)
            except httpx2.TransportError as error:
                if last:
                    raise Stop(ExitCode.UNREACHABLE, text.UNREACHABLE(url=self.url, why=_why(error))) from None
            else:
                if last or not _is_away(response):
                    return self._read(response)
            time.sleep(_FIRST_DELAY * 3**attempt)
        raise AssertionError  # the last attempt returned or raised

    def _bearer(self) -> str:
        if self._token is None:
            file = self._home / TOKEN_FILE
            try:
                self._token = file.read_text().strip()
            except OSError:
                raise Stop(ExitCode.NOT_ALLOWED, text.NO_TOKEN(file=file)) from None
        if not self._token.isascii() or not self._token.isprintable() or not self._token:
            raise Stop(ExitCode.NOT_ALLOWED, text.BAD_TOKEN())
        return self._token

    def _read(self, response: httpx2.Response) -> Answer:
        try:
            body = response.json()
        except ValueError:
            body = None
        if isinstance(body, dict):
            if response.is_success and "data" in body:
                return Answer(body["data"], body.get("meta") or {})
            if not response.is_success and "message" in body:
                raise Refused(
                    response.status_code, str(body.get("error")), str(body["message"]), body.get("details")
                ) from None
        raise Stop(ExitCode.UNREACHABLE, text.NOT_A_MARKET(url=self.url, status=response.status_code))


def path(*parts: str) -> str:
    """Return the address of a thing, each part made safe."""
    return "/".join(quote(part, safe="") for part in parts)


def _is_away(response: httpx2.Response) -> bool:
    return response.status_code in {502, 503, 504}


def _why(error: httpx2.TransportError) -> str:
    return str(error) or type(error).__name__
