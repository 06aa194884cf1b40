"""Hypothesis strategies for programs: `expressions`, `graphs`.

Programs are constructed, never filtered: a step takes an op and looks for operands that it has a meaning for, among the
values there are and then among new leaves. A program uses a few families of ops, several times each, since what goes
wrong mostly does so where two particular ops meet (swarm testing: A. Groce, C. Zhang, E. Eide, Y. Chen, J. Regehr,
ISSTA 2012).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from hypothesis import strategies as st

from graphopt.dimensions import Dim, counted
from graphopt.errors import InvalidArgument
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.op import Op
from graphopt.ops.leaves import dimension, input_
from graphopt.testing.strategies.draft import Application, Draft, Value
from graphopt.testing.strategies.sizes import SHAPES, Shape
from graphopt.testing.strategies.table import FAMILIES, Family, chosen
from graphopt.types import TensorType
from graphopt.variable import Variable

__all__ = ["expressions", "graph_of", "graphs", "whole_numbers"]

_SWARM = 3
"""How many families a program uses at most. Programs of few steps would not get round to more."""
_TRIED = 4
"""How many ops of a family a step tries before it is no step."""
_SHARE = 6
"""Of how many ops a family has to be to come up twice as often as one of a single op."""


@cache
def whole_numbers(count: int) -> st.SearchStrategy[int]:
    """0 … count - 1. A strategy is checked when it is used first, which takes longer than drawing from it."""
    return st.integers(0, count - 1)


def expressions(
    *,
    max_nodes: int = 12,
    dtypes: Sequence[str] = ("float64",),
    shapes: Sequence[Shape] = SHAPES,
    families: Sequence[str] = FAMILIES,
    ops: Iterable[str | Op] | None = None,
    max_inputs: int = 3,
    empty: bool = False,
) -> st.SearchStrategy[Variable]:
    """Random well-typed expressions over a few inputs called x, y and z.

    Parameters
    ----------
    max_nodes
        The largest number of steps; a step adds one op, or a few (`mean`, `keepdims`).
    dtypes
        Dtypes of the inputs, the simplest first. Mixed ones are promoted.
    shapes
        Shapes of the inputs, the simplest first.
    families
        Which ops may occur: names of `EVERY`. The default, `FAMILIES`, leaves out what jumps, what is not computed in
        C, and what has neither derivatives nor an exact meaning.
    ops
        Ops that may occur, by name or as they are: these alone, whatever family they are of. Those that an op needs
        to have operands at all (a comparison for `any`, a sort for `searchsorted`) may occur as well.
    max_inputs
        The largest number of inputs; not every input is used.
    empty
        Whether sizes may be 0 when the expression is evaluated: no extrema, means or softmax then.

    Returns
    -------
    A strategy of Variable
        Their inputs are meant to hold what `inputs_for` draws.

    Raises
    ------
    InvalidArgument
        If a family or an op is unknown.
    """
    settings = _Settings(max_nodes, tuple(dtypes), tuple(shapes), chosen(families, ops), max_inputs, empty)
    return _values(settings).map(lambda values: _sized(values)[-1])


def graphs(
    *,
    max_nodes: int = 12,
    dtypes: Sequence[str] = ("float64",),
    shapes: Sequence[Shape] = SHAPES,
    families: Sequence[str] = FAMILIES,
    ops: Iterable[str | Op] | None = None,
    max_inputs: int = 3,
    empty: bool = False,
    max_outputs: int = 1,
) -> st.SearchStrategy[Graph]:
    """Graphs of such expressions.

    Parameters
    ----------
    max_outputs
        The largest number of outputs: the last value, and any others, inputs among them.
    max_nodes, dtypes, shapes, families, ops, max_inputs, empty
        As for `expressions`.
    """
    settings = _Settings(max_nodes, tuple(dtypes), tuple(shapes), chosen(families, ops), max_inputs, empty)
    if max_outputs < 1:
        raise InvalidArgument(f"a graph has one output or more, found max_outputs={max_outputs}")
    return _graphs(settings, max_outputs)


class _Settings:
    def __init__(
        self, max_nodes: int, dtypes: tuple[str, ...], shapes: tuple[Shape, ...], families: dict[str, Family],
        max_inputs: int, empty: bool,
    ) -> None:  # fmt: skip
        self.max_nodes, self.dtypes, self.shapes = max_nodes, dtypes, shapes
        # A family comes up the more often the more ops it has, so that each of them is met.
        self.families = [
            list(family.values()) for family in families.values() for _ in range(1 + len(family) // _SHARE)
        ]
        self.max_inputs, self.empty = max_inputs, empty


@st.composite
def _values(draw: st.DrawFn, settings: _Settings) -> list[Value]:
    def below(count: int) -> int:
        return draw(whole_numbers(count)) if count > 1 else 0

    draft = Draft(below, settings.max_inputs, settings.empty)
    for _ in range(1 + below(settings.max_inputs)):
        draft.input(TensorType(draft.choose(settings.dtypes), draft.choose(settings.shapes)))
    swarm = settings.families
    if len(swarm) > _SWARM:
        swarm = [draft.choose(swarm) for _ in range(_SWARM)]
    for _ in range(1 + below(settings.max_nodes)):
        family = below(8 * len(swarm) + 1)  # 0, which a step shrinks to, is no step
        if family:
            _step(draft, swarm[(family - 1) % len(swarm)])
    return draft.values


def _step(draft: Draft, family: Sequence[Application]) -> None:
    """Apply an op of a family, or the next of it that has operands."""
    first = draft.below(len(family))
    for position in range(first, first + min(len(family), _TRIED)):
        made = family[position % len(family)](draft)
        if made is not None:
            draft.values.append(made)
            return


@st.composite
def _graphs(draw: st.DrawFn, settings: _Settings, max_outputs: int) -> Graph:
    values = _sized(draw(_values(settings)), everything=max_outputs > 1)
    outputs = values[-1:]
    if max_outputs > 1:
        outputs += [values[draw(whole_numbers(len(values)))] for _ in range(draw(whole_numbers(max_outputs)))]
    return graph_of(outputs)


def _sized(values: Sequence[Value], everything: bool = False) -> list[Variable]:
    """The values (the most recent of them alone, unless all are asked for) whose inputs tell all sizes they mention."""
    found: list[Variable] = []
    for value in reversed(values):
        order = topological([value.variable])
        sizes = {size for v in order if v.op is input_ for size in v.type.shape}
        mentioned = {size for v in order for size in v.type.shape if isinstance(size, Dim) and size.symbol}
        mentioned |= {v.attributes["value"] for v in order if v.op is dimension}
        if all(size in sizes or counted(size) for size in mentioned):
            found.append(value.variable)
            if not everything:
                break
    return found[::-1]


def graph_of(outputs: Sequence[Variable]) -> Graph:
    """The graph of some outputs, over all inputs that they depend on."""
    inputs = [v for v in topological(list(outputs)) if v.op is input_]
    return Graph.from_outputs(
        sorted(inputs, key=lambda v: v.name or ""), outputs[0] if len(outputs) == 1 else list(outputs)
    )
