"""What `graphopt compare` does, without its terminal: contestants are built, held against the truth, and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.bench import Comparison, NothingMeasured, compare, vary
from graphopt.bench.static import Static
from graphopt.bench.validate import EPS_MULTIPLE, Arguments, Tolerance, as_arrays, describe, validate
from graphopt.bench.variations import Unbuilt
from graphopt.cli.agreement import Agreement, Truth, find_truth, measure, wide_reference
from graphopt.cli.as_written import as_written
from graphopt.cli.problem import Problem
from graphopt.errors import CompilationFailed, CompilerNotFound, GraphoptError
from graphopt.function import Function
from graphopt.graph import Graph
from graphopt.lowering import as_pipeline, lower
from graphopt.make_function import function
from graphopt.options import Options
from graphopt.rewrite.pipeline import Pipeline

__all__ = ["FULL", "NUMPY", "PLAIN", "Contestant", "Study", "prepare"]

NUMPY, PLAIN, FULL = "NumPy as written", "no passes", "full pipeline"

Array = NDArray[Any]


@dataclass
class Contestant:
    """One way to compute the formula.

    Attributes
    ----------
    name
        What the table calls it.
    call
        The function to be timed; None if there is none.
    compiled
        The same, if it is a compiled one.
    reason
        Why it could not be built, or what it raised.
    same_as
        The contestant that has the same C, which is neither compiled nor timed again.
    agreement
        How far its result is from the truth.
    """

    name: str
    call: Callable[..., Any] | None = None
    compiled: Function | None = None
    reason: str = ""
    same_as: str = ""
    agreement: Agreement | None = None


@dataclass
class Study:
    """Everything that is known before times are taken.

    Attributes
    ----------
    problem, arguments
        The formula and the arrays it is tried on.
    written
        The graph as it was written.
    contestants
        By name, in the order of the table.
    reference
        The values in float64 that contestants must reproduce in order to be timed.
    truth
        What errors are relative to.
    build_seconds
        How long optimizing and compiling took, or finding the results in the cache.
    notes
        What a reader should know before believing the rest.
    """

    problem: Problem
    arguments: tuple[Array, ...]
    written: Graph
    contestants: dict[str, Contestant]
    reference: Array
    truth: Truth
    build_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def full(self) -> Function:
        """The function that the whole pipeline made."""
        compiled = self.contestants[FULL].compiled
        assert compiled is not None
        return compiled

    @property
    def finding(self) -> str:
        """What is wrong with the full pipeline's result; empty if nothing is."""
        agreement = self.contestants[FULL].agreement
        if agreement is None:
            return f"The {FULL} gave no result: {self.contestants[FULL].reason}."
        if agreement.wrong:
            return f"The {FULL} gives {agreement.wrong} of {agreement.elements} values that are not the true ones."
        if (agreement.units or 0.0) > EPS_MULTIPLE:
            return f"The {FULL} is {agreement.units:.3g} eps from the truth: more than {EPS_MULTIPLE}."
        return ""

    def race(self, seconds: float, seed: int, *, cold: bool) -> Comparison:
        """Time those who compute the right thing.

        Raises
        ------
        NothingMeasured
            If none does.
        """
        runners = {c.name: c.call for c in self.contestants.values() if c.call is not None}
        baseline = self._baseline(runners)
        return compare(
            runners,
            self.arguments,
            baseline,
            reference=self.reference,
            seconds=seconds,
            cold=cold,
            seed=seed,
            progress=None,
        )

    def _baseline(self, runners: Mapping[str, Callable[..., Any]]) -> str:
        """NumPy as written, if it computes the right thing; else the full pipeline, or whoever does."""
        reasons = {}
        shared, expected = Arguments(self.arguments), as_arrays(self.reference)
        for name in dict.fromkeys(name for name in (NUMPY, FULL, *runners) if name in runners):
            reason = validate(runners[name], shared, expected, Tolerance()).reason
            if not reason:
                return name
            reasons[name] = reason
        listing = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise NothingMeasured(f"no contestant computes the formula: {listing}")


