"""A function of undeclared SymPy scalars broadcasts over arrays of any shape."""

import numpy as np
import pytest
import sympy as s

import graphopt as go

x, y = s.symbols("x y")


@pytest.fixture(scope="module")
def f():
    return go.function([x, y], s.exp(-(x**2)) * s.sin(y) + 1)


def reference(a, b):
    return np.exp(-(a**2)) * np.sin(b) + 1


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((), ()),
        ((5,), (5,)),
        ((5,), ()),
        ((), (5,)),
        ((3, 1), (1, 4)),
        ((2, 3, 4), (4,)),
        ((1,), (7,)),
        ((0,), (0,)),
        ((300, 500), (500,)),
    ],
)
def test_arguments_broadcast_as_in_numpy(f, a, b):
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal(a), rng.standard_normal(b)
    result = f(left, right)
    assert result.shape == np.broadcast_shapes(a, b)
    np.testing.assert_allclose(result, reference(left, right), rtol=1e-14, atol=1e-15)


def test_shapes_that_do_not_broadcast_are_refused(f):
    with pytest.raises(ValueError, match="broadcast"):
        f(np.ones(3), np.ones(4))


def test_a_matrix_of_expressions_has_its_axes_behind_the_arguments():
    f = go.function([x, y], s.Matrix([[x, y, x * y], [1, x + y, 0]]))
    assert f(2.0, 3.0).tolist() == [[2.0, 3.0, 6.0], [1.0, 5.0, 0.0]]
    result = f(np.arange(4.0), 3.0)
    assert result.shape == (4, 2, 3)
    np.testing.assert_array_equal(result[2], [[2.0, 3.0, 6.0], [1.0, 5.0, 0.0]])


def test_an_output_that_depends_on_no_array_still_has_the_common_shape():
    f = go.function([x, y], [x + 1, y * 2])
    left, right = f(np.ones(3), 4.0)
    np.testing.assert_array_equal(left, [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(right, [8.0, 8.0, 8.0])


def test_declared_types_are_strict():
    f = go.function([x, y], x + y, types={x: "float64[n]"})
    np.testing.assert_array_equal(f([1.0, 2.0], 1.0), [2.0, 3.0])
    with pytest.raises(go.ShapeMismatch):
        f(1.0, 1.0)


def test_one_kernel_computes_all_outputs():
    f = go.function([x, y], [s.sin(x), s.cos(y), x * y])
    f(np.ones(3), np.ones(3))
    assert len(f.kernels) == 1
