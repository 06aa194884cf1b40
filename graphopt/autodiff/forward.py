"""`jvp`, derivatives in forward mode, and `hvp`, forward over reverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.autodiff.problem import (
    Given,
    Problem,
    a_variable,
    check_disconnected_inputs,
    differentiable,
    fitting,
    listed,
)
from graphopt.autodiff.push import push
from graphopt.autodiff.reverse import grad
from graphopt.errors import InvalidArgument
from graphopt.graph.build import collector_paused
from graphopt.ops.arithmetic import add

__all__ = ["hvp", "jvp"]


def jvp(
    outputs: Any,
    wrt: Any,
    tangents: Any,
    *,
    consider_constant: Any = (),
    disconnected_inputs: str = "raise",
    stabilize: bool = True,
) -> Any:
    """The Jacobian-vector product: Σ over `wrt` and their elements of ∂output/∂v · tangent, for each output.

    Parameters
    ----------
    outputs
        A variable or a list of variables of a float dtype, of any shape.
    wrt
        A variable or a list of variables, inputs or intermediate results, of a float dtype.
    tangents
        For each of `wrt` a variable, array or number of its type: the direction in which it moves.
    consider_constant, disconnected_inputs, stabilize
        As for `grad`.

    Returns
    -------
    Variable or list of Variable
        A tangent of the same type as its output, for each output. A list if `outputs` is one.

    Raises
    ------
    TypeMismatch, ShapeMismatch
        If an output, a tangent or a variable of `wrt` has the wrong type.
    DisconnectedInput
        If no output depends on a variable of `wrt`, unless told otherwise.
    NotDifferentiable
        If an op without a derivative stands on the way, or one whose pullback is not linear.
    """
    check_disconnected_inputs(disconnected_inputs)
    results = [differentiable(output, "an output") for output in listed(outputs)]
    sources = [differentiable(v, "wrt") for v in listed(wrt)]
    constants = [a_variable(v, "consider_constant") for v in listed(consider_constant)]
    given = listed(tangents) if isinstance(wrt, Sequence) else [tangents]
    if len(given) != len(sources):
        raise InvalidArgument(f"jvp needs one tangent for each of wrt: found {len(given)} for {len(sources)}")
    with collector_paused():
        moving = [Given(v, fitting("tangent", t, v)) for t, v in zip(given, sources, strict=True)]
        problem = Problem(results, (*sources, *constants), moving)
        problem.report_disconnected(sources, constants, problem.outputs, disconnected_inputs)
        if stabilize:
            problem.stabilize()
        graph, seeds = problem.graph, dict[int, int]()
        for v, tangent in zip(sources, problem.given, strict=True):
            node = problem.node(v)
            seeds[node] = graph.add(add(graph.handle(seeds[node]), graph.handle(tangent))) if node in seeds else tangent
        found = push(graph, seeds, problem.outputs, {problem.node(v) for v in constants})
        pushed = problem.exported([found.get(node) for node in problem.outputs], results)
    return pushed if isinstance(outputs, Sequence) else pushed[0]


def hvp(cost: Any, x: Any, v: Any, *, disconnected_inputs: str = "raise", stabilize: bool = True) -> Any:
    """The Hessian-vector product: the derivative of the gradient of a cost in a direction.

    It is made forward over reverse, and costs a small multiple of the cost itself: B. A. Pearlmutter, "Fast exact
    multiplication by the Hessian" (1994). The Hessian itself is not made.

    Parameters
    ----------
    cost
        A float scalar.
    x
        A variable or a list of variables of a float dtype.
    v
        The direction: for each of `x` a variable, array or number of its type.
    disconnected_inputs, stabilize
        As for `grad`.

    Returns
    -------
    Variable or list of Variable
        A value of the same type as its variable, for each of `x`; zeros if the cost is linear. A list if `x` is one.

    Raises
    ------
    TypeMismatch, ShapeMismatch, DisconnectedInput, NotDifferentiable
        As for `grad` and `jvp`.
    """
    if len(listed(x)) != (len(listed(v)) if isinstance(x, Sequence) else 1):
        raise InvalidArgument(f"hvp needs one direction for each of x: found {len(listed(v))} for {len(listed(x))}")
    slopes = grad(cost, x, disconnected_inputs=disconnected_inputs, stabilize=stabilize)
    return jvp(slopes, x, v, disconnected_inputs="ignore", stabilize=stabilize)
