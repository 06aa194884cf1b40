"""An e-graph of one graph's values, kept by egglog: loading, one round of rewriting at a time, reading back.

M. Willsey et al., "egg: fast and extensible equality saturation", POPL 2021; Y. Zhang et al., "Better together:
unifying Datalog and equality saturation", PLDI 2023. Everything that egglog is told is made of integers: a term is
`(nK head operand …)`, where the head is a number of `graphopt.rewrite.equations.Heads`.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from graphopt.errors import TargetUnavailable
from graphopt.graph.graph import Graph
from graphopt.ops.leaves import input_
from graphopt.rewrite.extraction import Node
from graphopt.rewrite.instantiation import Head, Heads

__all__ = ["EGraph", "Round", "Snapshot"]


class Snapshot(NamedTuple):
    """What an e-graph holds: the nodes of each class, and the class of each output's node of the graph."""

    classes: dict[str, list[Node]]
    roots: dict[int, str]


class Round(NamedTuple):
    """What a round did: whether anything was new, and whether it was cut short at the limit."""

    changed: bool
    cut: bool


class EGraph:
    """The values of a graph, and what is known to be equal to them.

    Raises
    ------
    TargetUnavailable
        If egglog is not installed.
    """

    def __init__(self, graph: Graph) -> None:
        try:
            bindings: Any = importlib.import_module("egglog.bindings")
        except ImportError:
            raise TargetUnavailable(
                "equality saturation needs egglog, which is not installed; the extra 'saturate' brings it: "
                "pip install 'graphopt[saturate]'"
            ) from None
        self._engine: Any = bindings.EGraph()
        self._arities: set[int] = set()
        self._rewrites: dict[int, set[tuple[str, str]]] = {}  # ruleset -> what it holds
        self.heads = Heads()
        self._tell("(sort Term)\n(relation root (i64 Term))")
        self._load(graph)

    def _tell(self, text: str) -> Any:
        return self._engine.run_program(*self._engine.parse_program(text))

    def _load(self, graph: Graph) -> None:
        lines = []
        order = graph.order()
        for node in order:
            number = self.heads.number(head_of(graph, node))
            operands = [f"$g{operand}" for operand in graph.operands(node)]
            lines.append(f"(let $g{node} (n{len(operands)} {' '.join((str(number), *operands))}))")
        lines += [f"(root {node} $g{node})" for node in dict.fromkeys(graph.outputs.values())]
        self._declare_arities()
        self._tell("\n".join(lines))

    def _declare_arities(self) -> None:
        """A constructor for each number of operands that the heads have."""
        for arity in sorted({len(head.operands) for head in self.heads.known} - self._arities):
            self._arities.add(arity)
            self._tell(f"(constructor n{arity} (i64{' Term' * arity}) Term)")

    @property
    def size(self) -> int:
        """The number of nodes."""
        (report,) = self._tell("(print-size)")
        return sum(count for name, count in report.sizes if name != "root")

    def add_rewrites(self, ruleset: int, rewrites: Iterable[tuple[str, str]]) -> None:
        """Add rewrites between terms to a numbered set of them; those that it has already are passed over."""
        fresh = dict.fromkeys(rewrites)
        self._declare_arities()
        if ruleset not in self._rewrites:
            self._rewrites[ruleset] = set()
            self._tell(f"(ruleset r{ruleset})")
        known = self._rewrites[ruleset]
        lines = [f"(rewrite {a} {b} :ruleset r{ruleset})" for a, b in fresh if a != b and (a, b) not in known]
        known.update(fresh)
        if lines:
            self._tell("\n".join(lines))

    def unite(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Tell that closed terms are equal."""
        self._declare_arities()
        if pairs:
            self._tell("\n".join(f"(union {a} {b})" for a, b in pairs))

    def round(self, limit: int) -> Round:
        """Every set of rewrites once, in order. A set that would bring more than `limit` nodes ends it, undone."""
        sets = [number for number, rewrites in sorted(self._rewrites.items()) if rewrites]
        self._tell("(push)")
        changed = False
        for position, number in enumerate(sets):
            updated = self._run(number)
            if self.size > limit:
                self._tell("(pop)")
                again = [self._run(earlier) for earlier in sets[:position]]
                return Round(any(again), True)
            changed |= updated
        return Round(changed, False)

    def _run(self, ruleset: int) -> bool:
        (output,) = self._tell(f"(run r{ruleset} 1)")
        return bool(output.report.updated)

    def snapshot(self) -> Snapshot:
        """What the e-graph holds now."""
        stored = json.loads(self._engine.serialize([]).to_json())["nodes"]
        classes: dict[str, list[Node]] = {}
        roots: dict[int, str] = {}
        for node in stored.values():
            if node["op"] == "root":
                number, target = node["children"]
                roots[int(stored[number]["op"])] = stored[target]["eclass"]
            elif node["op"][0] == "n" and node["children"]:
                head, *operands = node["children"]
                term = Node(int(stored[head]["op"]), tuple([stored[operand]["eclass"] for operand in operands]))
                classes.setdefault(node["eclass"], []).append(term)
        return Snapshot(classes, roots)


def head_of(graph: Graph, node: int) -> Head:
    """The head of a node; inputs, and values that are held, are each one of a kind."""
    op = graph.op(node)
    types = tuple([graph.type(operand) for operand in graph.operands(node)])
    tag = node if op is input_ or "hold" in op.traits else -1
    return Head(op, graph.attributes(node), graph.type(node), types, tag)
