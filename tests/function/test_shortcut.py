"""Calls made in C come to what calls made in Python come to, errors included."""

import gc
import multiprocessing
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import CheckFailed, InvalidArgument, MissingInput, ShapeMismatch, TypeMismatch
from graphopt.runtime import caller

x, y = T.vector("x"), T.vector("y", dtype="float32")
n = go.variable("n", "float64[k]")
s, r = T.scalar("s"), T.scalar("r", dtype="float32")
m = go.variable("m", "int64[k]")
a, b = sympy.symbols("a b")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """The extension is there from the first call that may use it."""
    if caller.caller_type() is None:
        pytest.skip("the extension needs the headers of Python, which are not installed")
    monkeypatch.setattr(caller, "_patience", 0)


def shortened(function, *arguments):
    """The function once calls with such arguments are made in C, and how often Python still makes them."""
    for _ in range(2):
        function(*arguments)
    made_in_python = []
    usual = function._call
    function._call = lambda *given: (made_in_python.append(given), usual(*given))[1]
    return function, made_in_python


PROGRAMS = {
    "one array": ([x], x + 1, (np.arange(4.0),)),
    "two dtypes": ([x, y], T.cast(y, "float64") * x, (np.arange(3.0), np.arange(3, dtype="float32"))),
    "numbers": ([x, s, r], x * s + r, (np.arange(3.0), 0.1, 0.1)),
    "scalars alone": ([s], T.exp(s), (0.5,)),
    "several results": ([n, m], {"sum": T.sum(n), "both": [n * m, m + 1]}, (np.arange(5.0), np.arange(5))),
    "a truth": ([x], T.any(x > 2), (np.arange(4.0),)),
    "a constant": ([x], x + np.arange(4.0), (np.arange(4.0),)),
    "an argument that is not needed": ([x, y], x * 2, (np.arange(4.0), np.zeros(7, "float32"))),
    "nothing in it": ([x], x + 1, (np.zeros(0),)),
    "a sum": ([n], T.sum(n * n), (np.arange(100_000.0),)),
    "a product": ([x], T.outer(x, x) @ x, (np.arange(4.0),)),
    "an index that is checked": ([x, m], x[m], (np.arange(4.0), np.array([3, 0]))),
    "a function of SymPy's": ([a, b], sympy.sin(a) * b, (np.ones((2, 3)), np.full((2, 3), 2.0))),
    "such a function with a number": ([a, b], sympy.sin(a) * b, (np.ones((2, 3)), 2.0)),
    "such a function of numbers": ([a, b], sympy.sin(a) * b, (1.0, 2.0)),
}


def made(name):
    inputs, outputs, arguments = PROGRAMS[name]
    return go.function(inputs, outputs, on_unused_input="ignore"), arguments


def same(found, expected):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        return all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return all(same(*pair) for pair in zip(found, expected, strict=True))
    assert type(found) is np.ndarray and found.flags.owndata and found.flags.writeable
    return found.dtype == expected.dtype and found.shape == expected.shape and np.array_equal(found, expected)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_call_like_an_earlier_one_is_made_in_c_and_gives_the_same(name):
    function, arguments = made(name)
    expected = function(*arguments)
    function, made_in_python = shortened(function, *arguments)
    assert same(function(*arguments), expected)
    assert not made_in_python


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_whatever_sizes_come_after_one_another_the_results_are_right(sizes):
    function = FOLLOWED
    for size in sizes:
        given = np.arange(float(size))
        np.testing.assert_array_equal(function(given), given * 2)


FOLLOWED = go.function([x], x * 2, name="followed")


def test_what_c_does_not_know_is_done_by_python():
    function, made_in_python = shortened(go.function([x, s], x * s), np.arange(4.0), 2.0)
    view = np.arange(8.0)[::2]
    others = [
        (np.arange(5.0), 2.0), ([0.0, 1.0], 2.0), (view, 2.0), (np.arange(4), 2.0), (np.arange(4.0, dtype=">f8"), 2.0),
        (np.arange(4.0), 2), (np.arange(4.0).view(Labelled), 2.0), (np.arange(4.0), np.int64(2)),
    ]  # fmt: skip
    for count, (first, second) in enumerate(others, 1):
        np.testing.assert_array_equal(function(first, second), np.asarray(first, float) * 2)
        assert len(made_in_python) == count
    np.testing.assert_array_equal(function(np.arange(4.0), s=2.0), np.arange(4.0) * 2)
    np.testing.assert_array_equal(function(s=2.0, x=np.arange(4.0)), np.arange(4.0) * 2)
    function(np.arange(4.0), np.array(2.0))
    assert len(made_in_python) == len(others) + 2


