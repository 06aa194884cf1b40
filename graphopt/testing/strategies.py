"""Hypothesis strategies for programs and for their inputs: `expressions`, `graphs`, `inputs_for`.

Programs are constructed, never filtered: each step lists what may be applied to what there is, and draws from the
list. Every value stays within ±50, and no op is applied near a pole, so that an error of one unit in the last place
somewhere changes the output by a modest multiple of it: two correct evaluations agree to about 1e-10 in float64 and
1e-3 in float32, relative to the largest value.

Steps shrink to nothing one by one, the operands of a step to the most recent value, and constants to zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt.tensor as T
from graphopt.dimensions import Dim, DimLike, dim, evaluate, symbols
from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.ops import TABLE
from graphopt.ops.leaves import input_
from graphopt.ops.shape import pick, stack
from graphopt.testing.domains import SMOOTH, Interval
from graphopt.testing.intervals import LIMIT, image, permitted
from graphopt.types import TensorType, broadcast, is_float
from graphopt.variable import Variable, variable

__all__ = ["DOMAIN", "FAMILIES", "SHAPES", "SIZES", "expressions", "graphs", "inputs_for"]

Shape = tuple[DimLike, ...]

_n, _m = dim("n"), dim("m")
SHAPES: tuple[Shape, ...] = ((), (_n,), (_n, _m), (_m,), (1, _m), (_n, 1), (3,), (_n, 3), (2, _n, 3))
"""The shapes of inputs unless others are given, the simplest first."""
DOMAIN: Interval = (-2.0, 2.0)
"""Between which values the elements of inputs lie."""
SIZES = (1, 4)
"""The least and the largest size of a named dimension."""

_UNARY = {
    "arithmetic": ("negative", "square"),
    "elementary": tuple(name for name in SMOOTH if TABLE[name].arity == 1 and name not in ("negative", "square")),
    "kinks": ("absolute",),
    "steps": ("floor", "ceil", "trunc", "rint", "sign"),
}
_BINARY = {
    "arithmetic": ("add", "subtract", "multiply", "divide"),
    "elementary": tuple(name for name in SMOOTH if TABLE[name].arity == 2 and TABLE[name].cost >= 10),
    "kinks": ("maximum", "minimum"),
}
FAMILIES = ("arithmetic", "elementary", "reduction", "composite", "shape", "product", "kinks", "stack")
"""The families of ops that are used unless others are given. "steps", which are not continuous, exist besides:
near a step two correct evaluations may differ by all of it."""


@dataclass(frozen=True)
class _Value:
    """A variable, and between which values its elements lie."""

    variable: Variable
    interval: Interval


_Choice = tuple[Callable[[], Variable], Interval]


@st.composite
def expressions(
    draw: st.DrawFn,
    *,
    max_nodes: int = 12,
    dtypes: Sequence[str] = ("float64",),
    shapes: Sequence[Shape] = SHAPES,
    families: Sequence[str] = FAMILIES,
    max_inputs: int = 3,
    empty: bool = False,
) -> Variable:
    """Random well-typed expressions over a few inputs called x, y and z.

    Parameters
    ----------
    max_nodes
        The largest number of steps; a step adds one op, or a few (`mean`, `keepdims`).
    dtypes
        Dtypes of the inputs, "float32" and "float64", the simplest first. Mixed ones are promoted.
    shapes
        Shapes of the inputs, the simplest first.
    families
        Which ops may occur: see `FAMILIES`.
    max_inputs
        The largest number of inputs; not every input is used.
    empty
        Whether sizes may be 0 when the expression is evaluated: no extrema, means or softmax then.

    Returns
    -------
    A strategy of Variable
        Their inputs are meant to hold what `inputs_for` draws.
    """
    if unknown := set(families) - {*FAMILIES, "steps"}:
        raise InvalidArgument(f"unknown families {sorted(unknown)}; known: {', '.join((*FAMILIES, 'steps'))}")
    values = []
    for name in "xyz"[: draw(st.integers(1, max_inputs))]:
        type = TensorType(draw(st.sampled_from(list(dtypes))), draw(st.sampled_from(list(shapes))))
        values.append(_Value(variable(name, type), DOMAIN))
    # None, which a step shrinks to, is no step; the families with most ops come twice.
    steps = [None, *families, *(family for family in families if family in ("arithmetic", "elementary"))]
    for _ in range(draw(st.integers(1, max_nodes))):
        family = draw(st.sampled_from(steps))
        if family is None:
            continue
        # Two of three steps go on from the most recent value, so that expressions grow deep.
        x = values[-1 - max(0, draw(st.integers(0, 3 * len(values) - 1)) - 2 * len(values))]
        number = draw(st.integers(-8, 8)) / 4 if family in ("arithmetic", "kinks") else 0.0
        choices = list(_choices(x, values, number, family, empty))
        if choices:
            build, interval = draw(st.sampled_from(choices))
            values.append(_Value(build(), interval))
    return values[-1].variable


def graphs(**parameters: Any) -> st.SearchStrategy[Graph]:
    """Graphs of such expressions with one output; the parameters are those of `expressions`."""
    return expressions(**parameters).map(_graph)


@st.composite
def inputs_for(
    draw: st.DrawFn,
    program: Graph | Variable | Sequence[Variable],
    *,
    domain: Interval | Mapping[str, Interval] = DOMAIN,
    sizes: tuple[int, int] = SIZES,
) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays for a program's inputs, by name, of shapes that fit together.

    Parameters
    ----------
    program
        A graph, or variables: then the inputs are those they depend on, under the names the graph gives them.
    domain
        Between which values floats lie, for all inputs or by name. Integers lie in -8 … 8, or 0 … 8.
    sizes
        The least and the largest size of a named dimension.
    """
    graph = program if isinstance(program, Graph) else _graph(program)
    types = {name: graph.type(node) for name, node in graph.inputs.items()}
    names = sorted({name for type in types.values() for size in type.shape for name in symbols(size)})
    known = {name: draw(st.integers(*sizes)) for name in names}
    arrays = {}
    for name, type in types.items():
        bounds = domain.get(name, DOMAIN) if isinstance(domain, Mapping) else domain
        shape = tuple(evaluate(size, known) for size in type.shape)
        arrays[name] = draw(hnp.arrays(type.dtype, shape, elements=_elements(type.dtype, bounds)))
    return arrays


