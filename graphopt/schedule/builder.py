"""What a schedule is made in: the graph with its views, the buffers given out so far, and the steps written so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from graphopt.analysis.views import View, views
from graphopt.dimensions import DimLike
from graphopt.ops.leaves import ArrayConstant, constant, dimension, input_, iota
from graphopt.schedule.kernels import make_kernel
from graphopt.schedule.program import Buffer
from graphopt.schedule.statements import Extent, Index, Literal, Load, Local, Position, Store, Value
from graphopt.schedule.steps import Stage, Step
from graphopt.types import TensorType

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["Place", "ProgramBuilder", "axis_name", "index_map", "label"]

SUFFIX = {"input": "in", "output": "out", "constant": "const", "temporary": "tmp"}


def axis_name(axis: int) -> str:
    """The name of an axis of an iteration space, until the kernel's axes are collapsed and named for good."""
    return f"a{axis}"


def label(text: str) -> str:
    """A text as the beginning of a C identifier, clear of reserved names and of those in <math.h>, such as M_PI_2."""
    cleaned = "".join(c if c.isalnum() and c.isascii() else "_" for c in text)
    return cleaned[:24] if cleaned[:1].isalpha() and not cleaned.startswith("M_") else f"v{cleaned}"[:24]


class Place(NamedTuple):
    """Where a value goes: a buffer, and the offset and strides in it, in elements."""

    buffer: str
    offset: DimLike
    strides: tuple[DimLike, ...]


class ProgramBuilder:
    """A program in the making.

    Attributes
    ----------
    keep
        Whether kernels may keep lane values between stages.
    order
        The graph's nodes, operands first.
    views
        The view every node is.
    buffers
        All buffers of the program, by name.
    buffer_of
        The buffer of every node that has one.
    steps
        What has been written so far.
    stem
        What the names of steps have before their number.
    """

    def __init__(self, graph: Graph, keep: bool = True, within: ProgramBuilder | None = None, stem: str = "") -> None:
        self.graph = graph
        self.order = graph.order()
        self.views = views(graph, self.order)
        self.keep = keep
        self.stem = stem
        self.buffers: dict[str, Buffer] = {} if within is None else within.buffers
        self.buffer_of: dict[int, str] = {}
        self.steps: list[Step] = []

    def buffer(self, wanted: str, node: int, role: str, value: object = None) -> str:
        """A new buffer of a node's type. All but outputs become the node's own."""
        name = self._buffer(wanted, Buffer("", self.graph.type(node), role, value))
        if role != "output":
            self.buffer_of[node] = name
        return name

    def scratch(self, wanted: str, dtype: str) -> str:
        """A new buffer of one element that is no node's."""
        return self._buffer(wanted, Buffer("", TensorType(dtype), "temporary"))

    def _buffer(self, wanted: str, like: Buffer) -> str:
        # Locals of kernels end in a number, buffers and sizes in a word: whatever users call things, none meet.
        stem, serial = label(wanted), 1
        name = f"{stem}_{SUFFIX[like.role]}"
        while name in self.buffers:
            serial += 1
            name = f"{stem}{serial}_{SUFFIX[like.role]}"
        self.buffers[name] = replace(like, name=name)
        return name

    def is_stored(self, node: int) -> bool:
        """Whether a node is in memory from the start: an input or an array. Other leaves are written into the text."""
        return self.graph.op(node) is input_ or (
            self.graph.op(node) is constant and isinstance(self.graph.attributes(node)["value"], ArrayConstant)
        )

    def element(
        self, target: str, view: View, axes: Sequence[str | None]
    ) -> tuple[Value, tuple[()] | tuple[Load | Position]]:
        """One element of a view, and the statement that fetches it: none for a number that is written into the text.

        `axes` names the axis along which each dimension of the view runs; None for one of length 1.
        """
        op, attributes = self.graph.op(view.base), self.graph.attributes(view.base)
        dtype = self.graph.type(view.base).dtype
        if op is dimension:
            return Extent(attributes["value"], dtype), ()
        if op is constant and not self.is_stored(view.base):
            return Literal(attributes["value"], dtype), ()
        index = index_map(view.offset, axes, view.strides)
        if op is iota:
            return Local(target), (Position(target, dtype, index),)
        return Local(target), (Load(target, dtype, self.buffer_of[view.base], index),)

    def move(self, node: int, view: View, to: Place) -> None:
        """Append a kernel that moves a view of a node's shape to where it belongs."""
        shape, dtype = self.graph.type(node).shape, self.graph.type(node).dtype
        axes = [None if size == 1 else axis_name(k) for k, size in enumerate(shape)]
        value, fetch = self.element("value_0", view, axes)
        real = [(axis, size) for axis, size in zip(axes, shape, strict=True) if axis is not None]
        stage = Stage((), (*fetch, Store(to.buffer, index_map(to.offset, axes, to.strides), value, dtype)))
        self.steps.append(make_kernel(self.step_name([node]), (stage,), real, None, self.note([node])))

    def step_name(self, members: list[int]) -> str:
        """A name for the next step, by the ops it computes."""
        words: list[str] = []
        for node in members:
            word = self.graph.op(node).name
            if word not in words and word != "barrier":
                words.append(word)
        return f"{label('_'.join(words[:3]))}_{self.stem}{len(self.steps)}"

    def note(self, members: list[int]) -> str:
        """What a step computes, for a comment."""
        ops = ", ".join(self.graph.op(node).name for node in members[:8]) + (", …" if len(members) > 8 else "")
        return f"{len(members)} node{'s' * (len(members) != 1)}: {ops}"


def index_map(offset: DimLike, axes: Sequence[str | None], strides: Sequence[DimLike]) -> Index:
    """Offset plus a stride along every axis; None stands for one of length 1."""
    terms = [(axis, stride) for axis, stride in zip(axes, strides, strict=True) if axis is not None and stride != 0]
    return Index(offset, tuple(sorted(terms, key=lambda term: term[0])))
