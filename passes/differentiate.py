"""Add the gradient of an output to the graph, so that an experiment can rewrite before or after differentiating.

Contract: afterwards the graph has an output `d_OUTPUT_d_INPUT`, of the input's type, for each input of `wrt`; the
outputs it had are as they were, or gone with `keep=false` (run-time checks stay).

It is the reverse mode of `graphopt.grad`, without what that does for expressions: nothing is stabilized before, unless
a pass that stands before this one does it. As outputs are told by name, a second derivative is the same pass again:
`differentiate{wrt=x},differentiate{of=d_output_d_x,wrt=x}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from graphopt.autodiff.accumulate import accumulate, reached
from graphopt.errors import DisconnectedInput, InvalidArgument, ShapeMismatch, TypeMismatch
from graphopt.graph import Graph
from graphopt.rewrite.passes import Context, Pass
from graphopt.types import is_float
from graphopt.variable import literal


@dataclass(frozen=True)
class Differentiate(Pass):
    """Add the derivatives of the scalar output `of` by the inputs `wrt`, written `x+y`. Linear.

    Without `of` there must be one output, and without `wrt` all inputs of floats that it depends on are meant.
    """

    name: ClassVar[str] = "differentiate"
    inside_branches: ClassVar[bool] = False
    wrt: str = ""
    of: str = ""
    keep: bool = True

    def run(self, graph: Graph, context: Context) -> None:
        """Accumulate cotangents from the output to the inputs."""
        outputs = {name: node for name, node in graph.outputs.items() if name not in graph.checks}
        output = self._output(graph, outputs)
        inputs = self._inputs(graph, outputs[output])
        names = {name: f"d_{output}_d_{name}" for name in inputs}
        if taken := [name for name in names.values() if name in graph.outputs]:
            raise InvalidArgument(f"there is an output {taken[0]} already; differentiate once by each input")
        seed = graph.add(literal(1.0, graph.type(outputs[output]).dtype), graph.origins(outputs[output]))
        found = accumulate(graph, {outputs[output]: [seed]}, set(inputs.values()))
        gradients = {names[name]: _or_zeros(graph, found.get(node), node) for name, node in inputs.items()}
        kept = (
            graph.outputs if self.keep else {name: node for name, node in graph.outputs.items() if name not in outputs}
        )
        graph.set_outputs({**kept, **gradients})
        graph.prune()

    def _output(self, graph: Graph, outputs: Mapping[str, int]) -> str:
        """The name of what is differentiated."""
        listing = ", ".join(outputs) or "none"
        if self.of and self.of not in outputs:
            raise InvalidArgument(f"there is no output {self.of}; there are: {listing}")
        if not self.of and len(outputs) != 1:
            raise InvalidArgument(f"of several outputs one has to be named, as in differentiate{{of=…}}: {listing}")
        output = self.of or next(iter(outputs))
        type = graph.type(outputs[output])
        if type.ndim:
            raise ShapeMismatch(
                f"output {output} is of type {type}; expected a scalar: reduce it, for instance by a sum"
            )
        if not is_float(type.dtype):
            raise TypeMismatch(f"output {output} is of type {type}, which has no derivatives; expected a float")
        return output

    def _inputs(self, graph: Graph, output: int) -> dict[str, int]:
        """What it is differentiated by, by name."""
        connected = reached(graph, [output])
        floats = {name: node for name, node in graph.inputs.items() if is_float(graph.type(node).dtype)}
        if not self.wrt:
            return {name: node for name, node in floats.items() if node in connected}
        names = list(dict.fromkeys(self.wrt.split("+")))
        for name in names:
            if name not in graph.inputs:
                raise InvalidArgument(f"there is no input {name}; there are: {', '.join(graph.inputs) or 'none'}")
            if name not in floats:
                raise TypeMismatch(f"input {name} is of type {graph.type(graph.inputs[name])}; expected floats")
            if floats[name] not in connected:
                raise DisconnectedInput(f"the output does not depend on input {name}; leave it out of wrt")
        return {name: floats[name] for name in names}


def _or_zeros(graph: Graph, gradient: int | None, node: int) -> int:
    if gradient is not None:
        return gradient
    return graph.add(literal(0.0, graph.type(node).dtype, graph.type(node).shape))
