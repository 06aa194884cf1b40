"""Every ufunc in NumPy's namespace has a function here, for the same dtypes and with the same values, or a reason."""

import itertools

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import TypeMismatch
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.tensor.protocols import REFUSED
from graphopt.types import DTYPES

UFUNCS = {name: f for name in dir(np) if isinstance(f := getattr(np, name), np.ufunc)}
PRODUCTS = {name for name, ufunc in UFUNCS.items() if ufunc.signature}
ELEMENTWISE = sorted(UFUNCS.keys() - PRODUCTS - REFUSED.keys())
TYPES = {name: list(itertools.product(DTYPES, repeat=UFUNCS[name].nin)) for name in ELEMENTWISE}

IN_C = {"bool", "int16", "uint64", "float32", "float64"}

STANDARD = """
    abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or
    bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide equal exp expm1 floor floor_divide greater
    greater_equal hypot imag isfinite isinf isnan less less_equal log log10 log1p log2 logaddexp logical_and logical_not
    logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive pow real reciprocal remainder
    round sign signbit sin sinh sqrt square subtract tan tanh trunc
"""
"""The elementwise functions of the array API standard, version 2023.12."""


def sample(dtype, position):
    """Three values that most functions of the dtype are defined for."""
    if dtype == "bool":
        return np.array([position == 0, True, True])
    if dtype.startswith("float"):
        return np.array([[0.25, -1.5, 3.0], [2.0, 0.5, -0.75]][position], dtype)
    return np.array([[1, 6, 77], [1, 3, 2]][position], dtype)


def numpys(name, arrays):
    """NumPy's results, in float32 where it would go on in half precision; None if it has no loop for the dtypes."""
    with np.errstate(all="ignore"):
        try:
            results = UFUNCS[name](*arrays)
            if np.float16 in [part.dtype for part in listed(results)]:
                narrow = [a.astype("float32") if a.dtype.itemsize == 1 else a for a in arrays]
                results = UFUNCS[name](*(narrow if name != "ldexp" else [narrow[0], arrays[1]]))
        except TypeError:
            return None
    return [np.asarray(part) for part in listed(results)]


def listed(results):
    return list(results) if isinstance(results, tuple) else [results]


def cases(name):
    """For each combination of dtypes that NumPy takes: inputs, arrays, our results and NumPy's."""
    for dtypes in TYPES[name]:
        arrays = [sample(dtype, k) for k, dtype in enumerate(dtypes)]
        inputs = [go.variable(f"{dtype}_{k}", f"{dtype}[3]") for k, dtype in enumerate(dtypes)]
        expected = numpys(name, arrays)
        if expected is None:
            with pytest.raises(TypeMismatch):
                pytest.fail(f"T.{name} takes {dtypes}: {getattr(T, name)(*inputs)}")
        else:
            yield inputs, arrays, listed(getattr(T, name)(*inputs)), expected


def close(found, expected, units):
    if found.dtype != expected.dtype:
        return False
    tolerance = units * np.finfo(found.dtype).eps if found.dtype.kind == "f" else 0
    return np.allclose(found, expected, rtol=tolerance, atol=0, equal_nan=True)


def test_every_ufunc_has_a_function_or_a_reason():
    assert {name for name in UFUNCS if name not in T.__all__} == REFUSED.keys()
    for name in REFUSED:
        with pytest.raises(TypeMismatch, match=REFUSED[name]):
            UFUNCS[name](T.vector("x"))


def test_every_elementwise_function_of_the_array_standard_is_here():
    assert [name for name in STANDARD.split() if name not in T.__all__] == []


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_ufunc_has_numpys_dtypes_and_values_for_all_dtypes(name):
    wrong = []
    for inputs, arrays, made, expected in cases(name):
        graph = Graph.from_outputs(inputs, made)
        found = interpret(graph, {x.name: array for x, array in zip(inputs, arrays, strict=True)}).values()
        wrong += [
            f"{name}{arrays} is {part!r}, not {wanted!r}"
            for part, wanted in zip(found, expected, strict=True) if not close(part, wanted, 4)
        ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_every_ufunc_has_numpys_dtypes_and_values_in_c():
    """One program: every ufunc for a dtype of each kind, both operands of the same."""
    shared, outputs, wanted = {}, {}, {}
    for name in ELEMENTWISE:
        for inputs, _, _, expected in cases(name):
            dtypes = {x.dtype for x in inputs}
            if len(dtypes) == 1 and dtypes <= IN_C:
                operands = [shared.setdefault(x.name, x) for x in inputs]
                for k, part in enumerate(listed(getattr(T, name)(*operands))):
                    outputs[f"{name} {k} {inputs[0].dtype}"], wanted[f"{name} {k} {inputs[0].dtype}"] = (
                        part,
                        expected[k],
                    )
    arrays = [sample(x.dtype, int(x.name[-1])) for x in shared.values()]
    found = go.function(list(shared.values()), outputs)(*arrays)
    wrong = [
        f"{key} is {found[key]!r}, not {value!r}" for key, value in wanted.items() if not close(found[key], value, 8)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "shapes"),
    [("matmul", ((2, 3), (3, 4))), ("vecdot", ((2, 3), (3,))), ("vecdot", ((0,), (0,))),
     ("vecdot", ((2, 1, 3), (4, 3))),
     ("matvec", ((2, 3), (3,))), ("matvec", ((2, 1, 3, 3), (4, 3))), ("vecmat", ((2,), (2, 3))),
     ("vecmat", ((5, 1, 2), (4, 2, 3)))],
)  # fmt: skip
def test_a_product_is_numpys(name, shapes, dtype):
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 2 if dtype == "bool" else 5, shape).astype(dtype) for shape in shapes]
    inputs = [go.variable(f"x{k}", f"{dtype}{list(a.shape)}") for k, a in enumerate(arrays)]
    graph = Graph.from_outputs(inputs, getattr(T, name)(*inputs))
    (found,) = interpret(graph, {f"x{k}": a for k, a in enumerate(arrays)}).values()
    expected = np.asarray(UFUNCS[name](*arrays))
    assert found.dtype == expected.dtype and found.shape == expected.shape
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("name", "operands", "words"),
    [("vecdot", ("float64", "float64[3]"), "vecdot takes a vector"),
     ("matvec", ("float64[3]", "float64[3]"), "matvec takes a matrix"),
     ("vecmat", ("float64[3]", "float64[3]"), "vecmat takes a matrix"),
     ("vecdot", ("float64[3]", "float64[4]"), "shapes")],
)  # fmt: skip
def test_products_of_other_ranks_and_sizes_are_refused(name, operands, words):
    with pytest.raises(go.ShapeMismatch, match=words):
        getattr(T, name)(*[go.variable(f"x{k}", type) for k, type in enumerate(operands)])
