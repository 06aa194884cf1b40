"""Bring a graph to the one form that other passes' patterns are written for.

Contract: afterwards

- reductions have no `keepdims`: it is `expand_dims` of a reduction over distinct axes, none of length 1, whose
  operand is no view, no negation and no reduction of the same kind;
- a chain of views is `broadcast_to(expand_dims(transpose(squeeze(reshape(x)))))`, each part at most once, none
  useless; a `reshape` regroups elements, inserting or dropping axes of length 1 is `expand_dims` and `squeeze`;
- `broadcast_to`, `expand_dims` and `transpose` stand after elementwise ops, not before, wherever all operands allow
  it; `reshape` and `squeeze` stand before; nothing is broadcast that the op itself would broadcast;
- operands of an elementwise op are scalars or have the rank of the result;
- a slice stands before elementwise ops, reductions, matrix products and views other than `reshape`, unless what it is
  taken from has other users;
- a constant of equal elements is a scalar value with a (symbolic) shape, and a scalar where it meets an op; it is the
  last operand of a commutative op;
- a negation is the outermost factor of a product or quotient, and is merged into sums: x - y, never x + (-y);
- division is x/y, never x·(1/y); squares are `square(x)`; powers 0, ±1, ±2, 3, 4 are written out;
- the condition of a `where` is no negation and no constant; of comparisons of integers, none is negated;
- neutral elements are gone where that changes no bit; x + 0 stays, for it turns -0 into 0.

Softmax and its kin count as elementwise with respect to axes they do not run over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphopt.passes import (
    canonical_arithmetic,
    canonical_facts,
    canonical_logic,
    canonical_operands,
    canonical_parts,
    canonical_products,
    canonical_reductions,
    canonical_shapes,
)
from graphopt.rewrite import Rule, RulePass
from graphopt.rewrite.measures import Measure
from graphopt.rewrite.standard_measures import (
    CHAINS,
    DISORDER,
    HAZARDS,
    NEGATIONS,
    OPERATIONS,
    RANKS,
    REORDERINGS,
    STRETCHES,
    UNITS,
    VIEWS,
)

RULES = (
    *canonical_arithmetic.RULES,
    *canonical_shapes.RULES,
    *canonical_operands.RULES,
    *canonical_parts.RULES,
    *canonical_reductions.RULES,
    *canonical_logic.RULES,
    *canonical_products.RULES,
    *canonical_facts.RULES,
)


@dataclass(frozen=True)
class Canonicalize(RulePass):
    """Bring the graph to canonical form."""

    name: ClassVar[str] = "canonicalize"
    rules: ClassVar[Sequence[Rule]] = RULES
    order: ClassVar[Sequence[Measure]] = (
        HAZARDS, REORDERINGS, OPERATIONS, STRETCHES, RANKS, NEGATIONS, VIEWS, CHAINS, UNITS, DISORDER,
    )  # fmt: skip
