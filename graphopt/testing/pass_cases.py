"""What a pass is tried on: a program with sets of values for its inputs, and what becomes of it.

Besides the values that Hypothesis draws there are those that a pass is most likely not to have thought of: `special`
ones (NaN, infinities, both zeros, the smallest and the largest numbers), `edges` (those of them that every target
treats alike), and `empty` ones, where named sizes are 0.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Any

import numpy as np

from graphopt.arithmetics import Native
from graphopt.dimensions import evaluate, symbols
from graphopt.errors import GraphoptError
from graphopt.graph import Graph
from graphopt.graph.text import graph_text, stable_order
from graphopt.interpret import bind_dimensions, interpret
from graphopt.rewrite import Log, Pass, Pipeline
from graphopt.testing.allowance import Allowance
from graphopt.testing.values import SPECIAL, chosen
from graphopt.types import TensorType, is_float

__all__ = [
    "Case", "Reference", "Rewritten", "Values", "Violation", "fingerprint", "state", "with_further_values",
]  # fmt: skip

Array = Any
EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, -2.0, float("inf"), float("-inf"), float("nan"))


class Violation(Exception):
    """A property does not hold: what was found, and where it can be said, output, index, values and target."""

    def __init__(self, what: str, **where: Any) -> None:
        super().__init__(what)
        self.where = where


@dataclass(frozen=True)
class Values:
    """An array for each input of a program, and where they come from: drawn, given, special, edges or empty."""

    arrays: Mapping[str, Array]
    kind: str = "drawn"


@dataclass(frozen=True)
class Rewritten:
    """A program after the passes, with their log."""

    graph: Graph
    log: Log


@dataclass(frozen=True)
class Reference:
    """What a program gives as it is written.

    Attributes
    ----------
    results
        Its outputs, by name.
    scale
        The largest finite magnitude met on the way, at least 1.
    unit
        The unit of rounding of the coarsest float dtype met on the way; 0 if there is none.
    """

    results: Mapping[str, Array]
    scale: float
    unit: float


@dataclass(eq=False)
class Case:
    """A program, values for it, and the passes that are tried on it.

    Everything that passes could spoil is remembered before they run.
    """

    pipeline: Pipeline
    graph: Graph
    values: tuple[Values, ...]
    seed: int
    idempotent: bool = False
    text: str = field(init=False)
    before: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.text = graph_text(self.graph, origins=False)
        self.before = state(self.pipeline, self.graph)

    @cached_property
    def references(self) -> list[Reference | None]:
        """What the program gives as it is written, for each set of values. Raises `Violation` where it breaks down."""
        return [_reference(self.graph, values) for values in self.values]

    @cached_property
    def rewritten(self) -> Rewritten:
        """The program after the passes. Raises what rewriting raises, once: then it is not tried again."""
        graph = self.graph.copy()
        log = self.pipeline.run(graph, verify=True)
        graph.verify()
        return Rewritten(graph, log)

    @cached_property
    def unlowered(self) -> Rewritten:
        """The program after the passes that run before composite ops are expanded: all, if none expands them."""
        steps = self.pipeline.steps
        before = list(takewhile(lambda step: not any("lowered" in p.establishes for p in Pipeline([step])), steps))
        if len(before) == len(steps):
            return self.rewritten
        graph = self.graph.copy()
        return Rewritten(graph, Pipeline(before).run(graph))

    @cached_property
    def allowance(self) -> Allowance:
        """By how much values may differ."""
        return Allowance.of(self.pipeline, self.rewritten.log)


def with_further_values(graph: Graph, arrays: Mapping[str, Array], seed: int) -> tuple[Values, ...]:
    """Drawn values, and special, edge and empty ones of the same program."""
    chance = random.Random(f"values {seed}")
    found = [Values(arrays)]
    free = {
        name: np.shape(arrays[name])
        for name, node in graph.inputs.items()
        if is_float(graph.type(node).dtype) and "domain" not in graph.attributes(node)
    }
    if free:
        types = {name: TensorType(graph.type(graph.inputs[name]).dtype, shape) for name, shape in free.items()}
        for kind in ("special", "edges"):
            fresh = {
                name: chosen(type, SPECIAL[type.dtype] if kind == "special" else EDGES, chance)
                for name, type in types.items()
            }
            found.append(Values({**arrays, **fresh}, kind))
        found.append(Values({**arrays, **_with_one_nan(chance.choice(list(free)), arrays, chance)}, "edges"))
    sizes_of = [size for node in graph.inputs.values() for size in graph.type(node).shape]
    named = sorted({name for size in sizes_of for name in symbols(size)})
    for empty in dict.fromkeys([(chance.choice(named),), tuple(named)]) if named else ():
        try:
            sizes = {**bind_dimensions(graph, arrays), **dict.fromkeys(empty, 0)}
        except GraphoptError:
            break
        shapes = {n: tuple(evaluate(s, sizes) for s in graph.type(node).shape) for n, node in graph.inputs.items()}
        if all(size >= 0 for shape in shapes.values() for size in shape):
            found.append(Values({name: np.resize(arrays[name], shapes[name]) for name in shapes}, "empty"))
    return tuple(found)


def _with_one_nan(name: str, arrays: Mapping[str, Array], chance: random.Random) -> dict[str, Array]:
    held = np.array(arrays[name])
    if held.size:
        held.reshape(-1)[chance.randrange(held.size)] = np.nan
    return {name: held}


def _reference(graph: Graph, values: Values) -> Reference | None:
    """None where the program as written refuses such values, the largest element of nothing for example."""
    scale, unit = 1.0, 0.0

    def remember(node: int, value: Array) -> None:
        nonlocal scale, unit
        if is_float(dtype := graph.type(node).dtype):
            unit = max(unit, float(np.finfo(dtype).eps))
            values = np.abs(np.asarray(value, np.float64))
            scale = max(scale, float(values[np.isfinite(values)].max(initial=0.0)))

    held = {name: np.array(array) for name, array in values.arrays.items()}
    try:
        results = interpret(graph, held, Native(), on_node=remember)
    except GraphoptError:
        return None
    except Exception as error:  # an op of one's own may raise anything
        what = f"the program itself fails, before any pass: {type(error).__name__}: {error}"
        raise Violation(what, values=values) from error
    return Reference({name: np.array(value) for name, value in results.items()}, scale, unit)


def fingerprint(graph: Graph) -> str:
    """A text that is equal for programs that compute the same in the same way and are to be fused in the same way."""
    number = {node: position for position, node in enumerate(stable_order(graph))}
    groups = sorted(sorted(number.get(node, -1) for node in group) for group in graph.fusion.groups)
    return f"{graph_text(graph, origins=False)}{groups}"


def state(pipeline: Pipeline, graph: Graph) -> dict[str, Any]:
    """What passes have no business changing: the program a copy of which they are given, and themselves.

    Arrays of constants are shared between copies of a graph, and their elements stand in its text.
    """
    found: dict[str, Any] = {"the program that was copied": graph_text(graph)}
    for position, step in enumerate(pipeline):
        found[f"pass {step.name} (step {position})"] = {key: _kept(value) for key, value in _fields(step).items()}
    return found


def _fields(step: Pass) -> Mapping[str, Any]:
    return vars(step) if hasattr(step, "__dict__") else {}


def _kept(value: Any) -> Any:
    """A value that later changes of the same object leave alone; those that cannot be copied are known by identity."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, list | dict | set | bytearray):
        try:
            return deepcopy(value)
        except Exception:  # whatever copying a stranger's object raises
            return repr(value)
    return value
