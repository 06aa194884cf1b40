"""What pipelines are made of besides passes (`Fix`, a bare rule), and how their steps are run one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from graphopt.analysis.cost import Cost
from graphopt.errors import GraphoptError, InvalidArgument, RewriteFailed
from graphopt.graph.body import Body, bodies
from graphopt.graph.graph import Graph
from graphopt.op import Attributes
from graphopt.rewrite.engine import rewrite, touched
from graphopt.rewrite.log import Firing, Log, PassRecord
from graphopt.rewrite.passes import Context, Pass
from graphopt.rewrite.rules import Rule
from graphopt.variable import Variable

__all__ = ["Event", "Fix", "Hook", "HookRaised", "OneRule", "Run", "as_step"]


@dataclass(frozen=True)
class Fix(Pass):
    """Passes repeated in turn until a round changes nothing."""

    name: ClassVar[str] = "fix"
    passes: tuple[Pass, ...] = ()
    max: int = 20

    def __post_init__(self) -> None:
        object.__setattr__(self, "passes", tuple(as_step(step) for step in self.passes))
        if self.max < 1:
            raise InvalidArgument(f"fix: max is at least 1, found {self.max}")

    def __str__(self) -> str:
        return f"fix{{{','.join(map(str, self.passes))};max={self.max}}}"


@dataclass(frozen=True)
class OneRule(Pass):
    """A bare rule as a step of a pipeline, called after the rule."""

    idempotent: ClassVar[bool] = True
    rule: Rule | None = None

    @property
    def name(self) -> str:  # type: ignore[override]
        """The rule's name."""
        assert self.rule is not None
        return self.rule.name

    def run(self, graph: Graph, context: Context) -> None:
        """Apply the rule until it does not fire."""
        assert self.rule is not None
        rewrite(graph, (self.rule,), context)

    def __str__(self) -> str:
        return self.name


def as_step(step: Any) -> Pass:
    """A pass as it is, a rule as a pass of its own.

    Raises
    ------
    InvalidArgument
        For anything else.
    """
    if isinstance(step, Pass):
        return step
    if isinstance(step, Rule):
        return OneRule(step)
    if isinstance(step, type) and issubclass(step, Pass):
        raise InvalidArgument(f"a pipeline takes passes, not their classes: write {step.__name__}()")
    raise InvalidArgument(f"a pipeline is made of passes and rules, found {step!r}")


@dataclass(frozen=True)
class Event:
    """What a hook is told: a pass is about to run ("before"), a firing is done ("firing"), a pass has run ("after").

    A hook may read the graph, print and copy it; it may not edit it, since a pass is in the middle of its work.
    To step through a pipeline, print `event.firing` and wait. Whatever a hook raises ends the run: the graph is then as
    it was before, and the error arrives as it was raised. To stop after some firings and keep what they did, use
    `limit`.
    """

    when: Literal["before", "firing", "after"]
    step: Pass
    graph: Graph
    log: Log
    firing: Firing | None = None


Hook = Callable[[Event], None]


class HookRaised(BaseException):
    """Carries a hook's error past passes, which would take it for their own; `Pipeline.run` raises what is inside."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@dataclass
class Run:
    """One run of a pipeline's steps over a graph; rolling back is the caller's business.

    A rule pass that ran to its end starts, when an equal one comes again, from what was edited since.
    """

    graph: Graph
    context: Context
    hooks: tuple[Hook, ...]
    verify: bool
    finished: list[tuple[Pass, int]] = field(default_factory=list)
    """Passes, each with the journal's mark when an equal one last ended."""

    def steps(self, steps: Iterable[Pass]) -> None:
        for step in steps:
            if isinstance(step, Fix):
                self.fix(step)
            else:
                self.one(step)

    def fix(self, step: Fix) -> None:
        """Repeat until nothing changes; a state that comes back, or too many rounds, means that passes disagree."""
        for _ in range(step.max):
            mark, firings = self.graph.journal.mark(), len(self.context.log)
            for inner in step.passes:
                if isinstance(inner, Fix):
                    self.fix(inner)
                else:
                    self.one(inner)
            if self.graph.journal.mark() == mark or self.context.exhausted:
                return
        latest = dict.fromkeys(f"{f.step}: {f.rule} at node {f.node}" for f in self.context.log.firings[firings:][-4:])
        listing = "; ".join(latest) or "passes that log no firings"
        raise RewriteFailed(f"{step} still changes the graph after {step.max} rounds; the latest firings: {listing}")

    def one(self, step: Pass) -> None:
        graph, context = self.graph, self.context
        if context.exhausted and not step.mandatory:
            return
        context.step = step.name
        nodes, firings = len(graph), len(context.log)
        allowed = context.remaining
        if step.mandatory:
            context.remaining = None
        self.tell("before", step)
        context.on_firing = (lambda firing: self.tell_firing(step, firing)) if self.hooks else None
        cost = self.cost()
        start = time.perf_counter()
        try:
            if step.inside_branches:
                self.inside(step)
            since = next((mark for done, mark in self.finished if done == step), None)
            context.touched = None if since is None else touched(graph, since)
            step.run(graph, context)
            if self.verify:
                graph.verify()
        except GraphoptError as error:
            if isinstance(error, RewriteFailed) and step.name in str(error):
                raise
            raise RewriteFailed(f"pass {step.name}: {error}") from error
        except Exception as error:  # a stranger's pass may raise anything
            raise RewriteFailed(f"pass {step.name}: {type(error).__name__}: {error}") from error
        milliseconds = 1e3 * (time.perf_counter() - start)
        if step.mandatory:
            context.remaining = allowed
        fired = len(context.log) - firings
        context.log.passes.append(
            PassRecord(step.name, milliseconds, nodes, len(graph), fired, cost_before=cost, cost_after=self.cost())
        )
        self.finished = [pair for pair in self.finished if pair[0] != step] + [(step, graph.journal.mark())]
        self.tell("after", step)

    def inside(self, step: Pass) -> None:
        """Run a pass over the bodies of nodes; a node whose bodies it changed is replaced, in one firing."""
        graph, context = self.graph, self.context
        for node in [node for node in graph.order() if bodies(graph.attributes(node))]:
            changed: dict[str, Body] = {}
            for name, body in bodies(graph.attributes(node)).items():
                twin = body.graph.copy()
                inner = Context(
                    twin, random=context.random, options=context.options, verify=context.verify,
                    remaining=context.remaining,
                )  # fmt: skip
                Run(twin, inner, (), self.verify).one(step)
                if twin.journal.mark() or twin.fusion.groups != body.graph.fusion.groups:
                    twin.journal.clear()
                    changed[name] = Body(twin)
            if changed:
                operands = tuple([graph.handle(operand) for operand in graph.operands(node)])
                attributes = Attributes(graph.attributes(node), **changed)
                new = Variable(graph.type(node), graph.op(node), operands, attributes)
                context.replace(node, new, f"{step.name} in {graph.op(node)}")

    def cost(self) -> Cost | None:
        """The cost of the graph, if the run is profiled."""
        return self.context.cost if self.context.ledger is not None else None

    def tell_firing(self, step: Pass, firing: Firing) -> None:
        try:
            for hook in self.hooks:
                hook(Event("firing", step, self.graph, self.context.log, firing))
        except Exception as error:  # whatever a user's hook raises arrives as it was raised
            raise HookRaised(error) from error

    def tell(self, when: Literal["before", "after"], step: Pass) -> None:
        for hook in self.hooks:
            hook(Event(when, step, self.graph, self.context.log))
