"""Faults of a list of rules that no single rule shows: doubles, rules never reached, rules that undo each other.

`termination` says by which measures they come to an end. Nothing here is about values; whether a rule keeps its
promise is for `graphopt.testing.verify_rule`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from graphopt.errors import GraphoptError
from graphopt.graph.body import bodies
from graphopt.graph.graph import Graph
from graphopt.op import Op
from graphopt.rewrite.engine import RuleIndex
from graphopt.rewrite.generality import equal, more_general, substitute
from graphopt.rewrite.lint_corpus import programs
from graphopt.rewrite.match import match
from graphopt.rewrite.pattern import AnyOp, Application, Pattern
from graphopt.rewrite.pipeline import NAMED, Pipeline
from graphopt.rewrite.rules import Rule
from graphopt.rewrite.standard_measures import STANDARD
from graphopt.rewrite.termination import Termination, find_order

__all__ = ["LintFinding", "lint", "overlaps", "termination", "undoing", "unused"]

TRIES = 60
MANY_TRIES = 1000  # where a rule that is seen on no program would be left over
INSTANCES = 6  # programs a rule is tried on
ROADS = (("canonicalize,cse", NAMED["stabilized"], "lower,cse"), (NAMED["fast"],))  # each stage goes on from the last


@dataclass(frozen=True)
class LintFinding:
    """What is wrong with some rules.

    Attributes
    ----------
    kind
        "duplicate", "shadowed", "undoing" or "unused".
    rules
        The names of the rules it is about; the one that stands earlier first.
    sentence
        What was found, for a reader.
    """

    kind: str
    rules: tuple[str, ...]
    sentence: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.sentence}"


def lint(rules: Iterable[Rule], corpus: Iterable[Graph] | None = None) -> list[LintFinding]:
    """Look for faults of rules that are tried in the order in which they are given.

    Parameters
    ----------
    rules
        Such as `Stabilize.rules`.
    corpus
        Graphs on some of which each rule should fire; by default the programs of `graphopt.rewrite.lint_corpus`.
        Each is looked at as it is, in canonical form, stabilized, lowered, and after the pipeline `fast`. An empty
        corpus asks nothing.

    Returns
    -------
    list of LintFinding
        Duplicates (equal patterns up to renaming, or equal names); shadowed rules (an earlier one matches whatever
        they do and asks no more); rules that undo each other or themselves; rules that fire nowhere on the corpus.
    """
    given = tuple(rules)
    return [*overlaps(given), *undoing(given), *unused(given, programs() if corpus is None else corpus)]


def overlaps(rules: Sequence[Rule]) -> list[LintFinding]:
    """Duplicates and shadowed rules.

    A rule is shadowed only by one without a condition and without code, which cannot decline what its pattern matches,
    and whose replacement has the right type on every program drawn for the shadowed rule.
    """
    found: list[LintFinding] = []
    for earlier, later in combinations(rules, 2):
        names = (earlier.name, later.name)
        if earlier.name == later.name:
            found.append(LintFinding("duplicate", names, f"two rules are called {earlier.name}."))
        elif _always(earlier) and more_general(earlier.pattern, later.pattern) is not None:
            if not _takes_over(earlier, later):
                continue
            if more_general(later.pattern, earlier.pattern) is not None and _always(later):
                text = f"{later.name} has the pattern of {earlier.name}, up to the names of variables: {later.pattern}."
                found.append(LintFinding("duplicate", names, text))
            else:
                text = f"{earlier.name} ({earlier.pattern}) fires wherever {later.name} ({later.pattern}) would."
                found.append(LintFinding("shadowed", names, text))
        elif _same_code(earlier, later):
            text = f"{later.name} has the pattern, the condition and the replacement of {earlier.name}."
            found.append(LintFinding("duplicate", names, text))
    return found


def undoing(rules: Sequence[Rule]) -> list[LintFinding]:
    """Rules that undo each other, or themselves: the second gives back the program that the first fired on.

    Seen on programs that `graphopt.testing` draws; without that extra, or where it draws none, on the patterns alone.
    """
    found: list[LintFinding] = []
    seen: set[frozenset[str]] = set()
    needs = [(rule, _ops_of(rule.pattern)) for rule in rules]
    for first in rules:
        drawn = list(_drawn(first))
        present = [{after.op(node) for node in after.order()} for _, after in drawn]
        for second, needed in needs:
            pair = frozenset((first.name, second.name))
            if pair in seen:
                continue
            tried = [graphs for graphs, ops in zip(drawn, present, strict=True) if needed <= ops]
            if any(_gives_back(second, *graphs) for graphs in tried) or (not drawn and _gives_pattern(first, second)):
                seen.add(pair)
                whom = "itself" if first is second else second.name
                text = f"{whom} undoes what {first.name} does" if first is not second else f"{first.name} undoes itself"
                found.append(LintFinding("undoing", tuple(dict.fromkeys((first.name, second.name))), f"{text}."))
    return found


def unused(rules: Sequence[Rule], corpus: Iterable[Graph]) -> list[LintFinding]:
    """Rules that fire on no graph of a corpus, as it is or at any stage between canonical form and lowering."""
    waiting = [(rule, _ops_of(rule.pattern)) for rule in rules]
    count = 0
    for graph in corpus:
        count += 1
        fired: set[str] = set()
        for stage in _stages(graph, fired):
            present = {stage.op(node) for node in stage.order()}
            waiting = [(rule, ops) for rule, ops in waiting if not (ops <= present and _fires(rule, stage))]
        waiting = [(rule, ops) for rule, ops in waiting if rule.name not in fired]
        if not waiting:
            break
    if not count:
        return []
    looked = f"on none of {count} {'program' if count == 1 else 'programs'}"
    return [
        LintFinding("unused", (rule.name,), f"{rule.name} ({rule.pattern}) fires {looked} of the corpus.")
        for rule, _ in waiting
    ]


def termination(rules: Sequence[Rule]) -> Termination:
    """An order of measures that brings rules to an end, and the rules for which there is none.

    Found on programs that `graphopt.testing` draws; without that extra every rule is left over. The measures tried are
    those that the rules state and the standard ones.
    """
    stated = [measure for rule in rules for measure in rule.measures]
    return find_order((*STANDARD, *stated), {rule.name: list(_drawn(rule, MANY_TRIES)) for rule in rules})


# --- what a rule does -------------------------------------------------------------------------------------------------


def _always(rule: Rule) -> bool:
    """Whether a rule has nothing but its pattern to decide by."""
    return rule.where is None and isinstance(rule.replacement, Pattern)


def _same_code(first: Rule, second: Rule) -> bool:
    """Whether two rules differ in nothing but their names."""
    return (
        first.where is second.where
        and first.replacement is second.replacement
        and more_general(first.pattern, second.pattern) is not None
        and more_general(second.pattern, first.pattern) is not None
    )


def _takes_over(earlier: Rule, later: Rule) -> bool:
    """Whether the earlier rule fires on each program drawn for the later one; without any, patterns have decided."""
    return all(_fires(earlier, before) for before, _ in _drawn(later))


def _gives_back(rule: Rule, before: Graph, after: Graph) -> bool:
    if not _matches(rule, after):
        return False
    again = after.copy()
    return _run(rule, again) and str(again) == str(before)


def _gives_pattern(first: Rule, second: Rule) -> bool:
    """The same on patterns: the second matches the first's replacement and makes the first's pattern of it."""
    if not (isinstance(first.replacement, Application) and isinstance(second.replacement, Pattern)):
        return False
    binding = more_general(second.pattern, first.replacement)
    return binding is not None and equal(substitute(second.replacement, binding), first.pattern)


def _fires(rule: Rule, graph: Graph) -> bool:
    return _matches(rule, graph) and _run(rule, graph.copy())


def _matches(rule: Rule, graph: Graph) -> bool:
    """Whether the pattern is there, in the graph or in the body of a node: cheaper than to run the rule on a copy."""
    index = RuleIndex.of((rule,))
    for node in graph.order():
        key = (graph.op(node), *[graph.op(operand) for operand in graph.operands(node)])
        if any(match(pattern, graph, node) for _, patterns in index.candidates(key) for pattern in patterns):
            return True
        if any(_matches(rule, body.graph) for body in bodies(graph.attributes(node)).values()):
            return True
    return False


def _run(rule: Rule, graph: Graph) -> bool:
    """Fire a rule once, in place. A rule that fails has not fired; that it fails is the verifier's to say."""
    try:
        return bool(len(Pipeline([rule]).run(graph, limit=1)))
    except GraphoptError:
        return False


