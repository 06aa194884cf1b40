"""A pendulum of n links on a cart: SymPy's equations of motion and their Jacobian over many states.

    python experiments/pendulum.py            # n = 2 … 6, 10⁵ states: some minutes
    python experiments/pendulum.py --small    # n = 2 and 3, 10³ states

`mass_matrix_full`, `forcing_full` and the Jacobian of the latter in the state come from
`sympy.physics.mechanics.models.n_link_pendulum_on_cart(n)`. Each contestant gets the same states, force
and parameters as vectors, and fills arrays of shape (states, rows, columns). The Jacobian is SymPy's, except for
"graphopt, own Jacobian", which differentiates the forcing itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import sympy
from common import (
    DIGITS,
    Record,
    Stages,
    absent,
    caption,
    errors,
    exact,
    figure,
    options,
    package_versions,
    passes,
    race,
    record_of,
    save,
    stages,
    stopwatch,
    time_bars,
    warm,
)
from matplotlib.figure import Figure
from sympy.core.function import AppliedUndef
from sympy.physics.mechanics.models import n_link_pendulum_on_cart

import graphopt as go
import graphopt.tensor as T
from graphopt.autodiff import grad
from graphopt.frontend import Importer
from graphopt.ops.shape import stack

BOUND = 64  # ε · max|term|, for all contestants: entries have up to 22 summands of up to 6 rounded factors (n = 6)
LAMBDIFY, OURS, OWN = "sympy.lambdify", "graphopt", "graphopt, own Jacobian"


@dataclass(frozen=True)
class Model:
    """The equations of n links: what is computed, from what."""

    links: int
    leaves: list[Any]
    state: list[Any]
    outputs: dict[str, Any]
    seconds: dict[str, float]

    def arguments(self, count: int) -> tuple[Any, ...]:
        """Random states and parameters, a vector for each leaf."""
        generator = np.random.default_rng(self.links)
        return tuple(generator.uniform(0.5, 1.5, count) for _ in self.leaves)


def model(links: int) -> Model:
    """SymPy's equations of motion, and its Jacobian of the forcing."""
    method, building = stopwatch(lambda: n_link_pendulum_on_cart(links))
    mass, forcing = method.mass_matrix_full, method.forcing_full
    state = [*method.q, *method.u]
    jacobian, differentiating = stopwatch(lambda: forcing.jacobian(sympy.Matrix(state)))
    functions = (mass.atoms(AppliedUndef) | forcing.atoms(AppliedUndef)) - set(state)
    parameters = (mass.free_symbols | forcing.free_symbols) - {sympy.Symbol("t")}
    leaves = [*(leaf for leaf in state if mass.has(leaf) or forcing.has(leaf))]
    leaves += sorted(functions, key=str) + sorted(parameters, key=str)
    outputs = {"mass": mass, "forcing": forcing, "jacobian": jacobian}
    return Model(links, leaves, state, outputs, {"equations": building, "jacobian": differentiating})


# Contestants ----------------------------------------------------------------------------------------------------------


def lambdified(problem: Model, cse: bool) -> Callable[..., Any]:
    """SymPy's own NumPy code, entry by entry, assembled as the others return it."""
    flat = [entry for matrix in problem.outputs.values() for entry in matrix.flat()]
    shapes = {name: matrix.shape for name, matrix in problem.outputs.items()}
    entries = sympy.lambdify(problem.leaves, flat, modules="numpy", cse=cse)

    def call(*arguments: Any) -> dict[str, Any]:
        values = iter(entries(*arguments))
        results = {}
        for name, (rows, columns) in shapes.items():
            results[name] = np.empty((len(arguments[0]), rows, columns))
            for row, column in np.ndindex(rows, columns):
                results[name][:, row, column] = next(values)
        return results

    return call


