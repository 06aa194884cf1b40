"""Matrix products through cuBLAS: where the library is, and how its column-major calls are told row-major products.

A row-major matrix is the transpose of a column-major one with the same leading dimension, and (A B)ᵀ = Bᵀ Aᵀ: so the
operands change places, rows and columns do, and nothing is copied.

The math mode is always set, and never one that rounds to TF32 or emulates a precision. cuBLAS takes its workspace from
the device's memory by itself. Not for the choice of what goes here.

Source: NVIDIA, "cuBLAS", sections on cublasMath_t, cublasStatus_t and cublas<t>gemmStridedBatched.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Iterator
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from graphopt.errors import DeviceFailed, TargetUnavailable
from graphopt.runtime.multiplication import Multiplication, Operand, check_multiplication

__all__ = ["CublasProducts", "find_cublas", "load_cublas"]

VERSIONS = (13, 12, 11)  # of the library, the newest first
MATH_MODES = {"default": 0, "pedantic": 2}
PLAIN, TRANSPOSED = 0, 1  # cublasOperation_t
LARGEST_INT = 2**31 - 1

NUMBERS: dict[str, type[ctypes.c_float] | type[ctypes.c_double]] = {
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
}
UNITS = {dtype: (number(1), number(0)) for dtype, number in NUMBERS.items()}
FUNCTIONS = {"float32": "cublasSgemm", "float64": "cublasDgemm"}

STATUS = {
    1: "NOT_INITIALIZED: no context is current, or the GPU's driver is older than this cuBLAS",
    3: "ALLOC_FAILED: no memory is left on the device",
    7: "INVALID_VALUE",
    8: "ARCH_MISMATCH: this GPU lacks what the product needs",
    11: "MAPPING_ERROR",
    13: "EXECUTION_FAILED: the GPU failed at this product or at something before it",
    14: "INTERNAL_ERROR",
    15: "NOT_SUPPORTED",
    16: "LICENSE_ERROR",
}

Signature = tuple[tuple[Any, ...], str]
"""The types of a function's parameters, and what its name ends with."""


class CublasProducts:
    """The part of a driver that multiplies matrices (`MultipliesMatrices`), for one context and one stream.

    Parameters
    ----------
    stream : int
        The address of the driver's stream (a ``CUstream``); 0 for the default one.
    library : ctypes.CDLL, optional
        A cuBLAS that is loaded already; else the one that `load_cublas` finds.
    math : {"pedantic", "default"}
        cuBLAS's math mode. "pedantic" computes in the matrices' own precision in every phase, whatever the environment
        asks for.

    Notes
    -----
    The handle is created at the first product, in the context that is then current, and belongs to this object. Call
    `close` while that context lives.
    """

    def __init__(
        self, stream: int, library: ctypes.CDLL | None = None, *, math: Literal["pedantic", "default"] = "pedantic"
    ) -> None:
        self.math = math
        self._stream = stream
        self._library = library
        self._functions: dict[str, Any] = {}
        self._handle: int | None = None
        self._finalizer: weakref.finalize[..., CublasProducts] | None = None
        self._lock = threading.Lock()

    @cached_property
    def multiplies(self) -> frozenset[str]:
        """The dtypes of products that can be done: none where there is no cuBLAS."""
        try:
            self._loaded()
        except TargetUnavailable:
            return frozenset()
        return frozenset(NUMBERS)

    def multiply(self, todo: Multiplication) -> None:
        """Enter a product into the stream.

        Raises
        ------
        TargetUnavailable
            There is no cuBLAS.
        DeviceFailed
            cuBLAS reports an error, or a buffer is too small.
        InvalidArgument
            The product is none that cuBLAS does.
        """
        check_multiplication(todo, frozenset(NUMBERS))
        if not todo.batch or not todo.rows or not todo.columns:
            return
        sides = [_placed(side, todo.dtype) for side in (todo.right, todo.left, todo.result)]
        largest = max(todo.batch, todo.rows, todo.columns, todo.depth, *(leading for _, leading, _ in sides))
        is_batched = todo.batch > 1
        right, left, result = (side if is_batched else side[:2] for side in sides)
        one, zero = UNITS[todo.dtype]
        with self._lock:  # a handle serves one thread at a time
            self._call(
                f"{FUNCTIONS[todo.dtype]}{'StridedBatched' if is_batched else '_v2'}",
                _signature(is_batched, largest > LARGEST_INT),
                self._opened(),
                TRANSPOSED if todo.right.transposed else PLAIN,
                TRANSPOSED if todo.left.transposed else PLAIN,
                *(todo.columns, todo.rows, todo.depth),
                ctypes.addressof(one),
                *right,
                *left,
                ctypes.addressof(zero),
                *result,
                *((todo.batch,) if is_batched else ()),
            )

    def close(self) -> None:
        """Give cuBLAS's handle and workspace back. The next product opens another."""
        with self._lock:
            if self._finalizer is not None:
                self._finalizer()
            self._handle = self._finalizer = None

    def _loaded(self) -> ctypes.CDLL:
        if self._library is None:
            self._library = load_cublas()
        return self._library

    def _opened(self) -> int:
        if self._handle is None:
            handle = ctypes.c_void_p()
            self._call("cublasCreate_v2", ((ctypes.c_void_p,), ""), ctypes.addressof(handle))
            assert handle.value is not None
            finalizer = weakref.finalize(self, _destroy, self._loaded(), handle)
            finalizer.atexit = False  # the context may be gone before
            try:
                self._call("cublasSetStream_v2", ((ctypes.c_void_p, ctypes.c_void_p), ""), handle.value, self._stream)
                mode = MATH_MODES[self.math]
                self._call("cublasSetMathMode", ((ctypes.c_void_p, ctypes.c_int), ""), handle.value, mode)
            except DeviceFailed:
                finalizer()
                raise
            self._handle, self._finalizer = handle.value, finalizer
        return self._handle

    def _call(self, stem: str, signature: Signature, *arguments: int) -> None:
        types, suffix = signature
        name = stem + suffix
        function = self._functions.get(name)
        if function is None:
            function = getattr(self._loaded(), name, None)
            if function is None:
                raise DeviceFailed(f"This cuBLAS lacks {name}; sizes beyond 2³¹ - 1 need version 12 or newer.")
            function.restype, function.argtypes = ctypes.c_int, types
            self._functions[name] = function
        status = function(*arguments)
        if status != 0:
            raise DeviceFailed(f"cuBLAS failed in {name}: {STATUS.get(status, 'an unknown status')} ({status}).")


