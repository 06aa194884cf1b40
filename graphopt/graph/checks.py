"""Run-time checks: conditions that are outputs of a graph, under names of their own.

An expression says `check(x, condition, message)`. In a graph the value stands unchecked, so that rules see through,
and `all(condition)` is an output, which no pass removes for want of users. Whoever runs the graph looks at these
outputs and raises (`require`); the interpreter gives them back like any others.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graphopt.errors import CheckFailed, IndexCheckFailed
from graphopt.op import Attributes
from graphopt.ops.control import check as check_op
from graphopt.ops.leaves import constant
from graphopt.ops.reduction import all_
from graphopt.types import TensorType
from graphopt.variable import Origin, Variable

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["BOUNDS", "Check", "attach", "checked", "leave_out", "require", "settled"]

BOUNDS = "bounds"
"""The kind of checks that indices lie inside their axes: `Options(check_bounds=False)` leaves them out."""


class Check(NamedTuple):
    """What an output that is a check says if it is false.

    Attributes
    ----------
    message
        What is wrong then.
    origin
        Where the user made the check.
    kind
        "bounds" for an index inside its axis; None for any other.
    """

    message: str
    origin: Origin | None = None
    kind: str | None = None


def attach(graph: Graph, condition: int, check: Check) -> None:
    """Make a condition (bool, of any shape) an output of the graph."""
    rank = graph.type(condition).ndim
    if rank:
        axes = Attributes(axis=tuple(range(rank)))
        condition = graph._add_node(all_, (condition,), axes, TensorType("bool"), None, check.origin)
    serial = len(graph._checks)
    while (name := f"check{serial}") in graph.outputs:
        serial += 1
    graph._checks[name] = check
    graph.set_outputs({**graph.outputs, name: condition})


def made_of(variable: Variable) -> Check:
    """What an application of the op `check` says."""
    return Check(variable.attributes["message"], variable.origin, variable.attributes.get("kind"))


def checked(values: Sequence[Variable], graph: Graph, exported: Sequence[Variable]) -> list[Variable]:
    """Values that were exported from a graph, with its checks, whose conditions were exported too, in their order."""
    result = list(values)
    for check, condition in zip(graph.checks.values(), exported, strict=True):
        attributes = Attributes(message=check.message, **({} if check.kind is None else {"kind": check.kind}))
        result = [Variable(v.type, check_op, (v, condition), attributes, v.name, check.origin) for v in result]
    return result


def leave_out(graph: Graph, which: Callable[[str, Check], bool]) -> None:
    """Drop checks, chosen by their names and what they say. What only they needed stays until `prune`."""
    dropped = {name for name, check in graph.checks.items() if which(name, check)}
    if dropped:
        graph.set_outputs({name: node for name, node in graph.outputs.items() if name not in dropped})


def settled(graph: Graph) -> None:
    """Drop the checks that are known to hold, and those that say again what another says."""
    seen: set[Hashable] = set()

    def superfluous(name: str, check: Check) -> bool:
        node = graph.outputs[name]
        key = (node, check.message, check.kind)
        if key in seen or (graph.op(node) is constant and graph.attributes(node)["value"] is True):
            return True
        seen.add(key)
        return False

    leave_out(graph, superfluous)


def require(function: str, graph: Graph, results: Mapping[str, Any]) -> dict[str, Any]:
    """The results that are no checks, given that all checks hold.

    Raises
    ------
    CheckFailed
        With the message and the line of the first that does not; an IndexError, too, for an index outside its axis.
    """
    for name, check in graph.checks.items():
        if not np.all(results[name]):
            where = "" if check.origin is None else f"; checked at {check.origin}"
            error = IndexCheckFailed if check.kind == BOUNDS else CheckFailed
            raise error(f"{function}: {check.message}{where}")
    return {name: value for name, value in results.items() if name not in graph.checks}
