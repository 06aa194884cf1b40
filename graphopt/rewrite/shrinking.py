"""The smallest graph that still shows it: delta debugging over a graph.

    small = go.rewrite.reduce(graph, lambda g: fails(g))

Steps: drop an output; let an interior node be an output; replace a node by an operand or an input of its type, or by
the constant 0 or 1. A step is kept if the graph is still bad and became smaller; the search ends when none is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from graphopt.errors import GraphoptError, InvalidArgument
from graphopt.graph.graph import Graph
from graphopt.ops.leaves import constant, input_
from graphopt.variable import literal

__all__ = ["reduce"]

Size = tuple[int, int, int, int]
Step = Callable[[Graph], None]


def reduce(graph: Graph, bad: Callable[[Graph], bool]) -> Graph:
    """A smallest graph for which `bad(graph)` is still true.

    Greedy and deterministic. The result is 1-minimal: no single step makes it smaller and leaves it bad. Inputs that
    nothing uses are removed, unless a size in the graph is read off them. The types of outputs may change.

    Parameters
    ----------
    graph
        Where to start. It is never changed.
    bad
        Judges a graph; it is given copies. An error it raises counts as not bad: a smaller graph that fails in
        another way is not what is looked for. To look for an error, catch it inside and return whether it was the one.

    Raises
    ------
    InvalidArgument
        If the graph is not bad to begin with.
    """
    if not _is_bad(graph, bad):
        raise InvalidArgument("reduce: bad(graph) is not true to begin with: there is nothing to reduce")
    best = graph.copy()
    trimmed = _applied(best, lambda twin: None)
    if trimmed is not None and _is_bad(trimmed, bad):
        best = trimmed
    position, failed = 0, 0
    while True:
        steps = list(_steps(best))
        if failed >= len(steps):
            return best
        position %= len(steps)
        smaller = _applied(best, steps[position])
        if smaller is not None and _size(smaller) < _size(best) and _is_bad(smaller, bad):
            best, failed = smaller, 0  # go on from the same place in the new list
        else:
            position, failed = position + 1, failed + 1


def _is_bad(graph: Graph, bad: Callable[[Graph], bool]) -> bool:
    try:
        return bool(bad(graph.copy()))
    except Exception:  # any: `bad` is the caller's, and a candidate may break it in ways nobody has thought of
        return False


def _size(graph: Graph) -> Size:
    """What a step must lower: nodes without constants, outputs, constants, and constants that are not 0."""
    constants = [node for node in graph if graph.op(node) is constant]
    loud = sum(graph.attributes(node)["value"] != 0 for node in constants if _is_number(graph, node))
    loud += sum(2 for node in constants if not _is_number(graph, node) or graph.attributes(node)["value"] not in (0, 1))
    return len(graph) - len(constants), len(graph.outputs), len(constants), loud


def _is_number(graph: Graph, node: int) -> bool:
    return isinstance(graph.attributes(node)["value"], bool | int | float)


def _steps(graph: Graph) -> Iterator[Step]:
    """Every way to a neighbour, the largest cuts first."""
    if len(graph.outputs) > 1:
        for name in graph.outputs:
            yield _Drop(name)
    order = graph.order()
    for name, output in graph.outputs.items():
        for node in graph.order([output])[:-1]:
            yield _Promote(name, node)
    for node in reversed(order):
        kind = graph.type(node)
        for other in dict.fromkeys((*graph.operands(node), *graph.inputs.values())):
            if other != node and graph.type(other) == kind and graph.op(node) is not input_:
                yield _Substitute(node, other)
        for value in (0, 1):
            yield _Fix(node, value)


class _Drop:
    """Leave an output out."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, graph: Graph) -> None:
        keep = {name: node for name, node in graph.outputs.items() if name != self.name}
        graph.set_outputs(keep)


class _Promote:
    """Let an output be a node below it."""

    def __init__(self, name: str, node: int) -> None:
        self.name, self.node = name, node

    def __call__(self, graph: Graph) -> None:
        graph.set_outputs({**graph.outputs, self.name: self.node})


class _Substitute:
    """Let another node stand where one stands."""

    def __init__(self, node: int, other: int) -> None:
        self.node, self.other = node, other

    def __call__(self, graph: Graph) -> None:
        graph.replace(self.node, self.other)


class _Fix:
    """Let a number stand where a node stands."""

    def __init__(self, node: int, value: int) -> None:
        self.node, self.value = node, value

    def __call__(self, graph: Graph) -> None:
        kind = graph.type(self.node)
        value = bool(self.value) if kind.dtype == "bool" else self.value
        graph.replace(self.node, literal(value, kind.dtype, kind.shape))


def _applied(graph: Graph, step: Step) -> Graph | None:
    """A copy after a step, without what nothing needs; None if the step has no meaning here."""
    twin = graph.copy()
    try:
        step(twin)
        twin.prune()
        _drop_inputs(twin)
        twin.verify()
    except GraphoptError:
        return None
    twin.journal.clear()
    return twin


def _drop_inputs(graph: Graph) -> None:
    """Remove inputs that nothing uses, as long as every size in the graph can still be read off one that stays."""
    for name, node in reversed(list(graph.inputs.items())):
        if not graph.uses(node):
            with suppress(InvalidArgument):
                graph.remove_input(name)
