"""einsum and its cases: NumPy's values, dtypes and shapes, by matrix products."""

from unittest import mock

import numpy as np
import pytest
from against_numpy import assert_like, check, evaluated, variables_like
from hypothesis import given
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.tensor import factors

RNG = np.random.default_rng(5)
DTYPES = ("float64", "float32", "int8", "int64", "uint8", "bool")


def numbers(shape, dtype="float64"):
    """Small integers in any dtype: sums of products are exact."""
    return RNG.integers(0 if dtype in ("bool", "uint8") else -3, 4, shape).astype(dtype)


def ops_of(*outputs):
    return [variable.op.name for variable in topological(outputs)]


@st.composite
def contractions(draw):
    """Subscripts, and arrays that fit them: labels twice in a term, summed in one alone, and of length 0 and 1."""
    sizes = {label: draw(st.integers(0, 3)) for label in "abcd"}
    terms = draw(st.lists(st.text("abcd", max_size=3), min_size=1, max_size=4))
    used = sorted(set("".join(terms)))
    text = ",".join(terms)
    if draw(st.booleans()):
        text += "->" + "".join(draw(st.lists(st.sampled_from(used), unique=True)) if used else [])
    dtypes = st.sampled_from(DTYPES)
    shorter = draw(st.sampled_from(used)) if used and draw(st.booleans()) else None
    arrays = []
    for place, term in enumerate(terms):
        shape = [1 if label == shorter and place == 0 else sizes[label] for label in term]
        arrays.append(numbers(shape, draw(dtypes)))
    return text, arrays


@given(contractions(), st.booleans(), st.sampled_from((1, factors.LARGE)))
def test_einsum_is_numpys(contraction, symbolic, large):
    text, arrays = contraction
    with mock.patch.object(factors, "LARGE", large):
        check(lambda on, *values: on.einsum(text, *values), *arrays, symbolic=symbolic)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [("...i,i...->...", [(2, 3, 4), (4, 2, 3)]), ("i...,...", [(2, 3), (4, 1)]), ("...", [(2, 3)]),
     ("...ij,...jk", [(5, 1, 2, 3), (4, 3, 2)]), ("b...,b...->...b", [(2, 3, 4), (2, 1, 4)]),
     ("...ii->...i", [(2, 3, 3)]),
     ("a...->...", [(2, 3)]), (" i j , j -> i ", [(2, 3), (3,)]), ("zA,A", [(2, 3), (3,)]), ("", [()]),
     ("i,j,k,l->lkji", [(2,), (3,), (1,), (4,)]), ("ijk,jil,lm,mn->kn", [(2, 3, 4), (3, 2, 5), (5, 6), (6, 2)])],
)  # fmt: skip
def test_ellipses_and_spellings_are_numpys(text, shapes):
    check(lambda on, *values: on.einsum(text, *values), *map(numbers, shapes))


def test_operands_with_lists_of_labels_are_numpys():
    a, b = numbers((2, 3)), numbers((3, 4))
    check(lambda on, a, b: [on.einsum(a, [0, 1], b, [1, 2], [2, 0]), on.einsum(a, [7, 3], b, [3, 0]),
                            on.einsum(a, [Ellipsis, 1], a, [Ellipsis, 1]), on.einsum(a, [1, 0])], a, b)  # fmt: skip


def test_the_order_of_a_contraction_is_the_cheap_one():
    a, b, c = (
        T.tensor(name, "float64", shape) for name, shape in zip("abc", [(2, 90), (90, 80), (80, 3)], strict=True)
    )
    best = T.einsum("ij,jk,kl", a, b, c)
    (last,) = [v for v in topological([best]) if v.op.name == "matmul" and v.shape == (2, 3)]
    assert {operand.shape for operand in last.operands} == {(2, 80), (80, 3)}
    assert {v.shape for v in topological([T.einsum("kl,jk,ij->il", c, b, a, optimize=False)])} >= {(90, 3)}
    assert T.linalg.multi_dot([a, b, c]).operands[0].shape == (2, 80)


@pytest.mark.parametrize("optimize", [False, "greedy", "optimal", [(0, 2), (0, 1)], ["einsum_path", (0, 1, 2)]])
def test_every_order_has_the_same_value(optimize):
    arrays = [numbers((2, 3)), numbers((3, 4)), numbers((4, 2))]
    inputs = variables_like(arrays)
    (found,) = evaluated(inputs, [T.einsum("ij,jk,kl->li", *inputs, optimize=optimize)], arrays)
    assert_like([found], [np.einsum("ij,jk,kl->li", *arrays)])


