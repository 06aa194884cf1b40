"""Steps whose positions must be done one after another: running combinations, and writing where indices say."""

from __future__ import annotations

from graphopt.analysis.views import View, row_major
from graphopt.dimensions import DimLike
from graphopt.ops.arithmetic import add, maximum, minimum
from graphopt.schedule.builder import Place, ProgramBuilder, axis_name, index_map
from graphopt.schedule.kernels import make_kernel
from graphopt.schedule.statements import Local, Scan, Scatter, Statement, Store, Value, Within
from graphopt.schedule.steps import Stage

__all__ = ["run_along", "write_where"]

COMBINATIONS = {"set": None, "add": add, "maximum": maximum, "minimum": minimum}


def run_along(builder: ProgramBuilder, node: int) -> None:
    """Append the kernel of a running combination: in order along its axis, side by side along the others."""
    graph, type = builder.graph, builder.graph.type(node)
    (along,) = graph.attributes(node)["axis"]
    axes = _names(type.shape)
    values, statements = _fetch(builder, [(builder.views[o], axes) for o in graph.operands(node)])
    target = f"{graph.op(node).name}_{len(values)}"
    statements.append(Scan(target, type.dtype, graph.op(node), tuple(values), node))
    place = index_map(0, axes, row_major(type.shape))
    statements.append(Store(builder.buffer_of[node], place, Local(target), type.dtype))
    others = [k for k in range(type.ndim) if k != along]
    _append(builder, node, statements, _loops(axes, type.shape, others), _loops(axes, type.shape, [along]))


def write_where(builder: ProgramBuilder, node: int) -> None:
    """Append the steps of `scatter`: a copy of the array, and a kernel that takes the values in order."""
    graph, type, buffer = builder.graph, builder.graph.type(node), builder.buffer_of[node]
    whole, written, *indices = graph.operands(node)
    strides = row_major(type.shape)
    builder.move(whole, builder.views[whole], Place(buffer, 0, strides))
    shape = graph.type(written).shape
    axes = _names(shape)
    lead = len(shape) - (type.ndim - len(indices))
    fetched = [(builder.views[written], axes)]
    for index in indices:
        view = builder.views[index]
        fetched.append((view, axes[lead - len(view.strides) : lead]))
    (value, *positions), statements = _fetch(builder, fetched)
    statements.append(
        Scatter(
            buffer,
            index_map(0, axes[lead:], strides[len(indices) :]),
            tuple(Within(p, n, s) for p, n, s in zip(positions, type.shape, strides, strict=False)),
            value,
            type.dtype,
            COMBINATIONS[graph.attributes(node)["mode"]],
        )
    )
    rest = range(lead, len(shape))
    _append(builder, node, statements, _loops(axes, shape, rest), _loops(axes, shape, range(lead)))


Axes = list[str | None]
Loops = list[tuple[str, DimLike]]


def _names(shape: tuple[DimLike, ...]) -> Axes:
    return [None if size == 1 else axis_name(k) for k, size in enumerate(shape)]


def _loops(axes: Axes, shape: tuple[DimLike, ...], chosen: list[int] | range) -> Loops:
    return [(name, shape[k]) for k in chosen if (name := axes[k]) is not None]


def _fetch(builder: ProgramBuilder, wanted: list[tuple[View, Axes]]) -> tuple[list[Value], list[Statement]]:
    values: list[Value] = []
    statements: list[Statement] = []
    for number, (view, axes) in enumerate(wanted):
        value, fetch = builder.element(f"value_{number}", view, axes)
        values.append(value)
        statements += fetch
    return values, statements


def _append(builder: ProgramBuilder, node: int, statements: list[Statement], outer: Loops, inner: Loops) -> None:
    stage = Stage((), tuple(statements))
    builder.steps.append(make_kernel(builder.step_name([node]), (stage,), outer, inner, builder.note([node])))
