"""Factors, solutions, inverses and determinants: NumPy's and SciPy's values in every target."""

import functools
import pickle
import re

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.arithmetics import Exact, from_mpf
from graphopt.errors import InvalidArgument, RewriteFailed, ShapeMismatch
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.tensor import decompositions as linalg

TARGETS = ("numpy", "c", "cuda-emulated")
TOLERANCE = {"float32": 2e-3, "float64": 1e-9}
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


def programs(a, b, v):
    """Square matrices, right sides of fewer batches, a vector."""
    return {
        "cholesky": linalg.cholesky(a), "upper": linalg.cholesky(a, upper=True), "inv": linalg.inv(a),
        "solve": linalg.solve(a, b), "vector": linalg.solve(a, v), "det": linalg.det(a),
        "sign": linalg.slogdet(a).sign, "logabsdet": linalg.slogdet(a).logabsdet,
        "lower": linalg.solve_triangular(a, b, lower=True), "transposed": linalg.solve_triangular(a, b, trans="T"),
        "unit": linalg.solve_triangular(a, v, unit_diagonal=True),
        "cho_solve": linalg.cho_solve((linalg.cholesky(a), True), b),
        "upper_cho_solve": linalg.cho_solve((linalg.cholesky(a, upper=True), False), b),
    }  # fmt: skip


def batched(function, a, *others):
    """A function of one matrix over a batch, with NaN for what LAPACK refuses."""
    results = []
    for matrix in a:
        try:
            results.append(np.asarray(function(matrix, *others)))
        except np.linalg.LinAlgError:
            results.append(None)
    shape, dtype = next(((r.shape, r.dtype) for r in results if r is not None), ((), a.dtype))
    return [np.full(shape, np.nan, dtype) if r is None else r for r in results]


def wanted(a, b, v):
    solve_triangular, cholesky = scipy.linalg.solve_triangular, np.linalg.cholesky
    functions = {
        "cholesky": lambda a: cholesky(a), "upper": lambda a: cholesky(a, upper=True), "inv": np.linalg.inv,
        "solve": lambda a: np.linalg.solve(a, b), "vector": lambda a: np.linalg.solve(a, v), "det": np.linalg.det,
        "sign": lambda a: np.linalg.slogdet(a)[0], "logabsdet": lambda a: np.linalg.slogdet(a)[1],
        "lower": lambda a: solve_triangular(a, b, lower=True) if b.size else b,
        "transposed": lambda a: solve_triangular(a, b, trans="T") if b.size else b,
        "unit": lambda a: solve_triangular(a, v, unit_diagonal=True) if v.size else v,
        "cho_solve": lambda a: scipy.linalg.cho_solve((cholesky(a), True), b) if b.size else b,
        "upper_cho_solve": lambda a: scipy.linalg.cho_solve((cholesky(a, upper=True), False), b) if b.size else b,
    }  # fmt: skip
    return {name: batched(function, a) for name, function in functions.items()}


@functools.cache
def compiled(dtype, target):
    inputs = [
        go.variable("a", f"{dtype}[g, n, n]"),
        go.variable("b", f"{dtype}[n, k]"),
        go.variable("v", f"{dtype}[n]"),
    ]
    return go.function(inputs, programs(*inputs), target=target)


def definite(rng, batch, n, dtype):
    """Well-conditioned matrices with different triangles, positive definite by either of them."""
    return (rng.uniform(-1, 1, (batch, n, n)) + 2 * n * np.eye(n)).astype(dtype)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=12)
@given(st.sampled_from(["float32", "float64"]), st.integers(0, 3), st.integers(0, 4), st.integers(0, 2), st.randoms())
def test_values_are_numpys_and_scipys(target, dtype, batch, n, k, random):
    rng = np.random.default_rng(random.randrange(100))
    a = definite(rng, batch, n, dtype)
    b, v = rng.normal(size=(n, k)).astype(dtype), rng.normal(size=n).astype(dtype)
    found = compiled(dtype, target)(a, b, v)
    for name, expected in wanted(a, b, v).items():
        assert found[name].dtype == dtype and len(found[name]) == batch, name
        for one, other in zip(found[name], expected, strict=True):
            assert one.shape == other.shape, name
            np.testing.assert_allclose(one, other, TOLERANCE[dtype], TOLERANCE[dtype], err_msg=name)


