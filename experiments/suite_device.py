"""The suite of `suite.py` at sizes for a GPU, rows of five lengths, and what is aimed at.

Arrays are several times as large as a GPU's last-level cache (50 to 60 MB), or what was measured would be the cache.
Sizes are divided by `divided`: for the sanitizer, and for an emulated device. The lengths of rows are not: which kernel
serves a row depends on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from namespaces import TORCH
from suite import CASES, Case, classified, images, matrices, normal, options, options_each, perceptron_step

from graphopt.bench.statistics import MARGIN

__all__ = ["AIMS", "COPY", "DEVICE_CASES", "INDUCTOR_NAME", "STEP", "Aim", "DeviceCase"]

COPY, INDUCTOR_NAME, STEP = "copy", "PyTorch, compiled", "training step"
ELEMENTS = 2**26  # of an array: 256 MiB of float32
COLUMNS = (1024, 4096, 16_384, 65_536, 131_072)


@dataclass(frozen=True)
class Aim:
    """What is aimed at in some cases.

    Attributes
    ----------
    name
        In words.
    beside
        The copy, or the peers of which the best counts.
    most
        The time over theirs (for the copy of as many bytes: over its) that is allowed.
    """

    name: str
    beside: tuple[str, ...]
    most: float


AIMS: Mapping[str, Aim] = {
    "elementwise": Aim("at least 88 % of copy", (COPY,), 1 / 0.88),
    "rows": Aim("at least 85 % of copy", (COPY,), 1 / 0.85),
    "compiled": Aim("not slower than torch.compile", (INDUCTOR_NAME,), 1 + MARGIN),
    "step": Aim("within 1.1 of the best of PyTorch and JAX", ("PyTorch", INDUCTOR_NAME, "JAX"), 1.1),
}


@dataclass(frozen=True)
class DeviceCase:
    """A program of the suite at a size for a GPU.

    Attributes
    ----------
    name
        What it is called here.
    case
        Program and arguments.
    aims
        Keys of `AIMS`.
    state
        How many of the arguments, the first ones, each call replaces by all results but the first.
    """

    name: str
    case: Case
    aims: tuple[str, ...] = ()
    state: int = 0


def rows(columns: int, vectors: int = 0) -> Callable[[np.random.Generator, int], tuple[Any, ...]]:
    """Rows of this many columns, and vectors as long as a row."""

    def drawn(generator: np.random.Generator, divided: int) -> tuple[Any, ...]:
        shapes = [(max(ELEMENTS // columns // divided, 2), columns), *[(columns,)] * vectors]
        return tuple(generator.standard_normal(shape, dtype="float32") for shape in shapes)

    return drawn


def times(factor: int, inputs: Callable[[np.random.Generator, Any], tuple[Any, ...]]) -> Any:
    """The same arguments, this many times as long."""
    return lambda generator, divided: inputs(generator, Fraction(divided, factor))


def triad(xp: Any, a: Any, b: Any) -> Any:
    """As in STREAM (J. D. McCalpin, IEEE TCCA Newsletter, 1995)."""
    return a + 3 * b


def fused_gelu(xp: Any, x: Any) -> Any:
    """As PyTorch's users write it: one kernel, eagerly."""
    return xp.gelu(x, approximate="tanh")


def fused_layer_norm(xp: Any, x: Any, gain: Any, bias: Any) -> Any:
    return xp.layer_norm(x, x.shape[1:], gain, bias, 1e-5)


OWN = {"GELU": fused_gelu, "layer norm": fused_layer_norm}  # of PyTorch, where it has the whole as one kernel


def _case(name: str, inputs: Any) -> Case:
    case = CASES[name]
    own = {**case.own, TORCH: OWN[name]} if name in OWN else case.own
    return replace(case, inputs=inputs, own=own)


def _sized(name: str, inputs: Any, *aims: str) -> DeviceCase:
    return DeviceCase(name, _case(name, inputs), aims)


def _of_rows(name: str, vectors: int) -> list[DeviceCase]:
    """A case for each length of rows; up to 16k columns they are read and written once."""
    return [
        DeviceCase(
            f"{name}, {columns // 1024}k columns",
            _case(name, rows(columns, vectors)),
            ("rows", "compiled") if columns <= 16_384 else ("compiled",),
        )
        for columns in COLUMNS
    ]


MANY, TALL, SQUARE = (ELEMENTS,), (65_536, 1000), (12_000, 12_000)

DEVICE_CASES: Mapping[str, DeviceCase] = {
    case.name: case
    for case in (
        _sized("GELU", normal(MANY), "elementwise"),
        _sized("GELU, gradient", normal(MANY), "elementwise"),
        DeviceCase("triad", Case("triad", triad, normal(MANY, MANY), 1.0), ("elementwise",)),
        _sized("transposed add", normal(SQUARE, SQUARE)),
        _sized("Black–Scholes", times(4, options)),
        _sized("Black–Scholes, Greeks", times(4, options_each)),
        _sized("chain of 40", normal((2**25,), dtype="float64")),
        *_of_rows("log-softmax", 0),
        *_of_rows("layer norm", 2),
        _sized("log-softmax, wide", normal(TALL, scale=100), "rows", "compiled"),
        _sized("cross-entropy, gradient", classified(*TALL)),
        _sized("layer norm, gradient", normal(TALL, (1000,), (1000,), TALL)),
        _sized("sum of squares", normal(MANY)),
        _sized("variance, axis 0", normal(TALL)),
        _sized("variance, axis 1", normal(TALL)),
        _sized("distances", normal((8000, 16), (8000, 16), dtype="float64")),
        _sized("gemver", matrices((), (), (8000, 8000), *[(8000,)] * 8)),
        _sized("gesummv", matrices((), (), (8000, 8000), (8000, 8000), (8000,))),
        _sized("atax", matrices((10_000, 12_500), (12_500,))),
        _sized("bicg", matrices((10_000, 12_500), (12_500,), (10_000,))),
        _sized("logistic step", images(60_000, 784, 10)),
        DeviceCase(
            STEP, replace(CASES["perceptron step"], program=perceptron_step, inputs=images(128, 784, 512, 10)),
            ("step",), state=4,
        ),
    )
}  # fmt: skip
