"""Whether a rule's claim holds on one program at one point: both sides run, mpmath says what is true.

Every operation is correctly rounded, so that no library's noise can hide a failure or fake one. What each claim
promises is in `graphopt.rewrite.claims`. Where a program works element by element, "the inputs" of which a claim
speaks are those of each element.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mpmath
import numpy as np

from graphopt.arithmetics import Exact as ExactArithmetic
from graphopt.arithmetics import Native, Rounded, from_mpf
from graphopt.errors import VerificationFailed
from graphopt.graph import Graph
from graphopt.interpret import interpret
from graphopt.op import Op
from graphopt.ops.arithmetic import add, negative, subtract
from graphopt.rewrite import Claim, Exact, Improves, Reassociates, Rule, Stabilizes, Ulps
from graphopt.testing.instances import Instance
from graphopt.types import TensorType, is_float

__all__ = ["Seen", "compare"]

DIGITS = 420  # 1 + the least float64 is told from 1
FEW_DIGITS = 80  # enough at spread values, whose sums lose no more than a few digits
BLIND = 900.0  # beyond it, 1 + exp(-x) is 1 in that many digits: a truth that both sides do not share is not known
FAINT = 1e-90  # nor is it below this, where 1 + x⁴ is 1
LEAST = mpmath.ldexp(1, -1080)  # results that are closer to each other than that round to the same number

Array = Any


@dataclass
class Seen:
    """What comparing has seen: how many elements, the worst errors in ulps, whether one got better."""

    points: int = 0
    worst_before: float = 0.0
    worst_after: float = 0.0
    better: bool = False


def compare(
    rule: Rule, made: Instance, arguments: Mapping[str, Array], seen: Seen, *, few_digits: bool = False
) -> None:
    """Run both sides of a firing and hold every element of the result to the rule's claim.

    Parameters
    ----------
    rule
        Whose claim it is.
    made
        The program before and after, composite ops expanded.
    arguments
        An array for each of its inputs.
    seen
        Counts on.
    few_digits
        Whether the values are moderate, so that the truth needs few digits.

    Raises
    ------
    VerificationFailed
        With the program, the values, and what was found and promised.
    """
    point = _Point(rule.claim, made, arguments, FEW_DIGITS if few_digits else DIGITS)
    seen.points += point.before.size
    wrong = ~point.kept(seen)
    if wrong.any():
        position = int(np.argmax(wrong))
        exact = f", truth {mpmath.nstr(point.truth[position], 20)}" if "truth" in vars(point) else ""
        raise VerificationFailed(
            f"rule {rule.name} breaks its claim {rule.claim}: before {point.before[position]!r}, after "
            f"{point.after[position]!r}{exact} (element {position}, {point.dtype})\n"
            f"values: { {k: v.tolist() for k, v in arguments.items()} }\nprogram:\n{made.before}"
        )


class _RoundedTo(Rounded):
    """Rounds to a format, and what a program computes in a narrower dtype to that."""

    def apply(self, op: Op, operands: tuple[Any, ...], attributes: Mapping[str, Any], type: TensorType) -> Any:
        result = super().apply(op, operands, attributes, type)
        if type.dtype != "float32" or self.format == "float32":
            return result
        with np.errstate(over="ignore"):
            return np.asarray(result, np.float32).astype(np.float64)


class _Magnitudes(ExactArithmetic):
    """Computes with magnitudes: a difference is their sum, so that a sum of terms is the sum of their magnitudes."""

    def enter(self, value: Any, type: TensorType) -> Array:
        held = super().enter(value, type)
        return np.asarray(abs(held), held.dtype) if is_float(type.dtype) else held

    def apply(self, op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any], type: TensorType) -> Array:
        if op is negative:
            return operands[0]
        result = super().apply(add if op is subtract else op, operands, attributes, type)
        return np.asarray(abs(result), result.dtype) if is_float(type.dtype) else result


@dataclass
class _Point:
    """Both sides of a firing at one set of values; results are flat arrays."""

    claim: Claim
    made: Instance
    arguments: Mapping[str, Array]
    digits: int

    def __post_init__(self) -> None:
        graph = self.made.before
        self.dtype = graph.type(next(iter(graph.outputs.values()))).dtype
        rounding = _RoundedTo(self.dtype) if is_float(self.dtype) else Native()
        self.before = _run(graph, self.arguments, rounding)
        self.after = _run(self.made.after, self.arguments, rounding)

    @cached_property
    def truth(self) -> Array:
        """What was written, in exact arithmetic."""
        return _run(self.made.before, self.arguments, ExactArithmetic(self.digits))

    @cached_property
    def replaced(self) -> Array:
        """What was put for it, in exact arithmetic."""
        return _run(self.made.after, self.arguments, ExactArithmetic(self.digits))

    @cached_property
    def nearest(self) -> Array:
        """The truth rounded to the dtype."""
        return from_mpf(self.truth, self.dtype).astype(float)

    @cached_property
    def magnitude(self) -> Array:
        """The greatest finite magnitude among the inputs of each element, at least 1."""
        sizes = [np.abs(np.where(np.isfinite(a), a, 0)) for a in self._inputs()]
        largest = np.maximum(1.0, np.max(sizes, axis=0)) if sizes else np.ones(self.before.shape)
        if not self.made.tame:
            return largest
        return np.exp(np.minimum(largest, 700))  # tame programs have exponentials of inputs

    @cached_property
    def meets_infinity(self) -> Array:
        """Whether an input of each element is +∞."""
        found: Array = np.zeros(self.before.shape, bool)
        for values in self._inputs():
            found = found | np.isposinf(values)
        return found

    @cached_property
    def meets_faint(self) -> Array:
        """Whether a value is so small that sums of its powers need more digits than exact arithmetic has."""
        given = [a.astype(float) for a in self.arguments.values()]
        found = any(bool(np.any((a != 0) & (np.abs(a) < FAINT))) for a in given)
        return np.full(self.before.shape, found)

    def _inputs(self) -> list[Array]:
        """For each input, an array that has for each element of the result a value that it depends on, or the worst."""
        given = [a.astype(float) for a in self.arguments.values()]
        if self.made.elementwise:
            graph = self.made.before
            shape = [int(str(size)) for size in graph.type(next(iter(graph.outputs.values()))).shape]
            return [np.broadcast_to(a, shape).reshape(-1) for a in given]
        worst = []
        for a in given:
            finite = np.abs(a)[np.isfinite(a)]
            worst.append(np.full(self.before.shape, finite.max(initial=0.0)))
            worst.append(np.full(self.before.shape, np.inf if np.isposinf(a).any() else 0.0))
        return worst

    def kept(self, seen: Seen) -> Array:
        """Per element, whether the claim holds. Where the truth is no number, only the first two claims promise one."""
        if isinstance(self.claim, Exact) or not is_float(self.dtype):
            return self._same_bits()
        if isinstance(self.claim, Ulps):
            return self._within_ulps(self.claim.k)
        if isinstance(self.claim, Improves):
            return self._improves(self.claim, seen)
        if isinstance(self.claim, Stabilizes):
            return self._stabilizes(self.claim) | ~np.isfinite(self.nearest) | self.meets_infinity
        if isinstance(self.claim, Reassociates):
            return self._reassociated()
        undefined = np.array([not mpmath.isfinite(value) for value in self.truth], bool)
        return _agree(self.truth, self.replaced, 8 * float(np.finfo(self.dtype).eps)) | undefined

    def _same_bits(self) -> Array:
        if not is_float(self.dtype):
            return self.before == self.after
        same = (self.before == self.after) & (np.signbit(self.before) == np.signbit(self.after))
        return same | (np.isnan(self.before) & np.isnan(self.after))

    def _within_ulps(self, allowed: int) -> Array:
        with np.errstate(all="ignore"):
            distance = np.abs(self.before - self.after) / _ulp(self.before, self.dtype)
        same = (self.before == self.after) | (np.isnan(self.before) & np.isnan(self.after))
        return np.where(np.isfinite(self.before), distance <= allowed, same)

    def _improves(self, claim: Improves, seen: Seen) -> Array:
        known = ~np.isnan(self.nearest)
        blind = self.meets_faint | (self.magnitude > BLIND)
        if blind.any():
            known &= ~blind | _agree(self.truth, self.replaced, absolute=LEAST)
        first, second = self._errors(self.before), self._errors(self.after)
        seen.worst_before = max(seen.worst_before, float(np.max(first, initial=0, where=known)))
        seen.worst_after = max(seen.worst_after, float(np.max(second, initial=0, where=known)))
        seen.better |= bool(np.any(known & (second < first)))
        return (second <= first + claim.ulps + 1e-7) | ~known

    def _errors(self, values: Array) -> Array:
        """Distances from the truth in ulps; 0 for the right infinity, infinite for what should be finite and is not."""
        ulps = _ulp(self.nearest, self.dtype)
        result = np.zeros(len(values))
        for k, (value, exact) in enumerate(zip(values, self.truth, strict=True)):
            if value == self.nearest[k] and not np.isfinite(value):
                result[k] = 0.0
            elif not np.isfinite(value) or not mpmath.isfinite(exact):
                result[k] = np.inf
            else:
                with mpmath.workdps(self.digits):
                    result[k] = min(float(abs(mpmath.mpf(float(value)) - exact) / float(ulps[k])), 1e300)
        return result

    def _stabilizes(self, claim: Stabilizes) -> Array:
        info = np.finfo(self.dtype)
        ok = np.isfinite(self.after)
        for k in np.flatnonzero(ok & np.isfinite(self.nearest)):
            with mpmath.workdps(self.digits):
                size, largest = abs(self.truth[k]), mpmath.mpf(float(self.magnitude[k]))
                scale = (1 + largest) * size if claim.relative else size + largest
                bound = claim.bound * (float(info.eps) * scale + largest * float(info.smallest_subnormal))
                ok[k] = bool(abs(mpmath.mpf(float(self.after[k])) - self.truth[k]) <= bound)
        return ok

    def _reassociated(self) -> Array:
        info = np.finfo(self.dtype)
        terms = 1 + sum(int(a.size) for a in self.arguments.values())
        sizes = _run(self.made.before, self.arguments, _Magnitudes(self.digits))
        ok = np.ones(self.after.shape, bool)
        for k in np.flatnonzero(np.isfinite(self.nearest)):
            with mpmath.workdps(self.digits):
                bound = terms * float(info.eps) * abs(sizes[k]) + float(info.tiny)
                ok[k] = bool(abs(mpmath.mpf(float(self.after[k])) - self.truth[k]) <= bound)
        return ok


def _run(graph: Graph, arguments: Mapping[str, Array], arithmetic: Any) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(next(iter(interpret(graph, arguments, arithmetic).values()))).reshape(-1)


def _ulp(values: Array, dtype: str) -> Array:
    """One unit in the last place of each value, in a dtype; of the largest finite number beyond it."""
    with np.errstate(all="ignore"):
        held = np.abs(np.asarray(values, np.float64)).astype(dtype)
        held = np.minimum(held, np.finfo(dtype).max)
        below = held - np.nextafter(held, np.dtype(dtype).type(0))
        return np.maximum(below, np.finfo(dtype).smallest_subnormal).astype(float)


def _agree(a: Array, b: Array, relative: float = 1e-30, absolute: Any = 1e-30) -> Array:
    """Per element, whether two results of exact arithmetic are the same but for its last digits (or for constants')."""
    with mpmath.workdps(DIGITS):
        return np.array(
            [
                x == y or (mpmath.isfinite(x) and abs(x - y) <= relative * abs(x) + absolute)
                for x, y in zip(a, b, strict=True)
            ],
            dtype=bool,
        )
