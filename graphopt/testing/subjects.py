"""What has a derivative, and what claims to be that derivative: the two things that `verify_grad` holds apart.

A *subject* gives values: expressions (`Expressed`), which any arithmetic can interpret, or a Python function of arrays
(`Called`), which can only be called. A *claim* gives products with the Jacobian, from the left in reverse mode and from
the right in forward mode: those of the subject's own graph (`Derived`), interpreted or compiled, or of a gradient that
somebody wrote (`Given`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from graphopt.arithmetics import Arithmetic, Native
from graphopt.autodiff import jvp, vjp
from graphopt.errors import InvalidArgument, UnsupportedExpression, VerificationFailed
from graphopt.function import Function
from graphopt.graph import Graph
from graphopt.graph.build import topological
from graphopt.interpret import interpret
from graphopt.make_function import function
from graphopt.types import is_float
from graphopt.variable import Variable, variable

__all__ = ["MODES", "Called", "Claim", "Derived", "Expressed", "Given", "Point", "Subject"]

Array = Any
Point = Mapping[str, Array]
MODES = ("reverse", "forward")


class Subject(Protocol):
    """Outputs as functions of inputs."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def wrt(self) -> tuple[str, ...]: ...
    @property
    def graph(self) -> Graph | None: ...
    def values(self, point: Point, arithmetic: Arithmetic | None = None) -> dict[str, Array]: ...


class Claim(Protocol):
    """A derivative under test, in one of `MODES`."""

    @property
    def mode(self) -> str: ...

    def products(self, point: Point, vectors: Point, arithmetic: Arithmetic | None = None) -> dict[str, Array]:
        """The Jacobian times vectors.

        In reverse mode Σ over outputs of vector · ∂output/∂x, for each x of the subject's `wrt`; in forward mode Σ over
        these of ∂output/∂x · vector, for each output.
        """


@dataclass(frozen=True, eq=False)
class Expressed:
    """Expressions of variables.

    Attributes
    ----------
    inputs, outputs
        The variables, and the expressions by name; those that are not of floats are left out.
    chosen
        The positions of the inputs to differentiate with respect to; None for all of a float dtype.
    held
        Values of inputs that a point leaves out: what shared variables hold.
    """

    inputs: tuple[Variable, ...]
    outputs: Mapping[str, Variable]
    chosen: tuple[int, ...] | None = None
    held: Mapping[str, Array] = field(default_factory=dict)

    @cached_property
    def graph(self) -> Graph:
        return Graph.from_outputs(list(self.inputs), {k: v for k, v in self.outputs.items() if is_float(v.dtype)})

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self.graph.inputs)

    @cached_property
    def wrt(self) -> tuple[str, ...]:
        floats = [k for k, v in enumerate(self.inputs) if is_float(v.dtype)]
        if self.chosen is not None and (refused := [self.names[k] for k in self.chosen if k not in floats]):
            raise InvalidArgument(f"{', '.join(refused)}: an input that is not of floats has no derivative")
        return tuple(self.names[k] for k in floats if self.chosen is None or k in self.chosen)

    def values(self, point: Point, arithmetic: Arithmetic | None = None) -> dict[str, Array]:
        found = interpret(self.graph, {**self.held, **point}, arithmetic)
        return {name: np.asarray(found[name]) for name in self.graph.results}


@dataclass(frozen=True)
class Called:
    """A Python function of arrays: one output or several, of which nothing else is known."""

    called: Callable[..., Any]
    names: tuple[str, ...]
    wrt: tuple[str, ...]
    graph: None = None

    def values(self, point: Point, arithmetic: Arithmetic | None = None) -> dict[str, Array]:
        if arithmetic is not None and not isinstance(arithmetic, Native):
            raise UnsupportedExpression("a Python function of arrays can be called, but not interpreted otherwise")
        with np.errstate(all="ignore"):
            found = self.called(*[point[name] for name in self.names])
        several = isinstance(found, tuple | list)
        labels = [f"output{k}" for k in range(len(found))] if several else ["output"]
        return dict(zip(labels, map(_array, found if several else [found]), strict=True))


