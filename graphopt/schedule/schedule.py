"""From a graph to a program: parts to kernels and other steps, values to buffers.

What must lie in memory: outputs; what another part, a matrix product or a reshape reads. Everything else lives in a
kernel's registers. Buffers are contiguous; views of them are read in place. An output that is a contiguous or a
permuted view of a computed value is written by the kernel that computes the value.

An op that is no loop nest has a row in `STEPS`, or the trait "host": `step_rule` says how its steps are written, and
what must lie in memory for it to read an operand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from graphopt.analysis.iteration import IterationSpace, fusible
from graphopt.analysis.views import TRACKABLE, is_view, row_major, sized_by, track
from graphopt.dimensions import DimLike, symbols
from graphopt.errors import UnsupportedExpression
from graphopt.op import Op
from graphopt.ops.control import cond
from graphopt.ops.data_dependent import nonzero
from graphopt.ops.gather import gather, scatter
from graphopt.ops.indexing import concatenate, put
from graphopt.ops.leaves import ArrayConstant, constant
from graphopt.ops.linear_algebra import matmul
from graphopt.ops.running import cumprod, cumsum, recurrence
from graphopt.ops.shape import stack
from graphopt.schedule import assembly, branch, counting, host, matrix, ordered
from graphopt.schedule.builder import Place, ProgramBuilder, axis_name
from graphopt.schedule.inplace import in_place
from graphopt.schedule.kernels import make_kernel
from graphopt.schedule.memory import planned
from graphopt.schedule.partition import Part, partition
from graphopt.schedule.program import Program
from graphopt.schedule.stages import Destination, StageBuilder
from graphopt.schedule.steps import Step

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["STEPS", "StepRule", "schedule", "step_rule"]


def view_base(builder: ProgramBuilder, operand: int) -> int | None:
    """What must lie in memory for loops to read an operand: what it is a view of, unless that is a leaf."""
    base = builder.views[operand].base
    return base if builder.graph.op(base).arity != 0 else None


class StepRule(NamedTuple):
    """How an op that is no loop nest becomes steps.

    `write` appends the steps of a part's nodes (one, but for conditionals) to a builder; `base` names the node that
    must lie in memory for an operand to be read, None where there is nothing to do for it.
    """

    write: Callable[..., None]
    base: Callable[[ProgramBuilder, int], int | None] = view_base


STEPS: dict[Op, StepRule] = {
    matmul: StepRule(matrix.product, matrix.matrix_base),
    concatenate: StepRule(assembly.join),
    cond: StepRule(branch.choose, host.host_base),
    put: StepRule(assembly.write_part),
    scatter: StepRule(ordered.write_where),
    cumsum: StepRule(ordered.run_along),
    cumprod: StepRule(ordered.run_along),
    recurrence: StepRule(ordered.run_along),
    nonzero: StepRule(counting.count_and_fill),
}
HOST = StepRule(host.call, host.host_base)


def step_rule(op: Op) -> StepRule | None:
    """How an op becomes steps; None for an op of loops."""
    return HOST if "host" in op.traits else STEPS.get(op)


def schedule(
    graph: Graph, name: str = "program", *, keep: bool = True, inplace: bool = True, reuse: bool = True
) -> Program:
    """The program of a graph whose composite ops are expanded.

    Parameters
    ----------
    graph
        What to compute; `graph.fusion` is obeyed where it is legal.
    name
        The program's name, which generated functions carry.
    keep
        Whether kernels may keep lane values between stages in memory (C); a device's launches decide that themselves.
    inplace
        Whether results may be written over temporaries they are computed from.
    reuse
        Whether temporaries that are not needed at the same time may lie in the same memory.

    Raises
    ------
    UnsupportedExpression
        If a composite op was not expanded: run the pass `lower` first.
    """
    program = _Scheduler(graph, name, ProgramBuilder(graph, keep)).program()
    return planned(in_place(program) if inplace else program, reuse=reuse)


def body_steps(
    outside: ProgramBuilder, graph: Graph, bound: Mapping[int, str], results: Mapping[str, str], stem: str
) -> tuple[Step, ...]:
    """The steps of a graph inside another: its inputs are in the buffers `bound`, its outputs belong in `results`."""
    builder = ProgramBuilder(graph, outside.keep, outside, f"{stem}_")
    builder.buffer_of.update(bound)
    return _Scheduler(graph, stem, builder).steps(results)


class _Scheduler:
    def __init__(self, graph: Graph, name: str, builder: ProgramBuilder) -> None:
        self.graph = graph
        self.name = name
        self.builder = builder
        self.order = self.builder.order
        self.views = self.builder.views
        self.buffer_of = self.builder.buffer_of
        self.settlers = graph.settlers()
        self.number = {node: k for k, node in enumerate(self.order)}
        self.outputs: dict[str, str] = {}

    def program(self) -> Program:
        graph, builder = self.graph, self.builder
        inputs = {name: builder.buffer(name, node, "input") for name, node in graph.inputs.items()}
        steps = self.steps({name: builder.buffer(name, node, "output") for name, node in graph.outputs.items()})
        found: dict[str, None] = {}
        for name in graph.inputs.values():
            for size in graph.type(name).shape:
                found |= dict.fromkeys(sorted(symbols(size)))
        counts = tuple(name for name in self.settlers if name not in found)
        return Program(self.name, builder.buffers, (*found, *counts), steps, inputs, self.outputs, counts)

    def steps(self, outputs: Mapping[str, str]) -> tuple[Step, ...]:
        """The steps, given the buffers of the outputs; inputs have theirs already."""
        graph, builder = self.graph, self.builder
        self.outputs.update(outputs)
        for node in self.order:
            if "composite" in graph.op(node).traits:
                raise UnsupportedExpression(f"{graph.op(node)} has no loops; run the pass 'lower' before scheduling")
        for node in self.order:
            value = graph.attributes(node).get("value")
            if graph.op(node) is constant and isinstance(value, ArrayConstant):
                builder.buffer("constant", node, "constant", value.array)
        parts = partition(graph, self.order, self.views, builder.keep)
        stored = self._stored(parts)
        copies = self._place_outputs(stored)
        for node in stored:
            if node not in self.buffer_of:
                builder.buffer(graph.name(node) or graph.op(node).name, node, "temporary")
        self._emit(parts, [*copies, *(n for n in stored if self._is_moved(n) and n not in copies)])
        return tuple(builder.steps)

    # --- what lies in memory -----------------------------------------------------------------------------------
    def _is_moved(self, node: int) -> bool:
        """Whether a node that is stored is moved to its place, and not computed there: a view, or a leaf."""
        return is_view(self.graph, node) or self.graph.op(node).arity == 0

    def _stored(self, parts: list[Part]) -> list[int]:
        """The nodes that need a buffer of their own: in topological order."""
        graph = self.graph
        stored: set[int] = set()

        def store(node: int | None) -> None:
            while node is not None and node not in stored:
                stored.add(node)
                node = view_base(self.builder, node)  # a view that is stored is copied from what it is a view of

        for part in parts:
            for node in part.members:
                host = part.space is not None and part.space.host == node
                rule = step_rule(graph.op(node)) if part.space is None or host else None
                if (rule is not None and not host) or graph.op(node) is stack:
                    store(node)
                for position, operand in enumerate(graph.operands(node)):
                    if rule is not None:
                        store(rule.base(self.builder, operand))
                    elif graph.op(node) is gather and position == 0:  # even numbers, to be read at any position
                        store(self.views[operand].base)
                    elif part.space is None or part.space.source(operand) is None:
                        store(view_base(self.builder, operand))
        for node in graph.outputs.values():
            if is_view(graph, self.views[node].base):
                store(self.views[node].base)
        return [n for n in self.order if n in stored and not self.builder.is_stored(n)]

    def _place_outputs(self, stored: list[int]) -> list[int]:
        """Give every output a buffer. Returns the nodes that must be copied into theirs."""
        graph = self.graph
        copies: list[int] = []
        self.extra: dict[int, list[Destination]] = {}
        self.copies: dict[int, list[str]] = {}
        for name, node in graph.outputs.items():
            buffer = self.outputs[name]
            view = self.views[node]
            computed = graph.op(view.base).arity != 0 and not is_view(graph, view.base)
            base_type = graph.type(view.base)
            whole = view.offset == 0 and graph.type(node).size == base_type.size
            if (
                computed
                and view.base not in self.buffer_of
                and whole
                and view.strides == row_major(graph.type(node).shape)
            ):
                self.buffer_of[view.base] = buffer
                if view.base not in stored:
                    stored.append(view.base)
            elif computed and (strides := self._permuted(node, view.base)) is not None and fusible(graph, view.base):
                self.extra.setdefault(view.base, []).append(Destination(buffer, strides))
            else:
                if computed and view.base not in stored:
                    stored.append(view.base)
                if node not in copies:
                    copies.append(node)
                self.copies.setdefault(node, []).append(buffer)
        return copies

    def _permuted(self, node: int, base: int) -> tuple[DimLike, ...] | None:
        """The strides with which the kernel of `base` writes its transposed view `node`; None if it cannot."""
        if self.graph.op(base) is stack:
            return None
        chain = []
        current = node
        while current != base:
            if self.graph.op(current) not in TRACKABLE or self.graph.op(current).name == "broadcast_to":
                return None
            chain.append(current)
            (current,) = self.graph.operands(current)
        axes: tuple[int | None, ...] = tuple(range(self.graph.type(base).ndim))
        for view in reversed(chain):
            axes = track(self.graph, view, axes)
        strides: list[DimLike] = [0] * self.graph.type(base).ndim
        for axis, stride in zip(axes, row_major(self.graph.type(node).shape), strict=True):
            if axis is not None:
                strides[axis] = stride
        return tuple(strides)

    # --- steps ---------------------------------------------------------------------------------------------------
    def _emit(self, parts: list[Part], copied: list[int]) -> None:
        """Kernels and products in the order of the parts; a copy as soon as what it reads is there."""
        waiting = sorted(set(copied), key=self.number.__getitem__)
        done: set[int] = {node for node in self.order if self.graph.op(node).arity == 0}
        waiting = self._emit_ready_copies(waiting, done)
        for part in parts:
            self._emit_part(part)
            done.update(part.members)
            waiting = self._emit_ready_copies(waiting, done)

    def _emit_ready_copies(self, waiting: list[int], done: set[int]) -> list[int]:
        rest = []
        for node in waiting:
            if self.views[node].base in done and done.issuperset(sized_by(self.graph, node, self.settlers)):
                targets = list(self.copies.get(node, ()))
                own = self.buffer_of.get(node)
                if own is not None and self._is_moved(node) and not self.builder.is_stored(node) and own not in targets:
                    targets.append(own)
                for buffer in targets:
                    whole = row_major(self.graph.type(node).shape)
                    self.builder.move(node, self.views[node], Place(buffer, 0, whole))
                done.add(node)
            else:
                rest.append(node)
        return rest

    def _emit_part(self, part: Part) -> None:
        if part.space is None:
            op = self.graph.op(part.members[0])
            rule = step_rule(op)
            assert rule is not None, f"{op} has neither loops nor a rule for its steps"
            rule.write(self.builder, *part.members)
            return
        destinations: dict[int, list[Destination]] = {}
        for node in part.members:
            if node in part.again:
                continue
            places = list(self.extra.get(node, ()))
            if node in self.buffer_of:
                places.insert(0, Destination(self.buffer_of[node], row_major(self.graph.type(node).shape)))
            if places:
                destinations[node] = places
        if not destinations:
            return  # whoever needs its values computes them again
        space = part.space
        name, note = self.builder.step_name(part.members), self.builder.note(part.members)
        if space.host is None:
            stages = StageBuilder(self.builder, space, part.members, destinations, self.builder.keep).stages()
            inner = None if space.inner is None else _named_axes(space, space.inner)
            self.builder.steps.append(make_kernel(name, stages, _named_axes(space, space.outer), inner, note))
            return
        stages = StageBuilder(self.builder, space, part.members, destinations).stages()
        outer, inner = _named_axes(space, space.outer), _named_axes(space, space.inner or ())
        said = (f"{name}_epilogue", stages)
        if not self.builder.keep:
            epilogue = make_kernel(*said, outer, inner, f"{note}; of a product")
            self.builder.steps.append(matrix.with_elements(self.builder, space.host, epilogue, name, note))
            return
        epilogue = make_kernel(*said, (*outer, *inner), None, f"{note}; for rows of the product")
        if epilogue.outer or len(stages) > 1:  # not one loop over all elements
            epilogue = make_kernel(*said, outer, inner, epilogue.note)
        self.builder.steps.append(matrix.with_epilogue(self.builder, space.host, epilogue, name, note))


def _named_axes(space: IterationSpace, axes: tuple[int, ...]) -> list[tuple[str, DimLike]]:
    return [(axis_name(axis), space.extents[axis]) for axis in axes]
