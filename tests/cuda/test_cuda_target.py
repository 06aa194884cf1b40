"""The target "cuda": chosen, replaced by C only on request, and run by a third party's driver where one is given."""

import pickle
import sys
import warnings

import numpy as np
import pytest
import sympy

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import InvalidArgument, TargetUnavailable
from graphopt.runtime import cuda_binding, devices, doctor
from graphopt.runtime.driver import Driver
from graphopt.runtime.emulation import EmulatedDriver


def made(target="cuda", mode=None, **options):
    x = T.vector("x")
    return go.function([x], 2 * x + 1, target=target, mode=mode, options=go.Options(**options))


@pytest.fixture
def no_gpu(monkeypatch):
    """A machine without a driver, whatever this one has; warnings are given again."""
    monkeypatch.setattr(cuda_binding, "LIBRARY", "libnothing.so.1")
    monkeypatch.setitem(sys.modules, "graphopt.runtime.cuda_pycuda", None)
    monkeypatch.setattr(devices, "_drivers", {})
    devices._warn.cache_clear()


def test_without_a_gpu_the_target_is_not_there(no_gpu):
    with pytest.raises(TargetUnavailable, match="libnothing"):
        made()
    t = sympy.Symbol("t")
    with pytest.raises(TargetUnavailable, match="libnothing"):  # also where nothing is compiled before the first call
        go.function([t], t**2, target="cuda")


def test_c_takes_its_place_on_request_with_one_warning(no_gpu):
    with pytest.warns(RuntimeWarning, match=r"(?s)target='c' takes the place of 'cuda'.*libnothing"):
        function = made(fallback="c")
    assert function.target == "c" and "target c" in repr(function)
    np.testing.assert_array_equal(function([1.0, 2.0]), [3, 5])
    with warnings.catch_warnings(action="error"):
        again = pickle.loads(pickle.dumps(made(fallback="c")))
    np.testing.assert_array_equal(again([1.0, 2.0]), [3, 5])


def test_a_function_that_fell_back_uses_the_gpu_where_there_is_one(gpu, monkeypatch):
    monkeypatch.setattr(devices, "_drivers", {})
    gpu.fault("cuInit", 100)
    with pytest.warns(RuntimeWarning, match="finds no GPU"):
        pickled = pickle.dumps(made(fallback="c"))
    gpu.fault("cuInit", 0)
    function = pickle.loads(pickled)
    assert function.target == "cuda"
    np.testing.assert_array_equal(function([1.0, 2.0]), [3, 5])


def test_a_third_partys_driver_runs_the_text(no_gpu):
    driver = EmulatedDriver(seed=3)
    function = made(driver=driver)
    assert function.target == "cuda" and "__global__" in function.source
    np.testing.assert_array_equal(function([1.0, 2.0]), [3, 5])


def test_what_makes_a_driver_is_asked_once(no_gpu):
    calls = []

    def make() -> Driver:
        calls.append(1)
        return EmulatedDriver()

    for _ in range(2):
        np.testing.assert_array_equal(made(driver=make)([1.0, 2.0]), [3, 5])
    assert calls == [1]
    again = pickle.loads(pickle.dumps(made(driver=EmulatedDriver)))
    np.testing.assert_array_equal(again([1.0, 2.0]), [3, 5])


def test_debugging_needs_no_gpu(no_gpu):
    function = made(mode="debug")
    np.testing.assert_array_equal(function([1.0, 2.0]), [3, 5])
    assert "__global__" in function.source


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"device": -1}, "device is the number of a GPU"),
        ({"driver": 3}, "driver is a .*Driver or makes one"),
        ({"fallback": "cuda"}, "fallback is None or one of c, numpy"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said):
    with pytest.raises(InvalidArgument, match=said):
        go.Options(**options)


def test_what_makes_no_driver_is_refused(no_gpu):
    with pytest.raises(InvalidArgument, match="which is no Driver"):
        made(driver=dict)


def test_a_target_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(InvalidArgument, match="numpy, c, cuda, cuda-emulated"):
        made(target="metal")


def test_the_doctor_says_what_runs_it(gpu, monkeypatch):
    (found,) = doctor._target()
    assert found.status == "found" and "Pretended 0" in found.detail and "CUDA 13.0" in found.detail
    monkeypatch.setattr(devices, "_drivers", {})
    gpu.fault("cuInit", 100)
    (missing,) = doctor._target()
    assert missing.status == "missing" and "finds no GPU" in missing.detail and "fallback='c'" in missing.advice
