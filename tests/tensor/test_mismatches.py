"""What is said when shapes do not go together: in the user's names and with the user's line."""

import inspect
import re

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T

x, z = go.variable("x", "float64[n, 3]"), go.variable("z", "float64[n, 4]")
y, flag = go.variable("y", "float64[4]"), go.variable("flag", "bool[n]")
u, v, w = go.variable("u", "float64[m]"), go.variable("v", "float64[n]"), go.variable("w", "float64[k, l]")
OUTSIDE = "axis 2 is outside x: float64[n, 3]"

WHERE_BUILT = [
    (lambda: x + y, "add(x: float64[n, 3], y: float64[4]): shapes (n, 3) and (4,) do not broadcast: sizes 3 and 4"),
    (lambda: T.exp(x) * 2 - y, "subtract(multiply: float64[n, 3], y: float64[4]): shapes (n, 3) and (4,)"),
    (lambda: T.where(flag, x, y), "where(flag: bool[n], x: float64[n, 3], y: float64[4]): shapes (n,) and (n, 3) and"),
    (
        lambda: x @ y,
        "matmul(x: float64[n, 3], y: float64[4]): cannot multiply shapes (n, 3) and (4,): inner sizes 3 and",
    ),
    (lambda: T.dot(x, np.ones((4, 2))), "cannot multiply shapes (n, 3) and (4, 2): inner sizes 3 and 4 differ"),
    (lambda: y @ np.ones(3), "matmul(y: float64[4], constant: float64[3]): cannot multiply shapes (4,) and (3,)"),
    (
        lambda: go.variable("a", "float64[2, n, n]") @ go.variable("b", "float64[3, n, n]"),
        "matmul(a: float64[2, n, n], b: float64[3, n, n]): cannot multiply shapes (2, n, n) and (3, n, n): leading",
    ),
    (lambda: x @ 2.0, "matmul takes no scalars, found x: float64[n, 3] and constant: float64; use * instead"),
    (
        lambda: T.concatenate([x, z]),
        "concatenate(x: float64[n, 3], z: float64[n, 4]): shapes (n, 3) and (n, 4) cannot be joined along axis 0: "
        "sizes 3 and 4 meet at axis 1",
    ),
    (
        lambda: T.concatenate([x, y]),
        "concatenate(x: float64[n, 3], y: float64[4]): float64[n, 3] and float64[4] cannot",
    ),
    (lambda: T.stack([y, x[0]]), "stack(y: float64[4], squeeze: float64[3]): arrays of different shapes"),
    (lambda: T.reshape(y, (3,)), "reshape(y: float64[4]): cannot reshape (4,) to (3,): 4 elements are not 3"),
    (lambda: T.reshape(y, (3, -1)), "reshape(y: float64[4]): no size makes it (3, -1)"),
    (lambda: y.reshape((-2, -2)), "reshape: sizes are at least 0, or one of them -1, found (-2, -2)"),
    (lambda: T.set_subtensor(y[1:3], np.ones(3)), "a value of shape (3,) does not fit the part, of shape (2,)"),
    (lambda: x.at[0].add(y), "a value of shape (4,) does not fit the part, of shape (3,)"),
    (lambda: T.broadcast_to(y, (2, 5)), "broadcast_to(y: float64[4]): shapes (1, 4) and (2, 5) do not broadcast"),
    (lambda: T.transpose(x, (0, 0)), "transpose(x: float64[n, 3]): (0, 0) does not permute the 2 axes of shape (n, 3)"),
    (lambda: T.squeeze(x, 1), "squeeze(x: float64[n, 3]): axis 1 of shape (n, 3) is not 1"),
    (lambda: T.softmax(x, axis=2), f"softmax: {OUTSIDE}"),
    (lambda: T.log_softmax(x, axis=2), f"log_softmax: {OUTSIDE}"),
    (lambda: x.sum(axis=2), f"sum: {OUTSIDE}"),
    (lambda: x.mean(axis=2), f"mean: {OUTSIDE}"),
    (lambda: T.std(x, axis=2), f"var: {OUTSIDE}"),
    (lambda: T.max(x, axis=-3), "max: axis -3 is outside x: float64[n, 3]"),
    (lambda: T.argmax(x, axis=2), f"argmax: {OUTSIDE}"),
    (lambda: T.flip(x, axis=2), f"flip: {OUTSIDE}"),
    (lambda: T.sum(x, axis=(0, -2)), "sum: axis (0, -2) names an axis twice"),
    (lambda: T.moveaxis(x, 4, 0), "moveaxis: axis 4 is outside an array of rank 2"),
    (lambda: y[7], "index 7 is outside axis 0 of 4 elements"),
    (lambda: x[0, 0, 0], "3 indices for an array of rank 2, x: float64[n, 3]"),
    (lambda: T.split(y, 3), "split: 4 elements do not divide into 3 equal parts"),
    (lambda: x & 1, "bitwise_and(x: float64[n, 3], 1): bitwise_and has no meaning for float64, int"),
]


def first_line(function):
    """Where the body of a lambda begins, or the lambda itself: what a message may say."""
    start = inspect.getsourcelines(function)[1]
    return [f"{__file__}:{line}" for line in range(start, start + 3)]


