"""One program with every kind of step, for any sizes, zero among them. As a script: its C text under the sanitizer."""

import sys

import numpy as np

import graphopt as go
import graphopt.tensor as T

SIZES = [(3, 4), (1, 1), (0, 3), (3, 0), (0, 0), (1, 40)]
SANITIZED = go.Options(
    threads=2,
    flags=["-O1", "-g", "-std=c11", "-fopenmp", "-fopenmp-simd", "-ffp-contract=off", "-fPIC", "-fno-math-errno"],
    extra_flags=["-fsanitize=undefined,float-cast-overflow", "-fno-sanitize-recover=all"],
)


def program():
    """Inputs and outputs: maps, rows, columns, totals, products, views, parts, joined and moved arrays."""
    x, i = go.variable("x", "float64[n, m]"), go.variable("i", "int32[n, m]")
    row = go.variable("row", "float64[m]")
    y = T.exp(-x * x) + row
    outputs = {
        "map": y,
        "row sums": T.sum(y, axis=1),
        "softmax": T.softmax(x, axis=1),
        "column sums": T.sum(y * 2, axis=0),
        "column softmax": T.softmax(x, axis=0),
        "total": T.sum(y),
        "truth": T.all(x < 2),
        "product": T.prod(i),
        "matrix product": y @ T.transpose(y),
        "flipped product": T.transpose(x)[::-1] @ x,
        "integer product": T.transpose(i) @ i,
        "vector product": y @ row,
        "reshaped": T.reshape(y, (-1,)) + 1,
        "transposed": T.transpose(y) * 3,
        "stretched": T.broadcast_to(row, (2, *row.shape)) - 1,
        "part": x[::-2, 1:],
        "other part": T.set_subtensor(x[1:, :1], 7.0),
        "joined": T.concatenate([x, y, x[:1]], axis=0),
        "padded": T.pad(x, 1),
        "stacked": T.stack([row, row * 2]),
        "differences": T.diff(row),
        "gradient": go.grad(T.sum(T.log_softmax(x, axis=1) * x), x),
        "cast": T.cast(x, "uint8"),
    }
    return [x, i, row], outputs


def arguments(n, m):
    """Arrays of these sizes."""
    chance = np.random.default_rng([n, m])
    return chance.normal(size=(n, m)), chance.integers(-9, 9, (n, m), np.int32), chance.normal(size=m)


def reference(x, i, row):
    """The same in NumPy, where it takes arrays of these sizes."""
    y = np.exp(-x * x) + row
    part = x.copy()
    part[1:, :1] = 7
    return {
        "map": y, "row sums": y.sum(1), "column sums": 2 * y.sum(0), "total": y.sum(), "truth": np.all(x < 2),
        "product": np.prod(i), "matrix product": y @ y.T, "flipped product": x.T[::-1] @ x, "integer product": i.T @ i,
        "vector product": y @ row, "reshaped": y.reshape(-1) + 1, "transposed": 3 * y.T,
        "stretched": np.broadcast_to(row, (2, *row.shape)) - 1, "part": x[::-2, 1:], "other part": part,
        "joined": np.concatenate([x, y, x[:1]]), "padded": np.pad(x, 1), "stacked": np.stack([row, row * 2]),
        "differences": np.diff(row),
    }  # fmt: skip


def disagreements(target, options=None):
    """What differs from NumPy, or from the interpreter where NumPy's function has no name here; one line each."""
    inputs, outputs = program()
    f = go.function(inputs, outputs, target=target, options=options)
    interpreted = go.function(inputs, outputs, target="numpy", pipeline="none")
    wrong = []
    for n, m in SIZES:
        arrays = arguments(n, m)
        wanted = interpreted(*arrays) | reference(*arrays)
        for name, value in f(*arrays).items():
            same = value.shape == wanted[name].shape and np.allclose(value, wanted[name], rtol=1e-12, atol=1e-12)
            if not same or value.dtype != wanted[name].dtype:
                wrong.append(f"{name} of {n} x {m}: {value!r}, not {wanted[name]!r}")
    return wrong


if __name__ == "__main__":
    sys.exit("\n".join(disagreements("c", SANITIZED)) or 0)
