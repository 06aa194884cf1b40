"""Every instance of every launch computes what the interpreter does: wide and single accesses, rows held in registers,
in shared memory or not at all, reductions in one piece and in parts. All sizes about which a choice changes, too."""

from bisect import bisect
from functools import cache, partial

import cuda_corpus as corpus
import cuda_fault_programs as fault_programs
import numpy as np
import pytest
from cuda_corpus import matrix
from cuda_instances import OF_MAPS, CountingDriver, Daring, Forced
from cuda_support import Case, normal
from test_cuda_ops import operands_of

import graphopt.tensor as T
from graphopt.errors import DeviceFailed
from graphopt.runtime import device
from graphopt.runtime.device import DeviceProgram
from graphopt.schedule.instance import Aligned, AtMost
from graphopt.schedule.kernel_launch import Launch
from graphopt.schedule.launch import launches
from graphopt.schedule.launch_reductions import SHARED
from graphopt.types import DTYPES

ORDERS = [(seed, guard) for seed in (0, 1, 2, 3) for guard in ("end", "start")]
OTHERS = [(1, "end", 1), (2, "start", 132), (3, "end", 2, None), (1, "start", 132, None)]
"""Other numbers of multiprocessors, and no buffer aligned to more than its elements."""
DRIVERS = [*ORDERS, *OTHERS]

WIDTHS = (1, 4, 31, 33, 127, 128, 129, 132, 512, 513, 516, 1000, 1024, 1025, 4097)
"""Ragged ones, multiples of what an access takes, and the neighbours of each limit of an instance."""


def of_shape(*shapes, **dtypes):
    """Arrays for inputs of one shape each."""
    return [{name: normal(shape, dtype) for name, dtype in dtypes.items()} for shape in shapes]


def chains(shape):
    n, m = shape
    numbers = {"s": np.float32(2), "double": np.float32(-3), "threadIdx": np.float32(0.5)}
    return {"self": normal(shape), "b": normal((m,)), "p": normal((n,)), **numbers}


def chosen(shape, shift=0.0):
    return {"x": normal(shape) + np.float32(shift), "v": normal(shape[:1]) + np.float32(shift)}


def products(n, k, m, g):
    arrays = {"a": normal((n, k)), "b": normal((k, m)), "p": normal((g, n, k))}
    return arrays | {"i": np.random.default_rng(0).integers(-1000, 1000, (n, k)).astype(np.int32)}


def integers(shape):
    rng = np.random.default_rng(1)
    arrays = {"bool": rng.random(shape) < 0.999}
    for dtype in corpus.INTEGERS:
        info = np.iinfo(dtype)
        arrays[dtype] = rng.integers(info.min, info.max, shape, dtype, endpoint=True) | np.array(1, dtype)
    return arrays


BODIES = {"map", "tiled", "registers", "shared", "passing", "online", "parts", "join", "columns", "ordered", "product",
          "small_product", "product_join"}  # fmt: skip
"""All forms of text that the templates have."""

ROWS = [(3, width) for width in WIDTHS]
TOTALS = [*((1, width) for width in WIDTHS), (4, 1023), (5, 820), (1, 4099), (37, 1201)]
ROW_AXES = [(2, 3, 5), (1, 1, 33), (2, 4, 32), (2, 3, 43), (3, 4, 128), (2, 1, 513), (3, 0, 2), (0, 2, 2), (1, 4, 4100),
            (1, 1, 4097), (2, 3, 1000), (1, 4, 10244), (2, 2, 64)]  # fmt: skip
MOVED = [(1, 1, 1), (2, 3, 4), (3, 1, 33), (0, 2, 3), (4, 4, 4), (1, 130, 32), (130, 3, 1), (33, 2, 65)]
CHOSEN = [((3, 33), 0), ((0, 3), 0), ((4, 128), 0), ((300, 3), 0), ((1, 4097), 0), ((4100, 2), 0), ((4100, 2), -9),
          ((2, 4100), 9), ((1, 4097), 9), ((3, 1028), 9), ((8, 8), 9)]  # fmt: skip
