"""`verify --rule` and `verify --rules`: rules held to what they claim."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from typing import Any

import typer

from graphopt.cli.named import find_rules, passes_with_rules
from graphopt.cli.progress import Progress
from graphopt.cli.show import FINDING, grid, say, say_json
from graphopt.cli.testing import needs_hypothesis
from graphopt.errors import VerificationFailed
from graphopt.rewrite import Rule
from graphopt.rewrite.catalogue import rules_of

__all__ = ["check_rules"]

COUNTED = ("programs", "points", "worst_before", "worst_after")


def check_rules(
    rule: str | None, pass_name: str | None, *, examples: int, seconds: float, seed: int, json: bool
) -> None:
    """Verify each rule with `examples` sets of values, and in further rounds, with the seeds that follow, for so long.

    All rules are gone through, whatever fails; one that failed is left out of further rounds.
    """
    if rule is not None:
        chosen: Sequence[Rule] = find_rules(rule)
    else:
        steps = passes_with_rules(pass_name)
        chosen = list({each.name: each for step in steps for each in rules_of(step)}.values())
    records = [_Verified(each, rule if rule is not None and ":" in rule else None) for each in chosen]
    start, done, number = time.monotonic(), 0, 0
    with Progress("rules", len(records) if not seconds else None) as progress:
        while not number or time.monotonic() - start < seconds:
            for record in records:
                progress.at(done, f"{record.rule.name}, seed {seed + number}")
                record.again(examples, seed + number)
                done += 1
                if number and time.monotonic() - start >= seconds:
                    break
            number += 1
    failed = [record for record in records if record.seen["failure"]]
    if json:
        say_json([record.seen for record in records])
    else:
        heads = ("rule", "claim", "programs", "points", "worst before", "worst after", "verdict")
        grid(heads, [record.cells() for record in records], right=heads[2:6])
        for record in failed:
            say(f"\n{record.rule.name}: {record.seen['failure']}\nrepeat with: {record.seen['repeat']}")
        say(f"\n{len(records) - len(failed)} of {len(records)} keep their claims; worst errors are in ulps")
    if failed:
        raise typer.Exit(FINDING)


class _Verified:
    """A rule and what was seen of it, in as many rounds as there were."""

    def __init__(self, rule: Rule, place: str | None) -> None:
        self.rule, self.place = rule, place
        self.seen: dict[str, Any] = {"rule": rule.name, "claim": str(rule.claim), **dict.fromkeys(COUNTED)}
        self.seen |= {"failure": None, "repeat": None}

    def again(self, examples: int, seed: int) -> None:
        """One more round, unless one has failed."""
        with needs_hypothesis():
            from graphopt.testing.rules import verify_rule

        if self.seen["failure"]:
            return
        try:
            report = verify_rule(self.rule, examples=examples, seed=seed)
        except VerificationFailed as error:
            again = ["graphopt", "verify", "--rule", self.place or self.rule.name]
            repeat = shlex.join([*again, "--seed", str(seed), "--examples", str(examples)])
            self.seen |= {**dict.fromkeys(COUNTED), "failure": str(error), "repeat": repeat}
            return
        for name in COUNTED:
            value, so_far = getattr(report, name), self.seen[name] or 0
            self.seen[name] = max(value, so_far) if name.startswith("worst") else value + so_far

    def cells(self) -> tuple[object, ...]:
        """The row of the table."""
        first = self.seen["rule"], self.seen["claim"]
        if self.seen["failure"]:
            return *first, "", "", "", "", "fails"
        worst = (f"{self.seen[key]:.3g}" for key in COUNTED[2:])
        return *first, self.seen["programs"], self.seen["points"], *worst, "holds"
