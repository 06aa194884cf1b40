"""Shared variables live on the device, a call takes one arena, what crosses is counted; and nothing fails by halves."""

import gc
import pickle

import numpy as np
import pytest
import steps_corpus as corpus
from hypothesis import given, settings
from hypothesis import strategies as st
from in_threads import at_once

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import DeviceFailed
from graphopt.op import Op
from graphopt.runtime.copies import place_of
from graphopt.runtime.emulation import EmulatedDriver
from graphopt.runtime.shared_device import device_of

x = go.variable("x", "float64[n, 4]")
BATCH = np.random.default_rng(0).normal(size=(5, 4))


def network(driver, target="cuda-emulated", rate=0.1, **options):
    """Weights, and a step that changes them and returns the cost; its text is compiled once for all tests."""
    w = go.shared(np.random.default_rng(1).normal(size=(4, 3)), name="w")
    cost = T.sum(T.sqr(T.softmax(x @ w, axis=1)))
    options = go.Options(driver=driver, **options)
    step = go.function([x], cost, updates={w: w - rate * go.grad(cost, w)}, target=target, options=options, name="step")
    return w, step


def in_one_block(**arguments):
    """A driver for which programs take one block, as they do for a GPU."""
    return EmulatedDriver(separates=False, **arguments)


def live(driver):
    gc.collect()
    return len(driver._live)


# --- shared variables -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separates", [True, False])
def test_a_step_of_training_copies_in_its_minibatch_and_allocates_nothing(separates):
    driver = EmulatedDriver(separates=separates)
    device = device_of(driver)
    w, step = network(driver)
    on_host, host_step = network(None, "numpy")
    for number in range(4):
        with device.counted() as tally:
            cost = step(BATCH)
        np.testing.assert_allclose(cost, host_step(BATCH), rtol=1e-12)
        assert (tally.copies_in, tally.bytes_in) == (2 if number == 0 else 1, BATCH.nbytes + (number == 0) * 96)
        assert (tally.copies_out, tally.bytes_out) == (1, 8)
        assert tally.launches == len(step.kernels)  # nothing is so long that it has parts
        assert (tally.allocations > 0) == (number == 0)
        if number:
            assert tally.peak_bytes == 0
    assert place_of(w._value.array) is device
    with device.counted() as tally:
        np.testing.assert_allclose(w.get_value(), on_host.get_value(), rtol=1e-12)
        w.get_value()
        w.get_value(borrow=True)
    assert tally.copies_out == 1  # the host's copy is kept


def test_new_values_on_a_device_take_the_memory_of_the_values_before_last():
    w, step = network(in_one_block())
    places = []
    for _ in range(5):
        step(BATCH)
        places.append(w._value.array.buffer.address)
    assert len(set(places)) == 2
    without, step = network(in_one_block(), schedule={"reuse": False})
    step(BATCH)
    first = without._value.array
    step(BATCH)
    step(BATCH)
    assert not first.shares_memory(without._value.array) and without._spare is None


@pytest.fixture(scope="module")
def adders():
    """A shared variable, and functions of several targets that return its value and add 1 to it."""
    w = go.shared(np.zeros(3), name="w")
    placed = (("c", None), ("cuda-emulated", EmulatedDriver()), ("numpy", None), ("cuda-emulated", in_one_block()))
    return w, [
        go.function([], w, updates={w: w + 1}, target=target, options=go.Options(driver=driver))
        for target, driver in placed
    ]


