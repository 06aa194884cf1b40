"""Updates of shared variables: they take turns, land together, allocate nothing, and a failed call leaves no trace."""

import os
import pickle
import threading

import numpy as np
import pytest
from in_threads import at_once

import graphopt as go
import graphopt.tensor as T
from graphopt.op import Op

x = go.variable("x", "float64[3]")


def counter(**options):
    """A shared variable, and a function that adds its argument to it and returns the old value."""
    w = go.shared(np.zeros(3), name="w")
    return w, go.function([x], w, updates={w: w + x}, **options)


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_new_values_take_the_memory_of_the_values_before_last(target):
    w, f = counter(target=target)
    places = []
    for k in range(6):
        np.testing.assert_array_equal(f(np.ones(3)), np.full(3, float(k)))
        places.append(w.get_value(borrow=True).ctypes.data)
    assert len(set(places)) == 2
    np.testing.assert_array_equal(w.get_value(), [6, 6, 6])


def test_without_reuse_every_value_has_memory_of_its_own():
    w, f = counter(options=go.Options(schedule={"reuse": False}))
    held = []
    for _ in range(4):
        f(np.ones(3))
        held.append(w.get_value(borrow=True))
    assert [value[0] for value in held] == [1, 2, 3, 4]


def test_a_value_that_somebody_holds_is_never_written():
    w, f = counter()
    held = []
    for _ in range(5):
        f(np.ones(3))
        view = w.get_value(borrow=True)
        held.append((view[1:], memoryview(view)[:1]))  # neither is the array itself
        del view
    for k, (part, memory) in enumerate(held, 1):
        np.testing.assert_array_equal(part, [k, k])
        assert memory[0] == k


def test_an_array_that_was_lent_is_never_written():
    memory = bytearray(24)
    w = go.shared(np.ones(3), name="w")
    f = go.function([x], updates={w: w + x})
    f(np.ones(3))
    w.set_value(np.frombuffer(memory), borrow=True)
    for _ in range(4):
        f(np.ones(3))
    assert not any(memory)
    np.testing.assert_array_equal(w.get_value(), [4, 4, 4])


def test_a_variable_whose_size_changes_has_room():
    w = go.shared(np.zeros(2), name="w", type="float64[k]")
    v = go.variable("v", "float64[k]")
    f = go.function([v], updates={w: w + v})
    for size in (2, 2, 2, 5, 5, 5, 1):
        if w.get_value().shape != (size,):
            w.set_value(np.zeros(size))
        f(np.ones(size))
    np.testing.assert_array_equal(w.get_value(), [1])


def test_what_is_pickled_is_the_value_alone():
    w, f = counter()
    for _ in range(3):
        f(np.ones(3))
    same, again = pickle.loads(pickle.dumps((w, f)))
    again(np.ones(3))
    np.testing.assert_array_equal(same.get_value(), [4, 4, 4])
    np.testing.assert_array_equal(w.get_value(), [3, 3, 3])


# --- failures ---------------------------------------------------------------------------------------------------------


def refuse(value):
    if np.any(value < 0):
        raise ValueError("a negative element")
    return value


refusing = Op("refusing", 1, lambda types, attributes, unify: types[0], refuse, traits=frozenset({"host"}), cost=1)


@pytest.mark.parametrize("last", ["a host call", "a check", "a size"])
def test_a_call_that_fails_late_leaves_no_trace_of_the_updates_before(last):
    w, v = go.shared(np.zeros(3), name="w"), go.shared(np.zeros(3), name="v")
    new = {
        "a host call": refusing(w + x),
        "a check": T.check(w + x, T.all(x > 0), "x is positive"),
        "a size": w + x[x > 0],
    }[last]
    f = go.function([x], T.sum(w), updates={v: v + 1, w: new})
    for good in range(1, 4):
        f(np.ones(3))
        with pytest.raises((ValueError, go.GraphoptError)):
            f(np.array([1.0, -9.0, 1.0]))
        np.testing.assert_array_equal(v.get_value(), np.full(3, good))
        np.testing.assert_array_equal(w.get_value(), np.full(3, good))


# --- threads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["c", "numpy"])
def test_eight_threads_that_update_one_variable_lose_nothing(target):
    w, f = counter(target=target)
    at_once(8, lambda number: [f(np.full(3, float(number))) for _ in range(40)])
    np.testing.assert_array_equal(w.get_value(), np.full(3, 40.0 * sum(range(8))))


def test_functions_that_update_the_same_variables_wait_for_each_other_and_never_for_ever():
    w, v = go.shared(np.zeros(3), name="w"), go.shared(np.zeros(3), name="v")
    forth, back = go.function([x], updates=[(w, w + x), (v, v - x)]), go.function([x], updates=[(v, v + x), (w, w - x)])
    at_once(4, lambda number: [(forth, back)[number % 2](np.ones(3)) for _ in range(50)])
    np.testing.assert_array_equal(w.get_value(), np.zeros(3))
    np.testing.assert_array_equal(v.get_value(), np.zeros(3))


def test_who_reads_meanwhile_sees_values_that_landed_together():
    n = 20_000
    w, v = go.shared(np.zeros(n), name="w"), go.shared(np.zeros(n), name="v")
    add, look = go.function([], updates={w: w + 1, v: v - 1}), go.function([], [w + v, w - w[0]])
    one = go.Options(threads=1)
    add, look = add._remade(options=one), look._remade(options=one)

    def work(number):
        for _ in range(60):
            if number < 2:
                add()
            else:
                together, apart = look()
                assert not together.any() and not apart.any()

    at_once(5, work)
    assert w.get_value()[0] == 120


def test_a_host_call_may_change_what_the_call_changes():
    w, f = counter()
    hooked = Op(
        "hooked", 1, lambda types, attributes, unify: types[0], lambda a: (f(np.ones(3)), a)[1],
        traits=frozenset({"host"}), cost=1,
    )  # fmt: skip
    g = go.function([x], hooked(x), updates={w: w * 2})
    g(np.ones(3))  # the same thread has the turn already; its own update lands last
    np.testing.assert_array_equal(w.get_value(), [0, 0, 0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_may_update_though_another_thread_of_its_parent_had_the_turn():
    w, f = counter(options=go.Options(threads=1))
    entered, leave = threading.Event(), threading.Event()
    waiting = Op(
        "waiting", 1, lambda types, attributes, unify: types[0],
        lambda a: (entered.set(), leave.wait(), a)[2], traits=frozenset({"host"}), cost=1,
    )  # fmt: skip
    slow = go.function([x], updates={w: waiting(w + x)}, options=go.Options(threads=1))
    thread = threading.Thread(target=slow, args=(np.ones(3),))
    thread.start()
    entered.wait()
    child = os.fork()
    if child == 0:
        f(np.ones(3))
        os._exit(int(w.get_value()[0] != 1))
    leave.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
