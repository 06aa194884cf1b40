"""`verify PASS`: a pass or pipeline held to what every pass promises, on drawn programs or on a formula."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import typer

from graphopt.cli.named import find_pipeline
from graphopt.cli.problem import read_problem
from graphopt.cli.progress import Progress
from graphopt.cli.show import FINDING, grid, say, say_json
from graphopt.cli.testing import needs_hypothesis

__all__ = ["check_pass"]

TOGETHER = 16
"""Programs between two looks at the clock: those that are compiled together."""


def check_pass(
    steps: str, on: str | None, shapes: Sequence[str], types: Sequence[str], dtype: str, *, targets: str,
    examples: int, seconds: float, seed: int, json: bool,
) -> None:  # fmt: skip
    """Verify on `examples` programs, or on as many as `seconds` allow; print what was seen, and stop at a failure."""
    with needs_hypothesis():
        from graphopt.testing.passes import PassFailed, PassReport, verify_pass

    pipeline = find_pipeline(steps)
    program = None if on is None else read_problem(on, shapes, types, dtype).output
    wanted = tuple(dict.fromkeys(part.strip() for part in targets.split(",")))
    total, failure, start, done = PassReport(str(pipeline)), None, time.monotonic(), 0
    with Progress("programs", examples) as progress:
        while done < examples or time.monotonic() - start < seconds:
            progress.at(done, f"seed {seed + done}")
            count = min(TOGETHER, examples - done) if done < examples else TOGETHER
            try:
                total.add(verify_pass(pipeline, program, wanted, examples=count, seed=seed + done))
            except PassFailed as error:
                failure = error
                break
            done += count
    record: dict[str, Any] = {"steps": str(pipeline), "seed": seed, **asdict(total), "failure": None, "repeat": None}
    if failure is not None:
        formula = [] if on is None else ["--on", on, *_options("--shape", shapes), *_options("--type", types)]
        formula += ["--dtype", dtype] if on is not None and dtype != "float64" else []
        again = ["graphopt", "verify", steps, *formula, "--targets", ",".join(wanted)]
        record |= {
            "property": failure.property, "pass": failure.step, "target": failure.target, "failure": str(failure),
            "repeat": shlex.join([*again, "--seed", str(failure.seed), "--examples", "1"]),
        }  # fmt: skip
    if json:
        say_json(record)
    elif failure is not None:
        say(f"{failure}\nrepeat with: {record['repeat']}")
    else:
        _show(record)
    if failure is not None:
        raise typer.Exit(FINDING)


def _options(name: str, values: Sequence[str]) -> list[str]:
    return [part for value in values for part in (name, value)]


def _show(record: dict[str, Any]) -> None:
    heads = ("programs", "firings", "values", "same bits", "idempotent", "derivatives", "of what is allowed", "on")
    ran = ", ".join(f"{target} {count}" for target, count in record["targets"].items()) or "numpy"
    row = (
        record["programs"], record["firings"], record["points"], record["exact"], record["idempotent"],
        record["gradients"]["compared"], f"{record['worst']:.2g}", ran,
    )  # fmt: skip
    grid(heads, [row], right=heads[:7])
    left_out = {"sets of values refused as written": record["refused"], "no target for": record["unrunnable"]}
    left_out |= {f"derivatives: {key}": record["gradients"][key] for key in ("kinks", "undefined", "undifferentiable")}
    if any(left_out.values()):
        say("\nleft out: " + ", ".join(f"{name} {count}" for name, count in left_out.items() if count))
