"""log(exp(x) / Σ exp(x)) as one writes it, against what becomes of it: accuracy, gradient and speed.

    python experiments/log_softmax.py            # a few minutes
    python experiments/log_softmax.py --small    # less than half a minute

Accuracy: rows of logits drawn uniformly from [−s, s], s from 1 to 10³, in float32 and float64, against mpmath with 50
digits. Gradient: that of Σ w · log_softmax(x) in x, in the same way. Speed: a matrix of float32 with narrow and with
wide logits, by `graphopt.bench.compare`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from common import DIGITS, Record, caption, errors, exact, figure, options, race, record_of, save, time_bars
from matplotlib.figure import Figure
from scipy.special import log_softmax as scipy_log_softmax

import graphopt as go
import graphopt.tensor as T
from graphopt.autodiff import grad

SCALES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
OURS, NO_PASSES, NO_FUSION = "graphopt", "graphopt, no passes", "graphopt, no fusion"
STYLES = {"float32": "o-", "float64": "s--"}


def numpy_naive(x: Any) -> Any:
    """The formula as one writes it."""
    with np.errstate(all="ignore"):
        e = np.exp(x)
        return np.log(e / e.sum(axis=1, keepdims=True))


def numpy_stable(x: Any) -> Any:
    """What one writes after having been bitten."""
    shifted = x - x.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def compiled(dtype: str, pipeline: Any) -> Callable[..., Any]:
    """The naive formula, compiled."""
    x = go.variable("x", f"{dtype}[rows, columns]")
    e = T.exp(x)
    return go.function([x], T.log(e / T.sum(e, axis=1, keepdims=True)), pipeline=pipeline, name="log_softmax")


def compiled_gradient(dtype: str, stable: bool) -> Callable[..., Any]:
    """The gradient of Σ w · log(exp(x) / Σ exp(x)) in x, compiled."""
    x, w = (go.variable(name, f"{dtype}[rows, columns]") for name in "xw")
    e = T.exp(x)
    cost = T.sum(w * T.log(e / T.sum(e, axis=1, keepdims=True)))
    gradient = grad(cost, x, stabilize=stable)
    return go.function([x, w], gradient, pipeline="default" if stable else "none", name="gradient")


def numpy_naive_gradient(x: Any, w: Any) -> Any:
    """The chain rule through every step of the naive formula, by hand."""
    with np.errstate(all="ignore"):
        e = np.exp(x)
        total = e.sum(axis=1, keepdims=True)
        above = w / (e / total)
        return e * (above / total - (above * e).sum(axis=1, keepdims=True) / total**2)


def truth(x: Any, w: Any) -> tuple[Any, Any]:
    """Log-softmax of the rows of x and the gradient of Σ w · log-softmax, as mpmath numbers."""
    with mpmath.workdps(DIGITS):
        wide, weights = exact(x), exact(w)
        e = np.frompyfunc(mpmath.exp, 1, 1)(wide)
        total = e.sum(axis=1, keepdims=True)
        value = wide - np.frompyfunc(mpmath.log, 1, 1)(total)
        return value, weights - e / total * weights.sum(axis=1, keepdims=True)


def accuracy(shape: tuple[int, int], scales: Sequence[float]) -> tuple[list[Record], list[Record]]:
    """Errors of values and of gradients: one entry for each dtype, scale and contestant."""
    values, gradients = [], []
    for dtype in STYLES:
        functions = {
            "NumPy, naive": numpy_naive,
            NO_PASSES: compiled(dtype, "none"),
            OURS: compiled(dtype, "default"),
            "SciPy": lambda x: scipy_log_softmax(x, axis=1),
        }
        derivatives = {
            "NumPy, naive": numpy_naive_gradient,
            NO_PASSES: compiled_gradient(dtype, stable=False),
            OURS: compiled_gradient(dtype, stable=True),
        }
        generator = np.random.default_rng(7)
        for scale in scales:
            x = generator.uniform(-scale, scale, shape).astype(dtype)
            w = generator.uniform(0.5, 1.5, shape).astype(dtype)
            value, gradient = truth(x, w)
            head = {"dtype": dtype, "logits": scale}
            largest = np.abs(x).max(axis=1, keepdims=True)
            for name, function in functions.items():
                values.append({**head, "contestant": name, **errors(function(x), value, largest)})
            weight = np.abs(w).sum(axis=1, keepdims=True)
            for name, function in derivatives.items():
                gradients.append({**head, "contestant": name, **errors(function(x, w), gradient, weight)})
    return values, gradients


def speed(shape: tuple[int, int], seconds: float) -> Record:
    """Times for narrow and wide logits, each a comparison."""
    contestants = {
        "NumPy, stable": numpy_stable,
        "NumPy, naive": numpy_naive,
        "SciPy": lambda x: scipy_log_softmax(x, axis=1),
        OURS: compiled("float32", "default"),
        NO_FUSION: compiled("float32", go.Pipeline.named("default").without("fuse")),
    }
    generator = np.random.default_rng(8)
    logits = {
        "normal, σ = 1": generator.normal(size=shape),
        "normal, σ = 100": 100 * generator.normal(size=shape),
        "uniform, ±1000": generator.uniform(-1000, 1000, shape),
    }
    return {
        name: race(contestants, (x.astype(np.float32),), baseline="NumPy, stable", seconds=seconds)
        for name, x in logits.items()
    }


def measure(
    small: bool = False,
    *,
    rows: int = 64,
    columns: int = 50,
    scales: Sequence[float] = SCALES,
    shape: tuple[int, int] = (4096, 1000),
    seconds: float = 5.0,
) -> Record:
    """The whole experiment, as a record."""
    values, gradients = accuracy((rows, columns), scales)
    optimized: Any = compiled("float32", "default")
    return record_of("log_softmax", small) | {
        "digits": DIGITS,
        "shape_of_accuracy": [rows, columns],
        "shape_of_speed": list(shape),
        "graph": str(optimized.graph).replace(f"{Path(__file__).parents[1]}/", ""),
        "kernels": len(optimized.kernels),
        "values": values,
        "gradients": gradients,
        "speed": speed(shape, seconds),
    }


def draw(record: Record) -> Figure:
    """Non-finite fraction and error of values and gradients over the size of the logits; times below."""
    picture, axes = figure(3, 2)
    panels = [
        ("values", "nonfinite", "fraction of values not finite"),
        ("values", "max_scaled", "largest error / (ε max|x|)"),
    ]
    for place, (part, key, label) in enumerate(panels):
        lines(axes[0, place], record[part], key, label)
    lines(axes[0, 2], record["gradients"], "max_scaled", "gradient: largest error / (ε Σ|w|)")
    for place in (1, 2):
        axes[0, place].set_xlabel("logits uniform in ± this (lines end at the first failure)")
    shape = "×".join(map(str, record["shape_of_speed"]))
    for place, (name, comparison) in enumerate(record["speed"].items()):
        time_bars(axes[1, place], comparison, f"{shape} float32, {name}")
    picture.suptitle(f"log(exp(x) / Σ exp(x)): {caption(record)}", fontsize=10)
    return picture


def lines(axes: Any, entries: list[Record], key: str, label: str) -> None:
    """One line for each contestant and dtype over the size of the logits."""
    names = dict.fromkeys(entry["contestant"] for entry in entries)
    colors = {name: f"C{place}" for place, name in enumerate(names)}
    for name in names:
        for dtype, style in STYLES.items():
            chosen = [e for e in entries if e["contestant"] == name and e["dtype"] == dtype]
            points = [(e["logits"], e[key]) for e in chosen if key == "nonfinite" or e["nonfinite"] == 0]
            if points:
                axes.plot(*zip(*points, strict=True), style, color=colors[name], label=f"{name}, {dtype}", markersize=4)
    axes.set_xscale("log")
    if key != "nonfinite":
        axes.set_yscale("log")
    axes.set_xlabel("logits uniform in ± this")
    axes.set_title(label, fontsize=9)
    axes.legend(fontsize=6)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(__doc__, "log_softmax", arguments)
    small = {"rows": 16, "columns": 20, "shape": (512, 250), "seconds": 0.4} if chosen.small else {}
    record = measure(chosen.small, **small)
    for entry in record["values"]:
        if entry["logits"] == max(SCALES):
            print(f"{entry['dtype']}, logits ±1000, {entry['contestant']}: {entry['nonfinite']:.0%} not finite")
    print(save(record, draw(record), chosen.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
