"""`verify_pass`: a pass or a pipeline held to what every pass promises, on drawn programs or on given ones.

What is looked at is a table, `graphopt.testing.pass_properties.PROPERTIES`; by how much values may differ follows from
the claims of the rules that fired (`graphopt.testing.allowance`). Compiled targets see the rewritten programs together,
in one translation unit (`graphopt.testing.pass_targets`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from graphopt.errors import GraphoptError, InvalidArgument
from graphopt.graph import Graph
from graphopt.lowering import as_pipeline
from graphopt.rewrite import Pass, Pipeline, Rule
from graphopt.rewrite.shrinking import reduce
from graphopt.testing import strategies
from graphopt.testing.drawing import drawn, shrunk
from graphopt.testing.pass_cases import Case, Values, Violation, with_further_values
from graphopt.testing.pass_messages import blamed, failure
from graphopt.testing.pass_properties import PROPERTIES
from graphopt.testing.pass_report import PassFailed, PassReport
from graphopt.testing.pass_targets import check_on_target
from graphopt.testing.points import named_point
from graphopt.testing.problems import as_graph

__all__ = ["PassFailed", "PassReport", "verify_pass"]

Array = Any
Drawn = tuple[Graph, Mapping[str, Array]]
COMPILED = ("c", "cuda", "cuda-emulated")
REDUCTIONS = 40
"""How many smaller programs are compiled at most to find a small one that fails on a target."""


def verify_pass(
    steps: Pass | Rule | Pipeline | str,
    programs: Any = None,
    targets: Sequence[str] = ("numpy", "c"),
    *,
    inputs: Mapping[str, Array] | None = None,
    examples: int = 10,
    seed: int = 0,
    idempotent: bool | None = None,
) -> PassReport:
    """Check that a pass or pipeline changes nothing about programs but how they are computed.

    Names, order and types of inputs and outputs; values, also where inputs are NaN, infinite or have no elements;
    derivatives, unstabilized; the same program from run to run, and the same values in whatever order rules and nodes
    are tried; no change to the pass itself, to constants, or to what the program is called with; and, where it is
    claimed, that a second run changes nothing.

    Parameters
    ----------
    steps
        A pass, a rule, a pipeline, its name or its text.
    programs
        A graph, expressions, a compiled function (as it was written), or a strategy of these; None for
        `strategies.graphs()` over float64 and float32.
    targets
        Where the rewritten program is run: "numpy", "c", "cuda", "cuda-emulated". Those other than "numpy" also run
        what the compiler needs after the steps.
    inputs
        An array for each input of the one program that is given; None to draw them.
    examples
        How many programs (or, for one program, sets of values) are drawn.
    seed
        Makes the draw reproducible: example k is the first one of `seed + k`.
    idempotent
        Whether a second run may change nothing; None for what a single pass claims (`Pass.idempotent`). A pipeline of
        several passes claims nothing.

    Returns
    -------
    PassReport
        How much was seen.

    Raises
    ------
    PassFailed
        A `VerificationFailed` that names the pass, the property, the target, the output, the index, both values and the
        program, the smallest that was found, with a text to paste that fails again.
    InvalidArgument
        If a program or target is none.
    CompilerNotFound, TargetUnavailable
        If a target is not here.
    """
    if unknown := [target for target in targets if target not in ("numpy", *COMPILED)]:
        raise InvalidArgument(f"targets are numpy, {', '.join(COMPILED)}; found {', '.join(map(repr, unknown))}")
    if inputs is not None and (programs is None or isinstance(programs, st.SearchStrategy)):
        raise InvalidArgument("inputs are those of one program; give that program")
    pipeline = as_pipeline(steps) if isinstance(steps, str | Pipeline) else Pipeline([steps])
    if idempotent is None:
        idempotent = len(pipeline.steps) == 1 and pipeline.steps[0].idempotent
    drawn = isinstance(programs, st.SearchStrategy | None)
    search = _Search(pipeline, _strategy(programs, inputs), inputs is not None, drawn, idempotent)
    options = {"idempotent": idempotent, "targets": tuple(targets)}
    report = PassReport(str(pipeline))
    cases = [search.tried(seed + k, report, options) for k in range(1 if inputs is not None else examples)]
    for target in targets:
        if target in COMPILED:
            found = check_on_target(cases, target, report)
            if found is not None:
                raise search.on_target(*found, target, options)
    return report


@dataclass(frozen=True)
class _Search:
    """Where cases come from, and how the simplest that fails is found."""

    pipeline: Pipeline
    strategy: st.SearchStrategy[Drawn]
    given: bool
    free: bool
    idempotent: bool

    def case(self, found: Drawn, seed: int) -> Case:
        graph, arrays = found
        values = (Values(arrays, "given"),) if self.given else with_further_values(graph, arrays, seed)
        return Case(self.pipeline, graph, values, seed, self.idempotent)

    def reduced(self, case: Case, bad: Callable[[Case], bool]) -> Case:
        """The smallest program that is bad at the same values, if the program may be another one."""

        def on(graph: Graph) -> Case:
            values = tuple(Values({name: v.arrays[name] for name in graph.inputs}, v.kind) for v in case.values)
            return Case(self.pipeline, graph, values, case.seed, self.idempotent)

        return on(reduce(case.graph, lambda graph: bad(on(graph)))) if self.free else case

    def tried(self, seed: int, report: PassReport, options: Mapping[str, Any]) -> Case:
        """The case of a seed, if it has every property that needs no compiler."""
        case = self.case(drawn(self.strategy, seed), seed)
        report.programs += 1
        for name, check in PROPERTIES.items():
            if _violation(case, check, report) is not None:
                raise self.simplest(seed, name, check, options)
        return case

    def simplest(
        self, seed: int, name: str, check: Callable[[Case, PassReport], None], options: Mapping[str, Any]
    ) -> PassFailed:
        """The failure of one property on the simplest program and values on which it fails."""

        def fails(case: Case) -> bool:
            before = list(PROPERTIES.values())[: list(PROPERTIES).index(name)]
            return all(_violation(case, c) is None for c in before) and _violation(case, check) is not None

        case = self.case(shrunk(self.strategy, seed, lambda found: fails(self.case(found, seed))), seed)
        left = case.graph
        if _violation(case, check) is not None:
            case = self.reduced(case, fails)
        violation = _violation(case, check) or Violation("it failed once and not when it was tried again")
        name = violation.where.pop("property", name)
        step = blamed(case, name, lambda at: check(at, PassReport()))
        return failure(case, violation, name, step, {**options, "targets": ("numpy",)}, left)

    def on_target(self, case: Case, violation: Violation, target: str, options: Mapping[str, Any]) -> PassFailed:
        """The failure on a compiled target, on a smaller program if the program may be another one."""
        left, whole = REDUCTIONS, case.graph

        def fails(at: Case) -> bool:
            nonlocal left
            left -= 1
            return left >= 0 and check_on_target([at], target, PassReport()) is not None

        if self.free:
            found = check_on_target([self.reduced(case, fails)], target, PassReport())
            case, violation = found or (case, violation)

        def check(at: Case) -> None:
            found = check_on_target([at], target, PassReport())
            if found is not None:
                raise found[1]

        name, as_written = violation.where.pop("property", "values"), violation.where.pop("as_written", False)
        step = str(self.pipeline) if as_written else blamed(case, name, check)
        return failure(case, violation, name, step, {**options, "targets": (target,)}, whole)


def _violation(
    case: Case, check: Callable[[Case, PassReport], None], report: PassReport | None = None
) -> Violation | None:
    try:
        check(case, report or PassReport())
    except Violation as violation:
        return violation
    except GraphoptError as error:  # of another run, or of the derivative
        return Violation(f"{type(error).__name__}: {error}")
    return None


def _strategy(programs: Any, inputs: Mapping[str, Array] | None) -> st.SearchStrategy[Drawn]:
    """Programs with arrays for their inputs."""
    if programs is None:
        programs = strategies.graphs(dtypes=("float64", "float32"))
    if not isinstance(programs, st.SearchStrategy):
        graph = as_graph(programs)
        if inputs is not None:
            named = named_point(inputs, list(graph.inputs))
            types = {name: graph.type(node) for name, node in graph.inputs.items()}
            return st.just((graph, {name: np.asarray(value, types[name].dtype) for name, value in named.items()}))
        programs = st.just(graph)
    made: st.SearchStrategy[Graph] = programs.map(as_graph)
    return made.flatmap(lambda graph: st.tuples(st.just(graph), strategies.inputs_for(graph)))
