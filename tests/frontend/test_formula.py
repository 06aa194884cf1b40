"""Formulas: what they mean, that they mean the same when read back, and that bad ones get one clear error each."""

import inspect
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.frontend.formula import parse_formula
from graphopt.frontend.formula_functions import FUNCTIONS
from graphopt.frontend.formula_text import LONGEST
from graphopt.interpret import interpret
from graphopt.types import DTYPES

A = np.array([[0.5, 1.5, -2.0], [3.0, -0.25, 1.0]])
B = np.array([[2.0, 1.0, 0.5], [1.0, 4.0, -3.0]])
ARRAYS = {"a": A, "b": B}


def value(text, **arrays):
    """A formula's value by the interpreter, all of whose inputs are given."""
    inputs, output = parse_formula(text, {name: f"{array.dtype}{list(array.shape)}" for name, array in arrays.items()})
    graph = go.Graph.from_outputs(inputs, {"output": output})
    return interpret(graph, arrays)["output"]


# --- meaning ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log(exp(a)/sum(exp(a), axis=1, keepdims=True))", np.log(np.exp(A) / np.exp(A).sum(axis=1, keepdims=True))),
        ("s = exp(a); s / s.sum(axis=1, keepdims=True)", np.exp(A) / np.exp(A).sum(axis=1, keepdims=True)),
        ("a.T @ b", A.T @ B),
        ("matmul(a, transpose(b))", A @ B.T),
        ("where(a > 0, a, -b)", np.where(A > 0, A, -B)),
        ("a.reshape(3, 2)", A.reshape(3, 2)),
        ("a.reshape((3, -1)) + 1", A.reshape(3, -1) + 1),
        ("reshape(a, 6)", A.reshape(6)),
        ("a.transpose(1, 0)", A.T),
        ("mean(a, axis=(0, 1))", A.mean()),
        ("a.max(axis=None)", A.max()),
        ("var(a, axis=0, ddof=1)", A.var(axis=0, ddof=1)),
        ("a.var(axis=0, ddof=1)", A.var(axis=0, ddof=1)),
        ("clip(a, 0, None)", np.clip(A, 0, None)),
        ("a.astype('float32')", A.astype("float32")),
        ("cast(a, int32)", A.astype("int32")),
        ("modf(a)[0]", np.modf(A)[0]),
        ("a[1:, ::-1] + a[0]", A[1:, ::-1] + A[0]),
        ("a[..., None, -1][:2]", A[..., None, -1][:2]),
        ("concatenate((a, a[:1]), axis=0)", np.concatenate([A, A[:1]])),
        ("diff(a, n=1)*flip(a)[:, 1:]", np.diff(A) * np.flip(A)[:, 1:]),
        ("set_subtensor(pad(a, 1)[0, :2], 5)", np.r_[[[5, 5, *[0] * A.shape[1]]], np.pad(A, 1)[1:]]),
        ("vstack((a, a[0])).flatten()", np.vstack([A, A[0]]).ravel()),
        ("tensordot(a, b, axes=2) + trace(a @ b.T)", np.tensordot(A, B) + np.trace(A @ B.T)),
        ("average(a, axis=1, weights=b) + cov(a, bias=True)", np.average(A, axis=1, weights=B) + np.cov(A, bias=True)),
        ("a * a.shape[0] + a.ndim", A * 2 + 2),
        ("a / a.size", A / 6),
        ("np.exp(a)", np.exp(A)),
        ("pi * a + e", math.pi * A + math.e),
        ("where(a > 0, inf, nan)", np.where(A > 0, np.inf, np.nan)),
        ("(a > 0) & ~(b > 1) | (a == b)", (A > 0) & ~(B > 1) | (A == B)),
        ("-a**2", -(A**2)),
        ("2**-a**2", 2 ** -(A**2)),
        ("2 ** 3 ** 2 * a", 2**3**2 * A),
        ("a - b - 1 - 2", A - B - 1 - 2),
        ("a // 2 % 3", A // 2 % 3),
        ("a % b + a // b", A % B + A // B),
        ("a + 7 // 2 * .5 - 1.e-1", A + 7 // 2 * 0.5 - 1.0e-1),
        ("a\n  + b ;", A + B),
        ("a != 0", A != 0),
        ("1 + 2", np.array(3)),
        ("a", A),
    ],
)
def test_a_formula_has_the_value_that_numpy_gives(text, expected):
    words = re.findall(r"[A-Za-z]+", text)
    found = value(text, **{name: array for name, array in ARRAYS.items() if name in words})
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert found.shape == np.shape(expected)


def test_inputs_come_in_the_order_in_which_the_formula_names_them():
    inputs, _ = parse_formula("z + exp(x) * z / y", {"x": "float64", "y": "float64", "z": "float64"})
    assert [v.name for v in inputs] == ["z", "x", "y"]


def test_numbers_among_themselves_do_not_widen_the_dtype_of_an_input():
    _, output = parse_formula("2 * 3.5 / 2 * x ** (1/2) + pi", {"x": go.TensorType("float32", (4,))})
    assert output.dtype == "float32"


def test_an_input_may_be_called_like_a_function_or_a_constant():
    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(value("sum * sum(sum) + e", sum=x, e=x), x * 3 + x)


def test_named_dimensions_stay_symbolic():
    _, output = parse_formula("x.sum(axis=0) / x.shape[0]", {"x": "float64[n, m]"})
    assert str(output.type) == "float64[m]"


def test_origins_are_the_parts_of_the_formula():
    _, output = parse_formula("log(1 + exp(x))", {"x": "float64[n]"})
    graph = go.Graph.from_outputs(*parse_formula("log(1 + exp(x))", {"x": "float64[n]"}))
    assert str(output.origin) == "log(1 + exp(x))"
    assert "# 1 + exp(x)" in str(graph)
    assert __file__ not in str(graph)


def test_an_assigned_name_is_the_name_of_the_value_in_the_graph():
    graph = go.Graph.from_outputs(*parse_formula("s = exp(x); s + s", {"x": "float64[n]"}))
    assert '"s"' in str(graph)
    assert sum(graph.op(node).name == "exp" for node in graph) == 1


def test_every_function_of_the_array_language_can_be_called_or_is_left_out_on_purpose():
    left_out = {
        "constant", "elementwise", "tensor", "split", "check",  # a part is x[…]; no texts
        "array_split", "hsplit", "vsplit", "dsplit", "unstack", "meshgrid", "gradient", "nonzero",  # no lists of arrays
        "cumulative_sum", "cumulative_prod",  # cumsum and cumprod by other names
        "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_shapes",
        "einsum", "dimshuffle", "block", "piecewise", "select", "choose", "linalg", "nnet",
        "result_type", "can_cast", "isdtype", "finfo", "iinfo", "asarray", "isrealobj", "iscomplexobj",  # no values
        "e", "inf", "nan", "newaxis", "pi", *DTYPES,
    }  # fmt: skip
    constructors = {name for name in T.__all__ if name.lstrip("bwilfd") in {
        "scalar", "vector", "row", "col", "matrix", "tensor3", "tensor4", "tensor5", "scalars", "vectors", "matrices",
    } or name in {"dscalar", "lscalar"}}  # fmt: skip
    assert set(T.__all__) - constructors - left_out - set(FUNCTIONS) == set()
    assert all(callable(callee.function) and callee.signature for callee in FUNCTIONS.values())


# --- reading back what was printed -----------------------------------------------------------------------------------

UNARY = ("-", "+")
BINARY = ("+", "-", "*", "/", "**", "//", "%")
CALLED = ("exp", "tanh", "abs", "sqrt", "maximum", "minimum", "arctan2")


def trees():
    leaves = st.sampled_from(["a", "b", "pi", "2", "0.5", "1e-3"])
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(st.sampled_from(UNARY), inner),
            st.tuples(st.sampled_from(BINARY), inner, inner),
            st.tuples(st.sampled_from(CALLED[:4]), inner),
            st.tuples(st.sampled_from(CALLED[4:]), inner, inner),
            st.tuples(st.just("sum"), inner),
        ),
        max_leaves=12,
    )


