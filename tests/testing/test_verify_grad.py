"""`verify_grad` accuses no right derivative, and finds every wrong one, the op included."""

import dataclasses
import io
from contextlib import redirect_stdout

import hypothesis
import numpy as np
import pytest
import sympy
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument, UnsupportedExpression, VerificationFailed
from graphopt.op import Op
from graphopt.ops import TABLE
from graphopt.ops.define import define
from graphopt.testing import strategies, verify_grad
from graphopt.testing.complex_step import ANALYTIC
from graphopt.testing.domains import domain

x = go.variable("x", "float64[2, 3]")
v = go.variable("v", "float64[3]")
w = go.variable("w", "float64[3]")
f = go.variable("f", "float32[3]")
n = T.vector("n")

RIGHT = {
    "softmax": T.softmax(x, axis=1),
    "log of softmax": T.log(T.softmax(x, axis=1)),
    "log1p": T.log1p(v * v),
    "logarithm of a sum": T.log(T.sum(T.exp(n))),
    "where": T.where(v > 0, v * v, T.sin(v)),
    "largest": T.max(x, axis=1) * T.min(v),
    "larger": T.maximum(v, w) * T.abs(w),
    "gather": v[np.array([0, 2, 2])] * w,
    "scatter": v.at[np.array([2, 0])].set(w[:2] * w[1:]),
    "running sum": T.cumsum(v * w),
    "running product": T.cumprod(n),
    "product": T.prod(v + 2),
    "matrix product": x.T @ x,
    "conditional": T.cond(T.sum(v) > 0, T.exp(v) * w, T.sin(v)),
    "centred": n - T.mean(n),
    "powers": v**3 + T.exp(v) ** w,
    "sigmoid": T.sigmoid(v) * T.tanh(w),
    "error function": T.erf(v / 2),
    "joined": T.concatenate([v, w * v[0]]),
    "single precision": T.exp(f) * T.log1p(T.square(f)),
    "mixed precision": T.sum(f) * v,
    "norm": T.sqrt(T.sum(T.square(v))),
    "no dependence": [T.sum(v), T.exp(w)],
}
NOT_ANALYTIC = {
    "cholesky": T.linalg.cholesky(x @ x.T + np.eye(2)),
    "solve": T.linalg.solve(x @ x.T + np.eye(2), v[:2]),
    "sorted": T.sort(v) * w,
    "gamma": T.gammaln(T.exp(v)),
    "mantissa in single precision": T.frexp(f)[0],
}


@pytest.mark.parametrize("oracle", ["exact", "complex-step", "finite-difference"])
@pytest.mark.parametrize("name", RIGHT)
def test_right_derivatives_pass_under_every_oracle_to_second_order(name, oracle):
    report = verify_grad(RIGHT[name], 1, oracle=oracle, order=2)
    assert report.compared > 0 and report.kinks == report.undefined == 0
    assert report.oracles == {oracle: 1, f"{oracle} (order 2)": 1}


@pytest.mark.parametrize("oracle", ["exact", "finite-difference"])
@pytest.mark.parametrize("name", NOT_ANALYTIC)
def test_the_complex_step_is_refused_where_an_op_is_not_known_to_be_analytic(name, oracle):
    assert verify_grad(NOT_ANALYTIC[name], 1, oracle=oracle).compared > 0
    with pytest.raises(UnsupportedExpression, match="not among those known to be analytic"):
        verify_grad(NOT_ANALYTIC[name], 1, oracle="complex-step")


def test_the_strongest_oracle_that_applies_is_chosen():
    assert verify_grad(T.sum(T.exp(v)), 3).oracles == {"exact": 3}
    large = go.variable("large", "float64[60, 60]")
    assert verify_grad(T.sum(T.tanh(large @ large)), 1).oracles == {"complex-step": 1}
    assert verify_grad(T.sum(T.sort(large @ large)), 1).oracles == {"finite-difference": 1}


@hypothesis.settings(max_examples=20, deadline=None)
@hypothesis.given(st.data())
def test_no_drawn_program_is_accused(data):
    program = data.draw(strategies.expressions(max_nodes=5, dtypes=("float64", "float32")))
    oracle, order = data.draw(st.sampled_from(["auto", "finite-difference"])), data.draw(st.sampled_from([1, 2]))
    verify_grad(program, dict(data.draw(strategies.inputs_for(program))), oracle=oracle, order=order)


