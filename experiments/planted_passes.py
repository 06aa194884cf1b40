"""Wrong passes, each wrong in one way that somebody once got wrong: what `planted_pass_bugs.py` looks for.

A pass is a rewrite of one node at a time. It is careful about types, as a pass that changes one is caught at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.ops import TABLE
from graphopt.ops.leaves import ArrayConstant
from graphopt.rewrite import Exact, Pass, Rule, V
from graphopt.variable import as_variable

__all__ = ["PLANTED", "Planted"]

Rewrite = Callable[[Graph, int], Any]
x, y, z = V("x"), V("y"), V("z")
SQUARES = ((go.dim("n"), go.dim("n")), (2, 2, 2))
"""Shapes whose axes types do not tell apart."""


@dataclass(frozen=True)
class Everywhere(Pass):
    """Rewrites every node for which something of its type is given."""

    name: ClassVar[str] = "planted"
    rewrite: Rewrite = lambda graph, node: None

    def run(self, graph: Graph, context: Any) -> None:
        for node in graph.order():
            if node in graph and (new := self.rewrite(graph, node)) is not None and new.type == graph.type(node):
                context.replace(node, new, "planted")


@dataclass(frozen=True)
class Planted:
    """A wrong pass, and the programs that the author of such a pass would try it on.

    Attributes
    ----------
    name
        What is wrong.
    steps
        The pass.
    families
        The families of ops that it is about.
    options
        More parameters of the strategy of graphs.
    """

    name: str
    steps: Pass | Rule
    families: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


PLANTED: list[Planted] = []


def wrong_rule(name: str, families: str, pattern: Any, replacement: Any, **options: Any) -> None:
    """Plant a rule that claims to keep all bits."""
    label = "".join(c if c.isalnum() else "-" for c in name)
    PLANTED.append(Planted(name, Rule(label, pattern, replacement, claim=Exact()), tuple(families.split()), options))


def wrong_pass(name: str, families: str, **options: Any) -> Callable[[Rewrite], Rewrite]:
    """Plant a pass, given by what it makes of a node."""

    def plant(rewrite: Rewrite) -> Rewrite:
        PLANTED.append(Planted(name, Everywhere(rewrite), tuple(families.split()), options))
        return rewrite

    return plant


def below(graph: Graph, node: int, *names: str) -> tuple[int, ...] | None:
    """The nodes of a chain of ops, from the top down along first operands, and the last one's operand."""
    found = []
    for name in names:
        if graph.op(node).name != name:
            return None
        found.append(node)
        node = graph.operands(node)[0]
    return (*found, node)


def apply(graph: Graph, name: str, *nodes: int, **attributes: Any) -> Any:
    """An op applied to nodes."""
    return TABLE[name](*(graph.handle(node) for node in nodes), **attributes)


# --- arithmetic ------------------------------------------------------------------------------------------------------

wrong_rule("x - x becomes 1", "arithmetic", x - x, x * 0 + 1)
wrong_rule("(x + y) z becomes x z + y", "arithmetic", (x + y) * z, x * z + y)
wrong_rule("x - (y - z) becomes (x - y) - z", "arithmetic", x - (y - z), (x - y) - z)
wrong_rule("-(x - y) becomes y - x, which is wrong about -0", "arithmetic", -(x - y), y - x)
wrong_rule(
    "0 x becomes 0, which is wrong about infinity and -0",
    "arithmetic kinks",
    T.multiply(x, 0.0),
    T.abs(x) - T.abs(x),
    ops=("multiply", "add"),
)
wrong_rule(
    "exp(x) exp(y) becomes exp(x y)",
    "arithmetic elementary",
    T.exp(x) * T.exp(y),
    T.exp(x * y),
    ops=("exp", "multiply"),
)
wrong_rule("|x| becomes x", "kinks", T.abs(x), x)
wrong_rule("(x / y) / z becomes x / (y / z)", "arithmetic", (x / y) / z, x / (y / z))
wrong_rule("maximum becomes a comparison, which is wrong about NaN", "kinks", T.maximum(x, y), T.where(x > y, x, y))
wrong_rule("floor division becomes truncation", "steps arithmetic", T.floor_divide(x, y), T.trunc(x / y))


@wrong_pass("where with its condition flipped", "kinks comparisons")
def flipped(graph: Graph, node: int) -> Any:
    if graph.op(node).name != "where":
        return None
    condition, then, otherwise = graph.operands(node)
    return apply(graph, "where", condition, otherwise, then)


