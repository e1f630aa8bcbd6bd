"""What ``market`` says: every sentence in both languages, in the language that the environment asks for."""

from __future__ import annotations

import string

import pytest
from service_market.cli import text
from service_market.cli.text import Language, Message

MESSAGES = {name: value for name, value in vars(text).items() if isinstance(value, Message)} | {
    f"REFUSALS[{code.name}]": message for code, message in text.REFUSALS.items()
}


def placeholders(words: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(words) if name is not None)


class TestCatalogue:
    @pytest.mark.parametrize("name", MESSAGES)
    def test_both_languages_say_the_same_things(self, name: str) -> None:
        message = MESSAGES[name]
        assert message.en
        assert placeholders(message.en) == placeholders(message.ko)

    @pytest.mark.parametrize("name", MESSAGES)
    def test_the_korean_is_korean(self, name: str) -> None:
        message = MESSAGES[name]
        assert message is text.ID or any("가" <= letter <= "힣" for letter in message.ko)
        assert not any("가" <= letter <= "힣" for letter in message.en)


class TestLanguage:
    @pytest.mark.parametrize(
        ("environment", "expected"),
        [
            ({}, Language.ENGLISH),
            ({"LANG": "ko_KR.UTF-8"}, Language.KOREAN),
            ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, Language.ENGLISH),
            ({"LC_ALL": "ko_KR.UTF-8"}, Language.KOREAN),
            ({"LC_ALL": "", "LANG": "ko"}, Language.KOREAN),
            ({"LANG": "de_DE.UTF-8"}, Language.ENGLISH),
        ],
    )
    def test_is_that_of_the_environment(
        self, environment: dict[str, str], expected: Language, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert text.spoken() is expected

    def test_a_chosen_one_goes_before_that_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
        text.speak(Language.ENGLISH)
        assert text.YES() == "yes"
        text.speak(Language.KOREAN)
        assert text.YES() == "예"
