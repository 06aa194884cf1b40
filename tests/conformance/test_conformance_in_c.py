"""Every public function has NumPy's values, dtypes and shapes in C.

Programs are drawn once, with a fixed seed, and compiled together: hundreds of outputs over inputs that they share. What
Hypothesis draws is the calls: sizes, values, and how arrays lie in memory.
"""

from functools import cache
from random import Random

import numpy as np
import pytest
from conformance_programs import SIZES, Program
from conformance_rows import ROWS
from conformance_values import LAYOUTS, disagreement, laid_out, values
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
from graphopt.errors import GraphoptError
from graphopt.variable import Variable

PROGRAMS = 5
"""Drawn for each function."""

LEAST = sorted({row.least for row in ROWS})


class Batch:
    """Programs in one compiled function, and where the operands and results of each are."""

    def __init__(self, least: int, number: int) -> None:
        self.inputs: dict[tuple, Variable] = {}
        self.programs: list[tuple[Program, list[tuple], slice]] = []
        outputs: list[Variable] = []
        for row in ROWS:
            if row.least != least:
                continue
            random = Random(f"{row.name} {number}")
            for program in {str(p): p for p in (row.draw(random) for _ in range(PROGRAMS))}.values():
                keys = [(*type, k, row.domain(k)) for k, type in enumerate(program.types)]
                try:
                    results = program.ours(*[self._input(*key) for key in keys])
                except GraphoptError:  # which test_conformance.py says when
                    continue
                self.programs.append((program, keys, slice(len(outputs), len(outputs) + len(results))))
                outputs += results
        self.function = go.function(list(self.inputs.values()), outputs, on_unused_input="ignore")

    def _input(self, dtype, shape, position, domain):
        key = (dtype, shape, position, domain)
        if key not in self.inputs:
            sizes = ", ".join(getattr(size, "name", str(size)) for size in shape)
            self.inputs[key] = go.variable(f"x{len(self.inputs)}", f"{dtype}[{sizes}]")
        return self.inputs[key]


batch = cache(Batch)


def held(least, seed, number=0):
    """Call a batch with values drawn from a seed, and compare."""
    random, compiled = Random(seed), batch(least, number)
    sizes = {name: random.choice([size for size in (*SIZES, 17) if size >= least]) for name in "nmk"}
    arrays = {
        key: values(random, dtype, tuple(sizes.get(getattr(s, "name", ""), s) for s in shape), domain)
        for key in compiled.inputs
        for dtype, shape, _, domain in [key]
    }
    lying = {key: laid_out(array, random.choice(LAYOUTS)) for key, array in arrays.items()}
    results = compiled.function(*lying.values())
    wrong = []
    for program, keys, place in compiled.programs:
        operands, called = [arrays[key] for key in keys], program.at(sizes)
        try:
            expected = called.numpys(*operands)
        except (TypeError, ValueError):  # what NumPy takes no such values for
            continue
        magnitudes = called.allowed(expected, operands)
        for found, wanted, magnitude in zip(results[place], expected, magnitudes, strict=True):
            if text := disagreement(found, wanted, program.row.ulps, magnitude, program.row.zeros):
                wrong.append(f"{program} with {sizes} of {operands}: {text}")
    for key, array in arrays.items():
        np.testing.assert_array_equal(lying[key], array)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("least", LEAST)
@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1))
def test_functions_are_numpys_in_c(least, seed):
    held(least, seed)


@pytest.mark.long
@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("least", LEAST)
@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_functions_are_numpys_in_c_at_length(least, number, seed):
    held(least, seed, number)