@pytest.mark.parametrize(
    "name", sorted(name for name in ANALYTIC if "elementwise" in TABLE[name].traits and name not in ("cast", "where"))
)
def test_every_analytic_op_has_its_real_meaning_at_reals_and_its_derivative_beside(name):
    op = TABLE[name]
    chance = np.random.default_rng(0)
    inputs = [go.variable(f"a{k}", "float64[4]") for k in range(op.arity)]
    point = tuple(chance.uniform(*interval, 4) for interval in domain(name, op.arity))
    assert verify_grad(op(*inputs), point, oracle="complex-step").compared == 16 * op.arity
    found = ANALYTIC[name](*[x.astype(complex) for x in point])
    np.testing.assert_allclose(np.real(found), op.numpy(*point), rtol=1e-13)


# --- points -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("oracle", ["exact", "complex-step", "finite-difference"])
def test_kinks_are_left_out_and_counted(oracle):
    report = verify_grad(T.maximum(v, w), ([1.0, 2.0, 3.0], [1.0, 5.0, -4.0]), oracle=oracle)
    assert report.kinks == 2 and report.compared == 16  # by v[0] and by w[0]
    assert verify_grad(T.max(v), {"v": [1.0, 1.0, 0.0]}, oracle=oracle).kinks == 2


@pytest.mark.parametrize("oracle", ["exact", "finite-difference"])
def test_points_without_a_derivative_are_left_out_and_counted(oracle):
    report = verify_grad(T.sqrt(v), {"v": [0.0, 4.0, -1.0]}, oracle=oracle)
    assert report.undefined >= 2 and report.compared >= 1


def test_kinks_that_cancel_are_counted_too():
    report = verify_grad(T.minimum(T.abs(v), v), {"v": [0.0, 1.0, -1.0]})  # the identity
    assert report.kinks >= 1


@pytest.mark.parametrize("value", [1e-30, 1e-5, 1e30])
def test_exact_differences_take_steps_of_the_size_of_what_moves(value):
    report = verify_grad(T.log(v) * w[0], ([value, 1.0, 2.0], [1.0, 1.0, 1.0]), oracle="exact")
    assert report.kinks == report.undefined == 0


def test_values_near_underflow_accuse_nobody():
    assert verify_grad(T.square(v), {"v": [1.2e-38, 1.0, 1e-300]}, oracle="finite-difference").compared == 9
    assert verify_grad(T.square(f) * f, {"f": [1e-20, 1e-30, 1.0]}, order=2).compared == 18


def test_the_last_of_fifty_digits_accuses_nobody():
    wavy = T.logsumexp(-T.arcsinh(T.log_softmax(v)))
    assert verify_grad(wavy, {"v": [0.3114716708660126] * 3}, oracle="exact").compared == 3


def test_a_minimum_is_no_kink():
    assert verify_grad(T.square(v), {"v": [0.0, 0.0, 1.0]}).kinks == 0


def test_points_have_the_forms_that_users_write():
    a, b = sympy.symbols("a b")
    assert verify_grad(sympy.exp(a) * b, [(1.0, 2.0), {"a": 0.5, "b": 1.0}, {a: 1, b: 2}]).points == 3
    assert verify_grad(T.sum(n), [np.ones(3), {"n": np.ones(0)}]).points == 2
    assert verify_grad(T.sum(v * w), 2, wrt=[w]).compared == 6
    assert verify_grad(T.sum(v * w), 2, wrt="v").compared == 6
    with pytest.raises(InvalidArgument, match="a point has 2 values"):
        verify_grad(v * w, (np.ones(3),))
    with pytest.raises(InvalidArgument, match="no input of the program"):
        verify_grad(v, 1, wrt="u")
    with pytest.raises(InvalidArgument, match="there is none"):
        verify_grad(v, [])


@pytest.mark.parametrize("domain", ["positive", (-0.5, 0.5), (100.0, 101.0), "nonpositive", "finite"])
def test_drawn_points_lie_in_the_declared_domain(domain):
    inside = go.variable("inside", "float64[5]", domain=domain)
    outside = {"positive": inside <= 0, "nonpositive": inside > 0, "finite": inside != inside}.get(domain)
    if outside is None:
        outside = (inside < domain[0]) | (inside > domain[1])
    assert verify_grad(T.where(outside, np.nan, inside), 4).undefined == 0


