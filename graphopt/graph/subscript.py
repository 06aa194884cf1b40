"""Parts of arrays as their subscripts are written: `1:, ::2` for an offset, a step and a length along every axis."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from graphopt.dimensions import DimLike, evaluate, opaque, symbols
from graphopt.op import Attributes

__all__ = ["subscript"]

ENDS = range(4)  # how many elements before an end are recognized: x[:-3]
ENDLESS = 2**60


def subscript(whole: tuple[DimLike, ...], attributes: Attributes, dropped: Collection[int] = ()) -> str:
    """What stands in the brackets of a `slice` of an array of shape `whole`; dropped axes have an index instead."""
    spans = zip(whole, attributes["start"], attributes["step"], attributes["shape"], strict=True)
    items = [
        _index(size, start) if axis in dropped else _span(size, start, step, count)
        for axis, (size, start, step, count) in enumerate(spans)
    ]
    while len(items) > 1 and items[-1] == ":":
        items.pop()
    return ", ".join(items)


def _index(size: DimLike, start: DimLike) -> str:
    from_end = start - size
    return str(from_end) if isinstance(from_end, int) and not isinstance(start, int) else str(start)


def _span(size: DimLike, start: DimLike, step: int, count: DimLike) -> str:
    by = "" if step == 1 else f":{step}"
    if step < 0 and start == size - 1 and count == (size + (-step - 1)) // -step:
        return f":{by}"
    clipped = (left for left in ENDS if left and start == opaque("max", size - left, 0))
    first = "" if start == 0 and step > 0 else f"-{left}" if (left := next(clipped, 0)) else str(start)
    if step > 0:
        for left in ENDS if not isinstance(size, int) else (0,):
            if count in _lengths((size - left, opaque("max", size - left, 0)), start, step):
                return f"{first}:{f'-{left}' if left else ''}{by}"
        for bound in _bounds(start, step, count):
            if count in _lengths((opaque("min", bound, size),), start, step):
                return f"{first}:{bound}{by}"
    if count == 0:
        return ":0"
    stop = start + step * (count - 1) + (1 if step > 0 else -1)
    return f"{first}:{'' if stop == -1 else stop}{by}"


def _bounds(start: DimLike, step: int, count: DimLike) -> range:
    """The integers that a part may end at: those that give its length in an array without end."""
    if isinstance(count, int) or not isinstance(start, int):
        return range(0)
    most = evaluate(count, dict.fromkeys(symbols(count), ENDLESS))
    return range(start + step * (most - 1) + 1, start + step * most + 1) if most < ENDLESS // 2 else range(0)


def _lengths(ends: Iterable[DimLike], start: DimLike, step: int) -> list[DimLike]:
    """The lengths that a part from a start to an end may have been given, with and without a guard against none."""
    lengths = []
    for end in ends:
        for room in (end - start, opaque("max", end - start, 0)):
            lengths.append(room if step == 1 else (room + (step - 1)) // step)
    return lengths
