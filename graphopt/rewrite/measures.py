"""Measures: what a rule makes less of, so that rewriting comes to an end.

A measure is a linear polynomial interpretation over the natural numbers (Z. Manna, S. Ness, "On the termination of
Markov algorithms", 1970; D. S. Lankford, "On proving term rewriting systems are Noetherian", 1979): an op applied to
x, y, … is worth `weight + factor₀·x + factor₁·y + …`. Both sides of a rewrite are then linear in what stands at their
leaves, and the left side is worth more *whatever stands there* if no leaf counts for more on the right and the rest
comes to less. As every factor is at least 1, a program is worth less as soon as one part of it is.

A program is read as the tree it unfolds to: what is used twice counts twice. Counting shared parts once would be no
measure, for what a rewrite takes away stays where somebody else uses it. Trees are safe: a rewrite of a shared node is
a few rewrites of the tree, so a graph comes to an end where its tree does (D. Plump, "Term graph rewriting", in the
Handbook of Graph Grammars, vol. 2, 1999), and merging equal nodes changes no measure.

The measures that the toolkit's own rules decrease are in `graphopt.rewrite.standard_measures`; an order of measures
for a whole set of rules is found by `graphopt.rewrite.termination`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from graphopt.graph.build import topological
from graphopt.graph.graph import Graph
from graphopt.graph.handle import Handle
from graphopt.ops.leaves import constant, input_
from graphopt.variable import Variable

if TYPE_CHECKING:
    from graphopt.rewrite.match import Match
    from graphopt.rewrite.rules import Rule

__all__ = ["Change", "Measure", "Value", "change", "decreasing", "leaves_of", "operands_of", "program_value"]

Change = Literal["less", "no more", "more"]
"""What a rewrite does to a measure, whatever stands at the leaves; "more" if it may be so for some leaves."""

LOOK = 1000
"""How many nodes are read in search of what a rule that is code has built its replacement on."""

Leaf = Callable[[Variable], Hashable | None]
"""What a part is called if it is a leaf; None if its op and operands are to be looked at."""


def _once(part: Variable, position: int) -> int:
    return 1


@dataclass(frozen=True, eq=False)
class Measure:
    """A linear interpretation of ops over the natural numbers.

    Parameters
    ----------
    name
        A word or two, for reports.
    meaning
        What is counted, in a line.
    weight
        What an application adds: a function of the part to a number of at least 0. It may look at op, attributes,
        type, and the operands' types, all of which a rewrite of an operand leaves alone; never at the operands' ops.
    factor
        How often an operand counts: a function of the part and the operand's position to a number of at least 1.
    least
        What everything but a constant is worth at least. `weight` and `factor` must see to it.
    """

    name: str
    meaning: str
    weight: Callable[[Variable], int]
    factor: Callable[[Variable, int], int] = _once
    least: int = 0

    def __call__(self, root: Variable, leaf: Leaf) -> Value:
        """What an expression, or what lies below a node, is worth in terms of its leaves. Linear in its parts.

        Parameters
        ----------
        root
            A variable, or a handle to read on in its graph.
        leaf
            Says which parts are leaves. Constants never are: they are worth their weight.
        """
        parts = _unfolded(root, leaf)
        times = dict.fromkeys(parts, 0)  # how often a part occurs in the tree, by factors of what stands above it
        times[_key(root)] = 1
        number, leaves = 0, dict[Hashable, int]()
        for key, part in reversed(parts.items()):
            if (name := _leaf(part, leaf)) is not None:
                leaves[name] = leaves.get(name, 0) + times[key]
                continue
            number += times[key] * self.weight(part)
            for position, operand in enumerate(operands_of(part)):
                times[_key(operand)] += times[key] * self.factor(part, position)
        return Value(number, leaves, self.least)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<measure {self.name}>"


@dataclass(frozen=True)
class Value:
    """A number and so many times each leaf; each leaf is worth at least `least`."""

    number: int
    leaves: Mapping[Hashable, int] = field(default_factory=dict)
    least: int = 0

    def to(self, after: Value) -> Change:
        """What going from this value to another one does."""
        differences = [self.leaves.get(leaf, 0) - after.leaves.get(leaf, 0) for leaf in {**self.leaves, **after.leaves}]
        smallest = self.number - after.number + self.least * sum(differences)
        if min(differences, default=0) < 0 or smallest < 0:
            return "more"
        return "less" if smallest else "no more"

    def __str__(self) -> str:
        terms = [
            f"{times if times != 1 else ''}{'·' if times != 1 else ''}{leaf}" for leaf, times in self.leaves.items()
        ]
        return " + ".join([str(self.number), *terms])


def change(measures: tuple[Measure, ...], before: Variable, after: Variable, leaf: Leaf) -> tuple[Change, Measure]:
    """What a rewrite does to measures compared lexicographically, and which of them decides.

    The first that does not stay at most the same decides; if none does, the last one, by "no more".
    """
    for measure in measures:
        found = measure(before, leaf).to(measure(after, leaf))
        if found != "no more":
            return found, measure
    return "no more", measures[-1]


def program_value(measure: Measure, graph: Graph) -> Value:
    """What the first output of a program is worth in terms of the program's inputs."""
    root = graph.handle(next(iter(graph.outputs.values())))
    return measure(root, lambda part: part.name if part.op is input_ else None)


def leaves_of(found: Match, expression: Variable) -> Leaf:
    """What counts as a leaf where a match is replaced: the nodes below those that the pattern matched.

    A rule whose right side is code may have looked further down. Then the leaves lie below what it looked at.
    """
    graph, inside = found.graph, set(found.nodes)
    wanted = {part.node for part in topological([expression]) if isinstance(part, Handle)}
    below = [operand for node in found.nodes for operand in graph.operands(node) if operand not in inside]
    while below and len(inside) < LOOK and not wanted <= inside.union(below):
        inside.update(below)
        below = [operand for node in below for operand in graph.operands(node) if operand not in inside]
    # In expand_dims(x) + x both are operands: the rule has looked through the one to find the other.
    inside.update(node for node in below if node not in wanted and not wanted.isdisjoint(graph.operands(node)))

    def leaf(part: Variable) -> Hashable | None:
        if not isinstance(part, Handle) or part.node in inside:
            return None
        return part.name or f"node {part.node}"

    return leaf


def decreasing(measure: Measure | tuple[Measure, ...], *rules: Rule) -> tuple[Rule, ...]:
    """Rules with the measure that each of them decreases: for tables of rules that have one in common."""
    return tuple(replace(rule, measure=measure) for rule in rules)


def operands_of(part: Variable) -> tuple[Variable, ...]:
    """The operands of an expression or of the node of a handle."""
    return part.inputs if isinstance(part, Handle) else part.operands


def _leaf(part: Variable, leaf: Leaf) -> Hashable | None:
    return None if part.op is constant else leaf(part)


def _key(part: Variable) -> Hashable:
    return ("node", part.node) if isinstance(part, Handle) else part


def _unfolded(root: Variable, leaf: Leaf) -> dict[Hashable, Variable]:
    """All parts down to the leaves by their keys, operands first, without recursion."""
    done: dict[Hashable, Variable] = {}
    stack = [root]
    while stack:
        part = stack[-1]
        waiting = [] if _leaf(part, leaf) is not None else [o for o in operands_of(part) if _key(o) not in done]
        if waiting and _key(part) not in done:
            stack += waiting
        else:
            done.setdefault(_key(part), part)
            stack.pop()
    return done
