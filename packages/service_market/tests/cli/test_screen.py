"""What is shown: tables on standard output that fit, colour only on a terminal, nothing that steers the terminal."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from rich.cells import cell_len
from service_market.cli import text
from service_market.cli.screen import Column, Screen

COLUMNS = (Column(text.TENANT, "tenant_id"), Column(text.NAME, "name"), Column(text.STATE, "state"))
ROWS = [
    {"tenant_id": "hallym_univ", "name": "한림대학교", "state": "active"},
    {"tenant_id": "mit", "name": "MIT", "state": "failed"},
]


class TestTable:
    def test_korean_takes_two_places(self, capsys: pytest.CaptureFixture[str]) -> None:
        Screen().rows(ROWS, COLUMNS)
        lines = capsys.readouterr().out.splitlines()
        starts = {cell_len(line.partition(word)[0]) for line, word in zip(lines[2:], ("active", "failed"), strict=True)}
        assert len(starts) == 1

    def test_a_narrow_terminal_gets_a_line_a_field_and_loses_nothing(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "24")
        Screen().rows(ROWS, COLUMNS)
        shown = capsys.readouterr().out
        assert "hallym_univ" in shown
        assert "한림대학교" in shown
        assert max(cell_len(line) for line in shown.splitlines()) <= 24

    def test_a_pipe_gets_every_row_on_one_line_without_colour(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("COLUMNS", raising=False)  # who runs the tests may have set it
        Screen().rows([{**ROWS[0], "name": "이름 " * 60}], COLUMNS)
        shown = capsys.readouterr().out
        assert len(shown.splitlines()) == 3
        assert "\x1b" not in shown

    def test_an_empty_list_says_so_where_it_is_no_data(self, capsys: pytest.CaptureFixture[str]) -> None:
        Screen().rows([], COLUMNS)
        said = capsys.readouterr()
        assert (said.out, said.err) == ("", "There are none.\n")

    def test_what_comes_from_outside_can_not_steer_the_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        Screen().rows([{**ROWS[0], "name": "\x1b[2J[bold]x[/bold]"}], COLUMNS)
        Screen().complain("\x1b]0;title\x07")
        said = capsys.readouterr()
        assert "\x1b" not in said.out + said.err
        assert "[bold]x[/bold]" in said.out

    def test_times_are_those_of_this_machine(self, capsys: pytest.CaptureFixture[str]) -> None:
        at = "2026-01-02T03:04:05.678Z"
        Screen().thing({"created_at": at}, (Column(text.CREATED, "created_at"),))
        assert f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M:%S}" in capsys.readouterr().out


class TestJson:
    def test_is_the_data_and_nothing_else(self, capsys: pytest.CaptureFixture[str]) -> None:
        Screen(as_json=True).rows(ROWS, COLUMNS)
        assert json.loads(capsys.readouterr().out) == ROWS

    def test_an_empty_list_is_an_empty_list(self, capsys: pytest.CaptureFixture[str]) -> None:
        Screen(as_json=True).rows([], COLUMNS)
        assert json.loads(capsys.readouterr().out) == []
