"""How a program's steps become launches on a device: which kernels, how many blocks, how many threads. Plain data.

The numbers of blocks and threads are dimensions, so that one program serves every size; they depend on sizes alone,
never on the device, so that results repeat. A number of blocks that comes out as 0 says: nothing to launch.

Not for the text of kernels, which the templates write, nor for the best geometry of any one device.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from graphopt.dimensions import DimLike, opaque, product
from graphopt.schedule.device_product import Multiply, Routes, apart, is_by_element, parts, routes_left_open, tiles
from graphopt.schedule.program import Program
from graphopt.schedule.statements import Reading, Statement, Store, Writing, used
from graphopt.schedule.steps import Axis, Branch, HostCall, Kernel, MatrixProduct, Settle, Stage, Step

__all__ = ["BLOCKS", "COLUMNS", "PARTS", "STEPS", "THREADS", "Choice", "Item", "Launch", "Scratch", "launches",
           "sequence", "taken"]  # fmt: skip

THREADS = 256
"""Threads of a block, at most."""
WARP = 32
BLOCKS = 2048
"""Blocks of a launch, at most; with more to do, each block does several portions."""
COLUMNS = 32
"""Neighbouring columns that a block of a "columns" kernel does."""
STEPS = THREADS // COLUMNS
"""Threads that share a column; each takes every `STEPS`th position of the reduced axes."""
PARTS = 512
"""Partial results of a full reduction, at most."""
PER_PART = 8 * THREADS
"""Elements for which a full reduction makes one more part."""
Extents = tuple[DimLike, DimLike, DimLike]


@dataclass(frozen=True, slots=True)
class Scratch:
    """Memory between two launches of one step: `count` elements, one for each block of the first."""

    name: str
    dtype: str
    count: DimLike


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch of one kernel.

    Attributes
    ----------
    name
        The kernel's name in the text.
    form
        "map", "rows", "columns", "ordered"; "parts", then "join", the two launches of a full reduction; "product" or
        "small_product", in large or small tiles, after the latter "product_join".
    step
        The step of the program that this does, or half of.
    stages
        The statements that this launch runs, for a step that is loops; of a product, those of its epilogue.
    reads, writes
        The buffers it touches.
    scratch
        What passes from "parts" to "join", one for each reduction; from a product to its "product_join", and to
        launches of its epilogue.
    grid, block
        Blocks and threads in x, y and z.
    threads
        The most threads that a block can have.
    shared
        Bytes of dynamic shared memory of a block.
    """

    name: str
    form: str
    step: Kernel | MatrixProduct
    stages: tuple[Stage, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    grid: Extents
    block: Extents
    threads: int = THREADS
    shared: DimLike = 0
    scratch: tuple[Scratch, ...] = ()

    @property
    def buffers(self) -> tuple[str, ...]:
        """The buffers it is given, each once; scratch comes after them, the program's sizes last."""
        return tuple(dict.fromkeys((*self.reads, *self.writes)))

    @property
    def statements(self) -> tuple[Statement, ...]:
        """All statements, in order."""
        return tuple(s for stage in self.stages for s in (*stage.row, *stage.lane))


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


def taken(todo: Iterable[Item], sizes: Mapping[str, int], multiplies: Collection[str]) -> tuple[Item, ...]:
    """The same items as a call of known sizes takes them, with a driver that multiplies matrices of these dtypes.

    Routes give way to what is on the one that is taken; where it depends on what is computed, both sides stay.
    """
    result: list[Item] = []
    for item in todo:
        if isinstance(item, Routes):
            result += item.taken(sizes, multiplies)
        elif isinstance(item, Choice):
            sides = (taken(side, sizes, multiplies) for side in (item.then, item.otherwise))
            result.append(Choice(item.condition, *sides))
        else:
            result.append(item)
    return tuple(result)


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
            result.append(_product(step))
        elif step.is_ordered:
            result.append(_ordered(step))
        elif step.form == "total":
            result += _total(step)
        else:
            result.append({"map": _map, "rows": _rows, "columns": _columns}[step.form](step))
    return tuple(result)


def _map(kernel: Kernel) -> Launch:
    if any(isinstance(s, Store) for stage in kernel.stages for s in stage.row):
        return _rows(kernel)  # a row's own result is stored once, even where the row has no positions
    positions = _count(kernel.outer) * _count(kernel.inner)
    return _launch(kernel, "map", kernel.stages, _at_most(BLOCKS, _portions(positions, THREADS)), (THREADS, 1, 1))


def _rows(kernel: Kernel) -> Launch:
    warps = _at_least(1, _at_most(THREADS // WARP, _portions(_count(kernel.inner), WARP)))
    return _launch(kernel, "rows", kernel.stages, _at_most(BLOCKS, _count(kernel.outer)), (warps * WARP, 1, 1))


def _ordered(kernel: Kernel) -> Launch:
    """A thread for every position of the outer axes, which steps through the inner ones."""
    blocks = _at_most(BLOCKS, _portions(_count(kernel.outer), THREADS))
    return _launch(kernel, "ordered", kernel.stages, blocks, (THREADS, 1, 1))


def _columns(kernel: Kernel) -> Launch:
    tasks = _count(kernel.outer[:-1]) * _portions(kernel.outer[-1].extent, COLUMNS)
    return _launch(kernel, "columns", kernel.stages, _at_most(BLOCKS, tasks), (COLUMNS, STEPS, 1))


def _total(kernel: Kernel) -> tuple[Launch, Launch]:
    """Every block reduces a part, and one block the parts. What the rest of a part needs is computed in both."""
    first, *later = kernel.stages
    parts = _at_most(PARTS, _portions(_count(kernel.inner), PER_PART))
    stem = f"{kernel.name}_parts"
    scratch = tuple(
        Scratch(f"{stem}{number or ''}", reduction.dtype, parts) for number, reduction in enumerate(first.reductions)
    )
    loop = Stage(_needed(first.row, _locals(first.lane)), first.lane)
    stores = tuple(s for s in first.row if isinstance(s, Store))
    wanted = _locals((*stores, *(s for stage in later for s in stage.row)))
    rest = (Stage(_needed(first.row, wanted, stores=True), ()), *(Stage(stage.row, ()) for stage in later))
    return (
        _launch(kernel, "parts", (loop,), parts, (THREADS, 1, 1), f"{kernel.name}_part", scratch),
        _launch(kernel, "join", rest, 1, (THREADS, 1, 1), kernel.name, scratch),
    )


def _product(step: MatrixProduct) -> Routes:
    """The launches of all routes. An epilogue that is not done element by element is always a launch of its own."""
    name = f"{step.name}_whole"
    stored, after = apart(step, name)
    scratch = (Scratch(name, step.dtype, product((*step.batch, step.rows, step.columns))),) * (stored.result == name)
    loops = tuple(_passing(_map(kernel), scratch) for kernel in after)
    by_library, in_large, in_small = routes_left_open(step)

    def tiled(form: str) -> tuple[Launch, ...]:
        if is_by_element(step):
            return _tiled(form, step, step.epilogue.stages if step.epilogue is not None else ())
        return (*(_passing(launch, scratch) for launch in _tiled(form, stored, ())), *loops)

    return Routes(
        step,
        (Multiply(stored, scratch), *loops) if by_library else (),
        tiled("product") if in_large else (),
        tiled("small_product") if in_small else (),
    )


def _tiled(form: str, step: MatrixProduct, stages: tuple[Stage, ...]) -> tuple[Launch, ...]:
    """The launch in tiles; and one that joins the parts of the depth, for sizes that have several."""
    count, pieces = tiles(form, step), parts(form, step)
    name = step.name if form == "product" else f"{step.name}_small"
    block = (THREADS, 1, 1)
    grid = (_at_most(BLOCKS, count), pieces, 1)
    launch = Launch(name, form, step, stages, step.reads, step.writes, grid, block)
    if pieces == 1:
        return (launch,)
    several = _at_most(1, pieces - 1)  # 1 or 0
    elements = product((*step.batch, step.rows, step.columns))
    memory = (Scratch(f"{step.name}_parts", step.dtype, several * pieces * elements),)
    reads = tuple(name for name in step.reads if step.epilogue is not None and name in step.epilogue.reads)
    grid = (several * _at_most(BLOCKS, _portions(elements, THREADS)), 1, 1)
    join = Launch(f"{step.name}_join", "product_join", step, stages, reads, step.writes, grid, block, scratch=memory)
    return replace(launch, scratch=memory), join


def _passing(launch: Launch, scratch: tuple[Scratch, ...]) -> Launch:
    """A launch that reads or writes scratch memory in place of a buffer of that name."""
    names = {memory.name for memory in scratch}
    reads, writes = (
        tuple(name for name in names_of if name not in names) for names_of in (launch.reads, launch.writes)
    )
    return replace(launch, reads=reads, writes=writes, scratch=(*launch.scratch, *scratch))


def _launch(
    kernel: Kernel,
    form: str,
    stages: tuple[Stage, ...],
    blocks: DimLike,
    block: Extents,
    name: str | None = None,
    scratch: tuple[Scratch, ...] = (),
) -> Launch:
    statements = [s for stage in stages for s in (*stage.row, *stage.lane)]
    reads = tuple(dict.fromkeys(s.buffer for s in statements if isinstance(s, Reading)))
    writes = tuple(dict.fromkeys(s.buffer for s in statements if isinstance(s, Writing)))
    return Launch(name or kernel.name, form, kernel, stages, reads, writes, (blocks, 1, 1), block, scratch=scratch)


# --- statements ------------------------------------------------------------------------------------------------------


def _needed(statements: tuple[Statement, ...], wanted: set[str], *, stores: bool = False) -> tuple[Statement, ...]:
    """The statements that define what is wanted and what that in turn needs; `stores` keeps stores as well."""
    wanted = set(wanted)
    kept: list[Statement] = []
    for statement in reversed(statements):
        if stores if isinstance(statement, Store) else getattr(statement, "target", None) in wanted:
            kept.append(statement)
            wanted.update(used(statement))
    return tuple(reversed(kept))


def _locals(statements: Iterable[Statement]) -> set[str]:
    return {name for statement in statements for name in used(statement)}


# --- dimensions ------------------------------------------------------------------------------------------------------


def _count(axes: Iterable[Axis]) -> DimLike:
    return product(axis.extent for axis in axes)


def _portions(count: DimLike, size: int) -> DimLike:
    return (count + (size - 1)) // size


def _at_most(limit: int, count: DimLike) -> DimLike:
    return opaque("min", limit, count)


def _at_least(limit: int, count: DimLike) -> DimLike:
    return opaque("max", limit, count)
