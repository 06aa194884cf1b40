"""`grad` and `vjp`: derivatives of variables with respect to variables, in reverse mode.

`graphopt.autodiff.problem` makes the graph, `graphopt.autodiff.accumulate` differentiates it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphopt.autodiff.accumulate import accumulate
from graphopt.autodiff.problem import (
    Given,
    Problem,
    a_variable,
    check_disconnected_inputs,
    differentiable,
    fitting,
    listed,
)
from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.graph.build import collector_paused
from graphopt.types import shape_text
from graphopt.variable import Variable, literal

__all__ = ["grad", "vjp"]


def grad(
    cost: Variable | None,
    wrt: Any,
    *,
    consider_constant: Any = (),
    known_grads: Mapping[Variable, Any] | None = None,
    disconnected_inputs: str = "raise",
    stabilize: bool = True,
) -> Any:
    """The gradient of a scalar cost: ∂cost/∂v for each variable v of `wrt`.

    Parameters
    ----------
    cost
        A float scalar. None if `known_grads` says where derivatives come from.
    wrt
        A variable or a list of variables, inputs or intermediate results, of a float dtype.
    consider_constant
        Variables that the cost is taken not to vary with.
    known_grads
        Variable to its gradient. That gradient is used as it is: what the cost would add to it is not looked at.
    disconnected_inputs
        What to do if the cost does not depend on a variable of `wrt`: "raise", "warn" and give zeros, or "ignore"
        and give zeros.
    stabilize
        Whether to run the stabilizing rewrites before differentiating. Without them, a formula that overflows has
        a gradient that does.

    Returns
    -------
    Variable or list of Variable
        A gradient of the same type as its variable, for each of `wrt`. A list if `wrt` is one.

    Raises
    ------
    TypeMismatch
        If the cost or a variable of `wrt` is of an integer dtype or bool.
    ShapeMismatch
        If the cost is no scalar.
    DisconnectedInput
        If the cost does not depend on a variable of `wrt`, unless told otherwise.
    NotDifferentiable
        If an op without a derivative stands on the way.
    """
    outputs: list[Variable] = []
    if cost is None:
        if not known_grads:
            raise InvalidArgument("grad needs a cost, or known_grads to start from")
    else:
        _check_cost(cost)
        outputs.append(cost)
    if not isinstance(known_grads, Mapping | None):
        raise InvalidArgument(f"known_grads maps variables to their gradients; expected a dict, found {known_grads!r}")
    seeds = [Given(output, literal(1.0, output.dtype)) for output in outputs]
    known = [
        Given(differentiable(v, "a key of known_grads"), fitting("cotangent", g, v))
        for v, g in (known_grads or {}).items()
    ]
    return _differentiate(
        outputs, seeds, wrt, consider_constant, known, disconnected_inputs, stabilize, "the cost does"
    )


def vjp(
    outputs: Any,
    wrt: Any,
    cotangents: Any,
    *,
    consider_constant: Any = (),
    disconnected_inputs: str = "raise",
    stabilize: bool = True,
) -> Any:
    """The vector-Jacobian product: Σ over outputs and their elements of cotangent · ∂output/∂v, for each v of `wrt`.

    Parameters
    ----------
    outputs
        A variable or a list of variables of a float dtype, of any shape.
    wrt
        A variable or a list of variables, inputs or intermediate results, of a float dtype.
    cotangents
        For each output a variable, array or number of its type.
    consider_constant, disconnected_inputs, stabilize
        As for `grad`.

    Returns
    -------
    Variable or list of Variable
        A value of the same type as its variable, for each of `wrt`. A list if `wrt` is one.

    Raises
    ------
    TypeMismatch, ShapeMismatch
        If an output, a cotangent or a variable of `wrt` has the wrong type.
    DisconnectedInput, NotDifferentiable
        As for `grad`.
    """
    targets = [differentiable(output, "an output") for output in listed(outputs)]
    given = listed(cotangents) if isinstance(outputs, Sequence) else [cotangents]
    if len(given) != len(targets):
        raise InvalidArgument(f"vjp needs one cotangent for each output: found {len(given)} for {len(targets)}")
    seeds = [Given(output, fitting("cotangent", g, output)) for g, output in zip(given, targets, strict=True)]
    return _differentiate(targets, seeds, wrt, consider_constant, (), disconnected_inputs, stabilize)


def _differentiate(
    outputs: Sequence[Variable],
    seeds: Sequence[Given],
    wrt: Any,
    consider_constant: Any,
    known: Sequence[Given],
    disconnected_inputs: str,
    stabilize: bool,
    what: str = "the outputs do",
) -> Any:
    check_disconnected_inputs(disconnected_inputs)
    targets = [differentiable(v, "wrt") for v in listed(wrt)]
    constants = [a_variable(v, "consider_constant") for v in listed(consider_constant)]
    with collector_paused():
        problem = Problem(outputs, (*targets, *constants, *(one.of for one in known)), (*seeds, *known))
        sources = [*problem.outputs, *(problem.node(one.of) for one in known)]
        problem.report_disconnected(targets, constants, sources, disconnected_inputs, what)
        if stabilize:
            problem.stabilize()
        flowing: dict[int, list[int]] = {}
        for output, given in zip(problem.outputs, problem.given, strict=False):
            flowing.setdefault(output, []).append(given)
        found = accumulate(
            problem.graph,
            flowing,
            {problem.node(v) for v in targets},
            {problem.node(v) for v in constants},
            {problem.node(one.of): node for one, node in zip(known, problem.given[len(outputs) :], strict=True)},
        )
        gradients = problem.exported([found.get(problem.node(v)) for v in targets], targets)
    return gradients if isinstance(wrt, Sequence) else gradients[0]


def _check_cost(cost: Any) -> None:
    cost = a_variable(cost, "the cost")
    if cost.ndim:
        raise ShapeMismatch(
            f"the cost must be a scalar, found {cost!r}, made at {cost.origin}, of shape {shape_text(cost.shape)}; "
            "reduce it, for instance with T.sum, or use vjp"
        )
    differentiable(cost, "the cost")