@given(st.lists(st.sampled_from(["add 0", "add 1", "add 2", "add 3", "get", "borrow", "set", "lend"]), max_size=16))
@settings(max_examples=60, deadline=None)
def test_every_target_sees_what_the_others_have_made_of_a_value(adders, todo):
    w, functions = adders
    expected = 0.0
    w.set_value(np.zeros(3))
    held = []
    for number, what in enumerate(todo):
        if what.startswith("add"):
            np.testing.assert_array_equal(functions[int(what[-1])](), np.full(3, expected))
            expected += 1
        elif what == "get":
            np.testing.assert_array_equal(w.get_value(), np.full(3, expected))
        elif what == "borrow":
            held.append((w.get_value(borrow=True), expected))
        else:
            expected = 100.0 * number
            lent = np.full(3, expected)
            w.set_value(lent, borrow=what == "lend")
            held.append((lent, expected))
    np.testing.assert_array_equal(w.get_value(), np.full(3, expected))
    for array, value in held:  # nobody has written to what somebody holds
        np.testing.assert_array_equal(array, np.full(3, value))


def test_a_value_that_was_set_is_uploaded_once_and_a_lent_one_is_never_written():
    driver = EmulatedDriver()
    device = device_of(driver)
    lent = np.ones(3)
    w = go.shared(lent, name="w", borrow=True)
    v = go.variable("v", "float64[3]")
    options = go.Options(driver=driver)
    read = go.function([v], v * w, target="cuda-emulated", options=options)
    add = go.function([v], updates={w: w + v}, target="cuda-emulated", options=options)
    for expected in (2, 1, 1):
        with device.counted() as tally:
            np.testing.assert_array_equal(read(np.full(3, 2.0)), [2, 2, 2])
        assert tally.copies_in == expected
    add(np.ones(3))
    add(np.ones(3))
    np.testing.assert_array_equal(lent, [1, 1, 1])
    held = w.get_value(borrow=True)
    add(np.ones(3))
    add(np.ones(3))
    np.testing.assert_array_equal(held, [3, 3, 3])
    w.set_value(np.full(3, 7.0))
    for expected in (2, 1):
        with device.counted() as tally:
            np.testing.assert_array_equal(read(np.ones(3)), [7, 7, 7])
        assert tally.copies_in == expected


def test_memory_of_values_goes_back_with_the_variable():
    driver = EmulatedDriver()
    w, step = network(driver)
    step(BATCH)
    step(BATCH)
    assert live(driver) > 0
    del w, step
    assert live(driver) == 0


def test_a_pickle_holds_the_value_that_is_on_the_device():
    w, step = network(EmulatedDriver())
    step(BATCH)
    again = pickle.loads(pickle.dumps(w))
    np.testing.assert_array_equal(again.get_value(), w.get_value())


# --- the arena --------------------------------------------------------------------------------------------------------


def test_an_arena_is_kept_with_the_largest_size_so_far_within_limits():
    driver = in_one_block()
    device = device_of(driver)
    y = go.variable("y", "float64[n, n]")

    def product(**options):
        options = go.Options(driver=driver, **options)
        return go.function([y], T.exp(y @ y) @ y, target="cuda-emulated", options=options)

    f = product()
    for size, allocations in ((8, 1), (8, 0), (3, 0), (12, 1), (8, 0), (12, 0)):
        a = np.random.default_rng(size).normal(size=(size, size)) / size
        with device.counted() as tally:
            result = f(a)
        assert tally.allocations == allocations
        np.testing.assert_allclose(result, np.exp(a @ a) @ a, rtol=1e-12)
    assert live(driver) == 1
    for options in ({"kept_bytes": 0}, {"kept_bytes": 1000}):
        before = live(driver)
        g = product(**options)
        g(np.ones((12, 12)))
        assert live(driver) == before
    with device.counted() as tally:
        g(np.ones((3, 3)))
        g(np.ones((3, 3)))
    assert tally.allocations == 1


def test_every_kind_of_step_computes_the_same_in_one_block():
    options = go.Options(driver=in_one_block())
    wrong = corpus.disagreements("cuda-emulated", options)
    assert not wrong, "\n".join(wrong)