def test_a_contraction_of_two_is_one_matrix_product_without_copies_around_it():
    x, y = T.tensor("x", "float64", (5, 6)), T.tensor("y", "float64", (6, 7))
    assert ops_of(T.einsum("ij,jk->ik", x, y)) == ["input", "input", "matmul"]
    assert sorted(set(ops_of(T.einsum("ij,jk->ki", x, y)))) == ["input", "matmul", "transpose"]
    batch = T.tensor("b", "float64", (4, 5, 6))
    assert ops_of(T.einsum("bij,bkj->bik", batch, batch)) == ["input", "transpose", "matmul"]
    images, weights = T.tensor("i", "float64", (2, 32, 8, 9)), T.tensor("w", "float64", (16, 32))
    assert set(ops_of(T.einsum("bchw,oc->bohw", images, weights))) == {"input", "reshape", "expand_dims", "matmul"}
    assert "matmul" not in ops_of(T.einsum("ij,ij->i", x, x), T.einsum("i,j", x[0], y[0]))


@given(st.data())
def test_tensordot_inner_vdot_and_dot_are_numpys(data):
    sizes = st.integers(0, 3)
    dtypes = st.sampled_from(DTYPES)
    common = data.draw(st.lists(sizes, max_size=2))
    before, after = data.draw(st.lists(sizes, max_size=2)), data.draw(st.lists(sizes, max_size=2))
    a, b = numbers((*before, *common), data.draw(dtypes)), numbers((*common, *after), data.draw(dtypes))
    check(lambda on, a, b: on.tensordot(a, b, len(common)), a, b, symbolic=data.draw(st.booleans()))
    axes = (list(range(len(before), a.ndim))[::-1], list(range(len(common)))[::-1])
    check(lambda on, a, b: on.tensordot(a, b, axes), a, b)
    if len(common) == 1:
        c = numbers((*after, *common), data.draw(dtypes))
        check(lambda on, a, c: on.inner(a, c), a, c)
        d = numbers((*after[:1], *common, *after[1:]), data.draw(dtypes))
        if len(after) != 1:
            check(lambda on, a, d: on.dot(a, d), a, d)
    check(lambda on, a: on.vdot(a, a), a)
    check(lambda on, a, b: on.outer(a, b), a, b)


def test_scalars_multiply():
    check(lambda on, x: [on.inner(x, 2.0), on.dot(2.0, x), on.tensordot(x, 2.0, 0)], numbers((2, 3)))


@pytest.mark.parametrize(
    "shapes", [[(2, 3), (3, 4)], [(3,), (3, 4), (4,)], [(3,), (3,)], [(2, 3), (3, 4), (4, 1), (1,)]]
)
def test_multi_dot_is_numpys(shapes):
    check(lambda on, *values: on.linalg.multi_dot(values), *map(numbers, shapes))
    check(lambda on, *values: on.linalg.multi_dot(values), *map(numbers, shapes), symbolic=True)


@pytest.mark.parametrize("shapes", [[(4, 3), (4, 3)], [(4, 2, 3), (4, 3)], [(4, 2, 3), (4, 3, 5)], [(4,), (4, 3)],
                                    [(4, 2, 3), (4, 5, 3, 2)], [(4, 3), (4,)]])  # fmt: skip
def test_batched_dot_is_dot_part_by_part(shapes):
    arrays = [numbers(shape) for shape in shapes]
    inputs = variables_like(arrays)
    (found,) = evaluated(inputs, [T.batched_dot(*inputs)], arrays)
    assert_like([found], [np.stack([np.dot(*parts) for parts in zip(*arrays, strict=True)])])


def test_cross_is_numpys():
    a, b = numbers((4, 3)), numbers((3,))
    check(lambda on, a, b: [on.cross(a, b), on.cross(b, a, axisc=0), on.cross(a.T, a.T, axis=0), on.cross(b, b),
                            on.linalg.cross(a, b), on.cross(a.T, a, axisa=0, axisc=0)], a, b)  # fmt: skip
    check(lambda on, a, b: on.cross(a, b), a, b, symbolic=True)


def programs(on, x, y, z, b):
    return [
        on.einsum("ij,jk,kl->li", x, y, z), on.einsum("bij,bkj->bik", b, b), on.einsum("bij,bkj->kbi", b, b),
        on.einsum("ij,ij->", x, x), on.einsum("bii->b", b), on.einsum("bij,kj,b->ik", b, x, b[:, 0, 0]),
        on.tensordot(b, x, ((1, 2), (0, 1))), on.inner(x, x), on.dot(b, b), on.cross(x, x[0]), on.vdot(x, x),
        on.linalg.multi_dot([x, y, z]), on.einsum("...i,i", b, x[0]), on.einsum("aij,bjk->abik", b, b),
        on.einsum("bcd,oc->bod", b, np.ones((300, 3))), on.einsum("xbcd,xoc->bod", b[None], np.ones((1, 3000, 3))),
    ]  # fmt: skip


