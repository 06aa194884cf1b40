"""Shared by the tests of programs: their arguments at given sizes, and all of them compiled as one function.

One function means one translation unit for each target and dtype. Dimensions carry the name of their program, so that
programs stay apart and sizes are found at the call.
"""

import functools
import warnings

import numpy as np
from programs import SHAPES, arc_distance, correlation

import graphopt as go

TARGETS = ("numpy", "c", "cuda-emulated")
SIZES = (
    {"batch": 2, "heads": 1, "rows": 3, "columns": 5, "n": 6, "m": 4, "i": 3, "j": 5, "k": 4, "classes": 3, "r": 2,
     "q": 3, "s": 4, "p": 5},
    {"batch": 1, "heads": 3, "rows": 2, "columns": 4, "n": 3, "m": 7, "i": 1, "j": 2, "k": 6, "classes": 1, "r": 4,
     "q": 1, "s": 5, "p": 2},
)  # fmt: skip


def arguments(program, sizes, dtype="float64", seed=0):
    """Arrays for a program, by name."""
    generator = np.random.default_rng(seed)
    found = {}
    for name, dimensions in SHAPES[program].items():
        shape = tuple(sizes[dimension] for dimension in dimensions.split())
        found[name] = np.asarray(generator.normal(size=shape), dtype=dtype)
        if program is arc_distance:
            found[name] = np.asarray(generator.uniform(-1, 1, shape), dtype=dtype)
    if program is correlation and found["data"].size:
        found["data"][:, 0] *= 0.01  # a column that is not scaled
    return found


def variables(program, dtype="float64"):
    """Variables for a program, by name."""
    found = {}
    for name, dimensions in SHAPES[program].items():
        sizes = ", ".join(f"{program.__name__}_{dimension}" for dimension in dimensions.split())
        found[name] = go.variable(f"{program.__name__}_{name}", f"{dtype}[{sizes}]" if sizes else dtype)
    return found


def called(program, given):
    """What a program makes of arguments, as a list."""
    result = program(*given.values())
    return list(result) if isinstance(result, tuple) else [result]


def cost(program, given):
    """A scalar in which every element of every result counts differently; a program in NumPy's manner as well."""
    return sum(np.sum(np.sin(result)) for result in called(program, given))


@functools.cache
def compiled(target, dtype="float64"):
    """A function of the variables of all programs; it gives the results of each, by the program's name."""
    given = {program: variables(program, dtype) for program in SHAPES}
    outputs = {program.__name__: called(program, given[program]) for program in SHAPES}
    return go.function([x for found in given.values() for x in found.values()], outputs, target=target)


@functools.cache
def compiled_gradients(target):
    """The same for the gradients of `cost` in all arguments."""
    given = {program: variables(program) for program in SHAPES}
    outputs = {
        program.__name__: dict(zip(found, go.grad(cost(program, found), list(found.values())), strict=True))
        for program, found in given.items()
    }
    return go.function([x for found in given.values() for x in found.values()], outputs, target=target)


def run(function, given):
    """A function of all programs, called with arguments by program and name."""
    return function(*[value for found in given.values() for value in found.values()])


def quietly(program, given):
    """`called`, without NumPy's warnings about means of nothing."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        return called(program, given)
