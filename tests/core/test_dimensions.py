"""Symbolic dimensions obey integer arithmetic, and their text form reads back."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphopt.dimensions import Dim, anonymous_dim, dim, evaluate, opaque, parse_dim, product, substitute, symbols
from graphopt.errors import InvalidArgument

NAMES = ("n", "m", "k")
SIZES = st.fixed_dictionaries({name: st.integers(1, 9) for name in NAMES})
LEAVES = st.sampled_from(NAMES).map(dim) | st.integers(-6, 6)
OPERATIONS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "min": lambda a, b: opaque("min", a, b) if isinstance(a, Dim) or isinstance(b, Dim) else min(a, b),
    "max": lambda a, b: opaque("max", a, b) if isinstance(a, Dim) or isinstance(b, Dim) else max(a, b),
}


def trees(leaves):
    """Nested tuples: ("+", a, b), ("//", a, positive integer or name)."""
    return st.recursive(
        leaves,
        lambda inner: (
            st.tuples(st.sampled_from(sorted(OPERATIONS)), inner, inner)
            | st.tuples(st.just("//"), inner, st.integers(1, 4) | st.sampled_from(NAMES).map(dim))
        ),
        max_leaves=8,
    )


def build(tree, leaf):
    if not isinstance(tree, tuple):
        return leaf(tree)
    operation, a, b = tree
    a, b = build(a, leaf), build(b, leaf)
    return a // b if operation == "//" else OPERATIONS[operation](a, b)


def size_of(sizes):
    return lambda value: value if isinstance(value, int) else sizes[value.symbol]


@given(trees(LEAVES), SIZES)
def test_a_polynomial_evaluates_to_what_integers_give(tree, sizes):
    assert evaluate(build(tree, lambda leaf: leaf), sizes) == build(tree, size_of(sizes))


@given(trees(LEAVES))
def test_the_text_of_a_dimension_reads_back(tree):
    value = build(tree, lambda leaf: leaf)
    assert parse_dim(str(value)) == value


@given(trees(LEAVES), trees(LEAVES), trees(LEAVES))
def test_sums_and_products_are_a_commutative_ring(a, b, c):
    a, b, c = (build(tree, lambda leaf: leaf) for tree in (a, b, c))
    assert a + b == b + a
    assert a * b == b * a
    assert (a + b) + c == a + (b + c)
    assert (a * b) * c == a * (b * c)
    assert a * (b + c) == a * b + a * c
    assert a - a == 0
    assert hash(a + b) == hash(b + a)


@given(trees(LEAVES), SIZES)
def test_substitution_of_sizes_is_evaluation_and_is_simultaneous(tree, sizes):
    value = build(tree, lambda leaf: leaf)
    assert substitute(value, sizes) == evaluate(value, sizes)
    swapped = substitute(value, {"n": dim("m"), "m": dim("n")})
    assert evaluate(swapped, sizes) == evaluate(value, {"n": sizes["m"], "m": sizes["n"], "k": sizes["k"]})


@given(trees(LEAVES))
def test_a_dimension_survives_pickling(tree):
    value = build(tree, lambda leaf: leaf)
    assert pickle.loads(pickle.dumps(value)) == value


def test_constants_are_plain_integers():
    n = dim("n")
    assert n - n == 0
    assert type(n - n + 3) is int
    assert type(2 * n // n) is int
    assert product([]) == 1
    assert product([n, 2, n]) == 2 * n * n


def test_divisions_that_come_out_even_are_carried_out():
    n, m = dim("n"), dim("m")
    assert (4 * n + 2) // 2 == 2 * n + 1
    assert (n * m) // n == m
    assert (6 * n * m) // (2 * m) == 3 * n
    assert str((n + 1) // 2) == "((n + 1)//2)"


def test_an_extremum_of_what_is_in_order_for_all_sizes_is_one_of_them():
    n, m = dim("n"), dim("m")
    assert opaque("min", n, 4 * n) == opaque("min", n + m * n, n) == n == opaque("max", n, 0)
    assert opaque("max", 2 * n + 1, n) == 2 * n + 1
    undecided = [opaque("min", n, m), opaque("min", n - 1, 0), opaque("max", n, 1), opaque("min", n, n // 2)]
    assert all("m" in str(size) for size in undecided)


@pytest.mark.parametrize("function", ["min", "max"])
def test_an_extremum_that_repeats_an_operand_of_another_is_that_other(function):
    inner = opaque(function, dim("n") - 1, 0)
    assert opaque(function, inner, 0) == opaque(function, 0, inner) == opaque(function, inner, dim("n") - 1) == inner
    assert opaque(function, inner, 1) != inner
    assert opaque("min" if function == "max" else "max", inner, 0) != inner
    assert opaque(function, inner + 1, 0) != inner


def test_a_bound_that_is_given_twice_is_given_once():
    bounded = opaque("max", dim("n") - 1, 0)
    assert opaque("max", bounded, 0) == bounded
    assert opaque("min", bounded, 0) != bounded


def test_symbols_are_found_inside_opaque_forms():
    assert symbols(opaque("min", dim("n") // 2, dim("m")) + 1) == {"n", "m"}


def test_anonymous_dimensions_are_all_different_and_read_back():
    a, b = anonymous_dim(), anonymous_dim()
    assert a != b
    assert parse_dim(str(a + 1)) == a + 1


@pytest.mark.parametrize("name", ["", "2n", "a b", "n-1", None, 3, "lambda", "None"])
def test_a_name_that_is_no_identifier_is_refused(name):
    with pytest.raises(InvalidArgument, match="identifier"):
        dim(name)


@pytest.mark.parametrize(
    "text", ["", "n +", "n ** 2", "f(n)", "n / 2", "1.5", "True", "__import__('os')", "min(n)", "n m"]
)
def test_text_that_is_no_dimension_is_refused(text):
    with pytest.raises(InvalidArgument, match="cannot read"):
        parse_dim(text)


def test_division_by_zero_and_missing_sizes_are_refused():
    with pytest.raises(InvalidArgument, match="// 0"):
        dim("n") // 0
    with pytest.raises(InvalidArgument, match="// 0"):
        evaluate(dim("n") // dim("m"), {"n": 3, "m": 0})
    with pytest.raises(InvalidArgument, match="needs a size for m"):
        evaluate(dim("n") + dim("m"), {"n": 3})
    with pytest.raises(TypeError):
        dim("n") + 1.5
    with pytest.raises(TypeError):
        dim("n") // 1.5
