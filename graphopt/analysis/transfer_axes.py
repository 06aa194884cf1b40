"""What ops over axes make of facts: reductions, products of matrices, softmax and its kin, views and stacks."""

from __future__ import annotations

import math

import numpy as np

from graphopt.analysis.facts import Facts, Number, anything, settled
from graphopt.analysis.transfer_arithmetic import joined, products
from graphopt.analysis.transfer_elementary import widened
from graphopt.analysis.transfer_step import Step, Transfer
from graphopt.ops.reduction import extreme
from graphopt.types import is_float

__all__ = ["AXES"]

INF = math.inf


def _sum(step: Step) -> Facts:
    return _summed(step.facts[0], step.count, step.type.dtype, step.types[0].dtype)


def _summed(a: Facts, count: int | None, dtype: str, of: str) -> Facts:
    """Sums in any order, each addition rounded; the sum of nothing is 0."""
    if not is_float(dtype):
        if count is None:  # truth values are counted, other sums may wrap around
            return Facts(0, 2**62, False) if of == "bool" else anything(dtype)
        return Facts(a.lo * count, a.hi * count, False)
    units = (2 * count + 4) * float(np.finfo(dtype).eps) if count is not None else 1.0
    if count is None or units > 0.01:
        low: Number = 0 if a.is_nonnegative else -INF
        high: Number = 0 if a.is_nonpositive else INF
        low = a.lo if count and a.is_positive else low
    else:
        slack = max(abs(a.lo), abs(a.hi)) * count * units if count else 0
        low = a.lo if a.is_nonnegative and count else a.lo * count - slack if count else 0
        high = 0 if a.is_nonpositive else a.hi * count + slack if count else 0
    clash = low <= -float(np.finfo(dtype).max) and high >= float(np.finfo(dtype).max)
    return Facts(low, high, a.nan or clash, True, a.negative_zero, a.integer)


def _prod(step: Step) -> Facts:
    (a,) = step.facts
    if not is_float(step.type.dtype) or not a.has_clear_sign:
        return anything(step.type.dtype)
    if a.hi <= 1:
        return Facts(0, 1, a.nan, True, False)
    return Facts(0, INF, True, True, False)


def _any(step: Step) -> Facts:
    (a,) = step.facts
    return Facts(1 if a.lo == 1 and step.count else 0, a.hi, False)


def _all(step: Step) -> Facts:
    (a,) = step.facts
    return Facts(a.lo, 0 if a.hi == 0 and step.count else 1, False)


def _max(step: Step) -> Facts:
    return step.facts[0] if step.reduces_some else joined(step.facts[0], _only(step.type.dtype, largest=False))


def _min(step: Step) -> Facts:
    return step.facts[0] if step.reduces_some else joined(step.facts[0], _only(step.type.dtype, largest=True))


def _only(dtype: str, largest: bool) -> Facts:
    """What an extremum over nothing is."""
    value = extreme(dtype, largest)
    return Facts(value, value, False, value == 0, False, True)


def _matmul(step: Step) -> Facts:
    a, b = step.facts
    dtype = step.type.dtype
    if not is_float(dtype):
        return anything(dtype)
    size = step.types[0].shape[-1]
    return _summed(settled(products(a, b), dtype), size if isinstance(size, int) else None, dtype, dtype)


def _softmax(step: Step) -> Facts:
    low, high = widened(0.0, 1.0, step.type.dtype)
    return Facts(low, high, not step.facts[0].is_finite, True, False)


def _log_softmax(step: Step) -> Facts:
    return Facts(-INF, 0, not step.facts[0].is_finite)


def _logsumexp(step: Step) -> Facts:
    return Facts(nan=step.facts[0].nan)


def _same(step: Step) -> Facts:
    return step.facts[0]


def _stack(step: Step) -> Facts:
    found = step.facts[0]
    for other in step.facts[1:]:
        found = joined(found, other)
    return found


def _scatter(step: Step) -> Facts:
    whole, values = step.facts[:2]
    if step.attributes["mode"] != "add":
        return joined(whole, values)
    low = whole.lo if values.is_nonnegative else -INF
    high = whole.hi if values.is_nonpositive else INF
    wraps = not is_float(step.type.dtype)
    return anything(step.type.dtype) if wraps else Facts(low, high, True)


def _cumsum(step: Step) -> Facts:
    (a,) = step.facts
    if not is_float(step.type.dtype):
        return anything(step.type.dtype)
    return Facts(a.lo if a.is_nonnegative else -INF, a.hi if a.is_nonpositive else INF, True)


def _cumprod(step: Step) -> Facts:
    (a,) = step.facts
    if not is_float(step.type.dtype) or not a.is_nonnegative:
        return anything(step.type.dtype)
    return Facts(0, 1 if a.hi <= 1 else INF, a.nan or a.hi > 1, True, a.negative_zero)


def _argsort(step: Step) -> Facts:
    size = step.count
    return Facts(0, 2**62 if size is None else max(size - 1, 0), False)


def _searchsorted(step: Step) -> Facts:
    (size,) = step.types[0].shape
    return Facts(0, size if isinstance(size, int) else 2**62, False)


def _nonzero(step: Step) -> Facts:
    (size,) = step.types[0].shape
    return Facts(0, max(size - 1, 0) if isinstance(size, int) else 2**62, False)


AXES: dict[str, Transfer] = {
    "sum": _sum, "prod": _prod, "max": _max, "min": _min, "any": _any, "all": _all, "matmul": _matmul,
    "softmax": _softmax, "log_softmax": _log_softmax, "logsumexp": _logsumexp,
    "barrier": _same, "stop_gradient": _same, "with_derivative": _same,
    "stack": _stack, "pick": _same, "reshape": _same, "transpose": _same,
    "squeeze": _same, "expand_dims": _same, "broadcast_to": _same, "slice": _same, "put": _stack, "concatenate": _stack,
    "gather": _same, "scatter": _scatter, "cumsum": _cumsum, "cumprod": _cumprod,
    "sort": _same, "argsort": _argsort, "searchsorted": _searchsorted,
    "nonzero": _nonzero,
}  # fmt: skip
"""Op name to what it makes of facts."""