def test_what_the_device_needs_not_is_not_copied_there():
    """An argument and a constant that only the host reads stay there; its operands cannot be written to."""
    driver = EmulatedDriver()
    seen = []

    def meaning(a, b):
        seen.append((a.flags.writeable, b.flags.writeable))
        return a + b

    strange = Op("strange", 2, lambda types, attributes, unify: types[0], meaning, traits=frozenset({"host"}))
    a, b = go.variable("a", "float64[n]"), go.variable("b", "float64[n]")
    f = go.function([a, b], T.exp(strange(a, b)), target="cuda-emulated", options=go.Options(driver=driver))
    with device_of(driver).counted() as tally:
        np.testing.assert_allclose(f([1.0, 0.0], [-1.0, 0.0]), [1, 1])
    assert (tally.copies_in, tally.copies_out) == (1, 1) and seen == [(False, False)]
    on_device = go.function([a], a + 0.0, target="cuda-emulated",
                            options=go.Options(driver=driver, device_outputs=True))  # fmt: skip
    with device_of(driver).counted() as tally:
        np.testing.assert_allclose(f(on_device([0.0, 0.0]), [0.0, 0.0]), [1, 1])
    assert (tally.copies_in, tally.copies_out) == (2, 2)


def test_a_profile_counts_what_a_call_takes():
    for driver in (in_one_block(), EmulatedDriver()):
        w, step = network(driver)
        before = w.get_value()
        profile = step.profile(BATCH)
        assert (profile.bytes_in, profile.copies_in) == (BATCH.nbytes, 1)
        assert (profile.bytes_out, profile.copies_out, profile.allocations) == (8, 1, 0)
        assert profile.launches == len(step.kernels) == sum(launch.runs for launch in profile.steps)
        assert profile.peak_bytes == profile.predicted_bytes >= step.program.memory.bytes({"n": 5})
        assert profile.seconds is None and "predicted" in str(profile)
        assert sum(launch.flops for launch in profile.steps) == step.counts(BATCH)["flops"]
        np.testing.assert_array_equal(w.get_value(), before)


def test_a_profile_has_times_where_they_mean_something_and_branches_that_were_not_taken():
    class Timed(EmulatedDriver):
        times_mean_something = True

    a = go.variable("a", "float64[n]")
    chosen = T.cond(T.sum(a) > 0, T.sum(T.exp(a)), T.sum(a * a))
    positive = a[a > 0]
    f = go.function([a], [chosen, positive], target="cuda-emulated", options=go.Options(driver=Timed()))
    profile = f.profile(np.array([1.0, -0.5, 2.0]))
    assert profile.seconds == sum(step.seconds for step in profile.steps) > 0
    assert {step.runs for step in profile.steps} == {0, 1}
    assert all((step.seconds > 0) == (step.runs > 0) for step in profile.steps)
    assert {step.form for step in profile.steps} >= {"rows", "rows join"}


# --- failures ---------------------------------------------------------------------------------------------------------