def test_integers_are_left_out():
    k = go.variable("k", "int64[3]")
    assert verify_grad([v[k], k + 1], 1).compared == 9
    with pytest.raises(InvalidArgument, match="not of floats"):
        verify_grad(v[k], 1, wrt=k)


# --- functions --------------------------------------------------------------------------------------------------------


def test_compiled_functions_are_verified_with_their_derivative_compiled_like_them():
    weights = go.shared(np.array([1.0, 2.0, 3.0]), name="weights")
    compiled = go.function([v], [T.sum(T.exp(v) * weights), v * 2], updates={weights: weights * 2}, target="numpy")
    assert verify_grad(compiled, 2, order=2).oracles["exact (order 2)"] == 2
    assert verify_grad(go.function([v], T.log(T.sum(T.exp(v)))), 2).compared == 6


def test_graphs_and_functions_of_variables_are_verified():
    assert verify_grad(go.Graph.from_outputs([v], {"y": T.exp(v)}), 1).compared == 9
    assert verify_grad(lambda a, b: T.sum(a * b), (np.ones(2), np.ones(2))).compared == 4
    with pytest.raises(InvalidArgument, match="give the derivative"):
        verify_grad(lambda a: float(a[0]), np.ones(2))


def loss(weights, data):
    return np.mean(np.tanh(data @ weights) ** 2)


def gradient_of_loss(weights, data):
    y = np.tanh(data @ weights)
    return data.T @ (2 * y * (1 - y**2)) / y.size, np.outer(2 * y * (1 - y**2), weights) / y.size


def wrong_gradient_of_loss(weights, data):
    return gradient_of_loss(weights, data)[0], np.outer(np.tanh(data @ weights), weights)


POINT = (np.array([0.3, -0.2]), np.arange(6.0).reshape(3, 2) / 7)


def test_a_gradient_of_ones_own_is_held_against_exact_arithmetic_where_numpy_alone_is_used():
    report = verify_grad(loss, POINT, grad=gradient_of_loss)
    assert report.oracles == {"exact": 1} and report.compared == 8
    assert verify_grad(loss, POINT, wrt="weights", grad=lambda w, d: gradient_of_loss(w, d)[0]).compared == 2
    with pytest.raises(VerificationFailed, match=r"derivative given of output.* with respect to data"):
        verify_grad(loss, POINT, grad=wrong_gradient_of_loss)


def opaque(a):
    """A function that variables cannot be given."""
    return np.array([float(a[0]) ** 2 * float(a[1]), abs(float(a[1]))])


def test_a_function_of_arrays_is_held_against_differences_or_if_asked_for_the_complex_step():
    right = lambda a: np.array([[2 * a[0] * a[1], a[0] ** 2], [0, np.sign(a[1])]])  # noqa: E731
    point = np.array([1.5, -0.5])
    assert verify_grad(opaque, point, grad=right).oracles == {"finite-difference": 1}
    assert verify_grad(opaque, [np.array([1.5, 0.0])], grad=right).kinks == 1
    with pytest.raises(VerificationFailed, match=r"output\[0\] with respect to a\[1\]"):
        verify_grad(opaque, point, grad=lambda a: right(a) * [1, 1.001])
    analytic = lambda a: np.sin(np.asarray(a)) * 1.0 if not isinstance(a, go.Variable) else None  # noqa: E731
    assert verify_grad(analytic, np.array(0.5), grad=np.cos, oracle="complex-step").worst < 1e-15


def test_functions_of_single_precision_are_told_from_wrong_ones():
    single = lambda a: np.float32(np.sin(np.asarray(a, np.float32)).sum())  # noqa: E731
    point = np.array([0.5, 1.0, -2.0], np.float32)
    verify_grad(single, point, grad=np.cos)
    with pytest.raises(VerificationFailed):
        verify_grad(single, point, grad=lambda a: np.cos(a) * np.float32(1.02))


@pytest.mark.parametrize("gradient, match", [
    (lambda a, b: np.ones(2), "one array for each of 2 inputs"),
    (lambda a, b: (np.ones(2), np.ones(3)), "has shape"),
])  # fmt: skip
def test_a_gradient_that_does_not_fit_is_a_failure(gradient, match):
    with pytest.raises(VerificationFailed, match=match):
        verify_grad(lambda a, b: T.sum(a * b), (np.ones(2), np.ones(2)), grad=gradient)


