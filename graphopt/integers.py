"""What integers mean where NumPy leaves it to the machine or refuses: conversions to them, and negative powers.

`docs/semantics.md` lists these meanings beside those that NumPy defines. The C and CUDA text of the same is
`templates/c/integer.h.j2`; the two are tested to agree, bit for bit. Nothing here warns.
"""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np

from graphopt.types import is_integer

__all__ = ["convert", "integer_power", "truncated"]

Array = Any


def convert(x: Any, dtype: str) -> Array:
    """An array in another dtype: the meaning of `cast`.

    Integers wrap around, floats are rounded to nearest (to infinity beyond the range), and anything but 0, NaN
    included, is true. From floats to integers, which NumPy leaves to the machine, see `docs/semantics.md`.
    """
    x = np.asarray(x)
    with np.errstate(all="ignore"):
        return _truncated(x, dtype) if is_integer(dtype) and x.dtype.kind == "f" else x.astype(dtype)


def _truncated(x: Array, dtype: str) -> Array:
    bits = 64 if dtype.endswith("64") else 32
    half = x.dtype.type(2.0 ** (bits - 1))

    def signed(value: Array) -> Array:
        return np.where((value >= -half) & (value < half), value, -half).astype(f"int{bits}")

    if dtype not in ("uint32", "uint64"):
        return signed(x).astype(dtype)  # the low bits
    upper = x >= half
    top = np.where(upper, np.array(1 << (bits - 1), dtype), np.array(0, dtype))
    return signed(np.where(upper, x - half, x)).astype(dtype) ^ top


def truncated(x: Any, dtype: str) -> int:
    """One mpmath number converted to an integer dtype, by the same rules."""
    bits = 64 if dtype.endswith("64") else 32
    half = 1 << (bits - 1)
    number = int(x) if mpmath.isfinite(x) else None
    if dtype in ("uint32", "uint64"):
        if x >= 2 * half:
            return 0
        return number % (2 * half) if number is not None and number >= -half else half
    if number is None or not -half <= number < half:
        number = -half
    limits = np.iinfo(dtype)
    return (number - int(limits.min)) % (1 << limits.bits) + int(limits.min)


def integer_power(base: Array, exponent: Array) -> Array:
    """base ** exponent: of integers modulo a power of two, where a negative exponent truncates the reciprocal."""
    if exponent.dtype.kind != "i":
        return np.power(base, exponent)
    negative = exponent < 0
    odd = (exponent & 1) != 0
    reciprocal = np.where(base == 1, 1, np.where(base == -1, np.where(odd, -1, 1), 0))
    return np.where(negative, reciprocal.astype(base.dtype), np.power(base, np.where(negative, 0, exponent)))
