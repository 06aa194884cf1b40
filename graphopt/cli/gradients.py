"""`verify --gradient`: the derivative of a formula held against the strongest oracle, at drawn points."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from typing import Any

import typer

from graphopt.cli.problem import Problem, read_problem
from graphopt.cli.progress import Progress
from graphopt.cli.show import FINDING, grid, say, say_json
from graphopt.cli.testing import needs_hypothesis
from graphopt.errors import VerificationFailed

__all__ = ["check_gradient"]


def check_gradient(
    formula: str, shapes: Sequence[str], types: Sequence[str], dtype: str, *, order: int, oracle: str, examples: int,
    seconds: float, seed: int, json: bool,
) -> None:  # fmt: skip
    """Verify at `examples` points, or at as many as `seconds` allow; print what was seen, and stop at a failure."""
    problem = read_problem(formula, shapes, types, dtype)
    record = _verified(problem, order, oracle, examples, seconds, seed)
    if record["failure"]:
        again = ["graphopt", "verify", "--gradient", formula, "--dtype", dtype, "--order", order, "--oracle", oracle]
        again += [part for shape in shapes for part in ("--shape", shape)]
        again += [part for type in types for part in ("--type", type)]
        again += ["--seed", seed + record["points"], "--examples", 1]
        record["repeat"] = shlex.join(map(str, again))
    if json:
        say_json(record)
    elif record["failure"]:
        say(f"{formula}: {record['failure']}\nrepeat with: {record['repeat']}")
    else:
        heads = ("points", "compared", "kinks", "undefined", "worst error", "oracles")
        used = ", ".join(record["oracles"])
        row = (*(record[key] for key in heads[:4]), f"{record['worst']:.2g}", used)
        grid(heads, [row], right=heads[:5])
    if record["failure"]:
        raise typer.Exit(FINDING)


def _verified(problem: Problem, order: int, oracle: str, examples: int, seconds: float, seed: int) -> dict[str, Any]:
    with needs_hypothesis():
        from graphopt.testing.verify_grad import GradientReport, verify_grad

    total, start, failure, drawn = GradientReport(), time.monotonic(), None, 0
    with Progress("points", examples) as progress:
        while drawn < examples or time.monotonic() - start < seconds:
            progress.at(drawn, f"seed {seed + drawn}")
            try:
                total.add(verify_grad(problem.output, 1, order=order, oracle=oracle, seed=seed + drawn))
            except VerificationFailed as error:
                failure = str(error)
                break
            drawn += 1
    return {
        "formula": problem.formula, "order": order, "seed": seed, "points": total.points, "compared": total.compared,
        "kinks": total.kinks, "undefined": total.undefined, "worst": total.worst, "oracles": total.oracles,
        "failure": failure, "repeat": None,
    }  # fmt: skip
