"""What a program does, in order: kernels, matrix products, host calls, branches. Plain data, for every target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from graphopt.dimensions import DimLike, opaque, product
from graphopt.op import Attributes, Op
from graphopt.schedule.statements import (
    Accumulate,
    Append,
    Compute,
    Keep,
    OnlineSum,
    Reading,
    Reduce,
    Scan,
    Scatter,
    Statement,
    Writing,
)
from graphopt.types import TensorType

__all__ = ["Axis", "Branch", "HostCall", "Kernel", "Matrix", "MatrixProduct", "Settle", "Stage", "Step",
           "leaves", "made_by", "nests"]  # fmt: skip

SMALL = 16
"""Columns and depth up to which products are loops."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A loop variable from 0 to `extent` - 1."""

    name: str
    extent: DimLike


@dataclass(frozen=True, slots=True)
class Stage:
    """Statements done once a row, then statements done for every inner position, which may feed accumulators."""

    row: tuple[Statement, ...]
    lane: tuple[Statement, ...]

    @property
    def reductions(self) -> tuple[Reduce, ...]:
        """The reductions this stage completes."""
        return tuple(s for s in self.lane if isinstance(s, Reduce))

    @property
    def online(self) -> tuple[OnlineSum, ...]:
        """The sums that go on beside a running maximum."""
        return tuple(s for s in self.lane if isinstance(s, OnlineSum))

    @property
    def accumulators(self) -> tuple[Reduce | Scan | Append, ...]:
        """What is carried from one inner position to the next."""
        return tuple(s for s in self.lane if isinstance(s, Reduce | Scan | Append))


@dataclass(frozen=True, slots=True)
class Kernel:
    """One nest of loops.

    `form` says what the axes are for:

    - "map": no reductions; `outer` × `inner`, all positions independent;
    - "rows": for every position of `outer`, stages over `inner`, whose last axis runs through memory;
    - "columns": the reduced `inner` axes are stepped through one after the other while a block of the last `outer`
      axis, which runs through memory, is done side by side;
    - "crossed": like "rows", and every row adds to results that lie along `inner` (`Accumulate`);
    - "ordered": for every position of `outer`, the positions of `inner` strictly one after another;
    - "total": no `outer` axes, one stage, results that leave the kernel: `inner` may be split into chunks.

    `tile` names the outer axis along which some accesses of a "map" run through memory, where others run along the last
    inner one: blocks of both axes are then done at a time, so that neither jumps.
    """

    name: str
    form: str
    outer: tuple[Axis, ...]
    inner: tuple[Axis, ...]
    stages: tuple[Stage, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    note: str = ""
    tile: str = ""

    @property
    def is_ordered(self) -> bool:
        """Whether inner positions must be done one after another: each may depend on those before it."""
        return any(isinstance(s, Scan | Scatter | Append) for s in self.statements())

    @property
    def accumulates(self) -> tuple[Accumulate, ...]:
        """What rows add to."""
        return tuple(s for s in self.statements() if isinstance(s, Accumulate))

    @property
    def slots(self) -> tuple[Keep, ...]:
        """What is kept between stages, each once."""
        return tuple({s.slot: s for s in self.statements() if isinstance(s, Keep)}.values())

    def statements(self) -> Iterator[Statement]:
        """All statements, in order."""
        for stage in self.stages:
            yield from stage.row
            yield from stage.lane

    @property
    def flops(self) -> DimLike:
        """Floating-point operations, by the ops' cost."""
        rows, lanes = product(a.extent for a in self.outer), product(a.extent for a in (*self.outer, *self.inner))
        total: DimLike = 0
        for stage in self.stages:
            for statements, times in ((stage.row, rows), (stage.lane, lanes)):
                cost = sum(int(s.op.cost) for s in statements if isinstance(s, Compute | Reduce | Accumulate | Scan))
                total = total + times * cost
        return total


@dataclass(frozen=True, slots=True)
class Matrix:
    """An operand of a matrix product: where it starts, how its batches step, and whether it is stored transposed."""

    buffer: str
    offset: DimLike
    leading: DimLike
    transposed: bool
    batch_strides: tuple[DimLike, ...]


@dataclass(frozen=True, slots=True)
class MatrixProduct:
    """result = left @ right for every batch; `result` is contiguous.

    An epilogue is computed from rows of the result while they are in cache, or, on a device, from each element while it
    is in a register. `result` is None if nothing else needs them: they are then in memory of the step's own, a panel of
    rows at a time, or in none.
    """

    name: str
    dtype: str
    result: str | None
    left: Matrix
    right: Matrix
    batch: tuple[DimLike, ...]
    rows: DimLike
    columns: DimLike
    depth: DimLike
    note: str = ""
    epilogue: Kernel | None = None

    @property
    def form(self) -> str:
        return "product" if self.epilogue is None else "product+epilogue"

    @property
    def factors(self) -> tuple[str, ...]:
        """The buffers that the product itself reads, each once."""
        return tuple(dict.fromkeys((self.left.buffer, self.right.buffer)))

    @property
    def reads(self) -> tuple[str, ...]:
        after = () if self.epilogue is None else self.epilogue.reads
        return tuple(name for name in dict.fromkeys((*self.factors, *after)) if name != self.result)

    @property
    def writes(self) -> tuple[str, ...]:
        before = () if self.result is None else (self.result,)
        return (*before, *(() if self.epilogue is None else self.epilogue.writes))

    @property
    def is_small(self) -> bool:
        """Whether loops of known lengths are faster than a call of BLAS would be."""
        return all(isinstance(size, int) and size <= SMALL for size in (self.columns, self.depth))

    @property
    def is_symmetric(self) -> bool:
        """Whether the right operand is the left one, transposed, so that half of the result is a copy of the other."""
        turned = replace(self.left, transposed=not self.left.transposed)
        return self.right == turned and self.rows == self.columns  # a part of a matrix may begin where the whole does

    @property
    def flops(self) -> DimLike:
        """Two operations for every product that is added, and those of the epilogue."""
        after = 0 if self.epilogue is None else self.epilogue.flops
        return product(self.batch) * self.rows * self.columns * self.depth * 2 + after


@dataclass(frozen=True, slots=True)
class HostCall:
    """result = op(operands), computed by the op's NumPy meaning while the program waits.

    Operands and result are whole buffers, seen as arrays of `types` and `type`. `attributes` may hold dimensions, which
    get their values at the call; `origin` is the line of the user's file.
    """

    form: ClassVar[str] = "host"

    name: str
    op: Op
    attributes: Attributes
    operands: tuple[str, ...]
    types: tuple[TensorType, ...]
    result: str
    type: TensorType
    flops: DimLike
    note: str = ""
    origin: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.operands))

    @property
    def writes(self) -> tuple[str, ...]:
        return (self.result,)


