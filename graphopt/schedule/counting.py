"""The steps of an op whose result has as many elements as a mask has true ones: count, settle the size, fill."""

from __future__ import annotations

from graphopt.dimensions import DimLike
from graphopt.op import EMPTY
from graphopt.ops.arithmetic import cast
from graphopt.ops.reduction import sum_
from graphopt.schedule.builder import ProgramBuilder, axis_name
from graphopt.schedule.kernels import make_kernel
from graphopt.schedule.statements import Append, Compute, Index, Local, Position, Reduce, Statement, Store, Value
from graphopt.schedule.steps import Settle, Stage

__all__ = ["count_and_fill"]


def count_and_fill(builder: ProgramBuilder, node: int) -> None:
    """Append the steps of `nonzero`: how many there are, which then is a size, and the positions, one after another."""
    graph, (mask,) = builder.graph, builder.graph.operands(node)
    (size,), view = graph.type(mask).shape, builder.views[mask]
    inner: list[tuple[str, DimLike]] = [(axis_name(0), size)]
    true, fetch = builder.element("value_0", view, [axis_name(0)])
    counter = builder.scratch(f"{graph.op(node).name}_count", "int64")
    builder.steps.append(
        make_kernel(f"count_{len(builder.steps)}", _counted(true, fetch, counter, node), (), inner, "counts a mask")
    )
    builder.steps.append(
        Settle(
            name=f"settle_{len(builder.steps)}",
            node=node,
            count=graph.attributes(node)["count"],
            counter=counter,
            note=f"{graph.attributes(node)['count']}: how many elements a mask chooses",
        )
    )
    position = Position("position_0", "int64", Index(0, ((axis_name(0), 1),)))
    append = Append("filled_0", "int64", builder.buffer_of[node], Local(position.target), true, sum_)
    fill = Stage((), (*fetch, position, append))
    builder.steps.append(make_kernel(builder.step_name([node]), (fill,), (), inner, builder.note([node])))


def _counted(true: Value, fetch: tuple[Statement, ...], counter: str, node: int) -> tuple[Stage, Stage]:
    one = Compute("value_1", "int64", cast, (true,), ("bool",), EMPTY, node)
    total = Reduce("count_0", "int64", sum_, Local(one.target), node)
    return Stage((), (*fetch, one, total)), Stage((Store(counter, Index(0), Local(total.target), "int64"),), ())
