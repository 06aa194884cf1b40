"""A claimed derivative against an oracle's at one point: the whole Jacobian where it is small, projections where not.

A claim gives rows of a Jacobian J (u·J, a vector-Jacobian product), or columns in forward mode (J·v), and an oracle
columns (directional derivatives); what is compared are products u·J·v.
With at most `WHOLE` elements on a side, u (or v) runs through the unit vectors there, otherwise through `PROJECTIONS`
random vectors: a wrong element passes only where it is orthogonal to all of them. What does not fit is then narrowed
down to an element by halving u and v.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphopt.arithmetics import Arithmetic, Exact, from_mpf
from graphopt.errors import UnsupportedExpression
from graphopt.testing.oracles import KINK, SMOOTH, UNDEFINED, Oracle, Slopes
from graphopt.testing.rounding import spread
from graphopt.testing.subjects import Claim, Derived, Point, Subject
from graphopt.types import is_float

__all__ = ["Comparison", "Mismatch", "Tolerance", "compare"]

Array = Any
WHOLE = 32
PROJECTIONS = 8
SAFETY = 8.0
"""How many times the spread of perturbed runs a result may be off by."""
UNITS = 64.0
"""How many units of rounding a derivative may be off by, relative to itself, unless the tolerance is given."""
_EXACT = Exact()


@dataclass(frozen=True)
class Tolerance:
    """`rtol` relative to the true derivative and `atol` besides; None: `UNITS` of rounding, and nothing besides."""

    rtol: float | None = None
    atol: float | None = None


@dataclass(frozen=True)
class Mismatch:
    """An element of a Jacobian that is not what it should be."""

    output: str
    output_index: tuple[int, ...]
    input: str
    input_index: tuple[int, ...]
    found: float
    expected: float
    allowed: float


@dataclass
class Comparison:
    """What was seen at a point: elements (or projections) compared, and left out; the worst error; what was wrong."""

    compared: int = 0
    kinks: int = 0
    undefined: int = 0
    worst: float = 0.0
    mismatch: Mismatch | None = None


def compare(
    subject: Subject,
    claim: Claim,
    sound: Derived | None,
    oracle: Oracle,
    point: Point,
    tolerance: Tolerance,
    chance: np.random.Generator,
) -> Comparison:
    """Hold a claim against an oracle at one point.

    Parameters
    ----------
    subject, claim
        The function, and its derivative under test.
    sound
        The derivative as a program, whose perturbed runs tell how uncertain the result is. None: nothing is allowed
        for that.
    oracle
        What says the truth.
    point
        A value for each input.
    tolerance
        What is allowed besides.
    chance
        What projections and perturbations are drawn with.
    """
    return _Trial(subject, claim, sound, oracle, point, tolerance, chance).run()


@dataclass(frozen=True)
class _Truths:
    """What u·J·v is for each direction v, and its error; which are to be compared; and which may be lost.

    Where an element of J·v does not exist, reverse mode multiplies it by 0 on the way to the others, which is NaN; so
    does forward mode with an element of u·J.
    """

    directions: Array
    taken: Array
    values: Array
    errors: Array
    excused: Array

    def wanted(self) -> Iterator[tuple[Array, float, float, bool]]:
        columns = zip(self.directions, self.taken, self.values, self.errors, self.excused, strict=True)
        return ((v, float(value), float(error), bool(excused)) for v, taken, value, error, excused in columns if taken)


class _Trial:
    def __init__(
        self, subject: Subject, claim: Claim, sound: Derived | None, oracle: Oracle, point: Point,
        tolerance: Tolerance, chance: np.random.Generator,
    ) -> None:  # fmt: skip
        self.subject, self.claim, self.sound, self.oracle = subject, claim, sound, oracle
        self.point, self.tolerance, self.chance = point, tolerance, chance
        self.values = subject.values(point)
        self.outputs = {name: np.shape(value) for name, value in self.values.items()}
        self.inputs = {name: np.shape(point[name]) for name in subject.wrt}
        self.rows, self.columns = (_total(shapes) for shapes in (self.outputs, self.inputs))
        self.unit = self._unit()
        self._known: dict[tuple[str, bytes], Array] = {}

    def _unit(self) -> float:
        dtypes = [str(value.dtype) for value in self.values.values()]
        dtypes += [str(np.asarray(self.point[name]).dtype) for name in self.subject.wrt]
        if self.subject.graph is not None:
            dtypes += [self.subject.graph.type(node).dtype for node in self.subject.graph]
        return max((float(np.finfo(dtype).eps) for dtype in dtypes if is_float(dtype)), default=2.0**-52)

    def run(self) -> Comparison:
        seen = Comparison()
        if not self.rows or not self.columns:
            return seen
        directions = _probes(self.columns, self.chance)
        slopes = [self.slopes(v) for v in directions]
        state = np.array([s.state for s in slopes]).T
        value, error = (np.array([getattr(s, what) for s in slopes], float).T for what in ("value", "error"))
        here = np.concatenate([np.asarray(v, float).reshape(-1) for v in self.values.values()])
        state = np.where(np.isfinite(here)[:, None] & np.isfinite(value), state, UNDEFINED)
        seen.kinks, seen.undefined = int((state == KINK).sum()), int((state == UNDEFINED).sum())
        whole = self.rows <= WHOLE
        usable = (state == SMOOTH) if whole else (state == SMOOTH).all(axis=1, keepdims=True)
        value, error = np.where(state == SMOOTH, value, 0.0), np.where(state == SMOOTH, error, 0.0)
        for u in _probes(self.rows, self.chance):
            kept = u if whole else u * usable[:, 0]
            taken = usable[np.argmax(u != 0)] if whole else np.full(len(directions), bool(kept.any()))
            if taken.any():
                missing = state != SMOOTH
                lost = (
                    missing.any(axis=0) if self.claim.mode == "reverse" else np.full(len(taken), missing[u != 0].any())
                )
                truths = _Truths(directions, taken, kept @ value, np.abs(kept) @ error, lost)
                self._row(seen, kept, truths)
            if seen.mismatch is not None:
                break
        return seen

    def _row(self, seen: Comparison, u: Array, truths: _Truths) -> None:
        """Compare u·J·v for all directions v."""
        for v, expected, error, excused in truths.wanted():
            found = self.product(u, v)
            if excused and not np.isfinite(found):
                seen.undefined += 1
                continue
            seen.compared += 1
            if not self.agree(u, v, found, expected, error):
                seen.mismatch = self._located(u, v)
                return
            if np.isfinite(found):
                seen.worst = max(seen.worst, abs(found - expected) / max(abs(expected), 1.0))
        self._formula(seen, u, truths)

    def _formula(self, seen: Comparison, u: Array, truths: _Truths) -> None:
        """The same in exact arithmetic, where constants alone are rounded, so there is a limit to what that excuses.

        Perturbed runs may come apart altogether, where a condition holds in one and not in the other.
        """
        if self.oracle.name != "exact" or not isinstance(self.claim, Derived):
            return
        for v, expected, error, excused in truths.wanted():
            try:
                found = self.product(u, v, _EXACT)
            except UnsupportedExpression:
                return
            if not (excused and not np.isfinite(found)) and not self.agree(u, v, found, expected, error, _EXACT):
                seen.mismatch = self._located(u, v, _EXACT)
                return

    def agree(
        self, u: Array, v: Array, found: float, expected: float, error: float, arithmetic: Arithmetic | None = None
    ) -> bool:
        """Whether a product is what it should be. How uncertain it is takes time to tell, and is asked last."""
        if not np.isfinite(found):
            return abs(expected) > float(np.finfo(np.float32 if self.unit > 1e-10 else np.float64).max) / 4
        off, certain = abs(found - expected), self.allowed(expected, 0.0, error)
        return off <= certain or off <= self.allowed(expected, self.uncertainty(u, v, arithmetic), error)

    def allowed(self, expected: float, uncertain: float, error: float) -> float:
        rtol, atol = self.tolerance.rtol, self.tolerance.atol
        least = UNITS * float(np.finfo(np.float32 if self.unit > 1e-10 else np.float64).tiny)  # underflow is absolute
        relative = UNITS * self.unit if rtol is None else rtol
        rounding = SAFETY * uncertain if rtol is None and atol is None else 0.0
        return relative * abs(expected) + (atol or 0.0) + rounding + 2 * error + least

    # --- rows and columns ---------------------------------------------------------------------------------------------
    def slopes(self, v: Array) -> Slopes:
        direction = {name: part for name, part in _split(v, self.inputs).items() if part.any()}
        return self.oracle.slopes(self.subject, self.point, direction)

    def product(self, u: Array, v: Array, arithmetic: Arithmetic | None = None) -> float:
        """u·J·v as the claim has it."""
        vector, other = (u, v) if self.claim.mode == "reverse" else (v, u)
        return _sum(self.claimed(vector, arithmetic), other)

    def claimed(self, vector: Array, arithmetic: Arithmetic | None = None) -> Array:
        """u·J in reverse mode, J·v in forward mode."""
        key = ("" if arithmetic is None else "exact", vector.tobytes())
        if key not in self._known:
            self._known[key] = self._products(self.claim, vector, arithmetic)
        return self._known[key]

    def _products(self, claim: Claim, vector: Array, arithmetic: Arithmetic | None) -> Array:
        left, right = self.outputs, self.inputs
        like: Mapping[str, Any] = self.values
        if claim.mode == "forward":
            left, right, like = right, left, self.point
        vectors = {name: part.astype(np.asarray(like[name]).dtype) for name, part in _split(vector, left).items()}
        with np.errstate(all="ignore"):
            found = claim.products(self.point, vectors, arithmetic)
        parts = [from_mpf(np.asarray(found[name]), "float64") for name in right]
        return np.concatenate([np.asarray(part, float).reshape(-1) for part in parts])

    def uncertainty(self, u: Array, v: Array, arithmetic: Arithmetic | None = None) -> float:
        """How far u·J·v may be off by rounding; in exact arithmetic, by that of constants and in the fiftieth digit."""
        sound = self.sound
        if sound is None:
            return 0.0
        vector, other = (u, v) if sound.mode == "reverse" else (v, u)
        key = ("spread", vector.tobytes())
        if key not in self._known:
            self._known[key] = spread(lambda perturbed: self._products(sound, vector, perturbed), self.chance)
        uncertain = self._known[key]
        if arithmetic is not None:
            exactly = self.claimed(vector, arithmetic)
            size = float(np.max(np.abs(exactly), initial=0.0, where=np.isfinite(exactly)))
            constants = np.minimum(uncertain, np.sqrt(self.unit) * size)
            uncertain = np.maximum(constants, np.minimum(1e-25 * uncertain, 1e-25))
        return _sum(uncertain, np.abs(other))

    # --- where it is wrong --------------------------------------------------------------------------------------------
    def _located(self, u: Array, v: Array, arithmetic: Arithmetic | None = None) -> Mismatch:
        """The element that is wrong: of two halves, the one that is farther off."""

        def off(found: float, expected: float) -> float:
            return abs(found - expected) if np.isfinite(found) else np.inf

        while np.count_nonzero(v) > 1:
            v = max(_halves(v), key=lambda w: off(self.product(u, w, arithmetic), _sum(self.slopes(w).value, u)))
        column, position = self.slopes(v), int(np.argmax(v != 0))
        while np.count_nonzero(u) > 1:
            u = max(_halves(u), key=lambda w: off(self.product(w, v, arithmetic), _sum(column.value, w)))
        element = int(np.argmax(u != 0))
        unit_u, unit_v = np.eye(1, self.rows, element)[0], np.eye(1, self.columns, position)[0]
        truth = self.slopes(unit_v)
        found, expected = self.product(unit_u, unit_v, arithmetic), float(truth.value[element])
        (output, output_index), (input, input_index) = (
            _place(k, shapes) for k, shapes in ((element, self.outputs), (position, self.inputs))
        )
        uncertain = self.uncertainty(unit_u, unit_v, arithmetic)
        allowed = self.allowed(expected, uncertain, float(truth.error[element]))
        return Mismatch(output, output_index, input, input_index, found, expected, allowed)


def _probes(count: int, chance: np.random.Generator) -> Array:
    """Unit vectors, or random ones whose elements are neither small nor of one size."""
    if count <= WHOLE:
        return np.eye(count)
    size = chance.uniform(0.5, 1.5, (PROJECTIONS, count))
    drawn: Array = np.float32(size * chance.choice((-1.0, 1.0), size.shape)).astype(float)
    return drawn


def _sum(values: Array, weights: Array) -> float:
    return float(values[weights != 0] @ weights[weights != 0])


def _halves(v: Array) -> tuple[Array, Array]:
    places = np.flatnonzero(v)
    first, second = v.copy(), v.copy()
    first[places[len(places) // 2 :]] = 0
    second[places[: len(places) // 2]] = 0
    return first, second


def _total(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(int(np.prod(shape)) for shape in shapes.values())


def _split(vector: Array, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    parts, start = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        parts[name] = vector[start : start + size].reshape(shape)
        start += size
    return parts


def _place(element: int, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, tuple[int, ...]]:
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        if element < size:
            return name, tuple(int(k) for k in np.unravel_index(element, shape)) if shape else ()
        element -= size
    raise AssertionError("an element of one of the arrays")
