"""Mutants that the verifier rightly lets pass, each with the reason.

`EQUIVALENT` holds those that are no mistakes. `UNNEEDED` holds conditions without which the claim is kept: they are
there for the form that rules are written for, for their end, or to keep a pass to its subject. Both are tables of
mutants by reason, for what excuses one rule excuses its siblings; nothing is excused that is not named here, except
what `IN_PRINCIPLE` says of a class of claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["EQUIVALENT", "IN_PRINCIPLE", "UNNEEDED"]

Mutants = Mapping[str, Iterable[str]]
"""The mutant's label to the names of the rules."""


def _by_mutant(reasons: Mapping[str, Mutants]) -> dict[tuple[str, str], str]:
    return {
        (rule, label): reason
        for reason, mutants in reasons.items()
        for label, rules in mutants.items()
        for rule in rules
    }


SUMS = ("add-add", "add-subtract", "subtract-add", "subtract-subtract", "constant-minus-add",
        "constant-minus-subtract", "minus-add", "minus-subtract")  # fmt: skip
PRODUCTS = ("times-times", "times-over", "over-times", "constant-over-times", "constant-over-over", "over-product",
            "over-quotient")  # fmt: skip
STEPS = ("reciprocal-step", "sqrt-step", "cbrt-step", "inverse-root-step", "arctan-step", "log-step")
NOTHING = ("minus-itself", "times-zero")
CONSTANTS = ("sum-of-constant", "max-of-constant", "min-of-constant")

IN_PRINCIPLE: Mapping[tuple[str, str], str] = {
    ("RealOnly", "rounded to float32"): "nothing is promised in floating point, and over the reals a cast is nothing",
}
"""(class of claim, mutant's label) to the reason."""

EQUIVALENT = _by_mutant({
    "(-1/x)² is (1/x)², to the bit": {"constant 1: -c at 2": ["power-minus-two"]},
    "over the reals -0 is 0": {"sign flipped": NOTHING, "constant 0: -c at 0": NOTHING},
    "the derivative of a constant is 0, and so is twice that": {
        "derivative doubled": [*NOTHING, *CONSTANTS, "over-itself", "power-zero", "uniform-array"],
    },
    "1 is a number of float32 as well": {"rounded to float32": ["power-zero"]},
    "all elements of the result are equal": {"axes swapped": CONSTANTS, "all like the first": CONSTANTS},
    "all elements of a row of the result are equal": {"all like the first": ["times-equal-columns"]},
    "sin², cos² and sinh² are even, and so is sin² over a square": {
        "constant 0.5: -c at 5": ["cosh-minus-one", "exp-difference", "exp-difference-below", "exp-difference-of-sum",
                                  "one-minus-cos", "one-plus-cos"],
        "constant 0.5: -c at 6": ["one-minus-cosh", "cos-minus-one", "sine-squared-over-square"],
    },
    "both operands are x": {"operands of xlogy swapped at 0": ["x-log-x"]},
    "a sign has the derivative 0, and is a number of float32": {
        "derivative doubled": ["over-absolute"], "rounded to float32": ["over-absolute"],
    },
    "where the branches meet, either holds": {
        "greater is greater_equal at 1": ["log-step", "log1p-step"],
        "greater is greater_equal at 2": ["log-step-reversed", "log1p-step-reversed"],
        "constant 1: c + 1 at 3": ["log1p-step"], "constant 1: 2c at 3": ["log1p-step"],
        "constant 1: c + 1 at 4": ["log1p-step-reversed"], "constant 1: 2c at 4": ["log1p-step-reversed"],
    },
    "it holds the operand of the branch that is not taken, and any bound beyond the other branch does": {
        "constant 0.5: 2c at 11": ["log-step"], "constant 0.5: -c at 11": ["log-step"],
        "constant 2: c + 1 at 22": ["log-step"], "constant 2: 2c at 22": ["log-step"],
        "constant 0.5: 2c at 12": ["log-step-reversed"], "constant 0.5: -c at 12": ["log-step-reversed"],
        "constant 2: c + 1 at 23": ["log-step-reversed"], "constant 2: 2c at 23": ["log-step-reversed"],
        "constant 0.5: 2c at 9": ["log1p-step"], "constant 0.5: -c at 9": ["log1p-step"],
        "constant 2: c + 1 at 16": ["log1p-step"], "constant 2: 2c at 16": ["log1p-step"],
        "constant 0.5: 2c at 10": ["log1p-step-reversed"], "constant 0.5: -c at 10": ["log1p-step-reversed"],
        "constant 2: c + 1 at 17": ["log1p-step-reversed"], "constant 2: 2c at 17": ["log1p-step-reversed"],
    },
    "x ≥ -0 is x ≥ 0": {
        "constant 0: -c at 3": ["exp-log", "expm1-log", "softplus-log", "exp-log1mexp", "expm1-log1mexp"],
        "constant 0: -c at 4": ["sigmoid-logit", "sigmoid-log-odds", "log-gamma"],
        "constant 0: -c at 5": ["log-prod"],
    },
    "it differs only where the pattern is NaN, of which `Improves` says nothing": {
        "where dropped: its first branch at 0": ["exp-log", "expm1-log1p", "exp-log1p", "expm1-log", "softplus-log",
                                                 "sigmoid-logit", "sigmoid-log-odds", "exp-log1mexp", "expm1-log1mexp"],
        "constant 0: c + 1 at 3": ["exp-log1mexp", "expm1-log1mexp"],
        "where dropped: its second branch at 0": ["log-gamma"],
        "less is less_equal at 2": ["log-gamma"], "constant 0: c + 1 at 4": ["log-gamma"],
        "operands of remainder swapped at 6": ["log-gamma"],
        "constant 2: 2c at 9": ["log-gamma"], "constant 2: -c at 9": ["log-gamma"],
        "constant 1: c + 1 at 10": ["log-gamma"], "constant 1: 2c at 10": ["log-gamma"],
        "constant 1: -c at 10": ["log-gamma"],
        "constant -1: 2c at 3": ["expm1-log1p", "exp-log1p"],
        "constant 1: c + 1 at 7": ["sigmoid-logit", "sigmoid-log-odds"],
        "constant 1: 2c at 7": ["sigmoid-logit", "sigmoid-log-odds"],
    },
    "`Stabilizes` promises no sign of zero": {
        "constant 0: -c at 2": ["product-of-masked-otherwise", "quotient-of-masked-otherwise"],
        "constant 0: -c at 5": ["product-of-masked", "quotient-of-masked"],
    },
    "it differs only where the truth is NaN or -∞, of which `Stabilizes` says nothing": {
        "where dropped: its second branch at 0": ["log-prod"], "less is less_equal at 1": ["log-prod"],
        "constant 0: c + 1 at 5": ["log-prod"],
    },
    "it differs at x = y = -∞ alone, where the truth is -∞, of which `Stabilizes` says nothing": {
        "constant -inf: -c at 3": ["log-difference"],
        "where dropped: its second branch at 0": ["log-difference"],
    },
})  # fmt: skip

