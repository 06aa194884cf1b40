"""How a program's steps become launches on a device: which kernels, how many blocks, how many threads. Plain data.

The numbers of blocks and threads are dimensions, so that one program serves every size. Which elements are combined in
which order depends on sizes, on alignment and on how much shared memory a device has, never on how many blocks it runs
at a time, so that results repeat.

Not for the text of kernels, which the templates write, nor for the best geometry of any one device.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from graphopt.dimensions import Dim, DimLike, Opaque, product
from graphopt.schedule.device_product import Multiply, Routes
from graphopt.schedule.instance import AtMost, Condition, Extents, Instance
from graphopt.schedule.kernel_launch import (
    NARROW,
    THREADS,
    Launch,
    Scratch,
    count,
    launch,
    local_names,
    needed,
    portions,
)
from graphopt.schedule.launch_products import routes
from graphopt.schedule.launch_reductions import columns, rows
from graphopt.schedule.program import Program
from graphopt.schedule.statements import Compute, Extent, Gather, Indexed, Scatter, Store
from graphopt.schedule.steps import Branch, HostCall, Kernel, MatrixProduct, Settle, Stage, Step
from graphopt.schedule.vectors import vectors

__all__ = ["SIDE", "Choice", "Extents", "Item", "Launch", "Scratch", "launches", "sequence", "taken"]

SIDE = 32
"""Rows and columns of the tiles of a map whose accesses run across."""
LONG = 100
"""Statements of a body that is compiled once, for all sizes and alignments."""
BELOW = 2**31 - 2**24
"""What positions are below that are counted in 32 bits, with room for a step of all threads."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The launches `then` if the element of the buffer `condition` is true, the launches `otherwise` if not."""

    condition: str
    then: tuple[Item, ...]
    otherwise: tuple[Item, ...]


Item = Launch | HostCall | Settle | Choice | Routes | Multiply
"""What a call does: the last is on routes only, and never in the text."""


def launches(program: Program) -> tuple[Launch | HostCall | Settle, ...]:
    """The launches of a program that keeps nothing between stages (`schedule(graph, keep=False)`), all of them."""
    return tuple({item.name: item for item in _all(sequence(program.steps))}.values())


def _all(sequence: Iterable[Item]) -> Iterator[Launch | HostCall | Settle]:
    for item in sequence:
        if isinstance(item, Choice):
            yield from _all((*item.then, *item.otherwise))
        elif isinstance(item, Routes):
            yield from _all((*item.large, *item.small, *item.library))
        elif not isinstance(item, Multiply):
            yield item


def taken(todo: Iterable[Item], sizes: Mapping[str, int], multiplies: Collection[str]) -> Iterator[Launch | Multiply]:
    """What a call takes of a sequence, if its driver multiplies matrices of these dtypes; both sides of a `Choice`.

    Left out is what depends on sizes that are not known.
    """
    for item in todo:
        if isinstance(item, Choice):
            yield from taken((*item.then, *item.otherwise), sizes, multiplies)
        elif isinstance(item, Routes):
            if item.names <= sizes.keys():
                yield from item.taken(sizes, multiplies)
        elif isinstance(item, Launch):
            yield item


def sequence(steps: Iterable[Step]) -> tuple[Item, ...]:
    """What is launched for steps, in order, and where it depends on what was computed.

    What the host computes or is told between two launches stands between them.
    """
    result: list[Item] = []
    for step in steps:
        if isinstance(step, Branch):
            result.append(Choice(step.condition, sequence(step.then), sequence(step.otherwise)))
        elif isinstance(step, HostCall | Settle):
            result.append(step)
        elif isinstance(step, MatrixProduct):
            result.append(routes(step, _map))
        elif step.is_ordered:
            result.append(_ordered(step))
        else:
            result += FORMS[step.form](step)
    return tuple(result)


