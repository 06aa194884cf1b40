"""The reference interpreter: runs a graph node by node, in NumPy, in mpmath, or with every operation rounded.

It is the oracle that every transformation and every target is held against, so it is plain rather than fast. What
differs between its modes is an `Arithmetic`:

- `Native()`: each op's NumPy meaning, in the node's dtype;
- `Exact(digits)`: floats are mpmath numbers, an op's `exact` meaning; the truth to that many digits;
- `Rounded(format)`: operands and results are numbers of a small floating-point format, each operation correctly
  rounded to it, sums from left to right. Formats: "float16", "bfloat16", "float32", "float64".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import mpmath
import numpy as np

from graphopt.dimensions import Dim, evaluate, symbols
from graphopt.errors import InvalidArgument, MissingInput, ShapeMismatch, UnsupportedExpression
from graphopt.graph import mismatch
from graphopt.graph.body import Body, captures_of
from graphopt.graph.counts import COUNTING, known_guards, settle
from graphopt.graph.graph import Graph
from graphopt.integers import convert, truncated
from graphopt.op import Attributes, Op
from graphopt.ops.control import cond
from graphopt.ops.leaves import input_
from graphopt.types import TensorType, is_float

__all__ = ["Arithmetic", "Exact", "Native", "Rounded", "bind_dimensions", "interpret", "value_of", "walk"]

Evaluate = Callable[[int, tuple[Any, ...], Mapping[str, Any]], Any]
Array = Any  # a NumPy array; of dtype object where it holds mpmath numbers


class Arithmetic(Protocol):
    """How numbers are held and an op is evaluated."""

    def enter(self, value: Any, type: TensorType) -> Array:
        """An input or constant as this arithmetic holds it."""

    def apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        """An op's result."""


class Native:
    """NumPy, in each node's own dtype."""

    def enter(self, value: Any, type: TensorType) -> Array:
        array = np.asarray(value)
        return array if array.dtype == type.dtype else convert(array, type.dtype)

    def apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        if op.numpy is None:
            raise UnsupportedExpression(f"op {op.name} has no NumPy meaning")
        with np.errstate(all="ignore"):
            return np.asarray(op.numpy(*operands, **attributes)).astype(type.dtype, copy=False)


class Exact:
    """mpmath with the given number of decimal digits; integers and bools stay NumPy's."""

    def __init__(self, digits: int = 50) -> None:
        self.digits = digits

    def enter(self, value: Any, type: TensorType) -> Array:
        if isinstance(value, np.ndarray) and value.dtype == object:  # mpmath numbers already: kept to the last digit
            return value
        array = np.asarray(value, type.dtype)
        return _to_mpf(array) if is_float(type.dtype) else array

    def apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        with mpmath.workdps(self.digits), np.errstate(all="ignore"):
            return self._apply(op, operands, attributes, type)

    def _apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        if op.name == "cast":
            return _cast_exact(operands[0], type)
        if not any(operand.dtype == object for operand in operands) and not is_float(type.dtype):
            return Native().apply(op, operands, attributes, type)
        if op.exact is None:
            raise UnsupportedExpression(f"op {op.name} has no exact meaning")
        if "elementwise" not in op.traits or op.name == "barrier":
            return np.asarray(op.exact(*operands, **attributes), dtype=object if is_float(type.dtype) else type.dtype)
        result = np.asarray(np.frompyfunc(op.exact, len(operands), 1)(*operands), dtype=object)
        return result if is_float(type.dtype) else result.astype(type.dtype)


