"""Compiled functions: what is called with arrays, and can be looked at, copied and pickled.

How one is made of expressions: `graphopt.make_function`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from graphopt.check import check_against_interpreter
from graphopt.domain_check import check_domains
from graphopt.errors import InvalidArgument, TypeMismatch
from graphopt.frontend.declare import Signature
from graphopt.frontend.structure import Leaf
from graphopt.graph.checks import require
from graphopt.graph.draw import bundle
from graphopt.graph.graph import Graph
from graphopt.graph.lift import is_liftable, lift
from graphopt.graph.mathematics import program_text
from graphopt.interpret import bind_dimensions
from graphopt.layouts import Forms, Layout, reading_blocks
from graphopt.lowering import KernelFacts, Lowered, optimize
from graphopt.modes import STEPPED, Step, Stepped
from graphopt.options import Options
from graphopt.passes.fuse import Fuse
from graphopt.rewrite.passes import Context
from graphopt.rewrite.pipeline import Pipeline
from graphopt.runtime.arguments import as_array, bind
from graphopt.runtime.caller import Call, Shortcut
from graphopt.runtime.device_arguments import as_argument
from graphopt.runtime.devices import available_target
from graphopt.runtime.profile import Profile
from graphopt.schedule.program import Program
from graphopt.schedule.schedule import schedule
from graphopt.shared_variable import SharedVariable
from graphopt.targets import device_for, is_device_target
from graphopt.updates import arrays as held
from graphopt.updates import land, lent, spares, turns, values
from graphopt.variant import Variant, check_apart, flatten, unflatten

if TYPE_CHECKING:
    from graphopt.runtime.device_profile import DeviceProfile
    from graphopt.runtime.resources import Resources
    from graphopt.runtime.shared_device import Device

__all__ = ["Function"]

Array = Any


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
        signature: Signature,
        target: str,
        pipeline: Pipeline,
        mode: str | None,
        name: str,
        options: Options,
        text: str | None = None,
        allow_input_downcast: bool | None = None,
        on_node: Callable[[Step], object] | None = None,
    ) -> None:
        self.name = name
        self._asked = target
        self.target = target if mode in STEPPED else available_target(target, options)
        self.options = options
        self.pipeline = pipeline
        self._mode = mode
        self._written = written
        self._signature = signature
        self._text = text
        self._downcast = allow_input_downcast
        self._on_node = on_node
        self.graph = written.copy()
        self.log = optimize(self.graph, pipeline, options)
        self._ufunc = signature.is_ufunc and is_liftable(self.graph)
        self._results = tuple(self.graph.results)
        self._reuses = options.schedule.get("reuse", True)
        self._variants: dict[tuple[object, ...], Variant] = {}
        self._forms = Forms()
        if not self._ufunc and mode not in STEPPED:
            self._variant(())
        self._shortcut: Shortcut | None = None
        self._stateless = not signature.shared and not signature.updates
        # Which numbers lose something is looked at in Python alone.
        if self.target == "c" and mode is None and allow_input_downcast is not False:
            if self._stateless:
                usual = partial(Function.__call__, self)
                self._shortcut = Shortcut(usual, None if isinstance(signature.structure, Leaf) else self._pack)
            else:
                self._shortcut = Shortcut(_nothing, self._named, len(signature.updates))

    # --- looking -----------------------------------------------------------------------------------------------
    @property
    def lowered(self) -> Lowered:
        """The stages of the function; of a ufunc, those of the first form that was needed."""
        text_target = "cuda" if is_device_target(self.target) else "c"
        if self._mode in STEPPED:  # nothing was compiled: the text can be had without a compiler
            program = schedule(self.graph, self.name, keep=text_target == "c", **self.options.schedule)
            return Lowered(self.graph, self.log, program, text_target, self.options)
        variant = next(iter(self._variants.values()), None) or self._variant(tuple(self.graph.inputs)[:1])
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

    @property
    def is_edited(self) -> bool:
        """Whether another text stands in place of the generated one; see `with_source`."""
        return self._text is not None

    def counts(self, /, *arguments: Any, **by_name: Any) -> dict[str, int]:
        """What a call with such arguments has to do: the kernels' "bytes" and "flops" at their sizes.

        Empty where nobody can tell beforehand: if a condition chooses between kernels or a size is counted by the call,
        and where no kernel runs (target "numpy", modes "debug" and "nan").
        """
        if self.target == "numpy" or self._mode in STEPPED:
            return {}
        _, vectors, arrays = self._arrays(arguments, by_name)
        return self._variant(vectors).counts(arrays)

    def resources(self, /, *arguments: Any, **by_name: Any) -> Resources:
        """What the kernels of such a call take on a GPU: registers, spills, shared memory, occupancy; without a GPU.

        The text is compiled by nvcc; where there is none, `.missing` says so.

        Raises
        ------
        InvalidArgument
            If the function has no CUDA text, or is interpreted.
        """
        if not self.target.startswith("cuda") or self._mode in STEPPED:
            raise InvalidArgument(
                f"resources are those of CUDA kernels; this function has target={self.target!r}, mode={self._mode!r}"
            )
        from graphopt.runtime.resources import resources

        _, vectors, arrays = self._arrays(arguments, by_name)
        variant = self._variant(vectors)
        sizes = bind_dimensions(variant.graph, arrays)
        return resources(variant.program, sizes, templates=self.options.templates, text=self._text)

    def profile(self, /, *arguments: Any, **by_name: Any) -> Profile | DeviceProfile:
        """What a call with such arguments takes: time, bytes and operations by step, and memory.

        The function's generated text is compiled once more, with clocks in it, and called six times; on a device, it is
        the same text with events between launches, and copies to and from the host are counted as well. Shared
        variables keep their values.

        Raises
        ------
        InvalidArgument
            If the function is interpreted, or runs C that was edited.
        """
        clocked = self.target == "c" and not self.is_edited
        if self._mode in STEPPED or not (clocked or is_device_target(self.target)):
            raise InvalidArgument(
                "profile is for functions with target 'c' that run their own text, and for those that run on a device; "
                "compile one without "
                + ("with_source" if self.is_edited else f"target={self.target!r}, mode={self._mode!r}")
            )
        _, vectors, arrays = self._arrays(arguments, by_name)
        return self._variant(vectors).profile(arrays, self.options, self._signature.updates)

    def with_source(self, text: str) -> Function:
        """The same function with another text in place of the generated one.

        Raises
        ------
        InvalidArgument
            If the function is interpreted, and so has no text that runs.
        """
        if self.target == "numpy":
            raise InvalidArgument("a function with target 'numpy' runs no text; compile it with target='c'")
        return self._remade(text=text)

    def _remade(self, **changed: Any) -> Function:
        """The function made again from what it was made of, with some of it changed."""
        return Function(**{**self._made_of(), **changed})

    def _made_of(self) -> dict[str, Any]:
        return {
            "written": self._written, "signature": self._signature, "target": self._asked, "pipeline": self.pipeline,
            "mode": self._mode, "name": self.name, "options": self.options, "text": self._text,
            "allow_input_downcast": self._downcast, "on_node": self._on_node,
        }  # fmt: skip

    def copy(
        self,
        *,
        swap: Mapping[SharedVariable, SharedVariable] | None = None,
        delete_updates: bool = False,
        name: str | None = None,
    ) -> Function:
        """The same function over other shared variables; compiled code comes from the cache.

        Parameters
        ----------
        swap
            Shared variables that take the places of others of the same types.
        delete_updates
            Whether calls of the copy change nothing.
        name
            Another name.

        Raises
        ------
        InvalidArgument
            If the function does not use what is swapped.
        TypeMismatch
            If types differ.
        """
        swap = dict(swap or {})
        used = {*self._signature.shared.values(), *self._signature.updates.values()}
        for old, new in swap.items():
            if old not in used:
                raise InvalidArgument(f"swap: the function does not use {old!r}")
            if new.type != old.type:
                raise TypeMismatch(f"swap: {new!r} cannot stand for {old!r}")
        signature = replace(
            self._signature,
            shared={key: swap.get(value, value) for key, value in self._signature.shared.items()},
            updates={key: swap.get(value, value) for key, value in self._signature.updates.items()},
        )
        written = self._written
        if delete_updates and signature.updates:
            written = written.copy()
            written.set_outputs({key: node for key, node in written.outputs.items() if key not in signature.updates})
            written.prune()
            signature = replace(signature, updates={})
        return self._remade(written=written, signature=signature, name=name or self.name)

    def __reduce__(self) -> tuple[object, ...]:
        """A pickle holds what the function was made of, shared values included; it is compiled where it lands."""
        return (_unpickled, (self._made_of(),))

    def __repr__(self) -> str:
        listing = ", ".join(f"{n}: {self.graph.type(node)}" for n, node in self.graph.inputs.items())
        return f"<Function {self.name}({listing}), target {self.target}, {len(self.graph)} nodes>"

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        return bundle(self.graph, f"{self!r}\n{program_text(self.graph)}", include, exclude)

    # --- calling -----------------------------------------------------------------------------------------------
    @cached_property
    def _device(self) -> Device | None:
        """The device that calls run on, looked for once; None where they run on the host."""
        if not is_device_target(self.target) or self._mode in STEPPED:
            return None
        return device_for(self.target, self.options)

    def __call__(self, /, *arguments: Any, **by_name: Any) -> Any:
        return self._signature.pack(self._call(arguments, by_name, None))

    def into(self, outs: Any, /, *arguments: Any, **by_name: Any) -> Any:
        """Compute into given arrays: contiguous, writable, of the outputs' shapes and dtypes, apart from the inputs.

        A function of a device target takes arrays on its device as well.

        Raises
        ------
        InvalidArgument
            If an array does not fit.
        CheckFailed
            If a check of the program does not hold. The arrays have been written then; shared variables have not.
        MemoryError
            If temporary arrays do not fit into memory. The arrays may have been written in part.
        """
        if self._ufunc:
            raise InvalidArgument("into is for functions of declared types; declare them with types=")
        given = self._signature.unpack(outs)
        return self._signature.pack(self._call(arguments, by_name, given))

    def _call(
        self, arguments: Sequence[Any], by_name: Mapping[str, Any], into: Mapping[str, Array] | None
    ) -> dict[str, Array]:
        if not self._signature.updates:
            return self._computed(arguments, by_name, into)
        with turns(self._signature.updates.values()):
            return self._computed(arguments, by_name, into)

    def _computed(
        self, arguments: Sequence[Any], by_name: Mapping[str, Any], into: Mapping[str, Array] | None
    ) -> dict[str, Array]:
        updates = self._signature.updates
        if into is None and not by_name and (results := self._repeated(arguments)) is not None:
            return results
        shape, vectors, arrays = self._arrays(arguments, by_name)
        for name, out in (into or {}).items():  # of shared variables, the call may be given copies
            check_apart(name, out, lent(self._signature.shared).items())
        if self._mode in STEPPED:
            stepped = Stepped(self._as_written(vectors), self.name, str(self._mode), self._on_node)
            results = stepped.run(arrays, into)
        else:
            layouts = self._forms.of(arrays) if self.target == "c" and not vectors and self._text is None else {}
            variant = self._variant(vectors, layouts)
            results = variant.run(arrays, into, spares(updates, self._device))
        results = require(self.name, self.graph, results)
        if self._mode == "check":
            check_against_interpreter(self.name, self._as_written(vectors), _on_host(arrays), _on_host(results))
        if shape is not None:
            results = {name: unflatten(value, shape, self.graph, name) for name, value in results.items()}
        if updates:
            land(updates, results, reuse=self._reuses)
        if self._shortcut is not None and into is None:
            given = (*arguments, *(arrays[name] for name in self._signature.shared))
            self._shorten(self._shortcut, Call(given, arrays, variant, results, tuple(self.graph.checks)))
        return results

    def _repeated(self, arguments: Sequence[Any]) -> dict[str, Array] | None:
        """The results of a call like an earlier one, made in C, with its updates in place.

        None if there was none like it, or if this one failed: why, the usual road says. (A stateless function does not
        come here: its type calls C.)
        """
        if self._stateless or self._shortcut is None or self._shortcut.caller is None:
            return None
        shared, updates = self._signature.shared, self._signature.updates
        memory = spares(updates)
        results: dict[str, Array] | None
        results = self._shortcut.caller(*arguments, *held(shared.values()), *map(memory.get, updates))
        if results is not None and updates:
            land(updates, results, reuse=self._reuses)
        return results

    def _shorten(self, shortcut: Shortcut, call: Call) -> None:
        """Once there is a `Caller`, the type of this function calls it, for Python looks up `__call__` in types alone.

        A method that handed arguments on would cost as much as the call.
        """
        shortcut.saw(call)
        if self._stateless and shortcut.caller is not None and type(self) is Function:
            self.__class__ = type(Function.__name__, (Function,), {"__call__": shortcut.caller})

    def _pack(self, arrays: Sequence[Array]) -> Any:
        return self._signature.pack(self._named(arrays))

    def _named(self, arrays: Sequence[Array]) -> dict[str, Array]:
        return dict(zip(self._results, arrays, strict=True))

    def _arrays(
        self, arguments: Sequence[Any], by_name: Mapping[str, Any]
    ) -> tuple[tuple[int, ...] | None, tuple[str, ...], dict[str, Array]]:
        """The arrays of a call, shared ones included; for a ufunc also its shape, and which of them are vectors."""
        signature = self._signature
        bound = bind(signature.arguments, arguments, by_name, signature.defaults)
        device = self._device
        converted = as_array if device is None else partial(as_argument, device=device)
        arrays = {
            name: converted(name, value, self.graph.type(self.graph.inputs[name]).dtype, self._downcast)
            for name, value in bound.items()
        }
        arrays |= values(signature.shared, device)
        if self._mode == "check":
            check_domains(self.name, self._written, _on_host(arrays))
        if not self._ufunc:
            return None, (), arrays
        shape, arrays = flatten(arrays)
        return shape, tuple(name for name, array in arrays.items() if array.ndim), arrays

    def _as_written(self, vectors: tuple[str, ...]) -> Graph:
        return lift(self._written, vectors) if vectors else self._written

    def _variant(self, vectors: tuple[str, ...], layouts: Mapping[str, Layout] | None = None) -> Variant:
        """The program for arguments of which these are vectors, and these lie in memory as parts of blocks."""
        layouts = layouts or {}
        key = (*vectors, *layouts.items())
        if key not in self._variants:
            graph = self.graph
            blocks: dict[str, str] = {}
            if vectors:
                graph = lift(graph, vectors)
            if layouts:
                graph, blocks = reading_blocks(graph, layouts)
            if vectors or layouts:
                for step in self.pipeline.steps:
                    if step.name == Fuse.name:
                        step.run(graph, Context(graph))
            stay = graph.results if self.options.device_outputs else self._signature.updates
            self._variants[key] = Variant(graph, self.name, self.target, self.options, self._text, blocks, tuple(stay))
        return self._variants[key]


def _on_host(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.asarray(array) for name, array in arrays.items()}


def _nothing(*arguments: Any) -> None:
    """What is called in the place of a call that C does not know."""


def _unpickled(made_of: dict[str, Any]) -> Function:
    return Function(**made_of)
