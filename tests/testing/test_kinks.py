"""At kinks, a derivative must lie between those beside it; no convention that does is accused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import VerificationFailed
from graphopt.ops import TABLE
from graphopt.testing import verify_grad
from graphopt.testing.derivative_mutations import MUTATIONS, Mutant, planted
from graphopt.testing.specimens import SPECIMENS

a = go.variable("a", "float64[3]")
b = go.variable("b", "float64[3]")

KINKED = {
    "absolute": T.abs(a) * b,
    "larger": T.maximum(a, b),
    "smaller": T.minimum(a, b) * a,
    "larger, of numbers": T.fmax(a, b),
    "positive difference": T.fdim(a, b),
    "largest": T.max(a) * b,
    "range": T.max(a) - T.min(b),
    "sorted": T.sort(a) * b,
    "middle": T.sort(a)[1] + T.max(b),
    "clipped": T.clip(a, -1, 1),
    "rectified": T.nnet.relu(a) * T.nnet.relu(b),
    "steps": T.floor(a) + T.sign(b),
    "sign given": T.copysign(a, b),
    "the identity, of kinks that cancel": T.nnet.relu(a) - T.nnet.relu(-a),
    "running extremes": T.max(T.cumsum(a)) + T.min(b * b),
}
VALUES = st.lists(st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0]), min_size=3, max_size=3)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(KINKED)), VALUES, VALUES)
def test_no_right_derivative_is_accused_where_values_tie(name, first, second):
    graph = go.Graph.from_outputs([a, b], KINKED[name])
    assert verify_grad(graph, [(first, second)]).points == 1


def test_the_middle_of_three_that_tie_is_at_a_kink_though_it_has_one_sided_slopes_along_every_axis():
    assert verify_grad(T.sort(a), [[1.0, 1.0, 1.0]]).kinks >= 1
    assert verify_grad(T.sort(a), [[1.0, 1.0, 1.0]], mode="forward").kinks >= 1


def _mutant(op, mutation, position=0):
    (found,) = [one for one in MUTATIONS if one.name == mutation]
    return Mutant(op, found, position)


WRONG = {
    "all of it to each of those that tie": (_mutant("max", "whole at ties"), T.max(a), [1.0, 1.0, 0.0]),
    "nothing to any": (_mutant("max", "nothing at ties"), T.max(a), [1.0, 1.0, 0.0]),
    "the wrong sign": (_mutant("max", "opposite at ties"), T.max(a), [1.0, 1.0, 0.0]),
    "a slope of 2 of what has 1": (_mutant("absolute", "twice at ties"), T.abs(a), [0.0, 1.0, -1.0]),
    "twice to each": (_mutant("min", "twice at ties"), T.min(a), [1.0, 1.0, 2.0]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_lie_between_is_found_and_the_op_named(name):
    mutant, program, point = WRONG[name]
    assert verify_grad(program, [point]).kinks > 0
    with planted(mutant), pytest.raises(VerificationFailed, match=rf"suspect: {mutant.op} \(at .*at a kink, is \("):
        verify_grad(program, [point])


@pytest.mark.parametrize("oracle", ["exact", "finite-difference"])
def test_what_is_smooth_is_not_taken_for_a_kink(oracle):
    with planted(_mutant("exp", "off by a thousandth")), pytest.raises(VerificationFailed, match="suspect: exp"):
        verify_grad(T.exp(a), [[0.5, 1.0, 2.0]], oracle=oracle)


def test_another_convention_is_not_accused():
    with planted(_mutant("max", "first alone at ties", None)):
        assert verify_grad(T.max(a), [[1.0, 1.0, 0.0]]).kinks == 2
    with planted(_mutant("absolute", "whole at ties")):
        assert verify_grad(T.abs(a), [[0.0, 1.0, -1.0]]).kinks == 1


def test_what_is_held_constant_on_purpose_is_not_accused_of_it_at_a_kink():
    held = TABLE["stop_gradient"](b)
    assert verify_grad(T.abs(a) + T.sign(held), [([0.0, 1.0, 2.0], [1.0, 2.0, -3.0])]).kinks >= 1


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in SPECIMENS if name != "stop_gradient"])
@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_no_right_derivative_is_accused_where_conventions_hold(name, mode):
    chance = np.random.default_rng(0)
    order = 1 if name == "det" else 2  # where a matrix has rank 0, the second derivative of its determinant is NaN
    for specimen in SPECIMENS[name]:
        inputs, output = specimen.build()
        points = [specimen.ties(chance)] if specimen.conventions else []
        verify_grad(
            go.Graph.from_outputs(inputs, output), points or [specimen.point(chance)],
            wrt=list(specimen.wrt), order=order, mode=mode,
        )  # fmt: skip
