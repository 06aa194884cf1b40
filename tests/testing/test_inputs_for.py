"""`inputs_for` draws arrays that fit a program: their sizes, values, positions and layouts."""

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.testing.strategies import LAYOUTS, inputs_for
from graphopt.variable import variable

x = variable("x", "float64[n]")
TRIALS = settings(max_examples=60, deadline=None)


def first(strategy, wanted=lambda arrays: True):
    return find(strategy, wanted)


def test_inputs_of_every_dtype_are_drawn_to_fit():
    y, i, b = variable("y", "float32[n, m]"), variable("i", "uint8[m]"), variable("b", "bool[n, 1]")
    drawn = first(inputs_for([y * i, T.where(b, y, 0.0)]))
    assert drawn["y"].shape == (drawn["b"].shape[0], drawn["i"].shape[0])
    assert [drawn[name].dtype.name for name in "yib"] == ["float32", "uint8", "bool"]


def test_the_simplest_arrays_are_the_smallest_zeros():
    assert first(inputs_for(x + 1))["x"].tolist() == [0.0]
    assert first(inputs_for(x + 1), lambda arrays: arrays["x"].max() > 0.7)["x"].tolist() in (
        [1.0],
        [0.75],
        [1.25],
        [1.5],
    )


@given(st.data())
@TRIALS
def test_guards_hold_whatever_they_say(data):
    y = variable("y", "float64[n, m]")
    flat = variable("flat", "float64[k]")
    program = [flat.reshape(y.shape) + y, x[2], T.max(y[1:], axis=0)]
    arrays = data.draw(inputs_for(program, sizes=(0, 4)))
    assert arrays["flat"].size == arrays["y"].size and len(arrays["x"]) > 2
    interpret(Graph.from_outputs([flat, x, y], program), arrays)


def test_sizes_grow_where_no_others_fit_and_are_an_error_where_none_do():
    assert first(inputs_for(x[7] + x))["x"].shape == (8,)
    with pytest.raises(InvalidArgument, match=r"no sizes 1 … 16 of n satisfy"):
        first(inputs_for(x[20] + x))


@given(st.data())
@TRIALS
def test_positions_lie_inside_their_axes(data):
    i, m = variable("i", "int64[k]"), variable("m", "float64[n, 3]")
    graph = Graph.from_outputs([m, i], {"rows": m[i], "columns": m[:, i[::-1]]})
    arrays = data.draw(inputs_for(graph, domain="special"))
    assert np.all((arrays["i"] >= 0) & (arrays["i"] < min(arrays["m"].shape)))
    assert all(np.all(value) for name, value in interpret(graph, arrays).items() if name in graph.checks)


def test_functions_have_inputs_by_their_annotations_or_given_types():
    def annotated(a: "float64[n, 3]", b: "float32[n]"):  # noqa: F821
        return a.sum(axis=1) * b

    drawn = first(inputs_for(annotated))
    assert drawn["a"].shape == (drawn["b"].shape[0], 3) and drawn["b"].dtype == np.float32
    assert first(inputs_for(lambda a: T.exp(a), types={"a": "int32[2]"}))["a"].dtype == np.int32
    with pytest.raises(InvalidArgument, match=r"parameter b of .* has no type; annotate it"):
        inputs_for(lambda a, b: a + b, types={"a": "float64"})


def test_a_compiled_function_takes_what_is_drawn_and_keeps_its_shared_variables():
    w = go.shared(np.ones(3), name="w")
    compiled = go.function([x], T.sum(x) * w, target="numpy", updates={w: w + 1})
    drawn = first(inputs_for(compiled))
    assert list(drawn) == ["x"] and compiled(**drawn).shape == (3,)


@given(st.data())
@TRIALS
def test_domains_are_bounds_words_or_special_values_and_declared_ones_are_kept(data):
    p = variable("p", "float32[n]", (3.0, 5.0))
    q = variable("q", "float64[n]", "negative")
    both = [x * p * q]
    words = data.draw(inputs_for(both, domain={"x": "positive", "q": (-10.0, -9.0)}))
    assert np.all(words["x"] > 0) and np.all(words["p"] >= 3) and np.all((words["q"] <= -9) & (words["q"] >= -10))
    special = data.draw(inputs_for(both, domain="special"))
    assert np.all((special["p"] >= 3) & (special["p"] <= 5)) and np.all(special["q"] < 0)
    with pytest.raises(InvalidArgument, match="a domain is"):
        inputs_for(both, domain="large")


@pytest.mark.parametrize(
    "wanted",
    [
        np.isnan,
        np.isposinf,
        lambda a: (a == 0) & np.signbit(a),
        lambda a: (a != 0) & (np.abs(a) < np.finfo("float64").tiny),
    ],
)
def test_special_values_are_met_and_are_all_that_is_left(wanted):
    found = first(inputs_for(x, domain="special"), lambda arrays: wanted(arrays["x"]).any())["x"]
    assert found.size == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_change_no_element(layout):
    y = variable("y", "float64[n, m]")

    @given(st.data())
    @settings(max_examples=20, deadline=None)
    def look(data):
        arrays = data.draw(inputs_for(y, layouts=(layout,), sizes=(0, 3)))
        assert interpret(Graph.from_outputs([y], y + 0), arrays)["output"].shape == arrays["y"].shape
        assert np.all((arrays["y"] >= -2) & (arrays["y"] <= 2))

    look()
    flags = first(inputs_for(y, layouts=(layout,), sizes=(3, 3)))["y"]
    assert flags.flags.writeable == (layout != "read-only")
    assert flags.flags.c_contiguous == (layout in ("contiguous", "read-only"))
    assert (flags.strides[0] < 0) == (layout == "reversed")


def test_an_unknown_layout_is_named():
    with pytest.raises(InvalidArgument, match="unknown layouts"):
        inputs_for(x, layouts=("diagonal",))
