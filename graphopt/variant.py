"""One graph, scheduled and compiled for one target, and how a ufunc's arguments become its vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from graphopt.dimensions import evaluate, symbols
from graphopt.errors import InvalidArgument, ShapeMismatch
from graphopt.graph.counts import settle
from graphopt.graph.graph import Graph
from graphopt.interpret import bind_dimensions, interpret
from graphopt.layouts import block_of
from graphopt.options import Options
from graphopt.runtime.arguments import contiguous
from graphopt.runtime.devices import DEVICE_TARGETS, driver_for
from graphopt.runtime.extents import Extents
from graphopt.runtime.host import Settling
from graphopt.schedule.schedule import schedule
from graphopt.schedule.steps import Branch

if TYPE_CHECKING:
    from graphopt.runtime.profile import Profile

__all__ = ["Interpreted", "Runner", "Variant", "flatten", "run", "unflatten"]

Array = Any


class Runner(Protocol):
    """A compiled program."""

    def run(
        self,
        arrays: Mapping[str, Array],
        sizes: dict[str, int],
        into: Mapping[str, Array] | None = None,
        settle: Settling | None = None,
    ) -> dict[str, Array]: ...


class Variant:
    """One graph, scheduled and compiled for one target.

    `blocks` are the inputs that stand for others: for each of these, its block; see `graphopt.layouts`.
    """

    def __init__(
        self,
        graph: Graph,
        name: str,
        target: str,
        options: Options,
        text: str | None,
        blocks: Mapping[str, str] | None = None,
    ) -> None:
        self.graph = graph
        self._blocks = blocks or {}
        self.program = schedule(graph, name, keep=target not in DEVICE_TARGETS, **options.schedule)
        self.runner = _runner(self, target, options, text)
        self._extents = Extents(graph)

    def run(
        self, arrays: Mapping[str, Array], into: Mapping[str, Array] | None, spares: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        return run(self.graph, self.runner, self._extents, arrays, into, spares, blocks=self._blocks)

    def profile(self, arrays: Mapping[str, Array], options: Options) -> Profile:
        """What a call of the program takes; it is called several times."""
        from graphopt.runtime.profile import profile

        def called(runner: Runner) -> dict[str, int]:
            sizes: dict[str, int] = {}
            run(self.graph, runner, self._extents, arrays, None, sizes=sizes)
            return sizes

        return profile(self.program, options, called)

    def counts(self, arrays: Mapping[str, Array]) -> dict[str, int]:
        """The "bytes" and "flops" of a call; empty if a condition chooses between kernels or the call counts a size."""
        sizes = bind_dimensions(self.graph, arrays)
        steps = self.program.steps
        if self.program.counts or any(isinstance(step, Branch) for step in steps):
            return {}
        return {
            "bytes": sum(evaluate(self.program.bytes(step), sizes) for step in steps),
            "flops": sum(evaluate(step.flops, sizes) for step in steps),
        }


def run(
    graph: Graph,
    runner: Runner,
    extents: Extents,
    arrays: Mapping[str, Array],
    into: Mapping[str, Array] | None,
    spares: Mapping[str, Array] | None = None,
    sizes: dict[str, int] | None = None,
    blocks: Mapping[str, str] | None = None,
) -> dict[str, Array]:
    """Run a graph once its arguments, and the arrays for its results if there are any, have been checked.

    `spares` are arrays that may be used for results, if they are of the right size. The call's sizes go to `sizes`.
    `blocks` names, for arguments that are read where they lie, the inputs that are their blocks.
    """
    sizes, blocks = {} if sizes is None else sizes, blocks or {}
    standing = {block: block_of(arrays[name]) for name, block in blocks.items()}
    sizes |= bind_dimensions(graph, {**arrays, **standing})
    extents.check(sizes)
    held = {name: array if name in blocks else contiguous(array, name) for name, array in arrays.items()}
    if into is not None:
        _check_into(graph, into, held, sizes)
    fitting = {name: array for name, array in (spares or {}).items() if _shape(graph, name, sizes) == array.shape}

    def settled(node: int, count: int) -> None:
        settle(graph, node, count, sizes)
        extents.check(sizes)

    return runner.run({**held, **standing}, sizes, {**(into or {}), **fitting} or None, settled)


def _shape(graph: Graph, output: str, sizes: Mapping[str, int]) -> tuple[int, ...] | None:
    """The shape of an output; None if the call counts it."""
    type = graph.type(graph.outputs[output])
    if not symbols(type.size) <= sizes.keys():
        return None
    return tuple([evaluate(size, sizes) for size in type.shape])


class Interpreted:
    """The target "numpy": a graph, interpreted."""

    def __init__(
        self,
        graph: Graph,
        interpret: Callable[[Graph, Mapping[str, Array]], dict[str, Array]] = interpret,
    ) -> None:
        self.graph = graph
        self.interpret = interpret

    def run(
        self,
        arrays: Mapping[str, Array],
        sizes: dict[str, int],
        into: Mapping[str, Array] | None = None,
        settle: Settling | None = None,
    ) -> dict[str, Array]:
        values = self.interpret(self.graph, arrays)
        given = into or {}
        for name in given:
            given[name][...] = values[name]
        return {name: given[name] if name in given else np.array(value, order="C") for name, value in values.items()}


def _runner(variant: Variant, target: str, options: Options, text: str | None) -> Runner:
    if target == "numpy":
        return Interpreted(variant.graph)
    if target == "c":
        from graphopt.runtime.native import NativeProgram

        return NativeProgram(variant.program, options, text)
    from graphopt.runtime.device import DeviceProgram

    return DeviceProgram(variant.program, driver_for(target, options), options, text)


def flatten(arrays: dict[str, Array]) -> tuple[tuple[int, ...], dict[str, Array]]:
    """Broadcast a ufunc's arguments; those with more than one element become vectors of one length.

    Raises ShapeMismatch, naming the arguments, if their shapes do not go together.
    """
    try:
        shape = np.broadcast_shapes(*[array.shape for array in arrays.values()])
    except ValueError:
        listing = ", ".join(f"{name} {array.shape}" for name, array in arrays.items() if array.ndim)
        raise ShapeMismatch(f"the arguments' shapes do not broadcast: {listing}") from None
    if shape == ():
        return shape, arrays
    flat = {}
    for name, array in arrays.items():
        flat[name] = array.reshape(()) if array.size == 1 else np.broadcast_to(array, shape).reshape(-1)
    return shape, flat


def unflatten(value: Array, shape: tuple[int, ...], graph: Graph, name: str) -> Array:
    """A ufunc's result in the shape of its arguments; a stack's own axes stay behind them."""
    trailing = graph.type(graph.outputs[name]).ndim
    own = value.shape[value.ndim - trailing :]
    if value.ndim == trailing:  # it depends on no vector
        return np.broadcast_to(value, (*shape, *own)).copy()
    return value.reshape(*shape, *own)


def _check_into(graph: Graph, into: Mapping[str, Array], arrays: Mapping[str, Array], sizes: Mapping[str, int]) -> None:
    for name, out in into.items():
        type = graph.type(graph.outputs[name])
        if late := sorted(symbols(type.size) - sizes.keys()):
            raise InvalidArgument(
                f"output {name} is {type}, and {', '.join(late)} is counted by the call: it cannot be given an array; "
                "call the function instead, which returns a new one"
            )
        shape = tuple(evaluate(size, sizes) for size in type.shape)
        if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != type.dtype:
            found = f"{out.dtype}{list(out.shape)}" if isinstance(out, np.ndarray) else repr(out)
            raise InvalidArgument(f"output {name} needs an array {type.dtype}{list(shape)}, found {found}")
        if not out.flags.c_contiguous or not out.flags.writeable or not out.flags.aligned:
            raise InvalidArgument(f"output {name} must be contiguous, aligned and writable")
        for other, array in (*arrays.items(), *((n, a) for n, a in into.items() if n != name)):
            if np.may_share_memory(out, array):
                raise InvalidArgument(f"output {name} shares memory with {other}; give it memory of its own")
