"""Knobs take what makes sense, and dice fall alike for the same seed, whatever happens beside them."""

from __future__ import annotations

import pytest
from mt_paas.errors import ConfigurationError
from mt_paas.simulator.knobs import Dice, Knobs


class TestKnobs:
    @pytest.mark.parametrize(
        ("name", "value"),
        [("fail", 1.1), ("fail", -0.1), ("delay", 61), ("repeat", True), ("disorder", "0.5"), ("fail", float("nan"))],
    )
    def test_a_position_that_makes_no_sense_is_refused_by_its_name(self, name, value):
        with pytest.raises(ConfigurationError, match=name):
            Knobs().turned({name: value})

    def test_an_unknown_knob_is_told_which_there_are(self):
        with pytest.raises(ConfigurationError, match="there are delay, fail, repeat, disorder"):
            Knobs().turned({"fial": 0.5})

    def test_turning_one_leaves_the_others(self):
        assert Knobs(delay=2).turned({"fail": 0.5}) == Knobs(delay=2, fail=0.5)


class TestDice:
    def test_they_never_fall_at_rate_0_and_always_at_rate_1(self):
        dice = Dice(1)
        assert not any(dice.falls(0, "fail", "activate", "a") for _ in range(200))
        assert all(dice.falls(1, "fail", "activate", "a") for _ in range(200))

    def test_the_same_seed_falls_alike_for_each_tenant_whatever_happens_to_the_other_and_how_they_are_called(self):
        one, other = Dice(7), Dice(7)
        first = [[one.falls(0.5, "fail", "activate", name) for _ in range(30)] for name in ("a", "b")]
        together = [[other.falls(0.5, "fail", "activate", name) for name in ("c", "d")] for _ in range(30)]
        assert first == [list(falls) for falls in zip(*together, strict=True)]
        assert len(set(first[0])) == 2
        assert first[0] != first[1]

    def test_another_seed_falls_otherwise(self):
        def rolls(seed: int) -> list[bool]:
            dice = Dice(seed)
            return [dice.falls(0.5, "fail", "activate", "a") for _ in range(60)]

        assert rolls(1) != rolls(2)
