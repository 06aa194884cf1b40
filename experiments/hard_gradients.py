"""Gradients that come out as NaN elsewhere: programs from bug reports, beside JAX and PyTorch, against mpmath.

    python experiments/hard_gradients.py            # float32 and float64, a minute
    python experiments/hard_gradients.py --small    # float64

Each program was reported to some toolkit because its value is right and its gradient is not: a constant folded too
early, a stable value with an unstable derivative, or a branch that is not taken and yet takes part. First and second
derivatives (the Hessian times a vector of ones) are held against the derivative of the formula that applies at the
point, by mpmath. Beside the JSON record it writes a table in Markdown. Exits with 1 if one of ours is wrong.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
from common import Record, absent, options, package_versions, record_of

import graphopt as go
import graphopt.tensor as T

NAME = "hard_gradients"
PEERS = ("jax", "torch")
TOLERANCES = {"float32": 1e-4, "float64": 1e-10}
NUMBERS = np.arange(1.0, 10.0)

Module = Any


@dataclass(frozen=True)
class Case:
    """A program, where it is differentiated, and what it is there.

    Attributes
    ----------
    name
        What it is about, in a few words.
    source
        Where it was reported.
    program
        `(functions, x) -> scalar`, written once for all: `functions` has NumPy's names.
    at
        The point.
    truth
        The formula that applies at the point, in mpmath, of a list of numbers; or the first and second derivatives
        themselves, where the function has a kink there or the point is infinite.
    """

    name: str
    source: str
    program: Callable[[Module, Any], Any]
    at: list[float]
    truth: Callable[[Any], Any] | tuple[list[float], list[float]]


def logsumexp(x: Any) -> Any:
    """log Σ exp, by mpmath."""
    return mpmath.log(mpmath.fsum(map(mpmath.exp, x)))


def softplus(x: Any) -> Any:
    """log(1 + exp x), by mpmath."""
    return mpmath.log(1 + mpmath.exp(x))


def _nested(m: Module, x: Any) -> Any:
    v = (-math.inf - x) ** 2
    return m.sum(m.where(x < -math.inf, -v, m.where(x == x, x, m.where(x > 0, v, -v))))


def _rows(m: Module, x: Any) -> Any:
    lengths = m.sqrt(m.sum(m.reshape(x, (3, 2)) ** 2, 1))
    return m.sum(m.where(lengths > 0.5, lengths, 1.0))


def _entropy(m: Module, x: Any) -> Any:
    p = m.softmax(x)
    return -m.sum(m.where(p > 0, p * m.log(p), 0.0))


def _ratio(m: Module, x: Any) -> Any:
    t = m.sum(x**2)
    return m.where(t < 1e-12, 1.0, m.sin(t) / t)


CASES = (
    # constants folded too early, stable values with unstable derivatives
    Case(
        "cross-entropy of fixed logits",
        "Theano #2781",
        lambda m, x: -m.log(m.softmax(x[0] * m.array(NUMBERS * 130)))[0],
        [1.0],
        lambda x: logsumexp([x[0] * k * 130 for k in range(1, 10)]) - 130 * x[0],
    ),
    Case(
        "saturated softmax, cross-entropy",
        "Theano #3162",
        lambda m, x: -m.sum(m.array([0.0, 1.0, 0.0]) * m.log(m.softmax(x))),
        [1000.0, 0.0, -1000.0],
        lambda x: logsumexp(x) - x[1],
    ),
    Case(
        "log of a softmax seen through a view",
        "Theano #3254",
        lambda m, x: m.sum(m.log(m.reshape(m.softmax(x), (3, 1)))[1]),
        [1000.0, -1000.0, 0.0],
        lambda x: x[1] - logsumexp(x),
    ),
    Case(
        "log softmax written out",
        "Theano #2944",
        lambda m, x: m.sum(m.array([0.0, 1.0, 0.0]) * m.log(m.exp(x) / m.sum(m.exp(x)))),
        [1000.0, 999.0, -1000.0],
        lambda x: x[1] - logsumexp(x),
    ),
    Case("log-sum-exp written out", "Theano #2944", lambda m, x: m.log(m.sum(m.exp(x))), [1000.0, 999.0], logsumexp),
    Case(
        "softplus written out", "Theano #4451", lambda m, x: m.log(1 + m.exp(x))[0], [1000.0], lambda x: softplus(x[0])
    ),
    Case(
        "log sigmoid written out",
        "Theano #4451",
        lambda m, x: m.log(1 / (1 + m.exp(-x)))[0],
        [-1000.0],
        lambda x: -softplus(-x[0]),
    ),
    Case(
        "log(1 - sigmoid)",
        "like Theano #4451",
        lambda m, x: m.log(1 - 1 / (1 + m.exp(-x)))[0],
        [1000.0],
        lambda x: -softplus(x[0]),
    ),
    Case("entropy of a saturated softmax", "like Theano #3162", _entropy, [1000.0, 0.0], ([0.0, 0.0], [0.0, 0.0])),
    Case(
        "distance of equal points",
        "pytorch #2421",
        lambda m, x: m.sqrt(m.sum(x**2)),
        [0.0, 0.0],
        ([0.0, 0.0], [0.0, 0.0]),
    ),
    Case("norm of zeros", "jax #3058", lambda m, x: m.linalg.norm(x), [0.0, 0.0], ([0.0, 0.0], [0.0, 0.0])),
    Case(
        "hypot of zeros", "like pytorch #2421", lambda m, x: m.hypot(x[0], x[1]), [0.0, 0.0], ([0.0, 0.0], [0.0, 0.0])
    ),
    Case("power at an exponent of 0", "–", lambda m, x: x[0] ** x[1], [2.0, 0.0], lambda x: x[0] ** x[1]),
    Case("0 to a power", "–", lambda m, x: x[0] ** x[1], [0.0, 3.0], ([0.0, 0.0], [0.0, 0.0])),
    # branches that are not taken
    Case("where beside a root", "jax #5798", lambda m, x: m.sum(m.where(x < 1, x, m.sqrt(x))), [0.0], lambda x: x[0]),
    Case(
        "lengths of rows, one of zeros",
        "jax #347",
        _rows,
        [1.0, 2.0, 3.0, 4.0, 0.0, 0.0],
        lambda x: mpmath.sqrt(x[0] ** 2 + x[1] ** 2) + mpmath.sqrt(x[2] ** 2 + x[3] ** 2) + 0 * x[4],
    ),
    Case(
        "where beside arctan2",
        "jax #1052",
        lambda m, x: m.sum(m.where(x == 0, x, m.arctan2(x, x))),
        [3.0, 0.0],
        ([0.0, 1.0], [0.0, 0.0]),
    ),
    Case(
        "where beside an overflow",
        "pytorch #68425",
        lambda m, x: m.sum(m.where(x <= 0, m.exp(x), 1 + x)),
        [1000.0],
        lambda x: 1 + x[0],
    ),
    Case(
        "where beside a root of negatives",
        "pytorch #187297",
        lambda m, x: m.sum(m.where(x > 0, m.sqrt(x), x)),
        [-1.0, -4.0],
        lambda x: x[0] + x[1],
    ),
    Case(
        "where beside a logarithm",
        "pytorch #108618",
        lambda m, x: m.sum(m.where(x > 2, m.log2(x), 2 * x)),
        [0.0, 2.0, 3.0],
        lambda x: 2 * x[0] + 2 * x[1] + mpmath.log(x[2], 2),
    ),
    Case(
        "where beside a cosine of ∞",
        "pytorch #18287",
        lambda m, x: m.sum(m.where(x < 1, m.cos(x), 0.0)),
        [0.0, math.inf],
        ([0.0, 0.0], [-1.0, 0.0]),
    ),
    Case(
        "where beside 0·(x/0)",
        "pytorch #36923",
        lambda m, x: m.sum(m.where(x >= 0, x, 0.0 * (x / (x - x)))),
        [1.0],
        lambda x: x[0],
    ),
    Case("nested where that share a value", "Theano #6476", _nested, [0.0], lambda x: x[0]),
    Case(
        "conditional beside an overflow",
        "Theano #4918",
        lambda m, x: m.sum(m.where(x > 0, x + 1, m.exp(m.exp(x)))),
        [1000.0],
        lambda x: x[0] + 1,
    ),
    Case("sin t / t of zeros", "Theano #5333", _ratio, [0.0, 0.0], ([0.0, 0.0], [0.0, 0.0])),
    Case(
        "where beside a tower of powers",
        "tensorflow #38349",
        lambda m, x: m.sum(m.where(x < 15, x, 10.0 ** m.exp(x))),
        [10.0],
        lambda x: x[0],
    ),
    Case(
        "where beside √(-x)", "autograd #802", lambda m, x: m.sum(m.where(x >= 0, x, m.sqrt(-x))), [1.0], lambda x: x[0]
    ),
    Case(
        "x·√x, masked at 0",
        "tinygrad #12409",
        lambda m, x: m.sum(m.where(x == 0, 0.0, x * m.sqrt(x))),
        [0.0],
        ([0.0], [0.0]),
    ),
    Case(
        "logarithm of one element of two",
        "like pytorch #18287",
        lambda m, x: m.log(x)[1],
        [0.0, 2.0],
        lambda x: mpmath.log(x[1]) + 0 * x[0],
    ),
    Case(
        "a root below a maximum",
        "like pytorch #18287",
        lambda m, x: m.sum(m.where(m.sqrt(x) > 1.0, m.sqrt(x), 1.0)),
        [0.0],
        ([0.0], [0.0]),
    ),
    Case(
        "a value that two branches use",
        "like Theano #6476",
        lambda m, x: (lambda r: m.sum(m.where(x > 0, r, 0.0) + m.where(x > 1, r * r, 0.0)))(1 / x),
        [0.0],
        ([0.0], [0.0]),
    ),
)


def truth(case: Case) -> tuple[list[float], list[float]]:
    """The gradient, and the Hessian times a vector of ones."""
    if isinstance(case.truth, tuple):
        return case.truth
    formula, n = case.truth, len(case.at)
    with mpmath.workdps(500):  # differences of softmaxes of 1000 and -1000

        def partial(*orders: int) -> Any:
            return mpmath.diff(lambda *x: formula(list(x)), tuple(map(mpmath.mpf, case.at)), orders)

        units = [tuple(int(i == k) for i in range(n)) for k in range(n)]
        first = [float(partial(*unit)) for unit in units]
        second = [
            float(mpmath.fsum(partial(*(a + b for a, b in zip(unit, other, strict=True))) for other in units))
            for unit in units
        ]
    return first, second


# Contestants: gradient and Hessian times ones, of all cases, in a dtype -----------------------------------------------

Pair = tuple[Any, Any]


def ours(dtype: str, target: str = "c") -> list[Pair]:
    """This project's, compiled as one function."""
    functions = SimpleNamespace(
        **{name: getattr(T, name) for name in T.__all__}, array=lambda a: T.constant(np.asarray(a, dtype))
    )
    inputs = [go.variable(f"x{k}", f"{dtype}[{len(case.at)}]") for k, case in enumerate(CASES)]
    costs = [case.program(functions, x) for case, x in zip(CASES, inputs, strict=True)]
    first = go.grad(reduce(T.add, costs), inputs)  # no two have a variable in common
    second = go.grad(reduce(T.add, map(T.sum, first)), inputs, disconnected_inputs="ignore")
    found = go.function(inputs, [*first, *second], target=target)(*[np.asarray(case.at, dtype) for case in CASES])
    return list(zip(found[: len(CASES)], found[len(CASES) :], strict=True))


