"""The Black–Scholes price of a call as a SymPy formula, over vectors: agreement with mpmath, and speed.

    python experiments/black_scholes.py            # 10⁶ options, a minute
    python experiments/black_scholes.py --small    # 2·10⁴ options

S Φ(d₁) − K e^{−rT} Φ(d₂) with d₁ = (log(S/K) + (r + σ²/2) T) / (σ √T) and d₂ = d₁ − σ √T: one log, one exp, one square
root and two erf (F. Black and M. Scholes, "The pricing of options and corporate liabilities", J. Political Economy 81,
1973). Spot price S, strike K and time T are vectors, the rate r and the volatility σ numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
import sympy
from common import (
    Record,
    absent,
    caption,
    errors,
    figure,
    mpmath_map,
    options,
    package_versions,
    race,
    record_of,
    save,
    stopwatch,
    time_bars,
)
from matplotlib.figure import Figure
from scipy.special import erf

import graphopt as go

RATE, VOLATILITY = 0.02, 0.3
BOUND = 4  # ε · max|term|: what the errors of all contestants are held against
SYMBOLS = sympy.symbols("S K T r sigma", positive=True)


def formula() -> Any:
    """The price as a SymPy expression."""
    spot, strike, time, rate, volatility = SYMBOLS
    d1 = (sympy.log(spot / strike) + (rate + volatility**2 / 2) * time) / (volatility * sympy.sqrt(time))
    d2 = d1 - volatility * sympy.sqrt(time)
    return spot * normal(d1) - strike * sympy.exp(-rate * time) * normal(d2)


def normal(x: Any) -> Any:
    """The normal distribution's Φ."""
    return (1 + sympy.erf(x / sympy.sqrt(2))) / 2


def numpy_price(spot: Any, strike: Any, time: Any, rate: float, volatility: float) -> Any:
    """The formula as one writes it in NumPy."""
    root = volatility * np.sqrt(time)
    d1 = (np.log(spot / strike) + (rate + volatility**2 / 2) * time) / root
    d2 = d1 - root
    phi1, phi2 = (0.5 * (1 + erf(d / np.sqrt(2))) for d in (d1, d2))
    return spot * phi1 - strike * np.exp(-rate * time) * phi2


def exact_price(spot: Any, strike: Any, time: Any) -> Any:
    """The price in mpmath's arithmetic."""
    rate, volatility = mpmath.mpf(RATE), mpmath.mpf(VOLATILITY)
    root = volatility * mpmath.sqrt(time)
    d1 = (mpmath.log(spot / strike) + (rate + volatility**2 / 2) * time) / root
    return spot * mpmath.ncdf(d1) - strike * mpmath.exp(-rate * time) * mpmath.ncdf(d1 - root)


def contestants() -> dict[str, Callable[..., Any]]:
    """What computes the price from S, K, T, r, σ."""
    price = formula()
    found: dict[str, Callable[..., Any]] = {
        "NumPy and SciPy": numpy_price,
        "sympy.lambdify": sympy.lambdify(SYMBOLS, price, modules=["scipy", "numpy"]),
        "sympy.lambdify, cse": sympy.lambdify(SYMBOLS, price, modules=["scipy", "numpy"], cse=True),
    }
    if "numba" not in absent("numba"):
        import numba

        scalar = sympy.lambdify(SYMBOLS, price, modules="math", cse=True)
        found["numba"] = numba.vectorize(["float64(float64, float64, float64, float64, float64)"], target="parallel")(
            scalar
        )
    for threads in (1, 2):
        label = f"graphopt, {threads} thread{'s' * (threads > 1)}"
        found[label] = go.function(SYMBOLS, price, name="call_price", options=go.Options(threads=threads))
    found["graphopt, no passes"] = go.function(
        SYMBOLS, price, name="call_price", pipeline="none", options=go.Options(threads=2)
    )
    return found


def inputs(size: int) -> tuple[Any, ...]:
    """Options around the money, one to two years from expiry."""
    generator = np.random.default_rng(9)
    spot, strike, time = (generator.uniform(low, high, size) for low, high in ((10, 50), (10, 50), (1, 2)))
    return spot, strike, time, RATE, VOLATILITY


def measure(small: bool = False, *, size: int = 1_000_000, sample: int = 2000, seconds: float = 10.0) -> Record:
    """The whole experiment, as a record."""
    arguments = inputs(size)
    chosen = np.linspace(0, size - 1, sample).astype(int)
    spot, strike, time = (array[chosen] for array in arguments[:3])
    truth = mpmath_map(exact_price, spot, strike, time)
    terms = np.maximum(spot, strike * np.exp(-RATE * time))
    all_of_them, building = stopwatch(contestants)
    accuracy = {name: errors(price(*arguments)[chosen], truth, terms) for name, price in all_of_them.items()}
    ours: Any = all_of_them["graphopt, 2 threads"]
    return record_of("black_scholes", small) | {
        "size": size,
        "sample": sample,
        "bound": BOUND,
        "versions": package_versions("sympy", "numpy", "scipy", "numba"),
        "left_out": {"numexpr": "has no erf", **absent("numba")},
        "seconds_of_building": building,
        "graph": str(ours.graph),
        "kernels": len(ours.kernels),
        "accuracy": accuracy,
        "speed": race(all_of_them, arguments, baseline="NumPy and SciPy", seconds=seconds),
    }


def draw(record: Record) -> Figure:
    """Times, and errors on the sample."""
    picture, axes = figure(2)
    time_bars(axes[0, 0], record["speed"], f"{record['size']:,} options, float64")
    names = list(record["accuracy"])[::-1]
    for key, color in (("max_scaled", "tab:blue"), ("mean_scaled", "tab:cyan")):
        axes[0, 1].barh(names, [record["accuracy"][name][key] for name in names], color=color, label=key.split("_")[0])
    axes[0, 1].set_xlabel("error / (ε · max|term|)")
    axes[0, 1].set_title(f"{record['sample']} of them against mpmath; stated bound {record['bound']}", fontsize=9)
    axes[0, 1].tick_params(axis="y", labelsize=8)
    axes[0, 1].legend(fontsize=8)
    left_out = "; ".join(f"{name}: {reason}" for name, reason in record["left_out"].items())
    picture.suptitle(f"Black–Scholes: {caption(record)}\nleft out: {left_out}", fontsize=9)
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(__doc__, "black_scholes", arguments)
    small: dict[str, Any] = {"size": 20_000, "sample": 200, "seconds": 0.5} if chosen.small else {}
    record = measure(chosen.small, **small)
    worst = max(entry["max_scaled"] for entry in record["accuracy"].values())
    print(f"largest error of all: {worst:.2f} ε max|term|; stated bound {BOUND}")
    print(save(record, draw(record), chosen.output))
    return 0 if worst <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
