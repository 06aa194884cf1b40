"""What is known of a conditional: what both branches have in common."""

from __future__ import annotations

from graphopt.analysis.facts import Facts
from graphopt.analysis.transfer_arithmetic import joined
from graphopt.analysis.transfer_step import Step, Transfer

__all__ = ["CONTROL"]


def _cond(step: Step) -> Facts:
    """Nothing is known in a body of what it takes: bodies are shared, and the facts of operands change."""
    then, otherwise = step.attributes["then"], step.attributes["otherwise"]
    return joined(then.graph.facts(then.output), otherwise.graph.facts(otherwise.output))


CONTROL: dict[str, Transfer] = {"cond": _cond}
"""Op name to what it makes of facts."""
