"""Contestants from one expression: everything that `go.function` can be told may differ from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from graphopt.bench.static import Static
from graphopt.errors import CompilationFailed, CompilerNotFound, InvalidArgument, TargetUnavailable
from graphopt.function import Function
from graphopt.lowering import as_pipeline
from graphopt.make_function import function
from graphopt.options import Options
from graphopt.rewrite.pipeline import Pipeline

__all__ = ["Unbuilt", "vary", "without_each"]

OPTIONS = tuple(field.name for field in fields(Options))
ARGUMENTS = ("target", "pipeline", "mode", "name", "types", "on_unused_input")  # of go.function
STATIC = ("pipeline", "name", "types")  # those that change what is compiled
ABSENT = (CompilerNotFound, CompilationFailed, TargetUnavailable)


class Unbuilt:
    """Stands for a contestant that this machine cannot build; whoever calls it hears why."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, *arguments: object, **by_name: object) -> object:
        raise self.error


def vary(
    inputs: Any, outputs: Any, variations: Mapping[str, Mapping[str, Any]], **common: Any
) -> dict[str, Function | Static | Unbuilt]:
    """Compile the same expressions in several ways.

    Parameters
    ----------
    inputs, outputs
        As for `go.function`.
    variations
        By name, what is particular to a contestant: arguments of `go.function` (`target`, `pipeline`, `mode`, `types`)
        and fields of `go.Options` (`threads`, `compiler`, `flags`, `extra_flags`, `templates`, …) side by side. One may
        also say `source`: a text, or a function of the generated text, which takes its place.
    common
        What they have in common.

    Returns
    -------
    dict
        Contestants for `compare`, by name. Where the compiler is missing or refuses the text, it is one that raises
        the reason, so that it stands in the table, refused. Where there is no GPU for target "cuda", it is one that is
        compiled and not run.

    Raises
    ------
    InvalidArgument
        A setting is neither an argument of `go.function` nor a field of `go.Options`.
    """
    return {name: _build(inputs, outputs, {**common, **particular}) for name, particular in variations.items()}


def without_each(pipeline: str | Pipeline = "default") -> dict[str, dict[str, Any]]:
    """Variations of a pipeline: the whole of it, and the rest without each of its passes."""
    whole = as_pipeline(pipeline)
    names = dict.fromkeys(step.name for step in whole if not step.mandatory)
    return {
        "all passes": {"pipeline": whole},
        **{f"without {name}": {"pipeline": whole.without(name)} for name in names},
    }


def _build(inputs: Any, outputs: Any, settings: Mapping[str, Any]) -> Function | Static | Unbuilt:
    if unknown := sorted(settings.keys() - {*OPTIONS, *ARGUMENTS, "source"}):
        raise InvalidArgument(
            f"{', '.join(unknown)} cannot be varied; known are {', '.join((*ARGUMENTS, *OPTIONS, 'source'))}"
        )
    options = Options(**{key: value for key, value in settings.items() if key in OPTIONS})
    arguments = {key: value for key, value in settings.items() if key in ARGUMENTS}
    source = settings.get("source")
    made: Function | Static
    try:
        made = function(inputs, outputs, options=options, **arguments)
    except TargetUnavailable as error:
        if arguments.get("target") != Static.target:
            return Unbuilt(error)
        known = {key: value for key, value in arguments.items() if key in STATIC}
        made = Static(inputs, outputs, error, options=options, **known)
    except ABSENT as error:
        return Unbuilt(error)
    try:
        return made if source is None else made.with_source(source(made.source) if callable(source) else source)
    except ABSENT as error:
        return Unbuilt(error)
