"""The small parts that everything stands on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_market.core.clock import FileClock
from service_market.core.crypto import SealBroken, SecretBox
from service_market.core.ids import new_id
from service_market.rooms.subscriptions.lifecycle import months_later

KEY, OTHER = "k" * 32, "o" * 32


class TestIds:
    def test_they_are_of_version_7_and_grow_with_time(self) -> None:
        ids = [new_id() for _ in range(50)]
        assert {made.version for made in ids} == {7}
        assert len(set(ids)) == 50
        moments = [made.int >> 80 for made in ids]
        assert moments == sorted(moments)


class TestSecretBox:
    @given(st.text())
    def test_what_was_sealed_opens_again(self, text: str) -> None:
        box = SecretBox([KEY])
        assert box.open(box.seal(text, context="row:1"), context="row:1") == text

    def test_two_seals_of_one_text_differ(self) -> None:
        box = SecretBox([KEY])
        assert box.seal("x", context="c") != box.seal("x", context="c")

    def test_a_value_that_was_moved_to_another_row_does_not_open(self) -> None:
        box = SecretBox([KEY])
        with pytest.raises(SealBroken, match="another row"):
            box.open(box.seal("x", context="row:1"), context="row:2")

    def test_a_value_that_was_altered_does_not_open(self) -> None:
        box = SecretBox([KEY])
        sealed = bytearray(box.seal("x", context="c"))
        sealed[-1] ^= 1
        with pytest.raises(SealBroken, match="altered"):
            box.open(bytes(sealed), context="c")

    def test_an_older_key_of_the_ring_opens_and_a_foreign_one_does_not(self) -> None:
        sealed = SecretBox([KEY]).seal("x", context="c")
        assert SecretBox([OTHER, KEY]).open(sealed, context="c") == "x"
        with pytest.raises(SealBroken, match="MARKET_SECRET_KEYS"):
            SecretBox([OTHER]).open(sealed, context="c")

    def test_a_short_key_is_refused(self) -> None:
        with pytest.raises(ValueError, match="32 characters"):
            SecretBox(["short"])


class TestFileClock:
    def test_it_is_moved_by_the_seconds_in_the_file(self, tmp_path: Path) -> None:
        clock = FileClock(tmp_path / "seconds")
        before = datetime.now(UTC)
        assert 0 <= (clock.now() - before).total_seconds() < 60
        (tmp_path / "seconds").write_text("86400")
        assert 86400 <= (clock.now() - before).total_seconds() < 86460


class TestMonthsLater:
    @pytest.mark.parametrize(
        ("start", "months", "end"),
        [
            ((2026, 1, 15), 1, (2026, 2, 15)),
            ((2026, 1, 31), 1, (2026, 2, 28)),
            ((2028, 1, 31), 1, (2028, 2, 29)),
            ((2026, 12, 1), 1, (2027, 1, 1)),
            ((2026, 11, 30), 15, (2028, 2, 29)),
        ],
    )
    def test_it_is_the_same_day_or_the_last_of_the_month(
        self, start: tuple[int, int, int], months: int, end: tuple[int, int, int]
    ) -> None:
        assert months_later(datetime(*start, 12, tzinfo=UTC), months) == datetime(*end, 12, tzinfo=UTC)

    @given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(1, 120))  # noqa: DTZ001 - zoneless bounds
    def test_it_is_always_later_and_never_skips_a_month(self, start: datetime, months: int) -> None:
        end = months_later(start, months)
        assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == months
