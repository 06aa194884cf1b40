"""Row-major products through a library that speaks cuBLAS's language, on the host's memory."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphopt.errors import DeviceFailed, InvalidArgument, TargetUnavailable
from graphopt.runtime import cublas
from graphopt.runtime.cublas import CublasProducts, find_cublas, load_cublas
from graphopt.runtime.driver import Buffer
from graphopt.runtime.emulation import EmulatedDriver
from graphopt.runtime.multiplication import Multiplication, MultipliesMatrices, Operand

STREAM = 0x5EED
UNTOUCHED = -77.0


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    made = tmp_path_factory.mktemp("cublas") / "libcublas.so.13"
    source = Path(__file__).with_name("pretended_cublas.c")
    subprocess.run(["gcc", "-std=c11", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", source, "-o", made], check=True)
    return ctypes.CDLL(str(made))


@pytest.fixture(scope="module")
def products(library):
    return CublasProducts(STREAM, library)


@pytest.fixture(scope="module")
def driver():
    return EmulatedDriver(1)


def memory_of(array):
    return Buffer(array.ctypes.data, array.nbytes, "memory")


@st.composite
def products_to_do(draw):
    """A product with its arrays: each operand somewhere in memory, stored either way round, with gaps."""
    sizes = st.one_of(st.sampled_from([0, 1, 2, 3]), st.integers(4, 9))
    batch, rows, columns, depth = draw(st.integers(0, 3)), *(draw(sizes) for _ in range(3))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    gaps = st.integers(0, 3)

    def operand(rows, columns, is_result=False):
        transposed = not is_result and draw(st.booleans())
        stored = (columns, rows) if transposed else (rows, columns)
        leading, offset = stored[1] + draw(gaps), draw(gaps)
        whole = stored[0] * leading
        stride = 0 if draw(st.booleans()) and not is_result else whole + draw(gaps)
        array = rng.integers(-8, 8, offset + max(batch, 1) * max(stride, whole)).astype(dtype)
        if is_result:
            array[:] = UNTOUCHED
        return array, Operand(memory_of(array), offset, leading, transposed, stride)

    sides = [operand(rows, depth), operand(depth, columns), operand(rows, columns, True)]
    arrays, operands = zip(*sides, strict=True)
    return Multiplication(dtype, batch, rows, columns, depth, *operands), arrays


def elements(array, operand, batch, rows, columns):
    """The positions of an operand's elements, [batch, rows, columns]."""
    down, right = (1, operand.leading) if operand.transposed else (operand.leading, 1)
    b, i, j = np.ogrid[:batch, :rows, :columns]
    return operand.offset + b * operand.stride + i * down + j * right


def expected(todo, arrays):
    a, b, c = arrays
    left = a[elements(a, todo.left, todo.batch, todo.rows, todo.depth)]
    right = b[elements(b, todo.right, todo.batch, todo.depth, todo.columns)]
    result = c.copy()
    result[elements(c, todo.result, todo.batch, todo.rows, todo.columns)] = left @ right
    return result


@settings(max_examples=150, deadline=None)
@given(drawn=products_to_do())
def test_a_row_major_product_is_told_to_a_column_major_library(products, drawn):
    todo, arrays = drawn
    wanted = expected(todo, arrays)
    products.multiply(todo)
    np.testing.assert_array_equal(arrays[2], wanted)  # small integers: exact in any order; gaps stay as they were


@settings(max_examples=60, deadline=None)
@given(drawn=products_to_do())
def test_the_emulated_driver_multiplies_what_the_library_would(driver, drawn):
    todo, arrays = drawn
    held = [driver.allocate(array.nbytes, name) for array, name in zip(arrays, "abc", strict=True)]
    for buffer, array in zip(held, arrays, strict=True):
        driver.copy_in(buffer, array)
    placed = {
        side: Operand(buffer, at.offset, at.leading, at.transposed, at.stride)
        for side, buffer in zip(("left", "right", "result"), held, strict=True)
        for at in [getattr(todo, side)]
    }
    driver.multiply(Multiplication(todo.dtype, todo.batch, todo.rows, todo.columns, todo.depth, **placed))
    found = np.empty_like(arrays[2])
    driver.copy_out(held[2], found)
    for buffer in held:
        driver.free(buffer)
    np.testing.assert_array_equal(found, expected(todo, arrays))


def square(n=2, dtype="float64", **changed):
    arrays = [np.ones((n, n), dtype) for _ in range(3)]
    sides = dict(zip(("left", "right", "result"), (Operand(memory_of(a), 0, n) for a in arrays), strict=True))
    todo = Multiplication(**{"dtype": dtype, "batch": 1, "rows": n, "columns": n, "depth": n, **sides, **changed})
    return todo, arrays


def test_stream_and_math_mode_are_set_and_tf32_is_never_asked_for(library):
    for math, number in (("pedantic", 2), ("default", 0)):
        made = CublasProducts(STREAM, library, math=math)
        made.multiply(square()[0])
        assert ctypes.c_void_p.in_dll(library, "pretended_stream").value == STREAM
        assert ctypes.c_int.in_dll(library, "pretended_math").value == number