LEVEL = {"+": 0, "-": 0, "*": 1, "/": 1, "//": 1, "%": 1, "u": 2, "**": 3}


def printed(tree, bare):
    """A tree as text: with every parenthesis, or (`bare`) with no more than Python needs. Second: its level."""
    if isinstance(tree, str):
        return tree, 4
    head, *parts = tree
    texts = [printed(part, bare) for part in parts]
    if head in CALLED or head == "sum":
        inside = ", ".join(text for text, _ in texts)
        return (f"sum({inside} + a, axis=1, keepdims=True)" if head == "sum" else f"{head}({inside})"), 4
    level = LEVEL["u"] if len(texts) == 1 else LEVEL[head]

    def wrapped(part, least):
        text, own = part
        return text if bare and own >= least else f"({text})"

    if len(texts) == 1:
        return f"{head}{wrapped(texts[0], LEVEL['u'])}", level
    left, right = texts
    if head == "**":
        return f"{wrapped(left, 4)}**{wrapped(right, LEVEL['u'])}", level
    return f"{wrapped(left, level)} {head} {wrapped(right, level + 1)}", level


def occurring(tree):
    """The inputs in a tree; a printed sum adds `a`."""
    if isinstance(tree, str):
        return {tree} & set(ARRAYS)
    return set().union(*map(occurring, tree[1:])) | ({"a"} if tree[0] == "sum" else set())


