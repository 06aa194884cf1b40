"""What a failed `verify_pass` says: the pass to blame, what it broke, where, and a program that shows it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np

from graphopt.errors import GraphoptError
from graphopt.graph import Graph
from graphopt.graph.text import graph_text
from graphopt.ops import TABLE
from graphopt.rewrite import Pass, Pipeline
from graphopt.rewrite.pipeline import Event
from graphopt.testing.pass_cases import Case, Rewritten, Violation, state
from graphopt.testing.pass_report import PassFailed

__all__ = ["blamed", "failure"]

_NEEDS_RUNS = ("determinism", "idempotence", "shuffled values")
"""What cannot be said of a state in the middle of a run."""


def failure(
    case: Case, violation: Violation, name: str, step: str, options: Mapping[str, Any], drawn: Graph
) -> PassFailed:
    """The error that is raised for a violation of a property, shown on a case made of a program that was drawn."""
    values = violation.where.get("values", case.values[0])
    whole = str(case.pipeline)
    alone = len(case.pipeline.steps) == 1
    whose = (
        f"pass {whole}" if alone else f"pipeline {whole}" if step == whole else f"pass {step} of the pipeline {whole}"
    )
    said = f"{whose} breaks {name!r}: {violation}" if step else str(violation)
    lines = [said, f"inputs ({values.kind}), seed {case.seed}:"]
    lines += [f"    {key}: {_array(value)}" for key, value in values.arrays.items()]
    lines += ["program:", case.text.rstrip()]
    if "rewritten" in vars(case):
        lines += ["rewritten:", graph_text(case.rewritten.graph, origins=False).rstrip()]
    lines += ["to see it again:", _program(case, values.arrays, options)]
    where = {key: value for key, value in violation.where.items() if key != "values"}
    return PassFailed(
        "\n".join(lines), property=name, step=step, seed=case.seed, graph=case.graph, inputs=values.arrays,
        drawn=drawn, **where,
    )  # fmt: skip


def blamed(case: Case, name: str, check: Callable[[Case], object]) -> str:
    """The first pass of the pipeline after which `check` raises `Violation`; the pipeline, if that is none alone.

    Nobody, where the program fails as it is written.
    """
    steps, whole = case.pipeline.steps, str(case.pipeline)
    if name == "program":
        return ""
    if len(list(case.pipeline)) < 2 or name in _NEEDS_RUNS:
        return steps[0].name if len(steps) == 1 else whole
    states: list[tuple[str, Graph]] = []
    reached = changing = ""
    before = state(case.pipeline, case.graph)

    def remember(event: Event) -> None:
        nonlocal reached, changing
        if event.when == "before":
            reached = event.step.name
        elif event.when == "after":
            states.append((event.step.name, event.graph.copy()))
            if not changing and state(case.pipeline, case.graph) != before:
                changing = event.step.name

    try:
        log = case.pipeline.run(case.graph.copy(), hooks=[remember], verify=True)
    except GraphoptError:
        return reached or whole
    if name == "no mutation":
        return changing or whole
    for step, graph in states:
        at = copy(case)
        vars(at)["rewritten"] = vars(at)["unlowered"] = Rewritten(graph, log)
        try:
            check(at)
        except Violation:
            return step
        except GraphoptError:
            continue
    return whole


def _program(case: Case, arrays: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """A text to be pasted into a file and run."""
    importing, steps = _steps(case.pipeline)
    from_ops = sorted({case.graph.op(node).name for node in case.graph} - set(TABLE))
    values = "".join(f"    {name!r}: {_array(value)},\n" for name, value in arrays.items())
    chosen = "".join(f", {key}={value!r}" for key, value in options.items())
    return "\n".join([
        "import numpy as np", "from numpy import inf, nan", "from graphopt import Graph",
        "from graphopt.testing import verify_pass", *importing,
        *([f"# and the modules that define {', '.join(from_ops)}"] if from_ops else []), "",
        f"graph = Graph.parse('''\n{case.text}''')",
        f"verify_pass({steps}, graph, inputs={{\n{values}}}, seed={case.seed}{chosen})",
    ])  # fmt: skip


def _steps(pipeline: Pipeline) -> tuple[Sequence[str], str]:
    """Imports, and the pipeline as an expression: its text where that can be read back."""
    try:
        if Pipeline.parse(str(pipeline)) == pipeline:
            return [], repr(str(pipeline))
    except GraphoptError:
        pass
    importing, parts = [], []
    for step in pipeline.steps:
        kind = type(step)
        if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__ or not _is_readable(step):
            importing.append(f"# with {kind.__qualname__} = {step}, as it was given")
            parts.append(kind.__qualname__.rpartition(".")[2])
        else:
            importing.append(f"from {kind.__module__} import {kind.__qualname__}")
            parts.append(repr(step))
    text = parts[0] if len(parts) == 1 else f"Pipeline([{', '.join(parts)}])"
    return ([*importing, "from graphopt import Pipeline"] if len(parts) > 1 else importing), text


def _is_readable(step: Pass) -> bool:
    """Whether the text of a pass is an expression: a rule is none."""
    return all(isinstance(value, bool | int | float | str) for value in vars(step).values())


def _array(value: Any) -> str:
    array = np.asarray(value)
    text = f"np.array({array.tolist()!r}, {str(array.dtype)!r})"
    return text if array.size else f"{text}.reshape({array.shape})"
