"""NumPy as written: the same values as the interpreter, new arrays, and no memory kept."""

import numpy as np
import pytest

import graphopt as go
from graphopt.cli.agreement import Truth, find_truth, measure, wide_reference
from graphopt.cli.as_written import ELIDED_FROM, as_written
from graphopt.cli.problem import read_problem, read_types
from graphopt.frontend.formula import parse_formula
from graphopt.interpret import interpret

X = np.random.default_rng(1).normal(size=(300, 200))


def both(text, **arrays):
    inputs, output = parse_formula(text, {name: f"{a.dtype}{list(a.shape)}" for name, a in arrays.items()})
    graph = go.Graph.from_outputs(inputs, {"output": output})
    ordered = [arrays[str(v.name)] for v in inputs]
    return as_written(graph, {})(*ordered), interpret(graph, arrays)["output"]


@pytest.mark.parametrize(
    "text",
    [
        "log(exp(x)/sum(exp(x), axis=1, keepdims=True))",
        "x + 1 - x * 2 + x / 3",
        "1 - (x + 1)",
        "(x + 1) - (x + 2)",
        "-(x + 1)",
        "y = x + 1; y * y - y",
        "y = x + 1; y.T @ (y * 2)",
        "y = x + 1; y.T + 0 * y.reshape(200, 300)",
        "x**2 + abs(x)**0.5 + x**-1 + x**3",
        "where(x > 0, x, 0).sum()",
        "x.T",
        "x",
        "zeros((3, 4)) + 1",
        "softmax(x) + mean(x, axis=0)",
    ],
)
def test_it_has_the_values_of_the_interpreter_in_memory_of_its_own(text):
    assert X.nbytes >= ELIDED_FROM
    kept = X.copy()
    found, expected = both(text, **({"x": X} if "x" in text else {}))
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-14)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert not np.shares_memory(found, X)
    np.testing.assert_array_equal(X, kept)


def test_a_second_call_gives_the_same():
    inputs, output = parse_formula("(x + 1) * 2 - x", {"x": "float64[300, 200]"})
    call = as_written(go.Graph.from_outputs(inputs, {"output": output}), {})
    np.testing.assert_array_equal(call(X), call(X))


# --- the truth -------------------------------------------------------------------------------------------------------


def truth_of(text, *options, **arrays):
    problem = read_problem(text, options, (), "float64")
    arguments = tuple(arrays[name] for name in problem.types)
    return find_truth(problem, arguments, wide_reference(problem, arguments))


def test_little_work_is_done_exactly_in_full():
    truth = truth_of("exp(x)", "x=3", x=X[0, :3])
    assert truth.rows is None and truth.source.startswith("exact arithmetic")
    assert measure(np.exp(X[0, :3]), truth).units < 1


def test_of_much_work_with_independent_rows_a_sample_is_exact():
    truth = truth_of("exp(x) / exp(x).sum(axis=1, keepdims=True)", "x=300x200", x=X)
    assert truth.rows is not None and "of 300 rows" in truth.source


def test_rows_that_depend_on_each_other_are_not_sampled():
    for text in ("x - x.mean(axis=0)", "exp(x).sum()", "x.T * 2", "exp(x * 2).reshape(200, 300)"):
        truth = truth_of(text, "x=300x200", x=X)
        assert truth.rows is None and truth.source.endswith("float64"), text


def test_an_overflow_that_the_dtype_forces_is_no_error_and_one_that_it_does_not_force_is():
    truth = Truth(None, np.array([1e300, 1.0]), "given")
    assert measure(np.array([np.inf, 1.0], "float32"), truth).wrong == 0
    assert measure(np.array([1e300, np.inf]), truth).wrong == 1
    assert measure(np.array([1e300, np.nan]), truth).wrong == 1


def test_errors_are_in_units_of_rounding_at_the_largest_value():
    truth = Truth(None, np.array([4.0, 0.5]), "given")
    assert measure(np.array([4.0, 0.5 + 2**-20]), truth).units == 2**-20 / (4 * 2**-52)


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "type"),
    [
        ("x=4096x1000", "float32[4096, 1000]"),
        ("x=7", "float32[7]"),
        ("x=nx1000", "float32[n, 1000]"),
        ("x = n", "float32[n]"),
        ("x=[n, maxima]", "float32[n, maxima]"),
        ("x=[]", "float32"),
        ("x=scalar", "float32"),
        ("x=batchxrowsx3", "float32[batch, rows, 3]"),
    ],
)
def test_shapes_are_read_in_every_form(shape, type):
    assert str(read_types([shape], (), "float32")["x"]) == type


def test_a_type_has_its_own_dtype():
    assert str(read_types((), ["k = int8[n]"], "float32")["k"]) == "int8[n]"


@pytest.mark.parametrize("text", ["x=4096X1000", "x=1.5", "x=-3", "x=3x", "x=x3", "x=n x", "é=3", "x", "=3", "x="])
def test_what_is_no_shape_is_an_error(text):
    with pytest.raises(go.InvalidArgument):
        read_types([text], (), "float64")
