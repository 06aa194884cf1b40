"""`grad` and `vjp`: derivatives of variables with respect to variables.

The cost is imported into a graph, stabilized there, and differentiated by `graphopt.autodiff.accumulate`; what comes
out is built on the user's own variables again. Variables that `wrt`, `consider_constant` and `known_grads` name are
held by the op `barrier` meanwhile, so that no rewrite can make them vanish into something larger.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from graphopt.autodiff.accumulate import accumulate
from graphopt.errors import DisconnectedInput, InvalidArgument, ShapeMismatch, TypeMismatch
from graphopt.graph.build import collector_paused, topological
from graphopt.graph.checks import checked
from graphopt.graph.export import to_variables
from graphopt.graph.graph import Graph
from graphopt.ops.control import check
from graphopt.ops.leaves import ArrayConstant, barrier, constant, input_
from graphopt.ops.shape import broadcast_to
from graphopt.types import agree, is_float, shape_text
from graphopt.variable import Variable, as_variable, caller, literal, variable

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
    seeds = [literal(1.0, output.dtype) for output in outputs]
    known = {_differentiable(v, "a key of known_grads"): _cotangent(g, v) for v, g in (known_grads or {}).items()}
    return _differentiate(outputs, seeds, wrt, consider_constant, known, disconnected_inputs, stabilize)


def vjp(outputs: Any, wrt: Any, cotangents: Any, *, disconnected_inputs: str = "raise", stabilize: bool = True) -> Any:
    """The vector-Jacobian product: Σ over outputs and their elements of cotangent · ∂output/∂v, for each v of `wrt`.

    Parameters
    ----------
    outputs
        A variable or a list of variables of a float dtype, of any shape.
    wrt
        A variable or a list of variables, inputs or intermediate results, of a float dtype.
    cotangents
        For each output a variable, array or number of its type.
    disconnected_inputs, stabilize
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
    targets = [_differentiable(output, "an output") for output in _listed(outputs)]
    given = _listed(cotangents) if isinstance(outputs, Sequence) else [cotangents]
    if len(given) != len(targets):
        raise InvalidArgument(f"vjp needs one cotangent for each output: found {len(given)} for {len(targets)}")
    seeds = [_cotangent(g, output) for g, output in zip(given, targets, strict=True)]
    return _differentiate(targets, seeds, wrt, (), {}, disconnected_inputs, stabilize)


def _differentiate(
    outputs: Sequence[Variable],
    seeds: Sequence[Variable],
    wrt: Any,
    consider_constant: Any,
    known: Mapping[Variable, Variable],
    disconnected_inputs: str,
    stabilize: bool,
) -> Any:
    if disconnected_inputs not in ("raise", "warn", "ignore"):
        raise InvalidArgument(f"disconnected_inputs is 'raise', 'warn' or 'ignore', found {disconnected_inputs!r}")
    targets = [_differentiable(v, "wrt") for v in _listed(wrt)]
    constants = [_a_variable(v, "consider_constant") for v in _listed(consider_constant)]
    with collector_paused():
        problem = _Problem(outputs, seeds, targets, constants, known)
        problem.report_disconnected(targets, disconnected_inputs)
        if stabilize:
            from graphopt.rewrite import Pipeline

            Pipeline.named("stabilized").run(problem.graph)
        gradients = problem.solve(targets)
    return gradients if isinstance(wrt, Sequence) else gradients[0]


