"""The options that commands share, each written once: what it is called, what it takes, and its help.

Options that belong together, those that describe a problem, are given to a command all at once by `about_problem`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from graphopt.cli.problem import read_problem
from graphopt.cli.show import reported

__all__ = [
    "Compiler",
    "Compilers",
    "Debug",
    "Dtype",
    "ExtraFlags",
    "Json",
    "Output",
    "PassName",
    "PipelineText",
    "Pipelines",
    "Scale",
    "Seed",
    "Shape",
    "Sources",
    "Targets",
    "TemplateFolders",
    "ThreadCounts",
    "Type",
    "about_problem",
]

Formula = Annotated[
    str, typer.Argument(help="Such as 'log(exp(x)/sum(exp(x), axis=1, keepdims=True))'; 's = exp(x); s / s.sum()'.")
]
Shape = Annotated[
    list[str] | None, typer.Option("--shape", help="An input's shape: x=4096x1000, x=nx1000, 'x=[n, 1000]', a=scalar.")
]
Type = Annotated[list[str] | None, typer.Option("--type", help="An input's dtype and shape: 'x=float32[n, 1000]'.")]
Dtype = Annotated[str, typer.Option("--dtype", help="The dtype of inputs given by --shape.")]
PipelineText = Annotated[str, typer.Option("--pipeline", help="A pipeline's name or text; see 'graphopt passes'.")]
Scale = Annotated[float, typer.Option("--scale", help="Standard deviation of the inputs.")]
Compiler = Annotated[str | None, typer.Option("--compiler", help="gcc, clang or a path; else $CC or the system's.")]
Pipelines = Annotated[
    list[str] | None, typer.Option("--pipeline", help="A pipeline's name or text; see 'graphopt passes'. Repeatable.")
]
Compilers = Annotated[
    list[str] | None, typer.Option("--compiler", help="gcc, clang or a path; else $CC or the system's. Repeatable.")
]
ThreadCounts = Annotated[
    list[int] | None, typer.Option("--threads", min=1, help="Threads a kernel may use; else all cores. Repeatable.")
]
ExtraFlags = Annotated[
    list[str] | None, typer.Option("--flags", help="A contestant with these compiler flags besides. Repeatable.")
]
TemplateFolders = Annotated[
    list[Path] | None, typer.Option("--templates", help="A contestant with this folder laid over ours. Repeatable.")
]
Sources = Annotated[
    list[Path] | None, typer.Option("--source", help="A contestant with the C in this file. Repeatable.")
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target", "--targets", help="Contestants for numpy, cuda, cuda-emulated; 'c,cuda' also prints both texts."
    ),
]
Output = Annotated[Path | None, typer.Option("--output", help="Copy the library and its sources here.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn at random.")]
PassName = Annotated[str | None, typer.Option("--pass", help="The rules of this pass only; see 'graphopt passes'.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def about_problem(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command whose first parameter is a `Problem` the options that describe one, and `--debug`.

    Problems with the problem, and what the command raises, are reported as `graphopt.cli.show.reported` does.
    """

    @functools.wraps(command)
    def run(
        formula: str, shape: list[str] | None, type: list[str] | None, dtype: str, debug: bool, **others: Any
    ) -> None:
        with reported(debug):
            command(read_problem(formula, shape or (), type or (), dtype), **others)

    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    by_name = functools.partial(Parameter, kind=Parameter.KEYWORD_ONLY)
    parameters = [
        by_name("formula", annotation=Formula),
        by_name("shape", annotation=Shape, default=None),
        by_name("type", annotation=Type, default=None),
        by_name("dtype", annotation=Dtype, default="float64"),
        *[parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in own],
        by_name("debug", annotation=Debug, default=False),
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # which typer reads
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}  # Typer reads both
    return run
