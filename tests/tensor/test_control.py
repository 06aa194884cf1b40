"""`T.cond`: only the branch that is taken is computed, on every target; its derivatives, rules and forms."""

import pickle
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.analysis.cost import node_cost
from graphopt.arithmetics import Exact, Native
from graphopt.errors import CheckFailed, InvalidArgument, RewriteFailed, ShapeMismatch
from graphopt.graph.body import Body
from graphopt.interpret import interpret
from graphopt.ops.control import cond
from graphopt.rewrite import Pipeline
from graphopt.schedule.steps import Branch

TARGETS = ("numpy", "c", "cuda-emulated")
c, d = go.variable("c", "bool"), go.variable("d", "bool")
x, s = T.vector("x"), T.scalar("s")


class Recording(Native):
    """Native arithmetic that remembers which ops it applied, in bodies too."""

    def __init__(self):
        self.applied = []

    def apply(self, op, operands, attributes, type):
        self.applied.append(op.name)
        return super().apply(op, operands, attributes, type)


def applied(outputs, **arguments):
    """The ops that computing the outputs applies, sorted."""
    inputs = [v for v in (c, d, x, s) if v.name in arguments]
    arithmetic = Recording()
    interpret(go.Graph.from_outputs(inputs, outputs), arguments, arithmetic)
    return sorted(arithmetic.applied)


def conditionals(graph):
    return [node for node in graph.order() if graph.op(node) is cond]


# --- what is computed ------------------------------------------------------------------------------------------------


def test_only_what_the_taken_branch_needs_is_computed_wherever_it_was_written():
    outside = T.exp(x)
    y = T.cond(c, outside, lambda: T.sin(x))
    assert applied(y, c=True, x=np.ones(2)) == ["exp"]
    assert applied(y, c=False, x=np.ones(2)) == ["sin"]


def test_what_something_else_needs_as_well_is_computed_once_and_taken_into_the_branch():
    shared = T.exp(x)
    assert applied([T.cond(c, T.sin(shared), x), shared], c=True, x=np.ones(2)) == ["exp", "sin"]
    assert applied([T.cond(c, T.sin(shared), x), shared], c=False, x=np.ones(2)) == ["exp"]


def test_what_both_branches_need_is_computed_in_any_case_and_a_long_chain_does_not_grow():
    y = x
    for _ in range(40):
        y = T.cond(c, T.sin(y), T.cos(y))
    graph = go.Graph.from_outputs([c, x], y)
    assert len(conditionals(graph)) == 40 and len(graph) == 42
    assert applied(y, c=True, x=np.ones(1)) == ["sin"] * 40


def test_conditionals_stand_in_branches_of_others():
    y = T.cond(c, lambda: T.cond(d, T.exp(x), T.sin(x)), T.cos(x))
    values = {(True, True): ["exp"], (True, False): ["sin"], (False, True): ["cos"], (False, False): ["cos"]}
    for (first, second), expected in values.items():
        assert applied(y, c=first, d=second, x=np.ones(1)) == expected


