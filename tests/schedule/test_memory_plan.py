"""Where temporaries lie: no memory is given away while it is needed, whatever the sizes and the branches taken."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.codegen.c import c_source
from graphopt.dimensions import dim, evaluate
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.interpret import interpret
from graphopt.runtime.blas import find_blas
from graphopt.runtime.extents import Extents
from graphopt.runtime.native import NativeProgram
from graphopt.schedule.inplace import overwritable
from graphopt.schedule.schedule import schedule
from graphopt.schedule.statements import Gather, Index, Load, Local, Store
from graphopt.schedule.steps import Axis, Branch, Kernel, Stage, made_by
from graphopt.testing import strategies
from graphopt.variant import run

n, m = dim("n"), dim("m")
x, y = go.variable("x", "float64[n, m]"), go.variable("y", "float64[n, m]")
APART = {"inplace": False, "reuse": False}


def planned(inputs, outputs, pipeline="without fuse", **choices):
    """The program of expressions; without fusion every op has a buffer."""
    pipeline = go.Pipeline.named("default").without("fuse") if pipeline == "without fuse" else pipeline
    return go.lower(inputs, outputs, pipeline=pipeline, options=go.Options(schedule=choices)).program


def paths(steps):
    """The steps of each way through the branches, as a list."""
    ways = [[]]
    for step in steps:
        if isinstance(step, Branch):
            sides = [*paths(step.then), *paths(step.otherwise)]
            ways = [[*way, *side] for way in ways for side in sides]
        else:
            ways = [[*way, step] for way in ways]
    return ways


def walked(program):
    """Walk every path, keeping who lies where. Raises if a step meets memory that is not as its owner left it."""
    place = {name: ("block", k) for k, room in enumerate(program.memory.block) for name in room.tenants}
    place |= {name: room.within for room in program.memory.rooms if room.within for name in room.tenants}
    for way in paths(program.steps):
        lies: dict = {}
        for step in way:
            touched = dict.fromkeys((*step.reads, *step.writes))
            assert len({place.get(name, name) for name in touched}) == len(touched), "two parameters are one memory"
            for name in step.reads:
                if program.buffers[name].role == "temporary" and name not in made_by(step):
                    assert lies[place.get(name, name)] == name, f"{step.name} finds another in the place of {name}"
            lies |= {place.get(name, name): name for name in step.writes}
        for name in program.outputs.values():
            assert lies.get(name, name) == name


# --- sharing ---------------------------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_no_step_of_a_random_program_meets_memory_that_was_given_away(data):
    outputs = data.draw(st.lists(strategies.expressions(), min_size=1, max_size=5))
    inputs = [v for v in topological(outputs) if v.op.name == "input"]
    graph = Graph.from_outputs(inputs, outputs)
    go.Pipeline.named(data.draw(st.sampled_from(["none", "default"]))).run(graph)
    whole = schedule(graph, inplace=False, reuse=False)
    for inplace in (False, True):
        program = schedule(graph, inplace=inplace)
        walked(program)
        sizes = {name: data.draw(st.integers(0, 50)) for name in program.sizes}
        assert program.memory.bytes(sizes) <= whole.memory.bytes(sizes)
        assert evaluate(program.memory.formula, sizes) == program.memory.bytes(sizes)


def test_a_chain_of_products_needs_two_rooms_however_long_it_is():
    square = go.variable("s", "float64[n, n]")
    value = square
    for _ in range(30):
        value = value @ square
    program = planned([square], T.sum(value))
    walked(program)
    assert len(program.of_role("temporary")) >= 30
    assert program.memory.bytes({"n": 64}) == 2 * 8 * 64 * 64


def test_sizes_that_cannot_be_compared_share_a_room_as_large_as_the_larger():
    rows, columns = T.exp(x) @ T.transpose(x), T.transpose(x) @ T.exp(x)  # n×n, and then m×m
    outputs = [T.sum(rows @ rows @ rows), T.sum(columns @ columns @ columns)]
    program, apart = planned([x], outputs), planned([x], outputs, **APART)
    walked(program)
    assert any(len(room.sizes) > 1 for room in program.memory.rooms)
    for sizes in ({"n": 8, "m": 64}, {"n": 64, "m": 8}):
        square = 8 * max(sizes.values()) ** 2  # three of them are needed at a time: a product and its two operands
        assert 3 * square <= program.memory.bytes(sizes) < min(3.5 * square, apart.memory.bytes(sizes))


def test_what_only_one_branch_needs_may_lie_where_the_other_has_something_else():
    square = go.variable("s", "float64[n, n]")
    either = T.cond(T.sum(square) > 0, T.sum(square @ square @ square), T.sum(T.exp(square) @ square))
    program = planned([square], either)
    walked(program)
    assert (
        program.memory.bytes({"n": 64}) < 3 * 8 * 64 * 64 < planned([square], either, **APART).memory.bytes({"n": 64})
    )


def test_an_output_has_room_for_what_is_needed_before_it_is_written():
    square = go.variable("s", "float64[n, n]")
    program = planned([square], square @ square @ square @ square @ square)
    walked(program)
    assert {room.within for room in program.memory.rooms} == {None, program.outputs["output"]}
    assert program.memory.bytes({"n": 64}) == 8 * 64 * 64


def test_what_has_a_counted_size_is_not_planned():
    chosen = x.reshape((-1,))[x.reshape((-1,)) > 0]
    program = planned([x], T.sum(T.exp(chosen) @ T.sin(chosen)))
    walked(program)
    planned_names = {name for room in program.memory.rooms for name in room.tenants}
    assert program.late and planned_names.isdisjoint(buffer.name for buffer in program.late)


# --- writing over operands -------------------------------------------------------------------------------------------


NO_EPILOGUES = str(go.Pipeline.named("default")).replace("fuse", "fuse{epilogues=false}")


def kernel_of(program, word):
    (kernel,) = [k for k in program.kernels if word in k.name]
    return kernel


def test_a_result_is_written_over_the_temporary_it_is_made_of():
    program = planned([x, y], T.sin(x @ T.transpose(y)), NO_EPILOGUES)
    assert [b.name for b in program.of_role("temporary")] == []
    assert kernel_of(program, "sin").reads == kernel_of(program, "sin").writes == ("output_out",)
    assert len(planned([x, y], T.sin(x @ T.transpose(y)), NO_EPILOGUES, inplace=False).of_role("temporary")) == 1


def test_a_softmax_is_written_over_the_product_it_is_of():
    program = planned([x, y], T.softmax(x @ T.transpose(y), axis=1), "default")
    assert program.memory.bytes({"n": 100, "m": 100}) == 0


def test_a_copy_onto_itself_is_no_step():
    square = go.variable("s", "float64[n, n]")
    program = planned([square], T.set_subtensor((square @ square)[1:, :1], 7.0), "default")
    assert [type(step).__name__ for step in program.steps] == ["MatrixProduct", "Kernel"]
    apart = planned([square], T.set_subtensor((square @ square)[1:, :1], 7.0), "default", inplace=False)
    assert len(apart.steps) == 3


square = go.variable("s", "float64[n, n]")
product = square @ square
indices = go.variable("i", "int64[n]")
REFUSED = {
    "an input is the user's": T.sin(square),
    "another element is read": T.transpose(product) + 1.0,
    "an element is read by others as well": product + T.transpose(product),
    "indices say what is read": product[indices] + 1.0,
    "a row is read by all its elements": T.sum(product, axis=0)[:, None] + square,
    "a product reads while it writes": product @ square,
    "the dtype is another": T.cast(product, "int64"),
    "it is needed later": [T.sin(product) @ square, product @ product],
}


@pytest.mark.parametrize("outputs", REFUSED.values(), ids=REFUSED.keys())
def test_nothing_else_is_written_over(outputs):
    program = (
        planned([square, indices], outputs, "default") if "i" in inputs_in(outputs) else planned([square], outputs)
    )
    walked(program)
    assert not any(set(kernel.reads) & set(kernel.writes) - made_by(kernel) for kernel in program.kernels)


def inputs_in(outputs):
    every = outputs if isinstance(outputs, list) else [outputs]
    return {v.name for v in topological(every) if v.op.name == "input"}


def written(lane=(), row=(), form="map", also=()):
    """A kernel over i and j, of one stage or more, that reads and writes these buffers at these positions."""
    made = []
    for statements in ((row, lane), *also):
        made.append(Stage(*(tuple(statement(*each) for each in part) for part in statements)))
    return Kernel("k", form, (Axis("i", n),), (Axis("j", m),), tuple(made), ("a", "b"), ("b",))


def statement(kind, buffer, terms):
    index = Index(0, terms)
    if kind is Store:
        return Store(buffer, index, Local("a_0"), "float64")
    return Gather("a_0", "float64", buffer, index, ()) if kind is Gather else Load("a_0", "float64", buffer, index)


WHOLE, TURNED, ROW = (("i", m), ("j", 1)), (("i", 1), ("j", n)), (("i", 1),)


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (written([(Load, "a", WHOLE), (Store, "b", WHOLE)]), True),
        (written([(Load, "a", WHOLE), (Load, "c", TURNED), (Store, "b", WHOLE)]), True),
        (written([(Load, "a", WHOLE)], also=[([], [(Load, "a", WHOLE), (Store, "b", WHOLE)])], form="rows"), True),
        (written([(Load, "a", WHOLE), (Store, "b", WHOLE)], also=[([], [(Load, "b", WHOLE)])], form="rows"), True),
        (written([(Load, "a", TURNED), (Store, "b", WHOLE)]), False),
        (written([(Gather, "a", WHOLE), (Store, "b", WHOLE)]), False),
        (written([(Store, "b", WHOLE), (Load, "a", WHOLE)]), False),
        (written([(Load, "a", WHOLE), (Store, "b", WHOLE)], also=[([], [(Load, "a", WHOLE)])], form="rows"), False),
        (written([(Load, "a", WHOLE), (Store, "b", WHOLE), (Store, "b", TURNED)]), False),
        (written([(Load, "a", WHOLE), (Store, "b", WHOLE), (Load, "b", TURNED)]), False),
        (written([(Load, "a", ROW), (Store, "b", ROW)]), False),  # for every j again
        (written([], row=[(Load, "a", ROW), (Store, "b", ROW)], form="rows"), False),  # by several threads
        (replace(written([], row=[(Load, "a", ROW), (Store, "b", ROW)], form="rows"), inner=()), False),
        (written([(Load, "a", WHOLE), (Store, "b", WHOLE)], row=[(Load, "a", ROW)]), False),
        (written([(Load, "a", WHOLE), (Store, "b", WHOLE)], form="another"), False),
    ],
)
def test_a_kernel_writes_over_what_it_reads_where_it_writes_and_before(kernel, expected):
    assert overwritable(kernel, "a", "b") == expected


def test_bytes_count_what_is_written_over_twice():
    program, apart = (planned([x, y], T.sin(x @ T.transpose(y)), "default", inplace=i) for i in (True, False))
    assert [program.bytes(step) for step in program.steps] == [apart.bytes(step) for step in apart.steps]


# --- in C ------------------------------------------------------------------------------------------------------------


def agrees(outputs, arrays, **options):
    """Whether C computes what the interpreter does, with NaN in every temporary before it is written."""
    inputs = [v for v in topological(outputs) if v.op.name == "input"]
    wanted = interpret(Graph.from_outputs(inputs, outputs), arrays)
    options = go.Options(extra_flags=("-O1",), **options)
    pipeline, blas = go.Pipeline.named("default").without("fuse"), find_blas()
    lowered = go.lower(inputs, outputs, pipeline=pipeline, options=options)
    text = c_source(lowered.program, poisoned=True, blas=None if blas is None else blas.prefix).text
    runner = NativeProgram(lowered.program, options, text)
    for name, result in run(lowered.graph, runner, Extents(lowered.graph), arrays, None).items():
        scale = np.abs(wanted[name]).max(initial=1.0)
        np.testing.assert_allclose(result, wanted[name], rtol=0, atol=1e-9 * scale, equal_nan=False)


def drawn(data):
    outputs = data.draw(st.lists(strategies.expressions(), min_size=4, max_size=6))
    inputs = [v for v in topological(outputs) if v.op.name == "input"]
    return outputs, data.draw(strategies.inputs_for(Graph.from_outputs(inputs, outputs)))


@given(st.data())
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
def test_c_finds_its_values_in_memory_that_is_poisoned_when_it_is_given_on(data):
    agrees(*drawn(data))


def test_short_rows_and_turned_arrays_are_written_over_what_they_are_made_of():
    rows, turned = x[:, :3] @ y[:3, :3], x @ T.transpose(x)
    arrays = {"x": np.random.default_rng(5).normal(size=(70, 5)), "y": np.random.default_rng(6).normal(size=(70, 5))}
    agrees([T.softmax(rows, axis=1), rows / T.sum(rows, axis=1, keepdims=True), T.exp(turned / 9) + turned.T], arrays)


@pytest.mark.long
@pytest.mark.parametrize("choices", [{}, {"inplace": False}, {"reuse": False}, APART], ids=str)
@given(st.data())
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
def test_c_finds_its_values_with_every_choice_of_the_plan(choices, data):
    agrees(*drawn(data), schedule=choices)


def test_a_choice_that_there_is_not_is_refused():
    for wrong in ({"in_place": False}, {"inplace": 1}):
        with pytest.raises(go.InvalidArgument, match="expected True or False for inplace, reuse"):
            go.Options(schedule=wrong)
