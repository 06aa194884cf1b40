"""Every row of the table of conventions: float32 and float64, first and second order, both modes, interpreted and in C.

All rows are one program, whose cost is the sum of theirs: no two have a variable in common, so that the gradient of the
sum holds those of all rows, and a direction in which the first variable of every row moves is one for each of them.
"""

from functools import cache, reduce

import numpy as np
import pytest
from conventions import ROWS, inf, nan

import graphopt as go
import graphopt.tensor as T
from graphopt.graph import Graph
from graphopt.interpret import interpret

DTYPES = ("float32", "float64")
LARGEST = 3  # the most elements that a point has
COMPILED = ("first, reverse", "second, forward over reverse")  # the other modes give the same programs, or nearly so


class Rows:
    """The rows that hold with or without stabilizing, as one program."""

    def __init__(self, dtype, stabilize):
        self.options = {"stabilize": stabilize, "disconnected_inputs": "ignore"}
        self.rows = [row for row in ROWS if stabilize or not row.stabilized]
        self.point, self.variables, self.costs = {}, [], []
        for number, row in enumerate(self.rows):
            places = "xy" if isinstance(row.at, tuple) else "x"
            values = [np.asarray(v, dtype) for v in (row.at if isinstance(row.at, tuple) else [row.at])]
            types = [f"{dtype}{list(value.shape) if value.ndim else ''}" for value in values]
            own = {name: go.variable(f"{name}{number}", type) for name, type in zip(places, types, strict=True)}
            self.variables.append(list(own.values()))
            self.point |= {v.name: value for v, value in zip(own.values(), values, strict=True)}
            self.costs.append(eval(row.program, {"T": T, "inf": inf, "nan": nan, **own}))
        self.inputs = [v for own in self.variables for v in own]

    def size(self, number):
        """How many numbers the point of a row has."""
        return (
            len(self.variables[number]) if isinstance(self.rows[number].at, tuple) else self.variables[number][0].size
        )

    def direction(self, some, k):
        """What moves when the kth number of the points of some rows does, and how."""
        moving, tangents = [], []
        for number in some:
            own = self.variables[number]
            moving.append(own[k] if len(own) > 1 else own[0])
            tangents.append(np.eye(self.size(number))[k] if own[0].ndim else 1.0)
        return moving, tangents

    def backwards(self, costs):
        """For each row, by its number, a list of the scalar derivatives of its cost, in reverse mode."""
        inputs = [v for number in costs for v in self.variables[number]]
        slopes = iter(go.grad(reduce(T.add, costs.values()), inputs, **self.options))
        found = {number: [next(slopes) for _ in self.variables[number]] for number in costs}
        return {number: [g[0][k] for k in range(g[0].size)] if g[0].ndim else g for number, g in found.items()}

    def forwards(self, costs, k):
        """For each row, by its number, the derivative of its cost by the kth number of its point, in forward mode."""
        some = [number for number in costs if k < self.size(number)]
        found = go.jvp([costs[number] for number in some], *self.direction(some, k), **self.options)
        return dict(zip(some, found, strict=True))

    def derivatives(self):
        """All derivatives by row, kind and place."""
        costs = dict(enumerate(self.costs))
        first = self.backwards(costs)
        forward = [self.forwards(costs, k) for k in range(LARGEST)]
        for i in range(LARGEST):
            for n, slope in forward[i].items():
                yield (n, "first, forward", (i,)), slope
                yield (n, "first, reverse", (i,)), first[n][i]
            some = [n for n in forward[i] if self.rows[n].second is not None]
            for n, slopes in self.backwards({n: first[n][i] for n in some if self.rows[n].reverse}).items():
                for j, slope in enumerate(slopes):
                    yield (n, "second, reverse over reverse", (i, j)), slope
            for j in range(LARGEST):
                for n, slope in self.forwards({n: first[n][i] for n in some}, j).items():
                    yield (n, "second, forward over reverse", (i, j)), slope
                for n, slope in self.forwards({n: forward[i][n] for n in some}, j).items():
                    yield (n, "second, forward over forward", (i, j)), slope


@cache
def program(dtype, stabilize):
    """The rows, and all derivatives under names of their own."""
    rows = Rows(dtype, stabilize)
    keys, outputs = zip(*rows.derivatives(), strict=True)
    return rows, keys, {f"d{k}": output for k, output in enumerate(outputs)}


def held(rows, keys, found, dtype):
    """Compare all derivatives with the table; what differs is named in one message."""
    tolerance, wrong = 32 * np.finfo(dtype).eps, []
    for (number, kind, place), value in zip(keys, found.values(), strict=True):
        row = rows.rows[number]
        whole = row.first if kind.startswith("first") else row.second
        expected = np.broadcast_to(np.array(whole, float), (rows.size(number),) * len(place))[place]
        if not np.allclose(value, expected, rtol=tolerance, atol=0, equal_nan=True):
            wrong.append(f"{row.program} at {row.at}, {kind}, {place}: {value}, expected {expected}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("dtype", "stabilize"),
    [("float32", True), ("float64", True), *(pytest.param(dtype, False, marks=pytest.mark.long) for dtype in DTYPES)],
)
def test_derivatives_at_the_edges_are_the_documented_ones(dtype, stabilize):
    rows, keys, outputs = program(dtype, stabilize)
    with np.errstate(all="ignore"):
        held(rows, keys, interpret(Graph.from_outputs(rows.inputs, outputs), rows.point), dtype)


@pytest.mark.long
@pytest.mark.parametrize("dtype", DTYPES)
def test_compiled_derivatives_at_the_edges_are_the_documented_ones(dtype):
    rows, keys, outputs = program(dtype, True)
    kept = [k for k, (_, kind, _) in enumerate(keys) if kind in COMPILED]
    keys, outputs = [keys[k] for k in kept], {f"d{k}": outputs[f"d{k}"] for k in kept}
    held(rows, keys, go.function(rows.inputs, outputs, on_unused_input="ignore")(**rows.point), dtype)


def test_every_row_is_one_of_its_kind_and_says_why_it_promises_less():
    texts = [(row.program, repr(row.at)) for row in ROWS]
    assert len(set(texts)) == len(texts)
    assert all(row.second is not None or row.reason for row in ROWS)
