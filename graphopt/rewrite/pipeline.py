"""Pipelines: passes in order, as objects or as text.

    Pipeline.parse("canonicalize,fix{stabilize,cse;max=20},fuse{max=32}")
    Pipeline([Canonicalize(), my_rule, MyPass(k=3)])

A pipeline is a value. Running one rewrites a graph in place and returns the log of what was done; if anything goes
wrong, the graph is as it was.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphopt.errors import InvalidArgument
from graphopt.graph.build import collector_paused
from graphopt.graph.graph import Graph
from graphopt.rewrite.log import Log
from graphopt.rewrite.passes import Context, Pass
from graphopt.rewrite.profiling import Ledger, Stopwatch
from graphopt.rewrite.restoring import Restorable
from graphopt.rewrite.rules import Rule
from graphopt.rewrite.steps import Event, Fix, Hook, HookRaised, OneRule, Run, as_step

__all__ = ["NAMED", "Event", "Fix", "Hook", "OneRule", "Pipeline"]

NAMED: Mapping[str, str] = {
    "default": "canonicalize,cse,fix{stabilize,cse,canonicalize;max=20},lower,cse,constant-folding,branches,"
    "canonicalize,choices,constant-folding,canonicalize,cse,dead-code",
    "fast": "canonicalize,cse,fix{stabilize,fast-math,cse,canonicalize;max=20},lower,cse,constant-folding,branches,"
    "canonicalize,choices,constant-folding,canonicalize,cse,dead-code",
    "stabilized": "canonicalize,cse,fix{stabilize,cse,canonicalize;max=20}",
    "none": "lower",
}
"""The pipelines that have names. Those that end in code are completed by `fuse`."""


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
            from graphopt.rewrite.registry import find_pass

            return pipeline.with_(find_pass("fuse")())
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
        profile: bool = False,
    ) -> Log:
        """Rewrite a graph in place.

        Parameters
        ----------
        graph
            What is rewritten. If anything fails it is as it was before.
        hooks
            Called with an `Event` before each pass, after each firing and after each pass. What a hook raises ends the
            run and arrives as it is.
        limit
            The number of firings after which passes that are not mandatory stop.
        seed
            Shuffles the order in which rules and nodes are tried.
        verify
            Recheck the graph's invariants after each pass, and that each firing makes less of what its rule's measure
            counts. A copy is kept meanwhile, so that the graph comes back even if a pass went behind the door.
        options
            Handed to the passes.
        profile
            Measure each rule's time and what it changed in nodes, operations and bytes, for `Log.table`. The
            firings are the same; the run takes longer.

        Raises
        ------
        RewriteFailed
            Naming the pass, the rule and the node that broke a contract.
        """
        chance = None if seed is None else random.Random(seed)
        context = Context(graph, remaining=limit, random=chance, options=dict(options or {}), verify=verify)
        if profile:
            context.log.profiled = True
            context.ledger, context.stopwatch = Ledger(graph), Stopwatch()
        saved = Restorable(graph, whole=verify)
        try:
            with collector_paused():
                Run(graph, context, tuple(hooks), verify).steps(self.steps)
        except HookRaised as stopped:
            saved.restore()
            raise stopped.error from None
        except BaseException:
            saved.restore()
            raise
        return context.log


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
    """Every pass has what it requires, and nothing that excludes it, at its place; a `fix` is gone through twice."""
    facts: dict[str, str] = {}  # fact -> the pass that established it

    def visit(step: Pass) -> None:
        if isinstance(step, Fix):
            for inner in step.passes * 2:
                visit(inner)
            return
        if missing := step.requires - set(facts):
            listing = ", ".join(sorted(missing))
            raise InvalidArgument(f"pass {step.name} requires {listing}, which no pass before it establishes")
        for fact in sorted(step.excludes & set(facts)):
            raise InvalidArgument(f"pass {step.name} may not run after {facts[fact]}, which makes the graph {fact}")
        facts.update(dict.fromkeys(step.establishes, step.name))

    for step in steps:
        visit(step)
