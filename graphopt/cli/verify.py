"""The command `verify`: passes, rules and gradients held to what they promise, on what is drawn at random.

Whatever is verified, `--seed` is where drawing begins, `--examples` how much is drawn, and `--minutes` how long it goes
on. A finding ends with the command that shows it again.
"""

from __future__ import annotations

from typing import Annotated

import typer

from graphopt.cli.gradients import check_gradient
from graphopt.cli.options import Debug, Dtype, Json, PassName, Seed, Shape, Type
from graphopt.cli.show import reported
from graphopt.cli.verify_passes import check_pass
from graphopt.cli.verify_rules import check_rules
from graphopt.errors import InvalidArgument

__all__ = ["verify"]

WHAT = "a pass or a pipeline; --rule with a rule's name; --rules, for all (of a --pass); --gradient with a formula"


def verify(
    steps: Annotated[
        str | None,
        typer.Argument(help="A pass, a pipeline's name or text, or one of your own as package.module:name."),
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", help="A formula for the pass to rewrite, instead of drawn programs.")
    ] = None,
    targets: Annotated[
        str, typer.Option("--targets", help="Where a pass's programs run: numpy, c, cuda, cuda-emulated.")
    ] = "numpy,c",
    rule: Annotated[
        str | None, typer.Option("--rule", help="A rule's name, or package.module:name; see 'graphopt rules'.")
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="All rules, of one pass if --pass names it.")] = False,
    pass_name: PassName = None,
    gradient: Annotated[str | None, typer.Option("--gradient", help="A formula, whose derivative is verified.")] = None,
    shape: Shape = None,
    type: Type = None,
    dtype: Dtype = "float64",
    order: Annotated[int, typer.Option("--order", min=1, max=2, help="Of the derivative.")] = 1,
    oracle: Annotated[
        str, typer.Option("--oracle", help="auto, exact, complex-step or finite-difference: what says the truth.")
    ] = "auto",
    examples: Annotated[
        int, typer.Option("--examples", min=1, help="Programs; points of a formula; sets of values of each rule.")
    ] = 25,
    minutes: Annotated[float, typer.Option("--minutes", help="Go on with further seeds for so long.")] = 0.0,
    seed: Seed = 0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Hold a pass, rules, or the derivative of a formula to what they promise; a finding says how to repeat it."""
    with reported(debug):
        all_rules = rules or (pass_name is not None)
        if [steps is not None, rule is not None, all_rules, gradient is not None].count(True) != 1:
            raise InvalidArgument(f"verify takes one of: {WHAT}")
        if on is not None and steps is None:
            raise InvalidArgument("--on is for a pass or a pipeline, which rewrites the formula")
        if not 0 <= minutes < float("inf"):
            raise InvalidArgument(f"--minutes is a time, found {minutes}")
        seconds = 60 * minutes
        if gradient is not None:
            check_gradient(
                gradient, shape or (), type or (), dtype, order=order, oracle=oracle, examples=examples,
                seconds=seconds, seed=seed, json=json,
            )  # fmt: skip
        elif steps is not None:
            check_pass(
                steps, on, shape or (), type or (), dtype, targets=targets, examples=examples, seconds=seconds,
                seed=seed, json=json,
            )  # fmt: skip
        else:
            check_rules(rule, pass_name, examples=examples, seconds=seconds, seed=seed, json=json)
