"""The programs that faults are planted in: each small, and with one thing to go wrong.

Each is a function of template folders that returns a case and the arrays it is run on.
"""

import numpy as np
from cuda_corpus import matrix
from cuda_support import Case, normal

import graphopt as go
import graphopt.tensor as T
from graphopt.autodiff import grad
from graphopt.ops.arithmetic import cast


def maps(templates=()):
    """One axis with a tail; two, of which one is broadcast; what begins behind an odd number of elements."""
    x, v, b = matrix(), go.variable("v", "float32[k]"), go.variable("b", "float32[m]")
    outputs = {"tail": T.exp(v), "two": x * b + 1, "truth": v > 0, "sliced": x[:, 1:] * 2, "flipped": v[::-1] - v}
    case = Case([x, v, b], outputs, templates=templates)
    shapes = [((3, 8), 5), ((5, 9), 8), ((40, 130), 4099)]
    return case, [{"x": normal(s), "v": normal((k,)), "b": normal(s[1:])} for s, k in shapes]


def several_axes(templates=()):
    x = go.variable("x", "float32[a, b, c]")
    outputs = {"moved": T.transpose(x, (1, 0, 2)) * 2, "rows": T.sum(T.transpose(x, (1, 0, 2)) * 2, axis=2)}
    return Case([x], outputs, templates=templates), [{"x": normal(shape)} for shape in [(2, 3, 4), (3, 2, 33)]]


def long_body(templates=()):
    """More statements than are compiled for more than one size."""
    v = go.variable("v", "float32[k]")
    value = v
    for k in range(60):
        value = value * v + k / 64
    return Case([v], value, templates=templates), [{"v": normal((k,)) / 2} for k in (5, 4099)]


def tiles(templates=()):
    """Tiles that are loaded across, and tiles that are stored across; more of either than blocks."""
    x, p = matrix(), go.variable("p", "float32[n]")
    y, z = matrix(name="y"), go.variable("z", "float32[a, b, c]")
    outputs = {
        "loaded": T.transpose(x) * p,
        "plain": T.exp(y) * 2,
        "stored": T.transpose(T.exp(y)) + 1,
        "others": T.transpose(z, (0, 2, 1)) + 1,
    }
    case = Case([x, y, p, z], outputs, templates=templates)
    shapes = [((5, 70), (2, 3, 5)), ((135, 200), (3, 40, 33))]
    return case, [{"x": normal(s), "y": normal(s), "p": normal(s[:1]), "z": normal(b)} for s, b in shapes]


def rows(templates=()):
    """Rows that are held, whose sums and maxima all threads need."""
    x = matrix()
    case = Case([x], {"softmax": T.softmax(x, axis=1), "largest": T.max(x, axis=1)}, templates=templates)
    return case, [{"x": normal(shape) - 9} for shape in [(3, 71), (3, 128), (2, 1000), (20, 36), (1, 4100)]]


def normalized(templates=()):
    """Several reductions one after the other."""
    x = matrix()
    centred = x - T.mean(x, axis=1, keepdims=True)
    deviation = T.sqrt(T.mean(centred * centred, axis=1, keepdims=True) + 1e-5)
    case = Case([x], centred / deviation, templates=templates)
    return case, [{"x": normal(shape) + 3} for shape in [(3, 71), (2, 1000)]]


def mixed(templates=()):
    """Held values of 4 bytes and of 8, in one room each."""
    x = matrix()
    y = T.exp(cast(x, dtype="float64"))
    single = T.exp(x - T.max(x, axis=1, keepdims=True))
    outputs = {"double": y / T.sum(y, axis=1, keepdims=True), "single": single * 2}
    case = Case([x], outputs, templates=templates)
    return case, [{"x": normal(shape)} for shape in [(3, 71), (2, 132)]]


def two_rooms(templates=()):
    """Two held values of one size, both needed at a time."""
    x, y = matrix(), matrix(name="y")
    total = T.sum(T.exp(x) * T.tanh(y), axis=1, keepdims=True)
    case = Case([x, y], T.exp(x) / total - T.tanh(y) * total, templates=templates)
    return case, [{"x": normal(s), "y": normal(s, seed=1)} for s in [(3, 71), (2, 132), (1, 29_060)]]


def many_rows(templates=()):
    """More rows than blocks, and one barrier a row: the next row may come too early. For a warp, and for a block."""
    x = matrix()
    case = Case([x], T.sum(x, axis=1), templates=templates)
    return case, [{"x": normal(shape)} for shape in [(140, 70), (40, 1100), (140, 64)]]


