"""The same program runs on arrays and on variables: NumPy's values, its errors, and the gradients it implies."""

import inspect

import numpy as np
import programs
import pytest
from program_support import (
    SIZES,
    TARGETS,
    arguments,
    called,
    compiled,
    compiled_gradients,
    cost,
    quietly,
    run,
    variables,
)
from programs import SHAPES, mlp, softmax

import graphopt as go
from graphopt.errors import ShapeMismatch

NAMES = [program.__name__ for program in SHAPES]
STEP = 1e-6


def test_the_programs_know_of_nothing_but_numpy():
    text = inspect.getsource(programs)
    assert [line for line in text.splitlines() if "import" in line.split()] == ["import numpy as np"]
    assert "graphopt" not in text and len(NAMES) == 10
    for program, shapes in SHAPES.items():
        assert list(inspect.signature(program).parameters) == list(shapes)


def held_against_numpy(results, given, tolerance):
    for program, found in given.items():
        for result, wanted in zip(results[program.__name__], quietly(program, found), strict=True):
            assert result.dtype == wanted.dtype and result.shape == wanted.shape, program.__name__
            np.testing.assert_allclose(result, wanted, tolerance, tolerance, err_msg=program.__name__)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
def test_values_are_numpys_and_one_compilation_serves_all_sizes(target, dtype, tolerance):
    function = compiled(target, dtype)
    for seed, sizes in enumerate(SIZES):
        given = {program: arguments(program, sizes, dtype, seed) for program in SHAPES}
        held_against_numpy(run(function, given), given, tolerance)


@pytest.mark.parametrize(("program", "passes"), [("atax", 1), ("bicg", 1), ("gesummv", 2), ("gemver", 3)])
def test_what_multiplies_by_vectors_moves_its_matrices_as_rarely_as_it_can(program, passes):
    function = vars(programs)[program]
    inputs = [go.variable(name, f"float64[{', '.join(shape.split())}]") for name, shape in SHAPES[function].items()]
    moved = sum(kernel.bytes for kernel in go.lower(inputs, function(*inputs)).kernels)
    bytes_of_matrices = go.dimensions.evaluate(moved, dict.fromkeys("mn", 10**6)) // 10**12
    assert bytes_of_matrices == passes * 8


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("place", range(4))
def test_a_dimension_of_length_0_gives_what_numpy_gives(target, place):
    given = {}
    for program, shapes in SHAPES.items():
        names = list(dict.fromkeys(" ".join(shapes.values()).split()))
        empty = {names[place % len(names)]} - {"columns"}  # of no columns there is no largest
        given[program] = arguments(program, SIZES[0] | dict.fromkeys(empty, 0))
    held_against_numpy(run(compiled(target), given), given, 1e-12)


@pytest.mark.parametrize(("program", "dimension"), [(softmax, "columns"), (mlp, "classes")])
def test_where_numpy_has_no_largest_element_the_call_says_so(program, dimension):
    given = arguments(program, SIZES[0] | {dimension: 0})
    with pytest.raises(ValueError, match="zero-size"):
        called(program, given)
    found = variables(program)
    function = go.function(list(found.values()), called(program, found), target="numpy")
    with pytest.raises(ShapeMismatch, match=dimension):
        function(*given.values())


def difference_quotients(program, given, name):
    """The gradient of the cost in one argument by central differences of the program itself, run by NumPy."""
    slopes = np.empty(given[name].shape)
    for index in np.ndindex(slopes.shape):
        ends = []
        for side in (STEP, -STEP):
            moved = given[name].copy()
            moved[index] += side
            ends.append(cost(program, {**given, name: moved}))
        slopes[index] = (ends[0] - ends[1]) / (2 * STEP)
    return slopes


@pytest.mark.parametrize("target", TARGETS)
def test_gradients_are_those_of_the_program_that_numpy_runs(target):
    given = {program: arguments(program, SIZES[0], seed=2) for program in SHAPES}
    results = run(compiled_gradients(target), given)
    for program, found in given.items():
        for name, value in found.items():
            gradient = results[program.__name__][name]
            assert gradient.shape == value.shape and gradient.dtype == value.dtype
            wanted = difference_quotients(program, found, name)
            assert np.abs(wanted).max() > 1e-3, (program.__name__, name)
            np.testing.assert_allclose(gradient, wanted, 1e-6, 1e-7, err_msg=f"{program.__name__}, {name}")
