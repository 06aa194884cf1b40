"""What steers a program: run-time checks and the end of differentiation."""

from __future__ import annotations

from typing import Any

from graphopt.errors import InvalidArgument
from graphopt.graph.checks import BOUNDS
from graphopt.ops import control as ops
from graphopt.tensor.reduction import truth
from graphopt.tensor.shape import expression

__all__ = ["check", "stop_gradient"]


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
