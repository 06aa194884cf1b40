"""The driver for GPUs over a pretended one: memory, launches, events, and whole functions."""

import ctypes
import gc
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument
from graphopt.runtime.cuda_driver import CudaDriver
from graphopt.runtime.cuda_kernel import CudaKernel
from graphopt.runtime.devices import default_driver
from graphopt.runtime.driver import Buffer, Driver, Event, Kernel, Module

SOURCE = """
extern "C" __global__ void scale(double* x, double factor, long long n) {
  for (long long i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) x[i] *= factor;
}
extern "C" __global__ void mixed(double* out, signed char a, double b, short c, float d, bool e, unsigned long long f) {
  out[0] = a; out[1] = b; out[2] = c; out[3] = d; out[4] = e; out[5] = (double)f;
}
"""


def fetched(driver, buffer, count):
    array = np.empty(count)
    driver.copy_out(buffer, array)
    return array


def softmax(target="cuda", **options):
    x = T.matrix("x")
    return go.function([x], T.softmax(x, axis=1), target=target, options=go.Options(**options))


def test_it_is_a_driver(driver):
    assert isinstance(driver, Driver)
    assert driver.name == "cuda" and driver.times_mean_something and driver.multiprocessors == 4
    assert driver.capability == 90 and "Pretended 0" in driver.description and "CUDA 13.0" in driver.description
    assert driver.shared_memory == 227 * 1024
    module = driver.compile(SOURCE)
    assert isinstance(module, Module) and isinstance(module.kernel("scale"), Kernel)
    assert isinstance(driver.record(), Event)


def test_a_kernel_computes_on_what_was_copied_in(driver):
    kernel = driver.compile(SOURCE).kernel("scale")
    buffer = driver.allocate(800, "x")
    driver.copy_in(buffer, np.arange(100.0))
    driver.launch(kernel, (2, 1, 1), (32, 1, 1), 0, [buffer, np.float64(3), np.int64(100)])
    np.testing.assert_array_equal(fetched(driver, buffer, 100), 3 * np.arange(100.0))


@pytest.mark.parametrize(("stream", "waits"), [(None, 0), (1, 0), (2, 0), (0x5EED0, 1)])
def test_an_array_of_another_stream_is_waited_for_before_it_is_read(gpu, stream, waits):
    class Foreign:
        def __init__(self, buffer):
            self.__cuda_array_interface__ = {
                "shape": (2,), "typestr": "<f8", "data": (buffer.address, False), "version": 3, "stream": stream,
            }  # fmt: skip

    buffer = default_driver().allocate(16)
    default_driver().copy_in(buffer, np.ones(2))
    x = T.vector("x")
    before = gpu.calls("cuCtxSynchronize")
    go.function([x], x + 1, target="cuda", options=go.Options(device_outputs=True))(Foreign(buffer))
    assert gpu.calls("cuCtxSynchronize") - before == waits + 1  # once more at the end, as who owns it does not wait


def test_arguments_of_every_size_arrive(driver):
    kernel = driver.compile(SOURCE).kernel("mixed")
    out = driver.allocate(48)
    given = [np.int8(-3), np.float64(0.1), np.int16(-400), np.float32(0.5), np.bool_(True), np.uint64(2**63)]
    driver.launch(kernel, (1, 1, 1), (1, 1, 1), 48, [out, *given])
    np.testing.assert_array_equal(fetched(driver, out, 6), [-3, 0.1, -400, 0.5, 1, 2**63])


C_TYPES = {
    np.int8: ctypes.c_int8, np.uint8: ctypes.c_uint8, np.int16: ctypes.c_int16, np.uint16: ctypes.c_uint16,
    np.int32: ctypes.c_int32, np.uint32: ctypes.c_uint32, np.int64: ctypes.c_int64, np.uint64: ctypes.c_uint64,
    np.float32: ctypes.c_float, np.float64: ctypes.c_double, np.bool_: ctypes.c_bool, Buffer: ctypes.c_uint64,
}  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(list(C_TYPES)), st.integers(0, 100)), max_size=12))
def test_arguments_lie_as_in_a_structure_of_c(wanted):
    arguments = [Buffer(value, 1) if kind is Buffer else kind(value) for kind, value in wanted]
    fields = [(f"f{number}", C_TYPES[kind]) for number, (kind, _) in enumerate(wanted)]
    structure = type("Structure", (ctypes.Structure,), {"_fields_": fields})
    laid = structure(*(bool(value) if kind is np.bool_ else value for kind, value in wanted))
    end = max((getattr(structure, name).offset + ctypes.sizeof(type_) for name, type_ in fields), default=0)
    packed = CudaKernel("k", None, None).pack(arguments)
    assert len(packed) == end
    again = structure.from_buffer_copy(packed.ljust(ctypes.sizeof(laid), b"\0"))
    assert [getattr(again, name) for name, _ in fields] == [getattr(laid, name) for name, _ in fields]


