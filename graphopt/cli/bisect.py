"""The command `bisect`: which firing of a pipeline made a formula's values worse."""

from __future__ import annotations

from typing import Annotated

import typer

from graphopt.cli.agreement import Agreement, find_truth, measure, wide_reference
from graphopt.cli.options import Json, PipelineText, Scale, Seed, about_problem
from graphopt.cli.problem import Problem
from graphopt.cli.show import FINDING, say, say_json, tell
from graphopt.graph.graph import Graph
from graphopt.interpret import interpret
from graphopt.lowering import as_pipeline
from graphopt.rewrite.bisection import bisect

__all__ = ["bisect_"]


@about_problem
def bisect_(
    problem: Problem,
    pipeline: PipelineText = "fast",
    worse: Annotated[
        float, typer.Option("--worse", min=0, help="Units of rounding at the largest value that may be lost.")
    ] = 8.0,
    scale: Scale = 1.0,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Find the first firing of a pipeline after which a formula, interpreted, is less accurate than as written."""
    arguments = problem.arguments(scale, seed)
    named = dict(zip(problem.types, arguments, strict=True))
    truth = find_truth(problem, arguments, wide_reference(problem, arguments))
    written = Graph.from_outputs(problem.inputs, {"output": problem.output})

    def error(graph: Graph) -> Agreement:
        return measure(interpret(graph, named)["output"], truth)

    before = error(written)

    def ok(graph: Graph) -> bool:
        after = error(graph)
        lost = 0.0 if after.units is None or before.units is None else after.units - before.units
        return after.wrong <= before.wrong and lost <= worse

    chosen = as_pipeline(pipeline)
    tell("running the pipeline")
    whole = written.copy()
    chosen.run(whole)
    if ok(whole):
        tell("")
        sentence = f"no firing of {pipeline} makes it worse on inputs of standard deviation {scale:g}; {truth.source}"
        if json:
            say_json({"formula": problem.formula, "pipeline": chosen, "found": None})
        else:
            say(sentence)
        return
    found = bisect(chosen, written, ok)
    tell("")
    if json:
        firing = found.firing
        record = {"number": found.number, "of": found.firings, "rule": firing.rule, "pass": firing.step}
        say_json({"formula": problem.formula, "pipeline": chosen, "found": record | {"diff": firing.diff()}})
    else:
        say(str(found))
    raise typer.Exit(FINDING)
