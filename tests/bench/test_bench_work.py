"""What is known about a contestant without running it."""

from __future__ import annotations

import functools

import numpy as np
import scipy
import scipy.special

import graphopt as go
import graphopt.tensor as T
from graphopt.bench.validate import Arguments
from graphopt.bench.work import facts, packages

x = go.variable("x", "float64[n, m]")
HALVED = go.function([x], T.exp(x) / 2)


def test_packages_are_found_in_what_a_function_names_wraps_and_closes_over() -> None:
    exponential = np.exp

    def closes(x: object) -> object:
        return exponential(x)

    @functools.wraps(len)
    def wraps(x: object) -> object:
        return scipy.special.erf(x)

    for contestant in (np.exp, lambda x: np.exp(x), functools.partial(np.add, 1), closes):
        assert packages(contestant) == {"numpy": np.__version__}
    assert packages(wraps) == {"scipy": scipy.__version__}
    assert packages(len) == {}


def test_a_compiled_function_says_how_it_was_made() -> None:
    made = facts(HALVED, Arguments((np.ones((2, 3)),))).made
    assert made["target"] == "c" and made["threads"] >= 1
    assert "-O3" in made["flags"] and made["compiler"]
    edited = facts(HALVED.with_source(HALVED.source + "\n/* edited */\n"), Arguments((np.ones((2, 3)),)))
    assert edited.made["edited"] and edited.made["source"] != made["source"]
    assert edited.made["pipeline"] == made["pipeline"] == str(go.Pipeline.named("default"))


def test_bytes_and_operations_are_those_of_the_arguments_sizes() -> None:
    small, large = (facts(HALVED, Arguments((np.ones((n, 3)),))).counts for n in (2, 20))
    assert small["bytes"] == 2 * 8 * 6 and large["bytes"] == 10 * small["bytes"]
    assert large["flops"] == 10 * small["flops"] > 0


def test_what_the_call_decides_is_not_counted() -> None:
    assert go.function([x], x[x > 0]).counts(np.ones((2, 2))) == {}
    assert go.function([x], T.exp(x), target="numpy").counts(np.ones((2, 2))) == {}
    flag = T.scalar("flag")
    assert go.function([flag, x], T.cond(flag > 0, T.exp(x), T.dot(x, x.T))).counts(1.0, np.ones((2, 2))) == {}


def test_a_ufunc_counts_what_broadcasting_makes_of_its_arguments() -> None:
    import sympy

    a, b = sympy.symbols("a b")
    product = go.function([a, b], a * b)
    assert product.counts(np.ones((2, 5)), 3.0)["bytes"] == 8 * (10 + 1 + 10)
    assert product.counts(1.0, 3.0)["bytes"] == 8 * 3
