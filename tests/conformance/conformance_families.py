"""How the arguments of functions are drawn, by family: `family(random) -> (types, arguments, keywords)`."""

from __future__ import annotations

from random import Random
from typing import Any

from conformance_programs import SHAPES, Family, K, M, N, Size

from graphopt.types import DTYPES

Shape = tuple[Any, ...]

# --- elementwise ------------------------------------------------------------------------------------------------------


def operands(count: int, numbers: bool = True) -> Family:
    """Arrays whose shapes broadcast; the last one may be a Python number."""

    def family(random: Random) -> tuple[Any, ...]:
        whole = random.choice(SHAPES)
        types = tuple((random.choice(DTYPES), _beside(random, whole) if k else whole) for k in range(count))
        if numbers and count > 1 and random.random() < 0.2:
            return types[:-1], (random.choice((2, 3, 0.5)),), {}
        return types, (), {}

    return family


def _beside(random: Random, shape: Shape) -> Shape:
    """A shape that broadcasts with another."""
    part = shape[random.randint(0, len(shape)) :]
    return tuple(1 if random.random() < 0.3 else size for size in part)


unary, binary, ternary = operands(1), operands(2), operands(3, numbers=False)


def with_one_of(*choices: Any) -> Family:
    """An array, and one of these tuples of arguments."""
    return lambda random: (unary(random)[0], random.choice(choices), {})


# --- axes -------------------------------------------------------------------------------------------------------------


def array(random: Random, least: int = 0) -> tuple[Any, int]:
    """The type of an array of at least so many axes, and how many it has."""
    shape = random.choice([shape for shape in SHAPES if len(shape) >= least])
    return (random.choice(DTYPES), shape), len(shape)


def _axes(random: Random, ndim: int, least: int = 0) -> Any:
    """A form of `axis` that NumPy takes: none, one, several, from either end."""
    if not ndim or random.random() < 0.2:
        return None
    if random.random() < 0.5:
        return random.randint(-ndim, ndim - 1)
    chosen = random.sample(range(ndim), random.randint(least, ndim))
    return tuple(axis - ndim if random.random() < 0.3 else axis for axis in chosen)


def reduced(least: int = 0, keepdims: bool = True, **choices: Any) -> Family:
    """An array and axes; `keepdims`; and keywords of which each is one of several."""

    def family(random: Random) -> tuple[Any, ...]:
        type, ndim = array(random)
        keywords = {"axis": _axes(random, ndim, least)}
        if keepdims and random.random() < 0.5:
            keywords["keepdims"] = True
        return (type,), (), keywords | {name: random.choice(values) for name, values in choices.items()}

    return family


def along(least: int = 1, optional: bool = True, **choices: Any) -> Family:
    """An array and one of its axes, which may be left out if optional; keywords, each one of several."""

    def family(random: Random) -> tuple[Any, ...]:
        type, ndim = array(random, least)
        left_out = not ndim or (optional and random.random() < 0.3)
        keywords = {} if left_out else {"axis": random.randint(-ndim, ndim - 1)}
        return (type,), (), keywords | {name: random.choice(values) for name, values in choices.items()}

    return family


def two_axes(random: Random) -> tuple[Any, ...]:
    """An array and two of its axes."""
    type, ndim = array(random, 1)
    return (type,), (random.randint(-ndim, ndim - 1), random.randint(-ndim, ndim - 1)), {}


def permuted(random: Random) -> tuple[Any, ...]:
    """An array and an order of its axes."""
    type, ndim = array(random)
    order = tuple(axis - random.choice((0, ndim)) for axis in random.sample(range(ndim), ndim))
    return (type,), random.choice([(), (order,)]), {}


def expanded(random: Random) -> tuple[Any, ...]:
    """An array and positions of new axes."""
    type, ndim = array(random)
    one = random.randint(-ndim - 1, ndim)
    return (type,), (random.choice([one, (0, ndim + 1), (-1,)]),), {}


def squeezed(random: Random) -> tuple[Any, ...]:
    """An array and those of its axes that have one element."""
    type, ndim = array(random)
    ones = [axis for axis, size in enumerate(type[1]) if size == 1]
    return (type,), random.choice([(), (tuple(ones),), *[(axis - ndim,) for axis in ones]]), {}


# --- shapes -----------------------------------------------------------------------------------------------------------

