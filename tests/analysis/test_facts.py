"""Value facts are true of every value, survive edits, and let rules fire."""

import math

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.domain import WORDS, outside
from graphopt.errors import CheckFailed, InvalidArgument
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.ops import TABLE
from graphopt.passes import canonical_facts
from graphopt.rewrite import Pipeline, RulePass, V, available_passes, finite, nonnegative, positive
from graphopt.rewrite.match import match
from graphopt.testing.strategies import FAMILIES, expressions, inputs_for
from graphopt.types import is_float

SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 1e-40, -1e-40, 5e-324, 3.0, 90.0, -110.0, 750.0, -750.0, 3e38, -3e38)
ENDS = (*SPECIAL, math.inf, -math.inf)
MORE = (*ENDS, 1e300, -1e300, 1.7e308, -1.7e308, math.nan)


def assert_true(graph, arguments):
    """Every value that the interpreter meets is what the facts of its node say."""

    def check(node, value):
        facts, array = graph.facts(node), np.asarray(value)
        holds = facts.zero or not (array == 0).any()
        if is_float(graph.type(node).dtype):
            holds = holds and (facts.nan or not np.isnan(array).any())
            holds = holds and (facts.negative_zero or not ((array == 0) & np.signbit(array)).any())
            array = array[~np.isnan(array)].astype(float)
            whole = np.isinf(array) | (np.floor(array) == array)
            holds = holds and (not facts.integer or whole.all())
        elements = array.reshape(-1).tolist()
        holds = holds and (not elements or (facts.lo <= min(elements) and max(elements) <= facts.hi))
        if not holds:  # the text of a graph costs more than all the rest
            pytest.fail(f"node {node} of\n{graph}\n{arguments}\n{facts}, found {value}")

    with np.errstate(all="ignore"):
        interpret(graph, arguments, on_node=check)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_facts_hold_at_every_node_of_random_programs(dtype, data):
    expression = data.draw(expressions(dtypes=(dtype,), families=(*FAMILIES, "steps")))
    inputs = [v for v in go.graph.build.topological([expression]) if v.op.name == "input"]
    bounds = data.draw(st.sampled_from([(-2.0, 2.0), (0.0, 2.0), (0.5, 1.5), (-1.0, -0.25)]))
    mapping = {v: go.variable(v.name, v.type, bounds) for v in inputs}
    (confined,) = go.graph.build.substituted([expression], mapping)
    graph = Graph.from_outputs(list(mapping.values()), confined)
    assert_true(graph, data.draw(inputs_for(graph, domain=bounds)))


ELEMENTWISE = [
    op.name for op in TABLE.values()
    if "elementwise" in op.traits and op.name not in ("cast", "barrier", "fma") and 1 <= op.arity <= 2
    and "host" not in op.traits  # nothing is known of them
]  # fmt: skip


