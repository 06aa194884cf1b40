"""The worklist engine: applies rules until none fires.

Nodes wait in a queue, operands before users. At each, the rules that its op and its operands' ops admit are tried in
the order in which they are given; the first that matches, accepts and gives the right type fires. A firing puts back
into the queue what it touched: the nodes it added, and the users whose patterns could see them. There are no sweeps,
so the work is linear in nodes plus firings.

An engine that does not end is stopped three ways: a replacement that comes back at the same place is a cycle, and the
error names the rules that undo each other; a graph that grows past a multiple of its size is an explosion; and so is
a number of firings past another multiple. Under `verify=True` a firing that does not make less of what its rule's
measure counts is an error before it is done.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import itemgetter

from graphopt.errors import GraphoptError, RewriteFailed, ShapeMismatch, TypeMismatch
from graphopt.graph.build import topological
from graphopt.graph.graph import Graph
from graphopt.graph.handle import Handle
from graphopt.op import Op
from graphopt.ops.leaves import constant
from graphopt.rewrite.log import RuleRecord
from graphopt.rewrite.match import Match, match
from graphopt.rewrite.measures import change, leaves_of
from graphopt.rewrite.passes import Context
from graphopt.rewrite.pattern import AnyOp, Application, Literal, Pattern
from graphopt.rewrite.rules import Refusal, Rule
from graphopt.rewrite.through import edges, heads
from graphopt.variable import Variable

__all__ = ["GROWTH", "RuleIndex", "rewrite", "touched"]

GROWTH = 8
"""How many times its size (and a thousand nodes) a graph may grow to in one run."""

FIRINGS = 50
"""How many firings per node (and a thousand) one run may take."""

REPEATS = 3
"""How often the same replacement may come at the same place."""

Candidates = tuple[tuple[Rule, tuple[Pattern, ...]], ...]


def rewrite(graph: Graph, rules: Sequence[Rule], context: Context) -> None:
    """Apply rules until none fires, or the allowed number of firings is used up.

    Raises
    ------
    RewriteFailed
        If a rule raises, or the rules do not come to an end; the caller rolls back.
    """
    _Engine(graph, rules, context).run()


def touched(graph: Graph, mark: int) -> list[int]:
    """The nodes that edits since a mark of the journal may have made matchable."""
    found: dict[int, None] = {}
    for entry in graph.journal.since(mark):
        freed: tuple[int, ...] = ()
        match entry:
            case ("add", node):
                found[node] = None
            case ("operand", node, _, old):
                found[node] = None
                freed = (old,)
            case ("remove", _, data):
                freed = data["operands"]
            case _:
                continue
        for operand in freed:  # it has one user less
            if operand in graph and graph.uses(operand) == 1:
                found.update(dict.fromkeys(graph.users(operand)))
    return sorted(node for node in found if node in graph)


class RuleIndex:
    """Rules by the op of a node and the ops of its operands."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self.depth = max((rule.depth for rule in rules), default=1)
        self._by_ops: dict[tuple[Op, ...], Candidates] = {}
        self.edges: set[tuple[Op, Op]] = set()  # (operand's op, user's op) pairs below the root of some pattern
        self._rooted: dict[Op | None, list[tuple[int, Rule]]] = {}  # by the op of a pattern; None: of any op
        for position, rule in enumerate(rules):
            self.edges.update(edges(rule.pattern))
            root = rule.pattern.op if isinstance(rule.pattern, Application) else None
            self._rooted.setdefault(root, []).append((position, rule))
        self.inner = {op for op, _ in self.edges}

    @staticmethod
    @lru_cache(maxsize=128)
    def of(rules: tuple[Rule, ...]) -> RuleIndex:
        """The index of rules, kept: passes run with the same rules again and again."""
        return RuleIndex(rules)

    def candidates(self, key: tuple[Op, ...]) -> Candidates:
        """The rules that can match an op over such operands (their ops in turn), with the orientations that can."""
        found = self._by_ops.get(key)
        if found is None:
            op, *operand_ops = key
            over = tuple(operand_ops)
            rooted = sorted([*self._rooted.get(op, ()), *self._rooted.get(None, ())], key=itemgetter(0))
            pairs = [(r, tuple(o for o in r.orientations if _admits(o, op, over))) for _, r in rooted]
            found = self._by_ops[key] = tuple(pair for pair in pairs if pair[1])
        return found


