"""Compiled functions: the end of the road from an expression to something that is called with arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from graphopt.check import check_against_interpreter
from graphopt.domain_check import check_domains
from graphopt.errors import InvalidArgument, UnusedInput
from graphopt.frontend.declare import Declared, declare
from graphopt.graph.graph import Graph
from graphopt.graph.lift import is_liftable, lift
from graphopt.interpret import bind_dimensions, interpret
from graphopt.lowering import KernelFacts, Lowered, as_pipeline, optimize
from graphopt.options import Options
from graphopt.passes.fuse import Fuse
from graphopt.rewrite.passes import Context
from graphopt.rewrite.pipeline import Pipeline
from graphopt.runtime.arguments import as_array, bind, contiguous
from graphopt.schedule.program import Program
from graphopt.schedule.schedule import schedule

__all__ = ["Function", "function"]

TARGETS = ("numpy", "c", "cuda-emulated")
Array = Any


class Runner(Protocol):
    """A compiled program."""

    def run(
        self, arrays: Mapping[str, Array], sizes: Mapping[str, int], into: Mapping[str, Array] | None = None
    ) -> dict[str, Array]: ...


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
        "c"; "numpy", the interpreter; or "cuda-emulated", the CUDA text run on the CPU.
    pipeline
        "default", "fast", "none", a text such as "canonicalize,cse,fuse", or a `Pipeline`.
    mode
        None, or "check": every call is also interpreted as it was written, and compared.
    name
        What generated code and messages call the function.
    on_unused_input
        "raise", "warn" or "ignore".
    allow_input_downcast
        Whether arguments may lose precision: None, Python numbers and lists of them alone; True, all; False, none.
    types
        Types of SymPy symbols, `{x: "float32[n]"}`; undeclared ones are float64 scalars.
    options
        Compiler, flags, threads, template folders.

    Raises
    ------
    InvalidArgument, MissingInput, UnusedInput, UnsupportedExpression, TypeMismatch, ShapeMismatch
        If the expressions and inputs do not make a function.
    CompilerNotFound, CompilationFailed
        If there is no compiler or it fails.
    """
    if target not in TARGETS:
        raise InvalidArgument(f"unknown target {target!r}; expected one of {', '.join(TARGETS)}")
    if mode not in (None, "check"):
        raise InvalidArgument(f"unknown mode {mode!r}; expected None or 'check'")
    label = name or "program"
    if not label.isidentifier() or not label.isascii():
        raise InvalidArgument(f"a function's name must be an ASCII identifier, found {label!r}")
    declared = declare(inputs, outputs, types, updates, givens)
    written = declared.graph()
    _check_unused(written, on_unused_input)
    options = options or Options()
    return Function(written, declared, target, as_pipeline(pipeline), mode, label, options, None, allow_input_downcast)


