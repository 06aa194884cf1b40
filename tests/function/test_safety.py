"""Nothing is lost, shared, narrowed or read out of bounds: one clear error, or the documented result."""

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import steps_corpus as corpus

import graphopt as go
import graphopt.tensor as T

TARGETS = ("c", "numpy", "cuda-emulated")
every_target = pytest.mark.parametrize("target", TARGETS)
x = go.variable("x", "float64[n]")
y = go.variable("y", "float64[n]")
A = go.variable("A", "float64[n, m]")


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# --- aliasing ---------------------------------------------------------------------------------------------------------


@every_target
def test_results_share_memory_with_nothing_however_little_is_computed(target):
    w = go.shared(np.arange(6.0).reshape(2, 3), name="W")
    views = [A, A.T, A[::-1], A[:, :1], A.reshape((-1,)), T.expand_dims(A, 0), T.broadcast_to(A, (2, *A.shape)), w, w.T]
    given = np.arange(12.0).reshape(4, 3)
    results = go.function([A], views, target=target)(given)
    others = [given, w.get_value(borrow=True)]
    for k, result in enumerate(results):
        assert result.flags.writeable
        assert not any(np.may_share_memory(result, other) for other in (*others, *results[:k]))
        result[...] = -1
    np.testing.assert_array_equal(given, np.arange(12.0).reshape(4, 3))
    np.testing.assert_array_equal(w.get_value(), np.arange(6.0).reshape(2, 3))


@every_target
def test_an_update_shares_memory_with_no_argument_and_no_result(target):
    w, v = go.shared(np.zeros(3), name="w"), go.shared(np.zeros(3), name="v")
    f = go.function([x], [x, w], updates={w: x, v: w}, target=target)
    for call in (f, lambda given: f.into([np.empty(3), np.empty(3)], given)):
        given = np.array([1.0, 2.0, 3.0])
        for array in (given, *call(given)):
            array[:] = 99
        np.testing.assert_array_equal(w.get_value(), [1, 2, 3])
    np.testing.assert_array_equal(v.get_value(), [1, 2, 3])


@every_target
def test_one_array_may_be_several_arguments(target):
    given = np.array([1.0, 2.0, 3.0])
    f = go.function([x, y], [x + y, y[::-1] - x], target=target)
    total, difference = f(given, given)
    np.testing.assert_array_equal(total, [2, 4, 6])
    np.testing.assert_array_equal(difference, [2, 0, -2])
    np.testing.assert_array_equal(f(given, given[::-1])[0], [4, 4, 4])
    np.testing.assert_array_equal(given, [1, 2, 3])


@every_target
def test_results_are_written_into_no_array_that_something_else_lies_in(target):
    memory = np.arange(8.0)
    w = go.shared(np.zeros(4), name="w", borrow=True)
    f = go.function([x], [x + w, x * 2], target=target)
    value = np.arange(4.0)
    w.set_value(value, borrow=True)
    for outs, other in (
        ([memory[:4], np.empty(4)], "x"),
        ([memory[2:6], np.empty(4)], "x"),
        ([value, np.empty(4)], "w"),
        ([np.empty(4), memory[4:]], None),
        ([memory[4:], memory[4:]], "output"),
    ):
        if other is None:
            f.into(outs, memory[:4])
            np.testing.assert_array_equal(memory, [0, 1, 2, 3, 0, 2, 4, 6])
            continue
        before = memory.copy(), value.copy()
        with pytest.raises(go.InvalidArgument, match=f"shares memory with .*{other}"):
            f.into(outs, memory[:4])
        np.testing.assert_array_equal(memory, before[0])
        np.testing.assert_array_equal(value, before[1])


def test_a_borrowed_value_is_read_and_never_written():
    value = np.array([1.0, 2.0])
    w = go.shared(value, name="w", borrow=True)
    f = go.function([], w * 2, updates={w: w + 1})
    value[0] = 5  # it was lent, so this is seen
    np.testing.assert_array_equal(f(), [10, 4])
    np.testing.assert_array_equal(value, [5, 2])
    np.testing.assert_array_equal(w.get_value(), [6, 3])


# --- all or nothing ---------------------------------------------------------------------------------------------------


