"""What the default passes miss: the cost after the greedy pipeline over the cost after saturation before it.

    python experiments/phase_order.py            # ten graphs, about a minute
    python experiments/phase_order.py --small    # the same with a small e-graph

Each graph is optimized three times: by the greedy pipeline alone; by canonical form, equality saturation and then the
same pipeline; and, as a control, with the table of the pass `saturate` applied greedily, from left to right, in its
place. The default pipeline has no rules that reassociate, so the first ratio shows what search and rules find together,
the second what is left of it if greedy rewriting has the table too. Costs are floating-point operations, with
1000 for every size that is known only at the call. Nothing is compiled; seconds are those of optimizing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import sympy
from black_scholes import SYMBOLS, formula
from common import Record, caption, figure, options, package_versions, record_of, save, stopwatch
from matplotlib.figure import Figure

import graphopt as go
import graphopt.tensor as T
from graphopt.analysis.cost import graph_cost
from graphopt.autodiff import grad
from graphopt.dimensions import evaluate, symbols
from graphopt.frontend.declare import declare
from graphopt.interpret import interpret
from graphopt.passes.saturate import TABLE, Saturate
from graphopt.rewrite import Fix, Pipeline, Rule, RulePass
from graphopt.rewrite.passes import Context
from graphopt.rewrite.saturation import saturate

SIZE = 1000
GREEDY = "canonicalize,cse,fix{stabilize,cse,canonicalize;max=20},lower,cse,constant-folding,canonicalize,cse,dead-code"
BOUND = 1e-9  # between the values of the two graphs, relative to the largest


# The graphs -----------------------------------------------------------------------------------------------------------


def tensors(*types: str) -> list[Any]:
    """Inputs a, b, c, … of those types."""
    return [go.variable("abcdefgh"[k], type) for k, type in enumerate(types)]


def imported(symbols: Sequence[Any], expressions: Any) -> go.Graph:
    """SymPy expressions over vectors."""
    declared = declare(list(symbols), expressions, dict.fromkeys(symbols, "float64[n]"))
    return go.Graph.from_outputs(declared.inputs, declared.outputs)


def log_softmax_gradient() -> go.Graph:
    x, w = tensors("float64[n, m]", "float64[n, m]")
    e = T.exp(x)
    cost = T.sum(w * T.log(e / T.sum(e, axis=1, keepdims=True)))
    return go.Graph.from_outputs([x, w], grad(cost, [x]))


def pendulum() -> go.Graph:
    from pendulum import model

    problem = model(2)
    declared = declare(problem.leaves, problem.outputs, dict.fromkeys(problem.leaves, "float64[n]"))
    return go.Graph.from_outputs(declared.inputs, declared.outputs)


def polynomial() -> go.Graph:
    x, *coefficients = tensors("float64[n]", *["float64"] * 6)
    total = coefficients[0] + coefficients[1] * x
    for degree, coefficient in enumerate(coefficients[2:], start=2):
        power = x
        for _ in range(degree - 1):
            power = power * x
        total = total + coefficient * power
    return go.Graph.from_outputs([x, *coefficients], total)


def layer() -> go.Graph:
    x, w, b = tensors("float64[n, k]", "float64[k, m]", "float64[m]")
    return go.Graph.from_outputs([x, w, b], T.tanh(x @ w + b))


def variance() -> go.Graph:
    (x,) = tensors("float64[n, m]")
    centred = x - T.mean(x, axis=1, keepdims=True)
    return go.Graph.from_outputs([x], T.mean(centred * centred, axis=1))


def logistic_loss() -> go.Graph:
    x, w, y = tensors("float64[n, k]", "float64[k]", "float64[n]")
    p = 1 / (1 + T.exp(-(x @ w)))
    return go.Graph.from_outputs([x, w, y], -T.mean(y * T.log(p) + (1 - y) * T.log(1 - p)))


def quadratic_form() -> go.Graph:
    x, y, a, b, c = tensors(*["float64[n]"] * 5)
    return go.Graph.from_outputs([x, y, a, b, c], a * x * x + b * x * y + b * y * x + c * y * y + a * x * y)


def trigonometric() -> go.Graph:
    x, y, a, b = sympy.symbols("x y a b")
    sin, cos = sympy.sin, sympy.cos
    return imported((x, y, a, b), a * sin(x) * cos(y) + b * sin(x) * cos(y) + a * cos(x) * sin(y) + b * cos(x) * sin(y))


def random_sums(seed: int = 5, terms: int = 8) -> go.Graph:
    """A sum of products of two of four inputs, drawn at random."""
    generator = np.random.default_rng(seed)
    inputs = tensors(*["float64[n]"] * 4)
    total = None
    for _ in range(terms):
        i, j = generator.integers(0, 4, 2)
        term = inputs[i] * T.sin(inputs[j])
        total = term if total is None else total + term
    return go.Graph.from_outputs(inputs, total)


GRAPHS: dict[str, Callable[[], go.Graph]] = {
    "log-softmax gradient": log_softmax_gradient,
    "Black–Scholes": lambda: imported(SYMBOLS, formula()),
    "pendulum, n = 2": pendulum,
    "polynomial, degree 5": polynomial,
    "MLP layer": layer,
    "variance": variance,
    "logistic loss": logistic_loss,
    "quadratic form": quadratic_form,
    "trigonometric": trigonometric,
    "random sum of products": random_sums,
}


# Measuring ------------------------------------------------------------------------------------------------------------


def flops(graph: go.Graph) -> int:
    """Floating-point operations with every size at `SIZE`."""
    cost = graph_cost(graph).flops
    return evaluate(cost, dict.fromkeys(symbols(cost), SIZE))


def difference(first: go.Graph, second: go.Graph) -> float:
    """The largest difference of two graphs' values over the largest value, for inputs drawn between 1/2 and 3/2."""
    generator = np.random.default_rng(1)
    arrays = {}
    for name, node in first.inputs.items():
        shape = [size if isinstance(size, int) else 5 for size in first.type(node).shape]
        arrays[name] = generator.uniform(0.5, 1.5, shape)
    worst = 0.0
    others = interpret(second, arrays)
    for name, value in interpret(first, arrays).items():
        scale = float(np.abs(value).max()) or 1.0
        worst = max(worst, float(np.abs(value - others[name]).max()) / scale)
    return worst


