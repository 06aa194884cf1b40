"""Why an op has no derivative, no exact meaning, or no text for a target, where that cannot be read off its type.

What an op has is found by looking at it (`graphopt.codegen.coverage`). A test holds the two against each other: what an
op lacks has a reason here, and what has a reason here is lacking.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["REASONS"]

FLAT = "piecewise constant: 0 wherever there is one"
CHECKED = "expressions alone have it: a graph holds the value, and the condition as an output that the call looks at"
BRANCHES = "expressions alone have it: a graph holds `cond`, whose bodies are what only one branch needs"

REASONS: Mapping[str, Mapping[str, str]] = {
    "derivative": {
        "sign": FLAT, "floor": FLAT, "ceil": FLAT, "trunc": FLAT, "rint": FLAT, "floor_divide": FLAT,
        "stop_gradient": "what it is for",
        **dict.fromkeys(("nonzero", "searchsorted"), "the result is an integer"),
    },
    "exact": {
        "nextafter": "real numbers have no neighbours",
        "input": "the call gives its value",
    },
    "c": {"check": CHECKED, "if_else": BRANCHES},
    "cuda": {"check": CHECKED, "if_else": BRANCHES},
}  # fmt: skip
"""For each column of the table of ops, the ops that have nothing there, and why."""
