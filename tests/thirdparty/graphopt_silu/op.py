"""The op: silu(x) = x·sigmoid(x), also called swish (S. Elfwing, E. Uchibe, K. Doya, 2018, arXiv:1702.03118).

Importing the module defines it. The package's passes import it too, so it is there whenever one of them is found.
"""

import mpmath
import numpy as np

import graphopt as go
import graphopt.tensor as T


def _numpy(x):
    small = np.exp(-np.abs(x))  # cannot overflow
    return x * np.where(x >= 0, 1, small) / (1 + small)


def _pullback(g, node):
    """The slope is s + silu·(1 - s), with s = sigmoid(x) and 1 - s = sigmoid(-x)."""
    (x,) = node.operands
    return [g * (T.sigmoid(x) + node.result * T.sigmoid(-x))]


silu = go.define_op(
    "silu",
    type_rule=T.elementwise,
    numpy=_numpy,
    exact=lambda x: x / (1 + mpmath.exp(-x)),
    pullback=_pullback,
    c="{x} * sigmoid({x})",
    cost=26,
)
