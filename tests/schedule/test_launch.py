"""How programs become launches: which forms of text, in how many pieces, with how many blocks and threads."""

import inspect
from bisect import bisect
from itertools import pairwise

import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.dimensions import evaluate, symbols
from graphopt.runtime import device
from graphopt.schedule.instance import Aligned, AtMost, choose
from graphopt.schedule.kernel_launch import WARP
from graphopt.schedule.launch import BELOW, launches
from graphopt.schedule.launch_reductions import BLOCK, FEW, HELD, REGISTERS, ROWS_AT_ONCE, SHARED, TEAMS
from graphopt.schedule.statements import Indexed, Load, Reduce, Store

X = go.variable("x", "float32[n, m]")
P = go.variable("p", "float32[n]")
EXPONENTIALS = T.exp(X) / (1 + T.sum(T.exp(X), axis=1, keepdims=True))
"""Rows that are gone through twice."""


def launched(inputs, outputs):
    return launches(go.lower(inputs, outputs, target="cuda", pipeline="lower,cse,fuse").program)


def taken(launch, *, aligned=True, **sizes):
    """The instance that a call takes where all buffers are aligned, or none is."""
    return choose(launch.instances, sizes, dict.fromkeys(launch.buffers, 256 if aligned else 257), SHARED + 1024)


def shape(launch, **sizes):
    """Blocks, and threads in x and y, of what a call takes."""
    instance = taken(launch, **sizes)
    return tuple(evaluate(extent, sizes) for extent in (instance.grid[0], *instance.block[:2]))


def suffix(launch, **sizes):
    return taken(launch, **sizes).name.removeprefix(launch.name)


# --- maps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "m", "blocks"), [(0, 5, 0), (1, 1, 1), (4, 256, 1), (1, 1025, 2), (2048, 4096, 8192)]
)  # fmt: skip
def test_a_map_gets_a_thread_for_every_four_elements(n, m, blocks):
    (launch,) = launched([X], T.exp(X))
    assert launch.form == "map" and shape(launch, n=n, m=m) == (blocks, 256, 1)
    assert suffix(launch, n=n, m=m) == "_wide"


def test_a_map_that_is_not_aligned_gets_a_thread_for_every_element():
    (launch,) = launched([X], T.exp(X))
    instance = taken(launch, aligned=False, n=5, m=100)
    assert instance.name == launch.name and evaluate(instance.grid[0], {"n": 5, "m": 100}) == 2


def test_a_map_of_very_many_elements_counts_in_64_bits():
    (launch,) = launched([X], T.exp(X))
    assert suffix(launch, n=2**14, m=2**15) == "_wide" and suffix(launch, n=2**16, m=2**15) == "_large"
    assert [i.constants[0] for i in launch.instances] == ["int", "int", "int64_t"]


@pytest.mark.parametrize("value", [X[::2, 5:] * 2, T.expand_dims(P, 1) * X[:, ::3], X[:, ::-1] * X.shape[0]])
def test_no_index_of_a_map_in_32_bits_leaves_them(value):
    """For sizes that the condition admits by a hair, all that the text computes is below 2**31."""
    (launch,) = launched([X, P], value)
    limit = next(c for c in launch.instances[-2].conditions if not isinstance(c, Aligned))
    extents = {axis.name: axis.extent for axis in (*launch.step.outer, *launch.step.inner)}
    for m in (7, 300, 70_001):
        n = bisect(range(2**31), False, key=lambda n, m=m: not limit.holds({"n": n, "m": m}, {})) - 1
        assert evaluate(limit.value, {"n": n, "m": m}) <= BELOW < 2**31
        for statement in launch.statements:
            if isinstance(statement, Indexed):
                terms = [statement.index.offset, *(extents[axis] * stride for axis, stride in statement.index.terms)]
                assert sum(abs(evaluate(term, {"n": n, "m": m})) for term in terms) < 2**31


def test_a_map_whose_accesses_run_across_is_done_in_tiles():
    (launch,) = launched([X, P], T.transpose(X) * P)
    assert launch.form == "tiled" and [i.body for i in launch.instances] == ["tiled"]
    assert shape(launch, n=33, m=64) == (4, 32, 8) and shape(launch, n=0, m=9)[0] == 0


def test_a_map_with_a_result_for_each_row_is_two_launches():
    rows, lanes = launched([X, P], {"row": T.exp(P), "both": X * T.expand_dims(T.exp(P), 1)})
    assert (rows.form, lanes.form) == ("map", "map") and rows.name == f"{lanes.name}_rows"
    assert (rows.writes, lanes.writes) == (("row_out",), ("both_out",))
    assert shape(rows, n=3, m=0)[0] == 1 and shape(lanes, n=3, m=0)[0] == 0


def test_a_long_body_is_compiled_once():
    v = go.variable("v", "float32[k]")
    value = v
    for k in range(60):
        value = value * v + k / 64
    (launch,) = launched([v], value)
    assert [i.constants for i in launch.instances] == [("int64_t", 1)]


# --- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m", "blocks"), [(0, 5, 0), (3, 0, 1), (ROWS_AT_ONCE + 1, 100, 2)])
def test_short_rows_get_a_warp_each(n, m, blocks):
    (launch,) = launched([X], EXPONENTIALS)
    assert launch.form == "rows" and shape(launch, n=n, m=m) == (blocks, WARP, ROWS_AT_ONCE)