class Rounded:
    """Every operation correctly rounded to a floating-point format.

    Values are held in float64, which holds every number of the smaller formats. An operation is evaluated in
    float64 (or, if it is transcendental and the format "float64", in mpmath) and rounded once. Rounding twice is
    innocuous for + - * / and sqrt because 53 ≥ 2p + 2 for p ≤ 24 (S. A. Figueroa, "When is double rounding
    innocuous?", 1995); elementary functions may, rarely, differ from a correct rounding by one unit.
    """

    FORMATS: Mapping[str, tuple[int, int]] = {
        "float16": (11, -14), "bfloat16": (8, -126), "float32": (24, -126), "float64": (53, -1022),
    }  # fmt: skip

    def __init__(self, format: str) -> None:
        if format not in self.FORMATS:
            raise InvalidArgument(f"unknown format {format!r}; expected one of {', '.join(self.FORMATS)}")
        self.format = format
        self.precision, self.least_exponent = self.FORMATS[format]
        self._exact = Exact(40)

    def round(self, values: Array) -> Array:
        """float64 values rounded to the format: ties to even, gradual underflow, overflow to infinity."""
        if self.format == "float64":
            return values
        if self.format != "bfloat16":
            with np.errstate(over="ignore"):
                return np.asarray(values).astype(self.format).astype(np.float64)
        _, exponent = np.frexp(values)
        scale = np.ldexp(1.0, np.maximum(exponent - 1, self.least_exponent) - (self.precision - 1))
        rounded = np.where(np.isfinite(values), np.rint(values / scale) * scale, values)
        largest = (2.0 - 2.0 ** (1 - self.precision)) * 2.0 ** (1 - self.least_exponent)
        return np.where(np.abs(rounded) > largest, np.copysign(np.inf, rounded), rounded)

    def enter(self, value: Any, type: TensorType) -> Array:
        array = np.asarray(value, np.float64 if is_float(type.dtype) else type.dtype)
        return self.round(array) if is_float(type.dtype) else array

    def apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        if not is_float(type.dtype):
            return Native().apply(op, operands, attributes, type)
        if op.name == "cast":
            return self.round(np.asarray(operands[0], np.float64))
        if op.name in _FOLDS:
            return self._fold(_FOLDS[op.name], operands[0], attributes["axis"])
        if op.name == "matmul":
            a, b = operands
            products = self.round(a[..., :, :, None] * b[..., None, :, :])
            return self._fold(np.add, products, (products.ndim - 2,))
        if self.format == "float64" and "transcendental" in op.traits:
            return self._through_exact(op, operands, attributes, type)
        with np.errstate(all="ignore"):
            assert op.numpy is not None
            return self.round(np.asarray(op.numpy(*operands, **attributes), np.float64))

    def _fold(self, ufunc: np.ufunc, x: Array, axis: tuple[int, ...]) -> Array:
        kept = tuple(size for k, size in enumerate(x.shape) if k not in axis)
        count = int(np.prod([x.shape[k] for k in axis]))
        moved = np.moveaxis(x, axis, range(len(axis))).reshape(count, *kept)
        total = moved[0] if len(moved) else np.full(moved.shape[1:], float(ufunc.identity or 0))
        with np.errstate(all="ignore"):
            for term in moved[1:]:
                total = self.round(ufunc(total, term))
        return np.asarray(total)

    def _through_exact(
        self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType
    ) -> Array:
        wide = tuple(_to_mpf(x) if x.dtype == np.float64 else x for x in operands)
        result = from_mpf(self._exact.apply(op, wide, attributes, type), "float64")
        edge = (result == 0) | np.isinf(result)
        if op.numpy is None or not edge.any():
            return result
        with np.errstate(all="ignore"):  # mpmath has no negative zero, and so may miss the sign of a zero or a pole
            native = np.asarray(op.numpy(*operands, **attributes), np.float64)
            return np.where(edge & (np.abs(native) == np.abs(result)), native, result)


_FOLDS = {"sum": np.add, "prod": np.multiply}