@every_target
def test_a_failed_call_leaves_outputs_and_shared_variables_alone(target):
    w = go.shared(np.zeros(2), name="w", type="float64[k]")
    v = go.shared(np.zeros(2), name="v", type="float64[k]")
    f = go.function([x], x * 2, updates={w: w + 1, v: T.concatenate([v, x])}, target=target)
    out = np.full(1, 7.0)
    with pytest.raises(go.ShapeMismatch):  # the new v would be longer than w
        f.into(out, np.ones(1))
    assert out[0] == 7
    for held in (w, v):
        np.testing.assert_array_equal(held.get_value(), [0, 0])


def test_two_updates_of_one_variable_and_a_value_of_another_shape_are_refused():
    w = go.shared(np.zeros(2), name="w")
    with pytest.raises(go.InvalidArgument, match="updated twice"):
        go.function([], w, updates=[(w, w + 1), (w, w + 2)])
    with pytest.raises(go.ShapeMismatch, match=re.escape("the value of w has shape (3,); expected float64[2]")):
        w.set_value(np.zeros(3))
    with pytest.raises(go.ShapeMismatch, match=re.escape("the new value of w is float64[3]; expected float64[2]")):
        go.function([], w, updates={w: np.zeros(3)})


# --- sizes ------------------------------------------------------------------------------------------------------------


@every_target
def test_every_kind_of_step_takes_arrays_without_elements(target):
    wrong = corpus.disagreements(target)
    assert not wrong, "\n".join(wrong)


def test_no_kind_of_step_is_undefined_in_c():
    command = [sys.executable, corpus.__file__]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]


@every_target
def test_an_array_that_would_have_to_be_copied_into_more_than_all_memory_is_refused(target):
    huge = np.lib.stride_tricks.as_strided(np.zeros(1), (2**40, 1), (0, 0))
    f = go.function([A], T.sum(A, axis=1), target=target)
    with pytest.raises(
        MemoryError, match=re.escape("argument A of shape (1099511627776, 1) has to be copied into 8.8e")
    ):
        f(huge)
    with pytest.raises(MemoryError, match="argument A"):
        f(np.broadcast_to(np.float32(1), (2**40, 1)))
    np.testing.assert_array_equal(f(np.broadcast_to(2.0, (3, 2))), [4, 4, 4])


@every_target
def test_a_result_that_does_not_fit_into_memory_is_one_error(target):
    f = go.function([x, A], T.sum(T.exp(T.outer(x, T.sum(A, axis=1))) @ T.ones((A.shape[0], 2))), target=target)
    g = go.function([x, A], T.outer(x, T.sum(A, axis=1)), target=target)
    large, wide = np.zeros(2**21), np.zeros((2**21, 0))
    f(large[:3], wide[:3])
    for function in (f, g):
        with pytest.raises((MemoryError, go.DeviceFailed), match=r"(?i)no memory|unable to allocate"):
            function(large, wide)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (
            lambda: T.broadcast_to(x, (2**62, x.shape[0])) * 1.5,
            "array float64[4611686018427387904, n] has 1.48e+20 bytes",
        ),
        (lambda: T.sum(T.broadcast_to(x, (2**62, x.shape[0])) * x, axis=0), "more than can be numbered"),
        (lambda: T.zeros((x.shape[0] - 5,)) + T.sum(x), "size n - 5 is -1 with n = 4"),
        (lambda: T.cast(x, "int8") * (x.shape[0] * 100), "dimension 100*n = 400 does not fit int8"),
    ],
)
@every_target
def test_sizes_are_checked_before_anything_is_counted_in_64_bits(target, expression, words):
    f = go.function([x], expression(), target=target, pipeline="none")
    with pytest.raises(go.GraphoptError, match=re.escape(words)) as caught:
        f(np.zeros(4))
    assert __file__ in str(caught.value)


@pytest.mark.parametrize("threads", [1, 3])
def test_products_larger_than_blas_counts_are_done_without_it(threads):
    B = go.variable("B", "float64[m, k]")
    f = go.function([A, B], [A @ B, A @ A.T], options=go.Options(extra_flags=["-DLARGEST=4"], threads=threads))
    if "gemm" not in f.source:
        pytest.skip("no BLAS was found")
    chance = np.random.default_rng(1)
    for n, m, k in [(3, 4, 5), (5, 3, 4), (90, 4, 4), (90, 80, 70), (3, 0, 4), (0, 3, 3)]:
        a, b = chance.normal(size=(n, m)), chance.normal(size=(m, k))
        for found, wanted in zip(f(a, b), (a @ b, a @ a.T), strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-12)