class _Problem:
    """A graph of everything that is differentiated, and the nodes in it of the variables that were named.

    Named variables are outputs of the graph, by which they are found again whatever rewrites did. Cotangents from
    outside are inputs of their own, which the user's are put for in the end.
    """

    def __init__(
        self,
        outputs: Sequence[Variable],
        seeds: Sequence[Variable],
        targets: Sequence[Variable],
        constants: Sequence[Variable],
        known: Mapping[Variable, Variable],
    ) -> None:
        self.outputs = [f"output{k}" for k in range(len(outputs))]
        self.constants, self.known = constants, known
        self.held: dict[Variable, str] = {}
        for v in (*targets, *constants, *known):
            self.held.setdefault(v, f"held{len(self.held)}")
        named = dict(zip(self.outputs, outputs, strict=True)) | {name: v for v, name in self.held.items()}
        named = dict(zip(named, _held_apart(named.values(), self.held), strict=True))
        inputs = [v for v in topological(list(named.values())) if v.op is input_]
        # A placeholder has its output's own type, whatever names the cotangent has for the same sizes.
        self.placeholders = [variable(None, v.type) for v in (*outputs, *known)]
        self.cotangents = [*seeds, *known.values()]
        self.graph = Graph.from_outputs([*inputs, *self.placeholders], named)
        self.given = list(self.graph.inputs.values())[len(inputs) :]
        for tag, name in enumerate(self.held.values()):
            node = self.graph.outputs[name]
            if self.graph.op(node) is not input_:
                self.graph.replace(node, barrier(self.graph.handle(node), tag=tag))

    def node(self, v: Variable) -> int:
        """Where a named variable is now."""
        return self.graph.outputs[self.held[v]]

    def report_disconnected(self, targets: Iterable[Variable], how: str) -> None:
        """Raise or warn for every target that nothing differentiated depends on."""
        graph = self.graph
        blocked = {self.node(v) for v in self.constants}
        reached: set[int] = set()
        waiting = [graph.outputs[name] for name in self.outputs] + [self.node(v) for v in self.known]
        while waiting:
            node = waiting.pop()
            if node not in reached and node not in blocked:
                reached.add(node)
                waiting.extend(graph.operands(node))
        for v in targets:
            if how != "ignore" and self.node(v) not in reached:
                message = (
                    f"the cost does not depend on {v!r}, made at {v.origin}, so its gradient is zero everywhere; "
                    "give disconnected_inputs='ignore' if that is what you want"
                )
                if how == "raise":
                    raise DisconnectedInput(message)
                file, _, line = str(caller()).rpartition(":")
                warnings.warn_explicit(message, UserWarning, file, int(line))

    def solve(self, targets: Sequence[Variable]) -> list[Variable]:
        """The gradients, as variables of the user's."""
        graph = self.graph
        seeds: dict[int, list[int]] = {}
        for name, given in zip(self.outputs, self.given, strict=False):
            seeds.setdefault(graph.outputs[name], []).append(given)
        known = {self.node(v): given for v, given in zip(self.known, self.given[len(self.outputs) :], strict=True)}
        found = accumulate(graph, seeds, {self.node(v) for v in targets}, {self.node(v) for v in self.constants}, known)
        substitutions = {self.node(v): v for v in self.held} | dict(zip(self.given, self.cotangents, strict=True))
        present = [v for v in dict.fromkeys(targets) if self.node(v) in found]
        conditions = [graph.outputs[name] for name in graph.checks]
        exported = to_variables(graph, [*(found[self.node(v)] for v in present), *conditions], substitutions)
        fitted = [_as_type_of(gradient, v) for v, gradient in zip(present, exported, strict=False)]
        gradients = dict(zip(present, checked(fitted, graph, exported[len(present) :]), strict=True))
        return [gradients[v] if v in gradients else literal(0.0, v.dtype, v.shape) for v in targets]


def _held_apart(targets: Collection[Variable], held: Collection[Variable]) -> list[Variable]:
    """The targets with a barrier around held values that are checked: a graph would not tell them from unchecked."""
    if not any(v.op is check for v in held):
        return list(targets)
    made: dict[Variable, Variable] = {}
    for v in topological(list(targets)):
        operands = tuple([made[operand] for operand in v.operands])
        same = all(a is b for a, b in zip(operands, v.operands, strict=True))
        new = v if same else Variable(v.type, v.op, operands, v.attributes, v.name, v.origin, v.nonempty)
        made[v] = barrier(new) if v.op is check and v in held else new
    return [made[v] for v in targets]


def _as_type_of(gradient: Variable, v: Variable) -> Variable:
    """The gradient with its sizes named as the variable's are: they are equal, but may stem from another input."""
    if gradient.type == v.type:
        return gradient
    if gradient.op is constant and not isinstance(gradient.attributes["value"], ArrayConstant):
        return literal(gradient.attributes["value"], v.dtype, v.shape)
    operand = gradient.operands[0] if gradient.op is broadcast_to else gradient
    result: Variable = broadcast_to(operand, shape=v.shape)
    return result


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Sequence) else [value]


def _a_variable(v: Any, what: str) -> Variable:
    if not isinstance(v, Variable):
        raise InvalidArgument(f"{what}: expected a variable or a list of variables, found {v!r}")
    return v


def _differentiable(value: Any, what: str) -> Variable:
    v = _a_variable(value, what)
    if not is_float(v.dtype):
        raise TypeMismatch(
            f"{what}: {v!r}, made at {v.origin}, has no derivatives; expected float32 or float64: cast it first"
        )
    return v


def _check_cost(cost: Any) -> None:
    cost = _a_variable(cost, "the cost")
    if cost.ndim:
        raise ShapeMismatch(
            f"the cost must be a scalar, found {cost!r}, made at {cost.origin}, of shape {shape_text(cost.shape)}; "
            "reduce it, for instance with T.sum, or use vjp"
        )
    _differentiable(cost, "the cost")


def _cotangent(g: Any, output: Variable) -> Variable:
    """A cotangent as a variable of its output's type.

    Raises
    ------
    TypeMismatch, ShapeMismatch
        If it has another.
    """
    given = g if isinstance(g, Variable) else as_variable(g, output.dtype)
    if given.dtype != output.dtype:
        raise TypeMismatch(f"the cotangent of {output!r} must be {output.dtype}, found {given!r}; cast it first")
    if given.ndim != output.ndim:
        raise ShapeMismatch(f"the cotangent of {output!r} must have its rank, found {given!r}")
    for found, expected in zip(given.shape, output.shape, strict=True):
        agree(found, expected)
    return given