def _to_mpf(array: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(np.frompyfunc(lambda v: mpmath.mpf(float(v)), 1, 1)(array), dtype=object)


def from_mpf(array: Array, dtype: str) -> Array:
    """mpmath numbers rounded to a float dtype, to nearest; other arrays unchanged."""
    if array.dtype != object:
        return array
    with np.errstate(all="ignore"):
        return np.asarray(np.frompyfunc(lambda v: round_mpf(v, dtype), 1, 1)(array)).astype(dtype)


def round_mpf(value: Any, dtype: str) -> float:
    """The float nearest to an mpmath number, subnormals and overflow included."""
    if not mpmath.isfinite(value):
        return float(value)
    precision, least = Rounded.FORMATS[dtype]
    sign, mantissa, exponent, bits = value._mpf_
    if not mantissa:
        return 0.0
    keep = min(precision, exponent + bits - (least - (precision - 1)))  # fewer bits remain below the normal range
    if keep < 0:
        return -0.0 if sign else 0.0
    if keep == 0:  # between half of the least subnormal and all of it: half rounds to even, zero; mantissas are odd
        size = mpmath.ldexp(1 if mantissa > 1 else 0, least - (precision - 1))
        rounded = -size if sign else size
    else:
        with mpmath.workprec(keep):
            rounded = +value
    try:
        wide = float(rounded)
    except OverflowError:
        return -np.inf if sign else np.inf
    with np.errstate(over="ignore"):
        return float(np.float32(wide)) if dtype == "float32" else wide


def _cast_exact(x: Array, type: TensorType) -> Array:
    if is_float(type.dtype):
        return x if x.dtype == object else _to_mpf(x)
    if x.dtype == object and type.dtype != "bool":
        return np.asarray(np.frompyfunc(lambda v: truncated(v, type.dtype), 1, 1)(x)).astype(type.dtype)
    return convert(x != 0 if type.dtype == "bool" else x, type.dtype)


def bind_dimensions(graph: Graph, arrays: Mapping[str, Array]) -> dict[str, int]:
    """The size of every named dimension, read off the arrays; guards and all other sizes are checked.

    Raises
    ------
    ShapeMismatch
        Naming the arguments and axes whose sizes do not fit, and what needs them to.
    InvalidArgument
        If a size is a formula in a name that no argument has for an axis.
    """
    sizes: dict[str, int] = {}
    source: dict[str, tuple[int, str]] = {}
    for name, node in graph.inputs.items():
        expected, found = graph.type(node), arrays[name].shape
        if len(found) != expected.ndim:
            raise ShapeMismatch(f"argument {name} has rank {len(found)} (shape {found}); expected {expected}")
        for axis, (size, actual) in enumerate(zip(expected.shape, found, strict=True)):
            symbol = size.symbol if isinstance(size, Dim) else None
            if symbol is not None and symbol not in sizes:
                sizes[symbol], source[symbol] = actual, (axis, name)
    for name, node in graph.inputs.items():
        for axis, (size, actual) in enumerate(zip(graph.type(node).shape, arrays[name].shape, strict=True)):
            if isinstance(size, Dim) and size.symbol is None and not symbols(size) <= sizes.keys():
                raise InvalidArgument(mismatch.unknown_size(name, axis, size, sizes))
            if (wanted := evaluate(size, sizes)) != actual:
                raise ShapeMismatch(mismatch.of_argument(graph, name, arrays[name].shape, axis, wanted, source))
    for a, b in known_guards(graph):
        if evaluate(a, sizes) != evaluate(b, sizes):
            raise ShapeMismatch(mismatch.of_guard(graph, (a, b), sizes, source))
    return sizes


def resolve(attributes: Attributes, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Attributes with every dimension as an integer, and bodies as functions of arrays."""

    def value(item: Any) -> Any:
        if isinstance(item, Dim):
            return evaluate(item, sizes)
        if isinstance(item, Body):
            return _Callable(item, sizes)
        return tuple(value(part) for part in item) if isinstance(item, tuple) else item

    return {key: value(item) for key, item in attributes.items()}


def interpret(
    graph: Graph,
    arguments: Mapping[str, Any],
    arithmetic: Arithmetic | None = None,
    on_node: Callable[[int, Array], None] | None = None,
) -> dict[str, Array]:
    """Run a graph.

    Parameters
    ----------
    graph
        What to run.
    arguments
        An array for each input, by name.
    arithmetic
        `Native()` unless another is given.
    on_node
        Called with each node and its value, in order of evaluation.

    Returns
    -------
    dict
        An array for each output, by name, as the arithmetic holds numbers.

    Raises
    ------
    MissingInput
        If an argument is missing.
    ShapeMismatch
        If an argument's shape does not fit the graph.
    """
    chosen = arithmetic or Native()

    def evaluate(node: int, operands: tuple[Array, ...], attributes: Mapping[str, Any]) -> Array:
        value = value_of(graph.op(node), graph.type(node), operands, attributes, chosen)
        if on_node is not None:
            on_node(node, value)
        return value

    return walk(graph, arguments, evaluate)


def value_of(
    op: Op, type: TensorType, operands: tuple[Array, ...], attributes: Mapping[str, Any], arithmetic: Arithmetic
) -> Array:
    """The value of one node. The operand of an input is its argument."""
    if op is input_:
        return arithmetic.enter(operands[0], type)
    if op is cond:
        condition, *captures = operands
        return attributes["then" if condition else "otherwise"](*captures, arithmetic=arithmetic)
    if "leaf" not in op.traits:
        return arithmetic.apply(op, operands, attributes, type)
    assert op.numpy is not None, f"the leaf {op.name} has a value"
    return arithmetic.enter(op.numpy(**attributes), type)


def walk(
    graph: Graph,
    arguments: Mapping[str, Any],
    evaluate: Evaluate,
) -> dict[str, Array]:
    """Visit what the outputs of a graph need, operands first; values go when nobody needs them.

    Parameters
    ----------
    graph, arguments
        What to run, and an array for each input, by name.
    evaluate
        `(node, operands, attributes) -> value`, the attributes' sizes being integers; the operand of an input is its
        argument. See `value_of`.

    Returns
    -------
    dict
        The value of each output, by name.

    Raises
    ------
    MissingInput
        If an argument is missing.
    ShapeMismatch
        If an argument's shape does not fit the graph.
    """
    if missing := [name for name in graph.inputs if name not in arguments]:
        raise MissingInput(f"no value for input {', '.join(missing)}")
    arrays = {name: np.asarray(arguments[name]) for name in graph.inputs}
    sizes = bind_dimensions(graph, arrays)
    values = _visited(graph, {node: arrays[name] for name, node in graph.inputs.items()}, sizes, evaluate)
    return {name: values[node] for name, node in graph.outputs.items()}


def _visited(graph: Graph, given: Mapping[int, Array], sizes: dict[str, int], evaluate: Evaluate) -> dict[int, Array]:
    values: dict[int, Array] = {}
    order = graph.order()
    last_use = {operand: node for node in order for operand in graph.operands(node)}
    held = set(graph.outputs.values())
    for node in order:
        operands = tuple([values[operand] for operand in graph.operands(node)])
        if node in given:
            operands = (given[node],)
        if COUNTING in graph.op(node).traits:
            values[node] = evaluate(node, operands, {})
            settle(graph, node, len(values[node]), sizes)
        else:
            values[node] = evaluate(node, operands, resolve(graph.attributes(node), sizes))
        for operand in set(graph.operands(node)):
            if last_use[operand] == node and operand not in held:
                del values[operand]
    return values


class _Callable:
    """A body as a function of arrays: its sizes are known."""

    def __init__(self, body: Body, sizes: Mapping[str, int]) -> None:
        self.body = body
        self.sizes = sizes

    def __call__(self, *captures: Array, arithmetic: Arithmetic | None = None) -> Array:
        body, chosen = self.body, arithmetic or Native()
        graph = body.graph

        def evaluate(node: int, operands: tuple[Array, ...], attributes: Mapping[str, Any]) -> Array:
            return value_of(graph.op(node), graph.type(node), operands, attributes, chosen)

        return _visited(graph, captures_of(body, captures), dict(self.sizes), evaluate)[body.output]