def value_or_error(text, arrays):
    """A formula's value; of the errors, only those that numbers among themselves give."""
    try:
        return value(text, **arrays)
    except (go.InvalidArgument, go.UnsupportedExpression) as error:
        assert any(word in str(error) for word in ("number", "bits", "complex")), text
        return None


@settings(deadline=None, max_examples=150)
@given(trees())
def test_a_random_expression_printed_and_read_back_has_the_values_it_has_in_python(tree):
    arrays = {name: ARRAYS[name] for name in occurring(tree)}
    full, bare = printed(tree, False)[0], printed(tree, True)[0]
    first = value_or_error(full, arrays)
    for text in (bare, bare.replace(" ", "")):
        other = value_or_error(text, arrays)
        assert (other is None) == (first is None)
        if first is not None:
            np.testing.assert_array_equal(other, first)
    if arrays and first is not None:
        names = {**ARRAYS, "pi": math.pi, **{name: getattr(np, name) for name in (*CALLED, "sum")}}
        with np.errstate(all="ignore"):
            expected = eval(bare, {"__builtins__": {}}, names)  # Python itself is the oracle of precedence
        np.testing.assert_allclose(first, expected, rtol=1e-12)


# --- errors ----------------------------------------------------------------------------------------------------------

BAD = [
    ("__import__('os')", go.UnsupportedExpression, "no function"),
    ("__import__('os').system('touch x')", go.GraphoptError, "__import__|cannot read"),
    ("eval('1')", go.UnsupportedExpression, "no function"),
    ("np.load('x')", go.UnsupportedExpression, "no function"),
    ("x.__class__.__bases__", go.UnsupportedExpression, "no attribute"),
    ("x.__class__()", go.UnsupportedExpression, "no method"),
    ("exp.__globals__", go.InvalidArgument, "is a function"),
    ("x.tofile", go.UnsupportedExpression, "no attribute"),
    ("lambda: x", go.UnsupportedExpression, "lambda"),
    ("[x for x in x]", go.UnsupportedExpression, "for"),
    ("x if x else 1", go.UnsupportedExpression, "where"),
    ("x and x", go.UnsupportedExpression, "&"),
    ("(x := 1)", go.InvalidArgument, "found ':'"),
    ("{x}", go.InvalidArgument, "cannot read"),
    ("f'{x}'", go.InvalidArgument, "cannot read"),
    ("'a' 'b'", go.InvalidArgument, "expected"),
    ("'abc'", go.InvalidArgument, "computes an array"),
    ("x + 'a'", go.TypeMismatch, "arrays and numbers"),
    ("*x", go.InvalidArgument, "expected"),
    ("sum(*x)", go.InvalidArgument, "expected"),
    ("x[9, 9, 9]", go.InvalidArgument, "3 indices"),
    ("x[1.5]", go.TypeMismatch, "made of integers"),
    ("x[1:2:3:4]", go.InvalidArgument, "expected"),
    ("x[:, ...", go.InvalidArgument, "expected"),
    ("3[0]", go.UnsupportedExpression, "only arrays"),
    ("x.shape[7]", go.InvalidArgument, "no element 7"),
    ("(x)(1)", go.UnsupportedExpression, "called"),
    ("x(1)", go.UnsupportedExpression, "input"),
    ("expp(x)", go.UnsupportedExpression, "did you mean exp"),
    ("x.summ()", go.UnsupportedExpression, "did you mean sum"),
    ("x.sum", go.UnsupportedExpression, "call it"),
    ("x.T()", go.UnsupportedExpression, "write .T"),
    ("y + 1", go.InvalidArgument, "unknown name 'y'"),
    ("sum", go.InvalidArgument, "is a function"),
    ("x + é", go.InvalidArgument, "ASCII"),
    ("ｘ + 1", go.InvalidArgument, "ASCII"),
    ("x\0", go.InvalidArgument, "cannot read"),
    ("\x1b[31mx", go.InvalidArgument, "cannot read"),
    ("", go.InvalidArgument, "empty"),
    ("  \n", go.InvalidArgument, "empty"),
    (";", go.InvalidArgument, "expected"),
    ("x" * (LONGEST + 1), go.InvalidArgument, "at most"),
    ("(" * 100_000, go.InvalidArgument, "at most"),
    ("(" * 5_000 + "x" + ")" * 5_000, go.InvalidArgument, "nesting|at most"),
    ("(" * 4_000 + "x" + ")" * 4_000, go.InvalidArgument, "nesting"),
    ("exp(" * 1_500 + "x" + ")" * 1_500, go.InvalidArgument, "nesting"),
    ("x" + "**x" * 3_000, go.InvalidArgument, "nesting"),
    ("x.shape[" * 1_000, go.InvalidArgument, "nesting"),
    ("9**9**9", go.InvalidArgument, "bits"),
    ("9" * 9_000, go.InvalidArgument, "bits"),
    ("x + 10**30", go.InvalidArgument, "bits"),
    ("10.0**400", go.InvalidArgument, "too large"),
    ("1/0", go.InvalidArgument, "zero"),
    ("(-1)**0.5", go.UnsupportedExpression, "complex"),
    ("1j*x", go.UnsupportedExpression, "complex"),
    ("2x", go.InvalidArgument, r"\*"),
    ("x = 1; x", go.InvalidArgument, "meaning already"),
    ("s = x; 1 + x", go.InvalidArgument, "never used"),
    ("x; x", go.InvalidArgument, "last part"),
    ("s = x", go.InvalidArgument, "';'"),
    ("1 = x", go.InvalidArgument, "=="),
    ("x < 1 < 2", go.InvalidArgument, "chain"),
    ("x <", go.InvalidArgument, "the end"),
    ("exp(x", go.InvalidArgument, "the end"),
    ("exp(x))", go.InvalidArgument, "'\\)'"),
    ("exp()", go.TypeMismatch, "exp"),
    ("exp(x, x)", go.TypeMismatch, "exp"),
    ("sum(x, axes=1)", go.TypeMismatch, "axes"),
    ("sum(x, 1, axis=1)", go.TypeMismatch, "axis"),
    ("sum(x, axis=0, axis=1)", go.InvalidArgument, "twice"),
    ("sum(axis=0, x)", go.InvalidArgument, "after one with a name"),
    ("sum(x, axis=x)", go.TypeMismatch, "axis must be"),
    ("sum(x, keepdims=1)", go.TypeMismatch, "True or False"),
    ("sum(x, axis=5)", go.InvalidArgument, "outside"),
    ("exp((x, x))", go.TypeMismatch, "array or a number"),
    ("x.astype('complex128')", go.TypeMismatch, "dtype must be"),
    ("x + ones((5, 5))", go.ShapeMismatch, "broadcast"),
    ("x @ x", go.ShapeMismatch, "matmul"),
    ("(x, x)", go.InvalidArgument, "computes an array"),
    ("None", go.InvalidArgument, "computes an array"),
]


