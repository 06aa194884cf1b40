"""From expressions to a compiled function: the whole road behind one call.

What comes out is a `graphopt.function.Function`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from graphopt.errors import InvalidArgument, UnusedInput
from graphopt.frontend.declare import declare
from graphopt.function import Function
from graphopt.graph.graph import Graph
from graphopt.lowering import as_pipeline
from graphopt.modes import STEPPED, Step
from graphopt.options import Options
from graphopt.rewrite.pipeline import Pipeline
from graphopt.targets import TARGETS, is_device_target

__all__ = ["function"]


def function(
    inputs: Any,
    outputs: Any = None,
    updates: Any = None,
    givens: Any = None,
    *,
    target: str = "c",
    pipeline: str | Pipeline = "default",
    mode: str | None = None,
    name: str | None = None,
    on_unused_input: str = "raise",
    allow_input_downcast: bool | None = None,
    types: Mapping[Any, str] | None = None,
    options: Options | None = None,
    on_node: Callable[[Step], object] | None = None,
) -> Function:
    """Compile expressions into a function that is called with arrays.

    Parameters
    ----------
    inputs
        Variables and SymPy symbols, in the order of the call; `go.In(x, value=…)` gives one a default.
    outputs
        One expression, or several in nested lists, tuples and dicts; the function returns an array, or lists and dicts
        of arrays accordingly. A function of undeclared SymPy scalars is a ufunc: arrays of any shape broadcast.
    updates
        `{shared: expression}`, or pairs: what each call puts in the place of shared variables. All expressions see the
        old values, the new ones land together, and a call that fails changes none.
    givens
        `{variable: expression}`, or pairs: what stands for variables in outputs and updates.
    target
        "c"; "numpy", the interpreter; "cuda", an NVIDIA GPU; or "cuda-emulated", the CUDA text run on the CPU.
    pipeline
        "default", "fast", "none", a text such as "canonicalize,cse,fuse", or a `Pipeline`.
    mode
        None; "check": every call is also interpreted as it was written, and compared; "debug": it is interpreted as it
        was written, node by node in Python, where a debugger can stop (`graphopt.modes`); "nan": so, and the first
        node that makes a value that is not finite is an error which names it and the user's line.
    name
        What generated code and messages call the function.
    on_unused_input
        "raise", "warn" or "ignore".
    allow_input_downcast
        Whether arguments may lose precision: None, Python numbers and lists of them alone; True, all; False, none.
    types
        Types of SymPy symbols, `{x: "float32[n]"}`; undeclared ones are float64 scalars.
    options
        Compiler, flags, threads, template folders, the GPU and what to do without one.
    on_node
        For mode "debug": called with the `Step` of every node, in order: `.node`, `.op`, `.operands` and `.result`
        (arrays), `.attributes`, `.name`, `.origin`.

    Raises
    ------
    InvalidArgument, MissingInput, UnusedInput, UnsupportedExpression, TypeMismatch, ShapeMismatch
        If the expressions and inputs do not make a function.
    CompilerNotFound, CompilationFailed
        If there is no compiler or it fails.
    TargetUnavailable
        If the target is "cuda" and there is no GPU, or no driver or compiler for it.
    """
    if target not in TARGETS:
        raise InvalidArgument(f"unknown target {target!r}; expected one of {', '.join(TARGETS)}")
    if mode not in (None, "check", *STEPPED):
        raise InvalidArgument(f"unknown mode {mode!r}; expected None, 'check', 'debug' or 'nan'")
    if on_node is not None and mode != "debug":
        raise InvalidArgument(f"on_node is for mode='debug', which visits nodes one by one; found mode={mode!r}")
    if options is not None and options.device_outputs and not is_device_target(target):
        raise InvalidArgument(f"device_outputs is for targets that run on a device; {target!r} runs on the host")
    label = name or "program"
    if not label.isidentifier() or not label.isascii():
        raise InvalidArgument(f"a function's name must be an ASCII identifier, found {label!r}")
    declared = declare(inputs, outputs, types, updates, givens)
    written = declared.graph()
    _check_unused(written, on_unused_input)
    return Function(
        written, declared.signature(written), target, as_pipeline(pipeline), mode, label, options or Options(), None,
        allow_input_downcast, on_node,
    )  # fmt: skip


def _check_unused(graph: Graph, on_unused_input: str) -> None:
    if on_unused_input not in ("raise", "warn", "ignore"):
        raise InvalidArgument(f"on_unused_input is 'raise', 'warn' or 'ignore', found {on_unused_input!r}")
    needed = set(graph.order())
    unused = [name for name, node in graph.inputs.items() if node not in needed]
    if unused and on_unused_input != "ignore":
        message = f"no output depends on input {', '.join(unused)}; leave it out, or say on_unused_input='ignore'"
        if on_unused_input == "raise":
            raise UnusedInput(message)
        warnings.warn(message, stacklevel=3)
