"""Composite ops over axes: softmax, log-softmax, log-sum-exp.

They are recognized whole, differentiated whole, and expanded (`Op.expand`) by the pass `lower`. The shifted forms
are those of P. Blanchard, D. J. Higham, N. J. Higham, "Accurately computing the log-sum-exp and softmax functions",
IMA J. Numer. Anal. 41 (2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mpmath
import numpy as np

from graphopt.errors import TypeMismatch
from graphopt.exact import divide, real
from graphopt.op import Applied, Attributes, Op
from graphopt.ops.arithmetic import multiply
from graphopt.ops.define import define
from graphopt.ops.elementary import exp, log
from graphopt.ops.logic import equal, isfinite, where
from graphopt.ops.reduction import max_, reduced_shape, spread, sum_
from graphopt.types import TensorType, Unify, is_float

__all__ = ["log_softmax", "logsumexp", "softmax"]

Axis = tuple[int, ...]
_EXP, _LOG = np.frompyfunc(real(mpmath.exp), 1, 1), np.frompyfunc(real(mpmath.log), 1, 1)
_DIVIDE = np.frompyfunc(divide, 2, 1)


def _rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    if not is_float(types[0].dtype):
        raise TypeMismatch(f"expected float32 or float64, found {types[0].dtype}; cast it first")
    reduced_shape(types[0].shape, attributes["axis"])
    return types[0]


def _reduced_rule(types: tuple[TensorType, ...], attributes: Attributes, unify: Unify) -> TensorType:
    return types[0].with_shape(reduced_shape(_rule(types, attributes, unify).shape, attributes["axis"]))


# --- NumPy's meaning ---------------------------------------------------------------------------------------------


def _shift(x: Any, axis: Axis) -> Any:
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return np.where(np.isfinite(top), top, 0).astype(x.dtype)


def _np_logsumexp(x: Any, axis: Axis) -> Any:
    shift = _shift(x, axis)
    with np.errstate(divide="ignore"):
        return np.log(np.sum(np.exp(x - shift), axis=axis)) + np.squeeze(shift, axis)


def _np_softmax(x: Any, axis: Axis) -> Any:
    e = np.exp(x - _shift(x, axis))
    return e / np.sum(e, axis=axis, keepdims=True)


def _np_log_softmax(x: Any, axis: Axis) -> Any:
    shifted = x - _shift(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


# --- mpmath's meaning: the definitions themselves ------------------------------------------------------------------


def _exact_logsumexp(x: Any, axis: Axis) -> Any:
    return _LOG(np.sum(_EXP(x), axis=axis))


def _exact_softmax(x: Any, axis: Axis) -> Any:
    return _DIVIDE(_EXP(x), np.sum(_EXP(x), axis=axis, keepdims=True))  # a row of -inf has the sum 0


def _exact_log_softmax(x: Any, axis: Axis) -> Any:
    return x - _LOG(np.sum(_EXP(x), axis=axis, keepdims=True))


# --- expansions and derivatives ------------------------------------------------------------------------------------


def _shift_of(x: Any, axis: Axis) -> Any:
    """What is subtracted before exponentials are taken: the maximum, or 0 where that is infinite.

    An infinite maximum must not be subtracted from itself: a row of -inf has the sum 0, and one with +inf the sum +inf.
    """
    top = max_(x, axis=axis)
    return where(isfinite(top), top, 0)


def _expand_softmax(x: Any, axis: Axis) -> Any:
    e = exp(x - spread(_shift_of(x, axis), axis))
    return e / spread(sum_(e, axis=axis), axis)


def _expand_log_softmax(x: Any, axis: Axis) -> Any:
    shifted = x - spread(_shift_of(x, axis), axis)
    return shifted - spread(log(sum_(exp(shifted), axis=axis)), axis)


def _expand_logsumexp(x: Any, axis: Axis) -> Any:
    shift = _shift_of(x, axis)
    return shift + log(sum_(exp(x - spread(shift, axis)), axis=axis))


def _softmax_pullback(g: Any, node: Applied) -> Sequence[Any]:
    y, axis = node.result, node.attributes["axis"]
    return (y * (g - spread(sum_(multiply(g, y), axis=axis), axis)),)


def _log_softmax_pullback(g: Any, node: Applied) -> Sequence[Any]:
    axis = node.attributes["axis"]
    return (g - softmax(node.operands[0], axis=axis) * spread(sum_(g, axis=axis), axis),)


def _logsumexp_pullback(g: Any, node: Applied) -> Sequence[Any]:
    axis = node.attributes["axis"]
    # Nothing flows to a row of -∞ alone, whose shares are 0/0. (The maximum is one that softmax takes anyway.)
    nothing = equal(max_(node.operands[0], axis=axis), -np.inf)
    shares = where(spread(nothing, axis), 0, softmax(node.operands[0], axis=axis))
    return (spread(g, axis) * shares,)


COMPOSITE = frozenset({"composite", "transcendental"})
softmax = define(
    Op(
        "softmax", 1, _rule, _np_softmax, _exact_softmax, _softmax_pullback,
        traits=COMPOSITE, cost=25, expand=_expand_softmax,
    )
)  # fmt: skip
log_softmax = define(
    Op(
        "log_softmax", 1, _rule, _np_log_softmax, _exact_log_softmax, _log_softmax_pullback,
        traits=COMPOSITE, cost=24, expand=_expand_log_softmax,
    )
)  # fmt: skip
logsumexp = define(
    Op(
        "logsumexp", 1, _reduced_rule, _np_logsumexp, _exact_logsumexp, _logsumexp_pullback,
        traits=COMPOSITE, cost=23, expand=_expand_logsumexp,
    )
)  # fmt: skip
