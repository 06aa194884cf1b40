"""`verify --gradient`: the derivative of a formula held against the strongest oracle, at drawn points."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import typer

from graphopt.cli.problem import Problem, read_problem
from graphopt.cli.show import FINDING, grid, say, say_json, tell
from graphopt.errors import InvalidArgument, TargetUnavailable, VerificationFailed

__all__ = ["check_gradient"]


def check_gradient(
    formula: str, shapes: Sequence[str], types: Sequence[str], dtype: str, *, order: int, oracle: str, examples: int,
    minutes: float, seed: int, json: bool,
) -> None:  # fmt: skip
    """Verify at `examples` points, or at as many as `minutes` allow; print what was seen, and stop at a failure."""
    if minutes < 0:
        raise InvalidArgument(f"--minutes is a time, found {minutes}")
    problem = read_problem(formula, shapes, types, dtype)
    record = _verified(problem, order, oracle, examples, 60 * minutes, seed)
    tell("")
    if json:
        say_json(record)
    elif record["failure"]:
        say(f"{formula}: {record['failure']}")
    else:
        heads = ("points", "compared", "kinks", "undefined", "worst error", "oracles")
        used = ", ".join(record["oracles"])
        row = (*(record[key] for key in heads[:4]), f"{record['worst']:.2g}", used)
        grid(heads, [row], right=heads[:5])
    if record["failure"]:
        raise typer.Exit(FINDING)


def _verified(problem: Problem, order: int, oracle: str, examples: int, seconds: float, seed: int) -> dict[str, Any]:
    try:
        from graphopt.testing import GradientReport, verify_grad
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise TargetUnavailable("verifying needs Hypothesis, which is not here: pip install hypothesis") from None
    total, start, failure, drawn = GradientReport(), time.monotonic(), None, 0
    while drawn < examples or time.monotonic() - start < seconds:
        tell(f"point {drawn + 1}, seed {seed + drawn}")
        try:
            total.add(verify_grad(problem.output, 1, order=order, oracle=oracle, seed=seed + drawn))
        except VerificationFailed as error:
            failure = str(error)
            break
        drawn += 1
    return {
        "formula": problem.formula, "order": order, "seed": seed, "points": total.points, "compared": total.compared,
        "kinks": total.kinks, "undefined": total.undefined, "worst": total.worst, "oracles": total.oracles,
        "failure": failure,
    }  # fmt: skip
