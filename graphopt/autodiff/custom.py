"""Functions with derivatives of one's own: `custom_derivative`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from inspect import signature
from typing import Any

from graphopt.errors import InvalidArgument, NotDifferentiable, TypeMismatch
from graphopt.op import Applied, Attributes
from graphopt.ops.control import with_derivative
from graphopt.ops.leaves import input_
from graphopt.types import is_float
from graphopt.variable import Variable, as_variable, caller

__all__ = ["Rule", "custom_derivative"]


class custom_derivative:
    """Let a function of variables have a derivative of its own, instead of that of the formula it computes.

    The function's positional arguments are what it is differentiated with respect to: variables, arrays or numbers. Its
    keyword arguments are options, found in the rules' `node.attributes`. It returns one variable of floats.

    Derivatives with respect to anything else would be lost, so the function must not use other inputs.

    Parameters
    ----------
    function
        What computes the value.

    Raises
    ------
    InvalidArgument
        When called, if the function uses an input that is not among its arguments, or an option cannot be hashed.
    TypeMismatch
        When called, if the function returns anything else than one variable of floats.

    Examples
    --------
    Gradient clipping: the identity, but what comes back through it is kept within [-1, 1].

    >>> import graphopt as go, graphopt.tensor as T
    >>> @go.custom_derivative
    ... def gently(x):
    ...     return x
    >>> @gently.pullback
    ... def clipped(g, node):
    ...     return [T.clip(g, -1, 1)]
    >>> x = T.vector("x")
    >>> go.function([x], go.grad(T.sum(gently(x) ** 3), x))([0.1, 5.0])
    array([0.03, 1.  ])
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise InvalidArgument(f"custom_derivative decorates a function of variables, found {function!r}")
        self.function = function
        self.pull: Callable[[Any, Applied], Sequence[Any]] | None = None
        self.push: Callable[[Sequence[Any], Applied], Any] | None = None
        self.defaults = _defaults(function)
        update_wrapper(self, function)

    def pullback(self, rule: Callable[[Any, Applied], Sequence[Any]]) -> Callable[[Any, Applied], Sequence[Any]]:
        """Set the rule for reverse mode, as a decorator: `(cotangent, node) -> one cotangent, or None, per argument`.

        `node` has `.operands`, the arguments; `.result`, the value; and `.attributes`, the options. Forward mode uses
        the transpose of the rule, if it is linear in the cotangent and there is no pushforward.
        """
        self.pull = rule
        return rule

    def pushforward(self, rule: Callable[[Sequence[Any], Applied], Any]) -> Callable[[Sequence[Any], Applied], Any]:
        """Set the rule for forward mode, as a decorator: `(tangents, node) -> the value's tangent, or None for zero`.

        There is a tangent for each argument, None for one that does not move.
        """
        self.push = rule
        return rule

    def __call__(self, *arguments: Any, **options: Any) -> Variable:
        operands = [as_variable(argument) for argument in arguments]
        options = self.defaults | options
        value = as_variable(self.function(*operands, **options))
        if not is_float(value.dtype):
            raise TypeMismatch(f"{self} returned {value!r}, which has no derivatives; expected float32 or float64")
        self._check_sources(value, operands)
        try:
            attributes = Attributes(rule=Rule(self, Attributes(options)))
        except TypeError as error:
            raise InvalidArgument(
                f"{self}: its options are kept in the expression and must be hashable: {error}"
            ) from None
        return Variable(value.type, with_derivative, (value, *operands), attributes, None, caller())

    def _check_sources(self, value: Variable, operands: Sequence[Variable]) -> None:
        seen = set(operands)
        stack = [value]
        while stack:
            v = stack.pop()
            if v in seen:
                continue
            seen.add(v)
            if v.op is input_:
                raise InvalidArgument(
                    f"{self} uses {v!r}, made at {v.origin}, which is not among its arguments, so that derivatives "
                    "with respect to it would be lost: make it an argument"
                )
            stack.extend(v.operands)

    def __reduce__(self) -> str:
        return str(self.function.__qualname__)  # found again where it was defined, as functions are

    def __str__(self) -> str:
        return getattr(self.function, "__name__", "custom_derivative")


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """The options that a function has where they are not given."""
    try:
        parameters = signature(function).parameters.values()
    except ValueError:  # some functions written in C do not say
        return {}
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}


@dataclass(frozen=True)
class Rule:
    """The derivative of one application, as the op `with_derivative` holds it.

    Attributes
    ----------
    function
        The function that was applied, compared by identity.
    options
        Its keyword arguments.
    """

    function: custom_derivative
    options: Attributes

    def pull_back(self, cotangent: Any, node: Applied) -> Sequence[Any]:
        """The cotangents of the arguments.

        Raises
        ------
        NotDifferentiable
            If no pullback was set.
        TypeMismatch
            If it does not return one cotangent for each argument.
        """
        if self.function.pull is None:
            raise NotDifferentiable(
                f"{self.function} has no pullback: decorate one with {self.function}.pullback before differentiating"
            )
        applied = self._applied(node)
        parts = list(self.function.pull(cotangent, applied))
        if len(parts) != len(applied.operands):
            raise TypeMismatch(
                f"the pullback of {self.function} returned {len(parts)} cotangents for {len(applied.operands)} "
                "arguments"
            )
        return parts

    def push_forward(self, tangents: Sequence[Any], node: Applied) -> Any:
        """The tangent of the value; NotImplemented if no pushforward was set."""
        return NotImplemented if self.function.push is None else self.function.push(tangents, self._applied(node))

    def _applied(self, node: Applied) -> _Application:
        return _Application(tuple(node.operands[1:]), node.result, self.options)

    def __repr__(self) -> str:
        return str(self.function)


@dataclass(frozen=True)
class _Application:
    """An application as rules see it: an `graphopt.op.Applied` of the arguments alone."""

    operands: tuple[Any, ...]
    result: Any
    attributes: Attributes
