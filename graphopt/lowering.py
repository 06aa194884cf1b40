"""The stages of compiling, without a compiler: expressions to an optimized graph, a schedule and text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphopt.dimensions import DimLike
from graphopt.errors import InvalidArgument
from graphopt.frontend.declare import declare
from graphopt.graph.checks import BOUNDS, leave_out
from graphopt.graph.graph import Graph
from graphopt.notebook import Listing, Source
from graphopt.options import Options
from graphopt.rewrite.log import Log
from graphopt.rewrite.pipeline import NAMED, Pipeline
from graphopt.schedule.program import Program
from graphopt.schedule.schedule import schedule
from graphopt.schedule.steps import leaves

__all__ = ["KernelFacts", "Lowered", "as_pipeline", "c_source", "cuda_source", "lower", "optimize"]

TEXT_TARGETS = ("c", "cuda")
_DEFAULT = Pipeline.named("default")  # loads its passes with the package, as hardly a program does without them


@dataclass(frozen=True)
class KernelFacts:
    """What is known about a kernel without running it: elements loaded and stored, operations, bytes.

    Numbers, or polynomials of the dimensions' names.
    """

    name: str
    form: str
    loads: int
    stores: int
    flops: DimLike
    bytes: DimLike


@dataclass(frozen=True)
class Lowered:
    """The stages of compiling, without a compiler: the optimized graph, the schedule, the text."""

    graph: Graph
    log: Log
    program: Program
    target: str
    options: Options

    @cached_property
    def source(self) -> str:
        """The generated text, which a notebook highlights."""
        if self.target == "c":
            from graphopt.codegen.c import c_source

            return Source(c_source(self.program, templates=self.options.templates).text, "c")
        from graphopt.codegen.cuda import cuda_source

        return Source(cuda_source(self.program, templates=self.options.templates).text, "cuda")

    @property
    def kernels(self) -> list[KernelFacts]:
        """The kernels, matrix products and host calls, in order of execution, those of both branches; a table."""
        facts: Listing[KernelFacts] = Listing()
        for step in leaves(self.program.steps):
            form = getattr(step, "form", "product")
            facts.append(
                KernelFacts(step.name, form, len(step.reads), len(step.writes), step.flops, self.program.bytes(step))
            )
        return facts


def optimize(graph: Graph, pipeline: str | Pipeline, options: Options | None = None) -> Log:
    """Run a pipeline, given by name, as text or as an object, over a graph without the checks that options forgo."""
    if options is not None and not options.check_bounds:
        leave_out(graph, lambda name, check: check.kind == BOUNDS)
        graph.prune()
    return as_pipeline(pipeline).run(graph)


def as_pipeline(pipeline: str | Pipeline) -> Pipeline:
    """A pipeline from its name ("default", "fast", "none"), its text, or itself."""
    if isinstance(pipeline, Pipeline):
        return pipeline
    if pipeline == "default":
        return _DEFAULT
    return Pipeline.named(pipeline) if pipeline in NAMED else Pipeline.parse(pipeline)


def lower(
    inputs: Any,
    outputs: Any,
    *,
    target: str = "c",
    pipeline: str | Pipeline = "default",
    name: str = "program",
    types: Mapping[Any, str] | None = None,
    options: Options | None = None,
) -> Lowered:
    """Import, optimize and schedule, without compiling: `.graph`, `.log`, `.program`, `.source`, `.kernels`.

    Parameters are those of `function`; `target` is "c" or "cuda", and neither a compiler nor a device is needed.
    """
    if target not in TEXT_TARGETS:
        raise InvalidArgument(f"target {target!r} has no text; expected one of {', '.join(TEXT_TARGETS)}")
    declared = declare(inputs, outputs, types)
    graph, options = declared.graph(), options or Options()
    log = optimize(graph, pipeline, options)
    return Lowered(graph, log, schedule(graph, name, keep=target == "c"), target, options)


def c_source(inputs: Any, outputs: Any, **arguments: Any) -> str:
    """The C text of expressions; the arguments are those of `lower`. No compiler is needed."""
    return lower(inputs, outputs, target="c", **arguments).source


def cuda_source(inputs: Any, outputs: Any, **arguments: Any) -> str:
    """The CUDA text of expressions; the arguments are those of `lower`. Neither compiler nor device is needed."""
    return lower(inputs, outputs, target="cuda", **arguments).source
