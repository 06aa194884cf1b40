"""Programs as mathematics, as pictures, and in notebooks."""

import shutil
import stat
import xml.etree.ElementTree as ElementTree
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.dimensions import opaque
from graphopt.errors import InvalidArgument, TargetUnavailable, TypeMismatch
from graphopt.graph import Graph
from graphopt.graph.checks import BOUNDS
from graphopt.graph.mathematics import LARGE, program_text
from graphopt.graph.outline import outline
from graphopt.interpret import interpret
from graphopt.ops import TABLE
from graphopt.ops.control import check
from graphopt.ops.gather import gather
from graphopt.ops.leaves import input_
from graphopt.testing import strategies
from graphopt.variable import variable

x, w, b = variable("x", "float64[n, 6]"), variable("w", "float64[6, k]"), variable("b", "float64[k]")
i, n = variable("i", "int64[n]"), go.dim("n")

# --- mathematics -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (lambda: T.log(T.sum(T.exp(x), axis=1)), "log(sum(exp(x), axis=1))"),
        (lambda: x @ w + b, "x @ w + b"),
        (lambda: T.exp(x) / T.exp(x).sum(axis=1, keepdims=True), "exp(x) / sum(exp(x), axis=1, keepdims=True)"),
        (lambda: T.sum(x) / x.size, "sum(x) / (6*n)"),
        (lambda: x.T @ x, "x.T @ x"),
        (lambda: (x + 1).T, "(x + 1).T"),
        (lambda: (x > 0) & (x < 1), "(x > 0) & (x < 1)"),
        (lambda: (x > 0) == (x < 1), "(x > 0) == (x < 1)"),
        (lambda: ~(i > 0) | (i << 2 > 1), "~(i > 0) | (i << 2 > 1)"),
        (lambda: -(x**2), "-x**2"),
        (lambda: (-x) ** 2, "(-x)**2"),
        (lambda: T.negative(-x), "-(-x)"),
        (lambda: 2**-x, "2**-x"),
        (lambda: (x**2.5) ** 3, "(x**2.5)**3"),
        (lambda: x - (x - 1), "x - (x - 1)"),
        (lambda: x / (x * x), "x / (x * x)"),
        (lambda: i % 2 // 3, "i % 2 // 3"),
        (lambda: x + i[:, None], 'x + cast(expand_dims(i, axis=1), "float64")'),
        (lambda: T.cast(x, "float32") * 0.1, 'cast(x, "float32") * 0.1'),
        (lambda: x.reshape((-1, 3)), "reshape(x, (2*n, 3))"),
        (lambda: T.concatenate([i, i + 1]), "concatenate([i, i + 1], axis=0)"),
        (lambda: T.constant([1.0, 2.0]) * x[0, :2], "array([1.0, 2.0]) * x[0, :2]"),
        (lambda: T.constant(np.ones((9, 6))) + x[0], "array(float64[9, 6]) + x[0]"),
        (lambda: T.zeros((n,)) + i, 'full((n,), 0) + cast(i, "float64")'),
        (lambda: x * (n + 1), "x * (n + 1)"),
        (lambda: x * -0.0, "x * -0.0"),
    ],
)
def test_a_small_expression_reads_like_mathematics(expression, text):
    assert str(expression()) == text


@pytest.mark.parametrize(
    "text",
    [
        "x[1:]",
        "x[:-1]",
        "x[1:-1]",
        "x[2:5]",
        "x[:3]",
        "x[1:9:3]",
        "x[-3:]",
        "x[-3:-1, 2]",
        "x[0]",
        "x[-1]",
        "x[:, ::2]",
        "x[1::2]",
        "x[::-1, 1:3]",
        "x[::-2]",
        "x[..., 2]",
    ],
)
def test_parts_of_arrays_read_as_they_are_written(text):
    assert str(eval(text)) == text.replace("...", ":")


bounds = st.none() | st.integers(-8, 8)
slices = st.builds(slice, bounds, bounds, st.none() | st.sampled_from([1, 2, 3, -1, -2]))


