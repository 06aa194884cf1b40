"""NumPy's functions on variables give what `graphopt.tensor` gives, and on arrays what they always gave."""

import numpy as np
import pytest
import scipy.special

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import TypeMismatch
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.rewrite import V

x, v = go.variable("x", "float64[3, 4]"), go.variable("v", "float64[4]")
VALUES = {"x": np.linspace(0.1, 0.9, 12).reshape(3, 4), "v": np.array([0.5, 1.5, -2.0, 3.0])}


def value(expression):
    with np.errstate(all="ignore"):
        return next(iter(interpret(Graph.from_outputs([x, v], expression), VALUES).values()))


def ufuncs(module, arity):
    found = {}
    for name in dir(module):
        ufunc = getattr(module, name)
        if isinstance(ufunc, np.ufunc) and ufunc.nin == arity and ufunc.nout == 1 and "d->d" in " ".join(ufunc.types):
            found[ufunc.__name__] = ufunc
    return found


UNARY = {**ufuncs(np, 1), **{n: getattr(scipy.special, n) for n in ("erf", "erfc", "expit", "gammaln", "psi")}}
BINARY = ufuncs(np, 2)
UNLIKE = {"vecdot", "matvec", "vecmat", "matmul", "ldexp"}  # not elementwise, or not of two floats


@pytest.mark.parametrize("name", sorted(UNARY))
def test_unary_ufuncs_take_variables(name):
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(value(UNARY[name](x)), UNARY[name](VALUES["x"]), rtol=1e-12)


@pytest.mark.parametrize("name", sorted(BINARY.keys() - UNLIKE))
def test_binary_ufuncs_take_variables_and_arrays_on_either_side(name):
    ufunc = BINARY[name]
    for a, b, first, second in ((x, v, VALUES["x"], VALUES["v"]), (VALUES["x"], v, VALUES["x"], VALUES["v"]),
                                (x, VALUES["v"], VALUES["x"], VALUES["v"]), (x, 2.0, VALUES["x"], 2.0)):  # fmt: skip
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(value(ufunc(a, b)), ufunc(first, second), rtol=1e-12)


def program(x, v):
    """A program in NumPy's manner, of everything there is."""
    parts = [
        np.concatenate([x, VALUES["x"]], axis=0), np.stack([x, x], axis=-1), np.where(x > v, x, 0.0),
        np.clip(x, 0.2, 0.5), np.sum(x, axis=0), np.mean(x, axis=1, keepdims=True), np.std(x), np.max(x, axis=0),
        np.amin(x), np.prod(x), np.var(x, axis=0, ddof=1), np.dot(x, v), x @ v, np.matmul(x, v), np.transpose(x),
        np.reshape(x, (4, 3)), np.ravel(x), np.expand_dims(v, 0), np.squeeze(np.expand_dims(v, 0)), np.flip(x),
        np.roll(x, 1, axis=0), np.diff(x), np.pad(v, 1), np.moveaxis(x, 0, 1), np.swapaxes(x, 0, 1), np.outer(v, v),
        np.broadcast_to(v, (3, 4)), np.zeros_like(x), np.ones_like(x), np.add.reduce(x), np.multiply.reduce(x, axis=1),
        np.subtract.outer(v, v), np.split(v, 2)[1], np.any(x > 1), np.all(x > 0), VALUES["x"] * v, VALUES["x"] @ v,
        np.float64(2) * v, VALUES["v"] - x, np.round(v), np.frexp(v)[0], np.frexp(v)[1], np.modf(v)[1],
        np.add.reduce(x, axis=None), np.add.reduce(x, axis=1, dtype="float32", initial=2.0),
        np.maximum.reduce(x, axis=1, keepdims=True, initial=0.5), np.logical_or.reduce(x > 0.5),
        np.logical_and.reduce(x > 0.5, axis=1), np.add(x, v, dtype="float32"),
        np.add(np.float32(1), v, dtype="float64"), np.multiply.outer(v, 2.0),
        np.less(x, v, dtype=bool), np.add.outer(v, v, dtype="float32"), np.vecdot(x, v), np.matvec(x, v),
        np.vecmat(v, np.transpose(x)), np.vecdot(x, x, axis=0), np.sinc(v), np.i0(v), np.real(v), np.imag(v),
        np.spacing(v), np.divmod(v, 2.0)[1], np.fix(v), np.conj(v),
    ]  # fmt: skip
    return parts, np.shape(x), np.ndim(x), np.size(x)


