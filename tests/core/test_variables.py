"""Variables: operators, constants, origins, and what a symbolic value refuses."""

import threading

import numpy as np
import pytest

import graphopt.tensor as T
from graphopt.config import config
from graphopt.dimensions import dim
from graphopt.errors import GraphoptError, InvalidArgument, ShapeMismatch, TypeMismatch
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.variable import Variable, variable


def value(output, **arrays):
    inputs = [variable_of[name] for name in arrays]
    (found,) = interpret(Graph.from_outputs(inputs, output), arrays).values()
    return found


variable_of = {"x": variable("x", "float64[3]"), "i": variable("i", "int64[3]"), "b": variable("b", "bool[3]")}
x, i, b = variable_of.values()
AT = {"x": np.array([-1.5, 0.5, 2.0]), "i": np.array([-3, 1, 6]), "b": np.array([True, False, True])}


@pytest.mark.parametrize(
    "formula",
    [
        lambda x, i, b: x + 1,
        lambda x, i, b: 1 + x,
        lambda x, i, b: x - 0.5,
        lambda x, i, b: 2 - x,
        lambda x, i, b: 3 * x,
        lambda x, i, b: x / 4,
        lambda x, i, b: 1 / x,
        lambda x, i, b: i // 2,
        lambda x, i, b: 7 // i,
        lambda x, i, b: x % 0.75,
        lambda x, i, b: 7 % i,
        lambda x, i, b: x**2,
        lambda x, i, b: 2.0**x,
        lambda x, i, b: -x,
        lambda x, i, b: +x,
        lambda x, i, b: abs(x),
        lambda x, i, b: x < 1,
        lambda x, i, b: x <= 0.5,
        lambda x, i, b: x > 1,
        lambda x, i, b: x >= 0.5,
        lambda x, i, b: x == 0.5,
        lambda x, i, b: x != 0.5,
        lambda x, i, b: i & 3,
        lambda x, i, b: 3 & i,
        lambda x, i, b: i | 8,
        lambda x, i, b: 8 | i,
        lambda x, i, b: i ^ 5,
        lambda x, i, b: 5 ^ i,
        lambda x, i, b: ~i,
        lambda x, i, b: ~b,
        lambda x, i, b: b & (x > 0),
        lambda x, i, b: i << 2,
        lambda x, i, b: 1 << abs(i),
        lambda x, i, b: i >> 1,
        lambda x, i, b: 64 >> abs(i),
        lambda x, i, b: np.array([1.0, 2.0, 3.0]) * x,
        lambda x, i, b: x - np.array([1.0, 2.0, 3.0]),
        lambda x, i, b: np.float64(2) * x,
        lambda x, i, b: np.array([1.0, 2.0, 3.0]) < x,
        lambda x, i, b: x @ np.arange(6.0).reshape(3, 2),
        lambda x, i, b: np.arange(6.0).reshape(2, 3) @ x,
        lambda x, i, b: x.sum() + x.mean() + x.max() * x.min() - x.prod() + x.std() + x.var(),
        lambda x, i, b: x.reshape((3, 1)) * x,
        lambda x, i, b: b.any() | b.all(),
        lambda x, i, b: x.dot(x),
        lambda x, i, b: [1, 2, 3] + x,  # noqa: RUF005
    ],
)
def test_an_operator_means_what_it_means_for_arrays(formula):
    expected = np.asarray(formula(**AT))
    found = value(formula(x, i, b), **AT)
    assert isinstance(formula(x, i, b), Variable)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-14)


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "hint"),
    [
        (lambda: bool(x > 0), "T.where"),
        (lambda: 1 if x == 0 else 2, "T.where"),
        (lambda: x in [x + 1], "T.where"),
        (lambda: 3 in x, "T.any"),
        (lambda: float(T.scalar("s")), "go.function"),
        (lambda: int(T.scalar("s")), "go.function"),
        (lambda: [1, 2][T.lscalar("s")], "go.function"),
        (lambda: len(T.vector("v")), "x.shape"),
        (lambda: list(T.matrix("m")), "unknown length"),
        (lambda: [e + 1 for e in T.vector("v")], "unknown length"),
        (lambda: x + [[1], [1, 2]], "ragged"),  # noqa: RUF005
        (lambda: x + 1j, "complex"),
        (lambda: x * np.array([1j]), "complex128 is not supported"),
        (lambda: x + "1", "not supported"),
        (lambda: x + None, "not supported"),
        (lambda: x + object(), "not supported"),
        (lambda: T.constant([x, x]), "no array"),
        (lambda: variable("v", "float16"), "float16 is not supported"),
        (lambda: variable("v", "quaternion[3]"), "quaternion is not supported"),
        (lambda: x.sum(axis=1), "axis 1 is outside"),
        (lambda: x.sum(axis=(0, 0)), "names an axis twice"),
        (lambda: x.sum(axis=0.5), "axis must be an integer"),
        (lambda: T.bvector("v") + 300, "300 does not fit int8"),
        (lambda: x @ 2.0, "no scalars"),
        (lambda: variable("", "float64"), "non-empty text"),
        (lambda: T.no_such_function, "no_such_function"),
        (lambda: config.using(floatX="float16").__enter__(), "floatX"),
    ],
)
def test_bad_use_gets_one_clear_error(use, hint):
    with pytest.raises((GraphoptError, AttributeError), match=hint):
        use()


