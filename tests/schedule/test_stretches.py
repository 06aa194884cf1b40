"""Stretches of a body: what waits for what, and that values get from one stretch to the next."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.schedule.segments import LIMIT
from graphopt.schedule.statements import Compute, Index, Load, Local, Store, used
from graphopt.schedule.stretches import stretch_slots, stretches

SINE, SUM, LESS = "sin", "add", "less"
ARGUMENT = go.variable("x", "float64")
OPS = {
    SINE: T.sin(ARGUMENT).op,
    SUM: (ARGUMENT + ARGUMENT).op,
    LESS: (ARGUMENT < ARGUMENT).op,
}
MEANING = {SINE: math.sin, SUM: lambda a, b: a + b, LESS: lambda a, b: a < b}


def compute(name, op, *operands):
    dtype = "bool" if op == LESS else "float64"
    return Compute(name, dtype, OPS[op], tuple(Local(o) for o in operands), ("float64",) * len(operands), {}, 0)


def load(name):
    return Load(name, "float64", "in", Index(0))


def store(name, buffer="out"):
    return Store(buffer, Index(0), Local(name), "float64")


@st.composite
def bodies(draw):
    """Bodies of two loads, some computations and some stores; `outside` is a value from before the loop."""
    body = [load("x"), load("y")]
    names = ["x", "y", "outside"]
    for k in range(draw(st.integers(1, 20))):
        op = draw(st.sampled_from([SINE, SINE, SUM, LESS]))
        count = 1 if op == SINE else 2
        body.append(compute(f"v{k}", op, *(draw(st.sampled_from(names)) for _ in range(count))))
        names.append(f"v{k}")
        if draw(st.integers(0, 3)) == 0:
            body.append(store(names[-1], f"out{k}"))
    return [*body, store(names[-1])]


def run(statements, known, memory):
    for s in statements:
        match s:
            case Load():
                known[s.target] = {"x": 0.3, "y": -0.8}[s.target]
            case Compute():
                known[s.target] = MEANING[s.op.name](*(known[o.name] for o in s.operands))
            case Store():
                memory[s.buffer] = known[s.value.name]


@given(bodies())
def test_stretches_compute_what_the_body_does_with_nothing_but_slots_between_them(body):
    expected, memory, slots = {}, {}, {}
    run(body, {"outside": 0.5}, expected)
    parts = stretches(body)
    for part in parts:
        known = {"outside": 0.5} | {slot.name: slots[slot.dtype, slot.number] for slot in part.takes}
        run(part.statements, known, memory)
        slots |= {(slot.dtype, slot.number): known[slot.name] for slot in part.leaves}
    assert memory == expected
    assert all(number < stretch_slots(parts)[dtype] for dtype, number in slots)


@given(bodies())
def test_in_no_stretch_does_a_function_need_another(body):
    for part in stretches(body):
        needs: dict[str, bool] = {}
        for s in part.statements:
            behind = any(needs.get(name, False) for name in used(s))
            if isinstance(s, Compute):
                assert not (behind and s.op is OPS[SINE])
                needs[s.target] = behind or s.op is OPS[SINE]


@given(bodies())
def test_arrays_are_written_in_the_last_stretch_alone(body):
    *others, last = stretches(body)
    assert not any(isinstance(s, Store) for part in others for s in part.statements)
    assert sum(isinstance(s, Store) for s in last.statements) == sum(isinstance(s, Store) for s in body)


def test_functions_beside_one_another_stay_in_one_loop():
    body = [load("x"), compute("a", SINE, "x"), compute("b", SINE, "x"), compute("c", SUM, "a", "b"), store("c")]
    (whole,) = stretches(body)
    assert list(whole.statements) == body


def test_a_function_of_a_function_begins_a_stretch():
    body = [load("x"), compute("a", SINE, "x"), compute("b", SINE, "a"), store("b")]
    first, second = stretches(body)
    assert [slot.name for slot in first.leaves] == [slot.name for slot in second.takes] == ["a"]


def test_what_a_compiler_would_take_long_for_is_left_to_segments():
    body = [load("x"), compute("v0", SINE, "x")]
    body += [compute(f"v{k}", SINE, f"v{k - 1}") for k in range(1, LIMIT)]
    assert len(stretches(body)) == 1


def test_chains_of_functions_agree_with_the_interpreter_for_every_length():
    x, y = go.variable("x", "float64[n]"), go.variable("y", "float32[n]")
    inside = T.where(T.exp(-x) > 0.5, T.sin(x), T.tanh(y))
    outputs = [T.log1p(T.square(inside)) + x, T.exp(inside) * y, T.sqrt(T.exp(y))]
    compiled, interpreted = (go.function([x, y], outputs, target=target) for target in ("c", "numpy"))
    random = np.random.default_rng(4)
    for size in (0, 1, 7, 127, 128, 129, 1000):
        arrays = random.uniform(-2, 2, size), random.uniform(-2, 2, size).astype(np.float32)
        for found, expected in zip(compiled(*arrays), interpreted(*arrays), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert "held_float64" in compiled.source
