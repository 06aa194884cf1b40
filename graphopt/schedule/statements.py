"""What the loops of a kernel do: statements over named locals, and index maps. Plain data, for every target.

Dimensions stay symbolic (`graphopt.dimensions`); an index map is an offset and a stride per axis.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphopt.dimensions import DimLike
from graphopt.op import Attributes, Op

__all__ = ["Accumulate", "Append", "Compute", "Defining", "Extent", "Gather", "Index", "Indexed", "Keep", "Literal",
           "Load", "Local", "OnlineSum", "Position", "Reading", "Recall", "Reduce", "Scan", "Scatter", "Statement",
           "Store", "Value", "Within", "Writing", "used"]  # fmt: skip


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
class OnlineSum:
    """target = Σ exp(value - shift), beside a running maximum on which the shift depends.

    `largest` is the maximum so far, which a `Reduce` after this makes that of `value` too; `shift` computes the local
    `shifted` from it. Where the shift changes, so does all that was added before.

    Source: Milakov and Gimelshein, Online normalizer calculation for softmax, 2018, algorithm 3.
    """

    target: str
    dtype: str
    value: Value
    largest: str
    shift: tuple[Compute, ...]
    shifted: str
    op: Op
    node: int


@dataclass(frozen=True, slots=True)
class Accumulate:
    """buffer[index] = buffer[index] ∘ value for the reduction `op`, over the kernel's outer loops."""

    buffer: str
    index: Index
    value: Value
    dtype: str
    op: Op
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


Statement = (
    Load
    | Gather
    | Position
    | Compute
    | Reduce
    | OnlineSum
    | Accumulate
    | Scan
    | Append
    | Store
    | Scatter
    | Keep
    | Recall
)
Reading = Load | Gather
Writing = Store | Scatter | Append | Accumulate
Indexed = Load | Gather | Position | Store | Scatter | Accumulate
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
        case (
            Store(value=value)
            | Reduce(value=value)
            | OnlineSum(value=value)
            | Accumulate(value=value)
            | Keep(value=value)
        ):
            values = (value,)
    return [value.name for value in values if isinstance(value, Local)]
