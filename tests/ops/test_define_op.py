"""An op from outside is an op like any other: printed, read, interpreted, differentiated, fused, compiled."""

import doctest
import pickle

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt as go
import graphopt.tensor as T
from graphopt.arithmetics import Exact
from graphopt.errors import InvalidArgument, NotDifferentiable, UnsupportedExpression
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.ops import TABLE, custom

POINTS = [-3.0, -0.5, -0.0, 0.25, 1.0, 20.0]


@pytest.fixture
def define():
    """`define_op` for one test: what it defined is gone afterwards."""
    names = []

    def temporary(name, **facets):
        op = go.define_op(name, **facets)
        names.append(name)
        return op

    yield temporary
    for name in names:
        del TABLE[name]


@pytest.fixture
def silu(define):
    return define(
        "silu_under_test",
        type_rule=T.elementwise,
        numpy=lambda x: x / (1 + np.exp(-x)),
        exact=lambda x: x / (1 + mpmath.exp(-x)),
        pullback=lambda g, node: [g * (T.sigmoid(node.operands[0]) + node.result * T.sigmoid(-node.operands[0]))],
        c="{x} / (1 + exp(-{x}))",
    )


@pytest.fixture
def mixed(define):
    """Two operands, in another order than the letters', numbers of every spelling, a choice, and constants."""
    return define(
        "mixed_under_test",
        numpy=lambda y, x: np.where(x >= 0.5, 1 / 3 * x - y, np.maximum(y, 1e-1) ** 2.0),
        pullback=lambda g, node: [None, g],
        c="{x} >= .5 && {x} < INFINITY ? 1 / 3 * {x} - {y} : power(maximum({y}, 1e-1), 2.)",
    )


def test_the_example_of_the_documentation_works():
    try:
        outcome = doctest.testmod(custom)
        assert outcome.attempted == 4 and not outcome.failed
    finally:
        TABLE.pop("softsign_example", None)


# --- running ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["numpy", "c", "cuda-emulated"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_computes_its_numpy_meaning_on_every_target(silu, mixed, target, dtype):
    x, y = go.variable("x", f"{dtype}[n]"), go.variable("y", dtype)
    f = go.function([x, y], [silu(x), mixed(y, x)], target=target)
    values = np.array(POINTS, dtype)
    expected = [
        TABLE[op.name].numpy(*arrays) for op, arrays in ((silu, [values]), (mixed, [values[:1] * 0 + 2, values]))
    ]
    for found, wanted in zip(f(values, 2.0), expected, strict=True):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, wanted, rtol=8 * np.finfo(dtype).eps)


def test_float32_text_computes_in_float32_alone(silu, mixed):
    x = go.variable("x", "float32[n]")
    for source in (go.c_source, go.cuda_source):
        lines = [line for line in source([x], [silu(x), mixed(x, x)]).splitlines() if "under_test_" in line]
        text = " ".join(line.partition(" = ")[2] for line in lines)
        assert "(1.0f + go_exp_f32(-" in text
        assert "1.0f / 3.0f" in text and "0.5f" in text and "0.1f" in text and "go_pow_f32(go_maximum_f32(" in text
        assert "f64" not in text and "(float)INFINITY" in text


def test_cuda_has_its_own_text_where_one_is_given(define):
    op = define("own_cuda", numpy=lambda x: x + x, c="{x} + {x}", cuda="2 * {x}")
    x = go.variable("x", "float64[n]")
    assert " = x_1 + x_1;" in go.c_source([x], op(x))
    assert " = 2.0 * x_1;" in go.cuda_source([x], op(x))


def test_it_is_fused_with_its_neighbours(silu):
    x = go.variable("x", "float64[n, m]")
    f = go.function([x], T.sum(silu(2 * x) + 1, axis=1))
    assert [kernel.form for kernel in f.kernels] == ["rows"]
    np.testing.assert_allclose(f([POINTS]), [np.sum(silu.numpy(2 * np.array(POINTS)) + 1)])


