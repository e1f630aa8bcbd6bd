"""What ``market`` says: every sentence in both languages, in the language that the environment asks for."""

from __future__ import annotations

import re
import string

import pytest
from service_market import assembly
from service_market.cli import text
from service_market.cli.korean import MEANINGS
from service_market.cli.text import Language, Message
from service_market.core.errors import registry

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


class TestParticles:
    @pytest.mark.parametrize(
        ("word", "fitting"),
        [
            ("서비스", "서비스를 서비스는 서비스로"),
            ("마켓", "마켓을 마켓은 마켓으로"),
            ("메일", "메일을 메일은 메일로"),
            ("hallym_univ", "hallym_univ를 hallym_univ는 hallym_univ로"),
            (".market/operator.token", ".market/operator.token을 .market/operator.token은 .market/operator.token으로"),
            ("manifest.yaml", "manifest.yaml을 manifest.yaml은 manifest.yaml로"),
            (8505, "8505를 8505는 8505로"),
            (0, "0을 0은 0으로"),
            (1, "1을 1은 1로"),
            ("“학교”", "“학교”를 “학교”는 “학교”로"),
            ("", "를 는 로"),
        ],
    )
    def test_fit_the_word_before_them(self, word: object, fitting: str) -> None:
        text.speak(Language.KOREAN)
        assert Message("{a} {a} {a}", "{a:을/를} {a:은/는} {a:으로/로}")(a=word) == fitting

    @pytest.mark.parametrize("name", MESSAGES)
    def test_are_never_given_double(self, name: str) -> None:
        assert not re.search(r"을\(를\)|은\(는\)|이\(가\)|와\(과\)|\(으\)로", MESSAGES[name].ko)


class TestMeanings:
    def test_are_there_for_every_error_word_of_the_market(self) -> None:
        assert assembly.ROUTERS  # every room's errors are loaded
        own = {error.code for error in registry() if error.__module__.startswith("service_market")}
        assert own | {"illegal_transition", "method_not_allowed"} == set(MEANINGS)


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