@pytest.mark.parametrize("wrong", [1, 2.0, np.complex128(1), np.longdouble(1), None])
def test_what_is_neither_buffer_nor_number_is_refused(driver, wrong):
    kernel = driver.compile(SOURCE).kernel("scale")
    with pytest.raises(InvalidArgument, match=r"argument 1: .* is neither a buffer nor a number"):
        driver.launch(kernel, (1, 1, 1), (1, 1, 1), 0, [driver.allocate(8), wrong, np.int64(1)])


def test_a_kernel_that_is_not_there_is_named(driver):
    with pytest.raises(InvalidArgument, match="no kernel 'missing'"):
        driver.compile(SOURCE).kernel("missing")


def test_parts_of_buffers_and_empty_arrays_are_copied(driver):
    buffer = driver.allocate(80, "x")
    driver.copy_in(buffer, np.arange(10.0))
    driver.copy_in(buffer.part(16, 8), np.array([-1.0]))
    driver.copy_in(buffer, np.empty(0))
    driver.copy_out(buffer, np.empty(0))
    np.testing.assert_array_equal(fetched(driver, buffer, 4), [0, 1, -1, 3])
    with pytest.raises(InvalidArgument, match="contiguous"):
        driver.copy_in(buffer, np.arange(8.0)[::2])


def test_freed_memory_is_taken_again_without_asking_the_device(driver, gpu):
    first = driver.allocate(1000)
    driver.free(first)
    asked = gpu.calls("cuMemAlloc_v2")
    assert driver.allocate(990).address == first.address
    assert gpu.calls("cuMemAlloc_v2") == asked and gpu.calls("cuMemFree_v2") == 0


def test_what_is_kept_goes_back_on_request(driver, gpu):
    driver.free(driver.allocate(10**6))
    assert gpu.used > 0
    driver.release_memory()
    assert gpu.used == 0


def test_memory_is_freed_once_and_by_its_own_driver(driver):
    buffer = driver.allocate(8, "x")
    driver.free(buffer)
    with pytest.raises(InvalidArgument, match="'x' is not in use here"):
        driver.free(buffer)
    with pytest.raises(InvalidArgument, match="not this driver's"):
        driver.free(CudaDriver().allocate(8, "x"))


def test_events_say_how_long_it_took(driver):
    earlier = driver.record()
    later = driver.record()
    assert 0 <= later.seconds_since(earlier) < 60


def test_modules_and_events_are_released_when_nobody_uses_them(driver, gpu):
    module = driver.compile(SOURCE)
    kernel = module.kernel("scale")
    event = driver.record()
    del module, event
    gc.collect()
    assert gpu.calls("cuEventDestroy_v2") == 1 and gpu.calls("cuModuleUnload") == 0
    del kernel
    gc.collect()
    assert gpu.calls("cuModuleUnload") == 1


def test_a_driver_gives_its_memory_back_when_it_goes(gpu):
    driver = CudaDriver()
    driver.free(driver.allocate(5000))
    assert gpu.used > 0
    del driver
    gc.collect()
    assert gpu.used == 0


def test_a_whole_function_runs_and_asks_for_memory_once(gpu):
    function, reference = softmax(), softmax("numpy")
    values = np.random.default_rng(0).normal(size=(7, 70))
    np.testing.assert_allclose(function(values), reference(values), rtol=1e-12)
    asked = gpu.calls("cuMemAlloc_v2")
    np.testing.assert_allclose(function(values + 1), reference(values), rtol=1e-12)
    assert gpu.calls("cuMemAlloc_v2") == asked


def test_updates_land(gpu):
    total, x = go.shared(np.zeros(3), name="total"), T.vector("x")
    add = go.function([x], [], updates={total: total + x}, target="cuda")
    add(np.arange(3.0))
    add(np.ones(3))
    np.testing.assert_array_equal(total.get_value(), [1, 2, 3])


def test_functions_share_one_driver(gpu):
    first, second = softmax(), softmax()
    assert gpu.calls("cuInit") == 1
    assert first.target == second.target == "cuda" and "go_" in first.source
    assert default_driver() is default_driver(0)


def test_several_threads_use_one_function(gpu):
    function, reference = softmax(), softmax("numpy")
    wrong = []

    def work(seed):
        values = np.random.default_rng(seed).normal(size=(seed + 1, 40))
        for _ in range(5):
            if not np.allclose(function(values), reference(values), rtol=1e-12):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_array_of_another_device_is_refused(driver, gpu):
    driver.check_device(gpu.memory_of(0, 64), "x")
    with pytest.raises(InvalidArgument, match=r"argument 'x' lies on device 1, and .* device 0; .*device=1"):
        driver.check_device(gpu.memory_of(1, 64), "x")
    with pytest.raises(InvalidArgument, match="is not memory of a GPU"):
        driver.check_device(np.zeros(1).ctypes.data, "x")


def test_the_context_is_current_for_other_libraries(driver, gpu):
    with driver.context.current():
        assert gpu.depth == 1
    assert gpu.depth == 0
