"""The step of an op that has no text in C or CUDA: a call of its NumPy meaning, in the middle of the program."""

from __future__ import annotations

from graphopt.analysis.cost import node_cost
from graphopt.analysis.views import row_major
from graphopt.schedule.builder import ProgramBuilder
from graphopt.schedule.steps import HostCall

__all__ = ["call", "host_base"]


def host_base(builder: ProgramBuilder, operand: int) -> int:
    """What must lie in memory for the host, or a body, to read an operand as an array: a whole value, or itself."""
    graph, view = builder.graph, builder.views[operand]
    type, base = graph.type(operand), graph.type(view.base)
    whole = view.offset == 0 and view.strides == row_major(type.shape) and type.size == base.size
    computed = graph.op(view.base).arity != 0
    return view.base if whole and (computed or builder.is_stored(view.base)) else operand


def call(builder: ProgramBuilder, node: int) -> None:
    """Append the call of a node's op."""
    graph, operands = builder.graph, builder.graph.operands(node)
    builder.steps.append(
        HostCall(
            name=builder.step_name([node]),
            op=graph.op(node),
            attributes=graph.attributes(node),
            operands=tuple(builder.buffer_of[host_base(builder, operand)] for operand in operands),
            types=tuple(graph.type(operand) for operand in operands),
            result=builder.buffer_of[node],
            type=graph.type(node),
            flops=node_cost(graph, node).flops,
            note=builder.note([node]),
            origin=", ".join(map(str, graph.origins(node))),
        )
    )