RESHAPED: tuple[tuple[Shape, Any], ...] = (
    ((N, M), (M, N)), ((N, M), (-1,)), ((N,), (1, N)), ((N, 1, K), (K, N)), ((N, M, K), (N, -1, 1)), ((2, 3), (3, 2)),
    ((4,), (2, 2)), ((2, 6), (3, -1)), ((), (1, 1)), ((1,), ()), ((0, M), (M, 0)), ((N,), -1), ((3,), 3),
)  # fmt: skip
STRETCHED: tuple[tuple[Shape, Any], ...] = (
    ((), (2, 3)), ((N,), (2, N)), ((N, 1), (N, 3)), ((1,), (0,)), ((1, M), (M, 2, M)), ((3,), (2, 3)), ((), 4),
    ((N, M), (N, M)), ((0,), (2, 0)), ((1, 1), (1, 3)),
)  # fmt: skip
MEDIANS: tuple[tuple[Shape, Any], ...] = (
    ((N,), None), ((N, M), 0), ((N, M), (-1, 0)), ((N, 1, K), 2), ((), None), ((4, M), 0), ((1, M), 1),
)  # fmt: skip
QUANTILES: tuple[tuple[Shape, Any], ...] = (
    ((N,), 0.5), ((N, M), 0.3), ((N, M), [0.0, 0.25, 1.0]), ((), 0.7), ((N, 1, K), 1.0), ((5,), [0.1]), ((1, M), 0.0),
)  # fmt: skip


def shaped(table: tuple[tuple[Shape, Any], ...]) -> Family:
    """One of these shapes, and what goes with it."""

    def family(random: Random) -> tuple[Any, ...]:
        shape, argument = random.choice(table)
        return ((random.choice(DTYPES), shape),), (argument,), {}

    return family


def positioned(random: Random) -> tuple[Any, ...]:
    """An array of at least one axis."""
    return (array(random, 1)[0],), (), {}


def distinct(random: Random) -> tuple[Any, ...]:
    """An array, and what is asked for besides its distinct elements."""
    flags = [flag for flag in ("return_index", "return_inverse", "return_counts") if random.random() < 0.4]
    return (array(random)[0],), (), dict.fromkeys(flags, True)


def compressed(random: Random) -> tuple[Any, ...]:
    """A vector of truth values and an array, with the axis of the vector's length."""
    shape, axis = random.choice((((N,), None), ((N,), 0), ((M, N), 1), ((N, M), 0), ((M, N, K), -2), ((3, 2), 0)))
    condition = (random.choice(DTYPES), (shape[axis or 0],))
    return (condition, (random.choice(DTYPES), shape)), (), {} if axis is None else {"axis": axis}


def joined(new_axis: bool) -> Family:
    """Arrays of one shape, but for the length of the axis along which they are joined."""

    def family(random: Random) -> tuple[Any, ...]:
        (_, shape), ndim = array(random, 0 if new_axis else 1)
        axis = random.randint(0, ndim if new_axis else ndim - 1)
        shapes = [list(shape) for _ in range(random.randint(1, 3))]
        if not new_axis:
            for other in shapes[1:]:
                other[axis] = random.choice((other[axis], 1, K, 0))
        dtypes = random.choice([[random.choice(DTYPES)] * 3, [random.choice(DTYPES) for _ in range(3)]])
        types = tuple((dtype, tuple(other)) for dtype, other in zip(dtypes, shapes, strict=False))
        if not new_axis and random.random() < 0.15:
            return types, (), {"axis": None}
        return types, (), {"axis": axis - random.choice((0, ndim + new_axis))}

    return family


SPLIT: tuple[tuple[Shape, Any], ...] = (
    ((4,), 2), ((6, M), 3), ((N,), 1), ((N, M), [1, 2]), ((N,), [2]), ((0,), 2), ((5,), [1, 1, 4]), ((N,), [-1]),
)  # fmt: skip
PADDED: tuple[tuple[Shape, Any], ...] = (
    ((N,), 1), ((N, M), ((1, 0), (0, 2))), ((N, M), (2, 1)), ((0,), 2), ((3,), ((0, 0),)), ((), 0), ((N, 1, K), 1),
)  # fmt: skip
TILED: tuple[tuple[Shape, Any], ...] = (
    ((N,), 2), ((N, M), (2, 1)), ((N,), (2, 3)), ((), 3), ((N, M), 2), ((3,), 0), ((N, 1), (1, 2, 2)), ((0,), 2),
)  # fmt: skip


# --- matrices ---------------------------------------------------------------------------------------------------------

