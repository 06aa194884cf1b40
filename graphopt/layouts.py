"""Arguments that are not contiguous, read where they lie.

Most arrays that are not contiguous are parts of one that is, their *block*: the transpose of a matrix, some of its
columns, every second element. To a graph, such an argument is a view of an input, of which the schedule reads every
kind in place; so a graph in which views of blocks stand for arguments is all that it takes. Compiling that takes as
long as copying half a gigabyte: arguments are copied until so much has been copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any

import numpy as np

from graphopt.dimensions import Dim, dim
from graphopt.graph.graph import Graph
from graphopt.op import Attributes
from graphopt.ops.indexing import slice_
from graphopt.ops.leaves import input_
from graphopt.ops.shape import squeeze, transpose

__all__ = ["Forms", "Layout", "block_of", "layout_of", "reading_blocks"]

Array = Any
LARGE = 2**16  # bytes of an argument that is worth a look
WORTH_COMPILING = 2**29  # bytes that are copied before another program is compiled
MOST = 8  # forms of a function


@dataclass(frozen=True, slots=True)
class Layout:
    """How an array is a part of a block.

    Attributes
    ----------
    order
        Its axes as they are the block's, which is contiguous: the slowest first.
    longer
        For each of them but the slowest, whether the block goes on where the array ends.
    step
        How many elements apart in memory neighbours along the fastest axis are. If not one, the block has an axis more,
        of that size: a number, as compilers have vectors for numbers only.
    """

    order: tuple[int, ...]
    longer: tuple[bool, ...]
    step: int


def layout_of(array: Array) -> Layout | None:
    """How an array is a part of a block; None if it is none: steps backwards, broadcasts, windows that overlap."""
    if not array.ndim or not array.size or not array.flags.aligned or not array.dtype.isnative:
        return None
    found = _order_and_block(array)
    if found is None:
        return None
    order, block = found
    longer = tuple(size != array.shape[axis] for axis, size in zip(order[1:], block[1:], strict=False))
    return Layout(order, longer, block[-1])


def block_of(array: Array) -> Array:
    """The block of an array that has a layout. What of it is not the array's may be nobody's: do not touch."""
    found = _order_and_block(array)
    assert found is not None
    order, block = found
    shape = block if block[-1] != 1 else block[:-1]
    strides = np.cumprod([array.itemsize, *reversed(shape[1:])])[::-1]
    return np.lib.stride_tricks.as_strided(array.transpose(order), shape, strides, writeable=False)


def _order_and_block(array: Array) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The axes from the slowest to the fastest, and the sizes of the block; the last is its step."""
    order = tuple(sorted(range(array.ndim), key=lambda axis: (-array.strides[axis], axis)))
    steps = [array.strides[axis] for axis in order] + [array.itemsize]
    if any(faster <= 0 or slower % faster for slower, faster in pairwise(steps)):
        return None
    inside = [slower // faster for slower, faster in pairwise(steps)]
    if any(room < array.shape[axis] for axis, room in zip(order[1:], inside, strict=False)):
        return None
    return order, (array.shape[order[0]], *inside)


def reading_blocks(graph: Graph, layouts: Mapping[str, Layout]) -> tuple[Graph, dict[str, str]]:
    """The graph with inputs for the blocks of some arguments, whose views stand for these.

    The arguments stay inputs, which nothing reads: they say what sizes are. Returns the names of the new inputs, too.
    """
    result = graph.copy()
    blocks = {}
    for name, layout in layouts.items():
        node, type = result.inputs[name], result.type(result.inputs[name])
        block = next(text for k in count() if (text := f"{name}_block{k or ''}") not in result.inputs)
        pitches = _sizes_called("pitch", result)
        sizes = [type.shape[axis] for axis in layout.order]
        inside = [next(pitches) if longer else size for size, longer in zip(sizes[1:], layout.longer, strict=True)]
        shape = [*sizes[:1], *inside, *([layout.step] if layout.step != 1 else [])]
        whole = type.with_shape(tuple(shape))
        attributes = Attributes(dtype=whole.dtype, shape=whole.shape)
        leaf = result._add_node(input_, (), attributes, whole, block)
        result._set_inputs({**result.inputs, block: leaf}, result.variables)
        value: Any = result.handle(leaf)
        if any(layout.longer) or layout.step != 1:
            part = (*sizes, 1)[: len(shape)]
            value = slice_(value, start=(0,) * len(part), step=(1,) * len(part), shape=part)
        if layout.step != 1:
            value = squeeze(value, axis=(len(sizes),))
        inverse = tuple(np.argsort(layout.order).tolist())
        if inverse != tuple(range(len(inverse))):
            value = transpose(value, axes=inverse)
        result.replace(node, value)
        blocks[name] = block
    result.journal.clear()
    return result, blocks


def _sizes_called(stem: str, graph: Graph) -> Iterator[Dim]:
    """Sizes that nothing in a graph is called like."""
    taken = graph.mentioned()
    return (dim(name) for k in count() if (name := f"{stem}_{k}") not in taken)


class Forms:
    """Which forms of a function have been worth compiling."""

    def __init__(self) -> None:
        self._copied: Counter[tuple[tuple[str, Layout], ...]] = Counter()
        self._worth: set[tuple[tuple[str, Layout], ...]] = set()

    def of(self, arrays: Mapping[str, Array]) -> dict[str, Layout]:
        """The arguments of a call to be read where they lie."""
        strided = {
            name: layout
            for name, array in arrays.items()
            if array.nbytes >= LARGE and not array.flags.c_contiguous and (layout := layout_of(array)) is not None
        }
        form = tuple(strided.items())
        if form and form not in self._worth:
            self._copied[form] += sum(arrays[name].nbytes for name in strided)
            if self._copied[form] <= WORTH_COMPILING or len(self._worth) >= MOST:
                return {}
            self._worth.add(form)
        return strided