def test_a_row_gets_a_warp_or_a_block_no_wider_than_it_needs():
    """The longest row of each instance, and one a little longer, which the next instance takes."""
    (launch,) = launched([X], EXPONENTIALS)
    wide = launch.instances[::2]
    assert [i.body for i in wide] == [*["registers"] * (2 + len(TEAMS)), "shared", "passing"]
    assert [shape(launch, n=5, m=longest(i)) for i in wide[2:-1]] == [(5, team, 1) for team in (*TEAMS, BLOCK)]
    for instance, following in pairwise(wide):
        assert taken(launch, n=5, m=longest(instance)) is instance
        assert taken(launch, n=5, m=longest(instance) + 4) is following
        if instance.body == "registers":
            team, items, _ = instance.constants
            assert longest(instance) == team * items and shape(launch, n=5, m=team * items)[1] == team


def longest(instance):
    """The longest row that an instance takes with wide accesses."""
    limits = [c for c in instance.conditions if isinstance(c, AtMost)]
    return 4 * bisect(range(2**20), False, key=lambda m: not all(c.holds({"m": 4 * m}, {}) for c in limits)) - 4


@pytest.mark.parametrize("elements", [1, 3])
def test_a_thread_holds_no_more_than_it_has_registers_for(elements):
    """What is held, and what each stage loads, times the elements of a thread; the team's within those of a block."""
    inputs = [go.variable(f"x{k}", "float64[n, m]") for k in range(elements)]
    total = sum(T.exp(x) for x in inputs)
    (launch,) = launched(inputs, total / (1 + T.sum(total, axis=1, keepdims=True)))
    for instance in launch.instances:
        if instance.body == "registers":
            team, items, lanes = instance.constants
            assert items % lanes == 0 and (items <= FEW or items * 2 * (len(launch.slots)) <= HELD)
            assert team * items * 2 <= REGISTERS


def test_a_row_in_shared_memory_has_room_for_all_that_is_held():
    (launch,) = launched([X], EXPONENTIALS)
    m = SHARED // 4
    instance = taken(launch, n=1, m=m)
    assert instance.body == "shared" and evaluate(instance.shared, {"m": m}) == SHARED
    assert evaluate(taken(launch, n=1, m=m + 1).shared, {"m": m + 1}) == 0


@pytest.mark.parametrize("form", ["rows", "columns"])
def test_many_are_reduced_whole_and_few_long_ones_in_parts(form):
    axis = 1 if form == "rows" else 0
    first, join = launched([X, P], {"sum": T.sum(T.exp(X), axis=axis) * 2})
    assert (first.form, join.form) == (form, f"{form} join")
    few, many = ({"n": 3, "m": 8192}, {"n": 8192, "m": 512}) if axis else ({"n": 8192, "m": 3}, {"n": 512, "m": 65_536})
    assert taken(first, **few).body == "parts" and evaluate(first.parts, few) > 1
    assert taken(first, **many).body != "parts" and evaluate(first.parts, many) == 1
    assert shape(join, **few)[0] == 1 and shape(join, **many)[0] == 0
    assert evaluate(join.scratch[0].count, few) == evaluate(first.parts, few) * 3


@pytest.mark.parametrize(
    ("n", "m", "parts"), [(1, 1, 1), (64, 63, 1), (64, 64, 2), (1, 4096, 2), (4096, 4096, 1024), (0, 7, 1)]
)  # fmt: skip
def test_a_total_is_one_launch_for_few_elements_and_two_for_many(n, m, parts):
    s = go.variable("s", "float32")
    first, join = launched([X, s], {"norm": T.sqrt(T.sum(T.exp(s) * X)) * s, "scaled": T.exp(s) * X})
    assert (first.form, join.form) == ("rows", "rows join") and evaluate(first.parts, {"n": n, "m": m}) == parts
    assert (shape(first, n=n, m=m)[0], shape(join, n=n, m=m)[0]) == (parts, min(1, parts - 1))
    assert evaluate(first.scratch[0].count, {"n": n, "m": m}) == (parts if parts > 1 else 0)


def test_the_launch_that_joins_computes_what_is_left_and_no_more():
    s = go.variable("s", "float32")
    first, join = launched([X, s], {"norm": T.sqrt(T.sum(T.exp(s) * X)) * s, "scaled": T.exp(s) * X})
    assert first.scratch == join.scratch and len(join.scratch) == 1
    assert [type(statement) for statement in first.statements].count(Reduce) == 1
    assert not any(isinstance(statement, Reduce) for statement in join.statements)
    assert join.writes == ("norm_out",) and set(first.writes) == {"scaled_out", "norm_out"}
    assert [s.buffer for s in join.statements if isinstance(s, Load)] == ["s_in"]
    assert [s.buffer for s in join.statements if isinstance(s, Store)] == ["norm_out"]


def test_what_is_gone_through_twice_is_not_split():
    for axis in (0, 1):
        (launch,) = launched([X], T.softmax(X, axis=axis))
        assert launch.parts == 1 and not launch.scratch


def test_how_much_is_combined_in_which_order_depends_on_sizes_alone():
    """No number of multiprocessors is a dimension of anything; it bounds the blocks of instances that go on alone."""
    s = go.variable("s", "float32")
    for launch in launched([X, P, s], {"a": T.sum(X), "b": T.sum(X, axis=1) * P, "c": T.sum(X, axis=0) * s}):
        assert symbols(launch.parts) <= {"n", "m"}
        for instance in launch.instances:
            assert {name for extent in (*instance.grid, *instance.block) for name in symbols(extent)} <= {"n", "m"}
            assert not (instance.is_resident and instance.body in ("parts", "join"))
    assert "multiprocessors" not in inspect.getsource(choose) and "is_resident" in inspect.getsource(device)


# --- columns, products -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m", "expected"), [(9, 0, (0, 32, 9)), (0, 9, (1, 32, 1)), (90, 65, (3, 32, 32))])
def test_a_column_kernel_gets_a_block_for_every_32_columns(n, m, expected):
    (launch,) = launched([X], T.softmax(X, axis=0))
    assert launch.form == "columns" and shape(launch, n=n, m=m) == expected
