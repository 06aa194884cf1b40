"""What a pass is: a transformation of a whole graph, with parameters, requirements and guarantees.

    @dataclass(frozen=True)
    class MyPass(Pass):
        "What holds after it ran."
        name: ClassVar[str] = "my-pass"
        k: int = 2                      # written my-pass{k=3} in a pipeline's text
        def run(self, graph, context): ...

How passes are put in order and run is in `graphopt.rewrite.pipeline`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from graphopt.analysis.cost import Cost, graph_cost
from graphopt.analysis.facts import Facts
from graphopt.errors import InvalidArgument
from graphopt.graph.graph import Graph
from graphopt.rewrite.log import Firing, Log, Snapshot
from graphopt.rewrite.measures import Measure
from graphopt.rewrite.profiling import Ledger, Stopwatch
from graphopt.rewrite.rules import Rule

__all__ = ["Context", "Pass", "RulePass"]


@dataclass
class Context:
    """What a pipeline hands to a pass.

    Attributes
    ----------
    graph, log
        What is rewritten, and the record of it.
    step
        The name of the pass that runs.
    remaining
        How many more firings are allowed; None for any number.
    random
        Shuffles the order of rules and nodes; None for the stable order.
    touched
        The nodes that were edited since the same pass last ran to its end; None for all.
    options
        The user's, for passes that read some.
    on_firing
        Told each firing once it is done; None where nobody listens.
    ledger
        Measures what each firing changes; None unless the run is profiled.
    verify
        Whether rules are held to the measures that they state.
    stopwatch
        Measures the time of each rule, told by the engine; None unless the run is profiled.
    """

    graph: Graph
    log: Log = field(default_factory=Log)
    step: str = ""
    remaining: int | None = None
    random: random.Random | None = None
    touched: Sequence[int] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    on_firing: Callable[[Firing], None] | None = None
    ledger: Ledger | None = None
    verify: bool = False
    stopwatch: Stopwatch | None = None

    @property
    def cost(self) -> Cost:
        """Operations and bytes of the graph as it is now, each node computed alone. Counted when asked; linear."""
        return graph_cost(self.graph)

    @property
    def facts(self) -> Callable[[int], Facts]:
        """What is known of a node's values: `context.facts(node)`."""
        return self.graph.facts

    @property
    def exhausted(self) -> bool:
        """Whether the allowed number of firings is used up: passes that may be left unfinished stop then."""
        return self.remaining is not None and self.remaining <= 0

    def replace(self, node: int, new: Any, rule: str, *, claim: object = "", matched: Iterable[int] = ()) -> int:
        """Replace a node through the graph's door and log it as a firing of `rule`. Returns the new node."""
        graph = self.graph
        before = tuple([Snapshot.of(graph, n) for n in dict.fromkeys((node, *matched))])
        origins = graph.origins(node)
        if self.ledger is not None:
            self.ledger.settle()  # edits that were no firings belong to no rule
        mark = graph.journal.mark()
        result = graph.replace(node, new)
        added = [entry[1] for entry in graph.journal.since(mark) if entry[0] == "add"]
        after = tuple([Snapshot.of(graph, n) for n in added if n in graph])
        firing = Firing(rule, self.step, node, result, before, after, origins)
        self.log.firings.append(firing)
        record = self.log.record(self.step, rule, claim)
        record.fired += 1
        if self.ledger is not None:
            change = self.ledger.settle()
            record.nodes += change.nodes
            record.flops = record.flops + change.flops
            record.bytes = record.bytes + change.bytes
        if self.remaining is not None:
            self.remaining -= 1
        if self.on_firing is not None:
            self.on_firing(firing)
        return result


@dataclass(frozen=True)
class Pass:
    """Base of all passes: a frozen dataclass whose fields are its parameters, each with a default.

    Attributes
    ----------
    name
        What it is called in a pipeline's text.
    idempotent
        Whether it claims that running it again changes nothing. `graphopt.testing.verify_pass` holds it to that.
    requires
        Facts about the graph that an earlier pass must have established.
    establishes
        Facts that hold after it.
    excludes
        Facts after which it may not run.
    mandatory
        Whether no complete pipeline may lack it.
    inside_branches
        Whether a pipeline runs it over the bodies of conditionals too, before the graph around them.
    """

    name: ClassVar[str] = ""
    idempotent: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset()
    establishes: ClassVar[frozenset[str]] = frozenset()
    excludes: ClassVar[frozenset[str]] = frozenset()
    mandatory: ClassVar[bool] = False
    inside_branches: ClassVar[bool] = True

    def run(self, graph: Graph, context: Context) -> None:
        """Transform the graph through its door."""
        raise NotImplementedError(f"pass {self.name} has no run method")

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Pass:
        """The pass with parameters as a pipeline's text gives them.

        Raises
        ------
        InvalidArgument
            For a parameter that the pass does not have, or a value of another kind than its default.
        """
        known = {f.name: f for f in fields(cls)}
        for key, value in parameters.items():
            if key not in known:
                listing = ", ".join(known) or "none"
                raise InvalidArgument(f"pass {cls.name} has no parameter {key!r}; it has: {listing}")
            kind = type(known[key].default)
            accepted = (float, int) if kind is float else (kind,)
            if kind in (bool, int, float, str) and type(value) not in accepted:
                raise InvalidArgument(f"pass {cls.name}: {key} is of kind {kind.__name__}, found {value!r}")
        return cls(**parameters)

    def __str__(self) -> str:
        """The pass as a pipeline's text writes it: parameters that have their defaults are left out."""
        changed = [
            f"{f.name}={_parameter_text(getattr(self, f.name))}"
            for f in fields(self)
            if getattr(self, f.name) != f.default
        ]
        return f"{self.name}{{{','.join(changed)}}}" if changed else self.name


def _parameter_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class RulePass(Pass):
    """A pass that applies rules until none fires, and so has nothing to do when it runs again.

    Attributes
    ----------
    rules
        In the order in which they are tried.
    order
        The measures by which it comes to an end, the one that decides first standing first: no firing makes more of
        one before it makes less of another (`graphopt.rewrite.termination`). Empty if nothing is said about that.
    """

    idempotent: ClassVar[bool] = True
    rules: ClassVar[Sequence[Rule]] = ()
    order: ClassVar[Sequence[Measure]] = ()

    def run(self, graph: Graph, context: Context) -> None:
        """Apply `rules` everywhere, in the order in which they stand."""
        from graphopt.rewrite.engine import rewrite

        rewrite(graph, self.rules, context)
