"""The programs whose CUDA text is run, compiled and damaged by the tests: every form of kernel, each program once."""

from functools import cache

import numpy as np
from cuda_support import FUSED, Case

import graphopt as go
import graphopt.tensor as T
from graphopt.autodiff import grad
from graphopt.errors import TypeMismatch
from graphopt.ops import TABLE
from graphopt.ops.arithmetic import cast
from graphopt.ops.shape import stack
from graphopt.types import DTYPES

INTEGERS = [dtype for dtype in DTYPES if "int" in dtype]
ELEMENTWISE = [
    name for name, op in TABLE.items() if "elementwise" in op.traits and "host" not in op.traits and name != "cast"
]


def matrix(dtype="float32", name="x"):
    return go.variable(name, f"{dtype}[n, m]")


def layer_normalization(x, axis):
    centred = x - T.mean(x, axis=axis, keepdims=True)
    return centred / T.sqrt(T.mean(centred * centred, axis=axis, keepdims=True) + 1e-5)


def naive_log_softmax(x):
    return T.log(T.exp(x) / T.sum(T.exp(x), axis=1, keepdims=True))


@cache
def chosen():
    """As many elements as a mask has true ones: counted, and read back by the host between two launches."""
    x, v = matrix(), go.variable("v", "float32[n]")
    outputs = {
        "elements": x[x > 0],
        "rows": T.exp(x[v > 0]),
        "sums": T.sum(x[v > 0], axis=1) + v[v > 0],
        "positions": T.argwhere(x > 0),
        "ones": T.ones_like(v[v > 1]),
        "slope": grad(T.sum(x[v > 0] ** 2) / (1 + T.sum(T.ones_like(v[v > 0]))), x),
    }
    return Case([x, v], outputs)


@cache
def chosen_product():
    """A matrix product that is as deep as a mask has true ones."""
    x, v = matrix(), go.variable("v", "float32[n]")
    return Case([x, v], x[v > 0].T @ x[v > 0])


@cache
def chains(templates=()):
    """Elementwise, with broadcasting; inputs and outputs have names that C, CUDA or the templates use as well."""
    x = matrix(name="self")
    b, p = go.variable("b", "float32[m]"), go.variable("p", "float32[n]")
    s, double, thread = (go.variable(name, "float32") for name in ("s", "double", "threadIdx"))
    outputs = {
        "float": T.exp(-x * x) * b + T.expand_dims(p, 1) / (1 + s * s),
        "_": T.where(x > b, x * double, b - thread),
        "blockIdx": T.transpose(x) * p + s,
        "j": T.outer(p, b),
        "M_PI": s * double + thread,
        "row": T.exp(p) * 2,
    }
    return Case([x, b, p, s, double, thread], outputs, templates=templates)


@cache
def rows(dtype="float32", templates=()):
    """Each row by itself, in one to three stages."""
    x = matrix(dtype)
    shifted = x - T.max(x, axis=1, keepdims=True)
    outputs = {
        "softmax": T.exp(shifted) / T.sum(T.exp(shifted), axis=1, keepdims=True),
        "log_softmax": T.log_softmax(x, axis=1),
        "normalized": layer_normalization(x, 1),
        "largest": T.max(x, axis=1),
        "entropy": -T.sum(T.log_softmax(x, axis=1) * T.softmax(x, axis=1), axis=1),
    }
    return Case([x], outputs, templates=templates)


@cache
def row_axes():
    """Rows with several axes on either side."""
    x, bias = go.variable("x", "float32[a, b, c]"), go.variable("bias", "float32[c]")
    outputs = {
        "one": T.sum(x * bias, axis=2),
        "two": x / (1 + T.sum(T.exp(x + bias), axis=(1, 2), keepdims=True)),
        "crossed": T.sum(T.transpose(x, (2, 0, 1)) * 2, axis=(0, 2)),
    }
    return Case([x, bias], outputs)


@cache
def columns(templates=()):
    """Each column by itself, in one to three stages."""
    x = matrix()
    outputs = {
        "sum": T.sum(x, axis=0),
        "softmax": T.softmax(x, axis=0),
        "normalized": layer_normalization(x, 0),
        "largest": T.max(x * x, axis=0) + 1,
    }
    return Case([x], outputs, templates=templates)


@cache
def column_axes():
    """Columns behind another axis."""
    x = go.variable("x", "float32[a, b, c]")
    return Case([x], {"sum": T.sum(x, axis=1), "softmax": T.exp(x) / (1 + T.sum(T.exp(x), axis=1, keepdims=True))})


@cache
def totals(templates=()):
    """Everything into one number."""
    x, s = matrix(), go.variable("s", "float32")
    outputs = {
        "sum": T.sum(x * s),
        "mean": T.mean(x) * s + 1,
        "norm": T.sqrt(T.sum(x * x)),
        "largest": T.max(T.abs(x)),
        "smallest": T.min(x),
        "product": T.prod(1 + x / 1024),
        "stored": x * s,
        "transposed": T.sum(T.exp(T.transpose(x)) * 2),
    }
    return Case([x, s], outputs, templates=templates)


