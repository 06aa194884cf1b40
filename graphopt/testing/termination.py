"""Holding a rule to the measure it states, on the programs that its pattern describes."""

from __future__ import annotations

from graphopt.errors import VerificationFailed
from graphopt.rewrite import Rule
from graphopt.rewrite.measures import program_value
from graphopt.testing.instances import Instance

__all__ = ["check_decrease"]


def check_decrease(rule: Rule, made: Instance) -> None:
    """Check that a firing made less of what the rule's measure counts. A rule that states none is not checked.

    Raises
    ------
    VerificationFailed
        Naming the rule and the measure, with the values before and after in terms of the program's inputs.
    """
    for measure in rule.measures:
        before, after = (program_value(measure, graph) for graph in (made.before, made.after))
        did = before.to(after)
        if did == "less":
            return
        if did == "more" or measure is rule.measures[-1]:
            raise VerificationFailed(
                f"rule {rule.name} does not decrease its measure {measure} ({measure.meaning}): "
                f"{before} before, {after} after\nprogram:\n{made.before}\nafter:\n{made.after}"
            )
