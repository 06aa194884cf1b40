"""`jacobian` and `hessian`: against differences, rows against columns, sizes known and named."""

import numpy as np
import pytest
import scipy.sparse
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt as go
import graphopt.tensor as T
from graphopt.autodiff.batch import batched
from graphopt.autodiff.jacobians import columns, rows
from graphopt.autodiff.sparse import coloured
from graphopt.errors import DisconnectedInput, InvalidArgument, ShapeMismatch, TypeMismatch, UnsupportedExpression
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.interpret import interpret
from graphopt.ops import TABLE

STEP = 1e-6
PLACES = np.array([1, 0, 1])


def value(inputs, output, *arrays):
    graph = Graph.from_outputs(inputs, output)
    graph.verify()
    found = list(interpret(graph, dict(zip(graph.inputs, map(np.asarray, arrays), strict=True))).values())
    return found[0]


def differences(x, y, array):
    """∂y[i]/∂x[j] at (*i, *j)."""
    parts = []
    for index in np.ndindex(*array.shape):
        step = np.zeros(array.shape)
        step[index] = STEP
        parts.append((value([x], y, array + step) - value([x], y, array - step)) / (2 * STEP))
    shape = np.shape(value([x], y, array))
    return np.moveaxis(np.array(parts).reshape(*array.shape, *shape), range(array.ndim), range(-array.ndim, 0))


FUNCTIONS = {
    "elementwise": (lambda x: T.exp(x) * x[::-1], (3,)),
    "where": (lambda x: T.where(x > 0, x**3, T.tanh(x)), (2, 3)),
    "broadcasting": (lambda x: T.expand_dims(x, 1) * x, (2, 3)),
    "row sums": (lambda x: T.sum(x * x, 1), (3, 2)),
    "prod": (lambda x: T.prod(x, 0), (2, 3)),
    "max": (lambda x: T.max(x, 1), (2, 3)),
    "var": (lambda x: T.var(x, 1), (2, 3)),
    "softmax": (lambda x: T.softmax(x, 1), (2, 3)),
    "logsumexp": (lambda x: T.logsumexp(x, 0), (2, 3)),
    "scalar": (lambda x: T.sum(x**3), (4,)),
    "matmul": (lambda x: x @ x.T, (3, 2)),
    "outer": (lambda x: T.outer(x, x), (3,)),
    "trace": (lambda x: T.trace(x @ x), (3, 3)),
    "gather": (lambda x: x[PLACES] ** 2, (2, 3)),
    "gather columns": (lambda x: x[:, PLACES] ** 2, (2, 3)),
    "mask": (lambda x: x[x > 0] ** 2, (4,)),
    "slices": (lambda x: x[1:, ::-1] * x[:-1], (3, 2)),
    "diff": (T.diff, (4,)),
    "reshape": (lambda x: x.reshape((-1,)) ** 2, (2, 3)),
    "concatenate": (lambda x: T.concatenate([x, x * x]), (2, 2)),
    "stack": (lambda x: T.stack([x, x * x, T.sum(x) + x]), (2, 2)),
    "diag": (T.diag, (3,)),
    "cumsum": (lambda x: T.cumsum(x * x, 1), (2, 3)),
    "cumprod": (lambda x: T.cumprod(x, 1), (2, 3)),
    "recurrence": (lambda x: TABLE["recurrence"](x, x * x, axis=(0,)), (3, 2)),
    "sort": (lambda x: T.sort(x, 1), (2, 3)),
    "solve": (lambda x: T.linalg.solve(x, x * x), (3, 3)),
    "solve for a vector": (lambda x: T.linalg.solve(x, x[0]), (3, 3)),
    "inv": (T.linalg.inv, (3, 3)),
    "det": (T.linalg.det, (3, 3)),
    "cholesky": (lambda x: T.linalg.cholesky(x @ x.T + 3 * T.eye(3)), (3, 3)),
    "cond": (lambda x: T.cond(T.sum(x) > 0, x * x, T.sin(x)), (3,)),
    "checked": (lambda x: T.check(x, x > -99, "must not be small") ** 2, (3,)),
    "more rows than columns": (lambda x: x[0] * T.arange(1, 5) + x[1], (2,)),
}  # fmt: skip