def long_rows(templates=()):
    """Few rows, in parts."""
    x, p = matrix(), go.variable("p", "float32[n]")
    outputs = {"sum": T.sum(x, axis=1) * p, "max": T.max(x, axis=1), "largest": T.exp(p)}
    case = Case([x, p], outputs, templates=templates)
    return case, [{"x": normal((n, m)) - 9, "p": normal((n,))} for n, m in [(3, 4100), (2, 8197), (9, 4097)]]


def total(templates=()):
    """Everything into one number, with a NaN or without."""
    x = matrix()
    case = Case([x], {"sum": T.sum(x), "max": T.max(x), "stored": x * 2}, templates=templates)
    with_nan = normal((3, 50))
    with_nan[1, 7] = np.nan
    return case, [{"x": normal((70, 100)) - 9}, {"x": normal((3, 33)) - 9}, {"x": with_nan}, {"x": normal((1, 8197))}]


def columns(templates=()):
    x, b = matrix(), go.variable("b", "float32[m]")
    case = Case([x, b], {"softmax": T.softmax(x, axis=0), "sum": T.sum(x * b, axis=0)}, templates=templates)
    return case, [{"x": normal(shape) - 9, "b": normal(shape[1:])} for shape in [(9, 40), (50, 3), (40, 200)]]


def long_columns(templates=()):
    """Few columns, in parts; behind another axis as well."""
    x, z = matrix(), go.variable("z", "float32[a, b, c]")
    case = Case([x, z], {"two": T.sum(x, axis=0) * 2, "three": T.max(z, axis=1)}, templates=templates)
    shapes = [((300, 40), (2, 200, 33)), ((150, 3), (3, 129, 5))]
    return case, [{"x": normal(s), "z": normal(t) - 9} for s, t in shapes]


def in_order(templates=()):
    """What is counted, collected, summed up and scattered one after another."""
    x, v, i = matrix(), go.variable("v", "float32[n]"), go.variable("i", "int64[k]")
    outputs = {"chosen": v[v > 0], "running": T.cumsum(x, axis=1), "slope": grad(T.sum(x[i] ** 2), x), "at": x[i] * 2}
    case = Case([x, v, i], outputs, templates=templates)
    arrays = []
    for n, m, k in [(9, 5, 7), (300, 3, 40)]:
        places = np.random.default_rng(0).integers(0, n, k)
        places[1] = places[0]
        arrays.append({"x": normal((n, m)), "v": normal((n,)), "i": places})
    return case, arrays


def beside_maximum(templates=()):
    """Sums beside maxima that rise, fall and come in any order, far from 0 and between infinities."""
    x = matrix()
    shifted = x - T.max(x, axis=1, keepdims=True)
    case = Case([x], {"log": T.log_softmax(x, axis=1), "sum": T.sum(T.exp(shifted), axis=1)}, templates=templates)
    arrays = []
    for n, m in [(4, 71), (4, 1000), (17, 8)]:
        array = normal((n, m)) * 20
        array[0], array[1] = np.sort(array[0]), np.sort(array[1])[::-1]
        array[2] -= 300
        array[3, : m // 2] = -np.inf
        if n > 4:
            array[4], array[5, 3], array[6, 5] = -np.inf, np.inf, np.nan
        arrays.append({"x": array})
    return case, arrays


def product(templates=()):
    """Sizes that leave large tiles alone: 64 of them, one for each matrix of a stack, beyond whose edges they reach."""
    a, b = go.variable("a", "float32[64, 43, 21]"), go.variable("b", "float32[64, 21, 37]")
    c = go.variable("c", "float32[37]")
    case = Case([a, b, c], T.maximum(a[:, 2:] @ b + c, 0), templates=templates, multiplies=())
    return case, [{"a": normal((64, 43, 21)), "b": normal((64, 21, 37)), "c": normal((37,))}]


def deep_product(templates=()):
    """Small tiles whose depth is in parts."""
    a, b = go.variable("a", "float32[9, 100]"), go.variable("b", "float32[100, 5]")
    c = go.variable("c", "float32[5]")
    case = Case([a, b, c], T.maximum(a @ b + c, 0), templates=templates, multiplies=())
    return case, [{"a": normal((9, 100)), "b": normal((100, 5)), "c": normal((5,))}]


PROGRAMS = (maps, long_body, several_axes, tiles, rows, normalized, mixed, two_rooms, many_rows, long_rows, total,
            columns, long_columns, beside_maximum, in_order, product, deep_product)  # fmt: skip