def test_operands_are_cast_and_broadcast_as_numpy_promotes(mixed):
    row, column = go.variable("row", "float32[1, 3]"), go.variable("column", "int64[2, 1]")
    assert str(mixed(row, column).type) == "float64[2, 3]"
    assert mixed(row, 2).dtype == "float32"
    assert mixed(go.variable("b", "bool[3]"), row).dtype == "float32"


def test_numpys_own_functions_name_their_operands_by_letters(define):
    op = define("hypot_under_test", numpy=np.hypot, c="sqrt({x} * {x} + {y} * {y})", cost=5)
    v = T.vector("v")
    np.testing.assert_allclose(go.function([v], op(v, 4))([3.0, 0.0]), [5, 4])
    assert "transcendental" not in op.traits


@given(
    number=st.floats(0, 1e30) | st.integers(0, 10**12),
    x=hnp.arrays("float32", 3, elements=st.floats(-100, 100, width=32)),
)
def test_numbers_in_a_text_mean_what_numpy_means_by_them(number, x):
    name = "scaled_under_test"
    try:
        op = go.define_op(name, numpy=lambda x: x * np.float32(number), c=f"{{x}} * {number!r}")
        v = go.variable("v", "float32[3]")
        lines = go.c_source([v], op(v)).splitlines()
        (line,) = [line for line in lines if f"const float {name}_" in line and " * " in line]
        written = line.rpartition("* ")[2].removesuffix(";").removesuffix("f")
        assert np.array_equal(x * np.float32(written), op.numpy(x))
    finally:
        TABLE.pop(name, None)


# --- forms --------------------------------------------------------------------------------------------------------


def test_a_graph_with_it_is_printed_and_read_back(silu):
    x = go.variable("x", "float64[n]")
    graph = Graph.from_outputs([x], silu(x) + 1)
    text = str(graph)
    assert "silu_under_test(%0): float64[n]" in text
    again = Graph.parse(text)
    assert [again.op(node) for node in again.order()] == [graph.op(node) for node in graph.order()]
    assert str(silu(x)) == "silu_under_test(x)"


def test_the_op_pickles_by_name(silu):
    assert pickle.loads(pickle.dumps(silu)) is silu


def test_reading_a_graph_before_its_op_is_defined_says_what_to_import():
    text = '%0 = input("x"): float64[n]\n%1 = absent_op(%0): float64[n]\noutput "y" = %1\n'
    with pytest.raises(InvalidArgument, match=r"no op called 'absent_op'.* import the module"):
        Graph.parse(text)


def test_it_has_an_exact_meaning(silu):
    x = go.variable("x", "float64")
    graph = Graph.from_outputs([x], silu(x))
    (found,) = interpret(graph, {"x": -1.0}, Exact(60)).values()
    with mpmath.workdps(60):
        assert abs(found[()] - (-1 / (1 + mpmath.e))) < mpmath.mpf(10) ** -58


def test_without_an_exact_meaning_exact_arithmetic_names_the_op(mixed):
    x = go.variable("x", "float64")
    with pytest.raises(UnsupportedExpression, match="mixed_under_test has no exact meaning"):
        interpret(Graph.from_outputs([x], mixed(x, x)), {"x": 1.0}, Exact(20))


# --- derivatives --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["c", "cuda-emulated"])
def test_its_gradient_agrees_with_finite_differences(silu, target):
    x, w = go.variable("x", "float64[n]"), go.variable("w", "float64[n]")
    cost = T.sum(w * silu(x))
    f, gradient = go.function([x, w], cost, target="numpy"), go.function([x, w], go.grad(cost, x), target=target)
    values, weights, step = np.array(POINTS), np.arange(1.0, 7.0), 1e-5
    differences = [
        (f(values + shift, weights) - f(values - shift, weights)) / (2 * step) for shift in step * np.eye(len(values))
    ]
    np.testing.assert_allclose(gradient(values, weights), differences, rtol=1e-7, atol=1e-8)


