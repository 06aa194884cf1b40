"""Oracles of derivatives: what a directional derivative is, found without any rule of differentiation.

| oracle | how | error | for |
|---|---|---|---|
| `exact` | central differences in 50 digits, step 10⁻¹⁷x | 10⁻³⁴ x²f‴/6 | expressions whose ops have an exact meaning |
| `complex-step` | Im f(x + ih)/h, h = 10⁻¹⁰⁰ | rounding | expressions of analytic ops; functions said to be analytic |
| `finite-difference` | central differences, extrapolated | estimated, about 10⁻¹¹ | everything |

Each says besides where there is no derivative: at a kink, or where the function is not defined on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import mpmath
import numpy as np

from graphopt.arithmetics import Arithmetic, Exact, Native, from_mpf
from graphopt.testing.complex_step import Complex, Wide
from graphopt.testing.rounding import PerturbedWide, spread
from graphopt.testing.subjects import Called, Point, Subject

__all__ = [
    "KINK", "ORACLES", "SMOOTH", "UNDEFINED", "ComplexStep", "Differences", "ExactDifferences", "Oracle", "Slopes",
    "flat",
]  # fmt: skip

Array = Any
SMOOTH, KINK, UNDEFINED = 0, 1, 2


@dataclass(frozen=True)
class Slopes:
    """A directional derivative of all outputs, one after another in one vector.

    Attributes
    ----------
    value
        The derivatives, float64.
    error
        Their absolute error, estimated from above.
    state
        `SMOOTH`, `KINK` or `UNDEFINED`, for each.
    """

    value: Array
    error: Array
    state: Array


class Oracle(Protocol):
    """A way to find derivatives."""

    name: str

    def slopes(self, subject: Subject, point: Point, direction: Point) -> Slopes:
        """The derivative along a direction, given for each input that moves.

        Raises
        ------
        UnsupportedExpression
            If the oracle does not apply to the subject.
        """


def flat(results: Mapping[str, Array]) -> Array:
    """All elements of all results in one vector."""
    parts = [np.asarray(value).reshape(-1) for value in results.values()]
    return np.concatenate(parts) if parts else np.zeros(0)


# --- exact ------------------------------------------------------------------------------------------------------------


class ExactDifferences:
    """Central differences in high precision: with so many digits, a step can be as short as it should be.

    The step is relative to the smallest of what moves, and there are more digits the smaller that is beside the rest.
    """

    name = "exact"
    DIGITS = 50

    def __init__(self, step: float | None = None) -> None:
        self._step = 1e-17 if step is None else step
        self._last: tuple[Subject, Point, int, Array] | None = None

    def slopes(self, subject: Subject, point: Point, direction: Point) -> Slopes:
        moved = [np.asarray(point[name], float)[along != 0] for name, along in direction.items()]
        moving = np.abs(np.concatenate(moved))
        least = float(np.min(moving, initial=np.inf, where=(moving > 0) & np.isfinite(moving)))
        least = 1.0 if np.isinf(least) else max(least, 1e-60)
        most = max(1.0, float(np.max(moving, initial=0.0, where=np.isfinite(moving))))
        digits = self.DIGITS + math.ceil(math.log10(most / min(least, 1.0)))
        with mpmath.workdps(digits), np.errstate(all="ignore"):
            step, arithmetic = mpmath.mpf(self._step) * least, Exact(digits)
            here = self._values(subject, point, arithmetic)
            left, right = _quotients(subject, point, direction, step, here, arithmetic)
            value = (left + right) / 2
            defined = _finite(left) & _finite(right)
            gap, size = abs(right - left), np.maximum(abs(left), abs(right))
            tiny = (size < 1e-20) & (size > 0)  # what does not move at all is no kink
            doubtful = (gap > 1e-8 * size) | (size > 1e6 * np.maximum(abs(here), 1)) | tiny
            doubtful = defined & doubtful.astype(bool)
            state, error = np.where(defined, SMOOTH, UNDEFINED), 0 * value
            if doubtful.any():  # where f is smooth, the gap shrinks with the step, and the quotient stays
                nearer = _quotients(subject, point, direction, step / 1024, here, arithmetic)
                still = abs(nearer[1] - nearer[0]) > gap / 2 + 1e-24 * abs(here)
                apart = abs((nearer[0] + nearer[1]) / 2 - value)
                still |= (apart > 1e-6 * size) & (size > 1e-20)
                state = np.where(doubtful & still.astype(bool), KINK, state)
                error = np.where(doubtful, 2 * apart, error)
            return Slopes(from_mpf(value, "float64").astype(float), from_mpf(error, "float64").astype(float), state)

    def _values(self, subject: Subject, point: Point, arithmetic: Exact) -> Array:
        """The values at a point, which are the same for all directions from there."""
        last = self._last
        if last is None or last[0] is not subject or last[1] is not point or last[2] != arithmetic.digits:
            last = (subject, point, arithmetic.digits, flat(subject.values(point, arithmetic)))
            self._last = last
        return last[3]


def _quotients(
    subject: Subject, point: Point, direction: Point, step: Any, here: Array, arithmetic: Exact
) -> tuple[Array, Array]:
    """The one-sided difference quotients, behind and ahead."""

    def there(signed: Any) -> Array:
        # The array comes first: mpmath would try to read it as a number.
        moved = {name: _exactly(point[name]) + _exactly(along) * signed for name, along in direction.items()}
        return _like(here, flat(subject.values({**point, **moved}, arithmetic)), mpmath.nan)

    return (here - there(-step)) / step, (there(step) - here) / step


def _like(here: Array, there: Array, nan: Any) -> Array:
    """The results at another point; not numbers if there are more or fewer of them, as where a mask chooses others."""
    return there if there.shape == here.shape else np.full(here.shape, nan, here.dtype)


def _exactly(array: Array) -> Array:
    return np.asarray(np.frompyfunc(lambda v: mpmath.mpf(float(v)), 1, 1)(np.asarray(array)), dtype=object)


def _finite(values: Array) -> Array:
    return np.array([bool(mpmath.isfinite(v)) for v in values], bool)


# --- complex step -----------------------------------------------------------------------------------------------------


class ComplexStep:
    """Im f(x + ih)/h. Kinks are looked for by differences, which the complex step does not see."""

    name = "complex-step"

    def __init__(self, step: float | None = None) -> None:
        self._step = 1e-100 if step is None else step

    def slopes(self, subject: Subject, point: Point, direction: Point) -> Slopes:
        moved = {
            name: np.asarray(point[name], float) + 1j * self._step * np.asarray(along)
            for name, along in direction.items()
        }
        with np.errstate(all="ignore"):
            found = flat(subject.values({**point, **moved}, None if isinstance(subject, Called) else Complex()))
            value = np.imag(found) / self._step
            rough = Differences().slopes(subject, point, direction)
        state = np.where(np.isfinite(value) & np.isfinite(np.real(found)), rough.state, UNDEFINED)
        return Slopes(value, 64 * np.finfo(float).eps * np.abs(value), state)


# --- finite differences -----------------------------------------------------------------------------------------------


class Differences:
    """Central differences, extrapolated to step 0 (L. F. Richardson, 1911), with C. Ridders's choice of the best.

    The error of a central difference is a series in h², so halving the step and combining removes one term after
    another; each entry of Neville's scheme is judged by how far it is from the two that it was made of, besides the
    rounding of the function over the step, and the best is taken ("Accurate computation of F'(x) and F'(x)F''(x)",
    Advances in Engineering Software 4, 1982). The first step is eps^(1/8) times the size of what moves. Programs in
    float32 are interpreted in float64.
    """

    name = "finite-difference"
    LEVELS = 6

    def __init__(self, step: float | None = None) -> None:
        self._step = step

    def slopes(self, subject: Subject, point: Point, direction: Point) -> Slopes:
        black = isinstance(subject, Called)
        unit = max(float(np.finfo(point[name].dtype).eps) for name in direction) if black else 2.0**-52
        evaluate = _evaluation(subject, point, direction, None if black else Wide())
        here = evaluate(0.0)
        first = self._step if self._step is not None else unit**0.125 * _reach(point, direction)
        noise = unit * np.abs(here) + _noise(subject, point, unit)
        quotients, gaps, best, error = [], [], np.full(here.shape, np.nan), np.full(here.shape, np.inf)
        row: list[Array] = []
        for level in range(self.LEVELS):
            step = first / 2**level
            ahead, behind = evaluate(step), evaluate(-step)
            quotients.append((ahead - behind) / (2 * step))
            gaps.append(np.abs(ahead + behind - 2 * here) / step)
            previous, row = row, [quotients[-1]]
            rounding = (noise + unit * np.maximum(np.abs(ahead), np.abs(behind))) / step
            for k, older in enumerate(previous):
                row.append(row[k] + (row[k] - older) / (4.0 ** (k + 1) - 1))
                estimate = np.maximum(np.abs(row[-1] - row[k]), np.abs(row[-1] - older)) + rounding
                better = estimate < error
                best, error = np.where(better, row[-1], best), np.where(better, estimate, error)
        kink = (gaps[-1] > 0.5 * gaps[-3]) & (gaps[-1] > 64 * noise * 2**self.LEVELS / first)
        kink &= gaps[-1] > 1e-3 * np.abs(quotients[-1])
        defined = np.isfinite(best) & np.isfinite(here) & np.isfinite(gaps[-1])
        # Where the estimates do not agree to a few digits, there is a kink or a pole nearby: nothing is to be said.
        size = np.maximum(np.abs(best), 1e-3 * np.abs(here))
        rough = error > 1e-2 * np.maximum(size, np.max(size, initial=0.0, where=np.isfinite(size)))
        return Slopes(best, 4 * error, np.where(~defined, UNDEFINED, np.where(kink | rough, KINK, SMOOTH)))


def _evaluation(
    subject: Subject, point: Point, direction: Point, arithmetic: Native | None
) -> Callable[[float], Array]:
    def evaluate(step: float) -> Array:
        moved = {}
        for name, along in direction.items():
            x = np.asarray(point[name])
            shifted = x.astype(float) + step * np.asarray(along, float)
            moved[name] = shifted if arithmetic is not None else shifted.astype(x.dtype)
        with np.errstate(all="ignore"):
            there = flat(subject.values({**point, **moved}, arithmetic)).astype(float)
        return there if here is None else _like(here, there, np.nan)

    here: Array | None = None
    here = evaluate(0.0)
    return evaluate


def _noise(subject: Subject, point: Point, unit: float) -> Array:
    """How uncertain the function's values are: runs at neighbouring arguments, in perturbed arithmetic if possible."""
    chance = np.random.default_rng(0)
    double = not isinstance(subject, Called)

    def near(name: str) -> Array:
        value = np.asarray(point[name])
        moved = value * (1 + 2 * unit * chance.uniform(-1, 1, value.shape))
        return moved.astype(float if double else value.dtype)

    def run(arithmetic: Arithmetic) -> Array:
        moved = {**point, **{name: near(name) for name in subject.wrt}}
        return flat(subject.values(moved, arithmetic if double else None))

    return spread(run, chance, PerturbedWide)


def _reach(point: Point, direction: Point) -> float:
    """The size of what moves, at least 1; less the longer the direction is."""
    size = max((float(np.max(np.abs(point[name]) * (along != 0), initial=1.0)) for name, along in direction.items()))
    return size / max(float(np.max(np.abs(along), initial=0.0)) for along in direction.values())


ORACLES: Mapping[str, Callable[[float | None], Oracle]] = {
    "exact": ExactDifferences, "complex-step": ComplexStep, "finite-difference": Differences,
}  # fmt: skip
"""Oracles by name, the strongest first; each is made with the step, or None for its own."""