def of_jax(dtype: str) -> list[Pair]:
    """`jax.grad`, without jit."""
    import jax

    jax.config.update("jax_enable_x64", True)
    functions = SimpleNamespace(
        **vars(jax.numpy) | {"softmax": jax.nn.softmax, "array": lambda a: jax.numpy.asarray(a, dtype)}
    )
    found = []
    for case in CASES:
        first = jax.grad(lambda x, case=case: case.program(functions, x))
        second = jax.grad(lambda x, first=first: jax.numpy.sum(first(x)))
        x = jax.numpy.asarray(case.at, dtype)
        found.append((np.asarray(first(x)), np.asarray(second(x))))
    return found


def of_torch(dtype: str) -> list[Pair]:
    """`torch.autograd`."""
    import torch

    kind = getattr(torch, dtype)
    functions = SimpleNamespace(
        **vars(torch) | {"softmax": lambda x: torch.softmax(x, -1), "array": lambda a: torch.tensor(a, dtype=kind)}
    )
    found = []
    for case in CASES:
        x = torch.tensor(case.at, dtype=kind, requires_grad=True)
        (first,) = torch.autograd.grad(case.program(functions, x), x, create_graph=True)
        second = None
        if first.requires_grad:
            (second,) = torch.autograd.grad(first.sum(), x, allow_unused=True)
        second = torch.zeros_like(x) if second is None else second
        found.append((first.detach().numpy(), second.detach().numpy()))
    return found


