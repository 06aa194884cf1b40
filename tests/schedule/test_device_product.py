"""How a device does a product is known at the call: by a library or in tiles, with an epilogue or followed by it."""

from dataclasses import replace

import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.dimensions import evaluate
from graphopt.graph import Graph
from graphopt.schedule.device_product import FLOATS, Routes
from graphopt.schedule.launch import sequence, taken
from graphopt.schedule.schedule import schedule

A, B = go.variable("a", "float32[n, k]"), go.variable("b", "float32[k, m]")


def routes(inputs, output):
    (found,) = sequence(go.lower(inputs, output, target="cuda", pipeline="lower,cse,fuse").program.steps)
    assert isinstance(found, Routes)
    return found


def shape(launch, **sizes):
    return tuple(evaluate(extent, sizes) for extent in (launch.instances[0].grid[0], launch.instances[0].block[0]))


@pytest.mark.parametrize(
    ("n", "k", "m", "pieces"),
    [
        (5, 1023, 5, 1),
        (5, 1024, 5, 2),
        (5, 10**6, 5, 256),
        (99, 10**6, 99, 5),
        (256, 10**6, 256, 1),
        (0, 10**6, 5, 256),
    ],
)
def test_a_long_depth_is_cut_into_parts_where_tiles_are_few(n, k, m, pieces):
    small, join = routes([A, B], A @ B).small
    sizes = {"n": n, "k": k, "m": m}
    assert evaluate(small.instances[0].grid[1], sizes) == pieces
    assert small.scratch == join.scratch
    assert evaluate(small.scratch[0].count, sizes) == (pieces * n * m if pieces > 1 else 0)
    assert evaluate(join.instances[0].grid[0], sizes) == (-(-n * m // 256) if pieces > 1 else 0)


def test_a_product_gets_a_block_for_each_tile_of_each_batch():
    a = go.variable("a", "float32[g, n, k]")
    found = routes([a], a @ T.transpose(a, (0, 2, 1)))
    (large,), (small, join) = found.large, found.small
    assert (large.form, small.form, join.form) == ("product", "small_product", "product_join")
    assert shape(large, g=3, n=65, k=5) == (12, 256) and shape(small, g=3, n=17, k=5) == (12, 256)
    for launch in (large, small):
        assert shape(launch, g=3, n=0, k=5)[0] == 0 and shape(launch, g=3, n=1, k=0)[0] == 3


@pytest.mark.parametrize(
    ("n", "k", "m", "by_library", "by_kernel"),
    [
        (64, 64, 64, "library", "small"),
        (512, 64, 512, "library", "large"),
        (63, 512, 512, "small", "small"),
        (512, 63, 512, "large", "large"),
        (31, 99, 9999, "small", "small"),
        (32, 5, 4096, "large", "large"),
        (0, 0, 0, "small", "small"),
    ],
)
def test_the_sizes_of_a_call_say_how_a_product_is_done(n, k, m, by_library, by_kernel):
    found = routes([A, B], A @ B)
    sizes = {"n": n, "k": k, "m": m}
    for multiplies, way in ((("float32",), by_library), (("float64",), by_kernel), ((), by_kernel)):
        assert found.taken(sizes, multiplies) is getattr(found, way)


def test_what_a_call_takes_is_told_within_branches_as_well():
    s = go.variable("s", "float32")
    todo = sequence(go.lower([A, B, s], T.cond(s > 0, A @ B, T.exp(A @ B)), target="cuda").program.steps)

    def forms(n, multiplies):
        items = taken(todo, {"n": n, "k": n, "m": n}, multiplies)
        return [item.form for item in items if item.form not in ("rows", "ordered") and item.name != "greater_0"]

    assert forms(9, ()) == forms(9, FLOATS) == ["small_product", "product_join"] * 2
    assert forms(512, ()) == ["product", "product"] and forms(512, FLOATS) == ["multiply", "multiply", "map"]


def test_sizes_that_are_known_leave_out_what_they_rule_out():
    def ways(*shape):
        x, w = (
            go.variable("x", f"float32[{shape[0]}, {shape[1]}]"),
            go.variable("w", f"float32[{shape[1]}, {shape[2]}]"),
        )
        found = routes([x, w], x @ w)
        return {way for way in ("library", "large", "small") if getattr(found, way)}

    assert ways(64, 64, 64) == {"library", "small"}
    assert ways(1024, 1024, 1024) == {"library", "large"}
    assert ways(1024, 3, 1024) == {"large"}
    assert ways("n", 3, 31) == {"small"}
    assert ways("n", 64, 64) == {"library", "large", "small"}


def test_rows_that_lie_over_each_other_are_not_for_the_library():
    found = routes([A, B], A @ B)
    sizes = {"n": 99, "k": 99, "m": 99}
    for side in ("left", "right"):
        windows = replace(found.step, **{side: replace(getattr(found.step, side), leading=1)})
        assert replace(found, step=windows).taken(sizes, ("float32",)) is found.small


def test_whole_numbers_and_truth_values_are_multiplied_by_kernels():
    i = go.variable("i", "int32[n, k]")
    assert not routes([i], i @ T.transpose(i)).library


def test_an_epilogue_stays_with_a_tiled_product_and_follows_one_of_the_library():
    b = go.variable("c", "float32[m]")
    found = routes([A, B, b], T.tanh(A @ B + b))
    (large,), (small, join), (multiply, after) = found.large, found.small, found.library
    assert large.writes == small.writes == join.writes == ("output_out",) and large.scratch == ()
    assert after.form == "map" and after.scratch == multiply.scratch and multiply.step.result == after.scratch[0].name
    assert evaluate(after.scratch[0].count, {"n": 3, "m": 5}) == 15


def test_a_product_that_is_wanted_itself_needs_no_memory_beside_it():
    found = routes([A, B], {"product": A @ B, "tanh": T.tanh(A @ B)})
    assert set(found.large[0].writes) == {"product_out", "tanh_out"}
    assert all(not item.scratch for item in (*found.library, *found.large))


def test_what_an_epilogue_stores_once_a_row_is_stored_by_a_launch_of_its_own():
    p = go.variable("p", "float32[n]")
    g = Graph.from_outputs([A, B, p], {"row": T.exp(p), "all": A @ B * T.expand_dims(T.exp(p), 1)})
    g.fusion.group([node for node in g.order() if g.op(node).arity])
    (found,) = sequence(schedule(g, keep=False).steps)
    for way, forms in ((found.large, ["product"]), (found.small, ["small_product", "product_join"])):
        assert [item.form for item in way[: len(forms)]] == forms and len(way) > len(forms)
        assert not any(item.stages for item in way[: len(forms)])
