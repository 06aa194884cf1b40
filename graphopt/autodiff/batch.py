"""One computation for many values of an input at once: every value that depends on it gets leading axes.

What does not depend on the input is left as it is and shared by all. Most ops need no rule of their own: broadcasting,
batches of matrices, and attributes that count axes say what the op does behind leading axes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphopt.dimensions import DimLike
from graphopt.errors import UnsupportedExpression
from graphopt.graph.build import topological
from graphopt.op import Attributes
from graphopt.ops.leaves import iota
from graphopt.ops.shape import broadcast_to, expand_dims
from graphopt.variable import Variable

__all__ = ["batched"]

Shape = tuple[DimLike, ...]


def batched(targets: Sequence[Variable], values: Mapping[Variable, Variable], lead: Shape) -> list[Variable]:
    """The targets with `lead` axes in front, for values of some inputs that have them.

    Parameters
    ----------
    targets
        What is computed.
    values
        Input to its values: of the input's type, but for the leading axes.
    lead
        The sizes of the leading axes.

    Returns
    -------
    list of Variable
        Each target, of shape `(*lead, *target.shape)`.

    Raises
    ------
    UnsupportedExpression
        If an op on the way has no meaning behind leading axes.
    """
    made = dict(values)
    for v in topological(targets):
        if v not in made and any(operand in made for operand in v.operands):
            made[v] = _Application(v, made, lead).batched()
    return [made[v] if v in made else broadcast_to(v, shape=(*lead, *v.shape)) for v in targets]


class _Application:
    """One application, some of whose operands have leading axes."""

    def __init__(self, v: Variable, made: Mapping[Variable, Variable], lead: Shape) -> None:
        self.v, self.made, self.lead = v, made, lead

    def batched(self) -> Variable:
        """The application behind the leading axes."""
        v = self.v
        rule = _RULES.get(v.op.name)
        if rule is None and "elementwise" in v.op.traits:
            rule = _broadcasting
        elif rule is None and "reduction" in v.op.traits:
            rule = _along_axes
        if rule is None:
            raise UnsupportedExpression(
                f"{v.op.name}, made at {v.origin}, has no meaning for many values at once, so that the rows of a "
                "Jacobian cannot be made together; make them one by one with vjp or jvp"
            )
        operands, attributes = rule(self)
        result: Variable = v.op(*operands, **attributes)
        return result

    # --- operands ------------------------------------------------------------------------------------------------
    def aligned(self, rank: int) -> list[Variable]:
        """The operands, for ops that broadcast: the leading axes come before all the `rank` axes of the others."""
        return [self.padded(operand, rank) for operand in self.v.operands]

    def padded(self, operand: Variable, rank: int) -> Variable:
        """An operand whose own axes are as many as `rank`, if it has leading axes before them."""
        if operand not in self.made:
            return operand
        missing, k = rank - operand.ndim, len(self.lead)
        x = self.made[operand]
        return expand_dims(x, axis=tuple(range(k, k + missing))) if missing else x

    def whole(self, operand: Variable) -> Variable:
        """An operand with leading axes, repeated along them if it has none."""
        if operand in self.made:
            return self.made[operand]
        return broadcast_to(operand, shape=(*self.lead, *operand.shape))  # type: ignore[no-any-return]

    # --- attributes ----------------------------------------------------------------------------------------------
    def shifted(self, name: str) -> tuple[int, ...]:
        """An attribute that counts axes."""
        return tuple(axis + len(self.lead) for axis in self.v.attributes[name])


Parts = tuple[list[Variable], Mapping[str, Any]]


def _broadcasting(application: _Application) -> Parts:
    return application.aligned(application.v.ndim), application.v.attributes


def _of_matrices(application: _Application) -> Parts:
    rank = max(operand.ndim for operand in application.v.operands)
    return application.aligned(rank), application.v.attributes


def _along_axes(application: _Application) -> Parts:
    attributes = Attributes(application.v.attributes, axis=application.shifted("axis"))
    return [application.whole(operand) for operand in application.v.operands], attributes


def _transpose(application: _Application) -> Parts:
    axes = (*range(len(application.lead)), *application.shifted("axes"))
    return [application.made[operand] for operand in application.v.operands], Attributes(axes=axes)


def _reshape(application: _Application) -> Parts:
    shape = (*application.lead, *application.v.shape)
    return [application.whole(operand) for operand in application.v.operands], Attributes(shape=shape)


def _broadcast_to(application: _Application) -> Parts:
    return application.aligned(application.v.ndim), Attributes(shape=(*application.lead, *application.v.shape))


def _part(application: _Application) -> Parts:
    """A slice, or writing into one: all of every leading axis."""
    given, k = application.v.attributes, len(application.lead)
    attributes = {"start": (0,) * k + given["start"], "step": (1,) * k + given["step"]}
    if "shape" in given:
        attributes["shape"] = (*application.lead, *given["shape"])
    return [application.whole(operand) for operand in application.v.operands], attributes


def _gather(application: _Application) -> Parts:
    array, *indices = application.v.operands
    rank = max(index.ndim for index in indices)
    places = [application.padded(index, rank) for index in indices]
    if array not in application.made:
        return [array, *places], {}
    return [application.whole(array), *_lead_positions(application.lead, rank), *places], {}


def _scatter(application: _Application) -> Parts:
    array, values, *indices = application.v.operands
    rank = max(index.ndim for index in indices)
    places = [application.padded(index, rank) for index in indices]
    arrays = [application.whole(array), application.whole(values)]
    return [*arrays, *_lead_positions(application.lead, rank), *places], application.v.attributes


def _lead_positions(lead: Shape, rank: int) -> list[Variable]:
    """Indices that address every leading axis at each of its own positions."""
    axes = range(len(lead) + rank)
    positions = []
    for k, size in enumerate(lead):
        others = tuple(axis for axis in axes if axis != k)
        positions.append(expand_dims(iota(size=size), axis=others) if others else iota(size=size))
    return positions


def _each(application: _Application) -> Parts:
    """Ops that treat the last axes alone, or a value as it is."""
    return [application.made[operand] for operand in application.v.operands], application.v.attributes


def _checked(application: _Application) -> Parts:
    value, condition = application.v.operands
    return [application.whole(value), application.padded(condition, condition.ndim)], application.v.attributes


def _choice(application: _Application) -> Parts:
    condition, *branches = application.v.operands
    if condition in application.made:
        raise UnsupportedExpression(
            f"the condition of a conditional, made at {application.v.origin}, varies between values that are computed "
            "at once; choose by elements: T.where"
        )
    return [condition, *map(application.whole, branches)], application.v.attributes


_ALONG_AXES = "expand_dims squeeze softmax log_softmax logsumexp cumsum cumprod recurrence sort argsort concatenate"

_RULES: Mapping[str, Callable[[_Application], Parts]] = {
    **dict.fromkeys(("matmul", "solve", "solve_triangular", "stack"), _of_matrices),
    **dict.fromkeys(("cholesky", "inv", "det", "slogdet", "adjugate", "pick", "stop_gradient"), _each),
    **dict.fromkeys(_ALONG_AXES.split(), _along_axes),
    **dict.fromkeys(("slice", "put"), _part),
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "gather": _gather,
    "scatter": _scatter,
    "check": _checked,
    "if_else": _choice,
}
"""Op name to operands and attributes behind leading axes; elementwise ops and reductions need no entry."""
