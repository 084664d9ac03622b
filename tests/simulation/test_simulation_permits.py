"""Workers and broker on a virtual clock, some seeds of `bench/simulate.py`; that plays any number of them."""

from __future__ import annotations

import pytest

from bench.simulate import MUTANTS, found, story, utilisation

SEEDS = 120
GROUPS = 8


@pytest.mark.parametrize("group", range(GROUPS))
def test_limits_are_kept_and_used_and_nobody_starves_whatever_breaks(group: int) -> None:
    for seed in range(group, SEEDS, GROUPS):
        words = story(seed)
        assert words is None, f"python bench/simulate.py --seeds 1 --first {seed}: {words}"


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_checker_finds_a_defect_that_is_put_in_on_purpose(mutant: str) -> None:
    assert found(mutant, 40) is not None


def test_a_seed_tells_the_same_story_each_time() -> None:
    assert utilisation(8) == utilisation(8)