class Function:
    """A compiled function. Call it with arrays, by position or by name; it returns new arrays.

    Attributes
    ----------
    graph
        The optimized graph.
    log
        What the pipeline did.
    program
        The schedule: kernels, products and buffers.
    source
        The generated text (of the first variant, for a ufunc).
    kernels
        Static facts about each kernel.
    name
        The function's name.
    """

    def __init__(
        self,
        written: Graph,
        declared: Declared,
        target: str,
        pipeline: Pipeline,
        mode: str | None,
        name: str,
        options: Options,
        text: str | None = None,
        allow_input_downcast: bool | None = None,
    ) -> None:
        self.name = name
        self.target = target
        self.options = options
        self.pipeline = pipeline
        self._mode = mode
        self._written = written
        self._declared = declared
        self._text = text
        self._downcast = allow_input_downcast
        names, results = list(written.inputs), list(written.outputs)
        count = len(declared.inputs)
        self._arguments, self._shared = names[:count], dict(zip(names[count:], declared.shared, strict=True))
        self._defaults = {names[position]: value for position, value in declared.defaults.items()}
        self._updates = dict(zip(results[len(declared.outputs) :], (s for s, _ in declared.updates), strict=True))
        self.graph = written.copy()
        self.log = optimize(self.graph, pipeline)
        self._ufunc = declared.scalars_only and is_liftable(self.graph)
        self._variants: dict[tuple[str, ...], _Variant] = {}
        if not self._ufunc:
            self._variant(())

    # --- looking -----------------------------------------------------------------------------------------------
    @property
    def lowered(self) -> Lowered:
        """The stages of the function; of a ufunc, those of the first form that was needed."""
        variant = next(iter(self._variants.values()), None) or self._variant(tuple(self.graph.inputs)[:1])
        text_target = "c" if self.target != "cuda-emulated" else "cuda"
        return Lowered(variant.graph, self.log, variant.program, text_target, self.options)

    @property
    def program(self) -> Program:
        return self.lowered.program

    @property
    def source(self) -> str:
        return self._text if self._text is not None else self.lowered.source

    @property
    def kernels(self) -> list[KernelFacts]:
        return self.lowered.kernels

    def with_source(self, text: str) -> Function:
        """The same function with another text in place of the generated one.

        Raises
        ------
        InvalidArgument
            If the function is interpreted, and so has no text that runs.
        """
        if self.target == "numpy":
            raise InvalidArgument("a function with target 'numpy' runs no text; compile it with target='c'")
        return Function(
            self._written, self._declared, self.target, self.pipeline, self._mode, self.name, self.options, text,
            self._downcast,
        )  # fmt: skip

    def __repr__(self) -> str:
        listing = ", ".join(f"{n}: {self.graph.type(node)}" for n, node in self.graph.inputs.items())
        return f"<Function {self.name}({listing}), target {self.target}, {len(self.graph)} nodes>"

    # --- calling -----------------------------------------------------------------------------------------------
    def __call__(self, /, *arguments: Any, **by_name: Any) -> Any:
        return self._declared.pack(self._call(arguments, by_name, None))

    def into(self, outs: Any, /, *arguments: Any, **by_name: Any) -> Any:
        """Compute into given arrays: contiguous, writable, of the outputs' shapes and dtypes, apart from the inputs.

        Raises
        ------
        InvalidArgument
            If an array does not fit.
        """
        if self._ufunc:
            raise InvalidArgument("into is for functions of declared types; declare them with types=")
        given = self._declared.unpack(outs)
        return self._declared.pack(self._call(arguments, by_name, given))

    def _call(
        self, arguments: Sequence[Any], by_name: Mapping[str, Any], into: Mapping[str, Array] | None
    ) -> dict[str, Array]:
        bound = bind(self._arguments, arguments, by_name, self._defaults)
        arrays = {
            name: as_array(name, value, self.graph.type(self.graph.inputs[name]).dtype, self._downcast)
            for name, value in bound.items()
        }
        arrays |= {name: shared.get_value(borrow=True) for name, shared in self._shared.items()}
        if self._mode == "check":
            check_domains(self.name, self._written, arrays)
        shape: tuple[int, ...] | None = None
        if self._ufunc:
            shape, arrays = _flatten(arrays)
        vectors = tuple(name for name, array in arrays.items() if array.ndim) if self._ufunc else ()
        variant = self._variant(vectors)
        results = variant.run(arrays, into)
        if self._mode == "check":
            check_against_interpreter(
                self.name, lift(self._written, vectors) if vectors else self._written, arrays, results
            )
        if shape is not None:
            results = {name: _unflatten(value, shape, self.graph, name) for name, value in results.items()}
        for name, shared in self._updates.items():
            shared.set_value(results[name], borrow=True)
        return results

    def _variant(self, vectors: tuple[str, ...]) -> _Variant:
        if vectors not in self._variants:
            graph = self.graph
            if vectors:
                graph = lift(graph, vectors)
                if any(step.name == Fuse.name for step in self.pipeline.steps):
                    Fuse().run(graph, Context(graph))
            self._variants[vectors] = _Variant(graph, self.name, self.target, self.options, self._text)
        return self._variants[vectors]


