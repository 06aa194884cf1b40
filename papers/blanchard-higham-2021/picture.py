"""The figure: what the paper plots, in the first row; how errors grow and formulas fail, in the second."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

COLOUR = {"naive": "#7f7f7f", "shifted": "#0072b2", "division-free shifted": "#d55e00", "division-free": "#d55e00"}
DASH = {"float32": "-", "float16": "--", "bfloat16": ":"}
LABEL = {"naive": "naive", "shifted": "shifted", "division-free shifted": "division-free (shifted)"}
Measured = Mapping[str, Any]


def draw(measured: Measured) -> bytes:
    """The figure as a PNG."""
    figure = Figure(figsize=(13.5, 8.6), layout="constrained")
    panels = figure.subplots(2, 3)
    half = measured["logits"]["float16"]
    draw_bounds(panels[0, 0], half)
    draw_pairs(panels[0, 1], half, "naive", "(b) softmax: naive is about as accurate")
    draw_pairs(panels[0, 2], half, "division-free", "(c) softmax: division-free is less accurate")
    draw_scales(panels[1, 0], measured["scale"])
    draw_lengths(panels[1, 1], measured["length"])
    draw_failures(panels[1, 2], measured["scale"])
    figure.suptitle(
        "Errors of log-sum-exp and softmax in units of the roundoff u, against exact arithmetic\n"
        "top: ten logits of a synthetic classifier in float16, one mark a vector; bottom: normally distributed vectors",
        fontsize=11,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()


def draw_bounds(axes: Axes, half: Measured) -> None:
    kept = ~half["lse"]["naive"].failed
    for formula, marker in (("naive", "o"), ("shifted", "x")):
        errors = half["lse"][formula]
        axes.plot(
            errors.bound[kept], errors.error[kept], marker, ms=3, alpha=0.5, color=COLOUR[formula], label=LABEL[formula]
        )
    axes.plot([0, 6], [0, 6], "k-", lw=1, label="error = bound")
    axes.set(xlim=(1.9, 6), ylim=(0, 4), xlabel="bound / u", ylabel="error / u")
    _title(axes, "(a) log-sum-exp: both stay under their bounds")
    axes.legend(loc="upper right", fontsize=9)


def draw_pairs(axes: Axes, half: Measured, formula: str, title: str) -> None:
    kept = ~half["softmax"]["naive"].failed
    across, up = half["softmax"]["shifted"].error[kept], half["softmax"][formula].error[kept]
    axes.plot(across, up, "o", ms=3, alpha=0.4, color=COLOUR[formula])
    axes.plot([0, 10], [0, 10], "k-", lw=1, label="equal")
    axes.set(xlim=(0, 10), ylim=(0, 10), aspect="equal")
    axes.set(xlabel="error of shifted softmax / u", ylabel=f"error of {formula} softmax / u")
    _title(axes, title)
    axes.legend(loc="lower right", fontsize=9)


def draw_scales(axes: Axes, by_scale: Measured) -> None:
    scales = np.array(list(by_scale))
    for formula in LABEL:
        for format, dash in DASH.items():
            errors = [by_scale[s][format]["softmax"][formula] for s in scales]
            # Once some vectors fail, the largest error is that of the others and says little.
            worst = [e.error.max() if not e.failed.any() else np.nan for e in errors]
            axes.plot(scales, worst, dash, color=COLOUR[formula], marker="." if format == "float32" else None)
    axes.plot(scales, scales, "k-", lw=0.8)
    axes.annotate("error = σ u", (scales[2], scales[2]), textcoords="offset points", xytext=(8, -6), fontsize=9)
    axes.set(xscale="log", yscale="log", ylim=(0.1, 2e4))
    axes.set(xlabel="standard deviation σ of ten entries", ylabel="largest error / u")
    _title(axes, "(d) softmax: division-free worsens with scale")
    axes.legend(handles=_handles(LABEL), loc="upper left", fontsize=9, ncols=2)


def draw_lengths(axes: Axes, by_length: Measured) -> None:
    lengths = np.array(list(by_length))
    for formula in LABEL:
        for format, dash in DASH.items():
            worst = [by_length[n][format]["softmax"][formula].error.max() for n in lengths]
            axes.plot(lengths, worst, dash, color=COLOUR[formula], marker="." if format == "float32" else None)
    axes.plot(lengths, lengths + 3, "k-", lw=0.8)
    middle = len(lengths) // 2
    axes.annotate(
        "naive bound,\n(n + 3) u", (lengths[middle], lengths[middle] + 3), textcoords="offset points",
        xytext=(-10, 4), ha="right", fontsize=9,
    )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="length n of the vector, σ = 1", ylabel="largest error / u")
    _title(axes, "(e) softmax: long sums stagnate in bfloat16")


def draw_failures(axes: Axes, by_scale: Measured) -> None:
    scales = np.array(list(by_scale))
    for formula, width in (("naive", 1.8), ("shifted", 2.5)):
        for format, dash in DASH.items():
            share = [100 * by_scale[s][format]["lse"][formula].failed.mean() for s in scales]
            # float32 and bfloat16 have the same range, so their lines lie on each other: the wide dots show both.
            axes.plot(scales, share, dash, color=COLOUR[formula], lw=3.5 if format == "bfloat16" else width)
    axes.set(xscale="log", xlabel="standard deviation σ of ten entries", ylabel="vectors without a finite result, %")
    _title(axes, "(f) log-sum-exp: the naive form overflows")
    axes.legend(handles=_handles(("naive", "shifted")), loc="center left", fontsize=9)


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=10.5)


def _handles(formulas: Iterable[str]) -> list[Line2D]:
    lines = [Line2D([], [], color=COLOUR[formula], label=LABEL[formula]) for formula in formulas]
    return lines + [Line2D([], [], color="black", linestyle=dash, label=format) for format, dash in DASH.items()]