@pytest.mark.parametrize("named", [False, True], ids=["sizes known", "sizes named"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_jacobian_is_a_table_of_differences_made_in_rows_or_in_columns(name, named):
    function, shape = FUNCTIONS[name]
    sizes = ", ".join(str(size) if not named or name == "cholesky" else "abc"[size - 2] for size in shape)
    x = go.variable("x", f"float64[{sizes}]")
    array = np.random.default_rng(5).normal(size=shape) + 0.1
    y = function(x)
    expected = differences(x, y, array)
    for made in (go.jacobian(y, x), rows(y, x), columns(y, x)):
        assert made.ndim == y.ndim + x.ndim
        np.testing.assert_allclose(value([x], made, array), expected, rtol=1e-5, atol=1e-7)


def test_a_jacobian_is_made_of_what_is_fewer():
    x, y = go.variable("x", "float64[2]"), go.variable("y", "float64[n]")
    of_names = {name: {v.op.name for v in topological([made])} for name, made in {
        "columns": go.jacobian(T.stack([x[0] * x[1]] * 5), x), "one row": go.jacobian(T.prod(x), x),
        "columns, as y is named": go.jacobian(T.sum(x * x) * y, x), "rows": go.jacobian(T.sum(y * y) * x, y),
    }.items()}  # fmt: skip
    assert all("iota" in ops for name, ops in of_names.items() if name != "one row")
    assert "iota" not in of_names["one row"]
    assert "transpose" in of_names["columns"] and "transpose" in of_names["columns, as y is named"]
    assert "transpose" not in of_names["rows"]


def test_the_size_of_the_program_does_not_depend_on_that_of_the_jacobian():
    counts = set()
    for size in (3, 300):
        x = go.variable("x", f"float64[{size}]")
        counts.add(len(topological([go.jacobian(T.softmax(x) * x, x)])))
    assert len(counts) == 1


def test_several_variables_have_a_jacobian_each_intermediates_too():
    x = go.variable("x", "float64[3]")
    h = x * x
    both = go.jacobian(h * x, [x, h])
    found = [value([x], made, [1.0, 2.0, 3.0]) for made in both]
    np.testing.assert_allclose(found[0], np.diag([3.0, 12.0, 27.0]))
    np.testing.assert_allclose(found[1], np.diag([1.0, 2.0, 3.0]))


def test_scalars_and_arrays_without_elements_have_jacobians():
    a, x = T.scalar("a"), T.vector("x")
    assert value([a], go.jacobian(T.sin(a), a), 0.0) == 1
    np.testing.assert_array_equal(value([a, x], go.jacobian(a * x, a), 2.0, [3.0, 4.0]), [3, 4])
    assert value([x], go.jacobian(T.exp(x), x), np.ones(0)).shape == (0, 0)


def test_a_jacobian_in_float32_is_float32():
    x = T.fvector("x")
    assert go.jacobian(T.softmax(x), x).dtype == go.hessian(T.sum(x**3), x).dtype == "float32"


def test_a_disconnected_variable_raises_or_has_a_jacobian_of_zeros():
    x, y = go.variable("x", "float64[2]"), go.variable("y", "float64[3]")
    with pytest.raises(DisconnectedInput):
        go.jacobian(x * x, y)
    zeros = go.jacobian(x * x, y, disconnected_inputs="ignore")
    np.testing.assert_array_equal(value([], zeros), np.zeros((2, 3)))


def test_integers_and_costs_that_are_no_scalars_are_refused():
    x, k = T.vector("x"), T.lvector("k")
    with pytest.raises(TypeMismatch, match="cast it first"):
        go.jacobian(T.argsort(x), x)
    with pytest.raises(TypeMismatch, match="cast it first"):
        go.jacobian(x * k, k)
    with pytest.raises(ShapeMismatch, match="must be a scalar"):
        go.hessian(x, x)


def test_what_has_no_meaning_for_many_values_at_once_is_named():
    x = go.variable("x", "float64[3]")
    many = {x: go.variable("many", "float64[5, 3]")}
    with pytest.raises(
        UnsupportedExpression, match=r"nonzero, made at .*test_jacobians.py.*one by one with vjp or jvp"
    ):
        batched([x[x > 0]], many, (5,))
    with pytest.raises(UnsupportedExpression, match=r"condition .*test_jacobians.py.*T\.where"):
        batched([T.cond(x[0] > 0, x, 2 * x)], many, (5,))


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - {"mask", "cond"}))
def test_many_values_at_once_are_what_they_are_one_by_one(name):
    function, shape = FUNCTIONS[name]
    x = go.variable("x", f"float64{list(shape)}")
    many = go.variable("many", f"float64{[2, 2, *shape]}")
    arrays = np.random.default_rng(6).normal(size=(2, 2, *shape)) + 0.1
    (together,) = batched([function(x)], {x: many}, (2, 2))
    found = value([many], together, arrays)
    for index in np.ndindex(2, 2):
        np.testing.assert_allclose(found[index], value([x], function(x), arrays[index]), rtol=1e-12, atol=1e-14)


