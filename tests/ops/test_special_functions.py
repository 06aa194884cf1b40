"""Special functions: SciPy's values, mpmath's truth, and the same program on every target."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_support import evaluate, inputs_like
from scipy import special

import graphopt as go
import graphopt.tensor as T
from graphopt.arithmetics import Exact, Native, from_mpf
from graphopt.errors import InvalidArgument, TypeMismatch
from graphopt.ops import TABLE
from graphopt.testing.domains import PARAMETERS, WHOLE, domain
from graphopt.types import TensorType

TARGETS = ("numpy", "c", "cuda-emulated")

HOST = sorted(name for name, op in TABLE.items() if {"host", "elementwise"} <= op.traits)
NAMES = sorted({*HOST, *PARAMETERS})
ROUGH = {"jv": 1e-12, "yv": 1e-12, "iv": 1e-12, "kv": 1e-12, "ive": 1e-12, "kve": 1e-12}
"""Where SciPy is good to less than 14 digits, for small arguments and broken orders."""

EDGES = [0.0, 1.0, -1.0, 0.5, 2.0, -0.5, np.inf, -np.inf, np.nan]
SCIPY = {
    "erfinv": special.erfinv, "erfcinv": special.erfcinv, "erfcx": special.erfcx, "erfi": special.erfi,
    "dawsn": special.dawsn, "ndtr": special.ndtr, "ndtri": special.ndtri, "log_ndtr": special.log_ndtr,
    "logit": special.logit, "expit": special.expit, "log_expit": special.log_expit, "entr": special.entr,
    "gammaln": special.gammaln, "psi": special.psi, "expi": special.expi, "exp1": special.exp1,
    "ellipk": special.ellipk, "ellipe": special.ellipe, "exprel": special.exprel, "cosm1": special.cosm1,
    "factorial": special.factorial, "zeta": special.zeta, "sinc": np.sinc, "cbrt": np.cbrt,
    "i0": special.i0, "i0e": special.i0e, "i1": special.i1, "i1e": special.i1e, "k0": special.k0, "k0e": special.k0e,
    "k1": special.k1, "k1e": special.k1e, "j0": special.j0, "j1": special.j1, "y0": special.y0, "y1": special.y1,
    "lambertw": lambda x: special.lambertw(x).real, "sici": special.sici, "shichi": special.shichi,
    "fresnel": special.fresnel, "airy": special.airy,
}  # fmt: skip
"""The functions of one argument, with SciPy's meaning."""

TWO = {
    "gammainc": special.gammainc, "gammaincc": special.gammaincc, "beta": special.beta, "betaln": special.betaln,
    "binom": special.binom, "zeta": special.zeta, "jv": special.jv, "yv": special.yv, "iv": special.iv,
    "kv": special.kv, "ive": special.ive, "kve": special.kve, "xlog1py": special.xlog1py, "rel_entr": special.rel_entr,
    "kl_div": special.kl_div, "polygamma": special.polygamma, "expn": special.expn,
    "spherical_jn": special.spherical_jn, "spherical_yn": special.spherical_yn,
}  # fmt: skip
"""The functions of two arguments, with SciPy's meaning; in `WHOLE`, the first is an integer."""


def within(interval):
    """Values on a grid that has no round numbers."""
    low, high = interval
    return st.integers(0, 255).map(lambda k: low + (high - low) * (k + 0.3819) / 256)


def drawn(data, name):
    """Values for an op's operands in its domain; whole orders."""
    values = [data.draw(within(interval)) for interval in domain(name, TABLE[name].arity)]
    return [float(round(values[0])), *values[1:]] if name in WHOLE else values


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_a_special_function_is_mpmaths_on_its_domain(name, data):
    op, type = TABLE[name], TensorType("float64")
    operands = [np.asarray(value) for value in drawn(data, name)]
    exact = Exact(40)
    truth = exact.apply(op, tuple(exact.enter(x, type) for x in operands), {}, type)
    found = Native().apply(op, tuple(operands), {}, type)
    np.testing.assert_allclose(found, from_mpf(np.asarray(truth), "float64"), rtol=ROUGH.get(name, 2e-14), atol=4e-15)


