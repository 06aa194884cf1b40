"""Bundle adjustment and its sparse Jacobian: graphopt beside NumPy, JAX and PyTorch.

    python experiments/bundle_adjustment.py            # about five minutes
    python experiments/bundle_adjustment.py --small    # a minute

The objective is that of ADBench (F. Šrajer, Z. Kukelova, A. Fitzgibbon, "A benchmark of selected algorithmic
differentiation tools on some problems in computer vision and machine learning", Optimization Methods and Software 33,
2018, section 4.2), which GradBench runs, too: each of p observations sees one of m points X by one of n cameras of 11
parameters, r, C, f, x₀, κ. Its reprojection error is w (distort(project(R(r) (X - C)), κ) f + x₀ - feature), two
numbers; there is an error of its weight, 1 - w². R(r) turns by |r| about r (O. Rodrigues, 1840), with a branch for
|r| = 0. Sizes are those of ADBench's first problems ("Bundle adjustment in the large", S. Agarwal et al., ECCV 2010);
data is random.

The Jacobian has 2p + p rows, 11n + 3m + p columns, and at most 15 elements in a row. It is made in two ways:

- **blocks**: with respect to the observation's own camera, point and weight, which are intermediate variables. Rows
  of different observations never meet there: two vector-Jacobian products are all of it, whatever the size.
- **coloured**: `go.jacobian(…, sparsity=…, packed=True)` with respect to all cameras, points and weights. Columns of
  one parameter of different cameras do not meet: 11, 3 and 1 colours, 15 Jacobian-vector products.

Everyone else makes the blocks. Values are held against plain NumPy of one observation, Jacobians against each other and
against complex steps through it, before anything is timed; one core. Carried away is the time of the Jacobian over
that of the function: ADBench's measure.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from common import (
    Record,
    absent,
    apart,
    caption,
    figure,
    one_of_many,
    options,
    package_versions,
    race,
    record_of,
    save,
    stopwatch,
)
from matplotlib.figure import Figure
from namespaces import GRAPHOPT, JAX, NUMPY, PACKAGES, TORCH, compiled, namespace
from scipy.sparse import csr_array

import graphopt as go
from graphopt.analysis.cost import graph_cost
from graphopt.autodiff.sparse import coloured

COLOURED = "graphopt, coloured"
SIZES = ((21, 11315, 36455), (49, 7776, 31843), (161, 48126, 182072))  # n, m, p: cameras, points, observations
SMALL = ((5, 40, 200),)
LIMITS = {"rtol": 1e-9, "atol": 1e-9}

Arrays = Sequence[Any]


def inputs(n: int, m: int, p: int) -> tuple[Any, ...]:
    """Cameras, points, weights, features, each observation's camera and point. Every fourth camera is not turned."""
    generator = np.random.default_rng(19)
    cameras = np.concatenate(
        [
            generator.uniform(-0.3, 0.3, (n, 3)), generator.uniform(-1, 1, (n, 3)), generator.uniform(0.5, 2, (n, 1)),
            generator.uniform(-0.5, 0.5, (n, 2)), generator.uniform(-0.1, 0.1, (n, 2)),
        ],
        axis=1,
    )  # fmt: skip
    cameras[::4, :3] = 0
    points = generator.uniform(-1, 1, (m, 3)) + np.array([0, 0, 6])
    seen = np.concatenate([np.arange(m), generator.integers(0, m, max(p - m, 0))])[:p]
    return (
        cameras, points, generator.uniform(0.5, 1.5, p), generator.uniform(-1, 1, (p, 2)),
        generator.integers(0, n, p), seen,
    )  # fmt: skip


# The objective --------------------------------------------------------------------------------------------------------


def rotated(xp: Any, turn: Any, x: Any) -> Any:
    """Each row of x turned by |r| about r; x + r × x where r is 0. Written so that no library divides by 0."""
    square = xp.sum(turn * turn, axis=1)[:, None]
    turned = square > 0
    angle = xp.sqrt(xp.where(turned, square, xp.constant(np.ones((1, 1)))))
    cross = xp.linalg.cross(turn, x)
    along = xp.sum(turn * x, axis=1)[:, None]
    general = x * xp.cos(angle) + cross * (xp.sin(angle) / angle) + turn * along * ((1 - xp.cos(angle)) / angle**2)
    return xp.where(turned, general, x + cross)