@given(slices, slices, st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_the_text_of_any_part_means_that_part(rows, columns, size):
    array = np.arange(6.0 * size).reshape(size, 6)
    scope = {"x": x, "n": n, "min": partial(opaque, "min"), "max": partial(opaque, "max")}
    graph = Graph.from_outputs([x], eval(str(x[rows, columns]), scope))
    np.testing.assert_array_equal(interpret(graph, {"x": array}).popitem()[1], array[rows, columns])


def test_the_check_of_an_index_is_not_shown_and_one_that_was_written_is():
    inside = (i * i + 1 > 0) & (i * i + 2 > 0)
    part = check(gather(x + 1, i, i), inside, message="outside", kind=BOUNDS)
    assert str(part * 2) == "(x + 1)[i, i] * 2"
    assert str(T.check(i, i > 0, "positive")) == 'check(i, i > 0, message="positive")'
    assert "output check0: bool = all(i > 0)" in program_text(Graph.from_outputs([i], T.check(i, i > 0, "positive")))


def test_shared_parts_named_parts_and_long_parts_have_lines_of_their_own():
    hidden = T.tanh(x @ w + b)
    assert str(T.sum(hidden * hidden)) == "t1 = tanh(x @ w + b)\nsum(t1 * t1)"
    assert str(T.sum(hidden.named("hidden"))) == "hidden = tanh(x @ w + b)\nsum(hidden)"
    t1 = variable("t1", "float64")
    shared = T.log(1 + T.exp(t1))
    assert str(shared + shared) == "t2 = log(1 + exp(t1))\nt2 + t2"
    long = x
    for _ in range(30):
        long = T.arctan(long)
    assert max(map(len, str(long).splitlines())) < 100


def test_names_that_could_mean_something_else_are_quoted_or_numbered():
    assert str(variable("a + b", "float64") * 2) == '"a + b" * 2'
    assert str(variable("a\nb", "float64") * 2) == '"a\\nb" * 2'
    assert str(variable("a", "float64") - variable("a", "float64")) == "a - a_1"
    assert str(variable(None, "float64") + 1) == "_ + 1"


def test_a_large_expression_has_one_line_for_each_application():
    y = x
    for _ in range(LARGE):
        y = T.sin(y)
    assert "\n" in str(T.sin(y))
    lines = str(T.sin(y)).splitlines()
    assert lines[:2] == ["input x: float64[n, 6]", "t1: float64[n, 6] = sin(x)"]
    assert len(lines) == LARGE + 2 and lines[-1] == f"sin(t{LARGE})"


def test_text_grows_neither_with_depth_nor_with_the_number_of_paths():
    deep, wide, few = x, x, x
    for _ in range(10_000):
        deep = T.sin(deep)
    for _ in range(100):
        wide = wide * wide
    for _ in range(LARGE - 2):
        few = few + few
    assert str(deep).count("\n") == 10_000
    assert str(wide).count("\n") == 100
    assert len(str(few)) < 40 * LARGE


def test_the_text_of_a_graph_declares_inputs_and_outputs():
    hidden = T.tanh(x @ w + b).named("hidden")
    graph = Graph.from_outputs([x, w, b], {"loss": T.sum(hidden * hidden), "x": hidden})
    assert program_text(graph).splitlines() == [
        "input x: float64[n, 6]",
        "input w: float64[6, k]",
        "input b: float64[k]",
        "hidden = tanh(x @ w + b)",
        "output loss: float64 = sum(hidden * hidden)",
        "output x: float64[n, k] = hidden",
    ]
    assert str(T.exp(graph.handle(graph.outputs["x"])) + 1).endswith(") + 1")


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_text_of_an_expression_can_be_pasted_and_means_the_same(data):
    families = ("arithmetic", "elementary", "reduction", "composite", "shape", "product", "kinks")
    expression = data.draw(strategies.expressions(families=families))
    leaves = [part for part in go.graph.build.topological([expression]) if part.op is input_]
    scope = {**{op.name: op for op in TABLE.values()}, **vars(T), "n": go.dim("n"), "m": go.dim("m")}
    scope |= {leaf.name: leaf for leaf in leaves}
    *definitions, last = str(expression).splitlines()
    exec("\n".join(line for line in definitions if not line.startswith("input")), scope)
    again = eval(last, scope)
    arrays = data.draw(strategies.inputs_for(expression))
    graph = Graph.from_outputs(leaves, {"as written": expression, "pasted": T.cast(again, "float64")})
    np.testing.assert_array_equal(*interpret(graph, arrays).values())


# --- pictures ----------------------------------------------------------------------------------------------------


@pytest.fixture
def dot(tmp_path, monkeypatch):
    """Puts a program called dot on PATH, and nothing else; without a script, there is none."""

    def put(script=None):
        folder = tmp_path / "programs"
        folder.mkdir(exist_ok=True)
        monkeypatch.setenv("PATH", str(folder))
        if script is not None:
            program = folder / "dot"
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)

    return put


ECHO = 'printf "%s" "<svg>$1 "; while read -r line; do printf "%s" "$line"; done; printf "</svg>"'


