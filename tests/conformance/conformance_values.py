"""Arrays to hold functions against NumPy on: their values, how they lie in memory, and when two agree."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np

EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-30, 1e30, np.inf, -np.inf, np.nan)


def _any(random: Random, dtype: np.dtype) -> Any:
    if dtype.kind == "f":
        return random.choice(EDGES) if random.random() < 0.5 else random.uniform(-1, 1) * 10.0 ** random.randint(-3, 3)
    info = np.iinfo(dtype)
    edges = (0, 1, 2, 3, 7, info.max, info.min)
    return random.choice(edges) if random.random() < 0.7 else random.randint(int(info.min), int(info.max))


def _small(random: Random, dtype: np.dtype) -> Any:
    if dtype.kind == "f" and random.random() < 0.1:
        return random.choice((np.inf, -np.inf, np.nan, -0.0))
    return _finite(random, dtype)


def _finite(random: Random, dtype: np.dtype) -> Any:
    if dtype.kind == "f":
        return random.randint(-512, 512) / 64
    return random.randint(0 if dtype.kind == "u" else -8, 8)


def _counts(random: Random, dtype: np.dtype) -> Any:
    return random.randint(0, 6)


def _places(random: Random, dtype: np.dtype) -> Any:
    return random.choice((-20, -3, -1, 0, 1, 2, 5, 30)) if dtype.kind != "u" else random.choice((0, 1, 2, 5, 30))


def _nonzero(random: Random, dtype: np.dtype) -> Any:
    return _finite(random, dtype) or 1


def _unit(random: Random, dtype: np.dtype) -> Any:
    return random.randint(1, 63) / 64


def _negative(random: Random, dtype: np.dtype) -> Any:
    return -abs(_nonzero(random, dtype)) if dtype.kind != "u" else 0


DOMAINS = {
    "any": _any, "small": _small, "finite": _finite, "counts": _counts, "places": _places, "nonzero": _nonzero,
    "negative": _negative, "unit": _unit,
}  # fmt: skip
"""What values are drawn from: everything a dtype has; numbers up to 8, and with or without what is not finite; …"""


def values(random: Random, dtype: str, shape: tuple[int, ...], domain: str) -> np.ndarray:
    """An array of eight drawn values in random places."""
    if dtype == "bool":
        pool: Any = [False, True]
    else:
        pool = [DOMAINS[domain](random, np.dtype(dtype)) for _ in range(min(8, int(np.prod(shape))))]
    places = np.random.default_rng(random.getrandbits(32)).integers(0, max(1, len(pool)), shape)
    return np.asarray(np.array(pool, dtype)[places] if pool else np.empty(shape, dtype))


LAYOUTS = ("plain", "Fortran order", "strided", "reversed", "unaligned", "read-only")


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values, lying in memory in another way."""
    if layout == "Fortran order":
        return np.array(array, order="F")
    if layout == "strided":
        wide = np.zeros([2 * size + 1 for size in array.shape], array.dtype)
        part = wide[(*[slice(1, None, 2)] * array.ndim, ...)]
        part[...] = array
        return part
    if layout == "reversed":
        back = (*[slice(None, None, -1)] * array.ndim, ...)
        return array[back].copy()[back]
    if layout == "unaligned":
        part = np.zeros(array.nbytes + 1, "uint8")[1:].view(array.dtype).reshape(array.shape)
        part[...] = array
        return part
    result = array.copy()
    result.flags.writeable = layout != "read-only"
    return result


def narrowed(array: Any) -> Any:
    """As float32, if NumPy would go on in half precision."""
    return array.astype("float32") if getattr(array, "dtype", None) in ("bool", "int8", "uint8") else array


def disagreement(found: np.ndarray, expected: np.ndarray, ulps: float, magnitude: Any, zeros: bool = True) -> str:
    """What differs; empty if nothing does.

    Parameters
    ----------
    found, expected
        Results; their dtypes and shapes must be the same.
    ulps, magnitude
        Floats may differ by so many units in the last place of a number as large as `magnitude`.
    zeros
        Whether 0 and -0 differ where `ulps` is 0.
    """
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return f"is {found.dtype}{list(found.shape)}, not {expected.dtype}{list(expected.shape)}"
    same = found == expected
    if found.dtype.kind == "f":
        same |= np.isnan(found) & np.isnan(expected)
        if ulps:
            limits = np.finfo(found.dtype)
            with np.errstate(all="ignore"):
                bound = ulps * (limits.eps * magnitude + limits.smallest_subnormal)
                same |= np.isfinite(expected) & (np.abs(found - expected) <= bound)
        elif zeros:
            same &= (np.signbit(found) == np.signbit(expected)) | np.isnan(found)
    if same.all():
        return ""
    where = np.unravel_index(int(np.argmin(same)), same.shape)
    place = [int(k) for k in where]
    return f"has {found[where]!r} at {place}, not {expected[where]!r}; {(~same).sum()} of {same.size} differ"
