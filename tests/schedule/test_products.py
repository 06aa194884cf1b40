"""Matrix products read views in place where BLAS can, whatever their shapes are: NumPy's values in C."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.schedule.steps import MatrixProduct

SHAPES = {"A": "m, n", "B": "n, m", "x": "n", "y": "m", "S": "b, m, n", "c": "n, 1", "X": "n, 3"}
SIZES = ({"m": 5, "n": 4, "b": 2}, {"m": 1, "n": 1, "b": 1}, {"m": 3, "n": 0, "b": 2}, {"m": 0, "n": 3, "b": 1},
         {"m": 300, "n": 400, "b": 2})  # fmt: skip


def products(A, B, x, y, S, c, X):
    by_vector = [A @ x, y @ A, A.T @ y, x @ A.T, B.T @ x, y @ B.T, A @ c, c.T @ B, S @ x, S @ c, y @ S, S[0] @ x,
                 S.transpose(0, 2, 1) @ y]  # fmt: skip
    of_parts = [A[:, ::2] @ x[::2], A[::2] @ x, A[1:] @ x, A[:, 1:] @ x[1:], y[1:] @ A[1:], y @ A[:, 1:],
                A[:, :1] @ x[:1], A @ X[:, 1], X[:, 2] @ B, A @ X[:, 1:2], S[:, :, 1:] @ x[1:]]  # fmt: skip
    backwards = [A @ x[::-1], A[:, ::-1] @ x, A[::-1] @ x, y[::-1] @ A, A @ X[::-1, 1], A[::-1] @ B, A @ B[:, ::-1]]
    by_itself = [A.T @ A, A @ A.T, S @ S.transpose(0, 2, 1), A[:, 1:].T @ A[:, 1:], (A + 1).T @ (A + 1)]
    return [*by_vector, *of_parts, *backwards, *by_itself, x @ x, c.T @ c, c @ c.T, A @ B, (A + 1) @ (x * 2)]


@pytest.mark.parametrize(
    ("dtype", "tolerance", "flags"),
    [("float32", 3e-4, ()), ("float64", 1e-11, ("-DLARGEST=3",))],  # the largest number that is left to BLAS
)
def test_products_of_views_are_numpys(dtype, tolerance, flags):
    variables = [go.variable(name, f"{dtype}[{shape}]") for name, shape in SHAPES.items()]
    function = go.function(variables, products(*variables), options=go.Options(extra_flags=flags))
    generator = np.random.default_rng(3)
    for sizes in SIZES:
        shapes = [[sizes[d] if d in sizes else int(d) for d in shape.split(", ")] for shape in SHAPES.values()]
        arrays = [np.asarray(generator.normal(size=shape), dtype) for shape in shapes]
        for k, (found, wanted) in enumerate(zip(function(*arrays), products(*arrays), strict=True)):
            assert found.shape == np.shape(wanted) and found.dtype == dtype
            np.testing.assert_allclose(found, wanted, tolerance, tolerance, err_msg=f"product {k} of {sizes}")


@pytest.mark.parametrize("threads", [1, 3])
def test_a_matrix_by_its_transpose_is_exactly_symmetric(threads):
    A = go.variable("A", "float64[m, n]")
    gram = go.function([A], A.T @ A, options=go.Options(threads=threads))
    for shape in ((7, 5), (40, 96), (40, 97), (31, 1000)):
        values = np.random.default_rng(6).normal(size=shape)
        found = gram(values)
        np.testing.assert_array_equal(found, found.T)
        np.testing.assert_allclose(found, values.T @ values, rtol=1e-11, atol=1e-11)


def test_a_matrix_by_a_vector_calls_no_blas_and_a_matrix_by_a_matrix_calls_it_once():
    A, x = go.variable("A", "float64[m, n]"), go.variable("x", "float64[n]")
    assert "cblas" not in go.c_source([A, x], A @ x).replace("blas.h", "")
    assert go.c_source([A], A @ A.T).count("dgemm(") == go.c_source([A, x], (A + 1).T @ A).count("dgemm(") == 1


def test_no_operand_that_blas_can_read_in_place_is_copied():
    A, B, S = go.variable("A", "float64[m, n]"), go.variable("B", "float64[m, n]"), go.variable("S", "float64[b, m, n]")
    C, x = go.variable("C", "float64[n, k]"), go.variable("x", "float64[n]")
    in_place = [A @ B.T, A.T @ B, (A.T @ A), S @ S.transpose(0, 2, 1), S.transpose(0, 2, 1) @ A, S @ C, C.T @ S[0].T,
                A[1:, ::1] @ B[1:].T, A[::2] @ C, A[:, 1:] @ C[1:, :2], S[:, 0] @ C, S[0] @ C, A @ x[:, None],
                x[None] @ C, A[0] @ C, S @ x]  # fmt: skip
    for product in in_place:
        program = go.lower([A, B, S, C, x], product).program
        assert len(program.steps) == 1, program.steps


def test_a_stack_by_one_matrix_is_a_single_product():
    S, C = go.variable("S", "float64[b, m, n]"), go.variable("C", "float64[n, k]")
    (together,) = go.lower([S, C], S @ C).program.steps
    assert together.batch == () and together.rows == go.dim("b") * go.dim("m")
    for apart in (S[:, 1:] @ C, S.transpose(0, 2, 1) @ C[: S.shape[1]], S @ T.stack([C, C])[:, :, :]):
        (step,) = [s for s in go.lower([S, C], apart).program.steps if isinstance(s, MatrixProduct)]
        assert step.batch != ()


@pytest.mark.parametrize("flags", [(), ("-fno-openmp",)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool"])
def test_small_matrices_are_multiplied_without_blas(dtype, flags):
    A, B = go.variable("A", f"{dtype}[n, 3, 4]"), go.variable("B", f"{dtype}[n, 4, 3]")
    M, C = go.variable("M", f"{dtype}[m, 16]"), go.variable("C", f"{dtype}[16, 5]")
    arguments, build = (
        [A, B, M, C],
        lambda A, B, M, C: [A @ B, A @ B[0], B.transpose(0, 2, 1) @ A[0].T, M @ C, M @ M[:7].T],
    )
    function = go.function(arguments, build(*arguments), options=go.Options(threads=2, extra_flags=flags))
    assert "cblas" not in function.source.replace("blas.h", "") or dtype.startswith("float")
    generator = np.random.default_rng(1)
    for n, m in ((1, 7), (2, 20), (3000, 9), (1, 3000)):
        shapes = ((n, 3, 4), (n, 4, 3), (m, 16), (16, 5))
        arrays = [generator.integers(-3, 4, size=shape).astype(dtype) for shape in shapes]
        for found, wanted in zip(function(*arrays), build(*arrays), strict=True):
            np.testing.assert_array_equal(found, wanted)