@every_target
def test_matrices_in_any_view_are_multiplied(target):
    B = go.variable("B", "float64[m, k]")
    a, b = np.arange(12.0).reshape(3, 4), np.arange(8.0).reshape(4, 2)
    views = {"flipped": (slice(None, None, -1),), "mirrored": (slice(None), slice(None, None, -1)),
             "every other": (slice(None, None, 2),), "one": (slice(1, 2),)}  # fmt: skip
    found = go.function([A, B], {name: A[key] @ B for name, key in views.items()}, target=target)(a, b)
    for name, key in views.items():
        np.testing.assert_array_equal(found[name], a[key] @ b, err_msg=name)


def test_arguments_of_a_ufunc_that_do_not_broadcast_are_named():
    import sympy

    f = go.function(sympy.symbols("a b"), sympy.Symbol("a") * sympy.Symbol("b"), target="numpy")
    with pytest.raises(go.ShapeMismatch, match=re.escape("do not broadcast: a (3,), b (4,)")):
        f(np.ones(3), np.ones(4))


# --- indices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "words"),
    [(lambda: x[5], "there is no element at index 5"), (lambda: x[-5], "there is no element at index n - 5 = -2"),
     (lambda: T.set_subtensor(x[4], 0.0), "there is no element at index 4"),
     (lambda: x.at[-4].add(1.0), "there is no element at index n - 4 = -1")],
)  # fmt: skip
@every_target
def test_an_index_outside_an_axis_of_unknown_length_is_found_by_the_call(target, part, words):
    f = go.function([x], part(), target=target)
    with pytest.raises(go.ShapeMismatch, match=words):
        f(np.zeros(3))
    f(np.zeros(9))


def test_a_split_into_unequal_parts_loses_nothing():
    f = go.function([x], T.split(x, 3))
    with pytest.raises(go.ShapeMismatch, match=re.escape("3*(n//3) = 6")):
        f(np.zeros(7))
    assert [part.tolist() for part in f(np.arange(3.0))] == [[0], [1], [2]]


# --- what an argument may be ------------------------------------------------------------------------------------------


class Framed:
    """Something with `__array__` and no dtype of its own, as a table of pandas."""

    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 2.0, 3.0])


def unaligned(array):
    return np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(array.dtype)


def frozen(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda a: a, id="plain"),
        pytest.param(unaligned, id="unaligned"),
        pytest.param(frozen, id="read-only"),
        pytest.param(lambda a: a[::-1].copy()[::-1], id="negative stride"),
        pytest.param(lambda a: np.repeat(a, 2)[::2], id="strided"),
        pytest.param(lambda a: np.asfortranarray(np.stack([a, a], axis=0))[0], id="Fortran order"),
        pytest.param(lambda a: a.astype(">f8"), id="foreign byte order"),
        pytest.param(lambda a: a.astype("float32"), id="float32"),
        pytest.param(lambda a: a.astype("int8"), id="int8"),
        pytest.param(lambda a: a.tolist(), id="list"),
        pytest.param(lambda a: tuple(a), id="tuple of NumPy's scalars"),
        pytest.param(lambda a: [1, 2.0, True + 2], id="mixed numbers"),
        pytest.param(lambda a: memoryview(a), id="buffer"),
        pytest.param(lambda a: np.rec.fromarrays([a], names="v").v, id="subclass"),
        pytest.param(lambda a: Framed(), id="__array__"),
    ],
)
@every_target
def test_an_argument_may_be_whatever_is_an_array(target, form):
    result = go.function([x], x[::-1] * 2, target=target, name="doubled")(form(np.array([1.0, 2.0, 3.0])))
    assert type(result) is np.ndarray
    np.testing.assert_array_equal(result, [6, 4, 2])


