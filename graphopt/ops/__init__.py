"""The ops of the array language, one file a family. `TABLE` holds them by name, `find(name)` looks one up.

An op here takes canonical attributes and is what graphs, rules and derivatives are made of; `graphopt.tensor` puts
NumPy's argument forms and defaults on top.
"""

from graphopt.ops import (
    arithmetic,
    bessel,
    binary_form,
    data_dependent,
    decompositions,
    elementary,
    gather,
    indexing,
    leaves,
    linear_algebra,
    logic,
    neural,
    reduction,
    running,
    shape,
    sorting,
    special,
)
from graphopt.ops.define import TABLE, define, find

__all__ = [
    "TABLE",
    "arithmetic",
    "bessel",
    "binary_form",
    "data_dependent",
    "decompositions",
    "define",
    "elementary",
    "find",
    "gather",
    "indexing",
    "leaves",
    "linear_algebra",
    "logic",
    "neural",
    "reduction",
    "running",
    "shape",
    "sorting",
    "special",
]
