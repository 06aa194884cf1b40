"""Integers mean one thing: the interpreter, C and CUDA agree at every edge, and C is clean under the sanitizer."""

import subprocess
import sys
import warnings
from pathlib import Path

import integer_corpus as corpus
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from op_support import evaluate, inputs_like

import graphopt as go
import graphopt.tensor as T
from graphopt.arithmetics import Exact
from graphopt.integers import convert, truncated
from graphopt.runtime import emulator

SCRIPT = Path(corpus.__file__)


@pytest.mark.parametrize("target", ["numpy", "c", "cuda-emulated"])
def test_every_operation_on_integers_is_what_the_table_says(target):
    wrong = corpus.disagreements(target)
    assert not wrong, "\n".join(wrong)


def sanitized(*arguments):
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_no_operation_on_integers_is_undefined_in_c():
    ran = sanitized()
    assert ran.returncode == 0, ran.stderr[-4000:]


def test_the_sanitizer_finds_what_is_undefined():
    ran = sanitized("overflow")
    assert ran.returncode != 0
    assert "signed integer overflow: 2147483647" in ran.stderr


@pytest.fixture
def sanitized_kernels(monkeypatch):
    """The emulation's compiler told to stop a kernel at what C++ leaves undefined."""
    flags = (*emulator.KERNEL_FLAGS, "-fsanitize=undefined,float-cast-overflow")
    monkeypatch.setattr(emulator, "KERNEL_FLAGS", flags)


def test_no_operation_on_integers_is_undefined_in_cuda_text(sanitized_kernels):
    assert not corpus.disagreements("cuda-emulated")


def test_a_kernel_stops_at_what_is_undefined(sanitized_kernels):
    i = go.variable("i", "int32[n]")
    function = go.function([i], i + 1, target="cuda-emulated")
    careless = function.with_source(function.source.replace("go_add_i32(i_1, 1)", "i_1 + 1"))
    assert careless([1, 2]).tolist() == [2, 3]
    with pytest.raises(go.DeviceFailed, match="add_0"):
        careless([1, 2**31 - 1])


@pytest.mark.parametrize("target", corpus.INTEGERS)
@given(st.floats(width=64) | st.sampled_from(corpus.floats("float64")))
def test_a_float_becomes_the_same_integer_however_it_is_computed(target, x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wanted = corpus.conversion(x, target)
        assert convert(np.array([x]), target).tolist() == [wanted]
        assert truncated(mpmath.mpf(x), target) == wanted
        (variable,) = inputs_like(array := np.array([x]))
        assert evaluate(T.cast(variable, target), array, arithmetic=Exact()).tolist() == [wanted]


def test_only_zero_is_false():
    x = np.array([0.0, -0.0, 0.5, -1e-320, np.nan, np.inf])
    assert convert(x, "bool").tolist() == [False, False, True, True, True, True]


def test_a_float_beyond_the_range_of_a_narrower_one_is_infinite():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert convert(np.array([1e300, -1e300, 2.0**128 - 2.0**103]), "float32").tolist() == [np.inf, -np.inf, np.inf]