@cache
def reductions():
    """Every reduction of every integer dtype and of bool, along rows, columns and everything."""
    inputs, outputs = [], {}
    for dtype in [*INTEGERS, "bool"]:
        x = matrix(dtype, dtype)
        inputs.append(x)
        for axis in (0, 1, None):
            for name in ("any", "all") if dtype == "bool" else ("sum", "prod", "max", "min"):
                outputs[f"{name}_{dtype}_{axis}"] = getattr(T, name)(x, axis=axis)
        if dtype == "bool":
            outputs["count"] = T.sum(x, axis=1)
    return Case(inputs, outputs)


@cache
def extremes():
    """max and min in each direction."""
    x = matrix()
    return Case([x], {f"{f.__name__}_{axis}": f(x, axis=axis) for f in (T.max, T.min) for axis in (0, 1, None)})


@cache
def moved():
    """Views, copies, constants, sizes as numbers."""
    x = go.variable("x", "float32[a, b, c]")
    y = x * 2
    flat = T.reshape(y, (-1,))
    outputs = {
        "transposed": T.transpose(y, (2, 0, 1)),
        "same": x,
        "moved": T.transpose(x),
        "flat": flat,
        "after": flat + 1,
        "swapped": T.reshape(T.transpose(y, (1, 0, 2)), (x.shape[1], x.shape[0] * x.shape[2])) - 1,
        "stretched": T.broadcast_to(T.sum(x, axis=(0, 1)), (5, x.shape[2])),
        "constant": T.constant(np.arange(6, dtype=np.float32).reshape(2, 3)) * T.sum(x),
        "size": T.sum(x * 0 + 1, axis=0) * x.shape[0],
    }
    return Case([x], outputs)


@cache
def stacked():
    a, b = go.variable("a", "float64[n]"), go.variable("b", "float64[n]")
    return Case([a, b], stack(a + b, a * b, T.sin(a), T.where(a > b, a, b), shape=(2, 2)))


@cache
def products(templates=()):
    """Matrix products of stored, transposed, batched and computed operands."""
    a, b = go.variable("a", "float32[n, k]"), go.variable("b", "float32[k, m]")
    p, i = go.variable("p", "float32[g, n, k]"), go.variable("i", "int32[n, k]")
    outputs = {
        "plain": a @ b,
        "gram": a @ T.transpose(a),
        "inner": T.transpose(a) @ a,
        "both": T.transpose(b) @ T.transpose(a),
        "batch": p @ b,
        "pairs": p @ T.transpose(p, (0, 2, 1)),
        "computed": T.exp(a) @ (b * 2) + 1,
        "integer": i @ T.transpose(i),
        "truth": (i > 0) @ T.transpose(i < 0),
        "wide": cast(a, dtype="float64") @ cast(b, dtype="float64"),
    }
    return Case([a, b, p, i], outputs, templates=templates)


@cache
def product_epilogues(dtype="float32", multiplies=()):
    """What follows a product element by element, and what only seems to."""
    a, b = go.variable("a", f"{dtype}[n, k]"), go.variable("b", f"{dtype}[k, m]")
    c, r = go.variable("c", f"{dtype}[m]"), go.variable("r", f"{dtype}[n]")
    p, y = go.variable("p", f"{dtype}[g, n, k]"), go.variable("y", f"{dtype}[g, n, m]")
    product = a[:, 1:] @ b[1:]
    outputs = {
        "dense": T.maximum(a @ b + c, 0),
        "product": product,
        "tanh": T.tanh(product) * T.expand_dims(r, 1),
        "turned": T.transpose(T.tanh(T.transpose(b) @ T.transpose(a)) + T.expand_dims(c, 1)),
        "stack": p @ b + y,
        "pairs": (p @ T.transpose(p, (0, 2, 1))) * 2,
        "swapped": T.transpose(p, (1, 0, 2)) @ b - 1,
        "softmax": T.softmax(p @ b + c, axis=-1),
        "whole": cast(a @ b, dtype="int64") + 1,
    }
    return Case([a, b, c, r, p, y], outputs, multiplies=multiplies)


@cache
def products_with_vectors():
    """Matrices by vectors, which are sums along rows."""
    a, b = go.variable("a", "float32[n, k]"), go.variable("b", "float32[k, m]")
    return Case([a, b], a @ T.sum(b, axis=1))


@cache
def log_softmax(pipeline=FUSED):
    """The naive formula, and its gradient."""
    x, w = matrix(), matrix(name="w")
    value = naive_log_softmax(x)
    return Case([x, w], {"value": value, "slope": grad(T.sum(value * w), x)}, pipeline)


@cache
def every_op():
    """Every elementwise op and every cast, for every dtype it takes, of inputs `a_<dtype>`, `b_…` and `c_…`."""
    inputs, outputs = [], {}
    for dtype in DTYPES:
        operands = [go.variable(f"{letter}_{dtype}", f"{dtype}[n]") for letter in "abc"]
        inputs += operands
        for name in ELEMENTWISE:
            result = _applied(name, operands)
            if result is not None:
                outputs[f"{name}_{dtype}"] = result
        for to in DTYPES:
            outputs[f"cast to {to}_{dtype}"] = cast(operands[0], dtype=to)
    return Case(inputs, outputs)


def _applied(name, operands):
    """The op on operands of one dtype; None if it takes no such dtype."""
    op = TABLE[name]
    a, b, c = operands
    try:
        if name == "where":
            return op(a > 0, b, c)
        if name == "power" and a.dtype.startswith("int"):  # NumPy has no negative integer powers
            return op(a, b & 7)
        return op(*operands[: op.arity])
    except TypeMismatch:
        return None
