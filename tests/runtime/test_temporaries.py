"""Memory for temporaries is kept between calls: whoever calls, and with whatever sizes, gets a block of its own."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T


@pytest.fixture(scope="module")
def products():
    """A program with temporaries: what lies between products is not computed where it is used."""
    x = go.variable("x", "float64[n, n]")
    return go.function([x], T.exp(x @ x / x.shape[0]) @ x - T.cumsum(x, axis=1) @ x)


def expected(x):
    return np.exp(x @ x / len(x)) @ x - np.cumsum(x, axis=1) @ x


def test_calls_that_grow_and_shrink_find_room(products):
    assert "go_take" in products.source
    generator = np.random.default_rng(20)
    for n in (3, 40, 0, 1, 7, 40, 5):
        x = generator.uniform(-1, 1, (n, n))
        np.testing.assert_allclose(products(x), expected(x), rtol=1e-10, atol=1e-12)


def test_calls_at_the_same_time_do_not_share_temporaries(products):
    arrays = [np.random.default_rng(seed).uniform(-1, 1, (60 + seed, 60 + seed)) for seed in range(4)]
    truths = [expected(x) for x in arrays]

    def repeated(k):
        return [products(arrays[k]) for _ in range(25)]

    with ThreadPoolExecutor(4) as threads:
        for truth, results in zip(truths, threads.map(repeated, range(4)), strict=True):
            for result in results:
                np.testing.assert_allclose(result, truth, rtol=1e-10, atol=1e-12)


def resident():
    """Bytes of this process that lie in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


N = 6_000_000  # elements: blocks of this size are never kept by the C library


def large(name, **options):
    """A function whose only temporary has as many elements as its argument, having been called once."""
    x = go.variable("x", "float64[n]")
    f = go.function([x], T.sum(T.cumsum(x)), name=name, options=go.Options(**options))
    assert f.program.memory.bytes({"n": N}) == 8 * N
    f(np.zeros(N))
    return f


@pytest.mark.parametrize("kept", [8 * N, 8 * N - 1])
def test_a_block_is_kept_if_it_is_not_larger_than_what_may_be_kept(kept):
    np.zeros(N)
    before = resident()
    f = large(f"kept_{kept}", kept_bytes=kept)
    assert (resident() - before > 7 * N) == (kept == 8 * N)
    assert f(np.ones(N)) == N * (N + 1) / 2


def test_what_a_function_kept_goes_with_it():
    f = large("going")
    held = resident()
    del f
    gc.collect()
    assert held - resident() > 7 * N


def test_threads_that_call_at_once_have_blocks_of_their_own_and_leave_no_more_than_may_be_kept(products):
    """Eight threads take and leave blocks of many sizes; what waits afterwards is what the limit allows."""
    arrays = [np.random.default_rng(seed).uniform(-1, 1, (20 * seed + 3,) * 2) for seed in range(8)]
    truths = [expected(x) for x in arrays]
    begin = threading.Barrier(8)

    def repeated(k):
        begin.wait()
        return all(np.allclose(products(arrays[(k + i) % 8]), truths[(k + i) % 8]) for i in range(30))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(repeated, range(8)))
