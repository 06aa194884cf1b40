"""Rewritten programs on compiled targets: many in one translation unit, and each alone where something is wrong.

A compiler takes most of a second for a program and a few hundredths for one more, so cases are compiled together, as
the disjoint union of their graphs. When that fails, or its results are wrong, single programs tell whose fault it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphopt.errors import CompilerNotFound, GraphoptError, TargetUnavailable
from graphopt.graph import Graph
from graphopt.graph.union import is_joinable, label, union
from graphopt.options import Options
from graphopt.rewrite import Pipeline
from graphopt.testing.pass_cases import Case, Reference, Values, Violation, fingerprint
from graphopt.testing.pass_properties import changed_inputs, compare
from graphopt.testing.pass_report import PassReport
from graphopt.variant import Variant

__all__ = ["TOGETHER", "Unit", "check_on_target"]

Array = Any
TOGETHER = 32
"""How many programs are compiled together."""


class Unit:
    """Programs compiled together for one target, after what their passes have left to do: composite ops are expanded.

    Parameters
    ----------
    graphs
        Left as they are. Several have to be joinable.
    target
        "c", "cuda" or "cuda-emulated".
    """

    def __init__(self, graphs: Sequence[Graph], target: str) -> None:
        self.graphs, self.alone = list(graphs), len(graphs) == 1
        joint = graphs[0].copy() if self.alone else union(graphs)
        Pipeline.named("none").run(joint)
        self.variant = Variant(joint, "verified", target, Options(), None)

    def run(self, arguments: Sequence[Mapping[str, Array]]) -> list[dict[str, Array]]:
        """The outputs of each program for its own arguments."""
        if self.alone:
            return [self.variant.run(dict(arguments[0]), None)]
        joint = {label(name, k): array for k, arrays in enumerate(arguments) for name, array in arrays.items()}
        found = self.variant.run(joint, None)
        return [{name: found[label(name, k)] for name in graph.outputs} for k, graph in enumerate(self.graphs)]


def check_on_target(cases: Sequence[Case], target: str, report: PassReport) -> tuple[Case, Violation] | None:
    """The first case whose rewritten program fails, or gives wrong values, on a target; None if there is none.

    Raises
    ------
    CompilerNotFound, TargetUnavailable
        If the target is not there.
    """
    programs: dict[str, list[Case]] = {}
    for case in cases:
        programs.setdefault(fingerprint(case.rewritten.graph), []).append(case)
    together = [same for same in programs.values() if is_joinable(same[0].rewritten.graph)]
    groups = [together[k : k + TOGETHER] for k in range(0, len(together), TOGETHER)]
    groups += [[same] for same in programs.values() if not is_joinable(same[0].rewritten.graph)]
    for group in groups:
        found = _check_together(group, target, report)
        if found is not None:
            return found
        report.targets[target] = report.targets.get(target, 0) + len(group)
    return None


def _check_together(group: Sequence[Sequence[Case]], target: str, report: PassReport) -> tuple[Case, Violation] | None:
    """Programs, each with the cases that have it."""
    calls = [list(_calls(same)) for same in group]
    seen = PassReport()
    try:
        unit = Unit([same[0].rewritten.graph for same in group], target)
        for number in range(max(map(len, calls))):
            chosen = [own[min(number, len(own) - 1)] for own in calls]
            held = [{name: np.array(array) for name, array in values.arrays.items()} for _, values, _ in chosen]
            results = unit.run(held)
            for own, arrays, found in zip(calls, held, results, strict=True):
                if number < len(own):
                    case, values, reference = own[number]
                    changed_inputs(arrays, values, target)
                    compare(case.rewritten.graph, values, reference, found, case.allowance.on(target), target, seen)
    except (CompilerNotFound, TargetUnavailable):
        raise
    except (GraphoptError, Violation, MemoryError) as error:
        if len(group) > 1:
            return next(filter(None, (_check_together([same], target, report) for same in group)), None)
        violation = error if isinstance(error, Violation) else Violation(f"the target {target} fails: {error}")
        violation.where |= {"target": target}
        return _judged(group[0][0], violation, target, report)
    report.points += seen.points
    report.worst = max(report.worst, seen.worst)
    return None


def _judged(case: Case, violation: Violation, target: str, report: PassReport) -> tuple[Case, Violation] | None:
    """The violation, with a word on the program as written; None if the target cannot run that one at all."""
    try:
        unit = Unit([case.graph], target)
        for _, values, reference in _calls([case]):
            (found,) = unit.run([{name: np.array(array) for name, array in values.arrays.items()}])
            compare(case.graph, values, reference, found, case.allowance.on(target), target, PassReport())
    except (GraphoptError, MemoryError):
        report.unrunnable += 1
        return None
    except Violation as error:
        blamed = f"{violation}\nwithout the pass, too: {error}; the target is to blame, or the op's text there"
        return case, Violation(blamed, **violation.where, as_written=True)
    return case, violation


def _calls(cases: Sequence[Case]) -> Iterator[tuple[Case, Values, Reference]]:
    """The sets of values that a target is given: what is special is read in several ways by correct programs."""
    for case in cases:
        for values, reference in zip(case.values, case.references, strict=True):
            if reference is None or values.kind == "special":
                continue
            if values.kind != "edges" or (not case.allowance.units and _is_plain(case.graph)):
                yield case, values, reference


def _is_plain(graph: Graph) -> bool:
    """Whether NaN and infinities have one meaning in every order of evaluation."""
    return all(graph.op(node).traits.isdisjoint({"composite", "contraction", "host"}) for node in graph)