# --- sparse ones -------------------------------------------------------------------------------------------------


def chain(x):
    return T.sin(x[1:-1]) * x[2:] - x[:-2] ** 2


CHAIN = np.abs(np.subtract.outer(np.arange(1, 11), np.arange(12))) <= 1


def test_a_sparse_jacobian_is_made_of_as_many_products_as_it_has_colours():
    x = go.variable("x", "float64[12]")
    made = go.jacobian(chain(x), x, sparsity=CHAIN)
    array = np.random.default_rng(10).normal(size=12)
    np.testing.assert_allclose(value([x], made, array), value([x], go.jacobian(chain(x), x), array), rtol=1e-12)
    assert len(set(coloured(CHAIN))) == 3
    seeds = [
        v for v in topological([made]) if v.op.name == "constant" and v.shape[1:] == x.shape and v.dtype == x.dtype
    ]
    assert [v.shape[0] for v in seeds] == [3]
    of_scipy = go.jacobian(chain(x), x, sparsity=scipy.sparse.csr_array(CHAIN))
    np.testing.assert_array_equal(value([x], of_scipy, array), value([x], made, array))


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=6)), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_jacobian_of_any_pattern_is_that_without_it(pattern, transposed):
    pattern = pattern.T if transposed else pattern
    weights = np.where(pattern, np.arange(1.0, pattern.size + 1).reshape(pattern.shape), 0)
    x = go.variable("x", f"float64[{pattern.shape[1]}]")
    y = T.constant(weights) @ (x * x)
    made = go.jacobian(y, x, sparsity=pattern, disconnected_inputs="ignore")
    array = np.arange(pattern.shape[1]) + 0.5
    np.testing.assert_allclose(value([x], made, array), weights * 2 * array)
    packed = go.jacobian(y, x, sparsity=pattern, packed=True, disconnected_inputs="ignore")
    np.testing.assert_allclose(value([x], packed, array), (weights * 2 * array)[pattern])


def test_a_packed_jacobian_of_ten_thousand_rows_is_as_long_as_its_pattern():
    n = 10_000
    x = go.variable("x", f"float64[{n}]")
    pattern = scipy.sparse.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(n, n)).tocsr()[1:-1]
    packed = go.jacobian(chain(x), x, sparsity=pattern, packed=True)
    array = np.random.default_rng(16).normal(size=n)
    before, here, after = array[:-2], array[1:-1], array[2:]
    expected = np.stack([-2 * before, np.cos(here) * after, np.sin(here)], axis=1)
    np.testing.assert_allclose(value([x], packed, array), expected.ravel(), rtol=1e-12)


def test_what_is_packed_needs_a_pattern():
    x = go.variable("x", "float64[3]")
    with pytest.raises(InvalidArgument, match="give sparsity= for"):
        go.jacobian(x * x, x, packed=True)


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=7)))
def test_columns_of_one_colour_do_not_meet(pattern):
    colours = coloured(pattern)
    for colour in set(colours.tolist()):
        assert np.all(pattern[:, colours == colour].sum(axis=1) <= 1)


def test_a_pattern_may_be_given_for_some_variables_and_for_arrays_of_any_rank():
    x, w = go.variable("x", "float64[2, 3]"), go.variable("w", "float64[2, 3]")
    y = x * x * w
    same = np.eye(6, dtype=bool).reshape(2, 3, 2, 3)
    with_pattern = go.jacobian(y, [x, w], sparsity=[same, None])
    arrays = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3) - 2
    for made, plain in zip(with_pattern, go.jacobian(y, [x, w]), strict=True):
        np.testing.assert_array_equal(value([x, w], made, *arrays), value([x, w], plain, *arrays))


