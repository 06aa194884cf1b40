"""A seed draws one example, always the same, and a failing one is made simple."""

from hypothesis import strategies as st

from graphopt.testing.drawing import drawn, shrunk

LISTS = st.lists(st.integers(0, 1000), max_size=20)


def test_a_seed_draws_the_same_value_again_and_seeds_draw_different_ones():
    values = [drawn(LISTS, seed) for seed in range(20)]
    assert values == [drawn(LISTS, seed) for seed in range(20)]
    assert len(set(map(tuple, values))) > 15


def test_what_has_one_value_is_drawn_too():
    assert drawn(st.just("only"), 3) == "only"


def test_what_fails_is_made_simple():
    seed = next(seed for seed in range(100) if max(drawn(LISTS, seed), default=0) > 100)
    assert shrunk(LISTS, seed, lambda value: max(value, default=0) > 100) == [101]


def test_what_fails_by_chance_stays_as_it_was_seen():
    calls = iter([True, *[False] * 1000])
    assert shrunk(LISTS, 5, lambda value: next(calls)) is not None
