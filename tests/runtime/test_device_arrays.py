"""Arrays on a device: what they are, what they exchange with other libraries, and when their memory goes back."""

import ctypes
import gc
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphopt as go
from graphopt.errors import DeviceFailed, InvalidArgument, ShapeMismatch, TypeMismatch
from graphopt.runtime.device_arguments import as_argument
from graphopt.runtime.device_array import DeviceArray, empty, put
from graphopt.runtime.driver import FOREIGN, Buffer
from graphopt.runtime.emulation import EmulatedDriver
from graphopt.runtime.shared_device import device_of
from graphopt.types import DTYPES

DRIVER = EmulatedDriver()
DEVICE = device_of(DRIVER)
x = go.variable("x", "float64[n]")


def live(driver=DRIVER):
    gc.collect()
    return len(driver._live)


def doubled(**options):
    """A function whose results stay on the device."""
    options = go.Options(driver=DRIVER, device_outputs=True, **options)
    return go.function([x], 2 * x, target="cuda-emulated", options=options)


@pytest.fixture(scope="module")
def double():
    return doubled()


class OnGpu:
    """Stands for another library's array: in name on a GPU, in truth the host's."""

    def __init__(self, array, **changed):
        self.array = array
        self.__cuda_array_interface__ = {
            "shape": array.shape, "typestr": array.dtype.str, "data": (array.ctypes.data, False),
            "strides": None if array.flags.c_contiguous else array.strides, "stream": None, "version": 3, **changed,
        }  # fmt: skip


class NominalGpu(EmulatedDriver):
    """An emulation that says that its memory is a GPU's; notes what it is asked."""

    dlpack_device = (2, 0)

    def __init__(self):
        super().__init__()
        self.asked, self.waited = [], []

    def check_device(self, address):
        self.asked.append(address)
        if address % 4096 == 16:
            raise InvalidArgument("that is another GPU's")

    def wait_for(self, stream):
        self.waited.append(stream)


# --- arrays -----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(DTYPES).flatmap(lambda t: hnp.arrays(t, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))))
def test_an_array_goes_to_the_device_and_comes_back_by_every_road(array):
    here = put(DEVICE, array)
    assert (here.shape, here.dtype, here.ndim, here.size, here.nbytes) == (
        array.shape, array.dtype, array.ndim, array.size, array.nbytes,
    )  # fmt: skip
    for back in (here.numpy(), np.asarray(here), np.from_dlpack(here), pickle.loads(pickle.dumps(here))):
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)
    np.testing.assert_array_equal(here.reshape(-1).numpy(), array.reshape(-1))


def test_an_array_says_where_it_lies_and_what_it_cannot_do():
    here = put(DEVICE, np.arange(6.0).reshape(2, 3))
    assert repr(here) == f"<device array float64[2, 3] on cuda-emulated at {here.buffer.address:#x}>"
    assert len(here) == 2 and np.asarray(here, dtype="float32").dtype == "float32"
    np.testing.assert_array_equal(here.reshape((3, -1)).numpy(), [[0, 1], [2, 3], [4, 5]])
    with pytest.raises(ValueError, match="always a copy"):
        np.asarray(here, copy=False)
    with pytest.raises(InvalidArgument, match="reshape"):
        here.reshape(4)
    assert not hasattr(here, "__cuda_array_interface__")
    with pytest.raises(BufferError, match="where it lies"):
        here.__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError, match="copy"):
        here.__dlpack__(copy=True)


def test_memory_goes_back_when_nobody_refers_to_it():
    before = live()
    here = put(DEVICE, np.arange(4.0))
    view, shared, untaken = here.reshape(2, 2), np.from_dlpack(here), here.__dlpack__()
    del here
    assert live() == before + 1 and view.numpy()[1, 1] == 3
    del view, untaken
    assert live() == before + 1 and shared[3] == 3  # the emulation's memory is the host's
    del shared
    assert live() == before


def test_memory_that_is_let_go_inside_the_driver_goes_back_afterwards():
    class Collecting(EmulatedDriver):
        """Collects garbage in the middle of a copy."""

        def copy_in(self, buffer, array):
            before = len(self._live)
            waste.clear()
            assert len(self._live) == before
            super().copy_in(buffer, array)

    driver = Collecting()
    waste = [empty(device_of(driver), (3,), "int8") for _ in range(3)]
    kept = put(device_of(driver), np.ones(2))
    assert live(driver) == 1 and kept.numpy().sum() == 2


def test_the_same_driver_is_one_device_and_another_is_another():
    assert device_of(DRIVER) is DEVICE is device_of(DEVICE) and device_of(EmulatedDriver()) is not DEVICE


# --- DLPack -----------------------------------------------------------------------------------------------------------