CONTESTANTS: Mapping[str, Callable[[str], list[Pair]]] = {"graphopt": ours, "jax": of_jax, "torch": of_torch}


# The record -----------------------------------------------------------------------------------------------------------


def verdict(found: Any, expected: list[float], dtype: str) -> str:
    """ "right", "NaN", "∞" or "wrong"."""
    expected_array = np.asarray(expected)
    if np.isnan(found).any():
        return "NaN"
    if np.isinf(found).any():
        return "∞"
    allowed = TOLERANCES[dtype] * max(1.0, np.abs(expected_array).max())
    return "right" if np.all(np.abs(np.asarray(found, float) - expected_array) <= allowed) else "wrong"


def measure(dtypes: tuple[str, ...] = ("float32", "float64"), contestants: tuple[str, ...] | None = None) -> Record:
    """What every contestant that is installed makes of every case."""
    missing = absent(*PEERS)
    present = [name for name in (contestants or CONTESTANTS) if name not in missing]
    truths = [truth(case) for case in CASES]
    rows: list[Record] = [
        {
            "name": case.name,
            "source": case.source,
            "at": [str(v) for v in case.at],
            "first": expected[0],
            "second": expected[1],
            "verdicts": {},
        }
        for case, expected in zip(CASES, truths, strict=True)
    ]
    with np.errstate(all="ignore"):
        for dtype in dtypes:
            for name in present:
                for row, expected, found in zip(rows, truths, CONTESTANTS[name](dtype), strict=True):
                    row["verdicts"][f"{name} {dtype}"] = [
                        verdict(value, want, dtype) for value, want in zip(found, expected, strict=True)
                    ]
    counts = {
        key: [sum(row["verdicts"][key][order] == "right" for row in rows) for order in (0, 1)]
        for key in rows[0]["verdicts"]
    }
    return {"cases": len(CASES), "right": counts, "rows": rows, "absent": missing, "versions": package_versions(*PEERS)}