def test_the_length_of_a_variable_is_known_where_its_type_says_it():
    assert len(x) == 3


def test_an_error_names_the_operands_and_the_line():
    price, weight = variable("price", "float64[3]"), variable("weight", "float64[4]")
    with pytest.raises(ShapeMismatch) as caught:
        price * weight
    assert str(caught.value).startswith("multiply(price: float64[3], weight: float64[4]): shapes (3,) and (4,)")
    assert "test_variables.py" in str(caught.value)


def test_errors_are_the_builtins_a_python_user_expects():
    with pytest.raises(ValueError):
        x + variable("y", "float64[4]")
    with pytest.raises(TypeError):
        x & x


# --- constants, names, origins -----------------------------------------------------------------------------------


def test_constants_keep_numpys_dtypes_and_the_sign_of_zero():
    assert T.constant(3).dtype == "int64"
    assert T.constant(True).dtype == "bool"
    assert T.constant(np.float32(2)).dtype == "float32"
    assert T.constant([1, 2]).type == T.constant(np.array([1, 2])).type
    assert T.constant(-0.0).attributes != T.constant(0.0).attributes
    assert T.constant(float("nan")).attributes == T.constant(float("nan")).attributes


def test_a_constant_array_is_not_changed_by_changing_what_it_was_made_from():
    array = np.array([1.0, 2.0])
    held = T.constant(array)
    array[0] = 5
    assert held.attributes["value"].array[0] == 1
    with pytest.raises(ValueError):
        held.attributes["value"].array[0] = 7


def test_a_dimension_is_a_weak_integer():
    n = dim("n")
    v = variable("v", "float32[n]")
    assert v.shape[0] == n
    assert (v / n).dtype == "float32"
    (found,) = interpret(Graph.from_outputs([v], T.sum(v) / n), {"v": np.ones(4, "float32")}).values()
    assert found == 1


def test_a_variable_knows_the_users_line_even_beside_the_package():
    y = T.exp(x)
    first = test_a_variable_knows_the_users_line_even_beside_the_package.__code__.co_firstlineno
    assert str(y.origin).endswith(f"test_variables.py:{first + 1}")
    code = compile("y = x + 1", __import__("graphopt").__path__[0] + "_examples/mine.py", "exec")
    scope = {"x": x}
    exec(code, scope)
    assert "mine.py:1" in str(scope["y"].origin)


def test_the_text_of_an_expression_is_mathematics():
    s, t = T.scalars("s t")
    assert str((s + 1) * t) == "(s + 1) * t"
    assert str(s - (t - 1)) == "s - (t - 1)"
    assert str(-(s + t)) == "-(s + t)"
    assert str((-s) ** 2) == "(-s)**2"
    assert str(T.log(1 + T.exp(s))) == "log(1 + exp(s))"
    assert str(T.constant(-2.0) ** s) == "(-2)**s"
    assert repr(s) == "<s: float64>"


def test_the_default_float_type_is_local_to_a_context():
    seen = []
    with config.using(floatX="float32"):
        assert T.scalar("s").dtype == "float32"
        thread = threading.Thread(target=lambda: seen.append(T.scalar("s").dtype))
        thread.start()
        thread.join()
    assert seen == ["float64"]
    assert T.scalar("s").dtype == "float64"


def test_constructors_make_every_rank_and_dtype():
    assert str(T.row("r").type).startswith("float64[1, ")
    assert T.tensor4("t").ndim == 4
    assert [v.name for v in T.fmatrices("a b")] == ["a", "b"]
    assert T.fmatrices("a b")[0].dtype == "float32"
    assert T.zeros((2, dim("n"))).shape == (2, dim("n"))
    assert T.ones_like(i).dtype == "int64"
    assert T.full((2,), 0.5, "float32").dtype == "float32"
    with pytest.raises(InvalidArgument, match="scalar to fill"):
        T.full((2,), [1, 2])
    with pytest.raises(TypeMismatch):
        T.full((2,), 1, "complex64")
