"""What each command prints: a record for JSON, and the same for people."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphopt.bench import Comparison
from graphopt.bench.report import seconds
from graphopt.cli.agreement import Agreement
from graphopt.cli.show import grid, heading, say
from graphopt.cli.study import Study
from graphopt.dimensions import DimLike
from graphopt.function import Function
from graphopt.lowering import KernelFacts, Lowered
from graphopt.rewrite.log import Log
from graphopt.rewrite.pipeline import NAMED, Pipeline
from graphopt.rewrite.registry import available_passes

if TYPE_CHECKING:
    from graphopt.cli.problem import Problem
    from graphopt.runtime.compile import Library
    from graphopt.runtime.doctor import Finding

LONGEST = 60  # nodes of a graph that is printed whole
NEEDED = ("C compiler", "BLAS", "cache directory")  # without these nothing runs

# --- compare -----------------------------------------------------------------------------------------------------


def study_record(study: Study, measured: Comparison, texts: Mapping[str, str]) -> dict[str, Any]:
    """Everything `compare` found, without the single samples."""
    full = study.full
    comparison = asdict(measured)
    del comparison["samples"], comparison["cold_samples"]
    return {
        "formula": study.problem.formula,
        "types": study.problem.types,
        "pipeline": str(full.pipeline),
        "nodes": {"written": len(study.written), "optimized": len(full.graph)},
        "graph": str(full.graph),
        "passes": [asdict(record) for record in full.log.passes],
        "rules": _fired(full.log),
        "kernels": kernel_records(full.kernels),
        "agreement": {
            "truth": study.truth.source,
            "contestants": {c.name: c.agreement and asdict(c.agreement) for c in study.contestants.values()},
        },
        "same_code": {c.name: c.same_as for c in study.contestants.values() if c.same_as},
        "not_built": {c.name: c.reason for c in study.contestants.values() if c.reason},
        "build_seconds": study.build_seconds,
        "comparison": comparison,
        "source": dict(texts),
        "finding": study.finding,
        "notes": study.notes,
    }


def show_study(study: Study, texts: Mapping[str, str]) -> None:
    """What is known before times are taken."""
    full = study.full
    say(f"{study.problem.formula}")
    say(", ".join(f"{name}: {type}" for name, type in study.problem.types.items()) + f" → {study.problem.output.type}")
    heading(f"Graph: {len(study.written)} nodes as written, {len(full.graph)} optimized")
    text = str(full.graph).rstrip().splitlines()
    say("\n".join(text if len(text) <= LONGEST else [*text[: LONGEST - 1], f"… {len(text) - LONGEST + 1} lines more"]))
    heading(f"Passes: {full.pipeline}")
    rows = [(p.step, p.nodes_before, p.nodes_after, p.firings, f"{p.milliseconds:.1f}") for p in _merged(full.log)]
    grid(("pass", "nodes before", "after", "firings", "ms"), rows, right=("nodes before", "after", "firings", "ms"))
    heading("Rules that fired")
    if fired := _fired(full.log):
        grid(("rule", "pass", "claim", "fired"), [tuple(row.values()) for row in fired], right=("fired",))
    else:
        say("none")
    show_kernels(full)
    heading(f"Agreement with {study.truth.source}")
    grid(
        ("contestant", "largest error", "NaN or infinite, unlike the truth"),
        [(c.name, _error(c.agreement, c.reason, c.same_as), _wrong(c.agreement)) for c in study.contestants.values()],
        right=("largest error",),
    )
    say("Errors are in units of rounding (eps) of the result's dtype at the largest value.")
    show_texts(texts, titles=True)


def show_race(study: Study, measured: Comparison) -> None:
    """The table of times, and what does not stand in it."""
    heading("Times")
    say(measured.table())
    twins: dict[str, list[str]] = {}
    for contestant in study.contestants.values():
        if contestant.same_as:
            twins.setdefault(contestant.same_as, []).append(contestant.name)
        elif contestant.call is None:
            say(f"{contestant.name} could not be built: {contestant.reason}")
    for original, names in twins.items():
        say(f"The same C as '{original}', and so not timed: {', '.join(names)}.")
    for note in filter(None, (study.finding, *study.notes)):
        say(note)
    say(f"All functions were built, or found in the cache, in {seconds(study.build_seconds)}.")


def _merged(log: Log) -> list[Any]:
    """Runs of passes; those of a repeated group that changed nothing are left out but for the first of each."""
    seen: set[str] = set()
    kept = []
    for record in log.passes:
        if record.step not in seen or record.firings or record.nodes_before != record.nodes_after:
            kept.append(record)
        seen.add(record.step)
    return kept


def _fired(log: Log) -> list[dict[str, Any]]:
    records = sorted((r for r in log.rules.values() if r.fired), key=lambda r: (-r.fired, r.step, r.rule))
    return [{"rule": r.rule, "pass": r.step, "claim": r.claim, "fired": r.fired} for r in records]


def _error(agreement: Agreement | None, reason: str, same_as: str) -> str:
    if same_as:
        return f"as {same_as}"
    if agreement is None:
        return reason or "–"
    return "–" if agreement.units is None else f"{agreement.units:.3g} eps"


def _wrong(agreement: Agreement | None) -> str:
    return "" if agreement is None else f"{agreement.wrong} of {agreement.elements}"


# --- kernels and text ----------------------------------------------------------------------------------------------


def kernel_records(kernels: Sequence[KernelFacts]) -> list[dict[str, Any]]:
    """Static facts of kernels: numbers, or texts where sizes are not known."""
    return [{name: _number(value) for name, value in asdict(kernel).items()} for kernel in kernels]


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else str(value)


def show_kernels(compiled: Lowered | Function) -> None:
    """Kernels with what they load, store and compute, and why there are as many."""
    graph, kernels = compiled.graph, compiled.kernels
    heading(f"Kernels: {len(kernels)}")
    rows = [(k.name, k.form, k.loads, k.stores, _count(k.bytes), _count(k.flops)) for k in kernels]
    numbers = ("loads", "stores", "bytes", "operations")
    grid(("kernel", "form", *numbers), rows, right=numbers)
    for node, reason in graph.fusion.reasons.items():
        where = ", ".join(map(str, graph.origins(node)))
        say(f"{graph.op(node)} begins another kernel: {reason}{f' ({where})' if where else ''}")


def _count(value: DimLike) -> str:
    return f"{value:.4g}" if isinstance(value, int) and value >= 10_000 else str(value)


def show_texts(texts: Mapping[str, str], titles: bool) -> None:
    """Generated texts, as they are."""
    for target, text in texts.items():
        if titles:
            heading({"c": "C", "cuda": "CUDA"}.get(target, target))
        say(text)


# --- compile -------------------------------------------------------------------------------------------------------


def copied(library: Library, folder: Path) -> list[Path]:
    """Copies of a library and its sources in a folder, which is made if need be.

    Raises
    ------
    OSError
        If the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    texts = {name: text.encode() for name, text in library.sources.items()}
    for name, data in {library.path.name: library.path.read_bytes(), **texts}.items():
        path = folder / name
        path.write_bytes(data)
        files.append(path)
    return files


