"""Holding large results against the truth piece by piece, on all cores: what `check_values` does, in less memory."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from graphopt.bench.cold import usable_cores
from graphopt.bench.validate import EPS_MULTIPLE, Finding, Tolerance, check_values

__all__ = ["finding"]

PIECE = 2**18  # elements


def finding(outputs: Sequence[Any], expected: Sequence[Any], piece: int = PIECE) -> Finding:
    """What is wrong with some outputs, and their largest error relative to the largest value of the same output."""
    if len(outputs) != len(expected):
        return Finding(f"returns {len(outputs)} outputs where {len(expected)} are expected")
    worst = 0.0
    for number, (output, true) in enumerate(zip(map(np.asarray, outputs), map(np.asarray, expected), strict=True)):
        found = _one(f"output[{number}]", output, true, piece)
        if found.reason:
            return found
        worst = max(worst, found.error or 0.0)
    return Finding(error=worst)


def _one(path: str, output: Any, true: Any, piece: int) -> Finding:
    if output.shape != true.shape or true.dtype.kind != "f" or true.size <= piece:
        return check_values({path: output}, {path: true}, Tolerance())
    ours, theirs = output.reshape(-1), true.reshape(-1)
    starts = range(0, true.size, piece)

    def largest(start: int) -> float:
        part = theirs[start : start + piece]
        return float(np.abs(part[np.isfinite(part)]).max(initial=0.0))

    with ThreadPoolExecutor(len(usable_cores())) as pool:
        scales = list(pool.map(largest, starts))
        scale = max(scales)
        eps = float(max(np.finfo(output.dtype).eps, np.finfo(true.dtype).eps)) if output.dtype.kind == "f" else 0.0
        allowed = Tolerance(atol=EPS_MULTIPLE * eps * scale)

        def compared(start: int) -> Finding:
            return check_values({path: ours[start : start + piece]}, {path: theirs[start : start + piece]}, allowed)

        found = list(pool.map(compared, starts))
    for start, each in zip(starts, found, strict=True):
        if each.reason:
            return Finding(f"from element {start} on, {each.reason}")
    # Where a piece is 0 throughout, its error is absolute already.
    absolute = max((each.error or 0.0) * (own or 1.0) for each, own in zip(found, scales, strict=True))
    return Finding(error=absolute / scale if scale > 0 else absolute)