def test_gradients_through_broadcast_operands_are_summed(define):
    op = define(
        "product_under_test", numpy=np.multiply, c="{x} * {y}",
        pullback=lambda g, node: [g * node.operands[1], g * node.operands[0]],
    )  # fmt: skip
    a, v = go.variable("a", "float64"), go.variable("v", "float64[3]")
    da, dv = go.function([a, v], go.grad(T.sum(op(a, v)), [a, v]))(2.0, [1.0, 2.0, 4.0])
    assert da == 7.0
    assert dv.tolist() == [2.0, 2.0, 2.0]


def test_without_a_pullback_the_gradient_names_the_op(define):
    op = define("stiff_under_test", numpy=np.negative, c="-{x}")
    v = T.vector("v")
    with pytest.raises(NotDifferentiable, match="stiff_under_test"):
        go.grad(T.sum(op(v)), v)


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["c", "cuda-emulated"])
def test_without_a_text_it_runs_on_numpy_and_compiling_says_what_is_missing(define, target):
    op = define("textless_under_test", numpy=lambda x: x + 1)
    v = T.vector("v")
    assert go.function([v], op(v), target="numpy")([1.0]).tolist() == [2.0]
    with pytest.raises(UnsupportedExpression, match=r"textless_under_test has no .* text.*c=.*target=\"numpy\""):
        go.function([v], op(v), target=target)


def test_a_name_is_defined_once(silu):
    with pytest.raises(InvalidArgument, match="'silu_under_test' exists already"):
        go.define_op("silu_under_test", numpy=np.sin)
    with pytest.raises(InvalidArgument, match="'exp' exists already"):
        go.define_op("exp", numpy=np.exp)


REFUSED = {
    "a statement": ("{x}; exit(1)", "has ';'"),
    "an assignment": ("{x} = 2", "has '='"),
    "a quotation": ('"{x}"', "has '\"'"),
    "a preprocessor line": ("{x}\n#include <x>", "has '#'"),
    "a line that goes on": ("{x} \\\n", r"has '\\\\'"),
    "another operand": ("{y} + 1", r"operand \{y\}; the op has \{x\}"),
    "a bare operand": ("x + 1", "the name 'x'"),
    "a function nobody defines": ("system({x})", "calls system"),
    "a function of one dtype": ("expf({x})", "calls expf"),
    "a function that is not called": ("exp + {x}", "the name 'exp'"),
    "a constant that is called": ("NAN({x})", "calls NAN"),
    "a number with a suffix": ("1.0f * {x}", "the name 'f'"),
    "a parenthesis too few": ("({x} + 1", "do not pair"),
    "a parenthesis too many": ("{x}) + ({x}", "do not pair"),
    "nothing": (" ", "is empty"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("language", ["c", "cuda"])
def test_a_text_with_anything_else_is_refused_when_it_is_defined(case, language):
    text, message = REFUSED[case]
    with pytest.raises(InvalidArgument, match=f"op refused: its {language} text .*{message}"):
        go.define_op("refused", numpy=lambda x: x, **{language: text})
    assert "refused" not in TABLE


@pytest.mark.parametrize(
    ("facets", "message"),
    [
        ({"name": "not a name"}, "identifier"),
        ({"name": "lambda"}, "identifier"),
        ({"name": "größe"}, "identifier"),
        ({"type_rule": lambda types, attributes, unify: types[0]}, "elementwise"),
        ({"numpy": lambda x, *, beta=1: x}, "no other parameters"),
        ({"numpy": lambda *arrays: arrays[0]}, "no other parameters"),
        ({"numpy": lambda: 1}, "no other parameters"),
        ({"numpy": 3}, "a function of arrays"),
        ({"traits": "commutative loud"}, "unknown traits.*loud"),
    ],
)
def test_a_facet_that_makes_no_sense_is_refused(facets, message):
    with pytest.raises(InvalidArgument, match=message):
        go.define_op(**{"name": "refused", "numpy": lambda x: x, **facets})
    assert "refused" not in TABLE


def test_attributes_are_refused(silu):
    with pytest.raises(InvalidArgument, match=r"takes operands only, found beta="):
        silu(T.vector("v"), beta=2)
