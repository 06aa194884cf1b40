"""What a schedule produces: kernels, matrix products, host calls and buffers, in order. Plain data, for every target.

Dimensions stay symbolic (`graphopt.dimensions`); axes are named; index maps are an offset and a stride per axis. A
template writes a program down, and decides nothing but the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from graphopt.dimensions import DimLike, opaque, product, symbols
from graphopt.op import Attributes, Op
from graphopt.types import TensorType

__all__ = ["Append", "Axis", "Branch", "Buffer", "Compute", "Defining", "Extent", "Gather", "HostCall", "Index",
           "Indexed", "Keep", "Kernel", "Literal", "Load", "Local", "Matrix", "MatrixProduct", "Position", "Program",
           "Reading", "Recall", "Reduce", "Scan", "Scatter", "Settle", "Stage", "Statement", "Step", "Store",
           "Value", "Within", "Writing", "leaves", "used"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Axis:
    """A loop variable from 0 to `extent` - 1."""

    name: str
    extent: DimLike


@dataclass(frozen=True, slots=True)
class Buffer:
    """Contiguous, row-major memory. `role` is "input", "output", "constant" or "temporary"."""

    name: str
    type: TensorType
    role: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Index:
    """Where an element lies: offset + Σ axis · stride, in elements."""

    offset: DimLike
    terms: tuple[tuple[str, DimLike], ...] = ()


# --- operands of statements ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Local:
    """A named scalar of the kernel."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: bool | int | float
    dtype: str


@dataclass(frozen=True, slots=True)
class Extent:
    """A dimension used as a number."""

    value: DimLike
    dtype: str


Value = Local | Literal | Extent


# --- statements ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Load:
    """target = buffer[index]"""

    target: str
    dtype: str
    buffer: str
    index: Index


@dataclass(frozen=True, slots=True)
class Within:
    """A position that was computed, brought to 0 ≤ position < `limit`, times a stride: a term of an address."""

    value: Value
    limit: DimLike
    stride: DimLike


@dataclass(frozen=True, slots=True)
class Gather:
    """target = buffer[index + Σ positions]"""

    target: str
    dtype: str
    buffer: str
    index: Index
    positions: tuple[Within, ...]


@dataclass(frozen=True, slots=True)
class Scatter:
    """buffer[index + Σ positions] = value, or what `op` makes of what stands there and the value."""

    buffer: str
    index: Index
    positions: tuple[Within, ...]
    value: Value
    dtype: str
    op: Op | None


@dataclass(frozen=True, slots=True)
class Position:
    """target = index, as a number"""

    target: str
    dtype: str
    index: Index


@dataclass(frozen=True, slots=True)
class Compute:
    """target = op(operands); `loops` are the dtypes the operands have, `dtype` the result's."""

    target: str
    dtype: str
    op: Op
    operands: tuple[Value, ...]
    loops: tuple[str, ...]
    attributes: Attributes
    node: int

    @property
    def loop(self) -> str:
        """The dtype the op computes in: that of the last operand, as the first may be a condition."""
        return self.loops[-1]


@dataclass(frozen=True, slots=True)
class Reduce:
    """target = target ∘ value for the reduction `op`, over the kernel's inner loops."""

    target: str
    dtype: str
    op: Op
    value: Value
    node: int


@dataclass(frozen=True, slots=True)
class Scan:
    """target = what the running combination `op` makes of target and values, one position after another."""

    target: str
    dtype: str
    op: Op
    values: tuple[Value, ...]
    node: int


@dataclass(frozen=True, slots=True)
class Append:
    """If `condition` holds: buffer[target] = value, and target = target + 1. `op` says what target begins with."""

    target: str
    dtype: str
    buffer: str
    value: Value
    condition: Value
    op: Op


