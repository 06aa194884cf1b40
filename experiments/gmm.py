"""The log posterior of a Gaussian mixture and its gradient, over sizes: graphopt beside NumPy, JAX and PyTorch.

    python experiments/gmm.py            # about ten minutes
    python experiments/gmm.py --small    # a minute

The objective is that of ADBench (F. Šrajer, Z. Kukelova, A. Fitzgibbon, "A benchmark of selected algorithmic
differentiation tools on some problems in computer vision and machine learning", Optimization Methods and Software 33,
2018, section 4.1), which GradBench runs, too: of n points in d dimensions, the likelihood under k normal distributions
with weights exp(αₖ)/Σexp(α), means μₖ and precisions QₖᵀQₖ, and a Wishart prior on the precisions. Qₖ is lower
triangular; it is stored as the logarithms of its diagonal, then what is below, column by column. Both terms have the
signs of Bayes' rule here; the original has one of them reversed, as GradBench notes.

One text is given to all (`namespaces.py`). Values are held against loops over components in NumPy, gradients
against those derived by hand and against finite differences, before anything is timed. Each size is measured in a
process of its own, on one core. Carried away is the time of the gradient over that of the function: ADBench's measure.
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
from namespaces import GRAPHOPT, JAX, NUMPY, PACKAGES, TORCH, compiled, differentiated
from scipy.special import multigammaln

from graphopt.analysis.cost import graph_cost
from graphopt.testing.oracles import Differences
from graphopt.testing.subjects import Called

GAMMA, DEGREES = 1.0, 0  # of the Wishart prior: precision's scale, degrees of freedom beyond d + 1
PARAMETERS = (0, 1, 2)  # what is differentiated: α, μ, and the factors; not the points
SIZES = (  # n, d, k
    (1000, 2, 5), (1000, 10, 5), (1000, 10, 25), (1000, 32, 10), (1000, 32, 50), (1000, 64, 5), (1000, 64, 25),
    (10_000, 2, 10), (10_000, 10, 25), (10_000, 32, 10), (10_000, 64, 10),
)  # fmt: skip
SMALL = ((200, 2, 5), (200, 10, 5))

Arrays = Sequence[Any]


def inputs(n: int, d: int, k: int) -> tuple[Any, ...]:
    """α, μ, factors and points, distributed as ADBench's are."""
    generator = np.random.default_rng(17)
    return (
        generator.normal(size=k),
        generator.uniform(size=(k, d)),
        generator.normal(size=(k, d + d * (d - 1) // 2)),
        generator.normal(size=(n, d)),
    )


def places(d: int) -> Any:
    """For each element of a d×d factor its column in [diagonal, below, a zero]."""
    found = np.full((d, d), d + d * (d - 1) // 2)
    found[np.arange(d), np.arange(d)] = np.arange(d)
    columns, rows = np.triu_indices(d, 1)
    found[rows, columns] = d + np.arange(len(rows))
    return found


def constant_of_prior(d: int, k: int) -> float:
    """What the logarithm of the prior has besides the factors."""
    degrees = d + DEGREES + 1
    return k * float(degrees * d * np.log(GAMMA / np.sqrt(2)) - multigammaln(degrees / 2, d))


def log_posterior(xp: Any, alphas: Any, means: Any, factors: Any, x: Any) -> Any:
    """The objective, in the names of a namespace."""
    (n, d), k = x.shape, alphas.shape[0]
    logarithms, below = factors[:, :d], factors[:, d:]
    diagonal = xp.exp(logarithms)
    stored = xp.concatenate([diagonal, below, xp.constant(np.zeros((int(k), 1)))], axis=1)
    q = stored[:, xp.constant(places(int(d)))]
    white = (x @ q.reshape((k * d, d)).T).reshape((n, k, d)) - xp.einsum("kij,kj->ki", q, means)
    terms = alphas + xp.sum(logarithms, axis=1) - xp.sum(white**2, axis=2) / 2
    likelihood = xp.sum(xp.logsumexp(terms, axis=1)) - n * (xp.logsumexp(alphas, axis=0) + d * np.log(2 * np.pi) / 2)
    squares = xp.sum(diagonal**2) + xp.sum(below**2)
    prior = DEGREES * xp.sum(logarithms) - GAMMA**2 * squares / 2
    return likelihood + prior + constant_of_prior(int(d), int(k))


# Others, for comparison -----------------------------------------------------------------------------------------------


def by_loops(alphas: Any, means: Any, factors: Any, x: Any) -> float:
    """The objective again, one component at a time, straight from the definition."""
    d = x.shape[1]
    weights = alphas - np.log(np.sum(np.exp(alphas)))
    terms, prior = [], 0.0
    for weight, mean, factor in zip(weights, means, factors, strict=True):
        q = np.zeros((d, d))
        q.T[np.triu_indices(d, 1)] = factor[d:]
        q[np.diag_indices(d)] = np.exp(factor[:d])
        precision = q.T @ q
        logdet = np.linalg.slogdet(precision)[1]
        apart_ = x - mean
        terms.append(
            weight + (logdet - d * np.log(2 * np.pi) - np.einsum("ni,ij,nj->n", apart_, precision, apart_)) / 2
        )
        prior += DEGREES * logdet / 2 - GAMMA**2 * np.trace(precision) / 2
    top = np.max(terms, axis=0)
    likelihood = np.sum(top + np.log(np.sum(np.exp(np.array(terms) - top), axis=0)))
    return float(likelihood + prior + constant_of_prior(d, len(alphas)))


def by_hand(alphas: Any, means: Any, factors: Any, x: Any) -> list[Any]:
    """The gradient, derived by hand, in NumPy."""
    (n, d), k = x.shape, len(alphas)
    logarithms, below = factors[:, :d], factors[:, d:]
    diagonal = np.exp(logarithms)
    where = places(d)
    q = np.concatenate([diagonal, below, np.zeros((k, 1))], axis=1)[:, where]
    white = (x @ q.reshape(k * d, d).T).reshape(n, k, d) - np.einsum("kij,kj->ki", q, means)
    terms = alphas + logarithms.sum(axis=1) - np.square(white).sum(axis=2) / 2
    shares = np.exp(terms - terms.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    mixture = np.exp(alphas - alphas.max())
    per_component = shares.sum(axis=0)
    white *= -shares[:, :, None]
    total = white.sum(axis=0)
    of_q = (white.reshape(n, k * d).T @ x).reshape(k, d, d) - total[:, :, None] * means[:, None, :]
    of_factors = np.empty_like(factors)
    lower = where < factors.shape[1]
    of_factors[:, where[lower]] = of_q[:, lower]
    of_factors[:, :d] = of_factors[:, :d] * diagonal + per_component[:, None] + DEGREES - GAMMA**2 * diagonal**2
    of_factors[:, d:] -= GAMMA**2 * below
    return [per_component - n * mixture / mixture.sum(), -np.einsum("kij,ki->kj", q, total), of_factors]


# Measuring ------------------------------------------------------------------------------------------------------------


def checked(arguments: Arrays, function: Callable[..., Any], gradient: Callable[..., Any]) -> Record:
    """How far a function is from the definition, and its gradient from the one by hand and from differences.

    Distances are relative: to the value, to the largest element of each gradient by hand, and to the derivative along
    a random direction; the last has beside it what the differences are uncertain by.
    """
    value = by_loops(*arguments)
    found, hand = gradient(*arguments), by_hand(*arguments)
    subject = Called(lambda *arrays: log_posterior_of_numpy(*arrays, arguments[3]), ("a", "m", "q"), ("a", "m", "q"))
    generator = np.random.default_rng(18)
    point = dict(zip(subject.names, arguments, strict=False))
    direction = {name: generator.normal(size=array.shape) for name, array in point.items()}
    along = sum(float(np.sum(g * direction[name])) for g, name in zip(found, point, strict=True))
    slopes = Differences().slopes(subject, point, direction)
    return {
        "value": abs(float(function(*arguments)) - value) / abs(value),
        "by_hand": max(float(np.abs(g - h).max() / np.abs(h).max()) for g, h in zip(found, hand, strict=True)),
        "differences": abs(along - float(slopes.value[0])) / abs(along),
        "uncertainty": float(slopes.error[0]) / abs(along),
    }


def log_posterior_of_numpy(*arrays: Any) -> Any:
    return compiled(NUMPY, log_posterior, arrays)(*arrays)


def one(n: str | int, d: str | int, k: str | int, seconds: str | float, *peers: str) -> Record:
    """One size: distances from the truth, the cost model's figures, and the times of functions and gradients."""
    n, d, k, seconds = int(n), int(d), int(k), float(seconds)
    arguments = inputs(n, d, k)
    if TORCH in peers:
        import torch

        torch.set_num_threads(1)
    functions: dict[str, Any] = {NUMPY: compiled(NUMPY, log_posterior, arguments)}
    gradients: dict[str, Any] = {NUMPY: by_hand}
    building, refused = {}, {}
    for name in (GRAPHOPT, *peers):
        try:
            functions[name], _ = stopwatch(
                lambda name=name: called(compiled(name, log_posterior, arguments), arguments)
            )
            gradients[name], building[name] = stopwatch(
                lambda name=name: called(differentiated(name, log_posterior, arguments, PARAMETERS), arguments)
            )
        except Exception as error:  # whatever a peer has to say
            if name == GRAPHOPT:
                raise
            refused[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:160]
    function, gradient = functions[GRAPHOPT], gradients[GRAPHOPT]
    costs = {part: graph_cost(each.graph) for part, each in (("function", function), ("gradient", gradient))}
    limits = {"rtol": 1e-9, "atol": 1e-9 * n}
    return {
        "n": n, "d": d, "k": k,
        "parameters": sum(arguments[each].size for each in PARAMETERS),
        "checked": checked(arguments, function, gradient),
        "kernels": {"function": len(function.kernels), "gradient": len(gradient.kernels)},
        "flops": {part: int(cost.flops) for part, cost in costs.items()},
        "bytes": {part: int(cost.bytes) for part, cost in costs.items()},
        "seconds_of_building": building,
        "does_not_take_it": refused,
        "function": race(functions, arguments, baseline=NUMPY, seconds=seconds, **limits),
        "gradient": race(gradients, arguments, baseline=NUMPY, seconds=seconds, **limits),
    }  # fmt: skip


def called(function: Callable[..., Any], arguments: Arrays) -> Callable[..., Any]:
    """A function, called once, as some compile only then."""
    function(*arguments)
    return function


def measure(
    small: bool = False,
    *,
    sizes: Sequence[tuple[int, int, int]] = SIZES,
    peers: Sequence[str] = (JAX, TORCH),
    seconds: float = 4.0,
    separate: bool = True,
) -> Record:
    """The whole experiment, as a record.

    Parameters
    ----------
    separate
        Whether each size has a process of its own; those may run where this process may.
    """
    missing = absent(*(PACKAGES[peer] for peer in peers))
    present = [peer for peer in peers if PACKAGES[peer] not in missing]
    entries = []
    for n, d, k in sizes:
        words = (n, d, k, seconds, *present)
        entry = apart(__file__, {"n": n, "d": d, "k": k}, *words, limit=900) if separate else one(*words)
        entries.append(entry | {"ratios": ratios(entry)})
        print(f"n={n} d={d} k={k}:", entry.get("failed") or in_words(entries[-1]), flush=True)
    return record_of("gmm", small) | {
        "versions": package_versions("numpy", *(PACKAGES[peer] for peer in present)),
        "left_out": missing,
        "contestants": [NUMPY, GRAPHOPT, *present],
        "sizes": entries,
    }


def medians(comparison: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of those who were not refused."""
    return {row["name"]: row["median"] for row in comparison["rows"] if row["median"] is not None}


def ratios(entry: Record) -> Record:
    """The gradient's time over the function's, by contestant, and in the cost model's operations."""
    if "failed" in entry:
        return {}
    functions, gradients = medians(entry["function"]), medians(entry["gradient"])
    found = {name: gradients[name] / functions[name] for name in gradients if name in functions}
    return {"time": found, "flops": entry["flops"]["gradient"] / entry["flops"]["function"]}


def in_words(entry: Record) -> str:
    gradients = medians(entry["gradient"])
    parts = [f"{name} {1e3 * gradients[name]:.3g} ms ({ratio:.2f})" for name, ratio in entry["ratios"]["time"].items()]
    return f"gradient (over function): {', '.join(parts)}; operations {entry['ratios']['flops']:.2f}"


def draw(record: Record) -> Figure:
    """Times of gradients, and their ratios to functions, size by size."""
    picture, axes = figure(2, width=7)
    entries = [entry for entry in record["sizes"] if "failed" not in entry]
    labels = [f"{entry['n']}, {entry['d']}, {entry['k']}" for entry in entries]
    for name in record["contestants"]:
        times = [medians(entry["gradient"]).get(name, np.nan) for entry in entries]
        axes[0, 0].plot(labels, np.multiply(times, 1e3), "o-", label=name)
        axes[0, 1].plot(labels, [entry["ratios"]["time"].get(name, np.nan) for entry in entries], "o-", label=name)
    axes[0, 1].plot(labels, [entry["ratios"]["flops"] for entry in entries], "k:", label="operations (cost model)")
    axes[0, 0].set_yscale("log")
    axes[0, 0].set_ylabel("milliseconds of the gradient")
    axes[0, 1].set_ylabel("gradient / function")
    for panel in axes[0]:
        panel.tick_params(axis="x", rotation=60, labelsize=8)
        panel.set_xlabel("n, d, k", fontsize=8)
        panel.legend(fontsize=8)
    picture.suptitle(f"Gaussian mixture, float64, one core: {caption(record)}", fontsize=9)
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(__doc__, "gmm", arguments)
    if hasattr(os, "sched_setaffinity"):  # Linux; elsewhere everyone has as many threads as they take
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    record = measure(chosen.small, sizes=SMALL if chosen.small else SIZES, seconds=0.3 if chosen.small else 4.0)
    print(save(record, draw(record), chosen.output))
    return 1 if any("failed" in entry for entry in record["sizes"]) else 0


if __name__ == "__main__":
    sys.exit(0 if one_of_many(sys.argv[1:], one) else main())