def _admits(pattern: Pattern, op: Op, operand_ops: tuple[Op, ...]) -> bool:
    """Whether ops alone allow a match."""
    if isinstance(pattern, AnyOp):
        return pattern.admits(op, operand_ops)
    if not isinstance(pattern, Application) or pattern.op is not op or len(pattern.operands) != len(operand_ops):
        return False
    for part, found in zip(pattern.operands, operand_ops, strict=True):
        allowed = heads(part)
        if allowed is not None and found not in allowed:
            return False
        if isinstance(part, Literal) and found is not constant:
            return False
    return True


class _Engine:
    def __init__(self, graph: Graph, rules: Sequence[Rule], context: Context) -> None:
        self.graph = graph
        self.context = context
        ordered = list(rules)
        if context.random is not None:
            context.random.shuffle(ordered)
        self.index = RuleIndex.of(tuple(ordered))
        self.plans: dict[tuple[Op, ...], list[tuple[Rule, RuleRecord, tuple[Pattern, ...]]]] = {}
        self.queue: list[tuple[float, int]] = []
        self.waiting: set[int] = set()
        self.rank: dict[int, float] = {}
        self.limit = GROWTH * len(graph) + 1000
        self.firings_left = FIRINGS * len(graph) + 1000
        self.history: dict[int, tuple[tuple[int, str], ...]] = {}  # node -> (replacement, rule) at its place, in order
        self.recent: list[str] = []

    def run(self) -> None:
        if self.context.touched is None:
            self._start(self.graph.order())
        else:
            self._start([*self.context.touched, *self._above(self.context.touched)])
        while self.queue and not self.context.exhausted:
            _, node = heapq.heappop(self.queue)
            self.waiting.discard(node)
            if node in self.graph:
                self._visit(node)
                if self.context.stopwatch is not None:
                    self.context.stopwatch.stop()

    def _start(self, nodes: Sequence[int]) -> None:
        shuffle = self.context.random
        for position, node in enumerate(nodes):
            self.rank[node] = position if shuffle is None else shuffle.random()
        self._enqueue(nodes)

    def _enqueue(self, nodes: Iterable[int]) -> None:
        for node in nodes:
            if node not in self.waiting:
                self.waiting.add(node)
                heapq.heappush(self.queue, (self.rank.get(node, node), node))

    def _visit(self, node: int) -> None:
        graph, log, step = self.graph, self.context.log, self.context.step
        stopwatch = self.context.stopwatch
        key = (graph.op(node), *[graph.op(operand) for operand in graph.operands(node)])
        plan = self.plans.get(key)
        if plan is None:
            plan = self.plans[key] = [
                (rule, log.record(step, rule.name, rule.claim), orientations)
                for rule, orientations in self.index.candidates(key)
            ]
        for rule, record, orientations in plan:
            record.tried += 1
            if stopwatch is not None:
                stopwatch.start(record)
            for orientation in orientations:
                found = match(orientation, graph, node)
                if found is None:
                    continue
                record.matched += 1
                if not self._holds(rule, found):
                    record.declined += 1
                    record.reason = "its condition does not hold"
                elif self._fire(rule, found, record):
                    return

    def _fire(self, rule: Rule, found: Match, record: RuleRecord) -> bool:
        """Replace what was matched, unless the rule refuses or its result has another type."""
        graph, node = self.graph, found.node
        expression = self._expression(rule, found)
        if isinstance(expression, Variable) and expression.type != graph.type(node):
            expression = Refusal(f"its result would be {expression.type}, not {graph.type(node)}")
        if isinstance(expression, Refusal):
            record.declined += 1
            record.reason = expression.reason
            return False
        self._remember(rule, node, expression)
        if self.context.verify and rule.measure:
            self._check_measure(rule, found, expression)
        mark = graph.journal.mark()
        try:
            new = self.context.replace(node, expression, rule.name, claim=rule.claim, matched=found.nodes)
        except GraphoptError as error:
            raise RewriteFailed(f"{_place(rule, graph, node)}: {error}") from error
        if new != node and node in self.history:
            self.history[new] = self.history.pop(node)
        self._check_growth(rule, node)
        rank = self.rank.get(node, node)
        for entry in graph.journal.since(mark):
            if entry[0] == "add":
                self.rank[entry[1]] = rank
        changed = touched(graph, mark)
        self._enqueue([*changed, *self._above(changed)])
        return True

    def _holds(self, rule: Rule, found: Match) -> bool:
        try:
            return rule.holds(found)
        except Exception as error:  # a stranger's condition may raise anything
            raise RewriteFailed(f"{_place(rule, self.graph, found.node)}: its condition: {error}") from error

    def _expression(self, rule: Rule, found: Match) -> Variable | Refusal:
        try:
            return rule.expression(found)
        except (TypeMismatch, ShapeMismatch) as error:
            if callable(rule.replacement) and not isinstance(rule.replacement, Pattern):
                raise RewriteFailed(f"{_place(rule, self.graph, found.node)}: {error}") from error
            return Refusal(str(error))
        except Exception as error:  # and so may the code of its right side
            message = f"{_place(rule, self.graph, found.node)}: {type(error).__name__}: {error}"
            raise RewriteFailed(message) from error

    def _above(self, nodes: Iterable[int]) -> list[int]:
        """Users, as many levels up as patterns are deep, along pairs of ops that some pattern has.

        A pair's upper op may be a root that can be of any op (`AnyOp`): such rules look one level down only, and the
        users whose operands changed are in the queue already.
        """
        graph, edges, inner = self.graph, self.index.edges, self.index.inner
        level, found = list(nodes), dict[int, None]()
        for _ in range(self.index.depth - 1):
            users: dict[int, None] = {}
            for node in level:
                op = graph.op(node)
                for user in graph.users(node) if op in inner else ():
                    if user not in found and (op, graph.op(user)) in edges:
                        users[user] = None
            found.update(users)
            level = list(users)
        return list(found)

    # --- coming to an end ----------------------------------------------------------------------------------------
    def _remember(self, rule: Rule, node: int, expression: Variable) -> None:
        """Raise if the same replacement comes again and again at the same place."""
        if isinstance(expression, Handle):
            return
        key = _fingerprint(expression)
        history = self.history.get(node, ())
        before = [position for position, (seen, _) in enumerate(history) if seen == key]
        if len(before) >= REPEATS - 1:
            names = sorted({name for _, name in history[before[-1] + 1 :]} | {rule.name})
            several = len(names) > 1
            what = f"rules {' and '.join(names)} undo each other" if several else f"rule {names[0]} repeats itself"
            raise RewriteFailed(f"pass {self.context.step}: {what} at {_described(self.graph, node)}")
        self.history[node] = (*history[-63:], (key, rule.name))

    def _check_measure(self, rule: Rule, found: Match, expression: Variable) -> None:
        """Raise if a firing would not make less of what its rule says it does."""
        leaf = leaves_of(found, expression)
        did, measure = change(rule.measures, found.root, expression, leaf)
        if did != "less":
            raise RewriteFailed(
                f"rule {rule.name} does not decrease its measure {measure} at {_described(self.graph, found.node)}: "
                f"{measure(found.root, leaf)} before, {measure(expression, leaf)} after"
            )

    def _check_growth(self, rule: Rule, node: int) -> None:
        self.recent.append(rule.name)
        self.firings_left -= 1
        if len(self.graph) <= self.limit and self.firings_left > 0:
            return
        names = ", ".join(f"{name} ({count})" for name, count in Counter(self.recent[-200:]).most_common(3))
        what = (
            f"the graph grew to {len(self.graph)} nodes, beyond {self.limit}"
            if len(self.graph) > self.limit
            else f"{len(self.recent)} firings brought no end"
        )
        raise RewriteFailed(
            f"pass {self.context.step}: {what}; the last rule was {rule.name} at node {node}, the latest: {names}"
        )


def _fingerprint(expression: Variable) -> int:
    """Equal for equal expressions over the same nodes."""
    keys: dict[Variable, int] = {}
    for part in topological([expression]):
        if isinstance(part, Handle):
            keys[part] = hash((part.node,))
        else:
            keys[part] = hash((part.op, part.attributes, tuple([keys[operand] for operand in part.operands])))
    return keys[expression]


def _place(rule: Rule, graph: Graph, node: int) -> str:
    return f"rule {rule.name} failed at {_described(graph, node)}"


def _described(graph: Graph, node: int) -> str:
    if node not in graph:
        return f"node {node}"
    origin = graph.origins(node)
    made = f", made at {origin[0]}" if origin else ""
    return f"node {node} ({graph.op(node).name}: {graph.type(node)}{made})"
