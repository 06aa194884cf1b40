"""`verify_pass` names the promise that a pass breaks, and accuses no pass that keeps them all."""

import importlib

import misbehaving
import numpy as np
import pytest
import sympy
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument
from graphopt.graph import Graph
from graphopt.rewrite import Pipeline
from graphopt.testing import PassFailed, strategies, verify_pass

x, y = go.variable("x", "float64[n]"), go.variable("y", "float64[n]")
matrix = go.variable("m", "float64[n, k]")
table = T.asarray(np.array([1.0, 2.0, 3.0]))

ONE = Graph.from_outputs([x], {"a": T.square(x) * 2.0})
TWO = Graph.from_outputs([x, y], {"a": T.square(x), "b": T.exp(y)})
MATRIX = Graph.from_outputs([matrix], {"a": T.square(matrix)})
UNUSED = Graph.from_outputs([x, y], {"a": T.square(x)})
TABLE = Graph.from_outputs([fixed := go.variable("x", "float64[3]")], {"a": fixed * table})
CHECKED = Graph.from_outputs([x], {"a": T.check(x, T.all(x > 5.0), "too small")})
SUM = Graph.from_outputs([x], {"a": T.sum(x)})

BROKEN = {
    "Narrows": (ONE, "types", "output a is float32[n], but float64[n] as written"),
    "Transposes": (MATRIX, "types", "output a is float64[k, n], but float64[n, k] as written"),
    "Swaps": (TWO, "values", "output a[0] on numpy is"),
    "Reorders": (TWO, "outputs", "the outputs are b, a, in another order"),
    "Renames": (ONE, "outputs", "the outputs are a_optimized, but a as written"),
    "DropsChecks": (CHECKED, "outputs", "was dropped, and it does not hold"),
    "DropsInputs": (UNUSED, "inputs", "the inputs are x, but x, y as written"),
    "AddsToConstants": (TABLE, "no mutation", "the program that was copied was changed in place"),
    "Counts": (ONE, "no mutation", "changed by its own run: runs"),
    "NegatesTwice": (ONE, "idempotence", "a second run changes what the first one left by negates-twice: twice"),
    "NegatesAtTimes": (ONE, "determinism", "two runs over the same graph differ"),
    "WrongWhenShuffled": (ONE, "shuffled values", "in the order of seed="),
    "StopsGradients": (ONE, "gradients", "the derivative of the outputs with respect to x[0] is"),
    "NotForNaN": (ONE, "values", "but np.float64(nan) as written; allowed: the same bits"),
    "WrongOverNothing": (SUM, "values", "output a[] on numpy is np.float64(1.0), but np.float64(0.0) as written"),
    "Doubles": (ONE, "values", "output a[0] on numpy is"),
    "Raises": (ONE, "rewriting", "rewriting fails"),
    "MakesACycle": (ONE, "rewriting", "rewriting fails"),
    "FailsAtTimes": (ONE, "determinism", "now and then"),
    "RefusesValues": (ONE, "values", "the rewritten program refuses the values: ValueError: not positive"),
    "WritesToInputs": (ONE, "no mutation", "on numpy writes to its input x"),
}


@pytest.fixture(autouse=True)
def no_op_stays():
    """What passes define is gone afterwards."""
    from graphopt.ops import TABLE as OPS

    before = set(OPS)
    yield
    for name in set(OPS) - before:
        del OPS[name]


def found(steps, program, **options):
    with pytest.raises(PassFailed) as caught:
        verify_pass(steps, program, **{"targets": ("numpy",), "examples": 3, **options})
    return caught.value


@pytest.mark.parametrize("name", BROKEN)
def test_a_pass_that_breaks_one_promise_is_found_and_the_promise_named(name):
    program, property, said = BROKEN[name]
    kind = getattr(misbehaving, name)
    failure = found(kind(), program)
    assert failure.property == property, str(failure)
    assert said in str(failure)
    assert failure.step == kind.name and failure.target == "numpy"


def test_a_pass_that_is_wrong_in_float32_alone_is_found_among_drawn_programs():
    failure = found(misbehaving.WrongInFloat32(), None, examples=20)
    assert failure.property == "values" and "float32" in str(failure)
    assert len(failure.graph) <= 2


def test_a_pass_that_is_wrong_in_c_alone_is_found_there_on_a_small_program():
    drawn = st.sampled_from([T.exp(x * 2.0) + T.sum(x), T.sqrt(T.square(x * 2.0) + 1.0)])
    failure = found(misbehaving.WrongInC(), drawn, targets=("numpy", "c"))
    assert (failure.property, failure.target) == ("values", "c")
    assert "the target is to blame" not in str(failure)
    assert len(failure.graph) <= 3


def test_what_is_shown_is_reduced_and_what_was_drawn_is_there_as_well():
    wide = T.exp(T.sin(x)) * T.square(T.cos(x)) + T.sum(x)
    failure = found(misbehaving.StopsGradients(), st.just(wide))
    assert failure.property == "gradients" and [failure.graph.op(n).name for n in failure.graph] == ["input", "square"]
    assert len(failure.drawn) == len(Graph.from_outputs([x], wide))
    given = found(misbehaving.StopsGradients(), wide)
    assert len(given.graph) == len(given.drawn) == len(failure.drawn)


