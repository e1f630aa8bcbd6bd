from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mt_paas.core.usage.sums import COUNT, MAX_AMOUNT, PEAK, Key, amount_text, head_of, sum_up

amounts = st.one_of(
    st.integers(0, MAX_AMOUNT),
    st.floats(0, MAX_AMOUNT),
    st.decimals(0, MAX_AMOUNT, places=9),
)
counts = st.tuples(
    st.sampled_from([COUNT, PEAK]),
    st.dates(),
    st.from_regex(r"[a-z0-9]([a-z0-9_-]{1,61})[a-z0-9]", fullmatch=True),
    st.from_regex(r"[a-z][a-z0-9_]{0,62}", fullmatch=True),
    amounts,
)


def line(kind: str, day: date, tenant_id: str, meter: str, amount: float | Decimal) -> bytes:
    before, after = head_of(kind, tenant_id, meter)
    return f"{before}{day}{after}{amount_text(amount)}\n".encode()


class TestSums:
    @given(st.lists(counts, max_size=30), st.randoms())
    def test_are_exact_in_whatever_order_the_counts_come(self, made, random):
        expected: dict[Key, Fraction] = {}
        for kind, day, tenant_id, meter, amount in made:
            key, exact = Key(tenant_id, day, meter, kind), Fraction(amount_text(amount))
            together = max if kind == PEAK else lambda one, other: one + other
            expected[key] = together(expected.get(key, Fraction(0)), exact)
        random.shuffle(made)

        sums, strange = sum_up(line(*each) for each in made)

        assert strange == 0
        assert {key: Fraction(amount) for key, amount in sums.items()} == expected

    @given(st.lists(counts, min_size=1, max_size=5), st.data())
    def test_leave_out_a_line_that_was_cut_off_and_nothing_else(self, made, data):
        lines = [line(*each) for each in made]
        cut = data.draw(st.integers(0, len(lines[-1]) - 1))

        whole, half = sum_up(lines[:-1]), sum_up([*lines[:-1], lines[-1][:cut]])

        assert half == whole

    @pytest.mark.parametrize(
        "damaged",
        [b"\0\0\0\n", b"\n", b"+ 2026-02-30 hallym_univ notes 1\n", b"+ 2026-02-01 hallym_univ notes -1\n"],
    )
    def test_tell_of_lines_that_are_no_counts(self, damaged):
        sums, strange = sum_up([damaged, line(COUNT, date(2026, 2, 1), "hallym_univ", "notes", 2)])

        assert (list(sums.values()), strange) == ([Decimal(2)], 1)


class TestAmount:
    @pytest.mark.parametrize("amount", [-1, -0.1, MAX_AMOUNT + 1, float("nan"), float("inf"), Decimal("nan")])
    def test_that_can_not_be_counted_is_refused(self, amount):
        with pytest.raises(ValueError, match="an amount is from 0 to"):
            amount_text(amount)

    @pytest.mark.parametrize(
        ("amount", "text"), [(3, "3"), (3.0, "3"), (0.1, "0.100000000"), (Decimal("1.5"), "1.500000000")]
    )
    def test_has_nine_decimals_unless_it_is_whole(self, amount, text):
        assert amount_text(amount) == text

    @pytest.mark.parametrize("meter", ["", "Notes", "1st", "a b", "a\n", "x" * 64, "노트"])
    def test_of_what_is_no_meter_is_refused(self, meter):
        with pytest.raises(ValueError, match="is not the name of a meter"):
            head_of(COUNT, "hallym_univ", meter)
