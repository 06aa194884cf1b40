"""The errors of log-sum-exp and softmax in low precision, formula by formula, against exact arithmetic.

P. Blanchard, D. J. Higham, N. J. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA Journal of
Numerical Analysis 41 (2021), 2311-2330. The README beside this file says what is reproduced and what differs.

    python papers/blanchard-higham-2021/reproduce.py [--small] [--output FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import graphopt as go
import graphopt.tensor as T
from graphopt.arithmetics import Exact, Rounded
from graphopt.interpret import interpret

HERE = Path(__file__).resolve().parent
ROUNDOFF = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24}
LOG_SUM_EXP = ("naive", "shifted", "optimized")
SOFTMAX = ("naive", "shifted", "division-free", "division-free shifted", "optimized")
UNSHIFTED = ("naive", "division-free")  # formulas that take exponentials of the vector as it is
Array = Any


# --- the formulas ------------------------------------------------------------------------------------------------


def naive(x: go.Variable) -> dict[str, go.Variable]:
    """Both functions as they are defined, and softmax without a division: exp(x - lse(x))."""
    e = T.exp(x)
    lse = T.log(T.sum(e, axis=1))
    return {
        "lse": lse,
        "softmax": e / T.sum(e, axis=1, keepdims=True),
        "division-free": T.exp(x - T.expand_dims(lse, 1)),
    }


def shifted(x: go.Variable) -> dict[str, go.Variable]:
    """The paper's shifted algorithm: the largest term is exactly 1, stays out of the sum, and log1p puts it back.

    Where several entries are the largest, all but one of them go into the sum, as ones.
    """
    top = T.max(x, axis=1, keepdims=True)
    e = T.exp(x - top)
    ties = T.sum(T.where(x < top, 0.0, 1.0), axis=1) - 1
    rest = T.sum(T.where(x < top, e, 0.0), axis=1) + ties
    lse = T.max(x, axis=1) + T.log1p(rest)
    return {
        "lse": lse,
        "softmax": e / T.expand_dims(1 + rest, 1),
        "division-free": T.exp(x - T.expand_dims(lse, 1)),
    }


def graphs() -> dict[str, go.Graph]:
    """The formulas as graphs; "optimized" is what the default pipeline makes of the naive ones."""
    x = go.variable("x", "float32[m, n]")
    made = {"naive": go.Graph.from_outputs([x], naive(x)), "shifted": go.Graph.from_outputs([x], shifted(x))}
    made["optimized"] = go.Graph.from_outputs([x], {name: naive(x)[name] for name in ("lse", "softmax")})
    go.Pipeline.named("default").run(made["optimized"])
    return made


GRAPHS = graphs()


# --- the vectors -------------------------------------------------------------------------------------------------


def logits(count: int, seed: int = 1) -> Array:
    """What a classifier of ten classes may give its softmax: noise, and a margin for one class.

    The scale makes about one row in five overflow in float16, as in the paper's data.
    """
    random = np.random.default_rng(seed)
    rows = random.normal(-1.0, 2.5, (count, 10))
    rows[np.arange(count), random.integers(0, 10, count)] += np.maximum(random.normal(9.0, 3.0, count), 0.0)
    return rows


def normal(count: int, length: int, scale: float, seed: int = 2) -> Array:
    """Normally distributed entries of mean 0."""
    return np.random.default_rng([seed, length, round(1000 * scale)]).normal(0.0, scale, (count, length))


# --- one experiment ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Errors:
    """For each vector: a formula's error and the paper's bound, both in units of the roundoff, and where it failed.

    Attributes
    ----------
    error
        |computed - true| / (u |true|), in the maximum norm; NaN where the formula failed.
    bound
        The leading term of the paper's bound; None for a formula that it has no theorem for.
    applies
        Where the bound promises something: nothing overflowed, and no exponential that matters underflowed.
    failed
        Where the result, or the sum it was made from, is infinite or not a number.
    """

    error: Array
    bound: Array | None
    applies: Array
    failed: Array


def experiment(vectors: Array, format: str) -> dict[str, dict[str, Errors]]:
    """Every formula over the rows of a matrix, which are rounded to the format first."""
    arithmetic, u = Rounded(format), ROUNDOFF[format]
    x = arithmetic.round(vectors)
    exact = {name: value.astype(float) for name, value in interpret(GRAPHS["naive"], {"x": x}, Exact(50)).items()}
    found = {name: interpret(graph, {"x": x}, arithmetic) for name, graph in GRAPHS.items()}
    bounds = paper_bounds(x, exact["lse"])
    top = x.max(axis=1)
    result: dict[str, dict[str, Errors]] = {"lse": {}, "softmax": {}}
    for function, formulas in (("lse", LOG_SUM_EXP), ("softmax", SOFTMAX)):
        for formula in formulas:
            graph = "naive" if formula in UNSHIFTED else formula.removeprefix("division-free ")
            computed = found[graph]["division-free" if formula.startswith("division-free") else function]
            finite = np.isfinite(computed.reshape(len(x), -1)).all(axis=1)
            failed = ~(finite & np.isfinite(found[graph]["lse"]))
            with np.errstate(invalid="ignore"):
                error = np.abs(computed - exact[function]).reshape(len(x), -1).max(axis=1)
            error /= u * np.abs(exact[function]).reshape(len(x), -1).max(axis=1)
            error[failed] = np.nan
            applies = ~failed & ((top >= 0) | (formula not in UNSHIFTED))
            result[function][formula] = Errors(error, bounds[function].get(formula), applies, failed)
    return result


def paper_bounds(x: Array, y: Array) -> dict[str, dict[str, Array]]:
    """The terms of first order in the paper's bounds, in units of the roundoff; y is the true log-sum-exp."""
    n, low, high = x.shape[1], x.min(axis=1), x.max(axis=1)
    far = np.abs(x - y[:, None]).max(axis=1)
    return {
        "lse": {
            "naive": 1 + (n + 1) / np.abs(y),  # Theorem 3.2
            "shifted": np.abs(y + n - low) / np.abs(y),  # Theorem 4.2
        },
        "softmax": {
            "naive": np.full(len(x), n + 3.0),  # Theorem 3.3
            "division-free": np.abs(y) + far + n + 2,  # Theorem 3.4
            "shifted": n + 2 + 2 * (high - low),  # Theorem 4.3
            "division-free shifted": 1 + far + np.abs(y + n - low),  # Theorem 4.4
        },
    }