CHOSEN_PRODUCT = [((3, 33), 0), ((8, 4), 0), ((4100, 4), 0), ((4097, 2), 0), ((1028, 1), 0), ((40, 5), -9)]
PRODUCTS = [(1, 1, 1, 1), (3, 31, 5, 2), (17, 33, 16, 3), (4, 16, 8, 1), (2, 0, 3, 1), (0, 4, 3, 2)]
VECTORS = [(3, 31, 5), (2, 0, 3), (4, 16, 8), (1, 2, 1028), (1, 3, 4097), (1, 1, 4100), (1, 1028, 1), (2, 1027, 1),
           (2, 4100, 2), (1, 4097, 2), (8, 8, 8)]  # fmt: skip
PROGRAMS = {
    "chains": (corpus.chains, [chains(shape) for shape in [*ROWS, (0, 3), (3, 0), (5, 1), (1000, 3)]]),
    "chosen": (corpus.chosen, [chosen(*sizes) for sizes in CHOSEN]),
    "chosen product": (corpus.chosen_product, [chosen(*sizes) for sizes in CHOSEN_PRODUCT]),
    "rows": (corpus.rows, of_shape(*ROWS, (0, 4), (17, 40), (2, 8196), (1, 13656), x="float32")),
    "rows of doubles": (
        partial(corpus.rows, "float64"),
        of_shape(*ROWS, (0, 4), (2, 8196), (1, 6832), x="float64"),
    ),
    "row axes": (corpus.row_axes, [{"x": normal(shape), "bias": normal(shape[-1:])} for shape in ROW_AXES]),
    "columns": (corpus.columns, of_shape(*ROWS, *((w, 3) for w in WIDTHS), (3, 0), (5, 33), (128, 40), x="float32")),
    "column axes": (
        corpus.column_axes,
        of_shape((2, 3, 5), (3, 33, 40), (33, 2, 3), (2, 0, 3), (2, 129, 33), (0, 3, 2), x="float32"),
    ),
    "totals": (corpus.totals, [{"x": normal(shape), "s": np.float32(0.25)} for shape in TOTALS]),
    "reductions": (
        corpus.reductions,
        [integers(shape) for shape in [(1, 1), (3, 33), (4, 132), (2, 1028), (130, 36), (2, 4099), (2, 4096)]],
    ),
    "extremes": (corpus.extremes, of_shape(*ROWS, (130, 33), (2, 8200), (1, 4100), x="float32")),
    "moved": (corpus.moved, of_shape(*MOVED, x="float32")),
    "stacked": (
        corpus.stacked,
        [{"a": normal((n,), "float64"), "b": normal((n,), "float64", 1)} for n in (0, *WIDTHS)],
    ),
    "products": (corpus.products, [products(*sizes) for sizes in PRODUCTS]),
    "vectors": (
        corpus.products_with_vectors,
        [{"a": normal((n, k)), "b": normal((k, m))} for n, k, m in VECTORS],
    ),
    "beside maxima": (
        lambda: fault_programs.beside_maximum()[0],
        [*fault_programs.beside_maximum()[1], *of_shape((2, 4097), (3, 1028), (3, 64), x="float32")],
    ),
    "log softmax": (
        corpus.log_softmax,
        [{"x": normal(s), "w": normal(s, seed=1)} for s in [*ROWS, (2, 8196), (1, 13656), (33, 5)]],
    ),
}


LENGTHY = ("reductions", "rows of doubles", "extremes")
"""Those whose kernels `test_cuda` runs anyway, in the instances that calls take."""


@pytest.mark.parametrize("program", [pytest.param(p, marks=pytest.mark.long) if p in LENGTHY else p for p in PROGRAMS])
def test_every_instance_of_every_launch_agrees_and_none_is_left_out(program, monkeypatch):
    make, inputs = PROGRAMS[program]
    forced = Forced(make(), monkeypatch)
    for number, arrays in enumerate(inputs):
        forced.check(arrays, _from(number))
    assert forced.never_launched() == []


def test_these_programs_have_every_body():
    found = {
        instance.body
        for make, _ in PROGRAMS.values()
        for launch in launches(make().program)
        if isinstance(launch, Launch)
        for instance in launch.instances
    }
    assert found == BODIES


