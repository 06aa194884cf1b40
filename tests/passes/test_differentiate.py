"""The pass `differentiate`: the gradients of `graphopt.grad`, at whatever place of a pipeline an experiment wants."""

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument, RewriteFailed
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.rewrite import Pipeline, available_passes

X, W = go.variable("x", "float64[3]"), go.variable("w", "float64[3]")
POINT = {"x": np.array([0.3, -1.0, 2.0]), "w": np.array([1.0, -0.5, 2.0])}
STABLE = "fix{stabilize,cse,canonicalize}"


def log_softmax():
    return T.sum(W * T.log(T.exp(X) / T.sum(T.exp(X))))


def run(text, outputs, inputs=(X, W)):
    graph = Graph.from_outputs(list(inputs), outputs)
    Pipeline.parse(text).run(graph, verify=True)
    return graph


def gradient_of(graph, by="x", of="output", **point):
    return interpret(graph, {**POINT, **point})[f"d_{of}_d_{by}"]


PLACES = {
    "alone": "differentiate{wrt=x+w}",
    "first": f"differentiate{{wrt=x+w}},canonicalize,{STABLE},lower",
    "before stabilizing": f"canonicalize,differentiate{{wrt=w+x}},cse,{STABLE},lower,cse",
    "after stabilizing": f"canonicalize,{STABLE},differentiate{{wrt=x+w}},cse,canonicalize,lower",
    "after lowering": f"canonicalize,{STABLE},lower,differentiate,cse",
}


@pytest.mark.parametrize("text", PLACES.values(), ids=PLACES)
def test_rewriting_before_and_after_gives_the_gradients_of_grad(text):
    graph = run(text, log_softmax())
    expected = go.grad(log_softmax(), [X, W])
    found = interpret(Graph.from_outputs([X, W], dict(zip("xw", expected, strict=True))), POINT)
    assert set(graph.outputs) == {"output", "d_output_d_x", "d_output_d_w"}
    for name, value in found.items():
        np.testing.assert_allclose(gradient_of(graph, name), value, rtol=1e-12)


def test_where_logits_are_large_only_what_was_stabilized_before_has_a_gradient():
    # The formula's own derivative is inf/inf; nothing that is done to it later can know what was meant.
    large = np.array([1000.0, 0.0, -1000.0])
    with np.errstate(all="ignore"):
        naive = gradient_of(run(PLACES["alone"], log_softmax()), x=large)
        late = gradient_of(run(PLACES["before stabilizing"], log_softmax()), x=large)
        early = gradient_of(run(PLACES["after stabilizing"], log_softmax()), x=large)
    assert np.isnan(naive).any() and np.isnan(late).any()
    np.testing.assert_allclose(early, POINT["w"] - POINT["w"].sum() * np.array([1.0, 0, 0]))


def test_a_second_derivative_is_the_same_pass_again():
    x = go.variable("x", "float64")
    graph = run("differentiate{wrt=x},differentiate{of=d_output_d_x,wrt=x},canonicalize,cse", T.sin(x), [x])
    found = interpret(graph, {"x": np.array(0.7)})
    np.testing.assert_allclose(found["d_d_output_d_x_d_x"], -np.sin(0.7), rtol=1e-14)


def test_outputs_are_replaced_where_they_are_not_kept_but_checks_stay():
    cost = T.sum(T.sqrt(T.check(X, X > 0, "x is positive")))
    graph = run("differentiate{keep=false}", cost, [X])
    assert set(graph.outputs) - set(graph.checks) == {"d_output_d_x"}
    assert len(graph.checks) == 1


def test_branches_are_differentiated_from_outside_and_not_each_as_a_program():
    x = go.variable("x", "float64")
    graph = run("differentiate,canonicalize,branches", T.cond(x > 0, lambda: T.sin(x), lambda: x**2), [x])
    for point, slope in ((0.5, np.cos(0.5)), (-0.5, -1.0)):
        np.testing.assert_allclose(interpret(graph, {"x": np.array(point)})["d_output_d_x"], slope)


def test_by_default_everything_the_output_depends_on_is_meant():
    i, unused = go.variable("i", "int64"), go.variable("unused", "float64")
    graph = run("differentiate", T.sum(X) * i, [X, i, unused])
    assert list(graph.outputs) == ["output", "d_output_d_x"]
    assert list(run("differentiate", T.sum(X) * 0 + i, [X, i]).outputs) == ["output", "d_output_d_x"]


def test_a_flat_dependence_gives_zeros():
    graph = run("differentiate{wrt=x}", T.sum(T.floor(X)), [X])
    np.testing.assert_array_equal(gradient_of(graph), np.zeros(3))


def test_the_text_is_read_back_and_lists_of_names_are_words():
    assert "differentiate" in available_passes()
    pipeline = Pipeline.parse("canonicalize,differentiate{wrt=x+w,of=cost,keep=false}")
    assert Pipeline.parse(str(pipeline)) == pipeline
    assert str(pipeline) == "canonicalize,differentiate{wrt=x+w,of=cost,keep=false}"
    with pytest.raises(InvalidArgument, match="expected a name"):
        Pipeline.parse("differentiate{wrt=x+}")


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "differentiate{wrt=z}": "no input z; there are: x, i, apart",
        "differentiate{wrt=i}": "input i is of type int64; expected floats",
        "differentiate{wrt=apart}": "does not depend on input apart; leave it out of wrt",
        "differentiate{of=cost}": "no output cost; there are: output",
        "differentiate,differentiate": "of several outputs one has to be named",
        "differentiate,differentiate{of=output}": "an output d_output_d_x already",
    }.items(),
)
def test_what_cannot_be_done_is_refused_and_leaves_the_graph_as_it_was(text, said):
    i, apart = go.variable("i", "int64"), go.variable("apart", "float64")
    graph = Graph.from_outputs([X, i, apart], T.sum(X) * i)
    before = str(graph)
    with pytest.raises(RewriteFailed, match=said):
        Pipeline.parse(text).run(graph)
    assert str(graph) == before


@pytest.mark.parametrize("output", [X * 2, T.argmax(X)])
def test_what_is_no_scalar_of_floats_is_refused(output):
    with pytest.raises(RewriteFailed, match=r"expected a (scalar|float)"):
        run("differentiate", output, [X])
