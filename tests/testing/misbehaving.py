"""Passes that break one promise each, and are right in all others: what `verify_pass` has to tell apart."""

from dataclasses import dataclass
from itertools import count
from typing import ClassVar

import numpy as np

import graphopt as go
import graphopt.tensor as T
from graphopt.ops import TABLE
from graphopt.ops.leaves import ArrayConstant, constant
from graphopt.rewrite import Pass


def outputs(graph):
    return list(graph.outputs.items())


def of_op(graph, name):
    return [node for node in graph.order() if graph.op(node).name == name]


@dataclass(frozen=True)
class Narrows(Pass):
    name: ClassVar[str] = "narrows"

    def run(self, graph, context):
        graph.set_outputs({name: graph.add(T.cast(graph.handle(node), "float32")) for name, node in outputs(graph)})


@dataclass(frozen=True)
class Transposes(Pass):
    name: ClassVar[str] = "transposes"

    def run(self, graph, context):
        graph.set_outputs({name: graph.add(T.transpose(graph.handle(node))) for name, node in outputs(graph)})


@dataclass(frozen=True)
class Swaps(Pass):
    name: ClassVar[str] = "swaps"

    def run(self, graph, context):
        names, nodes = zip(*outputs(graph), strict=True)
        graph.set_outputs(dict(zip(names, reversed(nodes), strict=True)))


@dataclass(frozen=True)
class Reorders(Pass):
    name: ClassVar[str] = "reorders"

    def run(self, graph, context):
        graph.set_outputs(dict(reversed(outputs(graph))))


@dataclass(frozen=True)
class Renames(Pass):
    name: ClassVar[str] = "renames"

    def run(self, graph, context):
        graph.set_outputs({f"{name}_optimized": node for name, node in outputs(graph)})


@dataclass(frozen=True)
class DropsChecks(Pass):
    name: ClassVar[str] = "drops-checks"

    def run(self, graph, context):
        graph.set_outputs({name: node for name, node in outputs(graph) if name not in graph.checks})


@dataclass(frozen=True)
class DropsInputs(Pass):
    name: ClassVar[str] = "drops-inputs"

    def run(self, graph, context):
        for name in [name for name, node in graph.inputs.items() if not graph.uses(node)]:
            graph.remove_input(name)


@dataclass(frozen=True)
class AddsToConstants(Pass):
    name: ClassVar[str] = "adds-to-constants"

    def run(self, graph, context):
        for node in of_op(graph, "constant"):
            value = graph.attributes(node)["value"]
            if isinstance(value, ArrayConstant):
                value.array.flags.writeable = True
                value.array += 1


@dataclass(frozen=True)
class Counts(Pass):
    name: ClassVar[str] = "counts"
    runs: int = 0

    def run(self, graph, context):
        object.__setattr__(self, "runs", self.runs + 1)


@dataclass(frozen=True)
class NegatesTwice(Pass):
    name: ClassVar[str] = "negates-twice"
    idempotent: ClassVar[bool] = True

    def run(self, graph, context):
        for _, node in outputs(graph):
            context.replace(node, T.negative(T.negative(graph.handle(node))), "twice")


@dataclass(frozen=True)
class NegatesAtTimes(Pass):
    name: ClassVar[str] = "negates-at-times"
    calls: ClassVar[count] = count()

    def run(self, graph, context):
        for _, node in outputs(graph):
            if next(self.calls) % 2:
                context.replace(node, T.negative(T.negative(graph.handle(node))), "twice")


@dataclass(frozen=True)
class WrongWhenShuffled(Pass):
    name: ClassVar[str] = "wrong-when-shuffled"

    def run(self, graph, context):
        if context.random is not None:
            for _, node in outputs(graph):
                context.replace(node, graph.handle(node) + 1, "add")


@dataclass(frozen=True)
class StopsGradients(Pass):
    name: ClassVar[str] = "stops-gradients"

    def run(self, graph, context):
        for node in of_op(graph, "square"):
            x = graph.handle(graph.operands(node)[0])
            context.replace(node, x * T.stop_gradient(x), "product")


