"""Whether a set of rules comes to an end: an order of measures in which every firing of every rule is a decrease.

If each firing makes less of some measure and no more of those before it, the tuple of measures grows smaller with every
firing, compared lexicographically, and tuples of natural numbers cannot do so for ever. Here this is seen on programs,
not proved: attributes and types are those of the programs, while what stands at their leaves is arbitrary
(`graphopt.rewrite.measures`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from graphopt.graph.graph import Graph
from graphopt.rewrite.measures import Change, Measure, program_value

__all__ = ["Examples", "Termination", "find_order", "unordered"]

Examples = Mapping[str, Sequence[tuple[Graph, Graph]]]
"""By the name of a rule, programs before and after one firing of it."""


@dataclass(frozen=True)
class Termination:
    """What ends a set of rules.

    Attributes
    ----------
    order
        Measures, the one that decides first standing first: every firing seen of a rule that is not left over makes
        less of one of them and no more of those before it.
    left_over
        The other rules by name, each with the reason. Only conditions of their own, or the engine's budget, end them.
    """

    order: tuple[Measure, ...]
    left_over: Mapping[str, str]

    def __str__(self) -> str:
        order = " > ".join(measure.name for measure in self.order) or "no measure"
        by_reason: dict[str, list[str]] = {}
        for rule, reason in self.left_over.items():
            by_reason.setdefault(reason, []).append(rule)
        rest = "; ".join(f"{', '.join(rules)} ({reason})" for reason, rules in by_reason.items())
        return f"{order}; left over: {rest}" if rest else order


def unordered(order: Iterable[Measure], examples: Examples) -> dict[str, str]:
    """The rules of which some firing is no decrease in an order, each with what it does instead."""
    waiting = [(rule, *pair) for rule, pairs in examples.items() for pair in pairs]
    found = {rule: "was seen on no program" for rule, pairs in examples.items() if not pairs}
    for measure in order:
        left = []
        for rule, before, after in waiting:
            did = _change(measure, before, after)
            if did == "more":
                found.setdefault(rule, f"may make more of {measure}")
            elif did == "no more":
                left.append((rule, before, after))
        waiting = left
    for rule, _, _ in waiting:
        found.setdefault(rule, "makes less of nothing")
    return found


def find_order(measures: Iterable[Measure], examples: Examples) -> Termination:
    """An order of measures for a set of rules, found greedily.

    The next measure is one that no firing left makes more of and that some make less of; those are done with. Where
    there is none, the measure is taken against which the fewest rules speak, and they are left over. Linear in the
    number of firings, quadratic in that of measures.

    Parameters
    ----------
    measures
        To choose from; of equally good ones the first is taken.
    examples
        The firings to order.
    """
    candidates = list(dict.fromkeys(measures))
    waiting = {(rule, k): pair for rule, pairs in examples.items() for k, pair in enumerate(pairs)}
    changes = {m: {key: _change(m, *pair) for key, pair in waiting.items()} for m in candidates}
    left_over = {rule: "was seen on no program" for rule, pairs in examples.items() if not pairs}
    order: list[Measure] = []
    while waiting:
        best = min(candidates, key=lambda m: _cost(changes[m], waiting), default=None)
        if best is None or not (done := {key for key in waiting if changes[best][key] == "less"}):
            break
        against = {key[0] for key in waiting if changes[best][key] == "more"}
        left_over |= dict.fromkeys(sorted(against), f"may make more of {best}")
        order.append(best)
        candidates.remove(best)
        waiting = {key: pair for key, pair in waiting.items() if key not in done and key[0] not in against}
    left_over |= {rule: "makes less of nothing" for rule, _ in waiting}
    return Termination(tuple(order), left_over)


def _cost(changes: Mapping[tuple[str, int], Change], waiting: Iterable[tuple[str, int]]) -> tuple[bool, int]:
    """Measures that would be of use first, then by how many rules make more of them."""
    found = [(rule, changes[rule, k]) for rule, k in waiting]
    against = {rule for rule, did in found if did == "more"}
    return not any(did == "less" and rule not in against for rule, did in found), len(against)


def _change(measure: Measure, before: Graph, after: Graph) -> Change:
    return program_value(measure, before).to(program_value(measure, after))
