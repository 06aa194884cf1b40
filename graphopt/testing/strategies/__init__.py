"""Hypothesis strategies for programs and for their inputs: `expressions`, `graphs`, `inputs_for`.

Programs are constructed, never filtered: each step takes an op of a table and looks for operands that it has a meaning
for. Every value stays within ±50, no op is applied near a pole, and what jumps is applied to nothing that was rounded,
so that an error of one unit in the last place somewhere changes the output by a modest multiple of it: two correct
evaluations agree to about 1e-10 in float64 and 1e-3 in float32, relative to the largest value.

Everything is made of numbers that shrink to 0: steps to nothing one by one, the operands of a step to the most recent
value, constants and arrays to zero.

| file | holds |
|---|---|
| `draft.py` | a program while it is drawn: its values, and the choice among them |
| `intervals.py`, `sizes.py` | between which bounds values and sizes lie |
| `elementwise.py`, `axes.py`, `views.py`, `selection.py`, `matrices.py`, `control.py` | how ops are applied |
| `table.py` | the families: op to how it is applied |
| `programs.py` | the strategies `expressions` and `graphs` |
| `inputs.py`, `arrays.py` | the strategy `inputs_for`, and what it makes arrays of |
"""

from graphopt.testing.strategies.arrays import LAYOUTS
from graphopt.testing.strategies.inputs import inputs_for
from graphopt.testing.strategies.intervals import DOMAIN
from graphopt.testing.strategies.programs import expressions, graphs
from graphopt.testing.strategies.sizes import SHAPES, SIZES
from graphopt.testing.strategies.table import EVERY, FAMILIES

__all__ = [
    "DOMAIN", "EVERY", "FAMILIES", "LAYOUTS", "SHAPES", "SIZES", "expressions", "graphs", "inputs_for",
]  # fmt: skip