# --- programs ---------------------------------------------------------------------------------------------------------


def _drawn(rule: Rule, tries: int = TRIES) -> Iterator[tuple[Graph, Graph]]:
    """A few programs that a rule fires on, before and after; none without the extra `testing`."""
    make = _maker()
    chance = random.Random(rule.name)
    made = 0
    for attempt in range(tries if make else 0):
        drawn = make(rule, "float64", chance, tame=attempt > tries // 2)
        if drawn is not None:
            yield drawn.before, drawn.after
            made += 1
            if made == INSTANCES:
                return


def _maker() -> Any:
    try:
        from graphopt.testing.instances import instance
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        return None
    return instance


def _stages(graph: Graph, fired: set[str]) -> Iterator[Graph]:
    """A graph as it is and at later stages; `fired` gets the names of the rules that fire on the way there."""
    yield graph
    for road in ROADS:
        later = graph.copy()
        for text in road:
            try:
                log = Pipeline.parse(text).run(later)
            except GraphoptError:  # a graph that a pipeline refuses is looked at as it is
                break
            fired.update(firing.rule for firing in log)
            yield later


def _ops_of(pattern: Pattern) -> set[Op]:
    """The ops that a graph must have for a pattern to match."""
    return {part.op for part in pattern.parts() if isinstance(part, Application) and not isinstance(part, AnyOp)}
