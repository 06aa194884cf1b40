"""What is known of dtypes, and the functions of complex numbers as far as they have a meaning for real ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphopt.dimensions import Dim
from graphopt.ops.elementary import arctan2
from graphopt.ops.logic import isnan, where
from graphopt.tensor.creation import ones_like, zeros_like
from graphopt.tensor.shape import expression
from graphopt.tensor.ufuncs import cast
from graphopt.types import check_dtype, is_float
from graphopt.variable import Variable

__all__ = ["angle", "asarray", "astype", "can_cast", "finfo", "iinfo", "iscomplex",
           "iscomplexobj", "isdtype", "isreal", "isrealobj", "nan_to_num", "result_type"]  # fmt: skip


def asarray(x: Any, dtype: Any = None) -> Any:
    """A variable as it is, anything else as a constant; in another dtype if one is given."""
    return expression(x) if dtype is None else cast(x, dtype)


def astype(x: Any, dtype: Any) -> Any:
    """The values in another dtype."""
    return cast(x, dtype)


def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The dtype that NumPy's promotion gives; Python's numbers and dimensions are weak.

    Raises
    ------
    TypeMismatch
        If the dtype is not supported.
    """
    found = np.result_type(*[_typed(value) for value in arrays_and_dtypes])
    return np.dtype(check_dtype(found))


def _typed(value: Any) -> Any:
    if isinstance(value, Variable):
        return np.dtype(value.dtype)
    return 0 if isinstance(value, Dim) else value


def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Whether values of one dtype may be cast to another by one of NumPy's rules."""
    return np.can_cast(_typed(from_), to, casting)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is of a kind, such as "integral" or "real floating"."""
    return bool(np.isdtype(np.dtype(dtype), kind))


def finfo(dtype: Any) -> Any:
    """The limits of a floating-point dtype, or of that of a variable."""
    return np.finfo(_typed(dtype))


def iinfo(dtype: Any) -> Any:
    """The limits of an integer dtype, or of that of a variable."""
    return np.iinfo(_typed(dtype))


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """With numbers for NaN and infinities; for these the largest and least of the dtype if none are given.

    `copy` has no meaning for values without memory.
    """
    x = expression(x)
    if not is_float(x.dtype):
        return x
    limits = np.finfo(x.dtype)
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    return where(isnan(x), nan, where(x == math.inf, high, where(x == -math.inf, low, x)))


def angle(x: Any, deg: bool = False) -> Any:
    """0 for what is positive, π or 180 degrees for what is negative, -0 included; NaN for NaN."""
    turned = arctan2(0, expression(x))
    return turned * (180 / math.pi) if deg else turned


def isreal(x: Any) -> Any:
    """True for every element."""
    return ones_like(x, "bool")


def iscomplex(x: Any) -> Any:
    """False for every element."""
    return zeros_like(x, "bool")


def isrealobj(x: Any) -> bool:
    """True: there are no complex arrays."""
    return True


def iscomplexobj(x: Any) -> bool:
    """False: there are no complex arrays."""
    return False