@dataclass(frozen=True, slots=True)
class Store:
    """buffer[index] = value"""

    buffer: str
    index: Index
    value: Value
    dtype: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Remember a value of each inner position for a later stage."""

    slot: str
    value: Value
    dtype: str


@dataclass(frozen=True, slots=True)
class Recall:
    """target = what `Keep` remembered at this inner position."""

    target: str
    dtype: str
    slot: str


Statement = Load | Gather | Position | Compute | Reduce | Scan | Append | Store | Scatter | Keep | Recall
Reading = Load | Gather
Writing = Store | Scatter | Append
Indexed = Load | Gather | Position | Store | Scatter
Defining = Load | Gather | Position | Compute


def used(statement: Statement) -> list[str]:
    """The locals a statement reads."""
    values: tuple[Value, ...] = ()
    match statement:
        case Compute(operands=operands):
            values = operands
        case Scan(values=operands):
            values = operands
        case Gather(positions=positions):
            values = tuple(position.value for position in positions)
        case Scatter(positions=positions, value=value):
            values = (value, *(position.value for position in positions))
        case Append(value=value, condition=condition):
            values = (value, condition)
        case Store(value=value) | Reduce(value=value) | Keep(value=value):
            values = (value,)
    return [value.name for value in values if isinstance(value, Local)]


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
    - "ordered": for every position of `outer`, the positions of `inner` strictly one after another;
    - "total": no `outer` axes, one stage, results that leave the kernel: `inner` may be split into chunks.
    """

    name: str
    form: str
    outer: tuple[Axis, ...]
    inner: tuple[Axis, ...]
    stages: tuple[Stage, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    note: str = ""

    @property
    def is_ordered(self) -> bool:
        """Whether inner positions must be done one after another: each may depend on those before it."""
        return any(isinstance(s, Scan | Scatter | Append) for s in self.statements())

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
                cost = sum(int(s.op.cost) for s in statements if isinstance(s, Compute | Reduce | Scan))
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
    """result = left @ right for every batch; `result` is contiguous."""

    name: str
    dtype: str
    result: str
    left: Matrix
    right: Matrix
    batch: tuple[DimLike, ...]
    rows: DimLike
    columns: DimLike
    depth: DimLike
    note: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.left.buffer, self.right.buffer)

    @property
    def writes(self) -> tuple[str, ...]:
        return (self.result,)

    @property
    def is_symmetric(self) -> bool:
        """Whether the right operand is the left one, transposed, so that half of the result is a copy of the other."""
        return self.right == replace(self.left, transposed=not self.left.transposed)

    @property
    def flops(self) -> DimLike:
        """Two operations for every product that is added."""
        return product(self.batch) * self.rows * self.columns * self.depth * 2


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


def leaves(steps: Iterable[Step]) -> Iterator[Kernel | MatrixProduct | HostCall | Settle]:
    """The steps that do something, those of branches in the branches' place, `then` first."""
    for step in steps:
        if isinstance(step, Branch):
            yield from leaves((*step.then, *step.otherwise))
        else:
            yield step


@dataclass(frozen=True)
class Program:
    """Buffers, sizes and steps.

    `sizes` are the names of dimensions in the order a call passes them: first those that the arguments have, then
    `counts`, which are 0 until a step of the program settles them.
    """

    name: str
    buffers: dict[str, Buffer]
    sizes: tuple[str, ...]
    steps: tuple[Step, ...]
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    counts: tuple[str, ...] = ()

    def of_role(self, role: str) -> list[Buffer]:
        """The buffers of one role, in order."""
        return [buffer for buffer in self.buffers.values() if buffer.role == role]

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The steps that are loops, those within branches too."""
        return tuple(step for step in leaves(self.steps) if isinstance(step, Kernel))

    @property
    def host_calls(self) -> tuple[HostCall, ...]:
        """The steps that the host computes; generated text calls them by their numbers here."""
        return tuple(step for step in leaves(self.steps) if isinstance(step, HostCall))

    @property
    def settles(self) -> tuple[Settle, ...]:
        """The steps that settle sizes; generated text calls them by their numbers here."""
        return tuple(step for step in self.steps if isinstance(step, Settle))

    @cached_property
    def settled_by(self) -> dict[str, tuple[Buffer, ...]]:
        """The buffers that can be allocated after each step that settles a size, and not before; by its name."""
        known = set(self.sizes) - set(self.counts)
        waiting = [buffer for buffer in self.buffers.values() if not symbols(buffer.type.size) <= known]
        result = {}
        for step in self.settles:
            known |= symbols(step.count)
            result[step.name] = tuple(buffer for buffer in waiting if symbols(buffer.type.size) <= known)
            waiting = [buffer for buffer in waiting if not symbols(buffer.type.size) <= known]
        return result

    @property
    def late(self) -> tuple[Buffer, ...]:
        """All buffers that cannot be allocated before the program runs."""
        return tuple(buffer for buffers in self.settled_by.values() for buffer in buffers)

    def early(self, role: str) -> list[Buffer]:
        """The buffers of one role that can be."""
        late = set(self.late) if self.counts else set()
        return [buffer for buffer in self.of_role(role) if buffer not in late]

    def bytes(self, step: Step) -> DimLike:
        """Bytes a step must move if every buffer it touches is read or written once."""
        total: DimLike = 0
        for name in dict.fromkeys((*step.reads, *step.writes)):
            buffer = self.buffers[name]
            total = total + buffer.type.size * buffer.type.itemsize
        return total