def test_expressions_may_be_given_as_the_gradient():
    assert verify_grad(T.sum(T.exp(v)), 2, grad=T.exp(v)).compared == 6
    with pytest.raises(VerificationFailed, match="derivative given"):
        verify_grad(T.sum(T.exp(v)), 2, grad=T.exp(v) * 1.0000001)


# --- wrong derivatives ------------------------------------------------------------------------------------------------


@pytest.fixture
def mutant():
    """An op with another pullback; it is gone after the test."""
    made = []

    def make(name: str, pullback) -> Op:
        op = define(dataclasses.replace(TABLE[name], name=f"wrong_{name}_under_test", pullback=pullback))
        made.append(op.name)
        return op

    yield make
    for name in made:
        del TABLE[name]


def _only_for_negative(g, node):
    (a,) = node.operands
    return [T.where(a < 0, -1.5, 1.0) * g * T.exp(a)]


def _wrong_in_single(g, node):
    (a,) = node.operands
    return [g * T.exp(a) * (1.001 if a.dtype == "float32" else 1.0)]


MISTAKES = {
    "dropped factor": ("square", lambda g, node: [g * node.operands[0]]),
    "wrong sign": ("cos", lambda g, node: [g * T.sin(node.operands[0])]),
    "wrong operand": ("divide", lambda g, node: [g / node.operands[1], -g / node.operands[1]]),
    "only for negative": ("exp", _only_for_negative),
    "slightly": ("exp", lambda g, node: [g * node.result * (1 + 1e-9)]),
    "forgotten": ("tanh", lambda g, node: [None]),
    "not a number": ("exp", lambda g, node: [g * node.result / (node.result - node.result)]),
}


