"""The programs whose derivatives are held to the bounds of theory: what users differentiate, of the sizes they have.

Nothing here is run, only counted, so that sizes cost nothing. `PROGRAMS` has a row for each; `GROWING` has programs of
any number of operations.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import graphopt as go
import graphopt.tensor as T
from graphopt.autodiff import grad, hvp, jvp, vjp

__all__ = ["GROWING", "PROGRAMS", "SUITE", "Written", "optimized", "with_gradient", "with_products", "with_tangents"]


@dataclass(frozen=True)
class Written:
    """A program: its inputs, what is differentiated, and with respect to what."""

    inputs: list[Any]
    outputs: list[Any]
    wrt: list[Any]

    @property
    def is_scalar(self) -> bool:
        """Whether it is one number, which has a gradient; otherwise it has vector-Jacobian products."""
        return len(self.outputs) == 1 and self.outputs[0].ndim == 0


Writer = Callable[[], Written]


def written(function: Callable[..., Any], types: Mapping[str, str]) -> Written:
    """A function called with variables; it is differentiated with respect to those of floats."""
    inputs = [go.variable(name, type) for name, type in types.items()]
    outputs = function(*inputs)
    wrt = [v for v in inputs if v.dtype.startswith("float")]
    return Written(inputs, list(outputs) if isinstance(outputs, tuple) else [outputs], wrt)


# Neural networks ------------------------------------------------------------------------------------------------------


def log_softmax(x, w):
    powers = T.exp(x)
    return T.sum(w * T.log(powers / T.sum(powers, axis=1, keepdims=True)))


def cross_entropy(x, labels):
    p = T.softmax(x, axis=1)
    return -T.mean(T.log(p)[T.arange(x.shape[0]), labels])


def layer_normalization(x, scale, shift, w):
    centred = x - T.mean(x, axis=1, keepdims=True)
    variance = T.mean(centred**2, axis=1, keepdims=True)
    return T.sum(w * (centred / T.sqrt(variance + 1e-5) * scale + shift))


def gelu(x):
    return x * (1 + T.erf(x / math.sqrt(2))) / 2


def gelu_by_tanh(x):
    return x / 2 * (1 + T.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def perceptron(x, labels, w1, b1, w2, b2):
    """One training step of 784-512-10 with softmax and cross-entropy."""
    hidden = T.maximum(x @ w1 + b1, 0)
    p = T.softmax(hidden @ w2 + b2, axis=1)
    return -T.mean(T.log(p)[T.arange(x.shape[0]), labels])


def deep_perceptron(x, *weights):
    for w in weights:
        x = T.tanh(x @ w)
    return T.sum(x**2)


def logistic_regression(x, y, w, b):
    """The example of Theano's tutorial."""
    p = 1 / (1 + T.exp(-(x @ w) - b))
    return T.mean(-y * T.log(p) - (1 - y) * T.log(1 - p)) + 0.01 * T.sum(w**2)


def attention(q, k, v):
    weights = T.softmax(q @ T.swapaxes(k, -1, -2) / math.sqrt(64), axis=-1)
    return T.sum((weights @ v) ** 2)


# Statistics and geometry ----------------------------------------------------------------------------------------------


def variance(axis):
    return lambda x: T.sum(T.var(x, axis=axis) ** 2)


def distances(x, y):
    """Squared, between all pairs of rows, through the product form."""
    squares = T.sum(x**2, axis=1)[:, None] + T.sum(y**2, axis=1)[None, :] - 2 * (x @ y.T)
    return T.sum(T.exp(-squares))


def black_scholes(spot, strike, time, rate, volatility):
    root = volatility * T.sqrt(time)
    d1 = (T.log(spot / strike) + (rate + volatility**2 / 2) * time) / root
    d2 = d1 - root
    return T.sum(spot * _normal(d1) - strike * T.exp(-rate * time) * _normal(d2))