UNNEEDED = _by_mutant({
    # the form that rules are written for
    "`canonicalize` has made scalars of such constants, and the result's constant is a scalar": {
        "c: not 'rank is 0'": [*SUMS, *PRODUCTS, "integer-power", "log-over-constant", "log-constant-over",
                               "add-negative-constant", "times-inverse", *STEPS, *map("{}-reversed".format, STEPS)],
        "d: not 'rank is 0'": [*SUMS, *PRODUCTS],
    },
    "its number is 0, which other rules take out, or not finite, and then the code refuses": {
        "c: not 'is number'": SUMS, "d: not 'is number'": SUMS,
    },
    # its end
    "the code makes the node that is there already, for ever": {"condition dropped": ["align-operands",
                                                                                     "unbroadcast-operands"]},
    "it would swap the operands for ever": {"y: any operands": ["constant-last"]},
    "where x is known to be nonnegative another rule has the same without a branch": {
        "x: not 'may be negative'": ["exp-log"],
    },
    "it holds where something is broadcast, too, but computes the product of what was broadcast": {
        "condition dropped": ["distributed-divisor", "distributed-divisor-of-term"],
    },
    "it holds for any c; the steps of the table are those for which all its rules hold": {
        "c: not 'is step'": ["log-step", "log-step-reversed"],
    },
    "for c = 1 another rule has the same without the product": {"condition dropped": ["scaled-sigmoid"]},
    # the subject of the pass
    "it holds for integers too, modulo 2ⁿ; the pass is about real numbers": {
        "x: not 'dtype: is float'": [*NOTHING, *SUMS, "plus-zero", "zero-minus", "times-times"],
    },
    "it holds for integers too, modulo 2ⁿ; a claim in ulps speaks of floating point": {
        "x: not 'dtype: is float'": ["power-zero", "power-three", "power-four", "integer-power",
                                     "difference-of-squares"],
    },
    "it holds for integers too, modulo 2ⁿ; sums of products in another order are a subject of floating point": {
        "x: not 'dtype: is float'": ["times-equal-columns", "equal-rows-times"],
    },
    "it holds for the truth of numbers, NaN included; connectives are written for bools": {
        "x: not 'dtype is bool'": ["any-of-not", "all-of-not"],
    },
    # where the pattern has no value
    "below 0 the pattern is NaN, of which no claim speaks; the condition keeps the NaN": {
        "x: not 'nonnegative'": ["exp-log-of-nonnegative"],
        "x: not 'positive'": ["log-gamma-of-positive"], "x: 'nonnegative' for 'positive'": ["log-gamma-of-positive"],
        "x: 'nonzero' for 'positive'": ["log-gamma-of-positive"],
    },
    "below 0 the pattern is NaN; the condition keeps the rule to where both sides have a slope": {
        "p: not 'positive'": ["product-of-roots"], "p: 'nonzero' for 'positive'": ["product-of-roots"],
        "q: not 'positive'": ["product-of-roots"], "q: 'nonzero' for 'positive'": ["product-of-roots"],
    },
    "below 0 both sides are NaN, and at 0 both are -∞; the condition keeps the rule to logarithms that are numbers": {
        "x: not 'positive'": ["log-times-exp", "log-over-exp"],
        "x: 'nonnegative' for 'positive'": ["log-times-exp", "log-over-exp"],
        "x: 'nonzero' for 'positive'": ["log-times-exp", "log-over-exp"],
    },
})  # fmt: skip
