"""Batches of several axes, wherever they lie, become few even stacks of matrices for a driver."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphopt.runtime.driver import Buffer
from graphopt.runtime.emulation import EmulatedDriver
from graphopt.runtime.products import multiplications
from graphopt.schedule.steps import Matrix, MatrixProduct


@st.composite
def batched_products(draw):
    """A product of known sizes whose operands are stacks with permuted axes, some of them repeated; and its arrays."""
    batch = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    rows, columns, depth = (draw(st.integers(1, 4)) for _ in range(3))
    rng = np.random.default_rng(draw(st.integers(0, 9)))

    def operand(name, shape):
        whole = tuple(1 if draw(st.booleans()) else extent for extent in batch)
        order = draw(st.permutations(range(len(batch))))
        stored = rng.integers(-9, 9, (*(whole[k] for k in order), *shape)).astype("float64")
        view = stored.transpose((*np.argsort(order), -2, -1)) if order else stored
        strides = tuple(0 if whole[k] != batch[k] else view.strides[k] // 8 for k in range(len(batch)))
        return stored, np.broadcast_to(view, (*batch, *shape)), Matrix(name, 0, shape[1], False, strides)

    left, left_view, left_matrix = operand("left", (rows, depth))
    right, right_view, right_matrix = operand("right", (depth, columns))
    step = MatrixProduct("step", "float64", "result", left_matrix, right_matrix, batch, rows, columns, depth)
    return step, {"left": left, "right": right}, left_view @ right_view


@pytest.fixture(scope="module")
def driver():
    return EmulatedDriver(1)


@settings(max_examples=60, deadline=None)
@given(drawn=batched_products())
def test_all_matrices_of_a_batch_are_multiplied(driver, drawn):
    step, arrays, expected = drawn
    buffers = {name: driver.allocate(array.nbytes, name) for name, array in arrays.items()}
    buffers["result"] = driver.allocate(expected.nbytes, "result")
    for name, array in arrays.items():
        driver.copy_in(buffers[name], array)
    for todo in multiplications(step, buffers, {}):
        driver.multiply(todo)
    found = np.empty(expected.shape)
    driver.copy_out(buffers["result"], found)
    for buffer in buffers.values():
        driver.free(buffer)
    np.testing.assert_array_equal(found, expected)


def stacks(batch, left, right):
    step = MatrixProduct(
        "s", "float64", "r", Matrix("l", 0, 5, False, left), Matrix("r", 0, 6, False, right), batch, 4, 6, 5
    )
    buffers = {name: Buffer(0, 0, name) for name in "lr"}
    return [todo.batch for todo in multiplications(step, buffers, {})]


def test_axes_that_all_run_through_as_one_are_one_stack_and_else_the_longest_is():
    assert stacks((2, 3), (60, 20), (90, 30)) == [6]
    assert stacks((2, 3), (60, 20), (0, 0)) == [6]
    assert stacks((2, 3), (60, 20), (0, 30)) == [3, 3]
    assert stacks((7, 3), (60, 20), (0, 30)) == [7, 7, 7]
    assert stacks((2, 1), (60, 20), (0, 30)) == [2]
    assert stacks((), (), ()) == [1] == stacks((1, 1), (0, 0), (0, 0))
    assert stacks((0, 3), (60, 20), (0, 30)) == []