class Derived:
    """The derivative of expressions, as this package makes it.

    Parameters
    ----------
    subject
        What is differentiated.
    like
        A compiled function; the derivative is compiled for its target with its pipeline. None: it is interpreted.
    stabilize
        As for `vjp` and `jvp`.
    mode
        "reverse": made by `vjp`; "forward": by `jvp`.
    """

    def __init__(
        self, subject: Expressed, like: Function | None = None, stabilize: bool = True, mode: str = "reverse"
    ) -> None:
        self.subject, self._like, self.stabilize, self.mode = subject, like, stabilize, mode
        outputs = {name: subject.outputs[name] for name in subject.graph.results}
        positions = tuple(subject.names.index(name) for name in subject.wrt)
        wrt = {name: subject.inputs[k] for name, k in zip(subject.wrt, positions, strict=True)}
        reverse = mode == "reverse"
        weighted, made = (outputs, wrt) if reverse else (wrt, outputs)
        kind, label = ("cotangent", "gradient") if reverse else ("direction", "tangent")
        weights = [variable(f"{kind}_{name}", v.type) for name, v in weighted.items()]
        differentiate: Callable[..., Any] = vjp if reverse else jvp
        found = differentiate(
            list(outputs.values()), list(wrt.values()), weights, disconnected_inputs="ignore", stabilize=stabilize
        )
        self._of, labels = tuple(made), [f"{label}_{name}" for name in made]
        #: The derivative as expressions of the subject's inputs and of the vectors that it is multiplied by.
        self.expressed = Expressed(
            (*subject.inputs, *weights), dict(zip(labels, found, strict=True)), positions, subject.held
        )
        #: For each output, or input in forward mode, the name of the vector.
        self.vectors = dict(zip(weighted, self.expressed.names[len(subject.inputs) :], strict=True))

    @cached_property
    def _compiled(self) -> Function | None:
        if self._like is None:
            return None
        given = [v for v, name in zip(self.expressed.inputs, self.expressed.names, strict=True) if name in self._called]
        return function(
            given, list(self.expressed.outputs.values()), target=self._like.target, pipeline=self._like.pipeline,
            options=self._like.options, on_unused_input="ignore",
        )  # fmt: skip

    @property
    def _called(self) -> list[str]:
        """What a compiled derivative is called with: it finds shared variables by itself."""
        return [name for name in self.expressed.names if name not in self.subject.held]

    def products(self, point: Point, vectors: Point, arithmetic: Arithmetic | None = None) -> dict[str, Array]:
        given = {**self.subject.held, **point} | {self.vectors[name]: value for name, value in vectors.items()}
        if arithmetic is None and self._compiled is not None:
            results = self._compiled(*[given[name] for name in self._called])
        else:
            results = list(self.expressed.values(given, arithmetic).values())
        return dict(zip(self._of, map(np.asarray, results), strict=True))


class Given:
    """A gradient of somebody's own: a function of the same arguments.

    It returns one array for each input to differentiate with respect to (for one input, the array itself), of the
    output's shape followed by the input's. Of several outputs, it returns a list of that.
    """

    mode = "reverse"

    def __init__(self, subject: Subject, gradient: Callable[..., Any]) -> None:
        self.subject, self._gradient = subject, gradient
        self._known: tuple[Point, dict[tuple[str, str], Array]] | None = None

    def products(self, point: Point, vectors: Point, arithmetic: Arithmetic | None = None) -> dict[str, Array]:
        if arithmetic is not None:
            raise UnsupportedExpression("a gradient of one's own is called, not interpreted")
        jacobians = self._jacobians(point, vectors)
        pulled: dict[str, Array] = {}
        for name in self.subject.wrt:
            terms = [
                np.tensordot(weights, jacobians[output, name], np.ndim(weights))
                if np.ndim(weights)
                else weights * jacobians[output, name]
                for output, weights in vectors.items()
                if np.any(weights)
            ]
            pulled[name] = sum(terms[1:], terms[0]) if terms else np.zeros_like(point[name])
        return pulled

    def _jacobians(self, point: Point, cotangents: Point) -> dict[tuple[str, str], Array]:
        if self._known is not None and self._known[0] is point:
            return self._known[1]
        with np.errstate(all="ignore"):
            found = self._gradient(*[point[name] for name in self.subject.names])
        rows = [found] if len(cotangents) == 1 else _parts(found, len(cotangents), "outputs")
        wrt = self.subject.wrt
        jacobians: dict[tuple[str, str], Array] = {}
        for (output, weights), row in zip(cotangents.items(), rows, strict=True):
            for name, part in zip(wrt, _parts(row, len(wrt), f"inputs ({', '.join(wrt)})"), strict=True):
                array, expected = _array(part), (*np.shape(weights), *np.shape(point[name]))
                if array.shape != expected:
                    raise VerificationFailed(
                        f"the gradient given for {output} with respect to {name} has shape {array.shape}; expected "
                        f"{expected}, the shape of {output} followed by that of {name}"
                    )
                jacobians[output, name] = array
        self._known = (point, jacobians)
        return jacobians


def _parts(found: Any, count: int, what: str) -> Sequence[Any]:
    if count == 1 and not (isinstance(found, tuple | list) and len(found) == 1):
        return [found]
    if not isinstance(found, tuple | list) or len(found) != count:
        size = f"{len(found)} of them" if isinstance(found, tuple | list) else type(found).__name__
        raise VerificationFailed(f"the gradient given returns one array for each of {count} {what}; found {size}")
    return found


def _array(value: Any) -> Array:
    """An array; what a function written with `graphopt.tensor` makes of arrays is computed."""
    if not isinstance(value, Variable):
        return np.asarray(value)
    if any(v.op.name == "input" for v in topological([value])):
        raise InvalidArgument(f"{value!r} depends on variables; a function of arrays must return arrays")
    return np.asarray(interpret(Graph.from_outputs([], {"value": value}), {})["value"])