def test_a_notebook_shows_text_and_a_picture_where_there_is_graphviz(dot):
    dot(ECHO)
    for shown in (T.exp(x), Graph.from_outputs([x], T.exp(x)), go.function([x], T.exp(x), target="numpy")):
        kinds = shown._repr_mimebundle_()
        assert kinds["image/svg+xml"].startswith("<svg>-Tsvg digraph graphopt")
        assert "exp(x)" in kinds["text/plain"]
        assert set(shown._repr_mimebundle_(exclude={"image/svg+xml"})) == {"text/plain"}
        assert set(shown._repr_mimebundle_(include={"text/html"})) == {"text/plain"}


@pytest.mark.parametrize("script", [None, "exit 1", "kill -9 $$", "exit 0", "while :; do :; done"])
def test_a_notebook_shows_text_where_graphviz_is_missing_or_fails(dot, monkeypatch, script):
    monkeypatch.setattr("graphopt.graph.draw.PATIENCE", 0.2)
    dot(script)
    assert T.exp(x)._repr_mimebundle_() == {"text/plain": "exp(x): float64[n, 6]"}


def test_a_notebook_shows_of_a_large_program_no_picture_and_not_every_line(dot):
    dot(ECHO)
    y = x
    for _ in range(2_000):
        y = T.sin(y)
    kinds = y._repr_mimebundle_()
    assert set(kinds) == {"text/plain"}
    assert "1801 lines more" in kinds["text/plain"] and kinds["text/plain"].count("\n") == 200


@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_a_picture_is_drawn_to_a_file(dot, tmp_path, format):
    dot(ECHO)
    path = go.draw(T.exp(x), tmp_path / f"picture.{format}")
    assert path.read_text().startswith(f"<svg>-T{format} digraph")
    assert {entry.name for entry in tmp_path.iterdir()} == {"programs", path.name}


def test_dot_text_is_drawn_without_graphviz(dot, tmp_path):
    dot()
    graph = Graph.from_outputs([x], {"y": T.exp(x)})
    assert go.draw(graph, tmp_path / "picture.dot").read_text() == graph.to_dot()


def test_what_cannot_be_drawn_is_refused_and_leaves_the_old_picture(dot, tmp_path):
    path = tmp_path / "picture.svg"
    path.write_text("old")
    dot()
    with pytest.raises(TargetUnavailable, match=r"'dot' is not on PATH; install Graphviz.*or draw to.*\.dot"):
        go.draw(x, path)
    dot("echo syntax error >&2; exit 3")
    with pytest.raises(TargetUnavailable, match="exit code 3: syntax error"):
        go.draw(x, path)
    dot("while :; do :; done")
    with pytest.raises(TargetUnavailable, match=r"longer than 0\.1 s"):
        go.draw(x, path, timeout=0.1)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 2
    with pytest.raises(InvalidArgument, match=r"one of \.svg, \.png, \.pdf, \.dot; found 'picture\.gif'"):
        go.draw(x, tmp_path / "picture.gif")
    with pytest.raises(TypeMismatch, match="found ndarray"):
        go.draw(np.ones(3), path)


EVIL = ['x"]; evil [', "<script>&lt;", "back\\slash\\N", "new\nline", "nul\0", "ünïcode", "a" * 500]


@pytest.mark.parametrize("name", EVIL)
def test_dot_text_keeps_names_inside_their_labels(name):
    y = variable(name, "float64")
    lines = Graph.from_outputs([y], {name: T.exp(y).named(name)}).to_dot().splitlines()
    assert len(lines) == 2 + 2 + 1 + 2 + 1  # head, nodes, edge, output, end
    for line in lines:
        bare = line.replace("\\\\", "").replace('\\"', "")
        assert bare.count('"') % 2 == 0 and "\0" not in line
        assert "&" not in line.replace("&amp;", "")


@pytest.mark.skipif(not shutil.which("dot"), reason="needs Graphviz, of which this asks what it draws")
def test_graphviz_draws_every_name_as_it_is():
    y = variable('<script>&lt;"\\N', "float64")
    picture = T.exp(y)._repr_mimebundle_()["image/svg+xml"]
    labels = [element.text for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert '<script>&lt;"\\N: float64' in labels
    assert "<script" not in picture


def test_the_outline_of_an_expression_and_of_its_graph_agree():
    expression = T.log(T.sum(T.exp(x), axis=1))
    a, b = outline(expression), outline(Graph.from_outputs([x], expression))
    assert a.applications == b.applications == 3
    assert [part.op for part in a.parts] == [part.op for part in b.parts]
