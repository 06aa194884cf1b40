"""From a graph to a program: parts to kernels and matrix products, values to buffers.

What must lie in memory: outputs; what another part, a matrix product or a reshape reads. Everything else lives in a
kernel's registers. Buffers are contiguous; views of them are read in place. An output that is a contiguous or a
permuted view of a computed value is written by the kernel that computes the value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphopt.analysis.iteration import IterationSpace, fusible
from graphopt.analysis.views import TRACKABLE, View, is_view, row_major, track, views
from graphopt.dimensions import DimLike, symbols
from graphopt.errors import UnsupportedExpression
from graphopt.ops.indexing import concatenate, put
from graphopt.ops.leaves import ArrayConstant, constant, dimension
from graphopt.ops.linear_algebra import matmul
from graphopt.ops.shape import stack
from graphopt.schedule.kernels import make_kernel
from graphopt.schedule.partition import Part, partition
from graphopt.schedule.program import (
    Buffer,
    Extent,
    Index,
    Kernel,
    Literal,
    Load,
    Local,
    Matrix,
    MatrixProduct,
    Program,
    Stage,
    Statement,
    Store,
    Value,
)
from graphopt.schedule.statements import Destination, StageBuilder, axis_name, label

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["schedule"]

ASSEMBLED = frozenset({put, concatenate})
"""Ops whose result is a buffer to which their operands are moved, one after another."""


def schedule(graph: Graph, name: str = "program", *, keep: bool = True) -> Program:
    """The program of a graph whose composite ops are expanded.

    Parameters
    ----------
    graph
        What to compute; `graph.fusion` is obeyed where it is legal.
    name
        The program's name, which generated functions carry.
    keep
        Whether kernels may keep lane values between stages (C), or compute them again (CUDA).

    Raises
    ------
    UnsupportedExpression
        If a composite op was not expanded: run the pass `lower` first.
    """
    return _Scheduler(graph, name, keep).program()


class _Scheduler:
    def __init__(self, graph: Graph, name: str, keep: bool) -> None:
        self.graph = graph
        self.name = name
        self.keep = keep
        self.order = graph.order()
        self.views = views(graph, self.order)
        self.number = {node: k for k, node in enumerate(self.order)}
        self.buffers: dict[str, Buffer] = {}
        self.buffer_of: dict[int, str] = {}
        self.outputs: dict[str, str] = {}
        self.steps: list[Kernel | MatrixProduct] = []

    def program(self) -> Program:
        graph = self.graph
        for node in self.order:
            if "composite" in graph.op(node).traits:
                raise UnsupportedExpression(f"{graph.op(node)} has no loops; run the pass 'lower' before scheduling")
        inputs = {name: self._buffer(name, node, "input") for name, node in graph.inputs.items()}
        for node in self.order:
            value = graph.attributes(node).get("value")
            if graph.op(node) is constant and isinstance(value, ArrayConstant):
                self._buffer("constant", node, "constant", value.array)
        parts = partition(graph, self.order, self.views)
        stored = self._stored(parts)
        copies = self._place_outputs(stored)
        for node in stored:
            if node not in self.buffer_of:
                self._buffer(graph.name(node) or graph.op(node).name, node, "temporary")
        self._emit(parts, [*copies, *(n for n in stored if is_view(graph, n) and n not in copies)])
        found: dict[str, None] = {}
        for name in graph.inputs.values():
            for size in graph.type(name).shape:
                found |= dict.fromkeys(sorted(symbols(size)))
        return Program(self.name, self.buffers, tuple(found), tuple(self.steps), inputs, self.outputs)

    # --- what lies in memory -----------------------------------------------------------------------------------
    def _buffer(self, wanted: str, node: int, role: str, value: object = None) -> str:
        # Locals of kernels end in a number, buffers and sizes in a word: whatever users call things, none meet.
        suffix = {"input": "in", "output": "out", "constant": "const", "temporary": "tmp"}[role]
        stem, serial = label(wanted), 1
        name = f"{stem}_{suffix}"
        while name in self.buffers:
            serial += 1
            name = f"{stem}{serial}_{suffix}"
        self.buffers[name] = Buffer(name, self.graph.type(node), role, value)
        if role != "output":
            self.buffer_of[node] = name
        return name

    def _stored(self, parts: list[Part]) -> list[int]:
        """The nodes that need a buffer, inputs and constants excepted: in topological order."""
        graph = self.graph
        stored: set[int] = set()

        def store(node: int) -> None:
            while node not in stored:
                stored.add(node)
                node = self.views[node].base  # a view that is stored is copied from what it is a view of

        for part in parts:
            for node in part.members:
                if graph.op(node) is matmul or graph.op(node) is stack or graph.op(node) in ASSEMBLED:
                    store(node)
                for operand in graph.operands(node):
                    if part.space is None or part.space.source(operand) is None:
                        store(self._matrix_base(operand) if graph.op(node) is matmul else self.views[operand].base)
        for node in graph.outputs.values():
            if is_view(graph, self.views[node].base):
                store(self.views[node].base)
        return [n for n in self.order if n in stored and not self._in_place(n)]

    def _in_place(self, node: int) -> bool:
        """Whether a node needs no storage of its own: it is an input, a constant or a scalar written into the text."""
        return self.graph.op(node).arity == 0

    def _matrix_base(self, operand: int) -> int:
        """What must be stored for a matrix product to read an operand: the operand itself unless BLAS can step."""
        view = self.views[operand]
        steps = _blas_layout(self.graph.type(operand).shape, view) is not None and all(map(_is_forward, view.strides))
        return view.base if steps and not self._in_place_scalar(view.base) else operand

    def _in_place_scalar(self, node: int) -> bool:
        op = self.graph.op(node)
        return op is dimension or (op is constant and node not in self.buffer_of)

    def _place_outputs(self, stored: list[int]) -> list[int]:
        """Give every output a buffer. Returns the nodes that must be copied into theirs."""
        graph = self.graph
        copies: list[int] = []
        self.extra: dict[int, list[Destination]] = {}
        self.copies: dict[int, list[str]] = {}
        for name, node in graph.outputs.items():
            buffer = self._buffer(name, node, "output")
            self.outputs[name] = buffer
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
        done: set[int] = {node for node in self.order if self._in_place(node)}
        waiting = self._emit_ready_copies(waiting, done)
        for part in parts:
            self._emit_part(part)
            done.update(part.members)
            waiting = self._emit_ready_copies(waiting, done)

    def _emit_ready_copies(self, waiting: list[int], done: set[int]) -> list[int]:
        rest = []
        for node in waiting:
            if self._copy_source(node).base in done:
                targets = list(self.copies.get(node, ()))
                own = self.buffer_of.get(node)
                if own is not None and is_view(self.graph, node) and own not in targets:
                    targets.append(own)
                for buffer in targets:
                    self.steps.append(self._copy(node, buffer))
                done.add(node)
            else:
                rest.append(node)
        return rest

    def _copy_source(self, node: int) -> View:
        """Where a copied node's elements come from: the view beneath it, if it was given storage itself."""
        view = self.views[node]
        if view.base == node and is_view(self.graph, node):
            raise AssertionError(f"node {node} is stored for itself")
        return view

    def _emit_part(self, part: Part) -> None:
        if part.space is None:
            (node,) = part.members
            if self.graph.op(node) in ASSEMBLED:
                self._assemble(node)
            else:
                self.steps.append(self._product(node))
            return
        destinations: dict[int, list[Destination]] = {}
        for node in part.members:
            places = list(self.extra.get(node, ()))
            if node in self.buffer_of:
                places.insert(0, Destination(self.buffer_of[node], row_major(self.graph.type(node).shape)))
            if places:
                destinations[node] = places
        builder = StageBuilder(
            self.graph, part.space, part.members, self.views, self.buffer_of, destinations, self.keep
        )
        space = part.space
        self.steps.append(
            make_kernel(
                self._step_name(part.members),
                builder.stages(),
                _named_axes(space, space.outer),
                None if space.inner is None else _named_axes(space, space.inner),
                self._note(part.members),
            )
        )

    def _copy(self, node: int, buffer: str) -> Kernel:
        """A kernel that moves a value into a buffer."""
        return self._move(node, self._copy_source(node), buffer, 0, row_major(self.graph.type(node).shape))

    def _assemble(self, node: int) -> None:
        """Kernels that move operands to their places in one buffer, in turn."""
        graph, buffer, whole = self.graph, self.buffer_of[node], row_major(self.graph.type(node).shape)
        attributes, operands = graph.attributes(node), graph.operands(node)
        if graph.op(node) is put:
            start = sum((first * s for first, s in zip(attributes["start"], whole, strict=True)), 0)
            part = tuple(s * by for s, by in zip(whole, attributes["step"], strict=True))
            places: list[tuple[DimLike, tuple[DimLike, ...]]] = [(0, whole), (start, part)]
        else:
            (axis,), begin, places = attributes["axis"], 0, []
            for operand in operands:
                places.append((begin * whole[axis], whole))
                begin = begin + graph.type(operand).shape[axis]
        for operand, (offset, strides) in zip(operands, places, strict=True):
            self.steps.append(self._move(operand, self.views[operand], buffer, offset, strides))

    def _move(self, node: int, view: View, buffer: str, offset: DimLike, strides: tuple[DimLike, ...]) -> Kernel:
        """A kernel that moves a view to where it belongs in a buffer."""
        shape, dtype = self.graph.type(node).shape, self.graph.type(node).dtype
        real = [k for k, size in enumerate(shape) if size != 1]
        axes = [(axis_name(k), shape[k]) for k in real]
        target = Index(offset, tuple((axis_name(k), strides[k]) for k in real if strides[k] != 0))
        value: Value = Local("value_0")
        statements: list[Statement] = []
        op, attributes = self.graph.op(view.base), self.graph.attributes(view.base)
        if op is dimension:
            value = Extent(attributes["value"], dtype)
        elif op is constant and view.base not in self.buffer_of:
            value = Literal(attributes["value"], dtype)
        else:
            source = Index(view.offset, tuple((axis_name(k), s) for k, s in enumerate(view.strides) if s != 0))
            statements.append(Load("value_0", dtype, self.buffer_of[view.base], source))
        statements.append(Store(buffer, target, value, dtype))
        return make_kernel(self._step_name([node]), (Stage((), tuple(statements)),), axes, None, self._note([node]))

    def _product(self, node: int) -> MatrixProduct:
        type = self.graph.type(node)
        left, right = self.graph.operands(node)
        depth = self.graph.type(left).shape[-1]
        batch = type.shape[:-2]
        return MatrixProduct(
            name=self._step_name([node]),
            dtype=type.dtype,
            result=self.buffer_of[node],
            left=self._matrix(left, batch),
            right=self._matrix(right, batch),
            batch=batch,
            rows=type.shape[-2],
            columns=type.shape[-1],
            depth=depth,
            note=self._note([node]),
        )

    def _matrix(self, operand: int, batch: tuple[DimLike, ...]) -> Matrix:
        shape = self.graph.type(operand).shape
        base = self._matrix_base(operand)
        view = self.views[operand] if base != operand else View(operand, 0, row_major(shape))
        layout = _blas_layout(shape, view)
        assert layout is not None
        leading, transposed = layout
        strides = (0,) * (len(batch) - len(view.strides) + 2) + view.strides[:-2]
        return Matrix(self.buffer_of[base], view.offset, leading, transposed, strides)

    def _step_name(self, members: list[int]) -> str:
        words = []
        for node in members:
            word = self.graph.op(node).name
            if word not in words and word != "barrier":
                words.append(word)
        return f"{label('_'.join(words[:3]))}_{len(self.steps)}"

    def _note(self, members: list[int]) -> str:
        """What a step computes and where the user wrote it, for a comment."""
        ops = ", ".join(self.graph.op(node).name for node in members[:8]) + (", …" if len(members) > 8 else "")
        return f"{len(members)} node{'s' * (len(members) != 1)}: {ops}"


def _named_axes(space: IterationSpace, axes: tuple[int, ...]) -> list[tuple[str, DimLike]]:
    return [(axis_name(axis), space.extents[axis]) for axis in axes]


def _is_forward(stride: DimLike) -> bool:
    """Whether a stride is known not to be negative, as that of a flipped axis is: BLAS takes no such matrix."""
    return stride >= 0 if isinstance(stride, int) else all(factor > 0 for _, factor in stride.terms)


def _blas_layout(shape: tuple[DimLike, ...], view: View) -> tuple[DimLike, bool] | None:
    """Leading dimension and transposition with which BLAS can read a matrix in place; None if it cannot."""
    (rows, columns), (down, right) = shape[-2:], view.strides[-2:]
    if right == 1 or columns == 1:
        if rows == 1:
            return columns, False
        if down != 0:
            return down, False
    if down == 1 and right != 0:
        return right, True
    if rows == 1 and columns != 1 and right != 0:
        return right, True
    return None
