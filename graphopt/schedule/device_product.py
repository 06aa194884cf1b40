"""How a device does a matrix product: by a library of the driver's, or by a kernel in larger or smaller tiles.

Sizes may be known only at the call, so all ways that they leave open are data, and `Routes.taken` chooses. Not for the
text of the kernels, nor for what the driver does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from graphopt.dimensions import DimLike, evaluate, opaque, product, symbols
from graphopt.schedule.kernels import make_kernel
from graphopt.schedule.stages import PANEL
from graphopt.schedule.statements import Load, Statement, Store
from graphopt.schedule.steps import Kernel, MatrixProduct, Stage

if TYPE_CHECKING:
    from graphopt.schedule.kernel_launch import Launch, Scratch

__all__ = ["BLOCKS_OF_PARTS", "FLOATS", "LARGE", "MANY_TILES", "PART", "TILINGS", "Multiply", "Routes", "Tiling",
           "apart", "is_by_element", "parts", "routes_left_open", "tiles", "tiling"]  # fmt: skip

LARGE = 64
"""Rows, columns and depth from which on a library multiplies."""
MANY_TILES = 64
"""Large tiles from which on there is work for a whole device."""
HALF = 32
"""Rows and columns from which on a large tile is not mostly empty."""
BLOCKS_OF_PARTS = 256
"""Small tiles, each in several parts of the depth, that are worked on at a time."""
PART = 512
"""Depth of a part, at least."""
FLOATS = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class Tiling:
    """Tiles of a product: `size` rows and columns, of which each of 16 × 16 threads does `each` × `each` elements.

    `depth` rows and columns of the operands are in shared memory at a time, in rows that are `padding` longer: so the
    threads of a warp that go down a column meet in few banks, and with 4 neighbours to each thread rows stay aligned.
    """

    size: int
    each: int
    depth: int
    padding: int


TILINGS = {
    "product": {"wide": Tiling(64, 4, 8, 4), "narrow": Tiling(64, 4, 16, 4)},
    "small_product": {"wide": Tiling(16, 1, 32, 1), "narrow": Tiling(16, 1, 32, 1)},
}
"""By form of launch, and whether elements have eight bytes."""


def tiling(form: str, dtype: str) -> Tiling:
    """The tiles of a launch."""
    return TILINGS[form]["wide" if dtype.endswith("64") else "narrow"]


def tiles(form: str, step: MatrixProduct) -> DimLike:
    """How many tiles the result has."""
    size = tiling(form, step.dtype).size
    down, across = ((extent + (size - 1)) // size for extent in (step.rows, step.columns))
    return product(step.batch) * down * across


@dataclass(frozen=True, slots=True)
class Multiply:
    """A product that the driver does itself. Its result is a buffer of the program or the one in `scratch`."""

    form: ClassVar[str] = "multiply"

    step: MatrixProduct
    scratch: tuple[Scratch, ...]

    @property
    def name(self) -> str:
        return self.step.name


@dataclass(frozen=True, slots=True)
class Routes:
    """One product: through the driver's library, in large tiles, or in small ones; none where sizes rule it out."""

    step: MatrixProduct
    library: tuple[Multiply | Launch, ...]
    large: tuple[Launch, ...]
    small: tuple[Launch, ...]

    @property
    def names(self) -> set[str]:
        """The sizes on which the choice depends."""
        return set().union(*(symbols(size) for size in (*self.step.batch, *_sizes(self.step))))

    def taken(self, sizes: Mapping[str, int], multiplies: Collection[str]) -> tuple[Multiply | Launch, ...]:
        """What is done at a call, for a driver that multiplies matrices of these dtypes.

        Which tiles are taken changes no bit of a result whose depth is not in parts: elements are summed in order.
        """
        step = self.step
        if self.library and step.dtype in multiplies and _is_for_library(step, sizes):
            return self.library
        rows, columns, count = (evaluate(size, sizes) for size in (step.rows, step.columns, tiles("product", step)))
        is_large = min(rows, columns) >= HALF and count >= MANY_TILES
        return self.large if self.large and (is_large or not self.small) else self.small


def routes_left_open(step: MatrixProduct) -> tuple[bool, bool, bool]:
    """Whether there may be calls that go through the library, take large tiles, take small ones."""
    least = ((step.rows, HALF), (step.columns, HALF), (tiles("product", step), MANY_TILES))
    too_small = any(isinstance(size, int) and size < limit for size, limit in least)
    known = all(isinstance(size, int) for size, _ in least)
    by_library = step.dtype in FLOATS and all(not isinstance(size, int) or size >= LARGE for size in _sizes(step))
    return by_library, not too_small, too_small or not known


def parts(form: str, step: MatrixProduct) -> DimLike:
    """Into how many parts the depth is cut: more than one where small tiles are few and the depth is long."""
    if form != "small_product" or (isinstance(step.depth, int) and step.depth < 2 * PART):
        return 1
    at_once = opaque("//", BLOCKS_OF_PARTS, opaque("max", 1, tiles(form, step)))
    return opaque("max", 1, opaque("min", step.depth // PART, at_once))


def is_by_element(step: MatrixProduct) -> bool:
    """Whether the epilogue, if there is one, is done for each element by itself: a row's own results are not."""
    stages = () if step.epilogue is None else step.epilogue.stages
    return len(stages) <= 1 and not any(isinstance(s, Store) for stage in stages for s in stage.row)


def apart(step: MatrixProduct, whole: str) -> tuple[MatrixProduct, tuple[Kernel, ...]]:
    """A product that is stored as a whole, in the buffer `whole` if it has none, and the loops that follow it."""
    if step.epilogue is None:
        return step, ()
    result = step.result or whole

    def moved(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(replace(s, buffer=whole) if isinstance(s, Load) and s.buffer == PANEL else s for s in statements)

    loops = step.epilogue
    stages = tuple(Stage(moved(stage.row), moved(stage.lane)) for stage in loops.stages)
    axes = [(axis.name, axis.extent) for axis in (*loops.outer, *loops.inner)]
    if is_by_element(step):
        kernel = make_kernel(loops.name, stages, axes, None, loops.note)
    else:
        kernel = replace(loops, stages=stages, reads=(result, *(name for name in loops.reads if name != result)))
    return replace(step, result=result, epilogue=None), (kernel,)


def _is_for_library(step: MatrixProduct, sizes: Mapping[str, int]) -> bool:
    """Whether a product is large, and its operands have rows beside each other, not over each other."""
    rows, columns, depth = (evaluate(size, sizes) for size in _sizes(step))
    stored = ((step.left, (rows, depth)), (step.right, (depth, columns)))
    return min(rows, columns, depth) >= LARGE and all(
        evaluate(matrix.leading, sizes) >= shape[0 if matrix.transposed else 1] for matrix, shape in stored
    )


def _sizes(step: MatrixProduct) -> tuple[DimLike, ...]:
    return step.rows, step.columns, step.depth
