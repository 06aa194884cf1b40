"""What is differentiated, as a graph: the common frame of reverse and forward mode.

Variables are imported into a graph, stabilized there, and differentiated by whoever asks; what comes out is built on
the user's own variables again. Variables that were named (`wrt`, `consider_constant`, `known_grads`) are held by the op
`barrier` meanwhile, so that no rewrite can make them vanish into something larger.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from graphopt.autodiff.accumulate import reached
from graphopt.errors import DisconnectedInput, InvalidArgument, ShapeMismatch, TypeMismatch
from graphopt.graph.build import topological
from graphopt.graph.checks import checked
from graphopt.graph.export import to_variables
from graphopt.graph.graph import Graph
from graphopt.graph.handle import Handle
from graphopt.ops.control import check
from graphopt.ops.leaves import ArrayConstant, barrier, constant, input_
from graphopt.ops.shape import broadcast_to
from graphopt.types import agree, is_float
from graphopt.variable import Variable, as_variable, caller, literal, variable

__all__ = ["Given", "Problem", "a_variable", "check_disconnected_inputs", "differentiable", "fitting", "listed"]


class Given(NamedTuple):
    """A cotangent or a tangent that comes from outside, and the variable it belongs to."""

    of: Variable
    value: Variable


class Problem:
    """A graph of everything that is differentiated, and the nodes in it of the variables that were named.

    Named variables are outputs of the graph, by which they are found again whatever rewrites did. What comes from
    outside are inputs of their own, which the user's values are put for in the end.

    Parameters
    ----------
    outputs
        What is differentiated.
    named
        The variables that have to be found again.
    given
        The cotangents or tangents from outside.

    Attributes
    ----------
    graph
        The graph.
    given
        The nodes of what was given, in its order.
    """

    def __init__(self, outputs: Sequence[Variable], named: Iterable[Variable], given: Sequence[Given]) -> None:
        self._outputs = [f"output{k}" for k in range(len(outputs))]
        self._held: dict[Variable, str] = {}
        for v in named:
            self._held.setdefault(v, f"held{len(self._held)}")
        targets = dict(zip(self._outputs, outputs, strict=True)) | {name: v for v, name in self._held.items()}
        apart = _held_apart(targets.values(), self._held)
        over, leaves, self._handles = _without_handles(apart)
        targets = dict(zip(targets, over, strict=True))
        inputs = [v for v in leaves if v.op is input_]
        # A placeholder has its variable's own type, whatever names the given value has for the same sizes.
        placeholders = [variable(None, one.of.type) for one in given]
        self._values = [one.value for one in given]
        self.graph = Graph.from_outputs([*inputs, *placeholders], targets)
        self.given = list(self.graph.inputs.values())[len(inputs) :]
        for tag, name in enumerate(self._held.values()):
            node = self.graph.outputs[name]
            if self.graph.op(node) is not input_:
                self.graph.replace(node, barrier(self.graph.handle(node), tag=tag))

    @property
    def outputs(self) -> list[int]:
        """The nodes of what is differentiated."""
        return [self.graph.outputs[name] for name in self._outputs]

    def node(self, v: Variable) -> int:
        """Where a named variable is now."""
        return self.graph.outputs[self._held[v]]

    def stabilize(self) -> None:
        """Run the stabilizing rewrites."""
        from graphopt.rewrite import Pipeline

        Pipeline.named("stabilized").run(self.graph)

    def report_disconnected(
        self,
        targets: Iterable[Variable],
        constants: Iterable[Variable],
        sources: Iterable[int],
        how: str,
        what: str = "the outputs do",
    ) -> None:
        """Raise or warn for every target that no source depends on, as `how` says; `what` names the sources."""
        connected = reached(self.graph, sources, {self.node(v) for v in constants})
        for v in targets:
            if how != "ignore" and self.node(v) not in connected:
                message = (
                    f"{what} not depend on {v!r}, made at {v.origin}, so that derivative is zero everywhere; "
                    "give disconnected_inputs='ignore' if that is what you want"
                )
                if v.operands:
                    message += (
                        "; what is written a second time is another variable, so name the first and use it in both"
                    )
                if how == "raise":
                    raise DisconnectedInput(message)
                file, _, line = str(caller()).rpartition(":")
                warnings.warn_explicit(message, UserWarning, file, int(line))

    def exported(self, derivatives: Sequence[int | None], like: Sequence[Variable]) -> list[Variable]:
        """Derivatives as variables of the user's, each of the type of another variable; zeros where there is none.

        They have the checks of what was differentiated.
        """
        graph = self.graph
        substitutions = {node: self._handles[v] for node, v in graph.variables.items() if v in self._handles}
        substitutions |= {self.node(v): v for v in self._held} | dict(zip(self.given, self._values, strict=True))
        present = [(node, v) for node, v in zip(derivatives, like, strict=True) if node is not None]
        conditions = [graph.outputs[name] for name in graph.checks]
        made = to_variables(graph, [*(node for node, _ in present), *conditions], substitutions)
        typed = [_as_type_of(derivative, v) for (_, v), derivative in zip(present, made, strict=False)]
        results = iter(checked(typed, graph, made[len(present) :]))
        return [
            literal(0.0, v.dtype, v.shape) if node is None else next(results)
            for node, v in zip(derivatives, like, strict=True)
        ]


def _held_apart(targets: Collection[Variable], held: Collection[Variable]) -> list[Variable]:
    """The targets with a barrier around held values that are checked: a graph would not tell them from unchecked."""
    if not any(v.op is check for v in held):
        return list(targets)
    made: dict[Variable, Variable] = {}
    for v in topological(list(targets)):
        new = _over(v, made)
        made[v] = barrier(new) if v.op is check and v in held else new
    return [made[v] for v in targets]


def _without_handles(
    targets: Sequence[Variable],
) -> tuple[list[Variable], list[Variable], dict[Variable, Variable]]:
    """The targets with a variable in the place of every node of a graph; their leaves; the node that each stands for.

    So a rule of differentiation, which is written over nodes, may differentiate as well.
    """
    order = topological(list(targets))
    leaves = [v for v in order if not v.operands]
    handles = [v for v in leaves if isinstance(v, Handle)]
    if not handles:
        return list(targets), leaves, {}
    places = {(id(handle.graph), handle.node): variable(None, handle.type) for handle in handles}
    made: dict[Variable, Variable] = {}
    for v in order:
        made[v] = places[id(v.graph), v.node] if isinstance(v, Handle) else _over(v, made)
    standing: dict[Variable, Variable] = {places[id(handle.graph), handle.node]: handle for handle in handles}
    others = [v for v in leaves if not isinstance(v, Handle)]
    return [made[v] for v in targets], [*others, *standing], standing


def _over(v: Variable, made: Mapping[Variable, Variable]) -> Variable:
    """A variable over what was made of its operands."""
    operands = tuple([made[operand] for operand in v.operands])
    same = all(a is b for a, b in zip(operands, v.operands, strict=True))
    return v if same else Variable(v.type, v.op, operands, v.attributes, v.name, v.origin, v.nonempty)


def _as_type_of(derivative: Variable, v: Variable) -> Variable:
    """The derivative with its sizes named as the variable's are: they are equal, but may stem from another input."""
    if derivative.type == v.type:
        return derivative
    if derivative.op is constant and not isinstance(derivative.attributes["value"], ArrayConstant):
        return literal(derivative.attributes["value"], v.dtype, v.shape)
    operand = derivative.operands[0] if derivative.op is broadcast_to else derivative
    result: Variable = broadcast_to(operand, shape=v.shape)
    return result