@wrong_pass("constants multiplied as integers", "arithmetic", ops=("multiply", "add"))
def as_integers(graph: Graph, node: int) -> Any:
    found = below(graph, node, "multiply", "multiply")
    if found is None:
        return None
    (_, a), (inner, b) = graph.operands(node), graph.operands(found[1])
    values = [graph.attributes(k).get("value") for k in (a, b) if graph.op(k).name == "constant"]
    if len(values) < 2 or not all(isinstance(value, float) for value in values):
        return None
    return graph.handle(inner) * float(int(values[0] * values[1]))


@wrong_pass("constants folded in float32", "leaves elementary arithmetic")
def in_float32(graph: Graph, node: int) -> Any:
    operands = graph.operands(node)
    values = [graph.attributes(k).get("value") for k in operands if graph.op(k).name == "constant"]
    if not operands or len(values) < len(operands) or not all(isinstance(v, ArrayConstant | float) for v in values):
        return None
    if "elementwise" not in graph.op(node).traits or graph.type(node).dtype != "float64":
        return None
    arrays = [np.asarray(v.array if isinstance(v, ArrayConstant) else v, np.float32) for v in values]
    return as_variable(np.asarray(graph.op(node).numpy(*arrays), np.float64))  # type: ignore[misc]


@wrong_pass("a cast to float32 and back dropped", "casts arithmetic", dtypes=("float64", "float32"))
def without_rounding(graph: Graph, node: int) -> Any:
    found = below(graph, node, "cast", "cast")
    return None if found is None else graph.handle(found[2])


# --- reductions and axes ---------------------------------------------------------------------------------------------

wrong_rule(
    "exp moved out of a sum",
    "reduction elementary",
    T.sum(T.exp(x), axis=0),
    T.exp(T.sum(x, axis=0)),
    ops=("exp", "sum"),
)
wrong_rule(
    "max(-x) becomes -max(x)", "reduction arithmetic", T.max(-x, axis=0), -T.max(x, axis=0), ops=("max", "negative")
)


@wrong_pass("a sum along the axis before", "reduction")
def axis_before(graph: Graph, node: int) -> Any:
    if graph.op(node).name != "sum" or not graph.attributes(node)["axis"][0]:
        return None
    axis = tuple(a - 1 for a in graph.attributes(node)["axis"])
    return apply(graph, "sum", graph.operands(node)[0], axis=axis)


@wrong_pass("a sum of what was broadcast counts it once", "reduction shape", ops=("sum", "broadcast_to"))
def counted_once(graph: Graph, node: int) -> Any:
    found = below(graph, node, "sum", "broadcast_to")
    return None if found is None else graph.handle(found[2])


@wrong_pass("log-softmax along the first axis, whatever its axis", "composite")
def first_axis(graph: Graph, node: int) -> Any:
    found = below(graph, node, "log_softmax")
    return (
        None
        if found is None or graph.attributes(node)["axis"] == (0,)
        else T.log_softmax(graph.handle(found[1]), axis=0)
    )


@wrong_pass("softmax without its shift", "composite")
def without_shift(graph: Graph, node: int) -> Any:
    found = below(graph, node, "softmax")
    if found is None:
        return None
    e = T.exp(graph.handle(found[1]))
    return e / T.sum(e, axis=graph.attributes(node)["axis"], keepdims=True)


@wrong_pass(
    "a running sum turned around becomes that of what is turned around", "running parts", ops=("cumsum", "slice")
)
def around(graph: Graph, node: int) -> Any:
    found = below(graph, node, "slice", "cumsum")
    if found is None or -1 not in graph.attributes(node)["step"]:
        return None
    turned = apply(graph, "slice", found[2], **graph.attributes(node))
    return TABLE["cumsum"](turned, **graph.attributes(found[1]))


@wrong_pass("the sort of -x becomes minus the sort of x", "sorting arithmetic", ops=("sort", "negative"))
def sorted_negative(graph: Graph, node: int) -> Any:
    found = below(graph, node, "sort", "negative")
    return None if found is None else -apply(graph, "sort", found[2], **graph.attributes(node))


# --- views and parts -------------------------------------------------------------------------------------------------


@wrong_pass("a transpose of a transpose composed the wrong way round", "shape", ops=("transpose", "stack"))
def wrong_way_round(graph: Graph, node: int) -> Any:
    found = below(graph, node, "transpose", "transpose")
    if found is None:
        return None
    outer, inner = (graph.attributes(k)["axes"] for k in found[:2])
    return apply(graph, "transpose", found[2], axes=tuple(outer[k] for k in inner))


@wrong_pass("a reshape of a transpose ignores the transpose", "shape", ops=("transpose", "reshape"))
def ignored(graph: Graph, node: int) -> Any:
    found = below(graph, node, "reshape", "transpose")
    return None if found is None else apply(graph, "reshape", found[2], shape=graph.type(node).shape)


