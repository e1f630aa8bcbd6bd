from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mt_paas.standard_api import ActivateRequest, Health
from mt_paas.standard_api.wire import WireError, is_json, read


def faults_of(raw: bytes, model=ActivateRequest) -> list[str]:
    with pytest.raises(WireError) as refusal:
        read(model, raw)
    return [str(fault) for fault in refusal.value.faults]


class TestRead:
    def test_a_document_becomes_a_model(self, activation):
        assert read(ActivateRequest, activation.model_dump_json().encode()) == activation

    def test_every_fault_is_told_with_its_place_and_without_its_value(self):
        raw = b"""{"tenant_id": "a", "tenant_name": "x", "plan": 5, "features": ["ok", "no no"],
                   "config": {"max_users": "5"}, "admin": {"email": "s3cret"}}"""
        told = faults_of(raw)
        assert [fault.partition(":")[0] for fault in told] == [
            "tenant_id", "plan", "features.1", "config.max_users", "admin.email", "admin.name",
        ]  # fmt: skip
        assert "s3cret" not in "".join(told)

    @pytest.mark.parametrize(
        ("raw", "fault"),
        [
            (b"", "it is empty; expected a JSON object"),
            (b"  \n", "it is empty; expected a JSON object"),
            (b"[]", "expected a JSON object"),
            (b"null", "expected a JSON object"),
            (b'"x"', "expected a JSON object"),
            (b'{"a": 1', "it is not JSON: Expecting ',' delimiter (line 1, column 8)"),
            (b'{"a": 1} x', "it is not JSON: Extra data (line 1, column 10)"),
            (b'{"a": "\xff"}', "it is not UTF-8, from byte 7 on"),
            (b"\xff\xfe{\x00}\x00", "it is not UTF-8, from byte 0 on"),
            (b'{"a": NaN}', "NaN is not a JSON number"),
            (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
            (b'{"config": {"quota": 1e999}}', "config.quota: the number is too large"),
            (b'{"plan": "a", "plan": "b"}', "the key 'plan' is there more than once in one object"),
            (b'{"config": {"x": 1, "x": 1}}', "the key 'x' is there more than once in one object"),
            (b'{"tenant_name": "a\\u0000b"}', "tenant_name: it holds the character U+0000, which no database stores"),
            (b'{"config": {"a\\u0000": 1}}', "config: a key holds the character U+0000, which no database stores"),
            (
                rb'{"config": {"a\ud800": {"\ud800": 1}}}',
                "config: a key holds the lone surrogate U+D800, which no database stores",
            ),
            (rb'{"plan": "\udfff"}', "plan: it holds the lone surrogate U+DFFF, which no database stores"),
            (b'{"a":' * 100_000, "it is nested deeper than 32 levels"),
            (b"[" * 100_000, "it is nested deeper than 32 levels"),
        ],
    )
    def test_what_readers_take_differently_is_a_fault(self, raw, fault):
        assert faults_of(raw) == [fault]

    def test_depth_is_bounded_below_what_a_reader_can_bear(self):
        assert faults_of(b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}") == ["a.0.0…: it is nested deeper than 32 levels"]

    def test_an_endless_number_is_a_fault(self):
        (fault,) = faults_of(b'{"a": ' + b"1" * 5000 + b"}")
        assert "limit" in fault

    def test_a_lone_surrogate_is_a_fault(self):
        assert (
            len(faults_of(b'{"status": "healthy", "version": "\\ud800", "timestamp": "2026-01-01T00:00:00Z"}', Health))
            == 1
        )

    def test_a_time_is_within_the_years_in_utc_too(self):
        raw = b'{"status": "healthy", "version": "1", "timestamp": "9999-12-31T23:59:59-12:00"}'
        (fault,) = faults_of(raw, Health)
        assert fault == "timestamp: Value error, in UTC it is not within the years 1 to 9999"

    def test_unknown_fields_are_how_the_contract_grows(self):
        raw = b'{"status": "healthy", "version": "1", "timestamp": "2026-01-01T09:00:00+09:00", "mood": [{}]}'
        assert read(Health, raw).timestamp.isoformat() == "2026-01-01T00:00:00+00:00"

    @pytest.mark.parametrize("time", ['"2026-01-01T00:00:00"', '"yesterday"', "5", "null"])
    def test_a_time_has_a_zone(self, time):
        raw = f'{{"status": "healthy", "version": "1", "timestamp": {time}}}'.encode()
        assert faults_of(raw, Health)[0].startswith("timestamp: ")

    @given(st.binary(max_size=200) | st.text(alphabet='{}[]",:0189eE+-.\\unaltrsf \x00é', max_size=200).map(str.encode))
    def test_no_bytes_raise_anything_else(self, raw):
        with pytest.raises(WireError):
            read(Health, raw)


@pytest.mark.parametrize(
    ("content_type", "announced"),
    [
        ("application/json", True),
        ("Application/JSON; charset=UTF-8", True),
        ('application/json; charset="utf-8"; profile=x', True),
        ("application/problem+json", True),
        ("application/json; charset=utf-16", False),
        ("text/json", False),
        ("text/html", False),
        ("application/x-www-form-urlencoded", False),
        ("application/jsonp", False),
        ("image/svg+json", False),
        ("", False),
    ],
)
def test_is_json(content_type, announced):
    assert is_json(content_type) is announced