def _map(kernel: Kernel) -> tuple[Launch, ...]:
    """A thread for every few positions; a block for every tile where accesses run across each other."""
    if any(isinstance(s, Store) for stage in kernel.stages for s in stage.row):
        return (*_map(_of_rows(kernel)), *_map(_of_lanes(kernel)))
    if kernel.tile:
        return (_tiled(kernel),)
    axes = kernel.outer + kernel.inner
    lane = [s for stage in kernel.stages for s in (*stage.row, *stage.lane)]
    wide = vectors(lane, axes, tails=len(axes) == 1) if len(lane) <= LONG else NARROW
    narrow: tuple[Condition, ...] = (AtMost(_magnitude(kernel), BELOW),)
    made: list[tuple[str, tuple[str | int, ...], int, tuple[Condition, ...]]] = [
        (kernel.name, ("int", 1), 1, narrow),
        (f"{kernel.name}_large", ("int64_t", 1), 1, ()),
    ]
    if len(lane) > LONG:
        made = made[1:]  # one text less for the compiler, where counting is the least of it
    elif wide.lanes > 1:
        made.insert(0, (f"{kernel.name}_wide", ("int", wide.lanes), wide.lanes, (*narrow, *wide.conditions)))
    block: Extents = (THREADS, 1, 1)
    instances = [
        Instance(name, "map", constants, (portions(count(axes), THREADS * lanes), 1, 1), block, THREADS, 0, when, True)
        for name, constants, lanes, when in made
    ]
    return (launch(kernel, "map", kernel.stages, instances, vectors=wide),)


def _of_rows(kernel: Kernel) -> Kernel:
    """What a map stores once a row, even where the row has no positions."""
    (stage,) = kernel.stages
    stores = tuple(s for s in stage.row if isinstance(s, Store))
    wanted = Stage((), needed(stage.row, local_names(stores), stores=True))
    return replace(kernel, name=f"{kernel.name}_rows", inner=(), stages=(wanted,), tile="")


def _of_lanes(kernel: Kernel) -> Kernel:
    """What a map computes for every position."""
    (stage,) = kernel.stages
    return replace(kernel, stages=(Stage(needed(stage.row, local_names(stage.lane)), stage.lane),))


def _tiled(kernel: Kernel) -> Launch:
    """A block for every tile of the last inner axis and the axis along which some accesses run."""
    across = next(axis for axis in kernel.outer if axis.name == kernel.tile)
    others = [axis for axis in (*kernel.outer, *kernel.inner[:-1]) if axis is not across]
    tiles = count(others) * portions(across.extent, SIDE) * portions(kernel.inner[-1].extent, SIDE)
    block: Extents = (SIDE, THREADS // SIDE, 1)
    made = Instance(kernel.name, "tiled", (), (tiles, 1, 1), block, THREADS, is_resident=True)
    return launch(kernel, "tiled", kernel.stages, (made,))


def _ordered(kernel: Kernel) -> Launch:
    """A thread for every position of the outer axes, which steps through the inner ones."""
    blocks = portions(count(kernel.outer), THREADS)
    made = Instance(kernel.name, "ordered", (), (blocks, 1, 1), (THREADS, 1, 1), THREADS, is_resident=True)
    return launch(kernel, "ordered", kernel.stages, (made,))


FORMS = {"map": _map, "rows": rows, "total": rows, "columns": columns}
"""What makes the launches of each form of kernel."""


def _magnitude(kernel: Kernel) -> DimLike:
    """What no number is above that the text computes from sizes and positions, signs left aside."""
    axes = {axis.name: axis.extent for axis in (*kernel.outer, *kernel.inner)}
    found: dict[tuple[str | int, DimLike], None] = {("", product(axes.values())): None}  # by what may come together
    for statement in kernel.statements():
        if isinstance(statement, Indexed):
            found["offset", _plus(statement.index.offset)] = None
            for name, stride in statement.index.terms:
                found[name, axes.get(name, 1) * _plus(stride)] = None
        if isinstance(statement, Gather | Scatter):
            for place, position in enumerate(statement.positions):
                found[place, _plus(position.limit) * _plus(position.stride)] = None
        values = statement.operands if isinstance(statement, Compute) else (getattr(statement, "value", None),)
        for value in values:
            if isinstance(value, Extent):
                found["", _plus(value.value)] = None
    total: DimLike = 0
    for _, dimension in found:
        total = total + dimension
    return total


def _plus(value: DimLike) -> DimLike:
    """A dimension with every sign made a plus."""
    if isinstance(value, int):
        return abs(value)
    return sum(
        (abs(factor) * product(_atom(atom) for atom in monomial) for monomial, factor in value.terms),
        start=0,
    )


def _atom(atom: str | Opaque) -> DimLike:
    """A name, or what an opaque form is at most: the sum of its operands without signs."""
    if isinstance(atom, str):
        return Dim((((atom,), 1),))
    a, b = atom.operands
    return _plus(a) if atom.function == "//" else _plus(a) + _plus(b)
