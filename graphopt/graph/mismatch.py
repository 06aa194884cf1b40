"""What to say when the arrays of a call do not have the sizes that a graph needs: which arguments, which axes, and why.

The reasons are what `graphopt.graph.unify` noted: the op, and the user's line, that made two sizes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from graphopt.dimensions import Dim, DimLike, evaluate, symbols
from graphopt.graph.unify import broken

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["of_argument", "of_count", "of_guard", "unknown_size"]

Sources = Mapping[str, tuple[int, str]]  # name of a dimension -> the axis and the argument it was read off


def of_argument(graph: Graph, name: str, shape: tuple[int, ...], axis: int, wanted: int, sources: Sources) -> str:
    """An argument of another size than other arguments, or the program, say."""
    size = graph.type(graph.inputs[name]).shape[axis]
    expected = f"{size} = {wanted}" if isinstance(size, Dim) else str(wanted)
    known = sources.get(size.symbol or "") if isinstance(size, Dim) else None
    where = f" (from axis {known[0]} of {known[1]})" if known else ""
    hint = "; a size is stretched only where the type says 1" if 1 in (wanted, shape[axis]) else ""
    return (
        f"argument {name} has shape {shape}: axis {axis} is {shape[axis]}, expected {expected}{where}"
        f"{_because(graph, _declared(graph, name, axis))}{hint}"
    )


def of_guard(graph: Graph, guard: tuple[DimLike, DimLike], sizes: Mapping[str, int], sources: Sources) -> str:
    """A guard that does not hold."""
    a, b = (evaluate(side, sizes) for side in guard)
    names = sorted({name for side in guard for name in symbols(side)})
    arguments = ", ".join(f"{n} = {sizes[n]} is axis {sources[n][0]} of {sources[n][1]}" for n in names if n in sources)
    settlers = graph.settlers()
    counts = [
        f"{n} = {sizes[n]} is how many elements {_mask(graph, settlers[n])} chooses" for n in names if n in settlers
    ]
    listing = ", ".join([*filter(None, [arguments]), *counts])
    return broken(guard, a, b) + (f" ({listing})" if listing else "") + _because(graph, guard)


def of_count(graph: Graph, node: int, found: int, sizes: Mapping[str, int]) -> str:
    """A mask with another number of true elements than what its elements are combined with."""
    count, variable = graph.attributes(node)["count"], graph.variables.get(node)
    declared = variable.attributes["count"].symbol if variable is not None else None
    wanted = f"{count} = {evaluate(count, sizes)}" if isinstance(count, Dim) else str(count)
    because = _because(graph, declared) or _because(graph, count.symbol if isinstance(count, Dim) else None)
    return f"{_mask(graph, node)} chooses {found} elements, expected {wanted}{because}"


def _mask(graph: Graph, node: int) -> str:
    origins = graph.origins(node)
    return f"the mask at {origins[0]}" if origins else "a mask"


def unknown_size(name: str, axis: int, size: DimLike, sizes: Mapping[str, int]) -> str:
    """A size that cannot be computed, since no argument has one of its names as an axis."""
    missing = ", ".join(sorted(symbols(size) - set(sizes)))
    return (
        f"argument {name}: axis {axis} is {size}, and no argument has {missing} for an axis; give the axis a name of "
        "its own, or add an input that has it"
    )


def _declared(graph: Graph, name: str, axis: int) -> str | None:
    """What the user called the size of an axis."""
    variable = graph.variables.get(graph.inputs[name])
    size = variable.shape[axis] if variable is not None else None
    return size.symbol if isinstance(size, Dim) else None


def _because(graph: Graph, key: str | tuple[DimLike, DimLike] | None) -> str:
    if key is None or key not in graph.reasons:
        return ""
    op, origin = graph.reasons[key]
    return f"; needed by {op}" + (f" at {origin}" if origin is not None else "")
