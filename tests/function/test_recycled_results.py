"""The memory of large results is taken over by later ones, and never while anybody has them."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.runtime import caller

LARGE = caller.RECYCLED_FROM // 8  # elements of float64
SIZES = [LARGE, LARGE + 1, LARGE * 5 // 4, 3 * LARGE]
x = T.vector("x")


def repeated(outputs, *arguments, **options):
    """A function whose calls with such arguments are made in C."""
    function = go.function([x], outputs, options=go.Options(**options), name="repeated")
    for _ in range(caller.PATIENCE + 3):
        function(*arguments)
    if function._shortcut.caller is None:
        pytest.skip("the extension needs the headers of Python, which are not installed")
    return function


def address(array):
    return array.__array_interface__["data"][0]


def test_a_large_result_that_nobody_has_gives_its_memory_to_the_next():
    given = np.arange(float(LARGE))
    function = repeated(x + 1, given)
    places = set()
    for _ in range(8):
        result = function(given)
        places.add(address(result))
        del result
    assert len(places) == 1


def test_a_result_that_somebody_has_keeps_its_memory():
    given = np.arange(float(LARGE))
    function = repeated(x + 1, given)
    first = function(given)
    part = function(given * 2)[5:]
    others = [function(given * k) for k in range(3, 20)]
    np.testing.assert_array_equal(first, given + 1)
    np.testing.assert_array_equal(part, (given * 2 + 1)[5:])
    for k, other in enumerate(others, 3):
        np.testing.assert_array_equal(other, given * k + 1)


def test_large_results_are_arrays_like_others():
    function = repeated(x + 1, np.arange(float(LARGE)))
    result = function(np.arange(float(LARGE)))
    assert type(result) is np.ndarray and result.flags.owndata and result.flags.writeable and result.base is None
    assert address(result) % 64 == 0
    result.resize(3 * LARGE, refcheck=False)
    np.testing.assert_array_equal(result[:LARGE], np.arange(1.0, LARGE + 1))
    assert not result[LARGE:].any()
    result.resize(10, refcheck=False)
    np.testing.assert_array_equal(result, np.arange(1.0, 11.0))


def test_small_results_are_allocated_as_numpy_does():
    handler = np._core.multiarray.get_handler_name
    small, large = np.arange(5.0), np.arange(float(LARGE))
    assert handler(repeated(x + 1, small)(small)) == handler(small)
    assert handler(repeated(x + 1, large)(large)) == "graphopt_recycled"
    assert handler(np.empty(LARGE)) == handler(small)


def test_a_function_that_keeps_nothing_keeps_no_results_either():
    given = np.arange(float(LARGE))
    assert np._core.multiarray.get_handler_name(repeated(x + 1, given, kept_bytes=0)(given)) != "graphopt_recycled"


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(SIZES), st.integers(0, 3)), max_size=30))
def test_whatever_is_kept_and_whatever_let_go_no_result_is_written_by_another(calls):
    """Four places that hold one result each: a new one drops the one that was there."""
    held = {}
    for number, (size, place) in enumerate(calls):
        given = np.full(size, float(number))
        for _ in range(2 if size not in SEEN else 1):
            held[place] = (number, FOLLOWED(given))
        SEEN.add(size)
    for number, result in held.values():
        assert (result == number + 0.5).all()


FOLLOWED = go.function([x], x + 0.5, name="followed")
SEEN = set()


def test_threads_take_and_leave_memory_side_by_side():
    function = repeated(x + 1, np.zeros(LARGE))

    def work(seed):
        given = np.full(LARGE, float(seed))
        return all((function(given) == seed + 1).all() for _ in range(30))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(16)))
    gc.collect()


def test_what_waits_is_bounded():
    """Results of more than may wait are let go, and their pages with them."""
    given = np.arange(float(LARGE * 16))
    function = repeated(x + 1, given)
    many = [function(given) for _ in range(caller.RECYCLED_KEPT // given.nbytes + 8)]
    before = resident()
    many.clear()
    assert before - resident() >= 7 * given.nbytes


def resident():
    """Bytes of this process that lie in memory."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096