class Lender:
    """A NumPy array's capsule, whose deleter counts how often it is called."""

    def __init__(self, array):
        self.array, self.deleted = array, 0
        self.count = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(self.delete)

    def delete(self, address):
        self.deleted += 1

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, *, stream=None):
        from graphopt.runtime import dlpack

        capsule = self.array.__dlpack__()
        managed = dlpack._Managed.from_address(dlpack._pointer(id(capsule), dlpack.FRESH))
        self.original = managed.deleter  # never called: what NumPy lent stays
        managed.deleter = ctypes.cast(self.count, ctypes.c_void_p)
        return capsule


def test_what_another_library_lends_is_read_in_place_and_given_back_once():
    memory = np.zeros(20)
    array = memory[-memory.ctypes.data % 64 // 8 :][:8]  # aligned to 64 bytes
    array[:] = np.arange(8)
    lender = Lender(array)
    with DEVICE.counted() as tally:
        taken = as_argument("x", lender, "float64", None, DEVICE)
    assert isinstance(taken, DeviceArray) and taken.is_foreign and taken.buffer.address == array.ctypes.data
    assert tally.copies_in == 0
    view = taken.reshape(2, 4)
    del taken
    gc.collect()
    assert lender.deleted == 0 and view.numpy()[1, 3] == 7
    del view
    gc.collect()
    assert lender.deleted == 1
    with pytest.raises(TypeMismatch, match="float64, expected float32"):
        as_argument("x", lender, "float32", None, DEVICE)
    gc.collect()
    assert lender.deleted == 2


@pytest.mark.parametrize(
    "array",
    [np.arange(12.0).reshape(3, 4).T, np.arange(9.0)[::2], np.arange(9.0)[1:], np.zeros((0, 3)), np.arange(3.0)[::-1]],
)
def test_what_cannot_be_read_in_place_is_copied_from_the_host(array):
    taken = as_argument("x", Lender(array), "float64", None, DEVICE)
    np.testing.assert_array_equal(np.asarray(taken), array)


def test_a_capsule_is_used_once():
    capsule = np.arange(3.0).__dlpack__()

    class Again:
        def __dlpack_device__(self):
            return (1, 0)

        def __dlpack__(self, *, stream=None):
            return capsule

    again = Again()
    assert as_argument("x", again, "float64", None, DEVICE).size == 3
    with pytest.raises(InvalidArgument, match=r"argument x: .*used already"):
        as_argument("x", again, "float64", None, DEVICE)


# --- arguments and results --------------------------------------------------------------------------------------------


def test_a_chain_of_functions_copies_nothing_in_between(double):
    double(double(np.ones(5)))
    with DEVICE.counted() as tally:
        result = double(double(np.arange(5.0)))
    assert (tally.copies_in, tally.bytes_in, tally.copies_out) == (1, 40, 0)
    np.testing.assert_array_equal(result, 4 * np.arange(5.0))
    double(result)
    with DEVICE.counted() as tally:
        double(result)
    assert (tally.copies_in, tally.copies_out, tally.allocations) == (0, 0, 1)  # the result


def test_device_arrays_are_held_to_the_rules_of_numpy_arrays(double):
    for value, error, message in (
        (put(DEVICE, np.ones(3, "complex64")), TypeMismatch, "argument x has dtype complex64"),
        (put(DEVICE, np.ones((2, 2))), ShapeMismatch, "argument x has rank 2"),
        (put(device_of(EmulatedDriver(3)), np.ones(3)), InvalidArgument, "argument x lies on <device .*seed=3"),
        (OnGpu(np.ones(3)), InvalidArgument, "argument x lies on a GPU, but the function runs on cuda-emulated"),
    ):
        with pytest.raises(error, match=message):
            double(value)
    np.testing.assert_array_equal(double(put(DEVICE, np.arange(3, dtype="int32"))), [0, 2, 4])  # converts without loss
    f = go.function([x], 2 * x)
    np.testing.assert_array_equal(f(put(DEVICE, np.ones(2))), [2, 2])  # on the host, an array like any other


def test_results_alias_neither_arguments_nor_shared_variables():
    w = go.shared(np.ones(3), name="w")
    v = go.variable("v", "float64[3]")
    f = go.function(
        [v], [v, w, w + v], updates={w: w + v}, target="cuda-emulated",
        options=go.Options(driver=DRIVER, device_outputs=True),
    )  # fmt: skip
    given = put(DEVICE, np.ones(3))
    results = f(given)
    lying = [given, *results, w._value.array]
    assert all(isinstance(array, DeviceArray) for array in lying)
    assert not any(a.shares_memory(b) for k, a in enumerate(lying) for b in lying[:k])
    assert given.shares_memory(given.reshape(3, 1))


def test_results_go_into_arrays_on_the_device_and_on_the_host(double):
    there, here = empty(DEVICE, (4,), "float64"), np.empty(4)
    assert double.into(there, np.arange(4.0)) is there and double.into(here, np.arange(4.0)) is here
    np.testing.assert_array_equal(there, here)
    np.testing.assert_array_equal(here, [0, 2, 4, 6])
    other = empty(device_of(EmulatedDriver(1)), (4,), "float64")
    for out, message in (
        (there, "output .* shares memory with x"), (empty(DEVICE, (5,), "float64"), "found <device array"),
        (empty(DEVICE, (4,), "float32"), "needs an array float64"), (other, "on the host or on <device"),
    ):  # fmt: skip
        with pytest.raises(InvalidArgument, match=message):
            double.into(out, there)
    with pytest.raises(InvalidArgument, match="needs an array float64"):
        go.function([x], 2 * x).into(there, np.ones(4))


def test_a_ufunc_and_every_mode_take_and_return_arrays_on_the_device():
    import sympy

    s, t = sympy.symbols("s t")
    options = go.Options(driver=DRIVER, device_outputs=True)
    f = go.function([s, t], {"product": s * t, "square": t**2}, target="cuda-emulated", options=options)
    results = f(put(DEVICE, np.arange(6.0).reshape(2, 3)), 2.0)
    assert all(isinstance(array, DeviceArray) for array in results.values())
    np.testing.assert_array_equal(results["product"], 2 * np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(results["square"], np.full((2, 3), 4.0))
    for mode in ("check", "debug", "nan"):
        g = go.function([x], 2 * x, target="cuda-emulated", options=options, mode=mode)
        result = g(put(DEVICE, np.ones(3)))
        assert isinstance(result, DeviceArray) == (mode == "check")
        np.testing.assert_array_equal(result, [2, 2, 2])


def test_results_stay_on_a_device_only_where_there_is_one():
    with pytest.raises(InvalidArgument, match="'c' runs on the host"):
        go.function([x], x + 1, options=go.Options(device_outputs=True))


# --- on a GPU, in name ------------------------------------------------------------------------------------------------


def test_on_a_gpu_arrays_of_other_libraries_are_read_where_they_lie():
    driver = NominalGpu()
    device = device_of(driver)
    here = put(device, np.arange(6.0).reshape(2, 3))
    facts = here.__cuda_array_interface__
    assert facts == {"shape": (2, 3), "typestr": "<f8", "data": (here.buffer.address, False), "strides": None,
                     "stream": None, "version": 3}  # fmt: skip
    assert here.__dlpack_device__() == (2, 0)
    assert empty(device, (0,), "int8").__cuda_array_interface__["data"] == (0, False)
    memory = np.zeros(1024)
    array = memory[-memory.ctypes.data % 64 // 8 :][:6].reshape(2, 3)
    taken = as_argument("x", OnGpu(array, stream=7), "float64", None, device)
    assert taken.buffer.address == array.ctypes.data == driver.asked[0] and taken.is_foreign and driver.waited == [7]
    np.testing.assert_array_equal(taken, array)
    shifted = as_argument("x", OnGpu(array.reshape(-1)[1:]), "float64", None, device)
    assert not shifted.is_foreign and shifted.shape == (5,)  # not aligned: copied
    assert isinstance(as_argument("x", np.ones(3), "float64", None, device), np.ndarray)
    for value, error, message in (
        (OnGpu(array.T), InvalidArgument, "argument x: it is not row-major.*contiguous"),
        (OnGpu(array.astype("complex128")), TypeMismatch, "complex128, which has no meaning"),
        (OnGpu(array, mask=array), TypeMismatch, "a mask"),
        (here_of_another_gpu(), InvalidArgument, r"argument x lies on DLPack device \(2, 1\)"),
    ):
        with pytest.raises(error, match=message):
            as_argument("x", value, "float64", None, device)


def here_of_another_gpu():
    class There:
        def __dlpack_device__(self):
            return (2, 1)

        def __dlpack__(self, *, stream=None):
            raise AssertionError("not to be asked")

    return There()


def test_what_a_driver_says_of_an_address_names_the_argument():
    device = device_of(NominalGpu())
    fake = OnGpu(np.ones(1), data=(16, False))
    with pytest.raises(InvalidArgument, match="argument x: that is another GPU's"):
        as_argument("x", fake, "float64", None, device)


def test_memory_of_another_library_is_never_freed_as_ours():
    with pytest.raises(InvalidArgument, match="not in use here"):
        DRIVER.free(Buffer(4096, 8, "theirs", FOREIGN))
    with pytest.raises(DeviceFailed, match="no memory"):
        empty(DEVICE, (2**60,), "float64")