# --- what users give ---------------------------------------------------------------------------------------------


def check_disconnected_inputs(how: str) -> None:
    """Raise InvalidArgument unless it is one of the three words."""
    if how not in ("raise", "warn", "ignore"):
        raise InvalidArgument(f"disconnected_inputs is 'raise', 'warn' or 'ignore', found {how!r}")


def listed(value: Any) -> list[Any]:
    """One, or several, as a list."""
    return list(value) if isinstance(value, Sequence) else [value]


def a_variable(v: Any, what: str) -> Variable:
    """The value itself, given that it is a variable."""
    if not isinstance(v, Variable):
        advice = "; call it with the variables" if callable(v) and hasattr(v, "__name__") else ""
        raise InvalidArgument(f"{what}: expected a variable or a list of variables, found {v!r}{advice}")
    return v


def differentiable(value: Any, what: str) -> Variable:
    """The value itself, given that it is a variable of floats."""
    v = a_variable(value, what)
    if not is_float(v.dtype):
        raise TypeMismatch(
            f"{what}: {v!r}, made at {v.origin}, has no derivatives; expected float32 or float64: cast it first"
        )
    return v


def fitting(what: str, given: Any, v: Variable) -> Variable:
    """A cotangent or tangent (`what` says which) as a variable of the type of what it belongs to.

    Raises
    ------
    TypeMismatch, ShapeMismatch
        If it has another.
    """
    value = given if isinstance(given, Variable) else as_variable(given, v.dtype)
    if value.dtype != v.dtype:
        raise TypeMismatch(f"the {what} of {v!r} must be {v.dtype}, found {value!r}; cast it first")
    if value.ndim != v.ndim:
        raise ShapeMismatch(f"the {what} of {v!r} must have its rank, found {value!r}")
    for found, expected in zip(value.shape, v.shape, strict=True):
        agree(found, expected)
    return value