def test_there_is_one_handle_for_all_products_and_it_is_given_back(library):
    handles = ctypes.c_int.in_dll(library, "pretended_handles")
    before = handles.value
    made = CublasProducts(STREAM, library)
    assert handles.value == before
    for _ in range(3):
        made.multiply(square()[0])
    assert handles.value == before + 1
    made.close()
    made.close()
    assert handles.value == before
    made.multiply(square()[0])
    assert handles.value == before + 1
    del made
    assert handles.value == before


@pytest.mark.parametrize(
    ("function", "status", "said"),
    [
        ("cublasCreate_v2", 1, "NOT_INITIALIZED.*older"),
        ("cublasCreate_v2", 3, "no memory"),
        ("cublasSetMathMode", 7, "INVALID_VALUE"),
        ("cublasDgemm_v2", 13, "EXECUTION_FAILED"),
        ("cublasDgemm_v2", 99, "unknown status"),
    ],
)
def test_a_status_becomes_an_error_that_names_the_call_and_the_next_product_works(library, function, status, said):
    made, (todo, arrays) = CublasProducts(STREAM, library), square()
    handles = ctypes.c_int.in_dll(library, "pretended_handles")
    before = handles.value
    (ctypes.c_char * 64).in_dll(library, "pretended_failing").value = function.encode()
    ctypes.c_int.in_dll(library, "pretended_status").value = status
    with pytest.raises(DeviceFailed, match=rf"{function}: .*{said}|{said}.*{function}|{function}.*{said}"):
        made.multiply(todo)
    assert handles.value == before + (function == "cublasDgemm_v2")
    made.multiply(todo)
    np.testing.assert_array_equal(arrays[2], 2)


@pytest.mark.parametrize("emulated", [False, True])
def test_a_product_that_does_not_fit_its_buffers_is_refused(products, emulated):
    multiply = EmulatedDriver().multiply if emulated else products.multiply
    _, arrays = square()
    for side, done in (("left", "read"), ("right", "read"), ("result", "write")):
        for moved in (Operand(memory_of(arrays[0]), 1, 2), Operand(memory_of(arrays[0]), -1, 2)):
            with pytest.raises(DeviceFailed, match=f"would {done}.*'memory'"):
                multiply(square(**{side: moved})[0])
        with pytest.raises(InvalidArgument, match="stored in rows of 2"):
            multiply(square(**{side: Operand(memory_of(arrays[0]), 0, 1)})[0])
    with pytest.raises(InvalidArgument, match="no product of int32"):
        multiply(square(dtype="int32")[0])
    with pytest.raises(InvalidArgument, match="negative"):
        multiply(square(rows=-1)[0])
    with pytest.raises(InvalidArgument, match="over each other"):
        multiply(square(batch=2)[0])


def test_sizes_beyond_32_bits_need_the_wider_functions(products):
    memory = np.ones(4)
    far = Operand(memory_of(memory), 0, 2**31)  # one row, whose leading dimension does not matter
    todo, _ = square(1, left=far, batch=2, result=Operand(memory_of(memory), 0, 1, stride=1))
    products.multiply(todo)  # the strided form of 64 bits, which this library has
    np.testing.assert_array_equal(memory[:2], [1, 1])
    with pytest.raises(DeviceFailed, match=r"cublasDgemm_v2_64.*version 12"):
        products.multiply(square(1, left=far)[0])


def test_emulated_and_real_products_are_parts_of_drivers(products):
    assert isinstance(products, MultipliesMatrices) and isinstance(EmulatedDriver(), MultipliesMatrices)
    assert products.multiplies == {"float32", "float64"} == EmulatedDriver().multiplies
    assert EmulatedDriver(multiplies=()).multiplies == set()


def test_the_library_is_found_in_packages_and_in_the_toolkit(tmp_path, monkeypatch, library):
    packages, toolkit = tmp_path / "nvidia", tmp_path / "toolkit"
    for folder, version in (
        (packages / "cublas" / "lib", 12),
        (packages / "cu13" / "lib", 13),
        (toolkit / "lib64", 12),
    ):
        folder.mkdir(parents=True)
        (folder / f"libcublas.so.{version}").symlink_to(library._name)
    (packages / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", str(toolkit))
    found = [str(path.relative_to(tmp_path)) for path in find_cublas() if path.is_relative_to(tmp_path)]
    assert found == [
        "nvidia/cu13/lib/libcublas.so.13",
        "nvidia/cublas/lib/libcublas.so.12",
        "toolkit/lib64/libcublas.so.12",
    ]
    made = CublasProducts(STREAM, load_cublas())
    todo, arrays = square()
    made.multiply(todo)
    np.testing.assert_array_equal(arrays[2], 2)


def test_without_a_library_nothing_is_multiplied_and_the_error_says_where_it_was_looked_for(monkeypatch):
    monkeypatch.setattr(cublas, "find_cublas", lambda: iter([Path("/nowhere/libcublas.so.13")]))
    monkeypatch.setattr(cublas, "VERSIONS", (999,))
    assert CublasProducts(STREAM).multiplies == set()
    with pytest.raises(TargetUnavailable, match=r"no cuBLAS.*CUDA_HOME.*generated kernels"):
        CublasProducts(STREAM).multiply(square()[0])
