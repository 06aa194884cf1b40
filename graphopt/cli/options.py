"""The options that commands share, each written once: what it is called, what it takes, and its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Compiler", "Debug", "Dtype", "Formula", "Json", "Output", "PassName", "PipelineText", "Seed", "Shape",
    "Threads", "Type",
]  # fmt: skip

Formula = Annotated[
    str, typer.Argument(help="Such as 'log(exp(x)/sum(exp(x), axis=1, keepdims=True))'; 's = exp(x); s / s.sum()'.")
]
Shape = Annotated[
    list[str] | None, typer.Option("--shape", help="An input's shape: x=4096x1000, x=nx1000, 'x=[n, 1000]', a=scalar.")
]
Type = Annotated[list[str] | None, typer.Option("--type", help="An input's dtype and shape: 'x=float32[n, 1000]'.")]
Dtype = Annotated[str, typer.Option("--dtype", help="The dtype of inputs given by --shape.")]
PipelineText = Annotated[str, typer.Option("--pipeline", help="A pipeline's name or text; see 'graphopt passes'.")]
Compiler = Annotated[str | None, typer.Option("--compiler", help="gcc, clang or a path; else $CC or the system's.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads a kernel may use; else all cores.")]
Output = Annotated[Path | None, typer.Option("--output", help="Copy the library and its sources here.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn at random.")]
PassName = Annotated[str | None, typer.Option("--pass", help="The rules of this pass only; see 'graphopt passes'.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