@wrong_pass("a slice of a slice adds offsets and ignores the step", "parts")
def added_offsets(graph: Graph, node: int) -> Any:
    found = below(graph, node, "slice", "slice")
    if found is None:
        return None
    outer, inner = (graph.attributes(k) for k in found[:2])
    start = tuple(a + b for a, b in zip(outer["start"], inner["start"], strict=True))
    step = tuple(a * b for a, b in zip(outer["step"], inner["step"], strict=True))
    return apply(graph, "slice", found[2], start=start, step=step, shape=outer["shape"])


@wrong_pass("a gather from what was joined picks the last part", "parts gather")
def last_part(graph: Graph, node: int) -> Any:
    found = below(graph, node, "gather", "concatenate")
    if found is None or graph.attributes(found[1])["axis"] != (0,):
        return None
    return apply(graph, "gather", graph.operands(found[1])[-1], *graph.operands(node)[1:])


@wrong_pass("parts joined in the other order", "parts arithmetic")
def other_order(graph: Graph, node: int) -> Any:
    if graph.op(node).name != "concatenate" or graph.operands(node) == graph.operands(node)[::-1]:
        return None
    first, *rest = (graph.type(k) for k in graph.operands(node))
    if any(other != first for other in rest):
        return None
    return apply(graph, "concatenate", *reversed(graph.operands(node)), **graph.attributes(node))


@wrong_pass("a place picked from a stack counts from the end", "stack", ops=("stack", "pick"))
def from_the_end(graph: Graph, node: int) -> Any:
    found = below(graph, node, "pick", "stack")
    if found is None or len(graph.attributes(found[1])["shape"]) > 1:
        return None
    return graph.handle(graph.operands(found[1])[-1 - graph.attributes(node)["index"]])


@wrong_pass("a scatter that adds becomes one that sets", "gather")
def sets(graph: Graph, node: int) -> Any:
    if graph.op(node).name != "scatter" or graph.attributes(node)["mode"] != "add":
        return None
    return apply(graph, "scatter", *graph.operands(node), mode="set")


# --- matrices --------------------------------------------------------------------------------------------------------


@wrong_pass("the transpose of a product keeps the order of its factors", "product shape", ops=("matmul", "transpose"))
def same_order(graph: Graph, node: int) -> Any:
    found = below(graph, node, "transpose", "matmul")
    if found is None or graph.type(node).ndim != 2:
        return None
    a, b = (graph.handle(k) for k in graph.operands(found[1]))
    return T.matmul(a.T, b.T) if a.ndim == b.ndim == 2 and a.shape[0] == b.shape[1] else None


@wrong_pass("a solution is that of the transposed matrix", "matrices")
def transposed(graph: Graph, node: int) -> Any:
    found = below(graph, node, "solve")
    if found is None or graph.type(found[1]).ndim != 2:
        return None
    a, b = (graph.handle(k) for k in graph.operands(node))
    return TABLE["solve"](T.transpose(a), b)


# --- whole programs --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MergesTooMuch(Pass):
    """Common subexpression elimination that does not look at attributes."""

    name: ClassVar[str] = "merges-too-much"

    def run(self, graph: Graph, context: Any) -> None:
        seen: dict[Any, int] = {}
        for node in graph.order():
            if not graph.operands(node):
                continue
            other = seen.setdefault((graph.op(node).name, graph.operands(node), graph.type(node)), node)
            if other != node:
                context.replace(node, graph.handle(other), "merged")


@dataclass(frozen=True)
class DropsWhatIsUsed(Pass):
    """Dead code elimination that takes an output for dead if another node uses it."""

    name: ClassVar[str] = "drops-what-is-used"

    def run(self, graph: Graph, context: Any) -> None:
        kept = {name: node for name, node in graph.outputs.items() if not graph.operands(node) or graph.uses(node) < 2}
        if kept:
            graph.set_outputs(kept)


@wrong_pass("branches swapped", "control arithmetic")
def swapped(graph: Graph, node: int) -> Any:
    if graph.op(node).name != "cond":
        return None
    branches = graph.attributes(node)
    return apply(graph, "cond", *graph.operands(node), then=branches["otherwise"], otherwise=branches["then"])


PLANTED.append(
    Planted(
        "equal nodes merged whatever their attributes",
        MergesTooMuch(),
        ("reduction", "shape", "parts"),
        {"max_outputs": 3, "shapes": SQUARES},
    )
)
PLANTED.append(Planted("an output dropped that something uses", DropsWhatIsUsed(), ("arithmetic",), {"max_outputs": 3}))