class Labelled(np.ndarray):
    pass


def test_errors_are_those_of_the_usual_call():
    function, _ = shortened(go.function([n, m], n[m], name="chosen"), np.arange(3.0), np.array([0, 1, 2]))
    wrong = [
        ((np.arange(3.0),), MissingInput, "missing argument m"),
        ((np.arange(3.0), np.arange(3), 1), InvalidArgument, "at most 2"),
        ((np.arange(3.0), np.arange(4)), ShapeMismatch, "argument m"),
        ((np.arange(3.0), np.arange(3.0)), TypeMismatch, "argument m has dtype float64"),
        ((np.arange(3.0), np.array([0, 1, 3])), CheckFailed, "chosen: "),
    ]
    for arguments, kind, message in wrong:
        with pytest.raises(kind, match=message):
            function(*arguments)
    np.testing.assert_array_equal(function(np.arange(3.0), np.array([2, 1, 0])), [2, 1, 0])


def test_a_number_that_float32_does_not_hold_is_left_to_python():
    function, made_in_python = shortened(go.function([r], r * 2), 0.5)
    assert function(0.1) == np.float32(0.1) * 2 and not made_in_python
    with np.errstate(over="ignore"):
        assert function(1e300) == np.inf
    assert function(float("nan")) != function(float("nan"))
    assert len(made_in_python) == 3


def test_a_number_that_may_lose_nothing_is_left_to_python():
    function, _ = shortened(go.function([r], r * 2, allow_input_downcast=False), np.array(0.5, "float32"))
    assert function(0.25) == 0.5
    with pytest.raises(TypeMismatch, match="argument r"):
        function(0.1)


def test_a_kind_of_float_is_the_number_it_says_it_is():
    class Doubled(float):
        def __float__(self):
            return 2 * float.__float__(self)

    function, made_in_python = shortened(go.function([s], s + 1), 0.5)
    assert function(np.float64(2)) == 3 and not made_in_python
    assert function(Doubled(2)) == 1 + np.asarray(Doubled(2)) and len(made_in_python) == 1


def test_shared_variables_keep_a_function_in_python():
    total = go.shared(np.zeros(3), "total")
    function = go.function([n], total + n, updates={total: total + n})
    for _ in range(5):
        function(np.ones(3))
    np.testing.assert_array_equal(total.get_value(), [5, 5, 5])


def test_results_whose_sizes_are_counted_keep_a_function_in_python():
    function = go.function([x], [x[x > 0], T.cumsum(x)])
    for numbers in ([1.0, -1.0, 2.0], [1.0, 1.0, 2.0], [-1.0, -1.0, -1.0]):
        chosen, _ = function(np.array(numbers))
        np.testing.assert_array_equal(chosen, [each for each in numbers if each > 0])


def test_more_calls_than_are_remembered_push_out_the_oldest():
    function = go.function([x], x + 1)
    for _ in range(3):
        for size in range(3 * caller.REMEMBERED):
            np.testing.assert_array_equal(function(np.zeros(size)), np.ones(size))
    function, made_in_python = shortened(function, np.zeros(2))
    function(np.zeros(2))
    assert not made_in_python


def test_threads_call_one_function_with_arguments_of_many_sizes():
    function, _ = shortened(go.function([n], [n + 1, T.sum(n)]), np.zeros(3))

    def work(seed):
        for size in np.random.default_rng(seed).integers(0, 9000, 60):
            more, total = function(np.full(size, float(seed)))
            assert more.shape == (size,) and np.all(more == seed + 1) and total == size * seed
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="the system has no fork")
def test_a_child_computes_with_threads_after_its_parent_did():
    options = go.Options(threads=2)
    function, _ = shortened(go.function([n], T.exp(n) + 1, name="forked", options=options), np.zeros(400_000))
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=lambda: results.put(float(function(np.zeros(400_000)).sum())), daemon=True)
    child.start()
    try:
        assert results.get(timeout=60) == 800_000
    finally:
        child.kill()
    assert function(np.zeros(400_000)).sum() == 800_000


