"""The commands and their options. What they do is elsewhere; what they print is in `report`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from graphopt.bench import Comparison
from graphopt.bench.progress import Progress
from graphopt.cli import ops, report, study
from graphopt.cli.options import (
    Compiler,
    Compilers,
    Debug,
    ExtraFlags,
    Json,
    Output,
    Pipelines,
    PipelineText,
    Scale,
    Sources,
    Targets,
    TemplateFolders,
    ThreadCounts,
    about_problem,
)
from graphopt.cli.problem import Problem
from graphopt.cli.rules import add_commands
from graphopt.cli.show import FINDING, reported, say, say_json
from graphopt.cli.variations import chosen_targets, variations
from graphopt.errors import InvalidArgument
from graphopt.lowering import as_pipeline, lower
from graphopt.options import Options

__all__ = ["app"]

app = typer.Typer(
    help="Formulas to rewritten graphs, C and CUDA: compiled, checked and compared.",
    epilog="Exit codes: 0 done; 1 a finding; 2 wrong usage; 3 nothing could be measured, or no such target here.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

add_commands(app)
ops.add_command(app)


@app.command()
@about_problem
def compare(
    problem: Problem,
    pipeline: Pipelines = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Time budget of the measurement.")] = 3.0,
    cold: Annotated[bool, typer.Option("--cold/--no-cold", help="Time single calls with cold caches too.")] = True,
    ablate: Annotated[bool, typer.Option("--ablate/--no-ablate", help="Also leave out each pass in turn.")] = True,
    scale: Scale = 1.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the inputs and of the order of measurement.")] = 0,
    show_c: Annotated[bool, typer.Option("--show-c", help="Print the generated C.")] = False,
    show_cuda: Annotated[bool, typer.Option("--show-cuda", help="Print the generated CUDA.")] = False,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the ratios into this file.")] = None,
    save: Annotated[Path | None, typer.Option("--save", help="Write the measurement's record into this file.")] = None,
    compiler: Compilers = None,
    threads: ThreadCounts = None,
    flags: ExtraFlags = None,
    templates: TemplateFolders = None,
    source: Sources = None,
    target: Targets = None,
    json: Json = False,
) -> None:
    """Optimize and compile a formula, check it, and time it against NumPy and against itself without each pass.

    Of several --pipeline, --compiler or --threads the first is everyone's; each further one makes a contestant that
    differs in this alone, as do --flags, --templates, --source and --target. CUDA without a GPU, or emulated, has no
    time, but what is known without running: registers, spills, shared memory, occupancy, bytes and operations.
    """
    if not 0 < seconds < float("inf"):
        raise InvalidArgument(f"--seconds is a positive time budget, found {seconds}")
    for path in filter(None, (plot, save)):
        _check_writable(path)
    chosen = pipeline[0] if pipeline else "default"
    options = Options(compiler=compiler[0] if compiler else None, threads=threads[0] if threads else None)
    further = variations(
        pipelines=(pipeline or [])[1:], compilers=(compiler or [])[1:], threads=(threads or [])[1:],
        flags=flags or [], templates=templates or [], sources=source or [], targets=target or [],
    )  # fmt: skip
    with Progress() as progress:
        prepared = study.prepare(
            problem, chosen, scale=scale, seed=seed, options=options, tell=progress, ablate=ablate, further=further
        )
    named = chosen_targets(target or [])
    texts = {"c": prepared.full.source} if show_c or "c" in named else {}
    if show_cuda or "cuda" in named:
        texts["cuda"] = lower(problem.inputs, problem.output, target="cuda", pipeline=chosen).source
    if not json:
        report.show_study(prepared, texts)
    measured = prepared.race(seconds, seed, cold=cold)
    if save is not None:
        measured.to_json(save)
    if plot is not None:
        _draw(measured, plot)
    if json:
        say_json(report.study_record(prepared, measured, texts))
    else:
        report.show_race(prepared, measured)
    if prepared.finding or measured[study.FULL].verdict == "refused":
        raise typer.Exit(FINDING)


@app.command(name="compile")
@about_problem
def compile_(
    problem: Problem,
    pipeline: PipelineText = "default",
    output: Output = None,
    compiler: Compiler = None,
    json: Json = False,
) -> None:
    """Compile a formula to a shared library, and say where it lies and what its kernels are."""
    from graphopt.runtime.compile import compiler_runs
    from graphopt.runtime.native import NativeProgram

    options = Options(compiler=compiler)
    lowered = lower(problem.inputs, problem.output, pipeline=pipeline, options=options)
    runs, start = compiler_runs(), time.perf_counter()
    library = NativeProgram(lowered.program, options).library
    spent, cached = time.perf_counter() - start, compiler_runs() == runs
    files = report.copied(library, output) if output is not None else []
    if json:
        say_json(report.compile_record(problem, lowered, library, spent, cached, files))
    else:
        report.show_compile(lowered, library, spent, cached, files)


@app.command()
@about_problem
def source(
    problem: Problem,
    pipeline: PipelineText = "default",
    target: Annotated[str, typer.Option("--target", "--targets", help="c, cuda, or both: c,cuda.")] = "c",
    json: Json = False,
) -> None:
    """Print the generated C or CUDA; neither a compiler nor a device is needed."""
    targets = list(dict.fromkeys(part.strip() for part in target.split(",")))
    texts = {t: lower(problem.inputs, problem.output, target=t, pipeline=pipeline).source for t in targets}
    if json:
        say_json(
            {"formula": problem.formula, "types": problem.types, "pipeline": as_pipeline(pipeline), "source": texts}
        )
    else:
        report.show_texts(texts, titles=len(texts) > 1)


@app.command()
def passes(json: Json = False, debug: Debug = False) -> None:
    """List the passes with their parameters, and the named pipelines."""
    with reported(debug):
        record = report.passes_record()
        if json:
            say_json(record)
        else:
            report.show_passes(record)


@app.command()
def doctor(json: Json = False, debug: Debug = False) -> None:
    """Look at what compiling and running code needs here: what is found, what is missing, and what to do about it."""
    with reported(debug):
        from graphopt.runtime.doctor import diagnose

        findings = diagnose()
        lacking = report.lacking(findings)
        if json:
            say_json(report.doctor_record(findings))
        else:
            report.show_doctor(findings, lacking)
        if lacking:
            raise typer.Exit(FINDING)


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove every entry.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show where compiled code is kept and how much there is; or remove it."""
    with reported(debug):
        from graphopt.runtime.cache import Cache

        store = Cache()
        removed = store.clear() if clear else None
        entries = store.entries()
        used = sum(entry.size for entry in entries)
        if json:
            record = {"directory": store.directory, "entries": len(entries), "bytes": used, "limit": store.limit}
            say_json(record | ({} if removed is None else {"removed": removed}))
            return
        if removed is not None:
            say(f"removed {removed} {'entry' if removed == 1 else 'entries'}")
        say(f"directory  {store.directory}")
        say(f"entries    {len(entries)}")
        say(f"size       {used / 2**20:.1f} of {store.limit / 2**20:.0f} MiB")


def _check_writable(path: Path) -> None:
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InvalidArgument(f"cannot write {path}: {'it is' if path.is_dir() else 'its place is not'} a directory")


def _draw(measured: Comparison, path: Path) -> None:
    try:
        measured.plot(path)
    except ValueError as error:  # a suffix that stands for no format
        raise InvalidArgument(f"cannot draw {path}: {error}") from None