@dataclass(frozen=True)
class Table(RulePass):
    """The rules that `saturate` adds to those of `canonicalize`, from left to right."""

    name: ClassVar[str] = "table"
    rules: ClassVar[Sequence[Rule]] = TABLE


def greedy_with_table() -> Pipeline:
    """The greedy pipeline after the table, applied until nothing changes."""
    parse = Pipeline.parse
    first, cleaning, rest = parse("canonicalize,cse"), parse("cse,canonicalize"), parse(GREEDY)
    return Pipeline([*first.steps, Fix((Table(), *cleaning.steps)), *rest.steps])


def one(written: go.Graph, nodes: int, iters: int) -> Record:
    """Both ways for one graph."""
    greedy, searched, control = written.copy(), written.copy(), written.copy()
    greedy_with_table().run(control)
    _, greedy_seconds = stopwatch(lambda: go.Pipeline.parse(GREEDY).run(greedy))
    go.Pipeline.parse("canonicalize,cse").run(searched)
    before = flops(searched)

    def search() -> Any:
        return saturate(searched, Saturate.rules, Context(searched, step="saturate"), nodes=nodes, iters=iters)

    found, seconds = stopwatch(search)
    after = flops(searched)
    go.Pipeline.parse(GREEDY).run(searched)
    entry = asdict(found)
    entry["left_out"] = len(found.left_out)
    return {
        "flops": {
            "written": flops(written),
            "greedy": flops(greedy),
            "saturated": flops(searched),
            "table": flops(control),
        },
        "search": {"before": before, "after": after, **entry},
        "ratio": flops(greedy) / flops(searched),
        "ratio_to_table": flops(control) / flops(searched),
        "seconds": {"greedy": greedy_seconds, "saturation": seconds},
        "difference": difference(greedy, searched),
    }


def measure(small: bool = False, *, nodes: int = 10_000, iters: int = 10, names: Sequence[str] = ()) -> Record:
    """The whole experiment, as a record."""
    entries: dict[str, Record] = {}
    for name in names or GRAPHS:
        entries[name] = one(GRAPHS[name](), nodes, iters)
        entry = entries[name]
        ended = f"{entry['search']['nodes']} nodes, {entry['search']['ended']}"
        ratios = f"{entry['ratio']:.3f} {entry['ratio_to_table']:.3f}"
        print(f"{name:24} {ratios}  {entry['seconds']['saturation']:.1f} s, {ended}", flush=True)
    return record_of("phase_order", small) | {
        "greedy": GREEDY,
        "saturation": f"canonicalize,cse,saturate{{nodes={nodes},iters={iters}}},{GREEDY}",
        "size": SIZE,
        "bound": BOUND,
        "versions": package_versions("egglog", "sympy", "numpy"),
        "graphs": entries,
    }


def draw(record: Record) -> Figure:
    """Ratios of costs, and what the search took."""
    picture, axes = figure(2, width=6.0)
    entries = record["graphs"]
    names = list(entries)[::-1]
    places = np.arange(len(names))
    for key, shift, label in (("ratio", 0.2, "default passes"), ("ratio_to_table", -0.2, "with the same table")):
        axes[0, 0].barh(places + shift, [entries[name][key] for name in names], 0.4, label=label)
    axes[0, 0].set_yticks(places, names)
    axes[0, 0].legend(fontsize=8, loc="upper right")
    axes[0, 0].axvline(1, color="black", linewidth=0.8)
    axes[0, 0].set_xlabel("operations, greedy / saturated first")
    axes[0, 0].set_title("above 1: the search found a cheaper program", fontsize=9)
    axes[0, 1].barh(names, [entries[name]["seconds"]["saturation"] for name in names], color="tab:gray")
    for place, name in enumerate(names):
        search = entries[name]["search"]
        axes[0, 1].text(0, place, f"  {search['nodes']} nodes, {search['rounds']} rounds, {search['ended']}",
                        va="center", fontsize=7)  # fmt: skip
    axes[0, 1].set_xlabel("seconds of saturation and extraction")
    for axis in axes[0]:
        axis.tick_params(axis="y", labelsize=8)
    picture.suptitle(f"Phase order: {caption(record)}", fontsize=9)
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(__doc__, "phase_order", arguments)
    record = measure(chosen.small, **({"nodes": 500, "iters": 4} if chosen.small else {}))
    worst = max(entry["difference"] for entry in record["graphs"].values())
    print(f"largest difference of values: {worst:.1e}; stated bound {BOUND}")
    print(save(record, draw(record), chosen.output))
    return 0 if worst <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
