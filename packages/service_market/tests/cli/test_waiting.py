"""What is said while an operation is waited for: each thing once, whatever number of times the market tries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from service_market.cli import waiting
from service_market.cli.exits import Stop
from service_market.cli.remote import Remote
from service_market.cli.screen import Screen
from service_market.cli.session import Session

DOWN = "POST http://tutor/activate found no connection: Connection refused"


def step(state: str, error: str | None = None, name: str = "activate", attempts: int = 1) -> dict[str, Any]:
    return {"name": name, "state": state, "error": error, "attempts": attempts}


def seen(state: str, *steps: dict[str, Any], attempt: int = 1, error: str | None = None) -> dict[str, Any]:
    """An operation as it looks at one moment."""
    return {
        "id": "op",
        "kind": "activate",
        "tenant_id": "hallym_univ",
        "state": state,
        "attempt": attempt,
        "steps": list(steps),
        "error": {"message": error} if error else None,
        "next_attempt_at": "2026-01-01T00:00:00Z" if error and state != "failed" else None,
    }


class Moments(Remote):
    """A market that shows one moment after another."""

    def __init__(self, *moments: dict[str, Any]) -> None:
        self._moments = iter(moments)

    def get(self, where: str, **query: Any) -> Any:
        return next(self._moments)


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    def looks() -> Iterator[float]:
        while True:
            yield 60.0

    monkeypatch.setattr(waiting, "_looks", looks)


def said(capsys: pytest.CaptureFixture[str], *moments: dict[str, Any]) -> list[str]:
    """Return the lines that were said while the moments passed, after the first."""
    waiting.follow(Session(Moments(*moments), Screen()), "op")
    first, *others = capsys.readouterr().err.splitlines()
    assert first == "activate of hallym_univ, operation op"
    return cast("list[str]", others)


class TestFollowing:
    def test_a_service_that_is_down_is_told_once(self, capsys: pytest.CaptureFixture[str]) -> None:
        down = [
            seen("running", step("failed", DOWN, attempts=number), attempt=number, error=DOWN) for number in range(1, 6)
        ]
        ended = seen("failed", step("failed", DOWN, attempts=6), attempt=6, error=DOWN)
        assert said(capsys, *down, ended) == [f"  ✗ activate: {DOWN}", "  … trying again"]

    def test_another_reason_is_told_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert said(
            capsys,
            seen("running", step("uncertain", "it broke"), error="it broke"),
            seen("running", step("failed", DOWN), attempt=2, error=DOWN),
            seen("succeeded", step("done")),
        ) == ["  … it broke; trying again", f"  ✗ activate: {DOWN}", "  … trying again", "  ✓ activate"]

    def test_what_is_taken_back_is_told_in_words(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert said(
            capsys, seen("undoing", step("undone")), seen("failed", step("undo_failed", "it is away", "place"))
        ) == ["  – activate: taken back", "  ✗ place: could not be taken back: it is away"]

    def test_a_worker_is_looked_for_only_where_nothing_else_is_known(self, capsys: pytest.CaptureFixture[str]) -> None:
        ended = seen("succeeded", step("done"))
        waits = seen("pending", attempt=0, error="its key can not be read")
        assert said(capsys, waits, waits, ended) == [
            "  … it can not begin: its key can not be read; looking again",
            "  ✓ activate",
        ]
        [wondering, _] = said(capsys, seen("pending"), seen("pending"), ended)
        assert wondering.endswith("market worker")


class TestAFailure:
    def test_says_what_to_do_about_it(self) -> None:
        for kind, verb in (("activate", "retry"), ("reactivate", "retry"), ("purge", "purge")):
            failed = seen("failed", error="it broke") | {"kind": kind}
            with pytest.raises(Stop) as raised:
                waiting.require_success(failed)
            assert raised.value.message == (
                f"{kind} of hallym_univ failed: it broke\n"
                f"When the cause is put right, try it again with: market tenant {verb} hallym_univ"
            )
