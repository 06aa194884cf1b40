"""Parts of an array joined to larger parts: N elements that were used one by one are one vector again.

A part is a box: where it begins, a step, and its shape, along every axis. Boxes that agree along all axes but one, and
lie at known distances along that one, become one box over all of them: where they overlap their values are added,
where there is a gap it is filled with zeros. Boxes whose distances are not known are joined where one ends exactly
where another begins. Axes are done one after another, the last first, so that the elements of a matrix become rows,
and the rows the matrix.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from graphopt.dimensions import Dim, DimLike
from graphopt.graph.handle import Handle
from graphopt.ops.arithmetic import add
from graphopt.ops.indexing import concatenate, slice_
from graphopt.ops.shape import expand_dims, squeeze, stack
from graphopt.types import TensorType
from graphopt.variable import Variable, literal

__all__ = ["Part", "joined"]

CUTS = 4
"""Boxes are cut where others begin and end, as long as that makes at most so many times as many of them."""
GAP = 16
"""So many single elements that nothing flows to are zeros among the others; more of them are an array of zeros."""


class Part(NamedTuple):
    """A contribution to a box of an array, zero elsewhere."""

    value: Variable
    start: tuple[DimLike, ...]
    step: tuple[int, ...]


class _Stretch(NamedTuple):
    """What lies between two positions along an axis: a sum of values, or zeros if there is none."""

    begin: int
    end: int
    values: tuple[Variable, ...] = ()


def joined(parts: Iterable[Part], whole: TensorType) -> list[Part]:
    """Parts whose sum is that of the given ones, fewer where they are neighbours.

    Parameters
    ----------
    parts
        Parts of an array.
    whole
        The array's type.

    Returns
    -------
    list of Part
        Their values are linear in number and size in those given, and in the array's size.
    """
    found = [one for one in parts if 0 not in one.value.shape]
    for axis in reversed(range(whole.ndim)):
        groups: defaultdict[object, list[Part]] = defaultdict(list)
        for one in found:
            groups[_beside(one, axis)].append(one)
        found = [one for group in groups.values() for one in _abutting(_at_known_distances(group, axis, whole), axis)]
    return found


def _beside(part: Part, axis: int) -> object:
    """Equal for parts that may be joined along an axis: the same places along all others, and every element."""
    boxes = list(zip(part.start, part.step, part.value.shape, strict=True))
    if not _is_dense(part, axis):
        return id(part)
    return tuple(boxes[:axis]), tuple(boxes[axis + 1 :])


def _is_dense(part: Part, axis: int) -> bool:
    return part.step[axis] == 1 or part.value.shape[axis] == 1


# --- known distances ---------------------------------------------------------------------------------------------


def _at_known_distances(group: Sequence[Part], axis: int, whole: TensorType) -> list[Part]:
    """Parts of known lengths that begin at known distances from each other, joined."""
    result: list[Part] = []
    near: defaultdict[DimLike, list[Part]] = defaultdict(list)
    for one in group:
        if isinstance(one.value.shape[axis], int) and _is_dense(one, axis):
            near[one.start[axis] - _known(one.start[axis])].append(one)
        else:
            result.append(one)
    for base, together in near.items():
        spans: defaultdict[tuple[int, int], list[Variable]] = defaultdict(list)
        for one in together:
            begin, length = _known(one.start[axis]), _known(one.value.shape[axis])
            spans[begin, begin + length].append(one.value)
        stretches = _cut(spans, axis)
        if stretches is None:
            result += together
            continue
        stretches = _without_gaps(stretches, whole.shape[axis] if base == 0 and axis == whole.ndim - 1 else None)
        first = together[0]
        value = _laid_out(stretches, axis) if len(stretches) > 1 else _sum_of(stretches[0].values)
        result.append(Part(value, _with(first.start, axis, base + stretches[0].begin), _with(first.step, axis, 1)))
    return result


def _known(size: DimLike) -> int:
    """The constant term of a polynomial."""
    return next((factor for monomial, factor in size.terms if not monomial), 0) if isinstance(size, Dim) else size


def _with(values: tuple[Any, ...], position: int, value: Any) -> tuple[Any, ...]:
    return (*values[:position], value, *values[position + 1 :])


def _cut(spans: dict[tuple[int, int], list[Variable]], axis: int) -> list[_Stretch] | None:
    """Stretches that do not overlap, in order; None if there would be too many of them."""
    ends = sorted({end for span in spans for end in span})
    count = {(begin, end): bisect_left(ends, end) - bisect_left(ends, begin) for begin, end in spans}
    if sum(count.values()) > CUTS * len(spans):
        return None
    pieces: defaultdict[tuple[int, int], list[Variable]] = defaultdict(list)
    for (begin, end), values in spans.items():
        value = _sum_of(values)
        cuts = ends[bisect_left(ends, begin) : bisect_left(ends, end) + 1]
        for a, b in pairwise(cuts):
            pieces[a, b].append(value if count[begin, end] == 1 else _piece(value, axis, a - begin, b - a))
    return [_Stretch(*span, tuple(values)) for span, values in sorted(pieces.items(), key=lambda item: item[0])]


def _piece(value: Variable, axis: int, begin: int, length: int) -> Variable:
    start = _with((0,) * value.ndim, axis, begin)
    result: Variable = slice_(value, start=start, step=(1,) * value.ndim, shape=_with(value.shape, axis, length))
    return result


def _without_gaps(stretches: Sequence[_Stretch], size: DimLike | None) -> list[_Stretch]:
    """The same with the gaps between; with what is before and behind, if that is little and the axis has a size."""
    result: list[_Stretch] = []
    position = 0 if size is not None and stretches[0].begin <= GAP else stretches[0].begin
    for one in stretches:
        if one.begin > position:
            result.append(_Stretch(position, one.begin))
        result.append(one)
        position = one.end
    if isinstance(size, int) and 0 < size - position <= GAP:
        result.append(_Stretch(position, size))
    return result


def _laid_out(stretches: Sequence[_Stretch], axis: int) -> Variable:
    """Stretches that follow one another, as one array: single elements of the last axis are stacked."""
    like = next(value for one in stretches for value in one.values)
    laid: list[Variable] = []
    elements: list[Variable] = []

    def lay_elements() -> None:
        if elements:
            laid.append(stack(*elements, shape=(len(elements),)))
            elements.clear()

    for one in stretches:
        length = one.end - one.begin
        if axis == like.ndim - 1 and (length == 1 or (not one.values and length <= GAP)):
            zero = literal(0.0, like.dtype, like.shape[:-1])
            elements += [_sum_of([_element(value) for value in one.values])] if one.values else [zero] * length
            continue
        lay_elements()
        laid.append(_sum_of(one.values) if one.values else literal(0.0, like.dtype, _with(like.shape, axis, length)))
    lay_elements()
    result: Variable = concatenate(*laid, axis=(axis,)) if len(laid) > 1 else laid[0]
    return result


def _element(value: Variable) -> Variable:
    """A value without its last axis, which has length 1."""
    last = (value.ndim - 1,)
    if isinstance(value, Handle) and value.op is expand_dims and value.attributes["axis"] == last:
        return value.inputs[0]
    result: Variable = squeeze(value, axis=last)
    return result


def _sum_of(values: Sequence[Variable]) -> Variable:
    result: Any = values[0]
    for value in values[1:]:
        result = add(result, value)
    found: Variable = result
    return found


# --- unknown distances -------------------------------------------------------------------------------------------


def _abutting(group: Sequence[Part], axis: int) -> list[Part]:
    """Parts of which one ends exactly where the next begins, joined."""
    first: dict[DimLike, Part] = {}
    result: list[Part] = []
    for one in group:
        if first.setdefault(one.start[axis], one) is not one:
            result.append(one)  # a second one that begins there
    ends = {one.start[axis] + one.value.shape[axis] for one in first.values()}
    for head in [one for begin, one in first.items() if begin not in ends]:
        chain = [first.pop(head.start[axis])]
        while (following := first.pop(chain[-1].start[axis] + chain[-1].value.shape[axis], None)) is not None:
            chain.append(following)
        value = concatenate(*(one.value for one in chain), axis=(axis,)) if len(chain) > 1 else head.value
        result.append(Part(value, head.start, _with(head.step, axis, 1) if len(chain) > 1 else head.step))
    return result + list(first.values())
