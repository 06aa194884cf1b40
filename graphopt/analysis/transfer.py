"""What each op makes of facts: one table, put together from those of the families.

An op that is not in the table may give anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from graphopt.analysis.facts import Facts, anything, settled
from graphopt.analysis.transfer_arithmetic import ARITHMETIC
from graphopt.analysis.transfer_axes import AXES
from graphopt.analysis.transfer_control import CONTROL
from graphopt.analysis.transfer_elementary import ELEMENTARY
from graphopt.analysis.transfer_leaves import LEAVES
from graphopt.analysis.transfer_logic import LOGIC
from graphopt.analysis.transfer_step import Step, Transfer

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["TRANSFER", "facts_of"]


def facts_of(graph: Graph, node: int, facts: tuple[Facts, ...]) -> Facts:
    """The facts of a node, given those of its operands."""
    op, type = graph.op(node), graph.type(node)
    transfer = TRANSFER.get(op.name)
    if transfer is None:
        return anything(type.dtype)
    types = tuple([graph.type(operand) for operand in graph.operands(node)])
    return settled(transfer(Step(graph.attributes(node), type, types, facts, graph.guards)), type.dtype)


def _logical(decide: Callable[..., Facts]) -> Transfer:
    return lambda step: decide(*step.facts)


TRANSFER: dict[str, Transfer] = {
    **LEAVES,
    **ARITHMETIC,
    **ELEMENTARY,
    **AXES,
    **CONTROL,
    **{name: _logical(decide) for name, decide in LOGIC.items()},
}
"""Op name to what it makes of facts."""