def symengine_lambdified(problem: Model, arguments: Sequence[Any]) -> Callable[..., Any]:
    """SymEngine with LLVM; it is given its arguments in the layout that it wants, outside of what is timed."""
    import symengine

    plain = {leaf: sympy.Symbol(f"v{place}") for place, leaf in enumerate(problem.leaves)}
    matrices = [symengine.sympify(matrix.xreplace(plain)) for matrix in problem.outputs.values()]
    symbols = [symengine.Symbol(str(symbol)) for symbol in plain.values()]
    backend = "llvm" if symengine.have_llvm else "lambda"
    evaluate = symengine.Lambdify(symbols, *matrices, real=True, cse=True, backend=backend)
    stacked = np.stack(arguments, axis=-1)
    return lambda *_: dict(zip(problem.outputs, evaluate(stacked), strict=True))


def own_jacobian(problem: Model) -> Callable[..., Any]:
    """Mass matrix and forcing imported, the forcing's rows differentiated in reverse mode."""
    importer = Importer(types=dict.fromkeys(problem.leaves, "float64[n]"), inputs=problem.leaves)
    converted = {name: importer.convert(problem.outputs[name]) for name in ("mass", "forcing")}
    rows = [importer.convert(row) for row in problem.outputs["forcing"].flat()]
    inputs = [importer.variable_for(leaf) for leaf in problem.leaves]
    wanted = [importer.variable_for(leaf) for leaf in problem.state if importer.met(leaf)]
    place = {leaf: k for k, leaf in enumerate(leaf for leaf in problem.state if importer.met(leaf))}
    zero = T.zeros_like(inputs[0])
    entries: list[Any] = []
    for row in rows:
        row = row if row.ndim else T.broadcast_to(row, inputs[0].shape)
        gradient = grad(T.sum(row), wanted, disconnected_inputs="ignore", stabilize=False)
        entries += [gradient[place[leaf]] if leaf in place else zero for leaf in problem.state]
    size = len(problem.state)
    jacobian = stack(*entries, shape=(size, size))
    return go.function(inputs, {**converted, "jacobian": jacobian}, name="pendulum")


# Measuring ------------------------------------------------------------------------------------------------------------


def accuracy(
    problem: Model, contestants: dict[str, Callable[..., Any]], arguments: Sequence[Any], count: int
) -> Record:
    """Errors on the first states, over ε · max|term|.

    The terms are the summands of all entries of the same matrix, as SymPy has them: a factor such as sin(q₁ − q₂) may
    cancel for everyone, so that the errors of an entry say little beside its own size.
    """
    flat = [sympy.Add.make_args(entry) for matrix in problem.outputs.values() for entry in matrix.flat()]
    lengths = [len(matrix) for matrix in problem.outputs.values()]
    evaluate = sympy.lambdify(problem.leaves, flat, modules="mpmath")
    truth, scale = [], []
    with mpmath.workdps(DIGITS):
        for point in zip(*(exact(argument[:count]) for argument in arguments), strict=True):
            terms = evaluate(*point)
            truth.append([mpmath.fsum(entry) for entry in terms])
            sizes = np.array([max(abs(float(term)) for term in entry) for entry in terms])
            parts = np.split(sizes, np.cumsum(lengths)[:-1])
            scale.append(np.concatenate([np.full(len(part), part.max()) for part in parts]))
    expected, largest = np.array(truth, dtype=object), np.array(scale)
    found = {}
    for name, contestant in contestants.items():
        results = contestant(*arguments)
        values = np.concatenate([results[key][:count].reshape(count, -1) for key in problem.outputs], axis=1)
        found[name] = errors(values, expected, largest)
    return found


