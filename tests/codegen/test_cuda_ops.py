"""Every elementwise op, for every dtype it takes, as CUDA text under emulation: one translation unit."""

import itertools

import cuda_corpus as corpus
import numpy as np

import graphopt as go
import graphopt.tensor as T
from graphopt.interpret import interpret
from graphopt.types import DTYPES

EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.0, 7.25, 30.0, -30.0, 1e-30, -1e-40, 88.0, np.inf, -np.inf, np.nan]
INTEGER_EDGES = [0, 1, 2, 3, 5, 7, 8, 31, 64, 100]

# Units in the last place that an op's two implementations may differ by, where they are many because the one that the
# interpreter uses is not exact, a zero of the function is near, or hundreds of orders are gone through.
LOOSE = {"digamma": 256, "jn": 4096, "yn": 4096}
OSCILLATING = {"j0", "j1", "jn", "y0", "y1", "yn"}
"""Held to units of 1, the size of their waves, for arguments up to a thousand: SciPy reduces larger ones less well."""
USUAL = 4


def operands_of(dtype, length):
    """Three arrays that meet every pair of edges, and random numbers behind them."""
    rng = np.random.default_rng(length)
    edges = EDGES if dtype.startswith("float") else [False, True] if dtype == "bool" else INTEGER_EDGES
    if dtype.startswith("int"):
        edges = [*edges, -1, -2, -7, np.iinfo(dtype).min, np.iinfo(dtype).max]
    elif dtype.startswith("uint"):
        edges = [*edges, np.iinfo(dtype).max]
    pairs = np.array(list(itertools.product(edges, edges)), object)
    more = rng.choice(np.array(edges, object), (length - len(pairs), 2))
    a, b = np.concatenate([pairs, more]).T
    c = rng.choice(np.array(edges, object), length)
    with np.errstate(all="ignore"):
        return [array.astype(dtype) for array in (a, b, c)]


def test_every_elementwise_op_agrees_for_every_dtype_it_takes():
    case = corpus.every_op()
    assert {name.rsplit("_", 1)[0] for name in case.graph.outputs} >= set(corpus.ELEMENTWISE)
    arrays = {}
    for dtype in DTYPES:
        for letter, array in zip("abc", operands_of(dtype, 300), strict=True):
            arrays[f"{letter}_{dtype}"] = array
    with np.errstate(all="ignore"):
        expected = interpret(case.written, arrays)
    found = case.run(arrays, seed=1)
    wrong = []
    for output, value in expected.items():
        name, dtype = output.rsplit("_", 1)
        got = found[output]
        if value.dtype.kind == "f":
            units = LOOSE.get(name, USUAL)
            unit = units * np.finfo(value.dtype).eps
            least = unit if name in OSCILLATING else np.finfo(value.dtype).tiny
            ok = np.isclose(got, value, rtol=unit, atol=least, equal_nan=True)
            if name in OSCILLATING:
                x = arrays[f"{'b' if name.endswith('n') else 'a'}_{dtype}"].astype(float)
                ok |= np.isfinite(x) & (np.abs(x) > 1000)
        else:
            ok = got == value
        if not ok.all():
            k = int(np.argmin(ok))
            operands = [arrays[f"{letter}_{dtype}"][k] for letter in "abc" if f"{letter}_{dtype}" in arrays]
            wrong.append(f"{output}{operands}: {got[k]!r}, not {value[k]!r} ({(~ok).sum()} more)")
    assert not wrong, "\n".join(wrong)


def test_int64_and_uint64_are_compared_as_numbers_in_every_target():
    a, b = go.variable("a", "int64[n]"), go.variable("b", "uint64[n]")
    signed, unsigned = np.array([-1, 0, 5, 2**63 - 1, -(2**63)]), np.array([2**64 - 1, 0, 5, 2**63, 2**63], "uint64")
    names = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    outputs = [getattr(T, name)(*pair) for name in names for pair in ((a, b), (b, a))]
    expected = [getattr(np, name)(*pair) for name in names for pair in ((signed, unsigned), (unsigned, signed))]
    for target in ("numpy", "c", "cuda-emulated"):
        results = go.function([a, b], outputs, target=target)(signed, unsigned)
        np.testing.assert_array_equal(results, expected)