@pytest.mark.long
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_instance_of_every_launch_agrees_with_every_driver(program, monkeypatch):
    make, inputs = PROGRAMS[program]
    forced = Forced(make(), monkeypatch)
    for arrays in inputs:
        forced.check(arrays, DRIVERS, every=True)


@pytest.mark.long
def test_every_elementwise_op_gives_the_same_bits_in_every_instance(monkeypatch):
    forced = Forced(corpus.every_op(), monkeypatch)
    arrays = {}
    for dtype in DTYPES:
        for letter, array in zip("abc", operands_of(dtype, 301), strict=True):
            arrays[f"{letter}_{dtype}"] = array
    first = forced.run(arrays)
    while forced.taking.turn < forced.taking.most - 1:
        forced.taking.turn += 1
        again = forced.run(arrays, DRIVERS[forced.taking.turn])
        assert [name for name, value in first.items() if value.tobytes() != again[name].tobytes()] == []
    assert forced.never_launched() == []


def _from(number):
    """The drivers, another one first for each number."""
    first = number * 5 % len(DRIVERS)
    return DRIVERS[first:] + DRIVERS[:first]


# --- what calls take by themselves -----------------------------------------------------------------------------------


def test_a_row_is_held_where_there_is_room_and_loaded_again_where_there_is_none():
    """The longest row of each instance; and of those that have no longest one, a row that no other has room for."""
    case = _exponentials()
    (launch,) = case.source.launches
    widths = {0: launch.instances[0], SHARED // 4 + 1: launch.instances[-1], SHARED // 4 + 4: launch.instances[-2]}
    for instance in launch.instances[:-2]:
        limits = [c for c in instance.conditions if isinstance(c, AtMost)]
        step = instance.constants[-1]  # an odd row cannot be taken in wide accesses
        few = range(4 - step, 2**17, 4)
        widths[few[bisect(few, False, key=lambda m, of=limits: not all(c.holds({"m": m}, {}) for c in of)) - 1]] = (
            instance
        )
    assert len(widths) == len(launch.instances) + 1
    for number, (width, instance) in enumerate(widths.items()):
        driver = CountingDriver(number % 4)
        x = normal((2, width))
        program = DeviceProgram(case.program, driver, case.options)
        (found,) = program.run({"x": x}, {"n": 2, "m": width}).values()
        expected = np.exp(x.astype(np.float64))
        np.testing.assert_allclose(found, expected / (1 + expected.sum(axis=1, keepdims=True)), rtol=1e-5)
        assert dict(driver.launched) == {instance.name: 1}, width


@cache
def _exponentials():
    """Rows that are gone through twice: one value of each element is held."""
    x = matrix()
    return Case([x], T.exp(x) / (1 + T.sum(T.exp(x), axis=1, keepdims=True)))


# --- each condition is needed ----------------------------------------------------------------------------------------

NEEDED = {
    "chains": chains((4, 8)),
    "chosen": chosen((4, 8), 9.0),
    "rows": {"x": normal((3, 8))},
    "row axes": {"x": normal((2, 3, 4)), "bias": normal((4,))},
    "totals": {"x": normal((3, 8)), "s": np.float32(2)},
    "extremes": {"x": normal((3, 8))},
    "moved": {"x": normal((4, 4, 4))},
    "stacked": {"a": normal((8,), "float64"), "b": normal((8,), "float64", 1)},
    "products": products(4, 8, 4, 2),
}


@pytest.mark.parametrize("program", NEEDED)
def test_a_buffer_that_is_not_aligned_stops_every_wide_instance_that_demands_it(program, monkeypatch):
    """Each condition `Aligned`, one at a time: disregarded for a buffer that lies askew, it traps."""
    forced = Forced(PROGRAMS[program][0](), monkeypatch)
    tried = 0
    for launch in forced.launches():
        for instance in launch.instances:
            for condition in instance.conditions:
                if isinstance(condition, Aligned) and instance.body != "parts":
                    monkeypatch.setattr(device, "choose", Daring(instance.name, condition))
                    with pytest.raises(DeviceFailed, match="not aligned to its type"):
                        for forced.taking.turn in range(
                            OF_MAPS + 2
                        ):  # where products are, what follows has several launches
                            forced.run(NEEDED[program], (0, "end", 2, (condition.buffer,)))
                    tried += 1
    assert tried > 1