def _normal(x):
    return (1 + T.erf(x / math.sqrt(2))) / 2


def gaussian_log_density(x, mean, covariance):
    factor = T.linalg.cholesky(covariance)
    whitened = T.linalg.solve_triangular(factor, (x - mean).T, lower=True)
    return -T.sum(whitened**2) / 2 - x.shape[0] * T.sum(T.log(T.diagonal(factor)))


# Long and wide --------------------------------------------------------------------------------------------------------


def chain_of_forty(x, y):
    """Forty elementwise operations, eight of them transcendental."""
    value = x
    for k, function in enumerate((T.exp, T.log1p, T.sin, T.tanh, T.cos, T.exp, T.arctan, T.log1p)):
        value = function(value * value * 0.1 + y) + value * (0.5 + k)
    return value


def rosenbrock(x):
    """ADBench-like: a sum over neighbouring elements."""
    return T.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def speelpenning(x):
    """The product of all elements, the oldest benchmark of reverse mode."""
    return T.prod(x)


def helmholtz(x, b, a):
    """The energy function on which reverse mode's cost was first published (A. Griewank, "On automatic
    differentiation", 1989)."""
    linear = 1 - T.dot(b, x)
    quadratic = T.dot(x, a @ x)
    root = math.sqrt(2)
    return T.sum(x * T.log(x / linear)) - quadratic / (math.sqrt(8) * T.dot(b, x)) * T.log(
        (1 + (1 + root) * T.dot(b, x)) / (1 + (1 - root) * T.dot(b, x))
    )


def pieces(x):
    """Fifty elements of one vector, used one by one."""
    return sum(T.sin(x[k]) * x[k + 1] for k in range(50))


def gathered(table, rows):
    """An embedding: the rows of a table that indices name."""
    return T.sum(T.tanh(table[rows]) ** 2)


def branches(x):
    return T.cond(x[0] > 0, lambda: T.sum(T.sin(x) ** 2), lambda: T.sum(T.exp(x) * x))


def guarded(x):
    return T.sum(T.where(x > 0, T.sqrt(T.where(x > 0, x, 1.0)), T.expm1(x)))


# NPBench's kind, and mechanics ----------------------------------------------------------------------------------------

NPBENCH = Path(__file__).parents[1] / "programs" / "programs.py"
SIZES: Mapping[str, Mapping[str, int]] = {
    "softmax": {"batch": 16, "heads": 16, "rows": 128, "columns": 128},
    "mlp": {"n": 256, "i": 512, "j": 1024, "k": 1024, "classes": 10},
    "arc_distance": {"n": 1_000_000},
    "atax": {"m": 2000, "n": 2500},
    "bicg": {"m": 2000, "n": 2500},
    "gemver": {"n": 2000},
    "gesummv": {"n": 2000},
    "doitgen": {"r": 64, "q": 64, "s": 128, "p": 128},
    "covariance": {"n": 1400, "m": 600},
    "correlation": {"n": 1400, "m": 600},
}


def _module() -> ModuleType:
    specification = importlib.util.spec_from_file_location("npbench_programs", NPBENCH)
    assert specification is not None and specification.loader is not None
    found = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(found)
    return found


def _of_npbench(name: str, module: ModuleType) -> Writer:
    program, sizes = vars(module)[name], SIZES[name]
    shapes = module.SHAPES[program]
    types = {each: f"float64[{', '.join(str(sizes[d]) for d in found.split())}]" for each, found in shapes.items()}
    return lambda: written(program, {each: type.replace("[]", "") for each, type in types.items()})