@dataclass(frozen=True)
class NotForNaN(Pass):
    name: ClassVar[str] = "not-for-nan"

    def run(self, graph, context):
        for _, node in outputs(graph):
            x = graph.handle(node)
            context.replace(node, T.where(T.isnan(x), T.zeros_like(x), x), "no NaN")


@dataclass(frozen=True)
class WrongInFloat32(Pass):
    name: ClassVar[str] = "wrong-in-float32"

    def run(self, graph, context):
        for _, node in outputs(graph):
            if graph.type(node).dtype == "float32":
                context.replace(node, graph.handle(node) + 1, "add")


@dataclass(frozen=True)
class WrongOverNothing(Pass):
    name: ClassVar[str] = "wrong-over-nothing"

    def run(self, graph, context):
        for node in of_op(graph, "sum"):
            x = graph.handle(graph.operands(node)[0])
            context.replace(node, graph.handle(node) + T.eq(T.sum(T.ones_like(x)), 0.0), "add")


@dataclass(frozen=True)
class Doubles(Pass):
    name: ClassVar[str] = "doubles"

    def run(self, graph, context):
        for _, node in outputs(graph):
            context.replace(node, graph.handle(node) * 2.0, "double")


@dataclass(frozen=True)
class Raises(Pass):
    name: ClassVar[str] = "raises"

    def run(self, graph, context):
        raise ZeroDivisionError("of my own")


@dataclass(frozen=True)
class MakesACycle(Pass):
    name: ClassVar[str] = "makes-a-cycle"

    def run(self, graph, context):
        _, node = outputs(graph)[0]
        graph._set_operand(node, 0, node)


def own_op(name, **facets):
    """An op for the tests below; `of_op` in text finds it by its name."""
    return TABLE.get(name) or go.define_op(name, **facets)


@dataclass(frozen=True)
class WrongInC(Pass):
    name: ClassVar[str] = "wrong-in-c"

    def run(self, graph, context):
        twice = own_op("twice_wrong_in_c", numpy=lambda x: 2 * x, exact=lambda x: 2 * x,
                       pullback=lambda g, node: [2 * g], c="{x} + 2")  # fmt: skip
        for node in of_op(graph, "multiply"):
            x, factor = graph.operands(node)
            if graph.op(factor) is constant and graph.attributes(factor)["value"] == 2:
                context.replace(node, twice(graph.handle(x)), "twice")


@dataclass(frozen=True)
class OnlyForNumPy(Pass):
    name: ClassVar[str] = "only-for-numpy"

    def run(self, graph, context):
        plain = own_op("without_text", numpy=lambda x: x + 0, exact=lambda x: x, pullback=lambda g, node: [g])
        for _, node in outputs(graph):
            context.replace(node, plain(graph.handle(node)), "wrap")


@dataclass(frozen=True)
class WritesToInputs(Pass):
    name: ClassVar[str] = "writes-to-inputs"

    def run(self, graph, context):
        careless = own_op("careless", numpy=lambda x: np.square(x, out=x), exact=lambda x: x * x)
        for node in of_op(graph, "square"):
            context.replace(node, careless(graph.handle(graph.operands(node)[0])), "square")


@dataclass(frozen=True)
class PlansWildly(Pass):
    """Right: the schedule obeys a plan where it is legal."""

    name: ClassVar[str] = "plans-wildly"

    def run(self, graph, context):
        graph.fusion.clear()
        graph.fusion.group([node for node in graph.order() if graph.op(node).arity])


@dataclass(frozen=True)
class DoesNothing(Pass):
    """Right."""

    name: ClassVar[str] = "does-nothing"
    idempotent: ClassVar[bool] = True

    def run(self, graph, context):
        pass


@dataclass(frozen=True)
class RefusesValues(Pass):
    name: ClassVar[str] = "refuses-values"

    def run(self, graph, context):
        picky = own_op("picky", numpy=_only_positive)
        for _, node in outputs(graph):
            context.replace(node, picky(graph.handle(node)), "wrap")


def _only_positive(x):
    if np.any(x <= 0):
        raise ValueError("not positive")
    return x


@dataclass(frozen=True)
class FailsAtTimes(Pass):
    name: ClassVar[str] = "fails-at-times"
    calls: ClassVar[count] = count()

    def run(self, graph, context):
        if next(self.calls) % 2:
            raise ZeroDivisionError("now and then")
