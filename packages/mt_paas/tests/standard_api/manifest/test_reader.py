from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mt_paas.errors import ManifestError, MissingExtraError
from mt_paas.standard_api.manifest import Manifest, check
from mt_paas.standard_api.manifest.reader import read
from mt_paas.standard_api.manifest.tree import plain

unhurried = settings(deadline=None, database=None)  # no wall clock, and no files

KELI = Path(__file__).with_name("keli_tutor.yaml").read_text(encoding="utf-8")


def values_of(text: str) -> object:
    root, faults = read(text)
    assert root is not None
    assert faults == []
    return plain(root)


def faults_of(text: str | bytes) -> list[str]:
    return [fault.describe("") for fault in read(text)[1]]


class TestValues:
    def test_unquoted_texts_mean_what_yaml_1_2_says(self) -> None:
        assert values_of("a: [1, -2, 0.5, 1e3, true, False, NULL, ~]") == {
            "a": [1, -2, 0.5, 1000.0, True, False, None, None]
        }

    def test_what_only_yaml_1_1_takes_for_something_else_is_a_text(self) -> None:
        texts = ["yes", "off", "tRUE", "0x10", "1_000", "12:30", "2026-01-03", ".inf", "1e999"]
        assert values_of(f"a: [{', '.join(texts)}]") == {"a": texts}

    def test_quoted_texts_are_texts(self) -> None:
        assert values_of("""{a: "1", b: 'true', c: "", d: "\\u00e9"}""") == {"a": "1", "b": "true", "c": "", "d": "é"}

    def test_block_texts_are_texts(self) -> None:
        assert values_of("a: |\n  1\nb: >-\n  x\n  y\n") == {"a": "1\n", "b": "x y"}

    def test_keys_are_texts(self) -> None:
        assert values_of("1: a\ntrue: b") == {"1": "a", "true": "b"}

    def test_an_alias_repeats_what_its_anchor_names(self) -> None:
        assert values_of("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}

    def test_a_byte_order_mark_and_windows_line_ends_change_nothing(self) -> None:
        assert Manifest.parse(b"\xef\xbb\xbf" + KELI.replace("\n", "\r\n").encode()) == Manifest.parse(KELI)


class TestPlaces:
    def test_lines_count_alike_with_any_line_end(self) -> None:
        for end in ("\n", "\r\n", "\r"):
            assert faults_of(f"a: 1{end}# 한글{end}b: !x 2{end}") == [
                ':3:4: b: has a tag: "!x"; expected a plain value (remove the tag)'
            ]

    def test_wide_characters_count_as_one_column(self) -> None:
        assert faults_of("{한글: 😀, b: !x 2}")[0].startswith(":1:12: b:")


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", ":1:1: document: is empty; expected a manifest"),
            ("# only a comment\n", ":1:1: document: is empty; expected a manifest"),
            ("---\n", ":2:1: document: is empty; expected a mapping of keys to values"),
            ("- a", ":1:1: document: is a list; expected a mapping of keys to values"),
            ("hello", ":1:1: document: is a text; expected a mapping of keys to values"),
            ("3.14", ":1:1: document: is a number; expected a mapping of keys to values"),
            ("a: 1\n---\nb: 2", ":2:1: document: has a second document; expected one manifest in a file"),
            ("? [a]\n: b", ":1:3: document: has a key that is a list; expected a word as the key"),
            ("a:\n  : b", ":2:3: a: has a key that is empty; expected a word as the key"),
            ("a: {<<: {b: 1}}", ":1:5: a: has a merge key, which YAML 1.2 does not have (write the keys out)"),
            ("a: &x {b: *x}", ':1:11: a.b: is an alias without an anchor before it: "*x"'),
            ('a: "\\0"', ':1:4: a: has a control character: "\\x00"'),
            ('a: "\\ud800"', ':1:4: a: has a control character: "\\ud800"'),
            ("a: \x1b[31m", ':1:4: document: has a control character: "\\x1b"'),
            ("a: \ud800", ':1:4: document: has a control character: "\\ud800"'),
            ('a: "\\U99999999"', ":1:1: document: can not be read as YAML (OverflowError)"),
            ("a: 'b\n\n\n", ":1:4: document: is not YAML: found unexpected end of stream (close the quote)"),
            ("a: @b", ":1:4: document: is not YAML: found character '@' that cannot start any token (put the text in"),
            ("%YAML 3.0\n---\na: b", ":1:1: document: is not YAML: found incompatible YAML document"),
        ],
    )
    def test_a_text_that_is_no_manifest_is_told_why(self, text: str, fault: str) -> None:
        faults = faults_of(text)
        assert len(faults) == 1
        assert faults[0].startswith(fault)

    def test_bytes_that_are_not_utf_8_are_told_where(self) -> None:
        assert faults_of("a: 1\nb: 한".encode("euc-kr")) == [
            ":2:4: document: is not UTF-8 text; expected UTF-8 (save the file as UTF-8)"
        ]

    def test_what_was_found_before_the_text_stops_being_yaml_is_told_too(self) -> None:
        assert [fault.split(" ")[0] for fault in faults_of("a: !x 1\na: 2\n@")] == [":1:4:", ":2:1:", ":3:1:"]

    def test_a_repeated_key_is_found_at_any_depth(self) -> None:
        assert faults_of("a: [{b: 1, b: 2}]") == [
            ":1:12: a[0].b: is given twice, first at line 1, column 6; expected each key once (remove one of the two)"
        ]