def compile_record(
    problem: Problem, lowered: Lowered, library: Library, spent: float, cached: bool, files: Sequence[Path]
) -> dict[str, Any]:
    """Where a compiled formula lies, and what it is."""
    return {
        "formula": problem.formula,
        "types": problem.types,
        "output": problem.output.type,
        "library": library.path,
        "cached": cached,
        "seconds": spent,
        "nodes": len(lowered.graph),
        "kernels": kernel_records(lowered.kernels),
        "files": list(files),
    }


def show_compile(lowered: Lowered, library: Library, spent: float, cached: bool, files: Sequence[Path]) -> None:
    """The same for people."""
    say(f"library  {library.path}")
    say(f"time     {seconds(spent)} ({'found in the cache' if cached else 'compiled'})")
    for path in files:
        say(f"copied   {path}")
    show_kernels(lowered)


# --- passes --------------------------------------------------------------------------------------------------------


def passes_record() -> dict[str, Any]:
    """The passes by name with their parameters, and the named pipelines."""
    passes = [
        {
            "name": name,
            "parameters": {f.name: f.default for f in fields(kind) if f.default is not MISSING},
            "summary": (inspect.getdoc(kind) or "").partition("\n")[0],
            "mandatory": kind.mandatory,
        }
        for name, kind in available_passes().items()
    ]
    return {"passes": passes, "pipelines": {name: str(Pipeline.named(name)) for name in NAMED}}


def show_passes(record: Mapping[str, Any]) -> None:
    """The same for people."""
    rows = [
        (p["name"], ", ".join(f"{k}={v}" for k, v in p["parameters"].items()), p["summary"]) for p in record["passes"]
    ]
    grid(("pass", "parameters", "what it does"), rows)
    heading("Pipelines")
    for name, text in record["pipelines"].items():
        say(f"{name}: {text}")


# --- doctor --------------------------------------------------------------------------------------------------------


def lacking(findings: Sequence[Finding]) -> list[str]:
    """What is needed and not there, or not usable."""
    return [finding.name for finding in findings if finding.name in NEEDED and finding.status != "found"]


def doctor_record(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings, and what of them is needed but lacking."""
    return {"findings": [asdict(finding) for finding in findings], "lacking": lacking(findings)}


def show_doctor(findings: Sequence[Finding], lacking: Sequence[str]) -> None:
    """The same for people."""
    grid(("what", "status", "detail"), [(f.name, f.status, f.detail) for f in findings])
    for finding in findings:
        if finding.advice:
            say(f"\n{finding.name} ({finding.status}): {finding.advice}")
    say()
    say(f"Needed but lacking: {', '.join(lacking)}." if lacking else "Everything that is needed is here.")
