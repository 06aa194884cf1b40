"""`verify_grad` in either mode, with or without stabilizing rewrites, and where positions are computed."""

import dataclasses
import io
from contextlib import redirect_stdout

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument, VerificationFailed
from graphopt.ops import TABLE
from graphopt.ops.define import define
from graphopt.testing import verify_grad

v = go.variable("v", "float64[3]")
w = go.variable("w", "float64[3]")
x = go.variable("x", "float64[5, 9]")


@pytest.fixture
def wrong_in_forward_mode():
    """A sine whose pullback is right and whose pushforward is not."""
    op = define(
        dataclasses.replace(
            TABLE["sin"], name="wrong_sin_under_test", pushforward=lambda tangents, node: tangents[0] * node.operands[0]
        )
    )
    yield op
    del TABLE[op.name]


@go.custom_derivative
def cube(a):
    return a * a * a


@cube.pullback
def _(g, node):
    return [3 * g * T.square(node.operands[0])]


@cube.pushforward
def _(tangents, node):
    return 2 * tangents[0] * T.square(node.operands[0])


RIGHT = {
    "several operands": T.exp(v) * w + T.sort(v),
    "several results": [T.sum(v * w), T.cumsum(T.sin(w))],
    "more elements than are looked at one by one": T.softmax(x, axis=1),
    "a conditional": T.cond(T.sum(v) > 0, v * w, T.sin(v)),
    "what does not vary": [T.floor(v), v],
}


@pytest.mark.parametrize("oracle", ["auto", "finite-difference"])
@pytest.mark.parametrize("name", RIGHT)
def test_right_tangents_pass_to_second_order(name, oracle):
    report = verify_grad(RIGHT[name], 2, mode="forward", order=1 if x is RIGHT[name] else 2, oracle=oracle)
    assert report.compared > 0


@pytest.mark.parametrize("points", [[{"v": np.array([0.3, -1.0, 2.0])}]])
def test_a_wrong_pushforward_is_found_in_forward_mode_alone_and_shown_again(wrong_in_forward_mode, points):
    y = wrong_in_forward_mode(v) * 2
    verify_grad(y, points)
    with pytest.raises(VerificationFailed, match="its pushforward gives") as failure:
        verify_grad(y, points, mode="forward")
    assert "made here in forward mode of output" in str(failure.value)
    program = str(failure.value).partition("to see it again:\n")[2]
    with redirect_stdout(io.StringIO()), pytest.raises(VerificationFailed) as again:
        exec(program, {})
    assert str(again.value).splitlines()[0] == str(failure.value).splitlines()[0]


def test_a_pushforward_of_ones_own_is_told_from_a_right_one():
    verify_grad(cube(v), 2)
    with pytest.raises(VerificationFailed, match=r"with_derivative.*its pushforward gives"):
        verify_grad(cube(v), 2, mode="forward")


def test_one_wrong_element_of_many_is_found_by_projections_of_columns(wrong_in_forward_mode):
    y = x.at[3, 4].set(wrong_in_forward_mode(x[3, 4]))
    with pytest.raises(VerificationFailed, match=r"of output\[3, 4\] with respect to x\[3, 4\] is"):
        verify_grad(y, 1, mode="forward")


def test_without_rewrites_the_ops_as_written_are_differentiated():
    naive = 1 / (1 + T.exp(-v))  # whose derivative as written is 1e-174 · 1e-174 · 1e174, which is 0
    point = {"v": np.full(3, -400.0)}
    assert verify_grad(naive, point).compared == 9
    with pytest.raises(VerificationFailed, match="is 0, but"):
        verify_grad(naive, point, stabilize=False)


def test_positions_that_are_computed_as_floats_make_nothing_uncertain():
    share = go.variable("share", "float64")
    report = verify_grad(T.quantile(v, share), {"v": [0.3, -1.0, 2.0], "share": 0.16}, oracle="finite-difference")
    assert (report.compared, report.kinks) == (4, 0)


def test_a_mode_that_makes_no_sense_is_refused():
    with pytest.raises(InvalidArgument, match="the mode is reverse"):
        verify_grad(v, 1, mode="backward")
    with pytest.raises(InvalidArgument, match="the mode is reverse, or forward for a derivative that is made here"):
        verify_grad(v * v, 1, mode="forward", grad=2 * v)