@pytest.mark.parametrize("name", sorted(SCIPY))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_function_of_one_argument_is_scipys_at_edges_and_keeps_float32(name, dtype):
    array = np.array([*EDGES, 0.1, 0.9, 3.25, -3.25], dtype)
    (x,) = inputs_like(array)
    with np.errstate(all="ignore"):
        expected = SCIPY[name](array)
    made = getattr(T, name)(x)
    pairs = zip(made, expected, strict=True) if isinstance(made, tuple) else [(made, expected)]
    for part, wanted in pairs:
        assert part.dtype == dtype
        found = evaluate(part, array)
        if name in ("j0", "j1", "y0", "y1"):  # SciPy has NaN where the limit is 0
            wanted = np.where(np.isinf(array) & ((array > 0) | (name[0] == "j")), 0, wanted)
        if name == "lambertw":  # SciPy's is complex below -1/e
            wanted = np.where(array < -0.3, np.nan, wanted)
        if name == "gammaln":
            wanted = np.where(np.isinf(array), np.inf, wanted)
        tolerance = 64 * np.finfo(dtype).eps
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", sorted(TWO))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_a_function_of_two_arguments_is_scipys_and_keeps_float32(name, dtype, data):
    first, second = domain(name, 2) if name in TABLE else ((0.2, 4.0), (0.2, 4.0))
    a = np.array([data.draw(within(first)) for _ in range(3)])
    b = np.array([data.draw(within(second)) for _ in range(3)], dtype)
    a = np.rint(np.abs(a)) if name in WHOLE else a
    expected = TWO[name](a.astype("int64") if name in WHOLE else a.astype(dtype), b)
    found = evaluate(getattr(T, name)(*inputs_like(a.astype(dtype), b)), a.astype(dtype), b)
    assert found.dtype == dtype
    tolerance = 1e-11 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * 0.1)


def test_incomplete_beta_is_scipys():
    a, b, x = np.linspace(0.3, 4, 5), np.linspace(3, 0.4, 5), np.linspace(0, 1, 5)
    np.testing.assert_allclose(evaluate(T.betainc(*inputs_like(a, b, x)), a, b, x), special.betainc(a, b, x))


@pytest.mark.parametrize("target", TARGETS)
def test_every_special_function_runs_on_every_target(target):
    """One program of them all, with the gradient of their sum."""
    inputs, arrays, outputs = {}, {}, {}
    for name in NAMES:
        operands = []
        for k, (low, high) in enumerate(domain(name, TABLE[name].arity)):
            if k < PARAMETERS.get(name, 0):
                operands.append(2.0)
                continue
            key = f"x_{low}_{high}".replace(".", "_").replace("-", "m")
            inputs.setdefault(key, go.variable(key, "float64[n]"))
            arrays[key] = np.linspace(low, high, 7)
            operands.append(inputs[key])
        outputs[name] = TABLE[name](*operands)
    slopes = go.grad(sum(T.sum(y) for name, y in outputs.items() if name != "riemann_zeta"), list(inputs.values()),
                     disconnected_inputs="ignore")  # fmt: skip
    outputs |= {f"slope {key}": slope for key, slope in zip(inputs, slopes, strict=True)}
    held = go.function(list(inputs.values()), outputs, target="numpy", pipeline="none", on_unused_input="ignore")
    run = go.function(list(inputs.values()), outputs, target=target, on_unused_input="ignore")
    expected, found = held(*arrays.values()), run(*arrays.values())
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-10, err_msg=name)


def test_whole_orders_are_cs_own_and_others_are_asked_of_scipy():
    x, n, v = T.vector("x"), T.lscalar("n"), T.scalar("v")
    made = [T.jv(0, x), T.jv(1, x), T.jv(3, x), T.jv(n, x), T.jv(v, x), T.jv(0.5, x), T.yn(0, x), T.yv(2, x)]
    assert [y.op.name for y in made] == ["j0", "j1", "jn", "jn", "jv", "jv", "y0", "yn"]
    assert T.jn is T.jv
    with pytest.raises(TypeMismatch, match=r"T\.yv"):
        T.yn(0.5, x)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_an_order_that_is_no_whole_number_gives_nan(name):
    x = np.array([0.5, 1.5])
    assert np.isnan(evaluate(TABLE[name](1.5, *inputs_like(x)), x)).all()


def test_branches_and_orders_with_names_of_their_own():
    x = T.vector("x")
    assert T.lambertw(x).op.name == "lambertw" and T.lambertw(x, -1).op.name == "lambertw_lower"
    with pytest.raises(InvalidArgument, match="k=1"):
        T.lambertw(x, 1)
    assert [T.polygamma(k, x).op.name for k in range(3)] == ["digamma", "trigamma", "polygamma"]
    assert T.zeta(x).op.name == "riemann_zeta" and T.zeta(x, 1.0).op.name == "zeta"


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(["float64", "float32"]))
@settings(max_examples=100, deadline=None)
def test_significand_and_exponent_make_the_number_again(value, dtype):
    with np.errstate(over="ignore"):
        array = np.array([value]).astype(dtype)
    (x,) = inputs_like(array)
    mantissa, exponent = T.frexp(x)
    np.testing.assert_array_equal(evaluate(T.ldexp(mantissa, exponent), array), array)
    np.testing.assert_array_equal(evaluate(mantissa, array), np.frexp(array)[0])
