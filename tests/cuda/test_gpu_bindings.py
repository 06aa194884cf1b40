"""What holds over ctypes holds over PyCUDA, where that is installed; processes fork and end as they should."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pretended import BINDING, OVER_PYCUDA

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import DeviceFailed, TargetUnavailable

HERE = Path(__file__).parent
HAS_PYCUDA = importlib.util.find_spec("pycuda") is not None


def environment(library, **variables):
    """For a process that finds the pretended driver where the real one would be."""
    paths = [str(library.parent), os.environ.get("LD_LIBRARY_PATH", "")]
    return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(filter(None, paths)), **variables}


@pytest.mark.skipif(OVER_PYCUDA, reason="this is that run")
@pytest.mark.skipif(not HAS_PYCUDA, reason="PyCUDA is not installed; pip install graphopt[cuda]")
def test_the_same_holds_over_pycuda(library):
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(HERE)]
    ran = subprocess.run(
        command, env=environment(library, **{BINDING: "pycuda"}), capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]


def test_the_binding_is_the_one_that_was_asked_for(driver):
    assert ("PyCUDA 20" if OVER_PYCUDA else "through ctypes") in driver.description


END = """
import sys
sys.path.insert(0, {here!r})
import pretended  # whose kernels run
import numpy as np
import graphopt as go, graphopt.tensor as T
from graphopt.runtime import cuda_driver
cuda_driver.find_compiler = lambda driver: pretended.emulated
x = T.vector("x")
total = go.shared(np.zeros(3), name="total")
function = go.function([x], total + x, updates={{total: total + x}}, target="cuda")
kept = function(np.ones(3))
driver = function._variants[()].runner.driver
buffer, event = driver.allocate(100), driver.record()
print(driver.description.partition(", ")[2], kept)
"""


def test_a_process_that_used_a_gpu_ends_without_a_word(library):
    code = END.format(here=str(HERE))
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment(library), capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0 and ran.stderr == "", ran.stderr
    assert "driver for CUDA 13.0" in ran.stdout and "[1. 1. 1.]" in ran.stdout


def in_child(work):
    """What a function gives in a forked process; a short text."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, str(work()).encode()[:4000])
        except BaseException as error:
            os.write(write, f"{type(error).__name__}: {error}".encode()[:4000])
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as said:
        text = said.read().decode(errors="replace")
    os.waitpid(child, 0)
    return text


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_gets_an_error_and_its_parent_goes_on(gpu):
    x = T.vector("x")
    function = go.function([x], x + 1, target="cuda")
    function(np.zeros(3))
    assert "DeviceFailed: This process was forked from one that had used the GPU" in in_child(
        lambda: function(np.zeros(3))
    )
    assert "TargetUnavailable: This process was forked" in in_child(lambda: go.function([x], x + 2, target="cuda"))
    np.testing.assert_array_equal(function(np.zeros(3)), np.ones(3))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_may_use_the_gpu_if_its_parent_has_not(gpu):
    x = T.vector("x")
    said = in_child(lambda: go.function([x], x + 1, target="cuda")(np.zeros(3)))
    assert said == "[1. 1. 1.]"


def test_a_driver_that_is_not_at_work_says_why_that_may_be(gpu):
    x = T.vector("x")
    gpu.fault("cuInit", 3)  # as in a child of a process in which another library has used it
    with pytest.raises(TargetUnavailable, match="forked"):
        go.function([x], x + 1, target="cuda")
    gpu.fault("cuInit", 0)
    function = go.function([x], x + 1, target="cuda")
    gpu.fault("cuMemcpyDtoH_v2", 4)
    with pytest.raises(DeviceFailed, match="not at work any more"):
        function(np.ones(1))