def _elements(dtype: str, bounds: Interval) -> st.SearchStrategy[Any]:
    if is_float(dtype):
        return st.floats(*bounds, width=32, allow_subnormal=False)
    if dtype == "bool":
        return st.booleans()
    return st.integers(0 if dtype.startswith("u") else -8, 8)


def _graph(program: Variable | Sequence[Variable]) -> Graph:
    outputs = [program] if isinstance(program, Variable) else list(program)
    inputs = [v for v in topological(outputs) if v.op is input_]
    return Graph.from_outputs(sorted(inputs, key=lambda v: v.name or ""), outputs)


# --- what may be applied -----------------------------------------------------------------------------------------


def _choices(x: _Value, values: Sequence[_Value], number: float, family: str, empty: bool) -> Iterator[_Choice]:
    """Every application of a family to `x` that is well-typed and stays in bounds, with its result's interval."""
    yield from _unary(x, family)
    yield from _with_number(x, number, family)
    for y in reversed(values):
        yield from _binary(x, y, family)
    if family == "reduction":
        yield from _reductions(x, empty)
    if family == "composite" and not empty:
        yield from _composites(x)
    if family == "shape":
        yield from _shapes(x)
    if family == "product":
        for y in reversed(values):
            yield from _products(x, y)
    if family == "stack":
        yield from _stacks(x, values)


def _unary(x: _Value, family: str) -> Iterator[_Choice]:
    names = _UNARY.get(family, ())
    allowed = [k for k, name in enumerate(names) if permitted(name, (x.interval,))]
    for position in range(len(names) if allowed else 0):
        # A list of fixed length, where the next op stands for one that is not permitted: positions then keep their
        # meaning while Hypothesis shrinks what comes before.
        name = names[next((k for k in allowed if k >= position), allowed[0])]
        yield lambda name=name: TABLE[name](x.variable), image(name, (x.interval,))  # type: ignore[misc]


def _with_number(x: _Value, number: float, family: str) -> Iterator[_Choice]:
    for name in ("add", "multiply") if family == "arithmetic" else ("maximum",) if family == "kinks" else ():
        intervals = (x.interval, (number, number))
        if permitted(name, intervals):
            yield lambda name=name: TABLE[name](x.variable, number), image(name, intervals)  # type: ignore[misc]


def _binary(x: _Value, y: _Value, family: str) -> Iterator[_Choice]:
    names = _BINARY.get(family, ())
    if not names or not _broadcast(x, y):
        return
    for name in names:
        intervals = (x.interval, y.interval)
        if permitted(name, intervals):
            yield lambda name=name: TABLE[name](x.variable, y.variable), image(name, intervals)  # type: ignore[misc]
    if family == "kinks":
        both = (min(x.interval[0], y.interval[0]), max(x.interval[1], y.interval[1]))
        yield lambda: T.where(x.variable > y.variable, x.variable, y.variable), both


def _broadcast(x: _Value, y: _Value) -> bool:
    try:
        broadcast((x.variable.shape, y.variable.shape), _identical)
    except ShapeMismatch:
        return False
    return True


