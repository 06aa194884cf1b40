"""Holding a rule to its claim: both sides run over drawn programs and values, mpmath says what is true.

A rule's pattern is turned into programs (`graphopt.testing.instances`), the rule is fired on each by the engine
itself, composite ops are expanded, and the program before and the program after are compared
(`graphopt.testing.keeping`) at special, spread and drawn values (`graphopt.testing.values`). Variants of the programs
(`graphopt.testing.variants`) meet the claim too, and so do the derivatives of both sides
(`graphopt.testing.gradients`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

from graphopt.errors import VerificationFailed
from graphopt.graph import Graph
from graphopt.rewrite import Improves, Pipeline, RealOnly, Reassociates, Rule
from graphopt.testing.gradients import (
    GradientCounts,
    GradientPair,
    check_finite_gradients,
    check_smooth_gradients,
    gradient_pair,
)
from graphopt.testing.instances import SQUARES, Instance, elementwise_only, instance
from graphopt.testing.keeping import Seen, compare
from graphopt.testing.termination import check_decrease
from graphopt.testing.values import INTERVALS, SPECIAL, arrays, chosen, combinations, moderate, spread
from graphopt.testing.variants import variants
from graphopt.types import is_float

__all__ = ["NeverFired", "RuleReport", "verify_rule"]

TRIES = 1500
REPEATED = 60  # programs in a row that were there before: there are no others
PROGRAMS = {"float64": 16, "float32": 8}
DIFFERENTIATED = {"float64": 12, "float32": 5}  # of those programs and their variants
FULL = 8  # with fewer examples there are as many times fewer programs
VARIED = 3  # of those programs
SPECIALIZED = 2  # elementwise programs that meet all combinations of special values
_AFTER_A_FAILURE = (hypothesis.Phase.shrink, hypothesis.Phase.explain)


class NeverFired(VerificationFailed):
    """A rule did not fire on any program that its pattern describes."""


@dataclass
class RuleReport(Seen):
    """What a verification saw.

    Attributes
    ----------
    rule
        The rule's name.
    programs, points
        How many programs it fired on, and how many elements of results were compared.
    worst_before, worst_after
        The largest errors against the truth, in ulps (0 where the claim needs no truth).
    better
        Whether an error was smaller than before.
    variants
        How many programs were variants: one input twice, other users, no elements.
    gradients
        What the gradient clause saw.
    """

    rule: str = ""
    programs: int = 0
    variants: int = 0
    gradients: GradientCounts = field(default_factory=GradientCounts)


def verify_rule(
    rule: Rule,
    examples: int = 25,
    seed: int = 0,
    *,
    values: bool = True,
    gradients: bool = True,
    shrink: bool = True,
    unlike: Rule | None = None,
) -> RuleReport:
    """Check that a rule does what it claims, on programs and values drawn by Hypothesis and on special values.

    Parameters
    ----------
    rule
        What to verify. It must fire on some of the programs its pattern describes.
    examples
        How many sets of values are drawn, for each of float64 and float32; with fewer than 8, programs are fewer, too.
    seed
        Makes the draw reproducible.
    values
        Whether to try special and drawn values, besides moderate ones.
    gradients
        Whether to hold the derivatives of both sides against each other as well.
    shrink
        Whether to look for the simplest values that show a failure.
    unlike
        A rule with more conditions; only programs on which it does not fire are looked at.

    Returns
    -------
    RuleReport
        How much was seen.

    Raises
    ------
    VerificationFailed
        With the program, the values, and what was found and promised.
    NeverFired
        If the rule never fired.
    """
    report = RuleReport(rule=rule.name)
    for dtype in ("float64", "float32"):
        chance = random.Random(f"{rule.name} {dtype} {seed}")
        programs: list[Instance] = []
        plain: list[tuple[Graph, Graph]] = []
        share = min(1.0, examples / FULL)
        for made in _programs(rule, dtype, chance, unlike, math.ceil(share * PROGRAMS[dtype])):
            others = variants(rule, made, chance) if len(programs) < VARIED else []
            if gradients:
                plain += [(one.before.copy(), one.after.copy()) for one in (made, *others)]
            for one in (made, *others):
                check_decrease(rule, one)
                _check_spread_values(rule, one.expand(), chance, report)
            programs.append(made)
            _check_variants(rule, dtype, others, chance, report)
        report.programs += len(programs)
        if programs and values:
            _check_special_values(rule, dtype, chance, report, unlike)
            _check_drawn_values(rule, programs, examples, seed, shrink, report)
        _check_gradients(rule, plain, math.ceil(share * DIFFERENTIATED[dtype]), chance, report.gradients)
    if not report.programs:
        raise NeverFired(f"rule {rule.name} never fired on {TRIES} programs drawn from {rule.pattern}")
    if isinstance(rule.claim, Improves) and not report.better and values and unlike is None:
        raise VerificationFailed(f"rule {rule.name} was better on none of {report.points} values")
    return report


def _check_gradients(
    rule: Rule, programs: list[tuple[Graph, Graph]], wanted: int, chance: random.Random, counts: GradientCounts
) -> None:
    """On the first programs that have a derivative."""
    pairs: list[GradientPair] = []
    for before, after in programs:
        if len(pairs) == wanted:
            break
        pair = gradient_pair(before, after)
        if pair is None:
            counts.undifferentiable += 1
        else:
            pairs.append(pair)
    check_finite_gradients(rule, pairs, chance, counts)
    check_smooth_gradients(rule, pairs, chance, counts)


def _programs(rule: Rule, dtype: str, chance: random.Random, unlike: Rule | None, wanted: int) -> Iterator[Instance]:
    """Different programs on which the rule fires; every other one has equal sizes where axes matter."""
    seen: set[object] = set()
    has_axes, repeated, made_so_far = not elementwise_only(rule.pattern), 0, 0
    for attempt in range(TRIES if unlike is None else TRIES // 4):
        square = chance.choice(SQUARES) if attempt % 2 and has_axes else None
        shape = square if attempt % 4 == 1 else None
        made = instance(rule, dtype, chance, shape, tame=not made_so_far and attempt > TRIES // 2, common=square)
        if made is None:
            continue
        if made.signature in seen:
            repeated += 1
            if repeated == REPEATED:
                return
            continue
        repeated = 0
        seen.add(made.signature)
        if _fires(unlike, made):
            continue
        yield made
        made_so_far += 1
        if made_so_far == wanted:
            return


def _fires(rule: Rule | None, made: Instance) -> bool:
    return rule is not None and bool(len(Pipeline([rule]).run(made.before.copy(), limit=1)))


def _takes_specials(rule: Rule) -> bool:
    return not isinstance(rule.claim, RealOnly | Reassociates)


def _check_spread_values(rule: Rule, made: Instance, chance: random.Random, report: RuleReport) -> None:
    """Moderate values that all differ, of either sign and of one sign."""
    graph = made.before
    whole = not any(is_float(graph.type(node).dtype) for node in graph.order())
    for interval in (INTERVALS[0], chance.choice(INTERVALS[1:])):
        arguments = {
            name: spread(graph.type(node), interval, chance, edges=whole and interval[0] < 0)
            for name, node in graph.inputs.items()
        }
        compare(rule, made, arguments, report, few_digits=True)


def _check_variants(
    rule: Rule, dtype: str, programs: list[Instance], chance: random.Random, report: RuleReport
) -> None:
    """One point of special values each."""
    values = list(SPECIAL[dtype]) if _takes_specials(rule) else moderate(SPECIAL[dtype])
    for made in programs:
        known = [value for value in values if not made.tame or abs(value) < 50]
        arguments = {name: chosen(made.before.type(node), known, chance) for name, node in made.before.inputs.items()}
        compare(rule, made, arguments, report)
    report.variants += len(programs)


def _check_special_values(
    rule: Rule, dtype: str, chance: random.Random, report: RuleReport, unlike: Rule | None
) -> None:
    """Combinations of special values; all in one run where each input can hold them all."""
    if not elementwise_only(rule.pattern):
        return
    values = SPECIAL[dtype] if _takes_specials(rule) else tuple(moderate(SPECIAL[dtype]))
    done = 0
    for _ in range(TRIES // 4):
        choices = chance.random()
        made = instance(rule, dtype, random.Random(choices), shape=(1,))
        if made is None or _fires(unlike, made):
            continue
        points = combinations([made.before.type(node) for node in made.before.inputs.values()], values, chance)
        wide = instance(rule, dtype, random.Random(choices), shape=(len(points),))
        if wide is not None and all(wide.before.type(node).ndim for node in wide.before.inputs.values()):
            _compare_at(rule, wide.expand(), list(zip(*points, strict=True)), report)
        else:
            for point in points:
                _compare_at(rule, made.expand(), [[value] for value in point], report)
        done += 1
        if done == SPECIALIZED:
            return


def _compare_at(rule: Rule, made: Instance, columns: list[Any], report: RuleReport) -> None:
    types = [made.before.type(node) for node in made.before.inputs.values()]
    with np.errstate(over="ignore"):
        arguments = {
            name: np.array(column, type.dtype).reshape([int(str(size)) for size in type.shape])
            for name, type, column in zip(made.before.inputs, types, columns, strict=True)
        }
    compare(rule, made, arguments, report)


def _check_drawn_values(
    rule: Rule, programs: list[Instance], examples: int, seed: int, shrink: bool, report: RuleReport
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
            name: data.draw(arrays(made.before.type(node), made.tame or not _takes_specials(rule)), label=name)
            for name, node in made.before.inputs.items()
        }
        compare(rule, made, arguments, report)

    check()
