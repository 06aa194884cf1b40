"""What an op's derivative may be at a kink: something between the derivatives beside it.

Where elements tie, |x| is at 0, or a bound is met, there is no derivative but a set of them, F. H. Clarke's generalized
Jacobian: whatever lies in the convex hull of the limits of derivatives at points nearby (Optimization and Nonsmooth
Analysis, 1983, section 2.6). Any convention, such as to share a cotangent among those that tie, chooses from it, row by
row. A rule that gives the whole of it to each does not, nor one that has the wrong sign.

This holds for an op alone, whose operands move independently. It does not for a program: by the chain rule,
relu(x) - relu(-x) has at 0 the derivative that the conventions of its parts add up to, 0, although it is the identity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from graphopt.arithmetics import Exact
from graphopt.errors import UnsupportedExpression
from graphopt.testing.complex_step import Wide
from graphopt.testing.jacobians import Mismatch
from graphopt.testing.oracles import SMOOTH, Differences, ExactDifferences, Oracle, flat
from graphopt.testing.subjects import Derived, Expressed, Point

__all__ = ["Choice", "is_kinked", "stray"]

COLUMNS, ROWS = 12, 32
"""How many elements of operands and of the result there may be: as many derivatives are looked at as orders matter."""
NEAR, ROUGHLY_NEAR = 1e-9, 1e-3
"""How far aside derivatives are looked at, relative to values: by exact differences, by rounded ones."""
TOLERANCE = 1e-4
"""How far outside the hull a derivative may be, relative to the largest in it: conventions are not wrong by little."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """A row of a claimed Jacobian that is none of those there are.

    Attributes
    ----------
    output_index
        The element of the result.
    found
        Its claimed derivative by the elements of all operands that move.
    nearest
        The nearest in the hull of the derivatives beside the point.
    """

    output_index: tuple[int, ...]
    found: tuple[float, ...]
    nearest: tuple[float, ...]


def stray(
    claim: Derived, oracles: Mapping[str, Oracle], point: Point
) -> tuple[Choice | None, frozenset[tuple[int, ...]]]:
    """The first row of an op's claimed Jacobian that lies outside its generalized Jacobian.

    Parameters
    ----------
    claim
        The derivative under test of an op that is applied to inputs, each used once.
    oracles
        Those that may be used.
    point
        Where there may be kinks.

    Returns
    -------
    Choice or None
        None if there is none, or where nothing can be said: where the op jumps, is infinitely steep or not defined all
        around the point, or has too many elements.
    frozenset
        The elements of the result of which something could be said.
    """
    alone = claim.subject
    values = flat(alone.values(point, Wide())).astype(float)
    if not 0 < _columns(alone, point) <= COLUMNS or not 0 < len(values) <= ROWS:
        return None, frozenset()
    beside, known = _beside(alone, oracles, point, values)
    found = _claimed(claim, point)
    shape = next(np.shape(value) for value in alone.values(point).values())
    indices = [tuple(int(k) for k in np.unravel_index(row, shape)) for row in range(len(known))]
    judged = frozenset(index for index, is_known in zip(indices, known, strict=True) if is_known)
    for row in np.flatnonzero(known):
        corners = beside[:, row]
        nearest = _nearest(corners, found[row])
        if not np.max(np.abs(nearest - found[row])) <= TOLERANCE * np.max(np.abs(corners)) + 1e-12:
            return Choice(indices[row], tuple(found[row].tolist()), tuple(nearest.tolist())), judged
    return None, judged


def is_kinked(alone: Expressed, oracles: Mapping[str, Oracle], point: Point, wrong: Mismatch) -> bool:
    """Whether an element of an op's Jacobian differs between points nearby, although it has a value at the point.

    The median of three that tie moves by half of nothing along every axis: its one-sided derivatives are all 0.
    """
    if not 0 < _columns(alone, point) <= COLUMNS:
        return False
    unit = np.zeros(np.shape(point[wrong.input]))
    unit[wrong.input_index] = 1.0
    shape = next(np.shape(value) for value in alone.values(point).values())
    row = int(np.ravel_multi_index(wrong.output_index, shape)) if shape else 0
    apart = []
    for nearer in (1.0, 0.125):  # what is smooth differs the less, the nearer the points are
        near, oracle = _looking(alone, oracles, point, nearer)
        found = [oracle.slopes(alone, moved, {wrong.input: unit}).value[row] for moved in _around(alone, point, near)]
        apart.append(float(np.ptp(found)))
        if not apart[-1] > TOLERANCE * float(np.max(np.abs(found))) + 1e-12:
            return False
    return apart[1] > 0.5 * apart[0]


def _claimed(claim: Derived, point: Point) -> Numbers:
    """The claimed Jacobian, a row for each element of the result."""
    reverse = claim.mode == "reverse"
    values = claim.subject.values(point) if reverse else {name: point[name] for name in claim.subject.wrt}
    zeros = {name: np.zeros_like(value) for name, value in values.items()}
    products = []
    for name, value in values.items():
        for k in range(np.size(value)):
            unit = np.eye(1, np.size(value), k, dtype=value.dtype).reshape(np.shape(value))
            with np.errstate(all="ignore"):
                products.append(flat(claim.products(point, {**zeros, name: unit})).astype(float))
    jacobian = np.array(products)
    return jacobian if reverse else jacobian.T


def _beside(
    alone: Expressed, oracles: Mapping[str, Oracle], point: Point, here: Numbers
) -> tuple[Numbers, NDArray[np.bool_]]:
    """Jacobians at points nearby, and which of their rows are known there, of results Lipschitz at the point."""
    near, oracle = _looking(alone, oracles, point)
    found, known = [], np.isfinite(here)
    for moved in _around(alone, point, near):
        closer = {**moved, **{name: point[name] + (moved[name] - point[name]) / 8 for name in alone.wrt}}
        with np.errstate(all="ignore"):
            there, nearer = (flat(alone.values(at, Wide())).astype(float) for at in (moved, closer))
        slopes = [oracle.slopes(alone, moved, unit) for unit in _units(alone, point)]
        jacobian = np.array([s.value for s in slopes], float).T
        known &= (np.array([s.state for s in slopes]) == SMOOTH).all(axis=0) & np.isfinite(jacobian).all(axis=1)
        with np.errstate(invalid="ignore"):  # of a jump or a root, as much or half is left an eighth of the way
            known &= np.abs(nearer - here) <= 0.2 * np.abs(there - here) + 1e-6 * near + 1e-15 * np.abs(here)
        found.append(jacobian)
    return np.array(found), known


def _looking(
    alone: Expressed, oracles: Mapping[str, Oracle], point: Point, nearer: float = 1.0
) -> tuple[float, Oracle]:
    """How far aside derivatives are looked at, and what finds them there without reaching back."""
    if "exact" in oracles:
        try:
            alone.values(point, Exact())
        except UnsupportedExpression:
            pass
        else:
            return NEAR * nearer, ExactDifferences()
    near = ROUGHLY_NEAR * nearer
    return near, Differences(near / (16 * _columns(alone, point)))


def _columns(alone: Expressed, point: Point) -> int:
    return sum(int(np.size(point[name])) for name in alone.wrt)


def _around(alone: Expressed, point: Point, near: float) -> Iterator[dict[str, Numbers]]:
    """Points nearby. Of n elements that tie, each comes to have every rank; what is 0 comes to have both signs."""
    columns = _columns(alone, point)
    for shift in range(columns):
        order = ((np.arange(columns) + shift) % columns + 1.0) / columns
        for off in (order, -order):
            moved, start = dict(point), 0
            for name in alone.wrt:
                x = np.nan_to_num(np.asarray(point[name], float))
                part = off[start : start + x.size].reshape(x.shape)
                moved[name] = x + near * np.where(x == 0, 1.0, np.abs(x)) * part
                start += x.size
            yield moved


def _units(alone: Expressed, point: Point) -> Iterator[dict[str, Numbers]]:
    for name in alone.wrt:
        x = np.asarray(point[name])
        for k in range(x.size):
            yield {name: np.eye(1, x.size, k).reshape(x.shape)}


def _nearest(corners: Numbers, row: Numbers) -> Numbers:
    """The point nearest to a row in the convex hull of some corners; any of them where the row is no number."""
    if not np.isfinite(row).all():
        return np.asarray(corners[0])
    size = max(1.0, float(np.max(np.abs(corners))), float(np.max(np.abs(row))))
    weight = 1e4 * size  # of the condition that weights add up to 1, beside the distance
    system = np.vstack([corners.T, np.full(len(corners), weight)])
    weights, _ = nnls(system, np.append(row, weight))
    return np.asarray(weights @ corners / max(float(np.sum(weights)), 1e-300))
