"""NumPy's functions that are compositions: one program on arrays and on variables, in every family.

A program is a function of the module (NumPy's or ours) and of values, so that what is compared was written once.
"""

import numpy as np
import pytest
from against_numpy import assert_like, check, variables_like

import graphopt as go
import graphopt.tensor as T

RNG = np.random.default_rng(7)
x, v, c, i = RNG.normal(size=(3, 4)), RNG.normal(size=4), RNG.normal(size=(2, 3, 4)), np.array([[3, -1, 0], [2, 2, 7]])
holes = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [np.inf, -1.0, np.nan]])

PROGRAMS = {
    "joining": lambda on, x, v, c: [
        on.hstack([x, x[:, :1]]), on.hstack([v, v]), on.vstack([x, v]), on.dstack([x, x]), on.dstack([v, v]),
        on.column_stack([v, v]), on.column_stack([x.T, v]), on.append(x, v), on.append(x, x, axis=1),
        on.block([[x, x[:, :2]], [v, v[:2]]]), on.block([v, v]), on.block([[[c]], [[c]]]), on.concat([x, x], axis=-1),
    ],
    "taking apart": lambda on, x, v, c: [
        on.array_split(x, 3, axis=1), on.array_split(v, 7), on.array_split(c, [1, 2], 2), on.hsplit(x, 2),
        on.hsplit(v, [1, 3]), on.vsplit(x, 3), on.dsplit(c, 2), on.unstack(c, axis=1),
    ],
    "rearranging": lambda on, x, v, c: [
        on.atleast_1d(v[0], x), on.atleast_2d(v[0], v, x), on.atleast_3d(v[0], v, x, c), on.fliplr(x), on.flipud(v),
        *(on.rot90(c, k, axes) for k in (-1, 0, 1, 2, 3) for axes in ((0, 1), (2, 0))), on.rollaxis(c, 2),
        on.rollaxis(c, 0, 3), on.rollaxis(c, -1, 1), on.permute_dims(c, (2, 0, 1)), on.matrix_transpose(c),
        on.broadcast_arrays(x, v, 1.0), on.meshgrid(v, v[:3]), on.meshgrid(v, v[:3], v[:2], indexing="ij"),
        on.meshgrid(v, v[:3], v[:2], sparse=True), on.meshgrid(v), on.tril(c), on.triu(c, -1),
    ],
    "made": lambda on, x, v, c: [
        on.full_like(x, 7.5), on.full_like(x, 7.5, dtype="int32"), on.logspace(0, 2, 5), on.geomspace(1, 16, 5),
        on.logspace(0, 3, 4, base=2.0, endpoint=False), on.indices((2, 3)), on.indices((2, 3), sparse=True),
        on.vander(v), on.vander(v, 3, increasing=True), on.vander(v, 0), on.zeros((2, 0)),
    ],
    "statistics": lambda on, x, v, c: [
        on.average(x), on.average(x, axis=0, weights=v[:3]), on.average(x, 1, v), on.average(c, (2, 1), x.T),
        on.average(x, weights=x * x), on.average(x, 0, returned=True), on.average(x, axis=1, weights=v, keepdims=True),
        on.ptp(x), on.ptp(x, axis=1), on.ptp(x, 0, keepdims=True), on.cov(x), on.cov(v), on.cov(x, v), on.cov(x, rowvar=False), on.cov(x, bias=True), on.cov(x, ddof=0), on.corrcoef(x),
        on.corrcoef(v), on.corrcoef(v, v * v), on.var(x, axis=0, ddof=1), on.std(x, axis=1, correction=1),
    ],
    "differences": lambda on, x, v, c: [
        on.ediff1d(x), on.ediff1d(v, to_end=[1.0, 2.0], to_begin=0), on.trapezoid(x), on.trapezoid(x, dx=0.5, axis=0),
        on.trapezoid(x, v), on.trapezoid(c, c * 2, axis=1), on.gradient(v), on.gradient(v, 0.5), on.gradient(x),
        on.gradient(x, 2.0, axis=1), on.gradient(x, np.array([0.0, 1.0, 4.0]), 0.5), on.gradient(x, axis=(1, 0)),
        on.gradient(v, edge_order=2), on.gradient(v, np.array([0.0, 1.0, 1.5, 4.0]), edge_order=2),
    ],
    "choices": lambda on, x, v, c: [
        on.select([x > 1, x > 0], [x, -x], 5.0), on.select([v > 0], [v]), on.piecewise(x, [x < 0, x > 1], [-1, abs, 2]),
        on.piecewise(x, [x < 0], [lambda y: y * y]), on.isin(x, x[0]), on.isin(x, [1.0, 2.0], invert=True),
        on.choose(np.array([[3, -1, 0, 1]]), [x, -x, 0.0], mode="wrap"), on.choose([5, 0, -3, 1], [v, -v], mode="clip"),
    ],
    "comparisons": lambda on, x, v, c: [
        on.isclose(x, x * (1 + 1e-6)), on.isclose(x, x + 1e-3, rtol=0, atol=1e-4), on.allclose(x, x), on.allclose(x, v),
        on.allclose(x, x + 1e-9), on.array_equal(x, x), on.array_equal(x, v), on.array_equal(x, -x),
        on.array_equiv(v, on.stack([v, v])), on.array_equiv(x, c[:, :2]), on.isreal(x), on.iscomplex(x),
        on.angle(x), on.angle(x, deg=True),
    ],
}  # fmt: skip


@pytest.mark.parametrize("family", PROGRAMS)
def test_compositions_are_numpys(family):
    check(PROGRAMS[family], x, v, c)


def test_compositions_compile():
    inputs = variables_like([x, v, c])
    found, expected = [], []
    for program in PROGRAMS.values():
        for one, wanted in zip(program(T, *inputs), program(np, x, v, c), strict=True):
            for part, truth in zip(*(r if isinstance(r, list | tuple) else [r] for r in (one, wanted)), strict=True):
                if isinstance(part, go.Variable):
                    found.append(part)
                    expected.append(truth)
    assert_like(go.function(inputs, found)(x, v, c), expected)


def test_numpys_own_functions_reach_them():
    inputs = variables_like([x, v, c])
    names = ("joining", "rearranging", "statistics", "differences", "comparisons")
    for name in names:
        found, expected = PROGRAMS[name](np, *inputs), PROGRAMS[name](np, x, v, c)
        kinds = [go.Variable if isinstance(part, np.ndarray | np.generic) else type(part) for part in expected]
        assert all(isinstance(part, kind) for part, kind in zip(found, kinds, strict=True))
