"""Points at which a program is looked at: read in the forms that users give them, or drawn."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphopt.dimensions import evaluate, symbols
from graphopt.domain import bounds
from graphopt.errors import GraphoptError, InvalidArgument
from graphopt.testing.subjects import Expressed, Point
from graphopt.testing.values import INTERVALS, spread
from graphopt.types import TensorType, is_float

__all__ = ["draw_points", "listed_points", "named_point"]


def listed_points(points: Any) -> list[Any]:
    """A list of points as it is; one point as a list of it."""
    given = list(points) if isinstance(points, list) else [points]
    if not given:
        raise InvalidArgument("a derivative is verified at points, and there is none")
    return given


def named_point(point: Any, names: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Any]:
    """A mapping of names to values, a tuple of values, or the value of the only input, as arrays by name.

    Raises
    ------
    InvalidArgument
        If it does not fit the names.
    """
    wanted = [name for name in names if name not in optional]
    if isinstance(point, Mapping):
        given = {getattr(key, "name", None) or str(key): value for key, value in point.items()}
        if not set(wanted) <= set(given) <= set(names):
            raise InvalidArgument(f"a point gives a value to each of {', '.join(wanted)}; found {', '.join(given)}")
    else:
        values = point if isinstance(point, tuple) else (point,)
        if len(values) != len(wanted):
            raise InvalidArgument(f"a point has {len(wanted)} values ({', '.join(wanted)}), found {len(values)}")
        given = dict(zip(wanted, values, strict=True))
    return {name: np.asarray(given[name]) for name in names if name in given}


def draw_points(subject: Expressed, count: int, seed: int) -> list[Point]:
    """Points at which the program is defined, if any were met: moderate values of which no two are equal.

    Named sizes are 3, 4, 5 and so on; integers are 0, 1 or 2, and so fit as indices. Declared domains are respected.
    """
    chance = random.Random(seed)
    graph = subject.graph
    sizes: dict[str, int] = {}
    for node in graph.inputs.values():
        for size in graph.type(node).shape:
            for symbol in symbols(size):
                sizes.setdefault(symbol, 3 + len(sizes))
    found: list[Point] = []
    for _ in range(count):
        drawn: Point = {}
        for interval in chance.sample(INTERVALS, len(INTERVALS)):
            drawn = {
                name: _value(subject, position, name, sizes, interval, chance)
                for position, name in enumerate(subject.names)
                if name not in subject.held
            }
            try:
                values = subject.values(drawn)
            except GraphoptError as error:
                raise InvalidArgument(f"points cannot be drawn for this program ({error}); give them") from error
            if all(np.isfinite(value).all() for value in values.values()):
                break
        found.append(drawn)
    return found


def _value(
    subject: Expressed, position: int, name: str, sizes: Mapping[str, int], interval: tuple[float, float],
    chance: random.Random,
) -> Any:  # fmt: skip
    type = subject.graph.type(subject.graph.inputs[name])
    concrete = TensorType(type.dtype, tuple(evaluate(size, sizes) for size in type.shape))
    if not is_float(type.dtype) and type.dtype != "bool":
        whole = [chance.randint(0, 2) for _ in range(int(str(concrete.size)))]
        return np.array(whole, type.dtype).reshape(concrete.shape)
    domain = subject.inputs[position].attributes.get("domain")
    if domain is not None and is_float(type.dtype):
        low, high, _ = bounds(domain, type.dtype)
        interval = (max(low, min(interval[0], high - 4)), min(high, max(interval[1], low + 4)))
    return spread(concrete, interval, chance)