def intervals():
    return st.tuples(st.sampled_from(ENDS), st.sampled_from(ENDS)).map(lambda pair: (min(pair), max(pair)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_an_op_keeps_its_facts_at_special_values(name, dtype, data):
    op, variables, values = TABLE[name], [], {}
    for label in "xy"[: op.arity]:
        domain = data.draw(intervals() | st.sampled_from([*WORDS, "finite positive"]))
        variables.append(go.variable(label, f"{dtype}[k]", domain))
        with np.errstate(over="ignore"):
            pool = np.array(MORE).astype(dtype)
        inside = pool[~outside(pool, domain)]
        values[label] = inside if inside.size else np.zeros(0, dtype)
    if any(not array.size for array in values.values()):
        return
    try:
        result = op(*variables)
    except go.TypeMismatch:  # integers only
        return
    pairs = np.array(np.meshgrid(*values.values())).reshape(op.arity, -1)
    arguments = {label: row.astype(dtype) for label, row in zip(values, pairs, strict=True)}
    assert_true(Graph.from_outputs(variables, result), arguments)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64"])
@pytest.mark.parametrize("name", ["add", "multiply", "absolute", "negative", "square", "maximum", "sign", "less"])
def test_integers_that_wrap_around_keep_their_facts(name, dtype):
    op = TABLE[name]
    limits = (np.iinfo(dtype).min, np.iinfo(dtype).max)
    pool = np.array(sorted({limits[0], limits[1], 0, 1, limits[1] // 2}), dtype)
    variables = [go.variable(label, f"{dtype}[k]") for label in "xy"[: op.arity]]
    pairs = np.array(np.meshgrid(*[pool] * op.arity)).reshape(op.arity, -1).astype(dtype)
    arguments = dict(zip("xy", pairs, strict=False))
    assert_true(Graph.from_outputs(variables, op(*variables)), arguments)


def facts_of(expression, *inputs):
    graph = Graph.from_outputs(inputs, expression)
    return graph.facts(next(iter(graph.outputs.values())))


def test_an_exponential_may_underflow_to_zero_and_overflow():
    x = go.variable("x", "float32", "finite")
    facts = facts_of(T.exp(x), x)
    assert facts.is_nonnegative and not facts.is_positive and not facts.is_finite and facts.is_number
    assert facts.has_clear_sign


def test_a_product_of_positive_numbers_may_underflow_but_a_sum_may_not():
    x, y = go.variable("x", "float64", "positive"), go.variable("y", "float64", "positive")
    assert not facts_of(x * y, x, y).is_positive
    assert facts_of(x * y, x, y).is_nonnegative
    assert facts_of(x + y, x, y).is_positive


def test_infinity_minus_infinity_and_zero_times_infinity_may_be_nan():
    x, y = go.variable("x", "float64", "positive"), go.variable("y", "float64", "nonnegative")
    assert facts_of(x - y, x, y).nan
    assert facts_of(x * y, x, y).nan
    a, b = go.variable("a", "float64", "finite"), go.variable("b", "float64", "finite")
    assert facts_of(a - b, a, b).is_number and not facts_of(a - b, a, b).is_finite


def test_a_sum_over_an_axis_that_may_be_empty_may_be_zero():
    x = go.variable("x", "float64[n, 3]", "positive")
    assert not facts_of(T.sum(x, axis=0), x).is_positive
    assert facts_of(T.sum(x, axis=1), x).is_positive


@pytest.mark.parametrize("links", [5_000, pytest.param(50_000, marks=pytest.mark.long)])
def test_a_long_chain_has_facts_without_recursion(links):
    x = go.variable("x", "float64", "nonnegative")
    y = x
    for _ in range(links):
        y = T.sqrt(y) + 1
    assert facts_of(y, x).is_positive


def test_facts_follow_an_edit_and_its_rollback():
    x, y = go.variable("x", "float64", "positive"), go.variable("y", "float64")
    graph = Graph.from_outputs([x, y], {"a": T.sqrt(x) + 1, "b": y})
    output, mark = graph.outputs["a"], graph.journal.mark()
    assert graph.facts(output).is_positive
    root = next(node for node in graph if graph.op(node).name == "sqrt")
    graph.replace(root, graph.inputs["y"])
    assert not graph.facts(output).is_positive
    graph.journal.rollback(mark)
    assert graph.facts(output).is_positive


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_facts_after_passes_are_those_of_a_fresh_graph(data):
    expression = data.draw(expressions(max_nodes=8))
    inputs = [v for v in go.graph.build.topological([expression]) if v.op.name == "input"]
    graph = Graph.from_outputs(inputs, expression)
    for node in graph:
        graph.facts(node)
    Pipeline.parse("canonicalize,stabilize,cse,canonicalize").run(graph)
    fresh = graph.copy()
    assert all(graph.facts(node) == fresh.facts(node) for node in graph)


# --- declared domains -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["positive", "finite nonnegative", (0.0, 1.0), (-math.inf, 3)])
def test_a_domain_survives_the_text_form(domain):
    x = go.variable("x", "float32[n]", domain=domain)
    graph = Graph.from_outputs([x], T.abs(x))
    again = Graph.parse(str(graph))
    assert again.facts(again.inputs["x"]) == graph.facts(graph.inputs["x"])
    assert again.attributes(again.inputs["x"]) == graph.attributes(graph.inputs["x"])


@pytest.mark.parametrize("domain", ["tiny", "", (2, 1), (0, math.nan), "positive negative", 3, (1, 2, 3), ("a", "b")])
def test_a_domain_without_meaning_is_refused(domain):
    with pytest.raises(InvalidArgument):
        go.variable("x", "float32", domain=domain)


@pytest.mark.parametrize(
    ("domain", "bad"),
    [("positive", 0.0), ("finite", math.inf), ((0, 1), 1.5), ("nonzero", -0.0), ("negative", math.nan)],
)
def test_check_mode_names_the_argument_outside_its_domain(domain, bad):
    x = go.variable("height", "float64[n]", domain=domain)
    f = go.function([x], x + 1, target="numpy", mode="check")
    with pytest.raises(CheckFailed, match=r"height\[1\]"):
        f(np.array([-0.5 if domain == "negative" else 0.5, bad]))


def test_assumptions_of_sympy_become_facts():
    positive_symbol = sympy.Symbol("p", positive=True)
    plain = sympy.Symbol("q")
    f = go.function([positive_symbol, plain], [sympy.log(positive_symbol), plain], target="numpy", pipeline="none")
    facts = f.graph.facts(f.graph.inputs["p"])
    assert facts.is_positive and facts.is_finite
    assert f.graph.facts(f.graph.inputs["q"]).nan


# --- rules ----------------------------------------------------------------------------------------------------------

x = go.variable("x", "float64[n]")
p = go.variable("p", "float64[n]", "positive")
n = go.variable("n", "float64[n]", "nonpositive")
q = go.variable("q", "float64[n]", "nonnegative")
r = go.variable("r", "float64[n]", "finite")
BEFORE_AFTER = {
    "an absolute value of a positive number": ("canonicalize", T.abs(p), p),
    "an absolute value of an exponential": ("canonicalize", T.abs(T.exp(x)), T.exp(x)),
    "an absolute value of what is negative": ("canonicalize", T.abs(n), -n),
    "an absolute value of anything": ("canonicalize", T.abs(x), T.abs(x)),
    "a maximum that is decided": ("canonicalize", T.maximum(T.exp(x), 0.0), T.exp(x)),
    "a maximum that may be NaN": ("canonicalize", T.maximum(T.sqrt(x), x), T.maximum(T.sqrt(x), x)),
    "a selection by a decided comparison": ("canonicalize", T.where(q >= 0, q, -q), q),
    "a comparison that NaN would decide otherwise": ("canonicalize", T.where(T.abs(x) >= 0, x, 1.0),
                                                     T.where(T.abs(x) >= 0, x, 1.0)),
    "finiteness of a declared finite number": ("canonicalize", T.where(T.isfinite(r), r, 0.0), r),
    "an exponential of a logarithm": ("canonicalize,stabilize", T.exp(T.log(p)), p),
    "a logarithm of a product": ("canonicalize,stabilize", T.log(p * T.exp(x)), T.log(p) + x),
    "a root of a square": ("canonicalize,stabilize", T.sqrt(x * x), T.abs(x)),
    "a logarithm of a power": ("fast-math", T.log(p**x), x * T.log(p)),
}  # fmt: skip


@pytest.mark.parametrize("name", BEFORE_AFTER)
def test_a_rule_turns(name):
    pipeline, before, after = BEFORE_AFTER[name]
    graph = Graph.from_outputs([x, p, n, q, r], {"y": before})
    Pipeline.parse(pipeline).run(graph, verify=True)
    graph.prune()
    expected = Graph.from_outputs([x, p, n, q, r], {"y": after})
    if pipeline != "fast-math":
        Pipeline.parse("canonicalize").run(expected)
    assert go.graph.text.graph_text(graph, origins=False) == go.graph.text.graph_text(expected, origins=False)


def test_every_rule_is_in_a_pass():
    used = {rule.name for step in available_passes().values() if issubclass(step, RulePass) for rule in step.rules}
    stated = (*canonical_facts.RULES, *canonical_facts.STABLE, *canonical_facts.FAST)
    assert used >= {rule.name for rule in stated}


@pytest.mark.parametrize(("condition", "holds"), [(positive, False), (nonnegative, True), (finite, False)])
def test_a_condition_restricts_a_pattern_variable(condition, holds):
    graph = Graph.from_outputs([q], {"y": T.log(q)})
    assert (match(T.log(V("a", where=condition)), graph, graph.outputs["y"]) is not None) == holds