def summary(errors: Errors) -> dict[str, Any]:
    """Numbers to keep of an experiment."""
    kept = errors.error[~errors.failed]
    row: dict[str, Any] = {"vectors": len(errors.error), "failed": int(errors.failed.sum())}
    if len(kept):
        row |= {"median": _digits(np.median(kept)), "p99": _digits(np.quantile(kept, 0.99)), "max": _digits(kept.max())}
    if errors.bound is not None and errors.applies.any():
        row["max_of_bound"] = _digits((errors.error / errors.bound)[errors.applies].max())
    return row


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


# --- all of them -------------------------------------------------------------------------------------------------


def measure(small: bool) -> dict[str, Any]:
    """The three experiments: a classifier's logits, vectors of growing scale, vectors of growing length."""
    scales = [0.1, 1.0, 10.0, 100.0] if small else [float(f"{s:.3g}") for s in np.geomspace(0.1, 1000.0, 17)]
    lengths = [10, 100] if small else [10, 30, 100, 300, 1000]
    rows = {"logits": 200, "scale": 40, "length": 10} if small else {"logits": 2500, "scale": 200, "length": 50}
    return {
        "logits": {format: experiment(logits(rows["logits"]), format) for format in ROUNDOFF},
        "scale": {s: {format: experiment(normal(rows["scale"], 10, s), format) for format in ROUNDOFF} for s in scales},
        "length": {
            n: {format: experiment(normal(rows["length"], n, 1.0), format) for format in ROUNDOFF} for n in lengths
        },
    }


def summaries(measured: Any) -> Any:
    """The same tree, with numbers to keep at its leaves."""
    if isinstance(measured, Errors):
        return summary(measured)
    return {str(key): summaries(value) for key, value in measured.items()}


def table(measured: Mapping[str, Any]) -> str:
    """The classifier's logits, as the README shows them."""
    lines = [
        "| function | formula | format | failed | median error / u | largest error / u | largest error / bound |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for function, formulas in (("lse", LOG_SUM_EXP), ("softmax", SOFTMAX)):
        for formula in formulas:
            for format in ROUNDOFF:
                row = summary(measured["logits"][format][function][formula])
                share = f"{row['failed']} of {row['vectors']}"
                figures = [f"{row[key]:.3g}" if key in row else "–" for key in ("median", "max", "max_of_bound")]
                lines.append(f"| {function} | {formula} | {format} | {share} | {' | '.join(figures)} |")
    return "\n".join(lines)


def write(path: Path, data: bytes) -> None:
    """Written aside and renamed, so that a reader never meets half a file."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(data)
    aside.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Redo the error experiments of Blanchard, Higham and Higham (2021).")
    parser.add_argument("--small", action="store_true", help="few vectors: seconds")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="the folder to write to")
    arguments = parser.parse_args()
    started = time.perf_counter()
    measured = measure(arguments.small)
    arguments.output.mkdir(parents=True, exist_ok=True)
    stem = "errors-small" if arguments.small else "errors"
    record = {
        "paper": "Blanchard, Higham, Higham (2021), doi:10.1093/imanum/draa038",
        "versions": {"graphopt": go.__version__, "numpy": np.__version__},
        "roundoff": ROUNDOFF,
        "errors": "in units of the roundoff, in the maximum norm",
        "experiments": summaries(measured),
    }
    write(arguments.output / f"{stem}.json", json.dumps(record, indent=1).encode())
    print(table(measured))
    from picture import draw  # needs matplotlib, which the numbers do not

    write(arguments.output / f"{stem}.png", draw(measured))
    print(f"{time.perf_counter() - started:.0f} s; drew {arguments.output / f'{stem}.png'}")


if __name__ == "__main__":
    main()