@pytest.mark.parametrize(("text", "kind", "message"), BAD, ids=[repr(text[:24]) for text, _, _ in BAD])
def test_a_bad_formula_gets_one_clear_error(text, kind, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=message) as raised:
        parse_formula(text, {"x": "float64[2, 3]"})
    assert len(str(raised.value)) < 600
    assert "\x1b" not in str(raised.value) and "\0" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "offending"),
    [
        ("log(x) + foo(x)", "foo"),
        ("x * (y + 1)", "y"),
        ("exp(x) @ 3", "@"),
        ("1 + sum(x, axis=9)", "sum"),
        ("x $ 2", "$"),
    ],
)
def test_the_caret_stands_under_the_offending_place(text, offending):
    with pytest.raises(go.GraphoptError) as raised:
        parse_formula(text, {"x": "float64[2, 3]"})
    _, line, caret = str(raised.value).splitlines()
    assert line == f"  {text}"
    assert caret == " " * (2 + text.index(offending)) + "^"


def test_the_caret_is_right_in_a_formula_that_is_too_long_to_show():
    text = "x + " * 300 + "foo(x)" + " + x" * 300
    with pytest.raises(go.UnsupportedExpression) as raised:
        parse_formula(text, {"x": "float64"})
    _, line, caret = str(raised.value).splitlines()
    assert line[caret.index("^") :].startswith("foo(x)")
    assert len(line) < 110


