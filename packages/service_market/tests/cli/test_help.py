"""The help: quick to come, complete, and with the one table of exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from service_market.cli.application import app
from service_market.cli.exits import EXIT_TABLE, ExitCode
from typer.testing import CliRunner

HEAVY = ("fastapi", "sqlalchemy", "httpx2", "procrastinate", "pydantic", "mt_paas.standard_api", "uvicorn")
COMMANDS = [
    *("up", "worker", "migrate", "forget-sealed", "demo", "subscribe"),
    *("organization create", "organization list", "token create", "token list", "token revoke"),
    *("service register", "service list", "service show", "service verify"),
    *("subscription list", "subscription show", "subscription renew", "subscription cancel", "subscription sweep"),
    *("tenant list", "tenant show", "tenant history", "tenant events", "tenant deactivate"),
    *("tenant reactivate", "tenant retry", "tenant purge", "tenant setup-link", "operation list", "operation show"),
]


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner(env={"COLUMNS": "200", "TERM": "dumb"})


class TestHelp:
    def test_says_what_every_exit_code_means(self, runner: CliRunner) -> None:
        shown = runner.invoke(app, ["--help"]).stdout
        assert set(EXIT_TABLE) == set(ExitCode)
        for code, meaning in EXIT_TABLE.items():
            assert f"{code.value}  {meaning}" in shown

    @pytest.mark.parametrize("command", COMMANDS)
    def test_describes_each_command_and_each_of_its_options(self, runner: CliRunner, command: str) -> None:
        result = runner.invoke(app, [*command.split(), "--help"])
        assert result.exit_code == 0
        assert command.rsplit(maxsplit=1)[-1] in result.stdout

    def test_needs_nothing_that_is_slow_to_import(self) -> None:
        script = (
            "import sys; from typer.testing import CliRunner; from service_market.cli.application import app; "
            "assert CliRunner().invoke(app, ['--help']).exit_code == 0; "
            f"print([name for name in {HEAVY!r} if name in sys.modules])"
        )
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert ran.stdout.strip() == "[]"

    def test_version(self, runner: CliRunner) -> None:
        assert runner.invoke(app, ["--version"]).stdout.startswith("market 0.")


class TestUsage:
    def test_a_wrong_choice_is_told_with_the_right_ones(self, runner: CliRunner) -> None:
        result = runner.invoke(app, ["subscription", "list", "--state", "asleep"])
        told = "Error: Invalid value for '--state': 'asleep' is not one of 'active', 'expired', 'cancelled'.\n"
        assert (result.exit_code, result.stderr.endswith(told)) == (2, True)

    @pytest.mark.parametrize(
        "arguments",
        [["nonsense"], ["tenant", "show"], ["tenant", "list", "--state", "asleep"], ["tenant", "list", "-x"]],
    )
    def test_a_command_that_is_not_understood_ends_with_2(self, runner: CliRunner, arguments: list[str]) -> None:
        assert runner.invoke(app, arguments).exit_code == ExitCode.USAGE