@pytest.mark.parametrize(("build", "words"), WHERE_BUILT)
def test_a_mismatch_that_can_be_known_is_raised_where_the_expression_is_built(build, words):
    with pytest.raises(go.GraphoptError, match=re.escape(words)) as caught:
        build()
    assert any(line in str(caught.value) for line in first_line(build)), caught.value


ones = np.ones
M = "(m = 3 is axis 0 of u"
AT_THE_CALL = [
    (
        lambda: u + v,
        {"u": ones(3), "v": ones(4)},
        ["argument v has shape (4,): axis 0 is 4, expected m = 3 (from axis 0 of u)", "add"],
    ),
    (
        lambda: u * v,
        {"u": ones(1), "v": ones(4)},
        ["argument v has shape (4,): axis 0 is 4, expected m = 1 (from axis 0 of u)", "stretched only where the type"],
    ),
    (
        lambda: x @ w,
        {"x": ones((2, 3)), "w": ones((4, 5))},
        ["argument w has shape (4, 5): axis 0 is 4, expected 3", "matmul"],
    ),
    (
        lambda: T.dot(w, u),
        {"w": ones((2, 3)), "u": ones(4)},
        ["argument u has shape (4,): axis 0 is 4, expected l = 3 (from axis 1 of w)", "matmul"],
    ),
    (
        lambda: T.where(flag, u, v),
        {"flag": ones(3, bool), "u": ones(4), "v": ones(3)},
        ["argument u has shape (4,): axis 0 is 4, expected n = 3 (from axis 0 of flag)", "where"],
    ),
    (
        lambda: T.concatenate([w, z]),
        {"w": ones((2, 3)), "z": ones((4, 4))},
        ["argument w has shape (2, 3): axis 1 is 3, expected 4", "concatenate"],
    ),
    (
        lambda: T.concatenate([u, u]) + v,
        {"u": ones(3), "v": ones(3)},
        [f"sizes 2*m = 6 and n = 3 must be equal {M}, n = 3 is axis 0 of v)", "add"],
    ),
    (
        lambda: T.reshape(w, (2, 6)),
        {"w": ones((2, 3))},
        ["sizes k*l = 6 and 12 must be equal (k = 2 is axis 0 of w, l = 3 is axis 1 of w)", "reshape"],
    ),
    (
        lambda: T.set_subtensor(u[1:], v),
        {"u": ones(3), "v": ones(3)},
        [f"sizes n = 3 and max(m - 1, 0) = 2 must be equal {M}, n = 3 is axis 0 of v)"],
    ),
    (lambda: u[5], {"u": ones(3)}, [f"size m is 3: there is no element at index 5 {M})", "slice"]),
    (lambda: u[-5], {"u": ones(3)}, [f"there is no element at index m - 5 = -2 {M})", "slice"]),
    (lambda: T.max(u), {"u": ones(0)}, ["size m is 0", "(m = 0 is axis 0 of u)", "max"]),
    (
        lambda: w @ go.shared(ones((3, 2)), name="W"),
        {"w": ones((2, 4))},
        ["argument w has shape (2, 4): axis 1 is 4, expected 3", "matmul"],
    ),
]  # fmt: skip


@pytest.mark.parametrize("pipeline", ["default", "none"])
@pytest.mark.parametrize(("build", "arrays", "words"), AT_THE_CALL)
def test_a_mismatch_that_the_call_finds_names_arguments_axes_and_the_line(build, arrays, words, pipeline):
    by_name = {variable.name: variable for variable in (x, y, z, u, v, w, flag)}
    f = go.function([by_name[name] for name in arrays], build(), target="numpy", pipeline=pipeline)
    with pytest.raises(go.ShapeMismatch) as caught:
        f(**arrays)
    message = str(caught.value)
    assert all(part in message for part in words), message
    assert any(line in message for line in first_line(build)), message


def test_names_of_sizes_are_inferred_through_a_program():
    f = go.function([u, v, w], T.exp(w @ u) + v, target="numpy")
    assert [str(f.graph.type(node)) for node in f.graph.inputs.values()] == [
        "float64[m]",
        "float64[n]",
        "float64[n, m]",
    ]


def test_sizes_that_can_never_agree_are_found_when_the_function_is_made():
    other = go.variable("other", "float64[n + 1]")
    with pytest.raises(
        go.ShapeMismatch, match=re.escape("multiply: sizes m and n + 1 = m + 1 must be equal")
    ) as caught:
        go.function([u, v, other], [u + v, u * other])
    assert __file__ in str(caught.value)


def test_a_size_that_only_a_formula_mentions_is_asked_for():
    double = go.variable("double", "float64[2*p]")
    f = go.function([double], T.sum(double), target="numpy")
    with pytest.raises(go.InvalidArgument, match=re.escape("argument double: axis 0 is 2*p, and no argument has p")):
        f(ones(4))
    p = go.variable("p", "float64[p]")
    g = go.function([double, p], T.sum(double) + T.sum(p), target="numpy")
    with pytest.raises(
        go.ShapeMismatch, match=re.escape("argument double has shape (5,): axis 0 is 5, expected 2*p = 4")
    ):
        g(ones(5), ones(2))


def test_reasons_outlive_a_pickle():
    import pickle

    f = pickle.loads(pickle.dumps(go.function([w], T.reshape(w, (2, 6)), target="numpy")))
    with pytest.raises(go.ShapeMismatch, match=re.escape(__file__)):
        f(ones((2, 3)))
