"""Launches of matrix products: all the ways that their sizes leave open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from graphopt.dimensions import product
from graphopt.schedule.device_product import Multiply, Routes, apart, is_by_element, parts, routes_left_open, tiles
from graphopt.schedule.instance import Instance
from graphopt.schedule.kernel_launch import THREADS, Launch, Scratch, at_most, portions
from graphopt.schedule.steps import Kernel, MatrixProduct, Stage

__all__ = ["routes"]


def routes(step: MatrixProduct, loops_of: Callable[[Kernel], tuple[Launch, ...]]) -> Routes:
    """The launches of all routes. An epilogue that is not done element by element is always a launch of its own.

    `loops_of` makes the launches of an epilogue that is.
    """
    name = f"{step.name}_whole"
    stored, after = apart(step, name)
    scratch = (Scratch(name, step.dtype, product((*step.batch, step.rows, step.columns))),) * (stored.result == name)
    loops = tuple(_passing(launch, scratch) for kernel in after for launch in loops_of(kernel))
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
    number, pieces = tiles(form, step), parts(form, step)
    name = step.name if form == "product" else f"{step.name}_small"
    made = Instance(name, form, (), (number, pieces, 1), (THREADS, 1, 1), THREADS, is_resident=True)
    launch = Launch(name, form, step, stages, step.reads, step.writes, (made,))
    if pieces == 1:
        return (launch,)
    several = at_most(1, pieces - 1)  # 1 or 0
    elements = product((*step.batch, step.rows, step.columns))
    memory = (Scratch(f"{step.name}_parts", step.dtype, several * pieces * elements),)
    reads = tuple(name for name in step.reads if step.epilogue is not None and name in step.epilogue.reads)
    name, form = f"{step.name}_join", "product_join"
    grid = (several * portions(elements, THREADS), 1, 1)
    last = Instance(name, form, (), grid, (THREADS, 1, 1), THREADS, is_resident=True)
    join = Launch(name, form, step, stages, reads, step.writes, (last,), scratch=memory)
    return replace(launch, scratch=memory), join


def _passing(launch: Launch, scratch: tuple[Scratch, ...]) -> Launch:
    """A launch that reads or writes scratch memory in place of a buffer of that name."""
    names = {memory.name for memory in scratch}
    reads, writes = (
        tuple(name for name in names_of if name not in names) for names_of in (launch.reads, launch.writes)
    )
    return replace(launch, reads=reads, writes=writes, scratch=(*launch.scratch, *scratch))
