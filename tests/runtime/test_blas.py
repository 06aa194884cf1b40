"""OpenBLAS: found, linked with, and single-threaded."""

import ctypes
import os
import shutil
import sys

import pytest

from graphopt.errors import CompilationFailed
from graphopt.runtime import blas as blas_module
from graphopt.runtime.blas import find_blas, prepare
from graphopt.runtime.compile import build_library


@pytest.fixture
def without_blas(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy_openblas32", None)
    monkeypatch.setattr(blas_module, "_prepared", [])
    find_blas.cache_clear()
    yield
    find_blas.cache_clear()


def test_openblas_is_found_with_its_headers():
    pytest.importorskip("scipy_openblas32")
    blas = find_blas()
    assert blas is not None and blas.library.is_file() and (blas.include / "cblas.h").is_file()
    assert blas.prefix == "scipy_" and blas.version


def test_openblas_runs_on_one_thread_after_preparing():
    pytest.importorskip("scipy_openblas32")
    library = prepare()
    assert library.scipy_openblas_get_num_threads() == 1
    assert prepare() is library


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_generated_code_links_with_openblas_and_shares_its_setting():
    pytest.importorskip("scipy_openblas32")
    blas = find_blas()
    assert blas is not None
    prepare()
    text = f"""
float {blas.prefix}cblas_sdot(int n, const float *x, int incx, const float *y, int incy);
int {blas.prefix}openblas_get_num_threads(void);
float dot(const float *x, const float *y, int n) {{ return {blas.prefix}cblas_sdot(n, x, 1, y, 1); }}
int threads(void) {{ return {blas.prefix}openblas_get_num_threads(); }}
"""
    library = build_library(text, flags=("-O1",), link=blas.link_flags)
    library.handle.dot.restype = ctypes.c_float
    x, y = (ctypes.c_float * 3)(1, 2, 3), (ctypes.c_float * 3)(4, 5, 6)
    assert library.handle.dot(x, y, 3) == 32.0
    assert library.handle.threads() == 1


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_headers_of_openblas_can_be_used():
    pytest.importorskip("scipy_openblas32")
    blas = find_blas()
    assert blas is not None
    text = "#include <cblas.h>\nint order(void) { return CblasRowMajor; }\n"
    assert build_library(text, flags=("-O0", f"-I{blas.include}")).handle.order() == 101


def test_preparing_loads_a_library_that_numpy_does_not_use(output_of):
    pytest.importorskip("scipy_openblas32")
    code = """
import numpy, ctypes
from graphopt.runtime.blas import find_blas, prepare
before = {line.split()[-1] for line in open("/proc/self/maps") if "openblas" in line}
prepare()
after = {line.split()[-1] for line in open("/proc/self/maps") if "openblas" in line}
print(str(find_blas().library.resolve()) in {path for path in after - before})
"""
    if os.path.exists("/proc/self/maps"):
        assert output_of(code).strip() == "True"


def test_without_the_package_there_is_none_and_preparing_says_what_to_install(without_blas):
    assert find_blas() is None
    with pytest.raises(CompilationFailed, match="pip install scipy-openblas32"):
        prepare()