def _pendulum(links: int) -> Writer:
    """The forcing of a pendulum on a cart, over many states."""

    def write() -> Written:
        from sympy.core.function import AppliedUndef
        from sympy.physics.mechanics.models import n_link_pendulum_on_cart

        from graphopt.frontend import Importer

        method = n_link_pendulum_on_cart(links)
        forcing = method.forcing_full
        leaves = sorted(forcing.atoms(AppliedUndef), key=str) + sorted(
            forcing.free_symbols - {method.q[0].args[0]}, key=str
        )
        importer = Importer(types=dict.fromkeys(leaves, "float64[100000]"), inputs=leaves)
        rows = [importer.convert(row) for row in forcing.flat()]
        inputs = [importer.variable_for(leaf) for leaf in leaves]
        state = [importer.variable_for(leaf) for leaf in (*method.q, *method.u) if importer.met(leaf)]
        return Written(inputs, rows, state)

    return write


def _row(function: Callable[..., Any], **types: str) -> Writer:
    return lambda: written(function, types)


BATCH = "float32[4096, 1000]"
SUITE: Mapping[str, Writer] = {
    "log-softmax": _row(log_softmax, x=BATCH, w=BATCH),
    "cross-entropy": _row(cross_entropy, x=BATCH, labels="int64[4096]"),
    "Black–Scholes, five Greeks": _row(
        black_scholes, spot="float64[4000000]", strike="float64[4000000]", time="float64[4000000]", rate="float64",
        volatility="float64",
    ),
    "layer normalization": _row(layer_normalization, x=BATCH, scale="float32[1000]", shift="float32[1000]", w=BATCH),
    "GELU": _row(gelu, x="float32[4000000]"),
    "GELU by tanh": _row(gelu_by_tanh, x="float32[4000000]"),
    "sum of squares": _row(lambda x: T.sum(x**2), x="float32[4000000]"),
    "variance over axis 0": _row(variance(0), x="float32[2000, 2000]"),
    "variance over axis 1": _row(variance(1), x="float32[2000, 2000]"),
    "chain of 40": _row(chain_of_forty, x="float64[1000000]", y="float64[1000000]"),
    "pairwise distances": _row(distances, x="float64[2000, 16]", y="float64[2000, 16]"),
    "perceptron 784-512-10": _row(
        perceptron, x="float32[128, 784]", labels="int64[128]", w1="float32[784, 512]", b1="float32[512]",
        w2="float32[512, 10]", b2="float32[10]",
    ),
    "logistic regression": _row(
        logistic_regression, x="float64[600, 784]", y="float64[600]", w="float64[784]", b="float64"
    ),
    "transposed sum": _row(lambda a, b: a + b.T, a="float32[4000, 4000]", b="float32[4000, 4000]"),
}  # fmt: skip
"""The cases by which the speed of generated code is judged."""

PROGRAMS: Mapping[str, Writer] = {
    **SUITE,
    **{f"{name} (NPBench)": _of_npbench(name, _module()) for name in SIZES},
    "pendulum of 3 links": _pendulum(3),
    "attention": _row(attention, **dict.fromkeys(("q", "k", "v"), "float32[8, 12, 512, 64]")),
    "perceptron of 10 layers": _row(
        deep_perceptron, x="float64[64, 128]", **{f"w{k}": "float64[128, 128]" for k in range(10)}
    ),
    "Gaussian log-density": _row(
        gaussian_log_density, x="float64[1000, 50]", mean="float64[50]", covariance="float64[50, 50]"
    ),
    "Rosenbrock": _row(rosenbrock, x="float64[100000]"),
    "product of all": _row(speelpenning, x="float64[100000]"),
    "Helmholtz energy": _row(helmholtz, x="float64[100]", b="float64[100]", a="float64[100, 100]"),
    "fifty elements": _row(pieces, x="float64[51]"),
    "embedding": _row(gathered, table="float32[10000, 64]", rows="int64[512]"),
    "branches": _row(branches, x="float64[1000]"),
    "guarded root": _row(guarded, x="float64[1000000]"),
}
"""All benchmark programs, by name."""


# Their derivatives ----------------------------------------------------------------------------------------------------