def prepare(
    problem: Problem,
    pipeline: str,
    *,
    scale: float,
    seed: int,
    options: Options,
    tell: Callable[[str], None],
    ablate: bool = True,
    further: Mapping[str, Mapping[str, Any]] | None = None,
) -> Study:
    """Build every contestant and hold it against the truth.

    Parameters
    ----------
    problem
        The formula, all of whose sizes are integers.
    pipeline
        The name or the text of the full pipeline.
    scale, seed
        Of the arguments, see `Problem.arguments`.
    options
        Compiler and threads.
    tell
        Called with what is being done, for those who wait.
    ablate
        Whether each pass is left out in turn.
    further
        What is particular to further contestants, by name; see `graphopt.bench.vary`.

    Raises
    ------
    GraphoptError
        If the formula cannot be compiled with the full pipeline.
    """
    arguments = problem.arguments(scale, seed)
    written = Graph.from_outputs(problem.inputs, {"output": problem.output})
    full = as_pipeline(pipeline)
    plans: dict[str, str | Pipeline] = {FULL: full, PLAIN: "none"}
    steps = dict.fromkeys(step.name for step in full if not step.mandatory) if ablate else {}
    plans |= {f"without {step}": full.without(step) for step in steps}
    tell("computing the reference")
    reference = wide_reference(problem, arguments)
    start = time.perf_counter()
    built: dict[str, Contestant] = {}
    seen: dict[str, str] = {}  # generated C -> the contestant that has it
    for name, plan in plans.items():
        tell(f"building {name}")
        built[name] = _build(name, problem, plan, options, seen)
    for name, settings in (further or {}).items():
        tell(f"building {name}")
        built[name] = _vary(name, problem, full, options, settings)
    spent = time.perf_counter() - start

    tell("computing the truth")
    truth = find_truth(problem, arguments, reference)
    contestants = {NUMPY: _numpy(written), **{name: each for name, each in built.items() if name != FULL}}
    contestants[FULL] = built[FULL]
    study = Study(problem, arguments, written, contestants, reference, truth, spent)
    for contestant in contestants.values():
        tell(f"checking {contestant.name}")
        _hold_against(contestant, arguments, truth)
    if study.reference.dtype.kind == "f" and (odd := int(np.sum(~np.isfinite(reference)))):
        share = f"{odd} of {reference.size} values are NaN or infinite in truth"
        study.notes.append(f"{share}: look at the inputs' scale, or at the formula's domain.")
    return study


def _build(name: str, problem: Problem, pipeline: str | Pipeline, options: Options, seen: dict[str, str]) -> Contestant:
    """Compile the formula with a pipeline, unless another contestant has the same C already."""
    try:
        text = lower(problem.inputs, problem.output, pipeline=pipeline, options=options).source
        first = seen.setdefault(text, name)
        if first != name:
            return Contestant(name, same_as=first)
        compiled = function(problem.inputs, problem.output, pipeline=pipeline, options=options)
    except (CompilerNotFound, CompilationFailed):
        raise
    except GraphoptError as error:
        if name == FULL:
            raise
        return Contestant(name, reason=describe(error))
    return Contestant(name, compiled, compiled)


def _vary(name: str, problem: Problem, full: Pipeline, options: Options, settings: Mapping[str, Any]) -> Contestant:
    """Compile the formula as the full pipeline does, but for the settings."""
    common = {"pipeline": full, "compiler": options.compiler, "threads": options.threads}
    try:
        (found,) = vary(problem.inputs, problem.output, {name: settings}, **common).values()
    except GraphoptError as error:
        return Contestant(name, reason=describe(error))
    if isinstance(found, Unbuilt):
        return Contestant(name, reason=describe(found.error))
    return Contestant(name, found, found if isinstance(found, Function) else None)


def _numpy(written: Graph) -> Contestant:
    try:
        return Contestant(NUMPY, as_written(written, {}))
    except GraphoptError as error:
        return Contestant(NUMPY, reason=describe(error))


def _hold_against(contestant: Contestant, arguments: Sequence[Array], truth: Truth) -> None:
    if contestant.call is None or isinstance(contestant.call, Static):
        return
    try:
        contestant.agreement = measure(np.asarray(contestant.call(*arguments)), truth)
    except Exception as error:  # a contestant is any callable
        contestant.reason = f"raised {describe(error)}"