def test_a_program_that_fails_before_any_pass_is_said_to_fail_itself():
    def third(x):
        return np.broadcast_to(x[3], x.shape)

    program = Graph.from_outputs([x], misbehaving.own_op("third", numpy=third)(x))
    failure = found("canonicalize,cse", program, inputs={"x": [1.0, 2.0]})
    assert str(failure).startswith("the program itself fails, before any pass: IndexError: index 3 is out of bounds")
    assert (failure.property, failure.step, failure.graph) == ("program", "", program)


def test_what_a_target_cannot_run_after_a_pass_but_could_before_is_found():
    failure = found(misbehaving.OnlyForNumPy(), ONE, targets=("c",))
    assert failure.target == "c" and "the target c fails" in str(failure)


@pytest.mark.parametrize("name", ["DoesNothing", "PlansWildly"])
def test_a_right_pass_is_accused_of_nothing(name):
    targets = ("c",) if name == "DoesNothing" else ("c", "cuda-emulated")
    report = verify_pass(getattr(misbehaving, name)(), strategies.graphs(max_nodes=4), targets, examples=4)
    assert report.targets == dict.fromkeys(targets, 4) and report.worst <= 1
    assert report.sets["drawn"] == report.idempotent == 4 and report.gradients.compared


@pytest.mark.parametrize("steps", ["lower", "default", "canonicalize"])
def test_derivatives_that_lowering_is_meant_to_forget_are_compared_before_it(steps):
    @go.custom_derivative
    def halved(x):
        return T.square(x)

    halved.pullback(lambda g, node: [g * 0.5])
    stopped = T.cond(T.sum(x) > 0, T.stop_gradient(x) * x, x)
    report = verify_pass(steps, [halved(x) * x, T.stop_gradient(x) * x, stopped], ("numpy",), examples=2)
    assert report.gradients.compared and not report.gradients.undifferentiable


def test_who_spoils_derivatives_before_lowering_is_named():
    program = Graph.from_outputs([x], {"a": T.stop_gradient(x) + T.square(x)})
    steps = Pipeline.parse("cse,lower").with_(misbehaving.StopsGradients(), after="cse")
    failure = found(steps, program)
    assert (failure.property, failure.step) == ("gradients", misbehaving.StopsGradients.name)


def test_the_pass_to_blame_is_named_in_a_pipeline():
    steps = Pipeline.parse("canonicalize,cse,dead-code").with_(misbehaving.Doubles(), after="canonicalize")
    failure = found(steps, ONE)
    assert failure.step == "doubles"
    assert str(failure).startswith("pass doubles of the pipeline canonicalize,doubles,cse,dead-code breaks 'values'")
    assert found(steps.without("doubles").with_(misbehaving.Counts()), ONE).step.startswith("counts")


@pytest.mark.parametrize("name", ["Swaps", "StopsGradients", "NotForNaN", "WrongOverNothing", "Renames"])
def test_the_program_that_a_failure_prints_fails_again(name):
    program, property, _ = BROKEN[name]
    first = found(getattr(misbehaving, name)(), program)
    text = str(first).partition("to see it again:\n")[2]
    importlib.reload(misbehaving)
    with pytest.raises(PassFailed) as again:
        exec(text, {})
    assert again.value.property == property
    assert str(again.value).partition("\n")[0] == str(first).partition("\n")[0]


def test_a_failing_seed_draws_the_failing_program_again():
    drawn = strategies.graphs(dtypes=("float64", "float32"), max_nodes=2)
    first = found(misbehaving.WrongInFloat32(), drawn, examples=20, seed=5)
    assert first.seed >= 5
    again = found(misbehaving.WrongInFloat32(), drawn, examples=1, seed=first.seed)
    assert str(again) == str(first)


def test_idempotence_can_be_demanded_of_a_pipeline_and_waived_for_a_pass():
    assert verify_pass(misbehaving.NegatesTwice(), ONE, ("numpy",), examples=1, idempotent=False).idempotent == 0
    twice = Pipeline([misbehaving.NegatesTwice(), misbehaving.DoesNothing()])
    assert verify_pass(twice, ONE, ("numpy",), examples=1).programs == 1
    assert found(twice, ONE, idempotent=True).property == "idempotence"


def test_expressions_formulas_functions_and_strategies_of_them_are_programs():
    a = sympy.Symbol("a", positive=True)
    compiled = go.function([x], T.log(1 + x), target="numpy")
    for program in (T.log(1 + x), [T.exp(x), x * 2.0], sympy.log(1 + a), compiled, st.just(T.log(1 + x))):
        assert verify_pass("canonicalize,cse,stabilize", program, ("numpy",), examples=1).points


def test_values_of_the_inputs_can_be_given():
    report = verify_pass("canonicalize", ONE, ("numpy",), inputs={"x": [1.0, 2.0]})
    assert report.sets == {"given": 1} and report.points == 2


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("canonicalize",), {"targets": ("fortran",)}, "targets are numpy, c, cuda, cuda-emulated; found 'fortran'"),
        (("canonicalize",), {"inputs": {"x": [1.0]}}, "inputs are those of one program"),
        (("canonicalize", ONE), {"inputs": {"z": [1.0]}}, "a point gives a value to each of x; found z"),
        (("canonicalize", 3), {}, "takes an expression"),
    ],
)
def test_wrong_arguments_are_named(arguments, options, message):
    with pytest.raises(InvalidArgument, match=message):
        verify_pass(*arguments, **options)