def test_a_type_for_a_name_that_does_not_occur_is_an_error():
    with pytest.raises(go.InvalidArgument, match="y has a type but does not occur"):
        parse_formula("x + 1", {"x": "float64", "y": "float64"})


def test_a_text_of_another_kind_is_an_error():
    with pytest.raises(go.InvalidArgument, match="a formula is a text"):
        parse_formula(b"x", {"x": "float64"})


def test_a_long_chain_of_operators_needs_no_recursion():
    x = np.array([1.0, -2.0])
    np.testing.assert_array_equal(value("x" + "+x" * 4_000, x=x), 4_001 * x)
    np.testing.assert_array_equal(value("-" * 5_000 + "x", x=x), x)


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="xy12.e+-*/%@<>=!&|~^()[],;'\"_ \nsumexpaxisT\0é", max_size=60))
def test_any_text_gives_a_value_or_an_error_of_the_package(text):
    try:
        inputs, output = parse_formula(text, {"x": "float64[2, 2]"} if "x" in text else {})
    except go.GraphoptError:
        return
    go.Graph.from_outputs(inputs, output).verify()


def test_the_parser_uses_no_evaluation_and_no_attribute_lookup_by_name():
    from graphopt.frontend import formula, formula_functions, formula_syntax, formula_text

    for module in (formula, formula_functions, formula_syntax, formula_text):
        source = inspect.getsource(module)
        assert not any(word in source for word in ("eval(", "exec(", "getattr(", "__import__", "importlib"))
