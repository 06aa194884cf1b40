"""Sizes that are counted while a program runs: how many elements a mask chooses.

Whatever runs a program says here what it counted. A size that no argument has is settled by that; one that is known
already, because an argument has it or another mask counted it, is checked. Guards about such sizes are checked as soon
as all of theirs are known.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from graphopt.dimensions import Dim, DimLike, evaluate, symbols
from graphopt.errors import ShapeMismatch
from graphopt.graph import mismatch
from graphopt.graph.unify import rename_attributes
from graphopt.ops.leaves import input_
from graphopt.variable import Variable

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["COUNTING", "equal_counts", "known_guards", "settle"]

COUNTING = "counting"
"""The trait of ops that count."""


def settle(graph: Graph, node: int, found: int, sizes: dict[str, int]) -> None:
    """Enter what a node has counted into the sizes of a call.

    Raises
    ------
    ShapeMismatch
        If the size is known already and is another, or if a guard does not hold.
    """
    count = graph.attributes(node)["count"]
    name = count.symbol if isinstance(count, Dim) else None
    if name is None or name in sizes:
        if evaluate(count, sizes) != found:
            raise ShapeMismatch(mismatch.of_count(graph, node, found, sizes))
        return
    sizes[name] = found
    for guard in graph.guards:
        mentioned = _mentioned(guard)
        if name in mentioned and mentioned <= sizes.keys():
            a, b = (evaluate(side, sizes) for side in guard)
            if a != b:
                raise ShapeMismatch(mismatch.of_guard(graph, guard, sizes, {}))


def known_guards(graph: Graph) -> list[tuple[DimLike, DimLike]]:
    """The guards that can be checked before anything has run."""
    late = graph.settlers().keys()
    return [guard for guard in graph.guards if not _mentioned(guard) & late] if late else graph.guards


def _mentioned(guard: tuple[DimLike, DimLike]) -> set[str]:
    return symbols(guard[0]) | symbols(guard[1])


def equal_counts(order: Sequence[Variable]) -> dict[Variable, Variable]:
    """What counts the same as something before it, with that: so `x[x > 0]` and `y[x > 0]` are of one length.

    Values are numbered (operands first; the same number for the same op, attributes and operands), as in common
    subexpression elimination. Linear; programs with fewer than two counts pay one look at each op.
    """
    equal: dict[Variable, Variable] = {}
    if sum(COUNTING in variable.op.traits for variable in order) < 2:
        return equal
    number: dict[Variable, int] = {}
    seen: dict[Hashable, int] = {}
    first: dict[int, Variable] = {}
    sizes: dict[str, DimLike] = {}
    for variable in order:
        operands = tuple([number[operand] for operand in variable.operands])
        if COUNTING in variable.op.traits:
            known = first.setdefault(operands[0], variable)
            if known is not variable:
                equal[variable] = known
                if isinstance(count := variable.attributes["count"], Dim) and count.symbol is not None:
                    sizes[count.symbol] = known.attributes["count"]
        attributes = rename_attributes(variable.attributes, sizes) if sizes else variable.attributes
        key = variable if variable.op is input_ else (variable.op, attributes, operands)
        number[variable] = seen.setdefault(key, len(seen))
    return equal
