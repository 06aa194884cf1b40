"""What steers a program: branches, run-time checks, the end of differentiation."""

from __future__ import annotations

from typing import Any

from graphopt.errors import InvalidArgument
from graphopt.graph.checks import BOUNDS
from graphopt.ops import control as ops
from graphopt.tensor.reduction import truth
from graphopt.tensor.shape import expression

__all__ = ["check", "cond", "stop_gradient"]


def cond(condition: Any, then: Any, otherwise: Any) -> Any:
    """`then` if a scalar condition is true, `otherwise` if not; only the one that is asked for is computed.

    What one of the branches needs alone is computed in it, no matter where the expression was written; what something
    else needs as well, or both branches do, is computed in any case. Checks count if their branch is taken, and the
    derivative of the branch that is not taken takes no part in a gradient. To choose for each element, use `where`.

    Parameters
    ----------
    condition
        A scalar; a number is true if it is not 0.
    then, otherwise
        Expressions, or functions without arguments that give some; one each, or lists, tuples and dicts of them that
        are alike. Dtypes are unified as by `where`; shapes have to be equal.

    Returns
    -------
    Variable, or list, tuple or dict of them
        As the branches are. Several results of one condition are computed together.

    Raises
    ------
    ShapeMismatch
        If the condition is no scalar, or shapes differ.
    InvalidArgument
        If the branches are not alike.
    """
    truth_value = truth(expression(condition))
    return _chosen(truth_value, then() if callable(then) else then, otherwise() if callable(otherwise) else otherwise)


def _chosen(condition: Any, then: Any, otherwise: Any) -> Any:
    if not isinstance(then, _NESTED) and not isinstance(otherwise, _NESTED):
        return ops.if_else(condition, then, otherwise)
    alike = type(then) is type(otherwise)
    if not alike or len(then) != len(otherwise):
        raise InvalidArgument(f"cond: the branches are alike, lists of equal length say; found {then!r}, {otherwise!r}")
    if not isinstance(then, dict):
        return type(then)([_chosen(condition, a, b) for a, b in zip(then, otherwise, strict=True)])
    if set(then) != set(otherwise):
        raise InvalidArgument(f"cond: the branches have the keys {sorted(then)} and {sorted(otherwise)}")
    return {key: _chosen(condition, value, otherwise[key]) for key, value in then.items()}


_NESTED = (dict, list, tuple)


def check(x: Any, condition: Any, message: str, kind: str | None = None) -> Any:
    """x, given that all of a condition is true; if not, the call of the function raises.

    The condition is computed beside the value and looked at when the call has computed everything, before any shared
    variable changes. It is of no effect on rewrites: they see x.

    Parameters
    ----------
    x
        What is passed on.
    condition
        An array or variable of any shape, nonzero where all is well. One without elements holds.
    message
        What is wrong if it does not hold.
    kind
        "bounds" for an index inside its axis: `Options(check_bounds=False)` leaves such checks out.

    Raises
    ------
    InvalidArgument
        If the message is no text, or there is no such kind. `CheckFailed` is raised by the call.
    """
    if not isinstance(message, str) or not message:
        raise InvalidArgument(f"check: the message is a text that says what is wrong, found {message!r}")
    if kind not in (None, BOUNDS):
        raise InvalidArgument(f"check: kind is None or {BOUNDS!r}, found {kind!r}")
    return ops.check(expression(x), truth(condition), message=message, **({} if kind is None else {"kind": kind}))


def stop_gradient(x: Any) -> Any:
    """x, which derivatives take for a constant.

    The cost still counts as depending on what x is made of, so `grad` gives zeros there and raises no
    `DisconnectedInput`.
    """
    return ops.stop_gradient(expression(x))
