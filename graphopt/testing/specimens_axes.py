"""Specimens of what works along axes: reductions, composites, running sums and products, sorting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import graphopt.tensor as T
from graphopt.ops import TABLE, running
from graphopt.testing.specimen import Convention, Operand, Shape, Specimen, fixed, squared, within
from graphopt.variable import Variable

__all__ = ["axes_specimens"]

_SMALL = within(-2.0, 2.0)
_CUBE: Shape = (2, 1, 3)

_AXES: dict[str, tuple[Shape, dict[str, Any]]] = {
    "the last axis": ((2, 3), {"axis": -1}),
    "the first axis, which stays": ((2, 3), {"axis": 0, "keepdims": True}),
    "two axes of three": ((2, 2, 3), {"axis": (0, -1)}),
    "an axis of length 1": (_CUBE, {"axis": 1}),
    "all axes": ((2, 3), {"axis": None}),
}
"""Axes to reduce over, and of which shape."""

_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": T.sum, "prod": T.prod, "max": T.max, "min": T.min, "logsumexp": T.logsumexp,
}  # fmt: skip
_COMPOSITES: dict[str, Callable[..., Any]] = {"softmax": T.softmax, "log_softmax": T.log_softmax}

_TIES = {
    "max": (
        Convention(([[3.0, 1.0, 3.0], [1.0, 2.0, 0.0]],), ([[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]],)),
        Convention(([[4.0, 4.0, 4.0], [1.0, 0.0, 2.0]],), ([[1 / 3] * 3, [0.0, 0.0, 1.0]],)),
    ),
    "min": (
        Convention(([[1.0, 3.0, 1.0], [1.0, 2.0, 0.0]],), ([[0.5, 0.0, 0.5], [0.0, 0.0, 1.0]],)),
        Convention(([[4.0, 4.0, 4.0], [1.0, 0.0, 2.0]],), ([[1 / 3] * 3, [0.0, 1.0, 0.0]],)),
    ),
}  # fmt: skip


def _over(function: Callable[..., Any], options: dict[str, Any]) -> Callable[[Variable], Variable]:
    return squared(lambda x: function(x, **options))


def _one(op: str, name: str, function: Callable[..., Variable], shape: Shape, draw: Any = _SMALL) -> Specimen:
    return Specimen(op, name, function, (Operand(shape, draw),), (0,))


def axes_specimens() -> Iterator[Specimen]:
    """Specimens of all of them."""
    for op, function in _REDUCTIONS.items():
        ties = _TIES.get(op, ())
        yield Specimen(op, "as it is", lambda x, f=function: f(x, axis=1), (Operand((2, 3), _SMALL),), (0,), ties)
        for name, (shape, options) in _AXES.items():
            yield _one(op, f"over {name}", _over(function, options), shape)
        yield _one(op, "over no axis", _over(TABLE[op], {"axis": ()}), (3,))
    for op, function in _COMPOSITES.items():
        yield _one(op, "as it is", lambda x, f=function: f(x, axis=1), (2, 3))
        for name, (shape, options) in _AXES.items():
            if "keepdims" not in options and options["axis"] != 1:  # of one element it is constant
                yield _one(op, f"over {name}", _over(function, options), shape)
        yield _one(op, "over the first axis", _over(function, {"axis": 0}), (2, 3))
    yield from _PRODUCTS
    yield from _RUNNING
    yield from _SORTED
    yield from _STATISTICS


_PRODUCTS = [
    _one("prod", "with one zero", lambda x: T.prod(x, axis=1), (2, 3), fixed([0.0, 3.0, 4.0], [1.0, 0.0, 2.0])),
    _one("prod", "with two zeros", lambda x: T.prod(x, axis=0), (3, 2), fixed([0.0, 1.0], [0.0, 0.0], [3.0, 2.0])),
]


def _axis_of(name: str, function: Callable[..., Any]) -> Sequence[Specimen]:
    return [
        _one(name, "as it is", lambda x: function(x, axis=1), (2, 3)),
        _one(name, "along the first axis", squared(lambda x: function(x, axis=0)), (3, 2)),
        _one(name, "along the middle axis", squared(lambda x: function(x, axis=-2)), (2, 3, 1)),
        _one(name, "of all elements", squared(lambda x: function(x, axis=None)), (2, 2)),
        _one(name, "from the back", squared(lambda x: function(x[:, ::-1], axis=1)[:, ::-1]), (2, 3)),
    ]


def _recurrence(axis: int) -> Callable[..., Any]:
    return lambda a, b: running.recurrence(a, b, axis=(axis,))


_RUNNING = [
    *_axis_of("cumsum", T.cumsum),
    *_axis_of("cumprod", T.cumprod),
    _one("cumprod", "with zeros", lambda x: T.cumprod(x, axis=1), (2, 3), fixed([2.0, 0.0, 3.0], [0.0, 1.5, 0.0])),
    Specimen("recurrence", "of vectors", _recurrence(0), (Operand((3,), _SMALL), Operand((3,), _SMALL)), (0, 1)),
    Specimen(
        "recurrence", "along the first axis", squared(_recurrence(0)),
        (Operand((3, 2), _SMALL), Operand((3, 2), _SMALL)), (0, 1),
    ),
    Specimen(
        "recurrence", "along the last axis", squared(_recurrence(1)),
        (Operand((2, 3), _SMALL), Operand((2, 3), _SMALL)), (0, 1),
    ),
    *[
        Specimen(
            "recurrence", f"of which the {what} vary", squared(_recurrence(0)),
            (Operand((3,), _SMALL), Operand((3,), _SMALL)), (k,),
        )
        for k, what in enumerate(("factors", "terms"))
    ],
    Specimen(
        "recurrence", "of one operand", squared(lambda a: running.recurrence(a, T.sin(a), axis=(0,))),
        (Operand((3,), _SMALL),), (0,),
    ),
]  # fmt: skip

_SORTED = [
    Specimen(
        "sort", "as it is", lambda x: T.sort(x, axis=-1) * T.arange(1.0, 5.0).astype(x.dtype),
        (Operand((4,), _SMALL),), (0,), (Convention(([5.0, 1.0, 5.0, 1.0],), ([3.0, 1.0, 4.0, 2.0],)),),
    ),
    _one("sort", "along the first axis", squared(lambda x: T.sort(x, axis=0)), (3, 2)),
    _one("sort", "along the middle axis", squared(lambda x: T.sort(x, axis=1)), (2, 3, 1)),
    _one("sort", "of all elements", squared(lambda x: T.sort(x, axis=None)), (2, 2)),
    _one("sort", "from the greatest", squared(lambda x: T.sort(x, axis=1)[:, ::-1]), (2, 3)),
    _one("sort", "a median", squared(lambda x: T.median(x, axis=1)), (2, 3)),
    Specimen(
        "sort", "a quantile and its share", squared(lambda x, q: T.quantile(x, q, axis=0)),
        (Operand((3, 2), _SMALL), Operand((), within(0.1, 0.9))), (0, 1),
    ),
    _one("sort", "beside positions, which have none", lambda x: x * T.argsort(x) + T.searchsorted(T.sort(x), x), (3,)),
]  # fmt: skip

_STATISTICS = [
    _one("sum", "a variance", lambda x: T.var(x, axis=0), (3, 2)),
    _one("sum", "a mean", squared(lambda x: T.mean(x, axis=(0, 2))), (2, 2, 2)),
    _one("sqrt", "a deviation", lambda x: T.std(x, axis=1), (2, 3)),
]
