"""Every public function has NumPy's values, dtypes and shapes in C.

Programs are drawn once, with a fixed seed, and compiled together: hundreds of outputs over inputs that they share. What
Hypothesis draws is the calls: sizes, values, and how arrays lie in memory.
"""

import itertools
from functools import cache
from random import Random

import numpy as np
import pytest
from conformance_programs import SIZES, Program, Row, variable_of
from conformance_table import ROWS
from conformance_values import LAYOUTS, disagreement, laid_out, values
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
from graphopt.dimensions import evaluate
from graphopt.errors import GraphoptError
from graphopt.graph import Graph
from graphopt.variable import Variable

PROGRAMS = 3
"""Drawn for each function."""

LEAST = sorted({row.least for row in ROWS})


def takes_every_size(program: Program) -> bool:
    """Whether a program can be built, and sizes may be any: what is refused is seen in test_conformance.py."""
    inputs = program.variables()
    try:
        graph = Graph.from_outputs(inputs, program.ours(*inputs))
    except GraphoptError:
        return False
    if any(graph.type(node) != x.type for x, node in zip(inputs, graph.inputs.values(), strict=True)):
        return False  # two sizes were found to be one
    choices = [range(program.row.least, 6)] * 3
    return all(
        evaluate(a, dict(zip("nmk", sizes, strict=True))) == evaluate(b, dict(zip("nmk", sizes, strict=True)))
        for a, b in graph.guards
        for sizes in itertools.product(*choices)
    )


def drawn(row: Row, number: int) -> list[Program]:
    """Programs of a function, no two alike; other ones for every number."""
    random = Random(f"{row.name} {number}")
    programs = {str(program): program for program in (row.draw(random) for _ in range(PROGRAMS))}
    return [program for program in programs.values() if takes_every_size(program)]


def test_every_function_is_compiled():
    assert [row.name for row in ROWS if not drawn(row, 0)] == []


class Batch:
    """Programs in one compiled function, and where the operands and results of each are."""

    def __init__(self, least: int, number: int) -> None:
        self.inputs: dict[tuple, Variable] = {}
        self.programs: list[tuple[Program, list[tuple], slice]] = []
        outputs: list[Variable] = []
        for program in [program for row in ROWS if row.least == least for program in drawn(row, number)]:
            keys = [(*type, k, program.row.domain(k)) for k, type in enumerate(program.types)]
            results = program.ours(*[self._input(*key) for key in keys])
            self.programs.append((program, keys, slice(len(outputs), len(outputs) + len(results))))
            outputs += results
        self.function = go.function(list(self.inputs.values()), outputs, on_unused_input="ignore")

    def _input(self, dtype, shape, position, domain):
        key = (dtype, shape, position, domain)
        if key not in self.inputs:
            self.inputs[key] = variable_of(f"x{len(self.inputs)}", dtype, shape)
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
