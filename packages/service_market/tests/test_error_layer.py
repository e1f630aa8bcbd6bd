"""What breaks in the market is answered in the one shape, and no log line holds the text of an exception."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import sqlalchemy
import structlog
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from mt_paas.testing.doubles import serve
from service_market.assembly import Addresses, assemble
from service_market.core import log
from service_market.main import create_app
from service_market.rooms.identity.models import Organization
from sqlalchemy import text
from starlette.types import Receive, Scope, Send

DEADLINE = 20.0
SECRETS = ("private.person@hallym.ac.kr", "hunter2-secret")
TOLD = " and ".join(SECRETS)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """What the process has logged, set up as ``market up`` does it."""
    root, before, stream = logging.getLogger(), structlog.get_config(), io.StringIO()
    handlers, level, root.handlers = root.handlers, root.level, []
    monkeypatch.setattr(logging, "raiseExceptions", True)  # to be put back: configure() changes it
    with contextlib.redirect_stderr(stream):
        log.configure()
    yield stream.getvalue
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**before)


@dataclass
class Served:
    """An application under a real server, and what came out of it."""

    app: Any
    url: str = ""
    raised: list[BaseException] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except BaseException as error:
            self.raised.append(error)
            raise
        finally:
            if scope["type"] == "http":
                self.ended.set()


@pytest.fixture
async def served(app: FastAPI) -> AsyncIterator[Served]:
    made = Served(app)
    async with serve(made) as made.url:
        yield made


async def asked(served: Served, path: str, **request: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=served.url) as caller:
        return await caller.get(path, **request)


class TestUnderARealServer:
    async def test_what_nobody_expected_is_logged_by_its_places_alone(
        self, app: FastAPI, served: Any, written: Any
    ) -> None:
        @app.get("/broken/{what}")
        async def broken(what: str) -> None:
            raise RuntimeError(what)

        answer = await asked(served, f"/broken/{TOLD}", headers={"X-Request-ID": "abc-1"})
        assert (answer.status_code, answer.headers["x-request-id"]) == (500, "abc-1")
        assert (answer.json()["error"], answer.json()["request_id"]) == ("internal_error", "abc-1")
        (line,) = map(json.loads, written().splitlines())
        assert (line["error"], line["route"], line["request_id"]) == ("RuntimeError", "/broken/{what}", "abc-1")
        assert line["exception"].endswith("broken")
        assert not any(secret in answer.text + str(line) for secret in SECRETS)
        assert served.raised == []

    async def test_a_failed_statement_shows_none_of_its_parameters(
        self, app: FastAPI, market: Any, served: Any, written: Any
    ) -> None:
        @app.get("/broken")
        async def broken() -> None:
            async with market.kernel.unit() as uow:
                for _ in range(2):
                    row = {"slug": SECRETS[0], "name": SECRETS[1], "kind": "school", "created_at": uow.now()}
                    await uow.session.execute(sqlalchemy.insert(Organization).values(row))

        answer = await asked(served, "/broken")
        told = written()
        assert (answer.status_code, answer.json()["error"]) == (500, "internal_error")
        assert "IntegrityError" in told
        assert not any(secret in answer.text + told for secret in SECRETS)

    async def test_an_answer_that_breaks_half_way_is_cut_off_and_logged(
        self, app: FastAPI, served: Any, written: Any
    ) -> None:
        async def half() -> AsyncIterator[bytes]:
            yield b"the first half"
            raise RuntimeError(TOLD)

        @app.get("/broken")
        async def broken() -> StreamingResponse:
            return StreamingResponse(half())

        with pytest.raises(httpx2.RemoteProtocolError):
            await asked(served, "/broken")
        told = written()
        assert served.raised == []
        assert "unexpected error" in told
        assert not any(secret in told for secret in SECRETS)

    async def test_a_caller_who_goes_in_the_middle_of_a_body_is_nobodys_failure(
        self, operator: Any, served: Any, written: Any
    ) -> None:
        port = int(served.url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /api/v1/organizations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Authorization: " + operator.headers["authorization"].encode() + b"\r\nContent-Length: 1000\r\n\r\n{"
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        await asyncio.wait_for(served.ended.wait(), DEADLINE)
        assert (served.raised, written()) == ([], "")


class TestOtherLibraries:
    """They log what they please; what is written of it holds no text of an exception."""

    def lines(self, written: Any) -> list[dict[str, str]]:
        told = written()
        assert not any(secret in told for secret in SECRETS)
        return [json.loads(line) for line in told.splitlines()]

    def test_an_exception_is_its_type_and_its_places(self, written: Any) -> None:
        try:
            int(TOLD)
        except ValueError as error:
            logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=error)
        (line,) = self.lines(written)
        assert (line["event"], line["level"], line["module"]) == (
            "Exception in ASGI application",
            "error",
            "uvicorn.error",
        )
        assert line["exception"].startswith("ValueError: test_error_layer.py:")

    def test_an_exception_within_a_sentence_is_its_type(self, written: Any) -> None:
        logging.getLogger("psycopg.pool").warning("error connecting in %r: %s", "pool-1", OSError(TOLD))
        logging.getLogger("procrastinate").error("%(what)s", {"what": OSError(TOLD)})
        logging.getLogger("procrastinate").error(OSError(TOLD))
        assert [line["event"] for line in self.lines(written)] == [
            "error connecting in 'pool-1': OSError",
            "OSError",
            "OSError",
        ]

    async def test_a_task_that_nobody_awaits_is_not_described(self, written: Any) -> None:
        async def broken() -> None:
            raise RuntimeError(TOLD)

        task = asyncio.create_task(broken())
        await asyncio.wait([task])
        del task
        (line,) = self.lines(written)
        assert line["event"] == "Task exception was never retrieved"

    def test_a_line_that_can_not_be_written_is_not_printed_instead(
        self, written: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        logging.getLogger("uvicorn.error").error("%d bytes", TOLD)
        assert (written(), "".join(capsys.readouterr())) == ("", "")

    def test_our_own_lines_hold_no_text_either(self, written: Any) -> None:
        try:
            int(TOLD)
        except ValueError:
            log.get_logger("here").exception("it broke")
        (line,) = self.lines(written)
        assert (line["event"], line["exception"][:11]) == ("it broke", "ValueError:")


class TestTheDatabase:
    @pytest.mark.parametrize(
        ("sqlstate", "answered"),
        [
            ("40P01", (503, "busy")),
            ("40001", (503, "busy")),
            ("55P03", (503, "busy")),
            ("57014", (503, "busy")),
            ("57P03", (503, "unavailable")),
            ("22003", (422, "invalid_body")),
            ("42601", (500, "internal_error")),
        ],
    )
    async def test_says_by_its_states_whether_to_try_again(
        self, app: FastAPI, market: Any, operator: Any, sqlstate: str, answered: tuple[int, str]
    ) -> None:
        @app.get("/broken")
        async def broken() -> None:
            async with market.kernel.unit() as uow:
                raised = f"DO $$ BEGIN RAISE EXCEPTION '{TOLD}' USING ERRCODE = '{sqlstate}'; END $$"
                await uow.session.execute(text(raised))

        answer = await operator.get("http://market.test/broken")
        assert (answer.status_code, answer.json()["error"]) == answered
        assert answer.json()["retryable"] is (answer.status_code >= 500)
        assert not any(secret in answer.text for secret in SECRETS)

    async def test_is_busy_too_for_the_job_queue(self, app: FastAPI, market: Any, operator: Any) -> None:
        @app.get("/broken")
        async def broken() -> None:
            async with market.kernel.unit() as uow:
                await uow.session.execute(text("SET LOCAL lock_timeout = '10ms'"))
                await uow.defer("catalog.verify", service_id="fake_tutor")

        async with market.kernel.database.engine.connect() as holder:
            await holder.execute(text("LOCK TABLE procrastinate_jobs IN ACCESS EXCLUSIVE MODE"))
            answer = await operator.get("http://market.test/broken")
        assert (answer.status_code, answer.json()["error"]) == (503, "busy")
        assert answer.json()["message"] == "Another request holds what this one needs; try again."

    async def test_with_no_connection_left_is_unavailable(self, app: FastAPI, operator: Any) -> None:
        @app.get("/broken")
        async def broken() -> None:
            pool = sqlalchemy.create_engine(
                "sqlite://", poolclass=sqlalchemy.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0
            )
            with pool.connect():
                pool.connect()

        answer = await operator.get("http://market.test/broken")
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")

    async def test_that_is_away_is_unavailable_to_callers_with_a_token_too(self, settings: Any) -> None:
        market = assemble(settings, Addresses("postgresql://postgres@127.0.0.1:1/nothing"))
        transport = httpx2.ASGITransport(app=create_app(market))
        async with httpx2.AsyncClient(transport=transport, base_url="http://market.test/api/v1") as caller:
            for path, headers in (("/health", {}), ("/tenants", {"Authorization": "Bearer mtp_x"})):
                answer = await caller.get(path, headers=headers)
                assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
                assert answer.json()["request_id"] == answer.headers["x-request-id"]
                assert answer.json()["retryable"] is True
        await market.close()