@pytest.mark.parametrize("oracle", ["auto", "finite-difference"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_pullback_is_found_and_the_op_named(mistake, oracle, mutant):
    name, pullback = MISTAKES[mistake]
    op = mutant(name, pullback)
    operands = [T.sin(v) + w, T.exp(w)][: op.arity]
    with pytest.raises(VerificationFailed) as failure:
        verify_grad(T.sum(T.tanh(w) * op(*operands)), {"v": [0.3, -2.0, 1.0], "w": [-0.3, 0.4, 2.0]}, oracle=oracle)
    assert f"suspect: {op.name} (at " in str(failure.value) and "test_verify_grad.py" in str(failure.value)


def test_a_wrong_axis_is_found(mutant):
    op = mutant("softmax", lambda g, node: [node.result * (g - T.sum(g * node.result, axis=0, keepdims=True))])
    with pytest.raises(VerificationFailed, match=f"suspect: {op.name}"):
        verify_grad(op(x, axis=(1,)) * x, 1)


def test_a_missing_sum_over_a_broadcast_axis_is_found(mutant):
    op = mutant("broadcast_to", lambda g, node: [g[0]])
    with pytest.raises(VerificationFailed, match=f"suspect: {op.name}"):
        verify_grad(op(v, shape=(2, 3)) * x, 1)


def test_a_cotangent_of_another_shape_is_found(mutant):
    op = mutant("broadcast_to", lambda g, node: [g])
    with pytest.raises(VerificationFailed, match=f"cannot be made: the pullback of {op.name}"):
        verify_grad(op(v, shape=(2, 3)) * x, 1)


def test_what_is_wrong_only_at_second_order_is_found(mutant):
    slope = mutant("cos", lambda g, node: [g * T.sin(node.operands[0])])
    op = mutant("sin", lambda g, node: [g * slope(node.operands[0])])
    assert verify_grad(op(v) * w, 2).compared
    with pytest.raises(VerificationFailed, match=f"of order 2 of gradient_v.*\nsuspect: {slope.name}"):
        verify_grad(op(v) * w, 2, order=2)


def test_a_slight_mistake_is_found_beside_an_order_that_is_a_whole_number(mutant):
    op = mutant(
        "polygamma", lambda g, node: [None, g * T.polygamma(node.operands[0] + 1, node.operands[1]) * (1 + 1e-9)]
    )
    with pytest.raises(VerificationFailed, match=f"suspect: {op.name}"):
        verify_grad(op(go.variable("order", "float64"), v), {"order": 2.0, "v": [2.0, 0.5, 3.0]}, wrt="v")


def test_what_is_wrong_only_in_single_precision_is_found(mutant):
    op = mutant("exp", _wrong_in_single)
    assert verify_grad(op(v), 2).compared
    with pytest.raises(VerificationFailed, match=f"suspect: {op.name}"):
        verify_grad(op(f), 2)


def test_a_mistake_inside_a_branch_is_found(mutant):
    op = mutant(*MISTAKES["dropped factor"])
    with pytest.raises(VerificationFailed, match=f"suspect: {op.name}"):
        verify_grad(T.cond(T.sum(v) > 0, op(v), v), [np.array([1.0, 2.0, 3.0])])
    assert verify_grad(T.cond(T.sum(v) > 0, op(v), v), [np.array([-1.0, -2.0, -3.0])]).compared


def test_one_wrong_element_of_many_is_found_by_projections(mutant):
    wide = go.variable("wide", "float64[6, 50]")
    factors = np.ones((6, 50))
    factors[4, 17] = 1.01
    op = mutant("tanh", lambda g, node: [g * (1 - T.square(node.result)) * factors])
    for oracle in ("complex-step", "finite-difference"):
        verify_grad(T.sin(wide), 1, oracle=oracle)
    with pytest.raises(VerificationFailed, match=r"output\[4, 17\] with respect to wide\[4, 17\]"):
        verify_grad(op(wide), 1, oracle="finite-difference")


def test_a_derivative_that_is_lost_where_the_truth_is_a_number_is_found(mutant):
    op = mutant("log", lambda g, node: [g * T.exp(-T.log(T.exp(node.operands[0]) - 1)) * 0 + g / node.operands[0]])
    with pytest.raises(VerificationFailed, match=r"is nan, but 1e\+20 by"):
        verify_grad(op(v), {"v": [1e-20, 1.0, 1000.0]})


# --- messages ---------------------------------------------------------------------------------------------------------


def test_a_failure_says_what_where_and_by_whom(mutant):
    op = mutant(*MISTAKES["dropped factor"])
    with pytest.raises(VerificationFailed) as failure:
        verify_grad([T.exp(v), op(v * w)], ([1.0, 2.0, 3.0], [1.0, 0.5, 1.0]), rtol=1e-6)
    first, second, *_ = str(failure.value).splitlines()
    assert first == (
        "the derivative made here of output1[0] with respect to v[0] is 1, but 2 by the oracle 'exact'; "
        "they may differ by 2e-06"
    )
    assert second.startswith(f"suspect: {op.name} (at ") and "1 for ∂result[0]/∂operand0[0], which is 2" in second


@pytest.mark.parametrize("order", [1, 2])
def test_a_failure_is_shown_again_by_the_program_that_it_prints(order, mutant):
    slope = mutant("cos", lambda g, node: [g * T.sin(node.operands[0])])
    op = slope if order == 1 else mutant("sin", lambda g, node: [g * slope(node.operands[0])])
    with pytest.raises(VerificationFailed) as failure:
        verify_grad(op(n) * 2, 3, order=order, oracle="finite-difference")
    program = str(failure.value).partition("to see it again:\n")[2]
    with redirect_stdout(io.StringIO()), pytest.raises(VerificationFailed) as again:
        exec(program, {})
    assert str(again.value).splitlines()[0] == str(failure.value).splitlines()[0]


def test_a_failure_of_a_python_function_is_shown_again_by_what_imports_it():
    with pytest.raises(VerificationFailed) as failure:
        verify_grad(loss, POINT, grad=wrong_gradient_of_loss)
    program = str(failure.value).partition("to see it again:\n")[2]
    assert f"from {__name__} import loss\nfrom {__name__} import wrong_gradient_of_loss\n" in program
    assert "verify_grad(loss, {\n    'weights': np.array([0.3, -0.2], 'float64'),\n" in program


def test_arguments_that_make_no_sense_are_refused():
    with pytest.raises(InvalidArgument, match="the oracle is auto"):
        verify_grad(v, 1, oracle="best")
    with pytest.raises(InvalidArgument, match="the order is 1"):
        verify_grad(v, 1, order=3)
    with pytest.raises(InvalidArgument, match="takes an expression"):
        verify_grad(3.0, 1)
