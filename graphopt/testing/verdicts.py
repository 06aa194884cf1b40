"""What becomes of a mutant: it is verified as if it were a rule.

A condition that was lost is judged on the programs that it kept the rule from, and on no others.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphopt.errors import GraphoptError
from graphopt.rewrite import Rule
from graphopt.testing.explained import EQUIVALENT, IN_PRINCIPLE, UNNEEDED
from graphopt.testing.mutations import Mutant
from graphopt.testing.rules import NeverFired, verify_rule

__all__ = ["OUTCOMES", "Verdict", "judge"]

OUTCOMES = ("killed", "refused", "equivalent", "unneeded", "survived")
"""`killed`: the verifier found the mistake. `refused`: it cannot be made, for types or code refuse it. `equivalent`:
it is no mistake, for the reason given. `unneeded`: the claim is kept without the condition, which is there for the
reason given. `survived`: none of these."""


MORE_SEEDS = 4


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant, one of `OUTCOMES`, and the first line of what the verifier said, or the reason."""

    outcome: str
    reason: str = ""


def judge(rule: Rule, mutant: Mutant, examples: int = 6, seed: int = 0) -> Verdict:
    """Verify a mutant like a rule.

    Parameters
    ----------
    rule
        What it is a mutant of.
    mutant
        Made by `mutants`.
    examples, seed
        As for `verify_rule`. What survives is tried with `MORE_SEEDS` more, for programs that tell axes of several
        ranks apart are rare.
    """
    verdict = _judged(rule, mutant, examples, seed)
    for more in range(MORE_SEEDS):
        if verdict.outcome == "survived":
            verdict = _judged(rule, mutant, 2 * examples, seed + more + 1)
    return verdict


def _judged(rule: Rule, mutant: Mutant, examples: int, seed: int) -> Verdict:
    if mutant.rule is None:
        return Verdict("refused", "it cannot be written down")
    if reason := IN_PRINCIPLE.get((type(rule.claim).__name__, mutant.label)):
        return Verdict("equivalent", reason)
    widened = mutant.kind in ("condition", "domain") and mutant.rule.pattern is not rule.pattern
    widened |= mutant.rule.where is not rule.where
    try:
        report = verify_rule(mutant.rule, examples=examples, seed=seed, shrink=False, unlike=rule if widened else None)
    except NeverFired as error:
        return Verdict("refused", str(error).partition("\n")[0])
    except (GraphoptError, ArithmeticError, ValueError, IndexError, AssertionError) as error:
        return Verdict("killed", str(error).partition("\n")[0])
    if mutant.kind == "derivative" and not report.gradients.compared:
        return Verdict("equivalent", "no program of the rule has a derivative")
    for outcome, table in (("unneeded", UNNEEDED), ("equivalent", EQUIVALENT)):
        if reason := table.get((rule.name, mutant.label)):
            return Verdict(outcome, reason)
    return Verdict("survived", "" if not widened else f"the claim was kept on {report.programs} programs more")