def rotated_as_written(xp: Any, turn: Any, x: Any) -> Any:
    """The same as the textbook has it, 0/0 in the branch that is not taken."""
    square = xp.sum(turn * turn, axis=1)[:, None]
    angle = xp.sqrt(square)
    cross = xp.linalg.cross(turn, x)
    along = xp.sum(turn * x, axis=1)[:, None]
    general = x * xp.cos(angle) + cross * (xp.sin(angle) / angle) + turn * along * ((1 - xp.cos(angle)) / square)
    return xp.where(square > 0, general, x + cross)


def reprojection(xp: Any, camera: Any, point: Any, weight: Any, feature: Any, rotate: Any = rotated) -> Any:
    """The errors of observations, each with its own camera, point and weight: of shape (p, 2)."""
    x = rotate(xp, camera[:, 0:3], point - camera[:, 3:6])
    plane = x[:, 0:2] / x[:, 2:3]
    radius = xp.sum(plane * plane, axis=1)[:, None]
    distorted = plane * (1 + camera[:, 9:10] * radius + camera[:, 10:11] * radius**2)
    return weight[:, None] * (distorted * camera[:, 6:7] + camera[:, 7:9] - feature)


def objective(xp: Any, cameras: Any, points: Any, weights: Any, features: Any, seeing: Any, seen: Any) -> list[Any]:
    """The reprojection errors and the errors of the weights."""
    return [reprojection(xp, cameras[seeing], points[seen], weights, features), 1 - weights**2]


# Jacobians ------------------------------------------------------------------------------------------------------------
# Each gives (p, 2, 15) for the reprojection errors, and -2w for those of the weights.


def unit(p: int, row: int) -> Any:
    """The cotangent that asks for one of the two rows of every block."""
    return np.broadcast_to(np.arange(2) == row, (p, 2)).astype(float)


def blocks_by_graphopt(arguments: Arrays, rotate: Any = rotated) -> Any:
    """Two vector-Jacobian products with respect to intermediate variables, side by side."""
    variables = declared(arguments)
    cameras, points, weights, features, seeing, seen = variables
    own = [cameras[seeing], points[seen], weights]
    errors = reprojection(namespace(GRAPHOPT), *own, features, rotate)
    rows = []
    for row in range(2):
        camera, point, weight = go.vjp(errors, own, unit(len(arguments[2]), row))
        rows.append(go.tensor.concatenate([camera, point, weight[:, None]], axis=1))
    return go.function(variables, [go.tensor.stack(rows, axis=1), -2 * weights], name="blocks")