def optimized(inputs, outputs):
    """The graph that the default pipeline makes of outputs."""
    graph = go.Graph.from_outputs(inputs, outputs)
    go.Pipeline.named("default").run(graph)
    return graph


def with_gradient(program):
    """A program with its gradient by everything, or its vector-Jacobian product, optimized together."""
    if program.is_scalar:
        slopes = grad(program.outputs[0], program.wrt, disconnected_inputs="ignore")
        return optimized(program.inputs, [*program.outputs, *slopes])
    cotangents = [go.variable(None, output.type) for output in program.outputs]
    products = vjp(program.outputs, program.wrt, cotangents, disconnected_inputs="ignore")
    return optimized([*program.inputs, *cotangents], [*program.outputs, *products])


def with_tangents(program):
    """A program with its Jacobian-vector product for a direction in all that it is differentiated by."""
    directions = [go.variable(None, v.type) for v in program.wrt]
    tangents = jvp(program.outputs, program.wrt, directions, disconnected_inputs="ignore")
    return optimized([*program.inputs, *directions], [*program.outputs, *tangents])


def with_products(program):
    """A scalar program with its gradient and a Hessian-vector product."""
    (cost,) = program.outputs
    directions = [go.variable(None, v.type) for v in program.wrt]
    slopes = grad(cost, program.wrt, disconnected_inputs="ignore")
    products = hvp(cost, program.wrt, directions, disconnected_inputs="ignore")
    return optimized([*program.inputs, *directions], [cost, *slopes, *products])


# Programs that grow ---------------------------------------------------------------------------------------------------


def chain(nodes):
    """One operation on the result of the one before."""
    x = y = go.variable("x", "float64[100]")
    for _ in range(nodes // 2):
        y = T.sin(y) * x
    return T.sum(y), [x]


def wide_sum(nodes):
    """Many terms in few variables."""
    x = [go.variable(f"x{k}", "float64[100]") for k in range(8)]
    total = x[0]
    for k in range(nodes // 3):
        total = total + x[k % 8] * (x[(3 * k + 1) % 8] * (1 + k / nodes))
    return T.sum(total), x


def fibonacci(nodes):
    """Every value is used twice, so that the formula written out is exponential."""
    x = a, b = [go.variable(name, "float64[10]") for name in "ab"]
    for _ in range(nodes // 3):
        a, b = b, T.sin(a) + b * 0.5
    return T.sum(b), x


def layers(nodes):
    """A perceptron with a matrix of its own in every layer."""
    x = hidden = go.variable("x", "float64[16, 8]")
    weights = [go.variable(f"w{k}", "float64[8, 8]") for k in range(nodes // 2)]
    for weight in weights:
        hidden = T.tanh(hidden @ weight)
    return T.sum(hidden), [x, *weights]


def elements(nodes):
    """The elements of one vector, one by one."""
    x = go.variable("x", f"float64[{nodes // 4 + 1}]")
    return _added([T.sin(x[k]) * x[k + 1] for k in range(nodes // 4)]), [x]


def rows(nodes):
    """The rows of one matrix, one by one."""
    x = go.variable("x", f"float64[{nodes // 4 + 1}, 5]")
    return _added([T.sum(x[k] * x[k + 1]) for k in range(nodes // 4)]), [x]


def positions(nodes):
    """Elements of one vector at positions that arrays say."""
    x = go.variable("x", f"float64[{nodes // 4 + 3}]")
    return _added([T.sum(x[np.array([k, 0, k + 2])] ** 2) for k in range(nodes // 4)]), [x]


def _added(terms):
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


GROWING: Mapping[str, Callable[[int], tuple[Any, list[Any]]]] = {
    "chain": chain,
    "wide sum": wide_sum,
    "shared": fibonacci,
    "layers": layers,
    "elements": elements,
    "rows": rows,
    "positions": positions,
}
"""A scalar cost of about so many operations, and what it is differentiated by; by name."""