@pytest.mark.parametrize("target", TARGETS)
def test_what_lapack_refuses_is_nan_and_the_rest_of_the_batch_is_computed(target):
    good = np.array([[2.0, 1.0], [1.0, 3.0]])
    a = np.array([good, SINGULAR, -good, np.diag([1.0, 0.0])])
    b, v = np.ones((2, 1)), np.ones(2)
    found = compiled("float64", target)(a, b, v)
    for name in ("inv", "solve", "vector"):
        assert [bool(np.isnan(x).all()) for x in found[name]] == [False, True, False, True], name
    for name in ("cholesky", "upper"):
        assert [bool(np.isnan(x).all()) for x in found[name]] == [False, True, True, True], name
    for name in ("lower", "transposed"):
        assert [bool(np.isnan(x).all()) for x in found[name]] == [False, False, False, True], name
    np.testing.assert_array_equal(found["det"][[1, 3]], 0)
    np.testing.assert_array_equal(found["logabsdet"][[1, 3]], -np.inf)
    for name, expected in wanted(a, b, v).items():
        if name in ("cholesky", "inv", "solve", "lower", "det", "sign"):
            np.testing.assert_allclose(found[name], expected, rtol=1e-12, err_msg=name)


@settings(max_examples=25)
@given(
    st.sampled_from([(), (2,), (1,), (2, 3), (0,)]), st.sampled_from([(), (2,), (3,), (2, 1), (0,)]), st.integers(0, 3)
)
def test_batches_broadcast_as_in_numpy(left, right, n):
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=(*left, n, n)) + 5 * np.eye(n), rng.normal(size=(*right, n, 2))
    inputs = [go.variable("a", f"float64{list(a.shape)}"), go.variable("b", f"float64{list(b.shape)}")]
    try:
        expected = np.linalg.solve(a, b)
    except ValueError:
        with pytest.raises(ShapeMismatch):
            linalg.solve(*inputs)
        return
    graph = Graph.from_outputs(inputs, [linalg.solve(*inputs), linalg.solve_triangular(*inputs, lower=True)])
    graph.verify()
    x, y = interpret(graph, {"a": a, "b": b}).values()
    assert x.shape == y.shape == expected.shape
    np.testing.assert_allclose(x, expected, rtol=1e-9)
    np.testing.assert_allclose(np.tril(a) @ y, np.broadcast_to(b, y.shape), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_the_exact_meaning_agrees(n):
    rng = np.random.default_rng(n)
    a, b, v = definite(rng, 2, n, "float64"), rng.normal(size=(n, 2)), rng.normal(size=n)
    inputs = [go.variable(name, f"float64{list(x.shape)}") for name, x in zip("abv", (a, b, v), strict=True)]
    adjugates = {"adjugate": go.ops.decompositions.adjugate(inputs[0])}
    graph = Graph.from_outputs(inputs, programs(*inputs) | adjugates)
    arrays = dict(zip("abv", (a, b, v), strict=True))
    exact = interpret(graph, arrays, Exact(30))
    for name, value in interpret(graph, arrays).items():
        np.testing.assert_allclose(value, from_mpf(exact[name], "float64"), rtol=1e-11, atol=1e-12, err_msg=name)


def test_the_exact_meaning_refuses_what_lapack_refuses():
    inputs = [go.variable("a", "float64[1, 2, 2]"), go.variable("b", "float64[2, 1]"), go.variable("v", "float64[2]")]
    graph = Graph.from_outputs(inputs, programs(*inputs))
    for matrix in (SINGULAR, np.diag([1.0, 0.0]), -np.eye(2)):
        arrays = {"a": matrix[None], "b": np.ones((2, 1)), "v": np.ones(2)}
        exact = interpret(graph, arrays, Exact(30))
        for name, value in interpret(graph, arrays).items():
            np.testing.assert_allclose(value, from_mpf(exact[name], "float64"), rtol=1e-11, err_msg=name)


@pytest.mark.parametrize("matrix", [SINGULAR, np.zeros((2, 2)), np.zeros((3, 3)), np.diag([0.0, 2.0, 3.0])])
def test_the_adjugate_of_a_singular_matrix_is_its_matrix_of_cofactors(matrix):
    adjugate = go.ops.decompositions.adjugate
    exact = adjugate.exact(matrix.astype(object))
    np.testing.assert_allclose(adjugate.numpy(matrix), exact.astype(float), atol=1e-14)


@pytest.mark.parametrize(
    ("left", "right"),
    [("float32", "float32"), ("float32", "float64"), ("float32", "int32"), ("int8", "float32"), ("bool", "bool"),
     ("uint64", "int64")],
)  # fmt: skip
def test_dtypes_are_numpys(left, right):
    a, b = go.variable("a", f"{left}[2, 2]"), go.variable("b", f"{right}[2]")
    numbers = np.eye(2, dtype=left), np.ones(2, right)
    assert linalg.solve(a, b).dtype == np.linalg.solve(*numbers).dtype
    assert linalg.det(a).dtype == np.linalg.det(numbers[0]).dtype
    assert linalg.inv(a).dtype == np.linalg.inv(numbers[0]).dtype


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [(lambda a, b: linalg.inv(b), ShapeMismatch, r"square matrices, found shape \(3, 4\)"),
     (lambda a, b: linalg.det(b[0]), ShapeMismatch, r"square matrices, found shape \(4,\)"),
     (lambda a, b: linalg.solve(a, b[:2]), ShapeMismatch, r"cannot solve \(3, 3\) for \(2, 4\)"),
     (lambda a, b: linalg.solve(a, 1.0), ShapeMismatch, "a matrix on the right"),
     (lambda a, b: linalg.solve_triangular(a, b, trans="X"), InvalidArgument, "trans is 0, 1, 2"),
     (lambda a, b: linalg.cholesky(a, upper=True) @ linalg.inv(b), ShapeMismatch, "square")],
)  # fmt: skip
def test_what_has_no_meaning_gets_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call(go.variable("a", "float64[3, 3]"), go.variable("b", "float64[3, 4]"))