@cache
def _signature(is_batched: bool, is_wide: bool) -> Signature:
    """What a product takes: handle, two operations, three sizes, a factor, two operands, a factor, the result."""
    size = ctypes.c_int64 if is_wide else ctypes.c_int
    operand = (ctypes.c_void_p, size, *((ctypes.c_longlong,) if is_batched else ()))
    head = (ctypes.c_void_p, ctypes.c_int, ctypes.c_int, size, size, size)
    tail = (ctypes.c_void_p, *operand, *operand, ctypes.c_void_p, *operand)
    return (*head, *tail, *((size,) if is_batched else ())), "_64" if is_wide else ""


def _placed(operand: Operand, dtype: str) -> tuple[int, int, int]:
    """The address of the first element, the leading dimension and the stride."""
    address = operand.buffer.address + operand.offset * ctypes.sizeof(NUMBERS[dtype])
    return address, max(1, operand.leading), operand.stride


def _destroy(library: ctypes.CDLL, handle: ctypes.c_void_p) -> None:
    library.cublasDestroy_v2(handle)


# Where the library is ------------------------------------------------------------------------------------------------


def find_cublas() -> Iterator[Path]:
    """The files that may be cuBLAS: in the environment's ``nvidia-cublas`` packages, then in the CUDA toolkit."""
    found = find_spec("nvidia")
    for root in map(Path, (found.submodule_search_locations or ()) if found is not None else ()):
        for version in VERSIONS:
            yield from sorted(root.glob(f"*/lib/libcublas.so.{version}"))
    for toolkit in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"):
        for folder in ("lib64", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib") if toolkit else ():
            for version in VERSIONS:
                path = Path(toolkit or "", folder, f"libcublas.so.{version}")
                if path.is_file():
                    yield path


def load_cublas() -> ctypes.CDLL:
    """Load the cuBLAS of the environment, of the toolkit, or of the system, whichever is found first and loads.

    Raises
    ------
    TargetUnavailable
        There is none, or none that loads.
    """
    refused: list[str] = []
    system = (Path(f"libcublas.so.{version}") for version in VERSIONS)
    for path in (*find_cublas(), *system):
        try:
            beside = path.with_name(path.name.replace("libcublas", "libcublasLt"))
            if beside.is_file():  # what cuBLAS links with lies where the system may not look
                ctypes.CDLL(str(beside), mode=ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(str(path), mode=ctypes.RTLD_LOCAL)
        except OSError as error:
            refused.append(str(error))
    raise TargetUnavailable(
        f"There is no cuBLAS: looked for nvidia-cublas in the environment, in CUDA_HOME, CUDA_PATH and "
        f"/usr/local/cuda, and where the system looks for libraries ({'; '.join(refused)}). Install the CUDA toolkit "
        f"or the package nvidia-cublas; without it generated kernels multiply."
    )