@pytest.mark.parametrize("sizes", ["known", "named"])
def test_compiled_contractions_are_numpys(sizes):
    arrays = [numbers((3, 3)), numbers((3, 4)), numbers((4, 2)), numbers((5, 3, 3))]
    inputs = variables_like(arrays, symbolic=sizes == "named")
    results = go.function(inputs, programs(T, *inputs))(*arrays)
    assert_like(results, programs(np, *arrays))


def test_numpys_own_functions_reach_them():
    arrays = [numbers((3, 3)), numbers((3, 4)), numbers((4, 2)), numbers((5, 3, 3))]
    inputs = variables_like(arrays)
    assert_like(evaluated(inputs, programs(np, *inputs), arrays), programs(np, *arrays))


def test_sizes_that_must_agree_are_checked_one_by_one():
    a, b = T.dtensor3("a"), T.dtensor3("b")
    f = go.function([a, b], T.einsum("ijk,ijl->kl", a, b), target="numpy")
    with pytest.raises(ShapeMismatch):
        f(np.ones((2, 3, 1)), np.ones((3, 2, 1)))
    assert f(np.ones((2, 3, 4)), np.ones((2, 3, 5))).shape == (4, 5)
    square = go.function([a], T.einsum("iij->j", a), target="numpy")
    with pytest.raises(ShapeMismatch):
        square(np.ones((2, 3, 4)))


X, Y = go.variable("x", "float64[2, 3]"), go.variable("y", "float64[3, n]")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [(lambda: T.einsum("ij,jk", X), InvalidArgument, "about 2 operands"),
     (lambda: T.einsum("i", X), ShapeMismatch, "'i' do not name the axes"),
     (lambda: T.einsum("ij->ik", X), InvalidArgument, "'k', which no operand has"),
     (lambda: T.einsum("ij->ii", X), InvalidArgument, "'i' twice"),
     (lambda: T.einsum("i1", X), InvalidArgument, "'1' in 'i1' is no letter"),
     (lambda: T.einsum("....j", X), InvalidArgument, "is no letter"),
     (lambda: T.einsum("...j->j", X), InvalidArgument, "has no ellipsis"),
     (lambda: T.einsum("ij,ij", X, Y), ShapeMismatch, "label 'i'"),
     (lambda: T.einsum("ii", X), ShapeMismatch, "label 'i'"),
     (lambda: T.einsum(X, [0, -1]), InvalidArgument, "at least 0"), (lambda: T.einsum(), InvalidArgument, "subscripts"),
     (lambda: T.einsum("ij,ij,ij", X, X, X, optimize="best"), InvalidArgument, "no method 'best'"),
     (lambda: T.einsum("ij,ij,ij", X, X, X, optimize=[(0, 1)]), InvalidArgument, "leaves 2"),
     (lambda: T.einsum("ij,ij", X, X, optimize=[(0, 5)]), InvalidArgument, r"joins \(0, 5\)"),
     (lambda: T.tensordot(X, Y, 3), InvalidArgument, "3 axes of arrays"),
     (lambda: T.tensordot(X, Y, ((0, 1), (0,))), InvalidArgument, "2 axes of the first"),
     (lambda: T.tensordot(X, Y, (0, 0)), ShapeMismatch, "sizes 2 and 3"),
     (lambda: T.tensordot(X, np.ones((1, 2)), (1, 0)), ShapeMismatch, "not of length 1"),
     (lambda: T.linalg.multi_dot([X]), ShapeMismatch, "at least two"),
     (lambda: T.linalg.multi_dot([X, X[0], X]), ShapeMismatch, "vectors at the ends"),
     (lambda: T.cross(X, X[:, :2]), ShapeMismatch, "3 elements"),
     (lambda: T.linalg.outer(X, X), ShapeMismatch, "two vectors"),
     (lambda: T.batched_dot(X, 2.0), ShapeMismatch, "first axis")],
)  # fmt: skip
def test_what_does_not_fit_gets_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_named_dimensions_need_no_numbers():
    graph = Graph.from_outputs([Y], T.einsum("ij,ik->jk", Y, Y))
    assert [str(graph.type(node)) for node in graph.outputs.values()] == ["float64[n, n]"]
