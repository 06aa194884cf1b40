"""How many blocks and threads each form of kernel gets, and how a full reduction becomes two launches."""

import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.dimensions import evaluate
from graphopt.schedule.launch import launches
from graphopt.schedule.statements import Load, Reduce, Store

X = go.variable("x", "float32[n, m]")


def launched(inputs, outputs):
    return launches(go.lower(inputs, outputs, target="cuda", pipeline="lower,cse,fuse").program)


def shape(launch, **sizes):
    return tuple(evaluate(extent, sizes) for extent in (launch.grid[0], launch.block[0], launch.block[1]))


@pytest.mark.parametrize(
    ("n", "m", "expected"),
    [(0, 5, (0, 256, 1)), (1, 1, (1, 256, 1)), (2, 200, (2, 256, 1)), (2048, 4096, (2048, 256, 1))],
)
def test_a_map_gets_a_thread_for_each_element_up_to_a_limit(n, m, expected):
    (launch,) = launched([X], T.exp(X))
    assert launch.form == "map" and shape(launch, n=n, m=m) == expected


@pytest.mark.parametrize(
    ("n", "m", "expected"),
    [(0, 5, (0, 32, 1)), (3, 0, (3, 32, 1)), (3, 33, (3, 64, 1)), (3, 256, (3, 256, 1)), (5000, 5000, (2048, 256, 1))],
)
def test_a_row_kernel_gets_a_block_for_each_row_no_wider_than_the_row(n, m, expected):
    (launch,) = launched([X], T.softmax(X, axis=1))
    assert launch.form == "rows" and shape(launch, n=n, m=m) == expected


@pytest.mark.parametrize(("n", "m", "expected"), [(9, 0, (0, 32, 8)), (0, 9, (1, 32, 8)), (9, 65, (3, 32, 8))])
def test_a_column_kernel_gets_a_block_for_every_32_columns(n, m, expected):
    (launch,) = launched([X], T.sum(X, axis=0))
    assert launch.form == "columns" and shape(launch, n=n, m=m) == expected


def test_a_full_reduction_is_reduced_in_parts_which_one_block_joins():
    s = go.variable("s", "float32")
    parts, join = launched([X, s], {"norm": T.sqrt(T.sum(T.exp(s) * X)) * s, "scaled": T.exp(s) * X})
    assert (parts.form, join.form) == ("parts", "join")
    assert shape(parts, n=0, m=5)[0] == 0 and shape(join)[0] == 1
    assert shape(parts, n=64, m=64)[0] == 2 == evaluate(join.scratch[0].count, {"n": 64, "m": 64})
    assert parts.scratch == join.scratch and len(join.scratch) == 1
    assert [type(statement) for statement in parts.statements].count(Reduce) == 1
    assert not any(isinstance(statement, Reduce) for statement in join.statements)
    assert parts.writes == ("scaled_out",) and join.writes == ("norm_out",)
    # What the scalar needs is computed in both, and nothing that is not needed.
    assert [s.buffer for s in join.statements if isinstance(s, Load)] == ["s_in"]
    assert [s.buffer for s in parts.stages[0].row if isinstance(s, Store)] == []


def test_a_map_with_a_result_for_each_row_is_done_in_rows():
    p = go.variable("p", "float32[n]")
    (launch,) = launched([X, p], {"row": T.exp(p), "both": X * T.expand_dims(T.exp(p), 1)})
    assert launch.form == "rows"
