"""The array language under NumPy's and Theano's names: `import graphopt.tensor as T`.

Argument forms and defaults are NumPy's. Everything works on variables, arrays, numbers and rule patterns alike. What
is public in the modules below is public here; elementwise functions and constructors come from tables.
"""

import math
from typing import Any

import numpy as np

from graphopt.ops.custom import elementwise
from graphopt.tensor import (
    comparison,
    contraction,
    control,
    creation,
    cumulative,
    diagonals,
    differences,
    dtypes,
    grids,
    indexing,
    joining,
    linalg,
    masks,
    nnet,
    parts,
    products,
    rearranging,
    reduction,
    shape,
    sorting,
    special,
    statistics,
    ufuncs,
)
from graphopt.types import DTYPES

_MODULES = (
    comparison, contraction, control, creation, cumulative, diagonals, differences, dtypes, grids, indexing, joining,
    masks, parts, products, rearranging, reduction, shape, sorting, statistics,
)  # fmt: skip
_HELPERS = {"Selector", "canonical_axes", "expression", "getitem"}

__all__ = ["e", "elementwise", "inf", "linalg", "nan", "newaxis", "nnet", "pi", *DTYPES]
for _found in (
    *({name: getattr(module, name) for name in module.__all__ if name not in _HELPERS} for module in _MODULES),
    creation.CONSTRUCTORS,
    ufuncs.FUNCTIONS,
    special.FUNCTIONS,
    {name: np.dtype(name) for name in DTYPES},
):
    globals().update(_found)
    __all__ += [name for name in _found if name not in __all__]
pi, e, inf, nan, newaxis = math.pi, math.e, math.inf, math.nan, None


def __getattr__(name: str) -> Any:  # for type checkers: most names above come from tables
    from difflib import get_close_matches

    near = [] if name.startswith("_") else get_close_matches(name, __all__)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise AttributeError(f"graphopt.tensor has no function {name!r}{hint}")
