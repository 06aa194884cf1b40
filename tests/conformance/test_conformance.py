"""Every public function has NumPy's values, dtypes and shapes in the interpreter."""

import pytest
from conformance_programs import SIZES
from conformance_table import ROWS, WITHOUT, public_names
from conformance_values import LAYOUTS, disagreement, laid_out, values
from hypothesis import given, settings
from hypothesis import strategies as st

from graphopt.errors import GraphoptError
from graphopt.graph import Graph
from graphopt.interpret import interpret


def test_every_public_function_is_held_against_something():
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert public_names() == {*names, *WITHOUT}


def held(row, random):
    """Draw a program and a call, and compare; what NumPy refuses is refused."""
    program = row.draw(random)
    sizes = {name: random.choice([size for size in SIZES if size >= row.least]) for name in "nmk"}
    called = program.at(sizes)
    arrays = [values(random, *type, row.domain(k)) for k, type in enumerate(called.types)]
    written = program if random.random() < 0.5 else called
    layouts = [random.choice(LAYOUTS) for _ in arrays]

    def found():
        inputs = written.variables()
        graph = Graph.from_outputs(inputs, written.ours(*inputs))
        graph.verify()
        given = [laid_out(array, layout) for array, layout in zip(arrays, layouts, strict=True)]
        return list(interpret(graph, {f"x{k}": array for k, array in enumerate(given)}).values())

    try:
        expected = called.numpys(*arrays)
    except (TypeError, ValueError) as error:
        with pytest.raises(GraphoptError):
            pytest.fail(f"{program} is {found()}; NumPy: {error}")
        return
    results = found()
    assert len(results) == len(expected)
    for result, wanted, magnitude in zip(results, expected, called.allowed(expected, arrays), strict=True):
        wrong = disagreement(result, wanted, row.ulps, magnitude, row.zeros)
        assert not wrong, f"{program} with {sizes} of {arrays}: {wrong}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@settings(max_examples=12)
@given(st.randoms(use_true_random=False))
def test_a_function_is_numpys_in_the_interpreter(row, random):
    held(row, random)


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@settings(max_examples=500)
@given(st.randoms(use_true_random=False))
def test_a_function_is_numpys_in_the_interpreter_at_length(row, random):
    held(row, random)