def table(record: Record) -> str:
    """The record as a page of Markdown."""
    keys = list(record["right"])
    lines = [
        "# Gradients that come out as NaN elsewhere",
        "",
        f"Written by `python experiments/{NAME}.py`. First / second derivative of {record['cases']} programs,",
        "most of them from bug reports, against mpmath.",
        "",
        "| program | reported as | " + " | ".join(keys) + " |",
        "|---|---|" + "---|" * len(keys),
    ]
    lines += [
        f"| {row['name']} | {row['source']} | " + " | ".join(" / ".join(row["verdicts"][key]) for key in keys) + " |"
        for row in record["rows"]
    ]
    lines.append("| **right** | | " + " | ".join(" / ".join(map(str, record["right"][key])) for key in keys) + " |")
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return "\n".join([*lines, "", f"{versions or 'No peer is installed.'}", ""])


def main() -> None:
    """Measure, write the record and the table."""
    chosen = options(__doc__, NAME)
    record = record_of(NAME, chosen.small) | measure(("float64",) if chosen.small else ("float32", "float64"))
    output = Path(chosen.output)
    output.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    output.with_suffix(".md").write_text(table(record), encoding="utf-8")
    print(table(record))
    wrong = [key for key, counts in record["right"].items() if key.startswith("graphopt") and min(counts) < len(CASES)]
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
