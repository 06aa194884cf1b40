"""Does the checker of gradients accuse a right one? Every op's derivatives, over many seeds.

    python experiments/false_accusations.py            # 20 seeds, a quarter of an hour
    python experiments/false_accusations.py --small    # one seed of every eighth specimen

Each seed looks at every specimen of every op (`graphopt.testing.specimens`) with the strongest oracle, to second order,
in one of the four combinations of mode and dtype, which change from seed to seed; at a fifth of them with the other
oracles as well, to first order. All of them are right, so whatever is accused is a fault of the checker. What is left
out as a kink or undefined is counted, too: a checker that looks away accuses nobody.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np
from common import Record, caption, figure, options, record_of, save, stopwatch
from matplotlib.figure import Figure

from graphopt.errors import UnsupportedExpression, VerificationFailed
from graphopt.testing import GradientReport, verify_grad
from graphopt.testing.specimen import Specimen
from graphopt.testing.specimens import SPECIMENS

SEEDS = 20
COMBINATIONS = [(mode, dtype) for dtype in ("float64", "float32") for mode in ("reverse", "forward")]
OTHERS = ("complex-step", "finite-difference")
SHARE = 5  # of the specimens, with the other oracles


def looks(seed: int, specimens: Sequence[Specimen]) -> Iterator[tuple[Specimen, str, str, str, int]]:
    """What one seed looks at: specimen, mode, dtype, oracle and order."""
    for number, specimen in enumerate(specimens):
        mode, dtype = COMBINATIONS[(seed + number) % len(COMBINATIONS)]
        yield specimen, mode, dtype, "auto", specimen.orders
        if (seed + number) % SHARE == 0:
            for oracle in OTHERS:
                yield specimen, mode, dtype, oracle, 1


def look(seed: int, specimen: Specimen, mode: str, dtype: str, oracle: str, order: int) -> GradientReport | str | None:
    """What is seen; a text if the derivative is accused, and None where an oracle does not apply."""
    inputs, output = specimen.build(dtype)
    point = specimen.point(np.random.default_rng(seed), dtype)
    wrt = [inputs[k] for k in specimen.wrt]
    try:
        return verify_grad(output, point, wrt, order=order, oracle=oracle, mode=mode, stabilize=False, seed=seed)
    except UnsupportedExpression:
        return None
    except VerificationFailed as error:
        return f"{specimen}, {mode}, {dtype}, seed {seed}, {oracle}: {error}"


def measure(small: bool = False) -> Record:
    """The whole experiment, as a record."""
    specimens = [each for family in SPECIMENS.values() for each in family if each.generic]
    specimens = specimens[:: 8 if small else 1]
    seen: dict[str, GradientReport] = {}
    accused: list[str] = []
    seconds = []
    for seed in range(1 if small else SEEDS):

        def one(seed: int = seed) -> None:
            for specimen, mode, dtype, oracle, order in looks(seed, specimens):
                found = look(seed, specimen, mode, dtype, oracle, order)
                if isinstance(found, str):
                    accused.append(found)
                elif found is not None:
                    for used in found.oracles:
                        seen.setdefault(used.partition(" (")[0], GradientReport()).add(found)
                        break

        seconds.append(stopwatch(one)[1])
        print(f"seed {seed}: {seconds[-1]:.0f} s, {len(accused)} accused so far", flush=True)
    return record_of("false_accusations", small) | {
        "ops": len(SPECIMENS),
        "specimens": len(specimens),
        "seeds": len(seconds),
        "seconds": sum(seconds),
        "accused": accused,
        "oracles": {
            name: {
                "points": report.points,
                "compared": report.compared,
                "kinks": report.kinks,
                "undefined": report.undefined,
                "worst": report.worst,
            }
            for name, report in seen.items()
        },
    }


def draw(record: Record) -> Figure:
    """Elements of Jacobians compared, by oracle, and what was left out of them."""
    picture, axes = figure(1, width=7)
    panel = axes[0, 0]
    names = list(record["oracles"])
    for place, name in enumerate(names):
        found = record["oracles"][name]
        panel.barh(place, found["compared"], color=f"C{place}")
        left = found["kinks"] + found["undefined"]
        panel.text(
            found["compared"], place, f"  {found['compared']:,}; {left} left out; worst {found['worst']:.1g}",
            va="center", fontsize=8,
        )  # fmt: skip
    panel.set_yticks(range(len(names)), names)
    panel.set_xlim(0, 1.8 * max((found["compared"] for found in record["oracles"].values()), default=1))
    panel.set_xlabel("elements of Jacobians compared")
    panel.set_title(
        f"{len(record['accused'])} of {record['specimens']} right derivatives accused over {record['seeds']} seeds\n"
        f"{caption(record)}",
        fontsize=8,
    )
    return picture


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(__doc__, "false_accusations", arguments)
    record = measure(chosen.small)
    for text in record["accused"]:
        print(text)
    print(save(record, draw(record), chosen.output))
    return 1 if record["accused"] else 0


if __name__ == "__main__":
    sys.exit(main())
