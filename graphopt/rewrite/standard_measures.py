"""The measures that the toolkit's own rules decrease, the one that decides first standing first.

What a measure counts is chosen so that rules which make less of it make no more of those above it. The factors say in
which direction things move: where f counts its operand twice and g once, g(f(x)) is worth less than f(g(x)), and g
moves outward. They also pay for copies: a rule that writes an elementary function out may use its operand four times.
"""

from __future__ import annotations

from graphopt.ops.indexing import slice_
from graphopt.ops.leaves import ArrayConstant, constant
from graphopt.ops.shape import broadcast_to, expand_dims, reshape, squeeze, transpose
from graphopt.rewrite.measures import Measure, operands_of
from graphopt.variable import Variable

__all__ = [
    "CHAINS", "DISORDER", "FACTORIZATIONS", "HAZARDS", "MASKS", "NEGATIONS", "OPERATIONS", "RANKS", "REORDERINGS",
    "STANDARD", "STRETCHES", "SUMMANDS", "UNITS", "VIEWS",
]  # fmt: skip

COPIES = {"power": 8, "log": 8, "logaddexp": 1, "softplus": 1}  # of many terms comes a chain of logaddexp
ROUNDED = {"add": 1, "subtract": 1, "divide": 2, "sqrt": 1, "prod": 9}
OUTER = frozenset({broadcast_to, expand_dims, transpose})  # views that stand after elementwise ops
INNER = frozenset({reshape, squeeze})  # views that stand before them, as slices do, which are copied to every operand
UNCOUNTED = frozenset({"negative", "cast", "barrier"})


def _is(part: Variable, trait: str) -> bool:
    return trait in part.op.traits


def _is_elementary(part: Variable) -> bool:
    return _is(part, "transcendental") or _is(part, "composite")


def _hazard(part: Variable) -> int:
    if _is_elementary(part) or part.op.name == "power":
        return 6 + (part.op.name == "logaddexp")  # softplus is what it is where an operand is 0
    return ROUNDED.get(part.op.name, 0)


def _copies(part: Variable, position: int) -> int:
    return COPIES.get(part.op.name, 4 if _is_elementary(part) else 1)


def _reordering(part: Variable) -> int:
    return int(part.op is transpose) + (1 + (1 in part.shape) if part.op is reshape else 0)


def _operation(part: Variable) -> int:
    if _is(part, "leaf") or _is(part, "view") or part.op.name in UNCOUNTED:
        return 0
    if isinstance(axes := part.attributes.get("axis"), tuple):
        return 4 * len(axes) + 1
    return {"square": 2}.get(part.op.name, 1 if len(operands_of(part)) == 1 else 3)


def _stretch(part: Variable) -> int:
    if part.op is constant:
        return sum(size != 1 for size in part.shape) + isinstance(part.attributes["value"], ArrayConstant)
    if part.op is not broadcast_to:
        return 0
    own = operands_of(part)[0].shape
    padded = (1,) * (part.ndim - len(own)) + tuple(own)
    return sum(new != old for new, old in zip(part.shape, padded, strict=True))


def _lower_ranks(part: Variable) -> int:
    if not _is(part, "elementwise") and part.op is not broadcast_to:
        return 0
    return sum(0 < operand.ndim < part.ndim for operand in operands_of(part))


def _negation(part: Variable) -> int:
    value = part.attributes.get("value")
    return int(part.op.name in ("negative", "logical_not") or (isinstance(value, int | float) and value < 0))


def _below_negations(part: Variable, position: int) -> int:
    return 1 if part.op.name in ("negative", "logical_not") or _is(part, "view") else 2


def _view(part: Variable) -> int:
    return int(part.ndim > 0) if part.op is constant else int(not _is(part, "leaf"))


def _early_units(part: Variable) -> int:
    if part.op is not expand_dims and part.op is not squeeze:
        return 0
    ndim = max(part.ndim, operands_of(part)[0].ndim)
    return sum(ndim - axis for axis in part.attributes["axis"])


def _outward(part: Variable, position: int) -> int:
    return 8 if part.op is slice_ else 3 if part.op in INNER else 1 if _is(part, "view") else 2


HAZARDS = Measure(
    "hazards", "elementary functions and what rounds before them; powers and products of many", _hazard, _copies
)
REORDERINGS = Measure("reorderings", "transposes, and reshapes, the more so with axes of length 1", _reordering)
OPERATIONS = Measure(
    "operations", "what is computed: operands of elementwise ops, axes of reductions", _operation, _copies
)
STRETCHES = Measure("stretches", "axes along which a broadcast or a constant repeats itself", _stretch)
MASKS = Measure(
    "masks", "selections, and what multiplies, divides or sums them",
    lambda part: int(part.op.name == "where"),
    lambda part, position: 2 if part.op.name in ("multiply", "divide", "sum") else 1,
)  # fmt: skip
RANKS = Measure("ranks", "operands of lower rank than the result", _lower_ranks)
NEGATIONS = Measure("negations", "negations, not's and negative constants, and what stands outside them", _negation,
                    _below_negations)  # fmt: skip
VIEWS = Measure("views", "ops, and what stands outside the views that belong last or inside those that belong first",
                _view, _outward)  # fmt: skip
CHAINS = Measure(
    "chains", "the views that belong last, and their order among themselves", lambda part: int(part.op in OUTER),
    lambda part, position: 3 if part.op is transpose else 2 if part.op is expand_dims else 1,
)  # fmt: skip
UNITS = Measure("units", "axes of length 1 that are inserted or dropped, the more the earlier they stand", _early_units)
SUMMANDS = Measure(
    "summands", "elementwise ops, the more so under reductions", lambda part: int(_is(part, "elementwise")),
    lambda part, position: 2 if _is(part, "reduction") else 1,
)  # fmt: skip
DISORDER = Measure(
    "disorder", "operands that are no constants, the more the later they stand",
    lambda part: int(part.op is not constant), lambda part, position: 1 + position, least=1,
)  # fmt: skip
FACTORIZATIONS = Measure(
    "factorizations", "factors of matrices that are not known to be triangular",
    lambda part: int(_is(part, "factorization") and part.op.name != "solve_triangular"),
)  # fmt: skip

STANDARD: tuple[Measure, ...] = (
    HAZARDS, REORDERINGS, OPERATIONS, STRETCHES, MASKS, RANKS, NEGATIONS, VIEWS, CHAINS, UNITS, SUMMANDS, DISORDER,
    FACTORIZATIONS,
)  # fmt: skip