@every_target
def test_a_scalar_may_be_a_number_or_an_array_without_axes(target):
    s = go.variable("s", "float64")
    f = go.function([s], s + 1, target=target)
    for value in (2, 2.0, True + 1, np.float32(2), np.int8(2), np.array(2.0), np.array(2.0, ">f8")):
        result = f(value)
        assert isinstance(result, np.ndarray) and result.shape == () and result == 3
    with pytest.raises(go.ShapeMismatch, match=re.escape("argument s has rank 1 (shape (1,)); expected float64")):
        f([2.0])


@pytest.mark.parametrize(
    ("type", "value", "error", "words"),
    [
        ("int8[n]", [1, 300], go.InvalidArgument, "argument v: 300 does not fit int8, which holds -128 to 127"),
        ("uint8", -1, go.InvalidArgument, "argument v: -1 does not fit uint8"),
        ("int64", 2**63, go.InvalidArgument, "argument v: 9223372036854775808 does not fit int64"),
        ("int64[n]", [2**70], go.InvalidArgument, "argument v: 1180591620717411303424 does not fit int64"),
        ("float64", 10**400, go.InvalidArgument, "argument v: an integer of 401 digits does not fit float64"),
        ("int32", 1.5, go.TypeMismatch, "argument v has dtype float64, expected int32; convert it with"),
        ("int32[n]", np.array([1]), go.TypeMismatch, "argument v has dtype int64, expected int32"),
        ("float32[n]", Framed(), go.TypeMismatch, "argument v has dtype float64, expected float32"),
        ("bool", 2, go.TypeMismatch, "argument v has dtype int64, expected bool"),
        ("float64", None, go.TypeMismatch, "argument v is None, expected float64"),
        ("float64[n]", np.ma.array([1.0, 2.0], mask=[0, 1]), go.TypeMismatch, "masked array, whose mask would be lost"),
        ("float64", 1j, go.TypeMismatch, "argument v has dtype complex128"),
        ("float64", "1", go.TypeMismatch, "argument v has dtype <U1"),
        ("float64[n]", np.array(["2020-01-01"], "M8[D]"), go.TypeMismatch, "argument v has dtype datetime64"),
        ("float64[n]", np.zeros(2, [("a", "f8")]), go.TypeMismatch, "argument v has dtype"),
    ],
)
def test_an_argument_that_would_lose_something_is_refused(type, value, error, words):
    v = go.variable("v", type)
    f = go.function([v], T.logical_not(v), target="numpy")
    with pytest.raises(error, match=re.escape(words)):
        f(value)


@pytest.mark.parametrize(
    ("type", "value", "wanted"),
    [("uint8", 200, 200), ("int8[n]", [], []), ("float64", 2**70, 2.0**70), ("float32[n]", [2**70, 1], [2.0**70, 1]),
     ("uint64", 2**64 - 1, 2**64 - 1), ("int16[n]", [True, 2], [1, 2]), ("bool[n]", [], [])],
)  # fmt: skip
def test_numbers_that_fit_are_taken(type, value, wanted):
    v = go.variable("v", type)
    result = go.function([v], T.transpose(v), target="numpy")(value)
    assert result.dtype == v.dtype
    assert result.tolist() == wanted


def test_allowed_downcasts_of_arrays_follow_the_table_of_casts():
    v = go.variable("v", "uint8[n]")
    f = go.function([v], v ^ 0, allow_input_downcast=True, target="numpy")
    assert f(np.array([np.nan, np.inf, 300.0, -1.5])).tolist() == [0, 0, 44, 255]
    assert f(np.array([300, -1])).tolist() == [44, 255]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(np.int64(300), "uint8"), (np.array([1, 300]), "uint8"), (np.array([np.nan]), "int32"), (1.5, "int64"),
     (np.array([0.5]), "int8"), (2**70, None), (float("inf"), "int64"), (-1, "uint64")],
)  # fmt: skip
def test_a_constant_that_does_not_fit_is_refused_where_it_is_written(value, dtype):
    with pytest.raises(go.InvalidArgument, match="does not fit"):
        T.constant(value, dtype)


def test_masks_are_lost_in_no_constant_and_no_shared_variable():
    masked = np.ma.array([1.0, 2.0], mask=[0, 1])
    for use in (lambda: x + masked, lambda: T.constant(masked), lambda: go.shared(masked)):
        with pytest.raises(go.TypeMismatch, match="mask would be lost"):
            use()