def test_neither_c_nor_cuda_run_the_other_branch():
    f = go.function([c, x], T.cond(c, T.exp(x), -x))
    head, _, tail = f.source.partition("exp_cond_0_then_0(const")
    broken = f.with_source(head + "exp_cond_0_then_0(const" + tail.replace("return 0;", "return 1;", 1))
    np.testing.assert_allclose(broken(False, np.zeros(2)), np.zeros(2))
    with pytest.raises(MemoryError):
        broken(True, np.zeros(2))
    g = go.function([c, x], T.cond(c, T.exp(x), -x), target="cuda-emulated")
    (variant,) = g._variants.values()
    launched, launch = [], variant.runner.driver.launch
    variant.runner.driver.launch = lambda kernel, *rest: (launched.append(kernel.name), launch(kernel, *rest))
    for taken, word in ((True, "then"), (False, "otherwise")):
        launched.clear()
        np.testing.assert_allclose(g(taken, np.ones(2)), np.e if taken else -np.ones(2))
        assert launched and all(word in name for name in launched)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_computes_every_form_of_branch(target):
    n = go.dim("n")
    m = go.variable("m", "float64[n, 3]")
    w = go.variable("w", "float32[n]")
    results = {
        "taken as it is": T.cond(c, x, -x),
        "a constant": T.cond(c, 1.5, T.sum(x)),
        "a transposed one": T.cond(c, m.T, T.zeros((3, n))),
        "a product": T.cond(c, m @ m.T, T.full((n, n), 2.0)),
        "a row's sum": T.cond(c, T.sum(m, axis=1), w),
        "a part": T.cond(c, m[1:], T.exp(m)[1:]),
        "nested": T.cond(c, T.cond(d, T.exp(x), T.sin(x)), T.cond(d, x * 2, T.concatenate([x, x])[: x.shape[0]])),
        "one after another": T.cond(d, T.cos(T.cond(c, x, x + 1)), x),
        "a size": T.cond(c, n, 0),
        "an array": T.cond(c, T.constant(np.arange(4.0)), T.constant(np.ones(4))),
        "of the host": T.cond(c, T.sort(x), x),
        "picked": T.cond(c, lambda: x[T.cast(x < -99, "int64")], x),
        "running": T.cond(c, T.cumsum(x), x),
        "kept": T.sum(T.softmax(T.cond(c, m, m * 2), axis=1), axis=0),
    }
    f = go.function([c, d, x, m, w], results, target=target)
    written = go.Graph.from_outputs([c, d, x, m, w], results)
    generator = np.random.default_rng(0)
    for rows in (4, 1, 0):
        arrays = {"x": generator.normal(size=rows + 1), "m": generator.normal(size=(rows, 3)), "w": np.ones(rows)}
        for first, second in ((True, False), (False, True), (True, True)):
            arguments = {"c": first, "d": second, **arrays}
            expected = interpret(written, arguments)
            for name, value in f(**(arguments | {"w": np.ones(rows, np.float32)})).items():
                np.testing.assert_allclose(value, expected[name], rtol=1e-12, err_msg=name, strict=True)
    twin = pickle.loads(pickle.dumps(f)) if target == "numpy" else f
    assert twin(True, True, np.ones(2), np.ones((1, 3)), np.ones(1, np.float32))["a constant"] == 1.5