def test_a_pattern_that_does_not_fit_is_refused():
    x, n = go.variable("x", "float64[3]"), T.vector("n")
    with pytest.raises(ShapeMismatch, match=r"pattern of zeros has shape \(2, 3\)"):
        go.jacobian(x * x, x, sparsity=np.ones((2, 3)))
    with pytest.raises(InvalidArgument, match="expected numbers"):
        go.jacobian(n * n, n, sparsity=np.eye(3))
    with pytest.raises(InvalidArgument, match="found 1 for 2"):
        go.jacobian(x * x, [x, x], sparsity=[np.eye(3)])


# --- hessians ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["elementwise", "softmax", "matmul", "cumprod", "det", "sort", "where"])
def test_a_hessian_is_symmetric_and_a_table_of_differences_of_the_gradient(name):
    function, shape = FUNCTIONS[name]
    x = go.variable("x", f"float64{list(shape)}")
    array = np.random.default_rng(7).normal(size=shape) + 0.1
    y = function(x)
    cost = T.sum(T.sin(y) * T.arange(1, int(y.size) + 1).reshape(y.shape))
    found = value([x], go.hessian(cost, x), array)
    size = array.size
    square = found.reshape(size, size)
    np.testing.assert_allclose(square, square.T, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found, differences(x, go.grad(cost, x), array), rtol=1e-5, atol=1e-6)
    v = np.random.default_rng(8).normal(size=shape)
    np.testing.assert_allclose(
        value([x], go.hvp(cost, x, v), array), (square @ v.ravel()).reshape(shape), rtol=1e-9, atol=1e-9
    )


def test_a_hessian_in_several_variables_is_made_of_blocks():
    x, a = T.vector("x"), T.scalar("a")
    blocks = go.hessian(a * a * T.sum(x**3), [x, a])
    found = [[value([x, a], block, [1.0, 2.0], 3.0) for block in row] for row in blocks]
    np.testing.assert_allclose(found[0][0], 9 * np.diag([6.0, 12.0]))
    np.testing.assert_allclose(found[0][1], 6 * np.array([3.0, 12.0]))
    np.testing.assert_allclose(found[1][0], found[0][1])
    np.testing.assert_allclose(found[1][1], 18)


def test_the_hessian_of_a_linear_cost_is_zero():
    x = go.variable("x", "float64[2]")
    np.testing.assert_array_equal(value([], go.hessian(T.sum(x), x)), np.zeros((2, 2)))


def test_jacobians_and_hessians_run_in_c():
    x = go.variable("x", "float64[n, m]")
    made = {
        "softmax": go.jacobian(T.softmax(x, 1), x), "matmul": go.jacobian(x @ x.T, x),
        "gather": go.jacobian(x[PLACES] ** 2, x), "hessian": go.hessian(T.sum(T.cumprod(x, 1)), x),
        "cond": go.jacobian(T.cond(T.sum(x) > 0, x * x, x), x),
    }  # fmt: skip
    w = go.variable("w", "float64[12]")
    made["sparse"] = go.jacobian(chain(w), w, sparsity=CHAIN)
    array, other = np.random.default_rng(9).normal(size=(2, 3)), np.arange(12) / 7
    expected, found = (go.function([x, w], made, target=target)(array, other) for target in ("numpy", "c"))
    for name in made:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-13)


def test_sympy_expressions_have_jacobians_hessians_and_products():
    x, y = sympy.symbols("x y")
    expression = sympy.sin(x) * y**2
    made = [
        *go.jacobian(expression, [x, y]),
        *(block for row in go.hessian(expression, [x, y]) for block in row),
        go.jvp(expression, [x, y], [1.0, 2.0]),
        *go.hvp(expression, [x, y], [1.0, 2.0]),
        *go.vjp(expression, [x, y], 1.0),
    ]
    found = [float(v) for v in go.function([x, y], made, target="numpy")(0.5, 3.0)]
    slopes = [sympy.diff(expression, v) for v in (x, y)]
    hessian = sympy.hessian(expression, (x, y))
    direction = sympy.Matrix([1, 2])
    expected = [*slopes, *hessian, slopes[0] + 2 * slopes[1], *(hessian * direction), *slopes]
    np.testing.assert_allclose(found, [float(e.subs({x: 0.5, y: 3.0})) for e in expected])
