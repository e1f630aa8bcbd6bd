"""A market over a line that breaks: what was sent is sent again as the same request, so that it is done once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from service_market.cli.exits import ExitCode, Stop
from service_market.cli.remote import Remote


class Line(BaseHTTPRequestHandler):
    """Answers by the plan: a status, or None to hang up without a word; past its end, 200."""

    plan: ClassVar[list[int | None]] = []
    heard: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer()

    def _answer(self) -> None:
        self.heard.append((self.command, self.headers["Idempotency-Key"]))
        status = self.plan.pop(0) if self.plan else 200
        if status is None:
            self.close_connection = True
            return
        body: dict[str, Any] = {"data": {"done": True}, "meta": {}}
        if status != 200:
            body = {"error": "unavailable", "message": "The database does not answer."}
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Remote]:
    """A market at the other end of that line."""
    Line.plan, Line.heard = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Line) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with Remote(f"http://127.0.0.1:{server.server_port}", "mtp_token", tmp_path) as remote:
            yield remote
        server.shutdown()
        thread.join()


class TestBreakingLine:
    @pytest.mark.parametrize("plan", [[None], [None, None, None], [503], [502, None]])
    def test_a_change_is_sent_again_under_the_same_key(self, market: Remote, plan: list[int | None]) -> None:
        times = len(plan) + 1
        Line.plan = list(plan)
        assert market.send("POST", "organizations", {"slug": "x"}).data == {"done": True}
        assert len(Line.heard) == times
        assert len(set(Line.heard)) == 1
        assert Line.heard[0][1]

    def test_two_changes_have_two_keys(self, market: Remote) -> None:
        for _ in range(2):
            market.send("POST", "organizations", {"slug": "x"})
        assert len({key for _, key in Line.heard}) == 2

    def test_a_question_is_asked_again(self, market: Remote) -> None:
        Line.plan = [None]
        assert market.get("me") == {"done": True}
        assert Line.heard == [("GET", None)] * 2

    def test_it_gives_up_in_the_end_and_says_what_the_market_said(self, market: Remote) -> None:
        Line.plan = [503] * 10
        with pytest.raises(Stop, match="The database does not answer") as stopped:
            market.get("me")
        assert stopped.value.code == ExitCode.UNREACHABLE
        assert len(Line.heard) == 4