def one(links: int, count: int, sample: int, seconds: float) -> Record:
    """Everything about one number of links."""
    problem = model(links)
    arguments = problem.arguments(count)
    road: Stages = stages(problem.leaves, problem.outputs, dict.fromkeys(problem.leaves, "float64[n]"))
    compiling = {" ".join(flags) or "default": road.compile(flags) for flags in ((), ("-O1",))}
    building: dict[str, float] = {}
    contestants: dict[str, Callable[..., Any]] = {}

    def add(name: str, make: Callable[[], Callable[..., Any]]) -> None:
        contestants[name], building[name] = stopwatch(make)

    add(LAMBDIFY, lambda: lambdified(problem, cse=False))
    add(f"{LAMBDIFY}, cse", lambda: lambdified(problem, cse=True))
    if not absent("symengine"):
        add("symengine.Lambdify, cse", lambda: symengine_lambdified(problem, arguments))
    add(OURS, lambda: go.function(problem.leaves, problem.outputs, name="pendulum"))
    add(OWN, lambda: own_jacobian(problem))
    return {
        "links": links,
        "states": count,
        "operations": {name: int(sympy.count_ops(matrix)) for name, matrix in problem.outputs.items()},
        "entries": sum(len(matrix) for matrix in problem.outputs.values()),
        "sympy_seconds": problem.seconds,
        "nodes": {"imported": len(road.written), "optimized": len(road.graph)},
        "passes": passes(road.log),
        "seconds": road.seconds,
        "compile_seconds": compiling,
        "statements": sum(len(list(kernel.statements())) for kernel in road.program.kernels),
        "kernels": len(road.program.kernels),
        "build_seconds": building,
        "accuracy": accuracy(problem, contestants, arguments, sample),
        "speed": race(contestants, arguments, baseline=f"{LAMBDIFY}, cse", seconds=seconds),
    }


def measure(
    small: bool = False,
    *,
    links: Sequence[int] = (2, 3, 4, 5, 6),
    count: int = 100_000,
    sample: int = 10,
    seconds: float = 10.0,
) -> Record:
    """The whole experiment, as a record."""
    warm()
    return record_of("pendulum", small) | {
        "bound": BOUND,
        "versions": package_versions("sympy", "symengine", "numpy"),
        "left_out": absent("symengine"),
        "models": [one(n, count, sample, seconds) for n in links],
    }


def draw(record: Record) -> Figure:
    """Time a state over n; graph sizes; where the time before the first call goes; the largest model's race."""
    picture, axes = figure(2, 2)
    models = record["models"]
    links = [entry["links"] for entry in models]
    for place, name in enumerate(row["name"] for row in models[0]["speed"]["rows"]):
        medians = [next(r["median"] for r in entry["speed"]["rows"] if r["name"] == name) for entry in models]
        points = [(n, m / e["states"] * 1e9) for n, m, e in zip(links, medians, models, strict=True) if m is not None]
        if points:
            axes[0, 0].plot(*zip(*points, strict=True), "o-", color=f"C{place}", label=name)
    axes[0, 0].set(yscale="log", title="time a state, nanoseconds", xlabel="links", xticks=links)
    sizes = {
        "operations in SymPy": [sum(entry["operations"].values()) for entry in models],
        "nodes imported": [entry["nodes"]["imported"] for entry in models],
        "nodes optimized": [entry["nodes"]["optimized"] for entry in models],
        "entries of the results": [entry["entries"] for entry in models],
    }
    for name, values in sizes.items():
        axes[0, 1].plot(links, values, "o-", label=name)
    axes[0, 1].set(yscale="log", title="size", xlabel="links", xticks=links)
    bottom = np.zeros(len(models))
    stretches = {
        "SymPy's Jacobian": [entry["sympy_seconds"]["jacobian"] for entry in models],
        **{name: [entry["seconds"][name] for entry in models] for name in models[0]["seconds"]},
        "compile": [entry["compile_seconds"]["default"] for entry in models],
    }
    for name, values in stretches.items():
        axes[1, 0].bar(links, values, bottom=bottom, label=name)
        bottom += values
    axes[1, 0].set(title="before the first call, seconds", xlabel="links", xticks=links)
    for axis in (axes[0, 0], axes[0, 1], axes[1, 0]):
        axis.legend(fontsize=7)
    time_bars(axes[1, 1], models[-1]["speed"], f"{links[-1]} links, {models[-1]['states']:,} states")
    picture.suptitle(f"n-link pendulum on a cart: {caption(record)}", fontsize=10)
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(__doc__, "pendulum", arguments)
    small: dict[str, Any] = {"links": (2, 3), "count": 1000, "seconds": 0.5} if chosen.small else {}
    record = measure(chosen.small, **small)
    worst = max(entry["max_scaled"] for found in record["models"] for entry in found["accuracy"].values())
    print(f"largest error of all: {worst:.2f} ε max|term|; stated bound {BOUND}")
    print(save(record, draw(record), chosen.output))
    return 0 if worst <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
