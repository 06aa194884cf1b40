"""One element of every row, as `take_along_axis` reads it and its derivative writes it, in the loops of the row.

Contract: no gather reads an elementwise result whose elements it could as well compute for itself, fewer than there
are; nothing is scattered to one place of each row.

    gather(f(x, z), i) = f(gather(x, i), gather(z, i))
    scatter-add(x, v, (0, 1, …), i) = where(position = i, x + v, x)        one i for each row
    Σ over each row of the latter with x = 0: v

What is gathered must lie in memory, and what is scattered is written there element by element; comparisons are done by
the kernel that computes the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.ops.gather import gather, scatter
from graphopt.ops.leaves import constant, dimension, iota
from graphopt.ops.reduction import sum_
from graphopt.ops.shape import broadcast_to, expand_dims, squeeze
from graphopt.rewrite.passes import Context, Pass

__all__ = ["Choices"]


@dataclass(frozen=True)
class Choices(Pass):
    """Read and write one element of every row in the loops of the row. Linear in the size of the result."""

    name: ClassVar[str] = "choices"
    idempotent: ClassVar[bool] = True

    def run(self, graph: Graph, context: Context) -> None:
        """One sweep from the outputs, so that a sum meets what is scattered while it still is; then new gathers."""
        order = graph.order()
        if not any(graph.op(node) in (gather, scatter) for node in order):
            return
        waiting = order
        while waiting and not context.exhausted:
            node = waiting.pop()
            if node not in graph or graph.op(node) not in FORMS:
                continue
            name, form = FORMS[graph.op(node)]
            new = form(graph.handle(node))
            if new is None:
                continue
            mark = graph.journal.mark()
            context.replace(node, new, name)
            waiting += [entry[1] for entry in graph.journal.since(mark) if entry[0] == "add" and entry[1] in graph]


def gathered_first(node: Any) -> Any | None:
    """gather(f(x, z), i) → f(gather(x, i), gather(z, i)), for fewer elements than f has; of each row's own, x."""
    whole, *indices = node.inputs
    if len(indices) == 1 and (axes := _own_rows(indices[0], whole.shape[0])) is not None:
        return expand_dims(whole, axis=axes) if axes else whole
    if "elementwise" not in whole.op.traits or not _is_smaller(node.shape, whole.shape):
        return None
    parts = [_part(operand, whole.ndim, indices) for operand in whole.inputs]
    result = whole.op(*parts, **whole.attributes)
    return result if result.shape == node.shape else broadcast_to(result, shape=node.shape)


def _part(operand: Any, ndim: int, indices: list[Any]) -> Any:
    """What an operand that is stretched to `ndim` axes contributes to the elements at some indices."""
    lead = ndim - operand.ndim
    real = [axis for axis in range(lead, len(indices)) if operand.shape[axis - lead] != 1]
    gone = tuple(axis - lead for axis in range(lead, len(indices)) if axis not in real)
    kept = squeeze(operand, axis=gone) if gone else operand
    return gather(kept, *(indices[axis] for axis in real)) if real else kept


def _is_smaller(part: tuple[Any, ...], whole: tuple[Any, ...]) -> bool:
    """Whether a shape has fewer elements than another whatever sizes its names stand for: an axis less."""
    axes, sizes = [size for size in part if size != 1], [size for size in whole if size != 1]
    return len(axes) < len(sizes) and all(axes.count(size) <= sizes.count(size) for size in axes)


def _own_rows(index: Any, size: Any) -> tuple[int, ...] | None:
    """The axes besides the first along which positions 0, 1, …, `size` - 1 are laid out; None for other indices."""
    axes: tuple[int, ...] = ()
    if index.op is expand_dims:
        (index,), axes = index.inputs, index.attributes["axis"]
    return axes if index.op is iota and index.shape[0] == size and 0 not in axes else None


def _chosen(node: Any) -> tuple[Any, Any] | None:
    """The values and columns of a scatter-add to one column of each row of a matrix; None for other scatters."""
    whole, values, *indices = node.inputs
    if node.attributes["mode"] != "add" or whole.ndim != 2 or len(indices) != 2 or values.shape != (whole.shape[0], 1):
        return None
    rows, columns = indices
    return (values, columns) if _own_rows(rows, whole.shape[0]) == (1,) and columns.shape == values.shape else None


def compared(node: Any) -> Any | None:
    """scatter-add(x, v, rows, i) → where(position = i, x + v, x), for one i of each row."""
    if (found := _chosen(node)) is None:
        return None
    values, columns = found
    whole, size = node.inputs[0], node.shape[1]
    last = size - 1 if isinstance(size, int) else dimension(value=size - 1, dtype="int64")
    mine = T.equal(iota(size=size), T.maximum(T.minimum(columns, last), 0))  # an index outside is the nearest within
    return T.where(mine, whole + values, whole)


def summed(node: Any) -> Any | None:
    """Σ scatter-add(0, v, rows, i) over each row → v, for one i of each row."""
    (operand,) = node.inputs
    if operand.op is not scatter or node.attributes["axis"] != (1,) or (found := _chosen(operand)) is None:
        return None
    base = operand.inputs[0]
    nothing = base.op is constant and base.attributes["value"] == 0 and operand.shape[1] != 0
    return squeeze(found[0], axis=(1,)) if nothing else None


FORMS = {
    gather: ("gather first", gathered_first),
    scatter: ("compare positions", compared),
    sum_: ("sum of one", summed),
}