class Failing(EmulatedDriver):
    """Fails at the n-th of the calls that may fail, counted from when `fail_at` is set."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.fail_at, self.count = 0, 0

    def arm(self, n):
        self.fail_at, self.count = n, 0

    def _may_fail(self, what):
        self.count += 1
        if self.count == self.fail_at:
            raise DeviceFailed(f"{what} failed on purpose")

    def allocate(self, nbytes, name=""):
        self._may_fail("an allocation")
        return super().allocate(nbytes, name)

    def copy_in(self, buffer, array):
        self._may_fail("a copy")
        super().copy_in(buffer, array)

    def copy_out(self, buffer, array):
        self._may_fail("a copy")
        super().copy_out(buffer, array)

    def launch(self, *arguments):
        self._may_fail("a launch")
        super().launch(*arguments)


def everything(driver):
    """A shared weight, a host call, a size that is counted, a result that stays; and what it does in NumPy."""
    seen = []

    def meaning(a):
        if seen and seen.pop() == "fail":
            raise ValueError("the host failed on purpose")
        return a * 2

    strange = Op("strange", 1, lambda types, attributes, unify: types[0], meaning, traits=frozenset({"host"}))
    w = go.shared(np.arange(3.0), name="w")
    a = go.variable("a", "float64[3]")
    doubled = strange(T.exp(a) * w)
    options = go.Options(driver=driver, device_outputs=True)
    f = go.function([a], [doubled[doubled > 1.0], T.sum(doubled)], updates={w: w + doubled}, target="cuda-emulated",
                    options=options, name="everything")  # fmt: skip

    def expected(a, w):
        value = 2 * np.exp(a) * w
        return [value[value > 1.0], value.sum()], w + value

    return w, f, expected, seen


@pytest.mark.parametrize("separates", [True, False])
def test_whatever_fails_at_whatever_point_leaves_everything_as_it_was(separates):
    driver = Failing(separates=separates)
    w, f, expected, seen = everything(driver)
    given = np.array([0.1, 0.2, 0.3])
    failures = 0
    for warm in (False, True):
        n = 0
        while True:
            n += 1
            if not warm:  # nothing is on the device
                w.set_value(np.arange(3.0))
                next(iter(f._variants.values())).runner._arenas.release()
            before, value = len(driver._live), w.get_value()
            warmed = driver._live.keys() & {w._value.array.buffer.address} if warm else None
            driver.arm(n)
            try:
                results = f(given)
            except DeviceFailed as error:
                assert "on purpose" in str(error)
                failures += 1
                driver.arm(0)
                np.testing.assert_array_equal(w.get_value(), value)
                assert len(driver._live) <= before + (not warm)  # the value, uploaded, is kept
                if warm:
                    assert warmed <= driver._live.keys()
                results, value = None, None
                wanted, new = expected(given, w.get_value())
                again = f(given)  # usable, and warm again
                np.testing.assert_allclose(again[0], wanted[0], rtol=1e-12)
                np.testing.assert_allclose(w.get_value(), new, rtol=1e-12)
                again = None
                continue
            driver.arm(0)
            np.testing.assert_allclose(results[1], expected(given, value)[0][1], rtol=1e-12)
            results = None
            break
        assert n > 8
    seen.append("fail")
    value, before = w.get_value(), live(driver)
    with pytest.raises(ValueError, match="the host failed"):
        f(given)
    np.testing.assert_array_equal(w.get_value(), value)
    assert live(driver) <= before and failures > 16
    del w, f, expected
    assert live(driver) == 0


# --- threads ----------------------------------------------------------------------------------------------------------


def test_threads_have_an_arena_each_and_lose_no_update():
    driver = in_one_block()
    w = go.shared(np.zeros(3), name="w")
    a = go.variable("a", "float64[n, n]")
    f = go.function([a], T.sum(a @ T.exp(a @ a), axis=0), target="cuda-emulated", options=go.Options(driver=driver))
    add = go.function([], w, updates={w: w + 1}, target="cuda-emulated", options=go.Options(driver=driver))
    f(np.eye(2))

    def work(number):
        rng = np.random.default_rng(number)
        for _ in range(12):
            given = rng.normal(size=(3 + number, 3 + number)) / 4
            np.testing.assert_allclose(f(given), (given @ np.exp(given @ given)).sum(0), rtol=1e-9, atol=1e-12)
            add()
            w.get_value()

    at_once(4, work)
    np.testing.assert_array_equal(w.get_value(), np.full(3, 48.0))


def test_a_call_within_a_host_call_has_an_arena_of_its_own():
    driver = in_one_block()
    a = go.variable("a", "float64[n]")
    options = go.Options(driver=driver)

    def expected(value):
        return value + 2 * (expected(value - 1) + 1 if value[0] > 0 else value)

    def meaning(value):
        return call(value - 1) + 1 if value[0] > 0 else value

    strange = Op("strange", 1, lambda types, attributes, unify: types[0], meaning, traits=frozenset({"host"}))
    call = go.function([a], a + 2 * strange(a + 0.0), target="cuda-emulated", options=options)
    given = np.array([2.0, 5.0])
    np.testing.assert_array_equal(call(given), expected(given))
