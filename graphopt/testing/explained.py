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
    "x ≥ -0 is x ≥ 0": {
        "constant 0: -c at 3": ["exp-log", "expm1-log", "softplus-log"],
        "constant 0: -c at 4": ["sigmoid-logit", "sigmoid-log-odds"],
    },
    "it differs only where the pattern is NaN, of which `Improves` says nothing": {
        "where dropped: its first branch at 0": ["exp-log", "expm1-log1p", "exp-log1p", "expm1-log", "softplus-log",
                                                 "sigmoid-logit", "sigmoid-log-odds"],
        "constant -1: 2c at 3": ["expm1-log1p", "exp-log1p"],
        "constant 1: c + 1 at 7": ["sigmoid-logit", "sigmoid-log-odds"],
        "constant 1: 2c at 7": ["sigmoid-logit", "sigmoid-log-odds"],
    },
    "`Stabilizes` promises no sign of zero": {
        "constant 0: -c at 2": ["product-of-masked-otherwise", "quotient-of-masked-otherwise"],
        "constant 0: -c at 5": ["product-of-masked", "quotient-of-masked"],
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
                               "add-negative-constant", "times-inverse"],
        "d: not 'rank is 0'": [*SUMS, *PRODUCTS],
    },
    "its number is 0, which other rules take out, or not finite, and then the code refuses": {
        "c: not 'is number'": SUMS, "d: not 'is number'": SUMS,
    },
    # its end
    "the code makes the node that is there already, for ever": {"condition dropped": ["align-operands",
                                                                                     "unbroadcast-operands"]},
    "it would swap the operands for ever": {"y: any operands": ["constant-last"]},
    "for c = 1 another rule has the same without the product": {"condition dropped": ["scaled-sigmoid"]},
    # the subject of the pass
    "it holds for integers too, modulo 2ⁿ; the pass is about real numbers": {
        "x: not 'dtype: is float'": [*NOTHING, *SUMS, "plus-zero", "zero-minus", "times-times"],
    },
    "it holds for integers too, modulo 2ⁿ; a claim in ulps speaks of floating point": {
        "x: not 'dtype: is float'": ["power-zero", "power-three", "power-four", "integer-power"],
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
    },
    "below 0 both sides are NaN, and at 0 both are -∞; the condition keeps the rule to logarithms that are numbers": {
        "x: not 'positive'": ["log-times-exp", "log-over-exp"],
        "x: 'nonnegative' for 'positive'": ["log-times-exp"],
        "x: 'nonzero' for 'positive'": ["log-times-exp", "log-over-exp"],
    },
})  # fmt: skip