def test_a_shortened_function_is_a_function_that_pickles_and_dies():
    function, _ = shortened(go.function([x], x + 1, name="mortal"), np.zeros(3))
    assert isinstance(function, go.Function) and type(function) is not go.Function and "mortal" in repr(function)
    function.__dict__.pop("_call")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(function))(np.zeros(3)), np.ones(3))
    assert function.copy(name="again").name == "again"
    watched = weakref.ref(function)
    del function
    gc.collect()
    assert watched() is None


def test_without_the_extension_calls_are_made_in_python(monkeypatch):
    monkeypatch.setattr(caller, "caller_type", lambda: None)
    function, made_in_python = shortened(go.function([x], x + 1), np.zeros(3))
    np.testing.assert_array_equal(function(np.zeros(3)), np.ones(3))
    assert len(made_in_python) == 1 and type(function) is go.Function


def test_the_extension_is_looked_for_only_after_many_calls_that_are_alike(monkeypatch):
    monkeypatch.setattr(caller, "_patience", caller.PATIENCE)
    looked = []
    monkeypatch.setattr(caller, "caller_type", lambda: looked.append(None))
    function = go.function([x], x + 1)
    for size in range(100):
        function(np.zeros(size))
    for _ in range(caller.PATIENCE):
        function(np.zeros(3))
    assert not looked
    for _ in range(3):
        function(np.zeros(3))
    assert looked


# --- shared variables -------------------------------------------------------------------------------------------------


def stateful():
    """Two shared variables, and a function that changes both and returns what it had."""
    w, v = go.shared(np.zeros(4), name="w"), go.shared(np.zeros(4), name="v")
    checked = T.check(x, T.all(x >= 0), "x is not negative")
    return w, v, go.function([x], {"sum": T.sum(w + v), "w": w}, updates={w: w + checked, v: v - x[:4]})


def in_python(function):
    """How often a function with shared variables is called in Python from now on."""
    calls = []
    usual = function._arrays
    function._arrays = lambda *given: (calls.append(given), usual(*given))[1]
    return calls


def test_calls_that_change_shared_variables_are_made_in_c():
    w, v, f = stateful()
    for _ in range(2):
        f(np.ones(4))
    calls, places = in_python(f), []
    for k in range(2, 8):
        results = f(np.ones(4))
        assert results["sum"] == 0 and results["w"].flags.owndata
        np.testing.assert_array_equal(results["w"], np.full(4, k))
        places.append((w.get_value(borrow=True).ctypes.data, v.get_value(borrow=True).ctypes.data))
    assert not calls and len(set(places)) == 2
    np.testing.assert_array_equal(w.get_value(), np.full(4, 8))
    np.testing.assert_array_equal(v.get_value(), np.full(4, -8))


def test_values_that_are_held_outlive_calls_made_in_c():
    w, _, f = stateful()
    held = []
    for _ in range(6):
        f(np.ones(4))
        held.append(w.get_value(borrow=True)[1:])
    assert [part[0] for part in held] == [1, 2, 3, 4, 5, 6]


def test_what_fails_in_c_changes_nothing_and_says_why():
    w, v, f = stateful()
    for _ in range(3):
        f(np.ones(4))
    with pytest.raises(CheckFailed, match="x is not negative"):
        f(np.array([1.0, -1.0, 1.0, 1.0]))
    with pytest.raises(ShapeMismatch):
        f(np.ones(5))
    with pytest.raises(InvalidArgument):
        f(np.ones(4), np.ones(4), np.ones(4))
    np.testing.assert_array_equal(w.get_value(), np.full(4, 3))
    np.testing.assert_array_equal(v.get_value(), np.full(4, -3))
    calls = in_python(f)
    f(np.ones(4))
    assert not calls
    np.testing.assert_array_equal(w.get_value(), np.full(4, 4))


def test_a_shared_value_of_another_size_is_another_call():
    w = go.shared(np.arange(3.0), name="w", type="float64[k]")
    f = go.function([], [T.sum(w), w * 2])
    for size in (3, 3, 3, 5, 5, 5, 3, 5, 0):
        w.set_value(np.arange(float(size)))
        total, double = f()
        assert total == size * (size - 1) / 2
        np.testing.assert_array_equal(double, 2 * np.arange(size))


def test_threads_that_update_through_c_lose_nothing():
    w, v, f = stateful()
    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(f, np.full(4, float(k))) for k in range(200)]:
            future.result()
    np.testing.assert_array_equal(w.get_value(), np.full(4, sum(range(200))))
    np.testing.assert_array_equal(w.get_value() + v.get_value(), np.zeros(4))