def test_a_program_in_numpys_manner_runs_on_arrays_and_on_variables():
    symbolic, *facts = program(x, v)
    wanted, *known = program(VALUES["x"], VALUES["v"])
    assert facts == known
    for found, expected in zip(symbolic, wanted, strict=True):
        result = value(found)
        assert result.shape == np.shape(expected)
        assert result.dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(result, expected, rtol=1e-12 if result.dtype != "float32" else 1e-6)


def test_running_combinations_are_numpys_or_say_what_is_missing():
    for ufunc, name in ((np.add, "cumsum"), (np.multiply, "cumprod")):
        if hasattr(T, name):
            np.testing.assert_allclose(value(ufunc.accumulate(x, axis=1)), ufunc.accumulate(VALUES["x"], axis=1))
            np.testing.assert_allclose(value(ufunc.accumulate(x)), ufunc.accumulate(VALUES["x"]))
        else:
            with pytest.raises(TypeMismatch, match=name):
                ufunc.accumulate(x)


def test_pattern_variables_are_taken_as_well():
    assert str(np.log(1 + np.exp(V("a")))) == "log(1 + exp(a))"


@pytest.mark.parametrize(
    ("call", "words"),
    [(lambda: np.sin(x, out=np.empty(3)), "np.sin of symbolic values takes no out="),
     (lambda: np.add(x, v, where=x > 0), "takes no where=.*T.where"), (lambda: np.isnat(x), "dates"),
     (lambda: np.add.at(x, [0], 1.0), r"np.add.at changes memory.*x\.at\[places\]"),
     (lambda: np.add.reduceat(x, [0, 1]), r"x\.at\[places\]"), (lambda: np.divide.reduce(x), "np.divide.reduce has no"),
     (lambda: np.subtract.accumulate(x), "np.subtract.accumulate has no"),
     (lambda: np.exp(x, dtype="int64"), "np.exp of float64.* has no meaning in int64"),
     (lambda: np.add(x, v, casting="unsafe"), "casting"), (lambda: np.linalg.svd(x), "np.linalg.svd takes"),
     (lambda: np.asarray(x), "no array"),
     (lambda: np.partition(x, 1), "np.partition takes"), (lambda: np.sum(x, dtype="float32"), "np.sum of symbolic"),
     (lambda: float(x), "go.function")],
)  # fmt: skip
def test_what_has_no_meaning_gets_one_clear_error(call, words):
    with pytest.raises(TypeMismatch, match=words):
        call()


def test_numpys_functions_take_sizes_as_integers():
    n = go.dim("n")
    y = go.variable("y", "float32[n]")
    for made in (y * np.sqrt(y.shape[0]), np.log(n) + y, y / (np.float64(2) * n)):
        assert made.dtype == "float64" and made.shape == (n,)
    assert np.multiply.outer([1, 2], n).shape == (2,)
    expected = np.sqrt(5) * np.ones(5, "float32") + np.arange(3).sum() * 5
    found = go.function([y], y * np.sqrt(n) + np.sum(np.arange(3) * n))(np.ones(5, "float32"))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_sizes_and_numpys_integers_are_sizes():
    n = go.dim("n")
    three = np.int64(3)
    found = [three * n, n * three, three + n, n - three, three - n, (three * n) // three]
    assert found == [3 * n, 3 * n, n + 3, n - 3, 3 - n, n] and all(isinstance(size, type(n)) for size in found)
    assert (three == n) is (n == three) is False and (three != n) is True


def test_arrays_keep_their_own_functions():
    assert isinstance(np.exp(VALUES["v"]), np.ndarray) and T.exp(VALUES["v"]).dtype == "float64"