class _Variant:
    """One graph, scheduled and compiled for one target."""

    def __init__(self, graph: Graph, name: str, target: str, options: Options, text: str | None) -> None:
        self.graph = graph
        self.program = schedule(graph, name, keep=target != "cuda-emulated")
        self.runner = _runner(self, target, options, text)

    def run(self, arrays: Mapping[str, Array], into: Mapping[str, Array] | None) -> dict[str, Array]:
        sizes = bind_dimensions(self.graph, arrays)
        held = {name: contiguous(array) for name, array in arrays.items()}
        if into is not None:
            _check_into(self.graph, into, held, sizes)
        return self.runner.run(held, sizes, into)


class _Interpreted:
    """The target "numpy": the optimized graph, interpreted."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def run(
        self, arrays: Mapping[str, Array], sizes: Mapping[str, int], into: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        values = interpret(self.graph, arrays)
        if into is None:
            return {name: np.array(value, order="C") for name, value in values.items()}
        for name, value in values.items():
            if name in into:
                into[name][...] = value
                values[name] = into[name]
        return values


def _runner(variant: _Variant, target: str, options: Options, text: str | None) -> Runner:
    if target == "numpy":
        return _Interpreted(variant.graph)
    if target == "c":
        from graphopt.runtime.native import NativeProgram

        return NativeProgram(variant.program, options, text)
    from graphopt.runtime.device import DeviceProgram
    from graphopt.runtime.emulation import EmulatedDriver

    return DeviceProgram(variant.program, EmulatedDriver(options.seed), options, text)


def _flatten(arrays: dict[str, Array]) -> tuple[tuple[int, ...], dict[str, Array]]:
    """Broadcast a ufunc's arguments; those with more than one element become vectors of one length."""
    shape = np.broadcast_shapes(*[array.shape for array in arrays.values()])
    if shape == ():
        return shape, arrays
    flat = {}
    for name, array in arrays.items():
        flat[name] = array.reshape(()) if array.size == 1 else np.broadcast_to(array, shape).reshape(-1)
    return shape, flat


def _unflatten(value: Array, shape: tuple[int, ...], graph: Graph, name: str) -> Array:
    """A ufunc's result in the shape of its arguments; a stack's own axes stay behind them."""
    trailing = graph.type(graph.outputs[name]).ndim
    own = value.shape[value.ndim - trailing :]
    if value.ndim == trailing:  # it depends on no vector
        return np.broadcast_to(value, (*shape, *own)).copy()
    return value.reshape(*shape, *own)


def _check_into(graph: Graph, into: Mapping[str, Array], arrays: Mapping[str, Array], sizes: Mapping[str, int]) -> None:
    from graphopt.dimensions import evaluate

    for name, out in into.items():
        type = graph.type(graph.outputs[name])
        shape = tuple(evaluate(size, sizes) for size in type.shape)
        if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != type.dtype:
            found = f"{out.dtype}{list(out.shape)}" if isinstance(out, np.ndarray) else repr(out)
            raise InvalidArgument(f"output {name} needs an array {type.dtype}{list(shape)}, found {found}")
        if not out.flags.c_contiguous or not out.flags.writeable or not out.flags.aligned:
            raise InvalidArgument(f"output {name} must be contiguous, aligned and writable")
        for other, array in (*arrays.items(), *((n, a) for n, a in into.items() if n != name)):
            if np.may_share_memory(out, array):
                raise InvalidArgument(f"output {name} shares memory with {other}; give it memory of its own")


def _check_unused(graph: Graph, on_unused_input: str) -> None:
    if on_unused_input not in ("raise", "warn", "ignore"):
        raise InvalidArgument(f"on_unused_input is 'raise', 'warn' or 'ignore', found {on_unused_input!r}")
    needed = set(graph.order())
    unused = [name for name, node in graph.inputs.items() if node not in needed]
    if unused and on_unused_input != "ignore":
        message = f"no output depends on input {', '.join(unused)}; leave it out, or say on_unused_input='ignore'"
        if on_unused_input == "raise":
            raise UnusedInput(message)
        import warnings

        warnings.warn(message, stacklevel=3)