L = Size("m")
PRODUCTS: tuple[tuple[Shape, Shape], ...] = (
    ((N,), (N,)), ((N, M), (M,)), ((N,), (N, M)), ((N, M), (M, K)), ((N, M), (M, N)), ((1, M), (M, 1)),
    ((2, 3), (3, 0)), ((0, 2), (2, 3)), ((M, 0), (0, K)),
)  # fmt: skip
STACKED: tuple[tuple[Shape, Shape], ...] = (
    *PRODUCTS, ((K, N, M), (M, N)), ((K, N, M), (K, M, 2)), ((N, M), (2, M, K)), ((2, 1, N, M), (3, M, 1)),
    ((K, N, M), (M,)),
)  # fmt: skip
SCALED: tuple[tuple[Shape, Shape], ...] = (*PRODUCTS, ((), (N, M)), ((N,), ()), ((), ()))
PAIRS: tuple[tuple[Shape, Shape], ...] = (((N,), (M,)), ((N, M), (M, K)), ((), (N,)), ((2, 2), (3,)), ((0,), (N,)))
ALIKE: tuple[tuple[Shape, Shape], ...] = (((N,), (M,)), ((N, M), (M, K)), ((2, 3), (1, 2)), ((0, 2), (N, M)))
SAME: tuple[tuple[Shape, Shape], ...] = (((N,), (N,)), ((N, M), (N, M)), ((2, M), (2, M)), ((0,), (0,)), ((), ()))
PLACES: tuple[tuple[Shape, Shape], ...] = (((N,), (M, K)), ((N,), ()), ((0,), (M,)), ((3,), (0,)))


def pairs(table: tuple[tuple[Shape, Shape], ...]) -> Family:
    """Two arrays of one of these pairs of shapes, mostly of one dtype."""

    def family(random: Random) -> tuple[Any, ...]:
        first, second = random.choice(table)
        dtype = random.choice((*DTYPES, "float64", "float32"))
        return ((dtype, first), (dtype if random.random() < 0.7 else random.choice(DTYPES), second)), (), {}

    return family


def matrices(*shapes: Shape) -> Family:
    """An array of one of these shapes, and the number of a diagonal."""

    def family(random: Random) -> tuple[Any, ...]:
        return (
            ((random.choice(DTYPES), random.choice(shapes)),),
            random.choice([(), (0,), (1,), (-1,), (2,), (-4,)]),
            {},
        )

    return family


def typed(*types: tuple[str, Shape]) -> Family:
    """Arrays of these types."""
    return lambda random: (types, (), {})


def of(*shapes: Shape) -> Family:
    """An array of one of these shapes."""
    return lambda random: (((random.choice(DTYPES), random.choice(shapes)),), (), {})


def calls(table: tuple[Any, ...]) -> Family:
    """Arrays of the shapes of a row of a table; what stands before them comes after."""

    def family(random: Random) -> tuple[Any, ...]:
        argument, *shapes = random.choice(table)
        dtype = random.choice((*DTYPES, "float64", "float32"))
        return tuple((dtype, shape) for shape in shapes), (argument,), {}

    return family


# --- creation, parts --------------------------------------------------------------------------------------------------


def made(*choices: Any, dtype: bool = True) -> Family:
    """No arrays: one of these tuples of arguments, and perhaps a dtype."""

    def family(random: Random) -> tuple[Any, ...]:
        keywords = {"dtype": random.choice(DTYPES)} if dtype and random.random() < 0.5 else {}
        return (), random.choice(choices), keywords

    return family


def like(random: Random) -> tuple[Any, ...]:
    """An array whose type another is to have, and perhaps another dtype."""
    type, _ = array(random)
    return (type,), (), {"dtype": random.choice(DTYPES)} if random.random() < 0.3 else {}


KEYS: tuple[tuple[Shape, Any, Shape], ...] = (
    ((N,), slice(None), (N,)), ((N, M), slice(None, None, -1), (M,)), ((N, M), (slice(1, None), slice(None, -1)), ()),
    ((4, 5), (slice(None, None, 2), 0), (2,)), ((4, 5), (..., slice(3, 0, -2)), (4, 2)), ((3,), -1, ()),
    ((N, M), (slice(None), None), (M,)), ((4, 5), 2, (5,)), ((0,), slice(None), ()), ((5,), slice(2, 2), ()),
)  # fmt: skip


def parts(random: Random) -> tuple[Any, ...]:
    """An array, what is put into a part of it, and which part."""
    shape, key, part = random.choice(KEYS)
    dtype = random.choice(DTYPES)
    return ((dtype, shape), (dtype, part)), (key,), {}