@dataclass(frozen=True, slots=True)
class Settle:
    """The number in `counter` is the size `count`: known from here on, or known before and compared with it.

    Whoever runs the program is told the number, for the node of the graph that counted; it then hands over the buffers
    whose sizes mention it (`Program.settled_by`).
    """

    form: ClassVar[str] = "settle"
    flops: ClassVar[DimLike] = 0
    writes: ClassVar[tuple[str, ...]] = ()

    name: str
    node: int
    count: DimLike
    counter: str
    note: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.counter,)


@dataclass(frozen=True, slots=True)
class Branch:
    """The steps `then` if the element of the buffer `condition` is true, the steps `otherwise` if not."""

    name: str
    condition: str
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...]
    note: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        inside = (name for step in (*self.then, *self.otherwise) for name in step.reads)
        return tuple(dict.fromkeys((self.condition, *inside)))

    @property
    def writes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for step in (*self.then, *self.otherwise) for name in step.writes))

    @property
    def flops(self) -> DimLike:
        """Those of the dearer branch."""
        then, otherwise = (sum((step.flops for step in side), 0) for side in (self.then, self.otherwise))
        return opaque("max", then, otherwise)


Step = Kernel | MatrixProduct | HostCall | Settle | Branch


def made_by(step: Step) -> frozenset[str]:
    """The buffers that a step writes before it reads them, or without reading them."""
    if isinstance(step, Branch):
        return frozenset().union(*(made_by(inner) for inner in (*step.then, *step.otherwise)))
    if not isinstance(step, Kernel):
        return frozenset(step.writes)
    first: dict[str, bool] = {}
    for statement in step.statements():
        if isinstance(statement, Reading | Writing):
            first.setdefault(statement.buffer, isinstance(statement, Writing))
    return frozenset(name for name, is_written in first.items() if is_written)


def leaves(steps: Iterable[Step]) -> Iterator[Kernel | MatrixProduct | HostCall | Settle]:
    """The steps that do something, those of branches in the branches' place, `then` first."""
    for step in steps:
        if isinstance(step, Branch):
            yield from leaves((*step.then, *step.otherwise))
        else:
            yield step


def nests(steps: Iterable[Step]) -> Iterator[Kernel]:
    """All nests of loops: kernels, and epilogues of products."""
    for step in leaves(steps):
        if isinstance(step, Kernel):
            yield step
        elif isinstance(step, MatrixProduct) and step.epilogue is not None:
            yield step.epilogue
