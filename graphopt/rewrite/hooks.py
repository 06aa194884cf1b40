"""Hooks that are ready to use: dump every state, hold every state against values, step through firings.

    pipeline.run(graph, hooks=[Dump("states"), ValueCheck({"x": values})])
    pipeline.run(graph, hooks=[StepThrough()])

A hook is any callable that takes an `Event`. Time needs none: the log has it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphopt.errors import CheckFailed, InvalidArgument
from graphopt.graph.graph import Graph
from graphopt.interpret import interpret
from graphopt.rewrite.steps import Event

__all__ = ["Dump", "StepThrough", "ValueCheck"]

FORMS: Mapping[str, Callable[[Graph], str]] = {"txt": str, "dot": Graph.to_dot}


@dataclass
class Dump:
    """Write the graph to a file before the first pass and after each, numbered: `003-cse.txt`.

    Parameters
    ----------
    folder
        Where; made if it is not there. Files of an earlier run with the same names are replaced.
    form
        "txt", which `Graph.parse` reads, or "dot" for Graphviz.
    firings
        Whether to write the graph after each firing as well: `004-stabilize-log1p.txt`.

    Raises
    ------
    InvalidArgument
        If the form is another.
    """

    folder: str | os.PathLike[str]
    form: str = "txt"
    firings: bool = False
    count: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise InvalidArgument(f"Dump: form is one of {', '.join(FORMS)}; found {self.form!r}")

    def __call__(self, event: Event) -> None:
        if _starts(event):
            self.count = 0
            self._write("start", event.graph)
        elif event.when == "after":
            self._write(event.step.name, event.graph)
        elif event.firing is not None and self.firings:
            self._write(f"{event.step.name}-{event.firing.rule}", event.graph)

    def _write(self, label: str, graph: Graph) -> None:
        words = "".join(c if c.isalnum() or c in "-_" else "-" for c in label)
        path = Path(self.folder) / f"{self.count:03}-{words}.{self.form}"
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        aside.write_text(FORMS[self.form](graph) + "\n", encoding="utf-8")
        aside.replace(path)
        self.count += 1


@dataclass
class ValueCheck:
    """Interpret the graph at some values after every pass, or every firing, and compare with what it gave at first.

    Parameters
    ----------
    arguments
        Arrays by the names of inputs.
    rtol, atol
        How far results may move, relative to their size and absolutely; rewriting rounds differently.
    firings
        Whether to compare after each firing as well, which takes a run of the interpreter each.

    Raises
    ------
    CheckFailed
        From the run, naming pass and rule: the first state whose results differ where the first ones are finite. The
        graph is then as it was before the run.
    """

    arguments: Mapping[str, Any]
    rtol: float = 1e-5
    atol: float = 1e-8
    firings: bool = False
    _expected: Mapping[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, event: Event) -> None:
        if _starts(event):
            self._expected = self._values(event.graph)
        elif event.when == "after" or (event.when == "firing" and self.firings):
            self._compare(event)

    def _values(self, graph: Graph) -> Mapping[str, Any]:
        with np.errstate(all="ignore"):
            return interpret(graph, self.arguments)

    def _compare(self, event: Event) -> None:
        for name, found in self._values(event.graph).items():
            expected = self._expected[name]
            finite = np.isfinite(expected)
            wrong = finite & ~np.isclose(found, expected, rtol=self.rtol, atol=self.atol)
            if wrong.any():
                place = tuple(int(k) for k in np.argwhere(wrong)[0])
                by = event.firing.rule if event.firing is not None else "one of its firings"
                raise CheckFailed(
                    f"pass {event.step.name}: {by} changed output {name} at {place} from {expected[place]} to "
                    f"{found[place]}; graphopt.rewrite.bisect finds the firing"
                )


@dataclass
class StepThrough:
    """Show every firing and wait: Enter goes on, `p` prints the graph, `n` runs to the next pass, `c` to the end.

    Parameters
    ----------
    rules
        Names of rules to stop at; all unless given.
    ask, say
        How to read a line and how to write one.
    """

    rules: tuple[str, ...] = ()
    ask: Callable[[str], str] = input
    say: Callable[[str], None] = print
    _until: str = field(default="", init=False, repr=False)

    def __call__(self, event: Event) -> None:
        if _starts(event) or (event.when == "before" and self._until == "pass"):
            self._until = ""
        firing = event.firing
        if firing is None or self._until or (self.rules and firing.rule not in self.rules):
            return
        self.say(f"[{len(event.log)}] {firing}")
        while (answer := self.ask("Enter, p, n, c: ").strip()) == "p":
            self.say(str(event.graph))
        self._until = {"n": "pass", "c": "end"}.get(answer, "")


def _starts(event: Event) -> bool:
    """Whether a run begins with this event."""
    return event.when == "before" and not event.log.passes
