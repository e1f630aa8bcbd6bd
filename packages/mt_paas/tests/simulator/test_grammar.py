"""The language of the simulator."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from mt_paas.simulator.commands import COMMANDS
from mt_paas.simulator.commands.grammar import CommandError, duration_of, moment_of, parse, value_of

NOW = datetime(2026, 1, 3, 12, 0, tzinfo=UTC)


class TestParse:
    def test_words_options_quotes_and_comments(self):
        words = parse("""Activate hallym_univ premium name="한림 대학교" max_users=5  # a comment""")
        assert (words.name, words.positional) == ("activate", ["hallym_univ", "premium"])
        assert words.options == {"name": "한림 대학교", "max_users": "5"}

    @pytest.mark.parametrize("line", ["", "   ", "# only a comment"])
    def test_an_empty_line_is_no_command(self, line):
        assert parse(line) is None

    @pytest.mark.parametrize("line", ['activate "open', "set fail=1 fail=0"])
    def test_what_is_not_understood_says_so(self, line):
        with pytest.raises(CommandError):
            parse(line)

    def test_words_that_nobody_took_are_refused(self):
        words = parse("status hallym_univ loudly x=1")
        assert words.word("TENANT") == "hallym_univ"
        with pytest.raises(CommandError, match="does not take 'loudly'"):
            words.finish()

    def test_an_option_that_nobody_took_is_refused(self):
        with pytest.raises(CommandError, match="does not take 'at=1'"):
            parse("status at=1").finish()


class TestValues:
    @pytest.mark.parametrize(
        ("text", "seconds"), [("2s", 2), ("500ms", 0.5), ("1.5m", 90), ("3", 3), ("2h", 7200), ("1d", 86400)]
    )
    def test_durations(self, text, seconds):
        assert duration_of(text) == seconds

    @pytest.mark.parametrize("text", ["", "s", "-1s", "2 s", "1y", "400d", "1e3s", "٢s"])
    def test_what_is_no_duration(self, text):
        with pytest.raises(CommandError, match="is no time"):
            duration_of(text)

    def test_moments(self):
        assert moment_of("+1h", NOW) == datetime(2026, 1, 3, 13, 0, tzinfo=UTC)
        assert moment_of("2026-01-03T12:00:00Z", NOW) == NOW
        with pytest.raises(CommandError, match="is no moment"):
            moment_of("2026-01-03T12:00:00", NOW)

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("5", 5),
            ("-1", -1),
            ("0.5", 0.5),
            ("true", True),
            ("null", None),
            ("007", "007"),
            ("1e5", "1e5"),
            ("ko", "ko"),
        ],
    )
    def test_values_are_what_json_has(self, text, value):
        assert value_of(text) == value
        assert type(value_of(text)) is type(value)


class TestCommands:
    @pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
    def test_each_says_in_a_sentence_what_it_does(self, command):
        assert command.usage.split()[0] == command.name
        assert command.summary.endswith(".")
