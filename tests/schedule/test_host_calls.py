"""Host calls: a program that waits for NumPy where an op has no text, in C and in CUDA."""

import functools
import threading
import weakref

import numpy as np
import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import ShapeMismatch
from graphopt.op import Op
from graphopt.ops.signatures import elementwise_rule, ufunc_signature
from graphopt.runtime.emulation import EmulatedDriver
from graphopt.schedule.steps import HostCall, Kernel

TARGETS = ("numpy", "c", "cuda-emulated")
COMPILED = ("c", "cuda-emulated")
HOST = frozenset({"host"})


def same_type(types, attributes, unify):
    return types[0]


def refuse(x):
    if np.any(x < 0):
        raise ValueError("a negative element")
    return x


rolled = Op("rolled", 1, same_type, lambda x, by: np.roll(x, by, axis=-1), traits=HOST, cost=3)
refusing = Op("refusing", 1, same_type, refuse, traits=HOST)
signs = Op(
    "signs", 2, elementwise_rule(ufunc_signature(np.copysign)), np.copysign, traits=HOST | {"elementwise"}, cost=2
)

n, m = go.dim("n"), go.dim("m")
x, y = go.variable("x", "float64[n, m]"), go.variable("y", "float64[m]")
one = rolled(x, by=n)
PROGRAMS = [
    rolled(x, by=1),  # from an input to an output
    T.exp(rolled(2 * x, by=2)) + 1,  # computed, and computed further
    rolled(T.transpose(x), by=1),  # a view that is copied first
    rolled(T.reshape(x, (n * m,)), by=m),  # a view that is read in place; a dimension in an attribute
    rolled(T.broadcast_to(y, (n, m)), by=1),
    rolled(T.constant(np.arange(3.0)), by=1),  # an array of the program's
    rolled(T.constant(2.0, dtype="float64") * T.ones((3,)), by=2),  # a number that lies nowhere
    T.sum(one, axis=0) * y, T.transpose(one), rolled(one, by=-1) @ T.transpose(x),
    T.stack([rolled(y, by=1), y]), T.concatenate([rolled(x, by=1), x]), rolled(x, by=1)[:, ::-1],
    signs(x, -y) * 2, signs(y, T.expand_dims(y, 1)),  # elementwise ops broadcast
    rolled(rolled(x, by=1), by=1),
]  # fmt: skip


@functools.cache
def compiled(target):
    return go.function([x, y], PROGRAMS, target=target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (0, 3), (2, 0)])
def test_a_host_call_stands_between_kernels_wherever_its_operands_come_from(target, shape):
    rng = np.random.default_rng(0)
    values = rng.normal(size=shape), rng.normal(size=shape[1:])
    wanted = go.function([x, y], PROGRAMS, target="numpy", pipeline="none")(*values)
    for a, b in zip(compiled(target)(*values), wanted, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_an_elementwise_op_of_the_host_joins_no_kernel():
    program = go.lower([x, y], T.exp(signs(T.exp(x), y))).program
    assert [type(step) for step in program.steps] == [Kernel, HostCall, Kernel]


def test_views_that_lie_in_memory_as_arrays_are_read_in_place():
    assert len(go.lower([x], rolled(T.reshape(x, (n * m,)), by=1)).program.steps) == 1
    assert len(go.lower([x], rolled(T.expand_dims(x, 0), by=1)).program.steps) == 1
    assert len(go.lower([x], rolled(x[1:2], by=1)).program.steps) == 2


def test_text_names_what_the_host_computes_and_runs_nothing():
    text = go.c_source([x], T.exp(rolled(x, by=1)))
    assert "1 node: rolled; no text in C, so the host computes it" in text and "go_host host" in text
    assert "rolled; no text in CUDA, so the host computes it: from x_in to" in go.cuda_source([x], rolled(x, by=1))
    assert "host" not in go.c_source([x], T.exp(x))


def test_facts_about_kernels_include_host_calls():
    (fact,) = go.lower([x], rolled(x, by=1)).kernels
    assert (fact.form, fact.loads, fact.stores) == ("host", 1, 1)
    assert fact.flops == 3 * n * m and fact.bytes == 16 * n * m


@pytest.mark.parametrize("target", COMPILED)
def test_an_error_in_a_host_call_surfaces_with_the_op_and_the_line_and_changes_nothing(target):
    total = go.shared(np.zeros(3), "total")
    v = go.variable("v", "float64[3]")
    f = go.function([v], T.exp(refusing(2 * v)), updates={total: total + v}, target=target)
    with pytest.raises(ValueError, match="a negative element") as caught:
        f([1.0, -1.0, 1.0])
    (note,) = caught.value.__notes__
    assert "refusing" in note and "test_host_calls.py" in note
    np.testing.assert_array_equal(total.get_value(), 0)
    np.testing.assert_allclose(f([1.0, 2.0, 3.0]), np.exp([2.0, 4.0, 6.0]))
    np.testing.assert_array_equal(total.get_value(), [1, 2, 3])


def test_no_frame_of_a_kept_error_holds_memory_of_the_run():
    class Watched(np.ndarray):
        """An array to which there are weak references."""

    seen = []

    def fail(a):
        local = a.view(Watched)
        seen.append(weakref.ref(local))
        raise RuntimeError("no")

    failing = Op("failing", 1, same_type, fail, traits=HOST)
    f = go.function([y], failing(y * 2))
    with pytest.raises(RuntimeError) as caught:
        f([1.0])
    assert caught.value is not None and seen[0]() is None


def test_device_memory_is_freed_when_a_host_call_fails():
    v = go.variable("v", "float64[3]")
    driver = EmulatedDriver()
    f = go.function([v], T.exp(refusing(2 * v)), target="cuda-emulated", options=go.Options(driver=driver))
    before = len(driver._live)
    with pytest.raises(ValueError, match="negative"):
        f([1.0, -1.0, 1.0])
    assert len(driver._live) == before


@pytest.mark.parametrize("target", COMPILED)
def test_a_result_of_another_shape_is_an_error_and_not_broadcast(target):
    wrong = Op("wrong", 1, same_type, lambda x: x[:1], traits=HOST)
    with pytest.raises(ShapeMismatch, match=r"wrong gave an array of shape \(1,\), expected \(2,\)"):
        go.function([y], wrong(y), target=target)([1.0, 2.0])


def test_operands_cannot_be_written_to():
    def write(x):
        x[...] = 0
        return x

    with pytest.raises(ValueError, match="read-only"):
        go.function([y], Op("writing", 1, same_type, write, traits=HOST)(y))([1.0])


def test_a_host_call_may_run_compiled_functions_itself():
    v = go.variable("v", "float64[k]")
    inner = go.function([v], rolled(v, by=1) + 1)
    outer = Op("outer_call", 1, same_type, lambda x: inner(x), traits=HOST)
    np.testing.assert_array_equal(go.function([v], outer(v) * 2)([1.0, 2.0, 3.0]), [8, 4, 6])


def test_calls_in_several_threads_do_not_meet():
    v = go.variable("v", "float64[k]")
    f = go.function([v], refusing(rolled(v * 1, by=1)) + 1)
    failures = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(30):
            value = rng.normal(size=rng.integers(1, 50))
            try:
                found = f(value)
            except ValueError:
                failures.extend([] if np.any(value < 0) else [value])
            else:
                if np.any(value < 0) or not np.array_equal(found, np.roll(value, 1) + 1):
                    failures.append(value)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