def coloured_by_graphopt(arguments: Arrays) -> Any:
    """The packed Jacobians with respect to all cameras, points and weights, put side by side."""
    variables = declared(arguments)
    cameras, points, weights, features, *_ = variables
    taken = go.tensor.constant(arguments[4]), go.tensor.constant(arguments[5])  # the pattern is of these
    own = cameras[taken[0]], points[taken[1]], weights
    errors = reprojection(namespace(GRAPHOPT), *own, features)
    parts = go.jacobian(errors, [cameras, points, weights], sparsity=patterns(arguments), packed=True)
    p = len(arguments[2])
    side = go.tensor.concatenate([part.reshape((p, 2, part.size // (2 * p))) for part in parts], axis=2)
    return go.function(variables, [side, -2 * weights], name="coloured", on_unused_input="ignore")


def patterns(arguments: Arrays) -> list[Any]:
    """Where the reprojection errors depend on cameras, points and weights."""
    cameras, points, weights, _, seeing, seen = arguments
    p = len(weights)
    chosen = ((seeing, 11, cameras.size), (seen, 3, points.size), (np.arange(p), 1, p))
    return [
        csr_array(
            (
                np.ones(2 * p * width, bool), np.repeat(owner[:, None] * width + np.arange(width), 2, axis=0).ravel(),
                np.arange(2 * p + 1) * width,
            ),
            shape=(2 * p, columns),
        )
        for owner, width, columns in chosen
    ]  # fmt: skip


def blocks_by_jax(arguments: Arrays, rotate: Any = rotated) -> Callable[..., Any]:
    xp = namespace(JAX)
    import jax

    def blocks(cameras: Any, points: Any, weights: Any, features: Any, seeing: Any, seen: Any) -> Any:
        own = cameras[seeing], points[seen], weights
        _, pull = jax.vjp(lambda *each: reprojection(xp, *each, features, rotate), *own)
        rows = []
        for row in range(2):
            camera, point, weight = pull(xp.constant(unit(len(arguments[2]), row)))
            rows.append(jax.numpy.concatenate([camera, point, weight[:, None]], axis=1))
        return jax.numpy.stack(rows, axis=1), -2 * weights

    jitted = jax.jit(blocks)
    return lambda *arrays: [np.asarray(each) for each in jax.block_until_ready(jitted(*arrays))]


def blocks_by_torch(arguments: Arrays, rotate: Any = rotated) -> Callable[..., Any]:
    import torch

    xp = namespace(TORCH)
    units = [torch.from_numpy(unit(len(arguments[2]), row)) for row in range(2)]

    def blocks(*arrays: Any) -> Any:
        cameras, points, weights, features, seeing, seen = map(torch.from_numpy, arrays)
        own = [each.detach().requires_grad_() for each in (cameras[seeing], points[seen], weights)]
        errors = reprojection(xp, *own, features, rotate)
        rows = []
        for row in range(2):
            camera, point, weight = torch.autograd.grad(errors, own, units[row], retain_graph=row == 0)
            rows.append(torch.concatenate([camera, point, weight[:, None]], axis=1))
        return [torch.stack(rows, axis=1).numpy(), (-2 * weights).numpy()]

    return blocks


PEERS: Mapping[str, Callable[..., Callable[..., Any]]] = {JAX: blocks_by_jax, TORCH: blocks_by_torch}


def declared(arguments: Arrays) -> list[go.Variable]:
    names = ("cameras", "points", "weights", "features", "seeing", "seen")
    return [
        go.variable(name, f"{array.dtype}[{', '.join(map(str, array.shape))}]")
        for name, array in zip(names, arguments, strict=True)
    ]


# The truth ------------------------------------------------------------------------------------------------------------


def one_error(camera: Any, point: Any, weight: Any, feature: Any) -> Any:
    """The reprojection error of one observation, in NumPy, over the reals or the complex numbers."""
    turn, x = camera[:3], point - camera[3:6]
    angle = np.sqrt(np.sum(turn * turn))
    moved = x + np.cross(turn, x)
    if angle != 0:
        axis = turn / angle
        moved = x * np.cos(angle) + np.cross(axis, x) * np.sin(angle) + axis * np.sum(axis * x) * (1 - np.cos(angle))
    plane = moved[:2] / moved[2]
    radius = np.sum(plane * plane)
    distorted = plane * (1 + camera[9] * radius + camera[10] * radius**2)
    return weight * (distorted * camera[6] + camera[7:9] - feature)


def one_block(camera: Any, point: Any, weight: Any, feature: Any) -> Any:
    """Its Jacobian, 2×15, by complex steps; by central differences in what turns a camera that is not turned."""
    together = np.concatenate([camera, point, [weight]])

    def error(values: Any) -> Any:
        return one_error(values[:11], values[11:14], values[14], feature)

    block = np.empty((2, 15))
    for k in range(15):
        if k < 3 and not camera[:3].any():  # |r| is not analytic at 0
            step = 1e-5 * (np.arange(15) == k)
            block[:, k] = (error(together + step) - error(together - step)) / 2e-5
        else:
            block[:, k] = np.imag(error(together + 1e-100j * (np.arange(15) == k))) / 1e-100
    return block


def checked(arguments: Arrays, function: Any, blocks: Any, count: int = 40) -> Record:
    """The largest distances from the truth in some observations: of values, of blocks, of blocks of cameras at rest."""
    cameras, points, weights, features, seeing, seen = arguments
    errors, found = function(*arguments)[0], blocks(*arguments)[0]
    distances: dict[str, float] = {"value": 0.0, "block": 0.0, "block_at_rest": 0.0}
    resting = ~cameras[seeing, :3].any(axis=1)
    chosen = np.concatenate([np.flatnonzero(resting)[:count], np.flatnonzero(~resting)[:count]])
    for k in chosen:
        own = cameras[seeing[k]], points[seen[k]], weights[k], features[k]
        true, block = one_error(*own), one_block(*own)
        distances["value"] = max(distances["value"], float(np.abs(errors[k] - true).max()))
        kind = "block_at_rest" if resting[k] else "block"
        distances[kind] = max(distances[kind], float(np.abs(found[k] - block).max() / np.abs(block).max()))
    return distances


def at_rest(present: Sequence[str]) -> Record:
    """Who gives numbers for the textbook's rotation, where an observation's camera is not turned."""
    arguments = inputs(4, 6, 12)
    right = blocks_by_graphopt(arguments)(*arguments)[0]
    builders = {GRAPHOPT: blocks_by_graphopt, **{name: PEERS[name] for name in present}}
    found = {name: build(arguments, rotated_as_written)(*arguments)[0] for name, build in builders.items()}
    return {
        name: {
            "not_numbers": int(np.sum(~np.isfinite(blocks))),
            "error": float(np.abs(blocks - right).max()) if np.isfinite(blocks).all() else None,
        }
        for name, blocks in found.items()
    }


# Measuring ------------------------------------------------------------------------------------------------------------


def one(n: str | int, m: str | int, p: str | int, seconds: str | float, *peers: str) -> Record:
    """One problem: distances from the truth, colours, the cost model's figures, and times."""
    n, m, p, seconds = int(n), int(m), int(p), float(seconds)
    arguments = inputs(n, m, p)
    if TORCH in peers:
        import torch

        torch.set_num_threads(1)
    functions = {name: compiled(name, objective, arguments) for name in (NUMPY, GRAPHOPT, *peers)}
    colours, colouring = stopwatch(lambda: [len(set(coloured(pattern).tolist())) for pattern in patterns(arguments)])
    jacobians, building = {}, {}
    builders = {GRAPHOPT: blocks_by_graphopt, COLOURED: coloured_by_graphopt, **{name: PEERS[name] for name in peers}}
    for name, build in builders.items():
        jacobians[name], building[name] = stopwatch(lambda build=build: build(arguments))
    function = functions[GRAPHOPT]
    ours = {"function": function, "blocks": jacobians[GRAPHOPT], "coloured": jacobians[COLOURED]}
    return {
        "n": n, "m": m, "p": p,
        "shape": [3 * p, 11 * n + 3 * m + p],
        "elements": 31 * p,
        "colours": dict(zip(("cameras", "points", "weights"), colours, strict=True)),
        "products": {"blocks": 2, "coloured": sum(colours)},
        "seconds_of_colouring": colouring,
        "checked": checked(arguments, function, jacobians[GRAPHOPT]),
        "kernels": {name: len(each.kernels) for name, each in ours.items()},
        "flops": {name: int(graph_cost(each.graph).flops) for name, each in ours.items()},
        "bytes": {name: int(graph_cost(each.graph).bytes) for name, each in ours.items()},
        "seconds_of_building": building,
        "function": race(functions, arguments, baseline=NUMPY, seconds=seconds, **LIMITS),
        "jacobian": race(jacobians, arguments, baseline=GRAPHOPT, seconds=seconds, **LIMITS),
    }  # fmt: skip


def measure(
    small: bool = False,
    *,
    sizes: Sequence[tuple[int, int, int]] = SIZES,
    peers: Sequence[str] = tuple(PEERS),
    seconds: float = 5.0,
    separate: bool = True,
) -> Record:
    """The whole experiment, as a record.

    Parameters
    ----------
    separate
        Whether each problem has a process of its own; those may run where this process may.
    """
    missing = absent(*(PACKAGES[peer] for peer in peers))
    present = [peer for peer in peers if PACKAGES[peer] not in missing]
    entries = []
    for n, m, p in sizes:
        words = (n, m, p, seconds, *present)
        entry = apart(__file__, {"n": n, "m": m, "p": p}, *words, limit=900) if separate else one(*words)
        entries.append(entry | {"ratios": ratios(entry)})
        print(f"n={n} m={m} p={p}:", entry.get("failed") or in_words(entries[-1]), flush=True)
    return record_of("bundle_adjustment", small) | {
        "versions": package_versions("numpy", *(PACKAGES[peer] for peer in present)),
        "left_out": missing,
        "at_rest": at_rest(present),
        "contestants": [GRAPHOPT, COLOURED, *present],
        "sizes": entries,
    }


def medians(comparison: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of those who were not refused."""
    return {row["name"]: row["median"] for row in comparison["rows"] if row["median"] is not None}


def ratios(entry: Record) -> Record:
    """The Jacobian's time over the function's, by contestant, and in the cost model's operations."""
    if "failed" in entry:
        return {}
    functions, jacobians = medians(entry["function"]), medians(entry["jacobian"])
    functions[COLOURED] = functions[GRAPHOPT]
    flops = entry["flops"]
    return {
        "time": {name: jacobians[name] / functions[name] for name in jacobians},
        "flops": {name: flops[name] / flops["function"] for name in ("blocks", "coloured")},
    }


def in_words(entry: Record) -> str:
    times = medians(entry["jacobian"])
    parts = [f"{name} {1e3 * times[name]:.3g} ms ({ratio:.2f})" for name, ratio in entry["ratios"]["time"].items()]
    flops = ", ".join(f"{name} {ratio:.2f}" for name, ratio in entry["ratios"]["flops"].items())
    return f"Jacobian (over function): {', '.join(parts)}; operations: {flops}; products {entry['products']}"


def draw(record: Record) -> Figure:
    """Times of Jacobians, and their ratios to functions, problem by problem."""
    picture, axes = figure(2, width=6)
    entries = [entry for entry in record["sizes"] if "failed" not in entry]
    labels = [f"{entry['n']}, {entry['m']}, {entry['p']}" for entry in entries]
    for name in record["contestants"]:
        times = [medians(entry["jacobian"]).get(name, np.nan) for entry in entries]
        axes[0, 0].plot(labels, np.multiply(times, 1e3), "o-", label=name)
        axes[0, 1].plot(labels, [entry["ratios"]["time"].get(name, np.nan) for entry in entries], "o-", label=name)
    axes[0, 0].set_ylabel("milliseconds of the Jacobian")
    axes[0, 1].set_ylabel("Jacobian / function")
    for panel in axes[0]:
        panel.set_yscale("log")
        panel.tick_params(axis="x", labelsize=8)
        panel.set_xlabel("cameras, points, observations", fontsize=8)
        panel.legend(fontsize=8)
    picture.suptitle(f"Bundle adjustment, float64, one core: {caption(record)}", fontsize=9)
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(__doc__, "bundle_adjustment", arguments)
    if hasattr(os, "sched_setaffinity"):  # Linux; elsewhere everyone has as many threads as they take
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    record = measure(chosen.small, sizes=SMALL if chosen.small else SIZES, seconds=0.3 if chosen.small else 5.0)
    for name, found in record["at_rest"].items():
        print(f"the textbook's rotation by 0: {name} gives {found['not_numbers']} elements that are not numbers")
    print(save(record, draw(record), chosen.output))
    return 1 if any("failed" in entry for entry in record["sizes"]) else 0


if __name__ == "__main__":
    sys.exit(0 if one_of_many(sys.argv[1:], one) else main())