def test_an_op_of_integers_in_a_graph_is_refused():
    with pytest.raises(RewriteFailed, match="matrix of floats"):
        Graph.parse('%0 = input("a"): int64[2, 2]\n%1 = inv(%0): int64[2, 2]\noutput "y" = %1\n')


def test_text_of_a_graph_with_decompositions_is_read_back_and_a_function_of_it_is_pickled():
    a, b = go.variable("a", "float64[n, n]"), go.variable("b", "float64[n]")
    f = go.function([a, b], T.exp(linalg.solve_triangular(linalg.cholesky(a), b, lower=True)))
    text = re.sub(" *#.*", "", str(f.graph))
    assert str(Graph.parse(text)) == text
    again = pickle.loads(pickle.dumps(f))
    values = np.array([[4.0, 0.0], [2.0, 5.0]]), np.array([1.0, 2.0])
    np.testing.assert_array_equal(again(*values), f(*values))


def test_fast_solves_in_place_of_inverting_and_takes_logarithms_of_determinants_that_overflow():
    a, b = go.variable("a", "float64[n, n]"), go.variable("b", "float64[n, 1]")
    factor = linalg.cholesky(a)
    programs = [linalg.inv(a) @ b, linalg.solve(factor.T, linalg.solve(factor, b)), T.log(linalg.det(a))]
    f = go.function([a, b], programs, pipeline="fast", target="numpy")
    ops = {f.graph.op(node).name for node in f.graph.order()}
    assert "solve" in ops and "slogdet" in ops and not ops & {"inv", "det", "matmul"}
    values = 100 * np.eye(300), np.ones((300, 1))
    inverse, through_factor, logarithm = f(*values)
    np.testing.assert_allclose(inverse, values[1] / 100)
    np.testing.assert_allclose(through_factor, values[1] / 100)
    np.testing.assert_allclose(logarithm, 300 * np.log(100))
    assert go.function([a], T.log(linalg.det(a)), target="numpy")(values[0]) == np.inf
    assert np.isnan(go.function([a], programs[2], pipeline="fast", target="numpy")(np.diag([1.0, -1.0])))


def test_costs_grow_with_the_cube_of_the_order():
    n = go.dim("n")
    (facts,) = go.lower([a := go.variable("a", "float64[n, n]")], linalg.cholesky(a)).kernels
    assert facts.flops == n * n * n
