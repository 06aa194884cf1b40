"""Memory for temporaries is kept between calls: whoever calls, and with whatever sizes, gets a block of its own."""

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


def test_a_block_that_is_larger_than_what_is_kept_goes_back(products):
    resident = []
    for n in (10, 1300, 10):  # at 1300 the temporaries together are beyond what is kept
        products(np.full((n, n), 1e-3))
        with open("/proc/self/statm") as file:
            resident.append(int(file.read().split()[1]))
    assert (resident[2] - resident[0]) * 4096 < 2**26