class TestBounds:
    """Texts made to exhaust a reader are refused before they do."""

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            pytest.param("a: " + "x" * 300_000, "is too large", id="size"),
            pytest.param(b"a: " + b"x" * 300_000, "is too large", id="size_in_bytes"),
            pytest.param("[" * 200_000, "is nested too deeply", id="flow_depth"),
            pytest.param("- " * 100_000, "is nested too deeply", id="block_depth"),
            pytest.param("a: [" + "1," * 10_000 + "]", "has too many values", id="values"),
        ],
    )
    def test_a_text_beyond_a_bound_is_refused(self, text: str | bytes, fault: str) -> None:
        assert fault in faults_of(text)[-1]

    def test_aliases_count_with_all_that_they_repeat(self) -> None:
        laughs = "\n".join(["l0: &l0 [ha, ha]"] + [f"l{i}: &l{i} [{f'*l{i - 1},' * 9}]" for i in range(1, 12)])
        assert "has too many values" in faults_of(laughs)[-1]

    def test_many_unknown_keys_are_told_in_time(self) -> None:
        text = KELI + "\n".join(f"featurs{'x' * (i % 50)}{i}: {{}}" for i in range(2400))
        assert len(check(text).warnings) == 2400


class TestHostileTexts:
    @unhurried
    @given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
    def test_garbage_is_refused_and_nothing_else(self, garbage: bytes) -> None:
        with pytest.raises(ManifestError):
            Manifest.parse(garbage)

    @unhurried
    @given(st.text(alphabet="ab:- \n\t\"'[]{},&*!|>#%@?<~1.", max_size=60))
    def test_yaml_like_garbage_is_refused_and_nothing_else(self, garbage: str) -> None:
        with pytest.raises(ManifestError):
            Manifest.parse(garbage)

    @unhurried
    @given(st.data())
    def test_a_mutated_manifest_is_read_or_refused(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(KELI)))
        end = data.draw(st.integers(start, min(start + 40, len(KELI))))
        other = data.draw(st.integers(0, len(KELI) - 40))
        insert = data.draw(st.text(max_size=8) | st.just(KELI[other : other + 40]))
        report = check(KELI[:start] + insert + KELI[end:])
        assert (report.manifest is None) == bool(report.faults)
        assert all(fault.line >= 1 and fault.column >= 1 for fault in report.faults)


class TestWithoutTheExtra:
    def test_reading_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
        monkeypatch.delitem(sys.modules, "mt_paas.standard_api.manifest.reader")
        with pytest.raises(MissingExtraError, match=r'pip install "mt-paas\[manifest\]"'):
            Manifest.parse(KELI)

    def test_plain_data_needs_no_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stored = Manifest.parse(KELI).model_dump(mode="json")
        monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
        monkeypatch.delitem(sys.modules, "mt_paas.standard_api.manifest.reader")
        assert Manifest.model_validate(stored).service.id == "keli_tutor"
