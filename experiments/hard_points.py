"""Formulas at points where they are smooth but break: a value overflows, or a branch that is not taken is no number.

They are what users of other libraries report again and again: a function that gives the right value, and a gradient
that is NaN. Written like the functions of `shared_functions.py`, with points that are fixed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from shared_functions import Shared

__all__ = ["HARD"]

ZERO = np.array(0.0)


def rodrigues(xp: Any, turn: Any, x: Any) -> Any:
    square = xp.sum(turn * turn)
    angle = xp.sqrt(square)
    cross = xp.stack([turn[1] * x[2] - turn[2] * x[1], turn[2] * x[0] - turn[0] * x[2],
                      turn[0] * x[1] - turn[1] * x[0]])  # fmt: skip
    turned = x * xp.cos(angle) + cross * xp.sin(angle) / angle
    turned = turned + turn * xp.sum(turn * x) * (1 - xp.cos(angle)) / square
    return xp.where(square > 0, turned, x + cross)


def padded_attention(xp: Any, scores: Any, values: Any) -> Any:
    allowed = xp.constant(np.array([[True, True, False], [False, False, False]]))
    masked = xp.where(allowed, scores, xp.constant(np.array(-np.inf)))
    mixed = xp.softmax(masked, axis=-1) @ values
    return xp.where(xp.constant(np.array([[True], [False]])), mixed, xp.constant(ZERO))


def cross_entropy_by_hand(xp: Any, x: Any) -> Any:
    p = 1 / (1 + xp.exp(-x))
    y = xp.constant(np.array([1.0, 0.0, 1.0, 0.0]))
    return -(y * xp.log(p) + (1 - y) * xp.log(1 - p))


HARD: tuple[Shared, ...] = (
    Shared(
        "log of a softmax at ±10⁴",
        "hard",
        lambda xp, x: xp.log(xp.exp(x) / xp.sum(xp.exp(x))),
        points=([1e4, -1e4, 0.5],),
    ),
    Shared("log(1 + eˣ) at ±10³", "hard", lambda xp, x: xp.log(1 + xp.exp(x)), points=([1e3, -1e3, 0.5],)),
    Shared("1/(1 + e⁻ˣ) at ±10³", "hard", lambda xp, x: 1 / (1 + xp.exp(-x)), points=([1e3, -1e3, 0.5],)),
    Shared("log Σ exp at ±10⁴", "hard", lambda xp, x: xp.log(xp.sum(xp.exp(x))), points=([1e4, -1e4, 9999.0],)),
    Shared("log of a sigmoid at ±10³", "hard", lambda xp, x: xp.log(1 / (1 + xp.exp(-x))), points=([1e3, -1e3, 0.5],)),
    Shared("cross-entropy by hand at ±40", "hard", cross_entropy_by_hand, points=([40.0, 40.0, -40.0, -40.0],)),
    Shared(
        "√x where x > 0, at -1",
        "hard",
        lambda xp, x: xp.where(x > 0, xp.sqrt(x), xp.constant(ZERO)),
        points=([-1.0, 4.0],),
    ),
    Shared("log x where x > 0, at -1", "hard", lambda xp, x: xp.where(x > 0, xp.log(x), x), points=([-1.0, 4.0],)),
    Shared(
        "sin(x)/x where x ≠ 0, at 0",
        "hard",
        lambda xp, x: xp.where(x != 0, xp.sin(x) / x, xp.constant(np.array(1.0))),
        points=([0.0, 1.5],),
    ),
    Shared("eˣ where x < 1, at 10³", "hard", lambda xp, x: xp.where(x < 1, xp.exp(x), x), points=([1e3, 0.5],)),
    Shared(
        "p log q where p > 0, at 0",
        "hard",
        lambda xp, q: xp.sum(
            xp.where(
                xp.constant(np.array([0.0, 0.5])) > 0, xp.constant(np.array([0.0, 0.5])) * xp.log(q), xp.constant(ZERO)
            )
        ),
        points=([0.0, 0.5],),
    ),
    Shared("rotation by 0 (Rodrigues)", "hard", rodrigues, points=([0.0, 0.0, 0.0], [0.3, -0.7, 1.1])),
    Shared(
        "attention with a masked row",
        "hard",
        padded_attention,
        points=([[0.1, 0.7, -0.3], [0.2, 0.5, 0.9]], [[1.0, 2.0], [0.5, -1.0], [3.0, 0.1]]),
    ),
)
