"""Pipelines: passes in order, as objects or as text.

    Pipeline.parse("canonicalize,fix{stabilize,cse;max=20},fuse{max=32}")
    Pipeline([Canonicalize(), my_rule, MyPass(k=3)])

A pipeline is a value. Running one rewrites a graph in place and returns the log of what was done; if anything goes
wrong, the graph is as it was.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from graphopt.errors import GraphoptError, InvalidArgument, RewriteFailed
from graphopt.graph.build import collector_paused
from graphopt.graph.graph import Graph
from graphopt.rewrite.engine import rewrite, touched
from graphopt.rewrite.log import Log, PassRecord
from graphopt.rewrite.passes import Context, Pass
from graphopt.rewrite.rules import Rule

__all__ = ["NAMED", "Event", "Fix", "Hook", "OneRule", "Pipeline"]

NAMED: Mapping[str, str] = {
    "default": "canonicalize,cse,fix{stabilize,cse,canonicalize;max=20},lower,cse,constant-folding,canonicalize,cse,"
    "dead-code",
    "fast": "canonicalize,cse,fix{stabilize,fast-math,cse,canonicalize;max=20},lower,cse,constant-folding,canonicalize,"
    "cse,dead-code",
    "stabilized": "canonicalize,cse,fix{stabilize,cse,canonicalize;max=20}",
    "none": "lower",
}
"""The pipelines that have names. Those that end in code are completed by `fuse`."""


@dataclass(frozen=True)
class Event:
    """What a hook is told: a pass is about to run, or has run."""

    when: Literal["before", "after"]
    step: Pass
    graph: Graph
    log: Log


Hook = Callable[[Event], None]


@dataclass(frozen=True)
class Fix(Pass):
    """Passes repeated in turn until a round changes nothing.

    A rule pass that ran to its end starts, the next time, from what was edited since.
    """

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


class Pipeline:
    """Passes in order.

    Parameters
    ----------
    steps
        Passes, rules and `Fix`es.

    Raises
    ------
    InvalidArgument
        If a pass stands where its contract forbids it.
    """

    def __init__(self, steps: Iterable[Pass | Rule] = ()) -> None:
        self.steps: tuple[Pass, ...] = tuple(as_step(step) for step in steps)
        _check_contracts(self.steps)

    # --- making ------------------------------------------------------------------------------------------------
    @staticmethod
    def parse(text: str) -> Pipeline:
        """The pipeline a text describes; `str()` gives the text back.

        Raises
        ------
        InvalidArgument
            Pointing at what cannot be read, or naming an unknown pass or parameter.
        """
        from graphopt.rewrite.pipeline_text import parse_steps

        return Pipeline(parse_steps(text))

    @staticmethod
    def named(name: str) -> Pipeline:
        """One of the pipelines that have names: "default", "fast", "stabilized", "none".

        Raises
        ------
        InvalidArgument
            If there is none of that name.
        """
        if name not in NAMED:
            raise InvalidArgument(f"there is no pipeline called {name!r}; there are: {', '.join(NAMED)}")
        pipeline = Pipeline.parse(NAMED[name])
        if name in ("default", "fast"):
            from graphopt.rewrite.registry import available_passes

            if "fuse" in available_passes():
                return pipeline.with_(available_passes()["fuse"]())
        return pipeline

    def with_(self, step: Pass | Rule, *, after: str | None = None, before: str | None = None) -> Pipeline:
        """The pipeline with one more step: after or before the first pass of a name, inside a `fix` too; or last.

        Raises
        ------
        InvalidArgument
            If no pass has that name.
        """
        anchor = after or before
        new = as_step(step)
        if anchor is None:
            return Pipeline((*self.steps, new))
        steps, found = _insert(self.steps, new, anchor, after is not None)
        if not found:
            raise InvalidArgument(f"the pipeline has no pass called {anchor!r}: {self}")
        return Pipeline(steps)

    def without(self, name: str) -> Pipeline:
        """The pipeline with every pass of a name left out.

        Raises
        ------
        InvalidArgument
            If no pass has that name, or it is mandatory.
        """
        found = [step for step in self if step.name == name]
        if not found:
            raise InvalidArgument(f"the pipeline has no pass called {name!r}: {self}")
        if any(step.mandatory for step in found):
            raise InvalidArgument(f"pass {name} is mandatory: without it there is no code to generate")
        return Pipeline(_remove(self.steps, name))

    # --- looking -----------------------------------------------------------------------------------------------
    def __iter__(self) -> Iterator[Pass]:
        """The passes in order; those inside a `fix` once each."""
        yield from _flat(self.steps)

    def __str__(self) -> str:
        return ",".join(map(str, self.steps))

    def __repr__(self) -> str:
        return f"Pipeline.parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pipeline) and self.steps == other.steps

    def __hash__(self) -> int:
        return hash(self.steps)

    # --- running -----------------------------------------------------------------------------------------------
    def run(
        self,
        graph: Graph,
        hooks: Iterable[Hook] = (),
        limit: int | None = None,
        seed: int | None = None,
        verify: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> Log:
        """Rewrite a graph in place.

        Parameters
        ----------
        graph
            What is rewritten. If anything fails it is as it was before.
        hooks
            Called with an `Event` before and after each pass.
        limit
            The number of firings after which passes that are not mandatory stop.
        seed
            Shuffles the order in which rules and nodes are tried.
        verify
            Recheck the graph's invariants after each pass.
        options
            Handed to the passes.

        Raises
        ------
        RewriteFailed
            Naming the pass, the rule and the node that broke a contract.
        """
        chance = None if seed is None else random.Random(seed)
        context = Context(graph, remaining=limit, random=chance, options=dict(options or {}))
        mark, groups = graph.journal.mark(), graph.fusion.groups
        try:
            with collector_paused():
                _Run(graph, context, tuple(hooks), verify).steps(self.steps)
        except BaseException:
            graph.journal.rollback(mark)
            graph.fusion.clear()
            for group in groups:
                graph.fusion.group(group)
            raise
        return context.log


@dataclass
class _Run:
    graph: Graph
    context: Context
    hooks: tuple[Hook, ...]
    verify: bool
    finished: dict[int, int] = field(default_factory=dict)  # pass of a fix -> the journal's mark when it last ended

    def steps(self, steps: Iterable[Pass]) -> None:
        for step in steps:
            if isinstance(step, Fix):
                self.fix(step)
            else:
                self.one(step, None)

    def fix(self, step: Fix) -> None:
        """Repeat until nothing changes; a state that comes back, or too many rounds, means that passes disagree."""
        self.finished = {}
        for _ in range(step.max):
            mark, firings = self.graph.journal.mark(), len(self.context.log)
            for inner in step.passes:
                if isinstance(inner, Fix):
                    self.fix(inner)
                    self.finished = {}
                else:
                    self.one(inner, self.finished.get(id(inner)))
                    self.finished[id(inner)] = self.graph.journal.mark()
            if self.graph.journal.mark() == mark or self.context.exhausted:
                return
        latest = dict.fromkeys(f"{f.step}: {f.rule} at node {f.node}" for f in self.context.log.firings[firings:][-4:])
        listing = "; ".join(latest) or "passes that log no firings"
        raise RewriteFailed(f"{step} still changes the graph after {step.max} rounds; the latest firings: {listing}")

    def one(self, step: Pass, since: int | None) -> None:
        graph, context = self.graph, self.context
        if context.exhausted and not step.mandatory:
            return
        context.step = step.name
        context.touched = None if since is None else touched(graph, since)
        nodes, firings = len(graph), len(context.log)
        allowed = context.remaining
        if step.mandatory:
            context.remaining = None
        self.tell("before", step)
        start = time.perf_counter()
        try:
            step.run(graph, context)
            if self.verify:
                graph.verify()
        except GraphoptError as error:
            if isinstance(error, RewriteFailed) and step.name in str(error):
                raise
            raise RewriteFailed(f"pass {step.name}: {error}") from error
        except Exception as error:
            raise RewriteFailed(f"pass {step.name}: {type(error).__name__}: {error}") from error
        milliseconds = 1e3 * (time.perf_counter() - start)
        if step.mandatory:
            context.remaining = allowed
        context.log.passes.append(PassRecord(step.name, milliseconds, nodes, len(graph), len(context.log) - firings))
        self.tell("after", step)

    def tell(self, when: Literal["before", "after"], step: Pass) -> None:
        for hook in self.hooks:
            hook(Event(when, step, self.graph, self.context.log))


def _flat(steps: Iterable[Pass]) -> Iterator[Pass]:
    for step in steps:
        if isinstance(step, Fix):
            yield from _flat(step.passes)
        else:
            yield step


def _insert(steps: tuple[Pass, ...], new: Pass, anchor: str, after: bool) -> tuple[tuple[Pass, ...], bool]:
    """Steps with a new one beside the first pass called `anchor`, and whether there is one."""
    for position, step in enumerate(steps):
        if isinstance(step, Fix):
            inner, found = _insert(step.passes, new, anchor, after)
            if found:
                return (*steps[:position], Fix(inner, step.max), *steps[position + 1 :]), True
        elif step.name == anchor:
            cut = position + after
            return (*steps[:cut], new, *steps[cut:]), True
    return steps, False


def _remove(steps: tuple[Pass, ...], name: str) -> tuple[Pass, ...]:
    kept: list[Pass] = []
    for step in steps:
        if isinstance(step, Fix):
            if inner := _remove(step.passes, name):
                kept.append(Fix(inner, step.max))
        elif step.name != name:
            kept.append(step)
    return tuple(kept)


def _check_contracts(steps: tuple[Pass, ...]) -> None:
    """Every pass has what it requires, and none of what excludes it, at its place; bodies of `fix` are gone through twice."""
    facts: dict[str, str] = {}  # fact -> the pass that established it

    def visit(step: Pass) -> None:
        if isinstance(step, Fix):
            for inner in step.passes * 2:
                visit(inner)
            return
        if missing := step.requires - set(facts):
            raise InvalidArgument(f"pass {step.name} requires {', '.join(sorted(missing))}, which no pass before it establishes")
        for fact in sorted(step.excludes & set(facts)):
            raise InvalidArgument(f"pass {step.name} may not run after {facts[fact]}, which makes the graph {fact}")
        facts.update(dict.fromkeys(step.establishes, step.name))

    for step in steps:
        visit(step)