def _identical(a: DimLike, b: DimLike) -> DimLike:
    if a != b:
        raise ShapeMismatch(f"{a} is not {b}")
    return a


def _most(shape: Sequence[DimLike]) -> int:
    """The largest number of elements that a shape may come to have."""
    return math.prod(evaluate(size, dict.fromkeys(symbols(size), SIZES[1])) for size in shape)


def _reductions(x: _Value, empty: bool) -> Iterator[_Choice]:
    low, high = x.interval
    for axes in _axes(x.variable):
        count = _most([x.variable.shape[a] for a in axes])
        for keepdims in (False, True):
            arguments = {"axis": axes, "keepdims": keepdims}
            if max(-low, high) * count <= LIMIT:
                bounds = min(low, low * count, 0.0), max(high, high * count, 0.0)
                yield _apply(T.sum, x, arguments), bounds
            if max(-low, high, 1.0) ** count <= LIMIT:
                bound = max(-low, high, 1.0) ** count
                yield _apply(T.prod, x, arguments), (-bound if low < 0 else 0.0, bound)
            for function in () if empty else (T.max, T.min, T.mean):
                if function is not T.mean or max(-low, high) * count <= LIMIT:
                    yield _apply(function, x, arguments), x.interval


def _composites(x: _Value) -> Iterator[_Choice]:
    low, high = x.interval
    for axes in _axes(x.variable):
        spread = float(np.log(_most([x.variable.shape[a] for a in axes])))
        if high + spread <= LIMIT:
            yield _apply(T.logsumexp, x, {"axis": axes, "keepdims": True}), (low, high + spread)
        yield _apply(T.softmax, x, {"axis": axes}), (0.0, 1.0)
        if high - low + spread <= LIMIT:
            yield _apply(T.log_softmax, x, {"axis": axes}), (low - high - spread, 0.0)


def _axes(x: Variable) -> list[tuple[int, ...]]:
    """Each axis, the last first, and all of them together."""
    single: list[tuple[int, ...]] = [(axis,) for axis in reversed(range(x.ndim))]
    return [*single, tuple(range(x.ndim))] if x.ndim > 1 else single


def _apply(function: Callable[..., Any], x: _Value, arguments: Mapping[str, Any]) -> Callable[[], Variable]:
    return lambda: function(x.variable, **arguments)


def _shapes(x: _Value) -> Iterator[_Choice]:
    shape = x.variable.shape
    if x.variable.ndim > 1:
        yield _apply(T.transpose, x, {}), x.interval
        yield _apply(T.swapaxes, x, {"axis1": 0, "axis2": 1}), x.interval
        yield _apply(T.ravel, x, {}), x.interval
        yield _apply(T.reshape, x, {"shape": (*shape[2:], shape[0] * shape[1])}), x.interval
    if x.variable.ndim < 3:
        for axis in range(x.variable.ndim + 1):
            yield _apply(T.expand_dims, x, {"axis": axis}), x.interval
        yield _apply(T.broadcast_to, x, {"shape": (2, *shape)}), x.interval
    if 1 in shape:
        yield _apply(T.squeeze, x, {}), x.interval
        size = next((size for size in shape if isinstance(size, Dim)), 3)  # a named size needs an input that has it
        yield _apply(T.broadcast_to, x, {"shape": tuple(size if s == 1 else s for s in shape)}), x.interval


def _products(x: _Value, y: _Value) -> Iterator[_Choice]:
    a, b = x.variable.shape, y.variable.shape
    if not a or not b or len(a) + len(b) < 3 or max(len(a), len(b)) > 3:
        return
    bound = max(map(abs, x.interval)) * max(map(abs, y.interval)) * _most(a[-1:])
    batches = a[:-2] == b[:-2] or not a[:-2] or not b[:-2]
    if bound <= LIMIT and batches and a[-1] == (b[-2] if len(b) > 1 else b[-1]):
        yield lambda: T.matmul(x.variable, y.variable), (-bound, bound)
    if bound <= LIMIT and x is y and len(a) == 2:
        yield lambda: T.matmul(x.variable, x.variable.T), (-bound, bound)


def _stacks(x: _Value, values: Sequence[_Value]) -> Iterator[_Choice]:
    shape = x.variable.shape
    if shape and not isinstance(shape[-1], Dim) and shape[-1] > 0:
        yield lambda: pick(x.variable, index=shape[-1] - 1), x.interval
    for y in values:
        if x.variable.ndim < 3 and y.variable.type == x.variable.type:
            both = min(x.interval[0], y.interval[0]), max(x.interval[1], y.interval[1])
            yield lambda y=y: stack(x.variable, y.variable, shape=(2,)), both  # type: ignore[misc]