def test_several_results_of_one_condition_are_one_step_and_share_what_they_compute():
    shared = T.exp(x)
    results = T.cond(c, {"a": T.sum(shared), "b": [shared + 1]}, lambda: {"a": s, "b": [x]})
    assert set(results) == {"a", "b"} and isinstance(results["b"], list)
    lowered = go.lower([c, x, s], [results["a"], results["b"][0]])
    (step,) = lowered.program.steps
    assert isinstance(step, Branch)
    assert [kernel.form for kernel in lowered.kernels].count("total") == 1
    assert lowered.source.count("go_exp_f64(") == 1
    two = go.lower([c, d, x], [T.cond(c, x, -x), T.cond(d, T.sin(x), x), T.cond(c, x, T.cos(x))]).program
    assert sorted(step.condition for step in two.steps) == ["c_in", "d_in"]
    after = go.lower([c, x], T.cond(c, T.sin(T.exp(T.cond(c, x, -x)) * x), T.cond(c, x, 2 * x)))
    assert all(isinstance(step, Branch) for step in after.program.steps if step.name.startswith("cond"))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_drawn_programs_of_conditionals_mean_what_they_say_before_and_after_the_pipeline(data):
    flags = {"c": data.draw(st.booleans()), "d": data.draw(st.booleans())}
    values = {"x": np.array([0.5, -1.25]), "y": np.array([2.0, 3.0])}
    y = T.vector("y")
    pool = [(x, values["x"]), (y, values["y"])]
    for _ in range(data.draw(st.integers(1, 8))):
        kind = data.draw(st.sampled_from(["cond", "cond", "add", "multiply", "sin"]))
        (a, va), (b, vb) = (data.draw(st.sampled_from(pool)) for _ in range(2))
        if kind == "cond":
            name = data.draw(st.sampled_from(["c", "d", "less"]))
            test, holds = {"c": (c, flags["c"]), "d": (d, flags["d"]), "less": (a[0] < b[0], va[0] < vb[0])}[name]
            pool.append((T.cond(test, a, b), va if holds else vb))
        else:
            op, ufunc = getattr(T, kind), getattr(np, kind)
            pool.append((op(a), ufunc(va)) if kind == "sin" else (op(a, b), ufunc(va, vb)))
    wanted = [data.draw(st.sampled_from(pool)) for _ in range(2)]
    graph = go.Graph.from_outputs([c, d, x, y], [v for v, _ in wanted])
    graph.verify()
    assert str(go.Graph.parse(str(graph))) == str(go.Graph.parse(str(go.Graph.parse(str(graph)))))
    for _ in range(2):
        for found, (_, expected) in zip(interpret(graph, flags | values).values(), wanted, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        Pipeline.named("default").run(graph, verify=True)


# --- derivatives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", [0.5, -0.75, 12.0])
def test_first_and_second_derivatives_of_every_branch_agree_with_differences_in_exact_arithmetic(point):
    y = T.cond(s > 0, lambda: T.cond(s * s > 100, s * T.sin(s), T.exp(s) * T.sin(s)), lambda: s**3)
    first = go.grad(y, s)
    graphs = [go.Graph.from_outputs([s], {"y": v}) for v in (y, first, go.grad(first, s))]
    with mpmath.workdps(50):
        step = mpmath.mpf("1e-15")
        for function, derivative in pairwise(graphs):
            at = [
                interpret(function, {"s": np.array(mpmath.mpf(point) + k * step, dtype=object)}, Exact(50))["y"].item()
                for k in (1, -1)
            ]
            found = interpret(derivative, {"s": np.array(mpmath.mpf(point), dtype=object)}, Exact(50))["y"].item()
            assert abs(found - (at[0] - at[1]) / (2 * step)) < 1e-20


def test_a_branch_that_is_not_taken_brings_no_nan_into_a_gradient():
    y = T.cond(s > 0, T.sqrt(s), -2 * s)
    f = go.function([s], [y, go.grad(y, s)], target="numpy")
    assert [float(v) for v in f(-4.0)] == [8.0, -2.0]
    assert [float(v) for v in f(4.0)] == [2.0, 0.25]


def test_derivatives_reach_values_that_both_branches_take_and_are_zero_for_those_of_the_other_branch():
    inner, other = T.exp(x), T.sin(s)
    y = T.sum(T.cond(c, inner * inner, inner * other))
    gradients = go.grad(y, [inner, other, x, s])
    f = go.function([c, x, s], gradients, target="numpy")
    e = np.exp(np.array([0.5, 1.0]))
    for found, expected in zip(f(True, np.log(e), 2.0), (2 * e, 0.0, 2 * e * e, 0.0), strict=True):
        np.testing.assert_allclose(found, expected)
    for found, expected in zip(f(False, np.log(e), 2.0), (np.sin(2) + 0 * e, e.sum()), strict=False):
        np.testing.assert_allclose(found, expected)
    (step,) = [s for s in go.lower([c, x, s], gradients[2:]).program.steps if isinstance(s, Branch)]
    assert step.then and step.otherwise


def test_a_naive_formula_is_stabilized_within_a_branch_before_it_is_differentiated():
    y = T.cond(c, T.log(T.sum(T.exp(x))), T.sum(x))
    f = go.function([c, x], [y, go.grad(y, x)], target="numpy")
    value, gradient = f(True, np.array([1000.0, 0.0]))
    assert value == 1000.0
    np.testing.assert_array_equal(gradient, [1.0, 0.0])


# --- checks, updates, sizes ------------------------------------------------------------------------------------------


def test_a_check_counts_if_its_branch_is_taken():
    y = T.cond(c, lambda: T.cond(d, T.check(s, s > 0, "s must be positive"), s), lambda: s * 2)
    f = go.function([c, d, s], y, target="numpy")
    assert f(False, True, -1.0) == -2.0 and f(True, False, -1.0) == -1.0 and f(True, True, 1.0) == 1.0
    with pytest.raises(CheckFailed, match="positive"):
        f(True, True, -1.0)


def test_an_extremum_of_nothing_is_an_error_if_its_branch_is_taken():
    f = go.function([c, x], T.cond(c, lambda: T.max(x), 0.0), target="numpy")
    assert f(False, np.empty(0)) == 0.0 and f(True, np.ones(1)) == 1.0
    with pytest.raises(CheckFailed, match="size x_0 is 0"):
        f(True, np.empty(0))


def test_shared_variables_givens_and_updates_reach_into_branches():
    total = go.shared(0.0, "total")
    new = T.cond(c, total + s, total)
    f = go.function([c], new, updates={total: new}, givens={s: T.constant(3.0)}, target="numpy")
    assert f(True) == 3.0 and f(False) == 3.0 and f(True) == 6.0
    assert total.get_value() == 6.0


def test_sizes_of_branches_are_held_to_be_equal_and_the_call_checks():
    y = T.vector("y")
    f = go.function([c, x, y], T.cond(c, x, y), target="numpy")
    np.testing.assert_array_equal(f(False, np.zeros(2), np.ones(2)), np.ones(2))
    with pytest.raises(ShapeMismatch):
        f(True, np.zeros(2), np.ones(3))


# --- what is refused, and types --------------------------------------------------------------------------------------


def test_dtypes_are_unified_as_where_does_and_numbers_are_weak():
    f, i = T.fscalar("f"), T.lscalar("i")
    for a, b in ((f, 1.5), (f, i), (i, 2), (i, 2.5), (1, 2.5), (c, i)):
        assert T.cond(c, a, b).dtype == T.where(c, a, b).dtype
    assert T.cond(i, f, 0).type == f.type  # a number is true if it is not 0


def test_what_makes_no_conditional_is_refused():
    with pytest.raises(ShapeMismatch, match=r"T\.where"):
        T.cond(x > 0, x, x)
    with pytest.raises(ShapeMismatch, match="broadcast"):
        T.cond(c, x, 0.0)
    with pytest.raises(ShapeMismatch):
        T.cond(c, T.zeros(2), T.zeros(3))
    with pytest.raises(InvalidArgument, match="alike"):
        T.cond(c, [x, x], [x])
    with pytest.raises(InvalidArgument, match="keys"):
        T.cond(c, {"a": x}, {"b": x})


# --- graphs: text, passes, cost --------------------------------------------------------------------------------------


def optimized(outputs, pipeline="default"):
    graph = go.Graph.from_outputs([v for v in (c, d, x, s) if v in _leaves(outputs)], outputs)
    Pipeline.named(pipeline).run(graph, verify=True) if pipeline == "default" else Pipeline.parse(pipeline).run(graph)
    return graph


def _leaves(outputs):
    from graphopt.graph.build import topological

    return set(topological(outputs if isinstance(outputs, list) else [outputs]))


def test_a_constant_condition_and_equal_branches_leave_no_conditional():
    assert not conditionals(optimized(T.cond(T.constant(True), T.exp(x), T.sin(x))))
    assert not conditionals(optimized(T.cond(c, x * 2, 2 * x)))
    assert len(conditionals(optimized(T.cond(c, x * 2, 3 * x)))) == 1


def test_a_branch_takes_what_the_graph_computes_anyway_and_no_numbers():
    graph = optimized(
        [T.cond(c, T.sin(T.exp(x)) * T.log(T.constant(2.0)), x), T.exp(x)], "cse,constant-folding,branches"
    )
    (node,) = conditionals(graph)
    taken = {graph.op(operand).name for operand in graph.operands(node)}
    assert taken == {"input", "exp"}
    assert "exp" not in str(graph.attributes(node)["then"].graph)


def test_every_pass_rewrites_what_is_in_branches():
    graph = optimized(T.cond(c, T.cond(d, T.log(1 + x), x), T.negative(-x)))
    (node,) = conditionals(graph)
    inner = graph.attributes(node)["then"].graph
    (nested,) = conditionals(inner)
    assert "log1p" in str(inner.attributes(nested)["then"].graph)
    assert "negative" not in str(graph.attributes(node)["otherwise"].graph)


def test_facts_are_those_of_both_branches_and_the_cost_that_of_the_dearer_one():
    graph = go.Graph.from_outputs([c, x], [T.cond(c, T.exp(x) + 1, T.absolute(x) + 2), T.exp(x), T.cond(c, x, -x)])
    positive, dear, cheap = (graph.outputs[name] for name in ("output0", "output1", "output2"))
    assert graph.facts(positive).lo >= 1
    sizes = {str(node_cost(graph, node).flops) for node in (dear, cheap)}
    assert len(sizes) == 2 and str(node_cost(graph, positive).flops) == "21*x_0 + 1"


def test_a_conditional_that_is_added_to_a_graph_gets_bodies():
    graph = go.Graph.from_outputs([c, x], {"y": T.exp(x)})
    node = graph.handle(graph.outputs["y"])
    graph.replace(node.node, T.cond(c, T.check(node + 1, node > 0, "positive"), lambda: T.sin(x)))
    graph.verify()
    assert len(conditionals(graph)) == 2 and len(graph.checks) == 1
    values = interpret(graph, {"c": True, "x": np.zeros(1)})
    assert values["y"] == 2.0 and values["check0"]


def test_bodies_are_equal_if_their_texts_are_and_live_through_text_and_pickle():
    graph = go.Graph.from_outputs([c, d, x], T.cond(c, T.cond(d, T.exp(x), x), x * 2))
    for twin in (go.Graph.parse(str(graph)), pickle.loads(pickle.dumps(graph)), graph.copy()):
        (first,), (second,) = conditionals(graph), conditionals(twin)
        assert graph.attributes(first) == twin.attributes(second)
    then = graph.attributes(first)["then"]
    assert isinstance(then, Body) and then != graph.attributes(first)["otherwise"]


def test_a_body_that_takes_something_else_is_found_by_verify():
    graph = go.Graph.from_outputs([c, x], T.cond(c, T.exp(x), x))
    (node,) = conditionals(graph)
    graph._set_operand(node, 1, graph.inputs["c"])
    with pytest.raises(RewriteFailed, match="takes float64"):
        graph.verify()
