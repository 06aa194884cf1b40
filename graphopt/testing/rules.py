"""Holding a rule to its claim: both sides run over drawn programs and values, mpmath says what is true.

A rule's pattern is turned into programs (`graphopt.testing.instances`), the rule is fired on each by the engine
itself, composite ops are expanded, and the program before and the program after run with every operation correctly
rounded, so that no library's noise can hide a failure or fake one. What each claim promises is in
`graphopt.rewrite.claims`. Variants of the programs (`graphopt.testing.variants`) meet the claim too, and so do the
derivatives of both sides (`graphopt.testing.gradients`).
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import hypothesis
import mpmath
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphopt.errors import VerificationFailed
from graphopt.graph import Graph
from graphopt.interpret import Exact as ExactArithmetic
from graphopt.interpret import Native, Rounded, from_mpf, interpret
from graphopt.op import Op
from graphopt.rewrite import Exact, Improves, Pipeline, RealOnly, Reassociates, Rule, Stabilizes, Ulps
from graphopt.testing.gradients import (
    GradientCounts,
    GradientPair,
    check_finite_gradients,
    check_smooth_gradients,
    gradient_pair,
)
from graphopt.testing.instances import Instance, elementwise_only, instance
from graphopt.testing.termination import check_decrease
from graphopt.testing.variants import variants
from graphopt.types import TensorType, is_float

__all__ = ["RuleReport", "verify_rule"]

DIGITS = 420  # 1 + the least float64 is told from 1
BLIND = 900.0  # beyond it, 1 + exp(-x) is 1 in that many digits: a truth that both sides do not share is not known
FAINT = 1e-90  # nor is it below this, where 1 + x⁴ is 1
LEAST = mpmath.ldexp(1, -1080)  # results that are closer to each other than that round to the same number
TRIES = 1500
PROGRAMS = 16
SQUARE = (2, 2)  # of every other program where axes matter: types alone do not tell its axes apart
DIFFERENTIATED = 8  # of those programs; variants come on top
VARIED = 3  # of those programs
_INF = float("inf")
_AFTER_A_FAILURE = (hypothesis.Phase.shrink, hypothesis.Phase.explain)
_SPECIAL: dict[str, tuple[float, ...]] = {
    "float64": (
        0.0, -0.0, 1.0, -1.0, 1e-9, -1e-9, 5e-324, -1e-310, 2e-16, -3e-8, 0.5, 0.7, -0.7, 3.0, -20.0, 27.0, 40.0,
        -745.0, 710.0, 1e16, -1e300, 1.7e308, _INF, -_INF, float("nan"),
    ),
    "float32": (
        0.0, -0.0, 1.0, -1.0, 1e-4, -1e-4, 1e-45, -1e-40, 1e-7, -1e-6, 0.5, 0.7, -0.7, 3.0, -15.0, 11.0, 20.0,
        -103.0, 89.0, 1e8, -1e30, 3.4e38, _INF, -_INF, float("nan"),
    ),
}  # fmt: skip


@dataclass
class RuleReport:
    """What a verification saw.

    Attributes
    ----------
    rule
        The rule's name.
    programs, points
        How many programs it fired on, and how many elements of results were compared.
    worst_before, worst_after
        The largest errors against the truth, in ulps (0 where the claim needs no truth).
    variants
        How many programs were variants: one input twice, other users, no elements.
    gradients
        What the gradient clause saw.
    """

    rule: str
    programs: int = 0
    points: int = 0
    worst_before: float = 0.0
    worst_after: float = 0.0
    better: bool = False
    variants: int = 0
    gradients: GradientCounts = field(default_factory=GradientCounts)


@dataclass
class _Programs:
    """What a rule is tried on: drawn programs, variants of some, and derivatives of some of both."""

    drawn: list[Instance] = field(default_factory=list)
    variants: list[Instance] = field(default_factory=list)
    gradients: list[GradientPair | None] = field(default_factory=list)


def verify_rule(
    rule: Rule, examples: int = 25, seed: int = 0, *, gradients: bool = True, shrink: bool = True
) -> RuleReport:
    """Check that a rule does what it claims, on programs and values drawn by Hypothesis and on special values.

    Parameters
    ----------
    rule
        What to verify. It must fire on some of the programs its pattern describes.
    examples
        How many sets of values are drawn, for each of float64 and float32.
    seed
        Makes the draw reproducible.
    gradients
        Whether to hold the derivatives of both sides against each other as well.
    shrink
        Whether to look for the simplest values that show a failure.

    Returns
    -------
    RuleReport
        How much was seen.

    Raises
    ------
    VerificationFailed
        With the program, the values, and what was found and promised; or if the rule never fired.
    """
    report = RuleReport(rule.name)
    for dtype in ("float64", "float32"):
        chance = random.Random(f"{rule.name} {dtype} {seed}")
        programs = _programs(rule, dtype, chance, PROGRAMS, gradients)
        report.programs += len(programs.drawn)
        if elementwise_only(rule.pattern):
            _check_special_values(rule, dtype, chance, report)
        if programs.drawn:
            _check_drawn_values(rule, dtype, programs.drawn, examples, seed, shrink, report)
        _check_variants(rule, dtype, programs.variants, chance, report)
        pairs = [pair for pair in programs.gradients if pair is not None]
        report.gradients.undifferentiable += len(programs.gradients) - len(pairs)
        check_finite_gradients(rule, pairs, chance, report.gradients)
        check_smooth_gradients(rule, pairs, chance, report.gradients)
    if not report.programs:
        raise VerificationFailed(f"rule {rule.name} never fired on {TRIES} programs drawn from {rule.pattern}")
    if isinstance(rule.claim, Improves) and not report.better:
        raise VerificationFailed(f"rule {rule.name} was better on none of {report.points} values")
    return report


def _programs(rule: Rule, dtype: str, chance: random.Random, wanted: int, gradients: bool) -> _Programs:
    found, has_axes = _Programs(), not elementwise_only(rule.pattern)
    for attempt in range(TRIES):
        shape = SQUARE if attempt % 2 and has_axes else None
        made = instance(rule, dtype, chance, shape, tame=not found.drawn and attempt > TRIES // 2)
        if made is None:
            continue
        others = variants(rule, made, chance) if len(found.drawn) < VARIED else []
        if gradients and len(found.drawn) < DIFFERENTIATED:
            found.gradients += [gradient_pair(one.before, one.after) for one in (made, *others)]
        for one in (made, *others):
            check_decrease(rule, one)
            Pipeline.named("none").run(one.before)
            Pipeline.named("none").run(one.after)
        found.drawn.append(made)
        found.variants += others
        if len(found.drawn) == wanted:
            break
    return found


def _check_variants(
    rule: Rule, dtype: str, programs: list[Instance], chance: random.Random, report: RuleReport
) -> None:
    """One point each."""
    values = [value for value in _SPECIAL[dtype] if _takes_specials(rule) or 1e-6 < abs(value) < 50]
    for made in programs:
        known = [value for value in values if not made.tame or abs(value) < 50]
        arguments = {name: _chosen(made.before.type(node), known, chance) for name, node in made.before.inputs.items()}
        _compare(rule, made, arguments, dtype, report)
    report.variants += len(programs)


def _chosen(type: TensorType, values: list[float], chance: random.Random) -> Any:
    shape = [int(str(size)) for size in type.shape]
    if not is_float(type.dtype):
        return np.full(shape, chance.choice((0, 1)), type.dtype)
    with np.errstate(over="ignore"):
        return np.array([chance.choice(values) for _ in range(math.prod(shape))], type.dtype).reshape(shape)


def _check_special_values(rule: Rule, dtype: str, chance: random.Random, report: RuleReport) -> None:
    """All combinations of special values in one run; fewer of them where there are many variables."""
    for _ in range(TRIES):
        made = instance(rule, dtype, chance, shape=(1,))
        if made is not None and all(made.before.type(node).dtype == dtype for node in made.before.inputs.values()):
            break
    else:
        return
    inputs = list(made.before.inputs)
    values = _SPECIAL[dtype]
    if not _takes_specials(rule):
        values = tuple(value for value in values if 1e-6 < abs(value) < 50)
    if len(inputs) > 1:
        values = tuple(chance.sample(values, min(len(values), 14 if len(inputs) == 2 else 5)))
    for point in itertools.product(values, repeat=len(inputs)):
        arguments = {
            name: _filled(made.before.type(made.before.inputs[name]), value)
            for name, value in zip(inputs, point, strict=True)
        }
        _compare(rule, made, arguments, dtype, report)


def _filled(type: TensorType, value: Any) -> Any:
    return np.full([int(str(size)) for size in type.shape], value, type.dtype)


def _check_drawn_values(
    rule: Rule, dtype: str, programs: list[Instance], examples: int, seed: int, shrink: bool, report: RuleReport
) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[phase for phase in hypothesis.Phase if shrink or phase not in _AFTER_A_FAILURE],
    )
    @hypothesis.given(st.data())
    def check(data: st.DataObject) -> None:
        made = data.draw(st.sampled_from(programs))
        arguments = {
            name: data.draw(_arrays(made.before.type(node), made.tame or not _takes_specials(rule)), label=name)
            for name, node in made.before.inputs.items()
        }
        _compare(rule, made, arguments, dtype, report)

    check()


def _takes_specials(rule: Rule) -> bool:
    return not isinstance(rule.claim, RealOnly | Reassociates)


def _arrays(type: TensorType, tame: bool) -> Any:
    shape = tuple(int(str(size)) for size in type.shape)
    if not is_float(type.dtype):
        return hnp.arrays(type.dtype, shape)
    width: Literal[32, 64] = 32 if type.dtype == "float32" else 64
    moderate = st.integers(-2000, 2000).map(lambda n: n / 64)
    if tame:
        return hnp.arrays(type.dtype, shape, elements=moderate)
    specials = [float(np.dtype(type.dtype).type(value)) for value in _SPECIAL[type.dtype]]
    return hnp.arrays(type.dtype, shape, elements=moderate | st.floats(width=width) | st.sampled_from(specials))


# --- the claims ---------------------------------------------------------------------------------------------------


def _compare(rule: Rule, made: Instance, arguments: dict[str, Any], dtype: str, report: RuleReport) -> None:
    """Run both sides and hold every element of the result to the claim."""
    graph = made.before
    result = graph.type(next(iter(graph.outputs.values()))).dtype
    rounding = _RoundedTo(result) if is_float(result) else Native()
    before = _run(graph, arguments, rounding).reshape(-1)
    after = _run(made.after, arguments, rounding).reshape(-1)
    report.points += before.size
    if isinstance(rule.claim, Exact) or not is_float(result):
        same = (before == after) & (np.signbit(before) == np.signbit(after)) if is_float(result) else before == after
        wrong = ~(same | (_isnan(before) & _isnan(after)))
        truth = None
    elif isinstance(rule.claim, Ulps):
        finite = np.isfinite(before)
        with np.errstate(all="ignore"):
            distance = np.abs(before - after) / _ulp(before, result)
        kept = np.where(finite, distance <= rule.claim.k, (before == after) | (np.isnan(before) & np.isnan(after)))
        wrong, truth = ~kept, None
    else:
        truth = _run(graph, arguments, ExactArithmetic(DIGITS)).reshape(-1)
        wrong = ~_kept(rule, made, arguments, before, after, truth, result, report)
    if wrong.any():
        position = int(np.argmax(wrong))
        exact = "" if truth is None else f", truth {mpmath.nstr(truth[position], 20)}"
        raise VerificationFailed(
            f"rule {rule.name} breaks its claim {rule.claim}: before {before[position]!r}, after {after[position]!r}"
            f"{exact} (element {position}, {result})\nvalues: { {k: v.tolist() for k, v in arguments.items()} }\n"
            f"program:\n{made.before}"
        )


class _RoundedTo(Rounded):
    """Rounds to a format, and what a program computes in a narrower dtype to that."""

    def apply(self, op: Op, operands: tuple[Any, ...], attributes: Mapping[str, Any], type: TensorType) -> Any:
        result = super().apply(op, operands, attributes, type)
        if type.dtype != "float32" or self.format == "float32":
            return result
        with np.errstate(over="ignore"):
            return np.asarray(result, np.float32).astype(np.float64)


def _run(graph: Graph, arguments: dict[str, Any], arithmetic: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.asarray(next(iter(interpret(graph, arguments, arithmetic).values())))


def _isnan(values: Any) -> Any:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)


def _ulp(values: Any, dtype: str) -> Any:
    """One unit in the last place of each value, in a dtype; of the largest finite number beyond it."""
    with np.errstate(all="ignore"):
        held = np.abs(np.asarray(values, np.float64)).astype(dtype)
        held = np.minimum(held, np.finfo(dtype).max)
        below = held - np.nextafter(held, np.dtype(dtype).type(0))
        return np.maximum(below, np.finfo(dtype).smallest_subnormal).astype(float)


def _kept(
    rule: Rule,
    made: Instance,
    arguments: dict[str, Any],
    before: Any,
    after: Any,
    truth: Any,
    dtype: str,
    report: RuleReport,
) -> Any:
    """Per element, whether the claim holds. Nothing is promised where the truth is no number."""
    rounded = from_mpf(truth, dtype).astype(float)
    claim, ok = rule.claim, np.ones(before.shape, bool)
    real = ~np.isnan(rounded)
    if isinstance(claim, Improves) and (_magnitude(made, arguments) > BLIND or _is_faint(arguments)):
        real &= _agree(truth, _run(made.after, arguments, ExactArithmetic(DIGITS)).reshape(-1), absolute=LEAST)
    errors = [_errors(values, truth, rounded, dtype) for values in (before, after)]
    with np.errstate(all="ignore"):
        report.worst_before = max(report.worst_before, float(np.max(errors[0], initial=0, where=real)))
        report.worst_after = max(report.worst_after, float(np.max(errors[1], initial=0, where=real)))
    report.better |= bool(np.any(real & (errors[1] < errors[0])))
    if isinstance(claim, Improves):
        ok = errors[1] <= errors[0] + claim.ulps + 1e-7
        return ok | ~real
    if isinstance(claim, Stabilizes):
        if any(np.isposinf(a).any() for a in arguments.values() if a.dtype.kind == "f"):
            return ok
        return _stable(claim, _magnitude(made, arguments), after, truth, rounded, dtype) | ~np.isfinite(rounded)
    if isinstance(claim, Reassociates):
        return _reassociated(made, arguments, after, truth, rounded, dtype)
    assert isinstance(claim, RealOnly)
    other = _run(made.after, arguments, ExactArithmetic(DIGITS)).reshape(-1)
    undefined = np.array([not mpmath.isfinite(value) for value in truth], bool)
    return _agree(truth, other, 8 * float(np.finfo(dtype).eps)) | undefined


def _agree(a: Any, b: Any, relative: float = 1e-30, absolute: Any = 1e-30) -> Any:
    """Per element, whether two results of exact arithmetic are the same but for its last digits (or for constants')."""
    with mpmath.workdps(DIGITS):
        return np.array(
            [
                x == y or (mpmath.isfinite(x) and abs(x - y) <= relative * abs(x) + absolute)
                for x, y in zip(a, b, strict=True)
            ],
            dtype=bool,
        )


def _errors(values: Any, truth: Any, rounded: Any, dtype: str) -> Any:
    """Distances from the truth in ulps; 0 for the right infinity, infinite for what should be finite and is not."""
    ulps = _ulp(rounded, dtype)
    result = np.zeros(len(values))
    for k, (value, exact) in enumerate(zip(values, truth, strict=True)):
        if value == rounded[k] and not np.isfinite(value):
            result[k] = 0.0
        elif not np.isfinite(value) or not mpmath.isfinite(exact):
            result[k] = np.inf
        else:
            with mpmath.workdps(DIGITS):
                result[k] = min(float(abs(mpmath.mpf(float(value)) - exact) / float(ulps[k])), 1e300)
    return result


def _magnitude(made: Instance, arguments: dict[str, Any]) -> float:
    """The greatest finite magnitude among what the pattern's variables stand for, at least 1."""
    finite = [np.abs(a.astype(float))[np.isfinite(a.astype(float))] for a in arguments.values()]
    largest = max([1.0, *(float(values.max()) for values in finite if values.size)])
    return math.exp(min(largest, 700)) if made.tame else largest  # tame programs have exponentials of inputs


def _is_faint(arguments: dict[str, Any]) -> bool:
    """Whether a value is so small that sums of its powers need more digits than exact arithmetic has."""
    return any(bool(np.any((a != 0) & (np.abs(a) < FAINT))) for a in arguments.values() if a.dtype.kind == "f")


def _stable(claim: Stabilizes, magnitude: float, after: Any, truth: Any, rounded: Any, dtype: str) -> Any:
    info, largest = np.finfo(dtype), mpmath.mpf(magnitude)
    ok = np.isfinite(after)
    for k in np.flatnonzero(ok & np.isfinite(rounded)):
        with mpmath.workdps(DIGITS):
            size = abs(truth[k])
            scale = (1 + largest) * size if claim.relative else size + largest
            bound = claim.bound * (float(info.eps) * scale + largest * float(info.smallest_subnormal))
            ok[k] = bool(abs(mpmath.mpf(float(after[k])) - truth[k]) <= bound)
    return ok


def _reassociated(made: Instance, arguments: dict[str, Any], after: Any, truth: Any, rounded: Any, dtype: str) -> Any:
    terms = 1 + sum(int(a.size) for a in arguments.values())
    sizes = _run(made.before, {name: np.abs(a) for name, a in arguments.items()}, ExactArithmetic(DIGITS)).reshape(-1)
    ok = np.ones(after.shape, bool)
    for k in np.flatnonzero(np.isfinite(rounded)):
        with mpmath.workdps(DIGITS):
            bound = terms * float(np.finfo(dtype).eps) * abs(sizes[k]) + float(np.finfo(dtype).tiny)
            ok[k] = bool(abs(mpmath.mpf(float(after[k])) - truth[k]) <= bound)
    return ok
