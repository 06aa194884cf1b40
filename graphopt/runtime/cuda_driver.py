"""The driver for real GPUs: compiles CUDA C to machine code, and keeps memory, launches and faults of one device.

Everything goes through the legacy default stream of the device's primary context. That is the stream in which PyTorch,
CuPy and PyCUDA work unless they are told otherwise, so that what they have prepared is ready when our kernels read it,
and the other way round, without any event; and one stream is what lets freed memory be used again at once.

Not for speaking to the driver's library (`cuda_binding.py`) or for choosing a compiler (`cuda_compiler.py`).
"""

from __future__ import annotations

import os
import struct
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from graphopt.errors import DeviceFailed, GraphoptError, InvalidArgument, TargetUnavailable
from graphopt.runtime.cuda_binding import (
    CAPABILITY_MAJOR,
    CAPABILITY_MINOR,
    MULTIPROCESSORS,
    REGISTERS,
    SHARED_OPTIN,
    STATIC_SHARED,
    THREADS_OF_BLOCK,
    Binding,
    open_binding,
)
from graphopt.runtime.cuda_compiler import Compile, CompiledImage, find_compiler
from graphopt.runtime.cuda_faults import (
    DEINITIALIZED,
    INVALID_VALUE,
    LOST,
    NOT_FOUND,
    NOT_INITIALIZED,
    OPENING,
    OUT_OF_MEMORY,
    OUT_OF_RESOURCES,
    REFUSED_IMAGE,
    CudaError,
    version_text,
)
from graphopt.runtime.device_memory import DeviceMemory
from graphopt.runtime.driver import Argument, Buffer, Dimensions, Kernel, check_copy, check_launch

__all__ = ["CudaDriver", "CudaEvent", "CudaKernel", "CudaModule"]

_T = TypeVar("_T")

SHARED_WITHOUT_ASKING = 48 * 1024  # bytes of dynamic shared memory that a kernel may have without being allowed to
KEPT_SHARE = 4  # a quarter of the device's memory may be kept
REMEMBERED = 8  # launches that may be named when one has failed


class CudaEvent:
    """A moment in the device's stream."""

    def __init__(self, driver: CudaDriver) -> None:
        self._driver = driver
        self._held = [driver._do(driver._binding.record)]  # no other reference: see `Binding.release`
        weakref.finalize(self, driver._release, self._held).atexit = False

    def seconds_since(self, earlier: CudaEvent) -> float:
        """Seconds on the device from an earlier event of the same driver to this one; waits for both.

        Raises
        ------
        DeviceFailed
            A kernel before this moment has failed.
        """
        driver = self._driver
        return driver._do(driver._binding.seconds, earlier._held[0], self._held[0])


class CudaKernel:
    """A kernel of a module.

    Attributes
    ----------
    name : str
        Its name in the text.
    module : CudaModule
        What it belongs to.
    """

    def __init__(self, name: str, function: Any, module: CudaModule) -> None:
        self.name = name
        self.function = function
        self.module = module
        self.shared_allowed = SHARED_WITHOUT_ASKING
        self._layouts: dict[tuple[type, ...], struct.Struct] = {}

    def pack(self, arguments: Sequence[Argument]) -> bytes:
        """The arguments as they lie in a launch. How, is found out once for each sequence of types."""
        kinds = tuple(map(type, arguments))
        layout = self._layouts.get(kinds)
        if layout is None:
            layout = self._layouts[kinds] = _layout(self.name, arguments)
        return layout.pack(*[a.address if isinstance(a, Buffer) else a for a in arguments])


class CudaModule:
    """A compiled text, loaded on a device. It is unloaded when nothing refers to it."""

    def __init__(self, driver: CudaDriver, handle: list[Any], image: CompiledImage) -> None:
        self.driver = driver
        self.image = image
        self._held = handle
        weakref.finalize(self, driver._release, handle).atexit = False

    def kernel(self, name: str) -> CudaKernel:
        """The kernel of that name.

        Raises
        ------
        InvalidArgument
            There is none, or it is not declared ``extern "C" __global__``.
        """
        binding = self.driver._binding
        try:
            return CudaKernel(name, _within(binding, binding.function, self._held[0], name), self)
        except CudaError as error:
            if error.status != NOT_FOUND:
                raise self.driver._fault(error) from None
            raise InvalidArgument(f"There is no kernel {name!r} here ({error}).") from None


class CudaDriver:
    """Runs CUDA C on a GPU.

    Parameters
    ----------
    device : int
        Which GPU, of those that the process sees.
    binding : Binding, optional
        What speaks to the driver's library, opened on the device; PyCUDA or ctypes if not given.
    compile : callable, optional
        Makes a `CompiledImage` of a text for a compute capability (90 is 9.0); NVRTC or nvcc if not given.

    Attributes
    ----------
    device : int
        Its number.
    multiprocessors : int
        How many it has.
    capability : int
        Its compute capability; 90 is 9.0.

    Raises
    ------
    TargetUnavailable
        There is no driver, no such device, or no compiler.

    Notes
    -----
    Any thread may use it; calls take effect in their order. A fault of a kernel ends its use, and that of the device
    by the whole process. So does a fork in the child.
    """

    name = "cuda"
    times_mean_something = True

    def __init__(self, device: int = 0, *, binding: Binding | None = None, compile: Compile | None = None) -> None:
        self._binding = binding or open_binding(device)
        self._compile = compile or find_compiler(self._binding.version)
        self.device = device
        self.dlpack_device = (2, device)  # kDLCUDA
        self.multiprocessors = self._binding.attribute(MULTIPROCESSORS)
        self.capability = 10 * self._binding.attribute(CAPABILITY_MAJOR) + self._binding.attribute(CAPABILITY_MINOR)
        self._memory = _memory(self._binding)
        weakref.finalize(self, _give_back, self._memory).atexit = False  # a process that ends gives everything back
        self._unusable = ""
        self._launched: deque[str] = deque(maxlen=REMEMBERED)  # since the device was last waited for
        _drivers.add(self)

    def __repr__(self) -> str:
        return f"<CudaDriver on {self._binding.device_name} through {self._binding.name}>"

    @property
    def unusable(self) -> str:
        """Why nothing works any more; empty as long as it does."""
        return self._unusable

    @property
    def description(self) -> str:
        """The device, and what speaks to it."""
        binding = self._binding
        return (
            f"{binding.device_name}, compute capability {self.capability / 10}, "
            f"{binding.total_memory / 2**30:.0f} GiB, {self.multiprocessors} multiprocessors; driver for CUDA "
            f"{version_text(binding.version)}, {binding.name}"
        )

    @contextmanager
    def current(self) -> Iterator[None]:
        """Within, the device's primary context is the thread's current one, as other libraries need it.

        Raises
        ------
        DeviceFailed
            The device cannot be used any more.
        """
        self._do(self._binding.push)
        try:
            yield
        finally:
            self._binding.pop()

    # --- compiling ------------------------------------------------------------------------------------------------
    def compile(self, source: str) -> CudaModule:
        """Compile a text for this device, or find it in the cache, and load it.

        Raises
        ------
        CompilationFailed
            The compiler rejects it. Its messages honour ``#line`` directives.
        TargetUnavailable
            There is no compiler, or the driver is too old for what it makes.
        """
        self._check_usable()
        image = self._compile(source, self.capability)
        try:
            held = [_within(self._binding, self._binding.load, image.code)]
        except CudaError as error:
            if error.status not in REFUSED_IMAGE:
                raise self._fault(error) from None
            raise self._mismatch(error, image) from None
        return CudaModule(self, held, image)

    # --- memory ---------------------------------------------------------------------------------------------------
    def allocate(self, nbytes: int, name: str = "") -> Buffer:
        """Memory aligned to 256 bytes, with unspecified contents: a block that was kept, or a new one.

        Raises
        ------
        DeviceFailed
            There is not enough, after all that was kept has been given back to the device. What is in use stays valid.
        InvalidArgument
            ``nbytes`` is negative.
        """
        if nbytes < 0:
            raise InvalidArgument(f"Buffer {name!r} cannot have {nbytes} bytes.")
        self._check_usable()
        try:
            return Buffer(self._memory.take(nbytes), nbytes, name, self)
        except CudaError as error:
            if error.status != OUT_OF_MEMORY:
                raise self._fault(error) from None
        free = self._do(self._binding.free_memory)
        raise DeviceFailed(
            f"{self._binding.device_name} has no memory for buffer {name!r} of {_bytes(nbytes)}: {_bytes(free)} of "
            f"{_bytes(self._binding.total_memory)} are free, and graphopt holds {_bytes(self._memory.used)} (results, "
            f"shared variables, temporaries). Delete what is not needed, or have smaller arrays; others may hold "
            f"memory as well ('nvidia-smi' says who)."
        )

    def free(self, buffer: Buffer) -> None:
        """Give memory back, which is kept for what comes next.

        Raises
        ------
        InvalidArgument
            It was freed before, or is not this driver's.
        """
        if self._unusable:  # it has gone with the context, or is the parent's
            return
        if buffer.handle is not self:
            raise InvalidArgument(f"Buffer {buffer.name!r} is not this driver's.")
        try:
            with suppress(CudaError):  # the device does not take memory back: whatever is wrong, a later call says it
                self._memory.give(buffer.address)
        except KeyError:
            raise InvalidArgument(f"Buffer {buffer.name!r} is not in use here; it was freed before.") from None

    def release_memory(self) -> None:
        """Give the device back what is kept for later calls, so that other libraries can have it."""
        self._check_usable()
        try:
            self._memory.release()
        except CudaError as error:
            raise self._fault(error) from None

    def copy_in(self, buffer: Buffer, array: npt.NDArray[Any]) -> None:
        """Copy a contiguous array to the start of a buffer."""
        check_copy(buffer, array, writable=False)
        if array.nbytes:
            self._do(self._binding.copy_in, buffer.address, array)

    def copy_out(self, buffer: Buffer, array: npt.NDArray[Any]) -> None:
        """Fill a contiguous array from the start of a buffer, after all earlier calls are finished."""
        check_copy(buffer, array, writable=True)
        if not array.nbytes:
            self.synchronize()
            return
        self._do(self._binding.copy_out, array, buffer.address)
        self._launched.clear()

    def check_device(self, address: int, name: str = "") -> None:
        """See to it that an address that another library gives is memory of this device.

        Parameters
        ----------
        address
            Where it lies.
        name
            What messages call it.

        Raises
        ------
        InvalidArgument
            It lies on another device, or is no memory of a device at all.
        """
        where = f"argument {name!r}" if name else "the array"
        self._check_usable()
        try:
            device = _within(self._binding, self._binding.device_of, address)
        except CudaError as error:
            if error.status != INVALID_VALUE:
                raise self._fault(error) from None
            raise InvalidArgument(
                f"{where} at {address:#x} is not memory of a GPU that CUDA knows of; give an array of NumPy's, or one "
                f"that lies on device {self.device}"
            ) from None
        if device != self.device:
            raise InvalidArgument(
                f"{where} lies on device {device}, and the function runs on device {self.device}; move it there, or "
                f"compile the function with options=go.Options(device={device})"
            )

    # --- running --------------------------------------------------------------------------------------------------
    def launch(
        self, kernel: Kernel, grid: Dimensions, block: Dimensions, shared_bytes: int, arguments: Sequence[Argument]
    ) -> None:
        """Start a kernel.

        Raises
        ------
        DeviceFailed
            The device does not have what the kernel wants, or an earlier kernel has failed.
        InvalidArgument
            The launch's shape is impossible, or an argument is neither a buffer nor a NumPy scalar.
        """
        if not isinstance(kernel, CudaKernel) or kernel.module.driver is not self:
            raise InvalidArgument(f"Kernel {kernel.name!r} was not compiled by this driver.")
        packed = kernel.pack(arguments)
        self._check_usable()
        binding = self._binding
        binding.push()
        try:
            if shared_bytes > kernel.shared_allowed:
                binding.allow_shared(kernel.function, shared_bytes)
                kernel.shared_allowed = shared_bytes
            self._launched.append(kernel.name)
            binding.launch(kernel.function, grid, block, shared_bytes, packed)
        except CudaError as error:
            # What is wrong with a launch is looked for once the device has refused it: looking takes longer.
            check_launch(kernel.name, grid, block, shared_bytes)
            raise self._refusal(error, kernel, block, shared_bytes, packed) from None
        finally:
            binding.pop()

    def synchronize(self) -> None:
        """Wait until everything is finished.

        Raises
        ------
        DeviceFailed
            A kernel has failed.
        """
        self._do(self._binding.synchronize)
        self._launched.clear()

    def record(self) -> CudaEvent:
        """Mark this moment in the stream."""
        return CudaEvent(self)

    # --- faults ---------------------------------------------------------------------------------------------------
    def _do(self, call: Callable[..., _T], *arguments: Any) -> _T:
        """Call the binding with the device's context current."""
        self._check_usable()
        try:
            return _within(self._binding, call, *arguments)
        except CudaError as error:
            raise self._fault(error) from None

    def _check_usable(self) -> None:
        if self._unusable:
            raise DeviceFailed(self._unusable)

    def _release(self, held: list[Any]) -> None:
        """Let a module or an event go that nobody uses any more."""
        if not self._unusable:
            with suppress(GraphoptError):  # it has gone with the context
                self._do(lambda: self._binding.release(held.pop()))

    def _mismatch(self, error: CudaError, image: CompiledImage) -> GraphoptError:
        """Why machine code cannot be loaded."""
        if image.version <= self._binding.version:
            return DeviceFailed(
                f"{self._binding.device_name} does not take what {image.compiler} has compiled for it: {error}."
            )
        version = version_text(self._binding.version)
        return TargetUnavailable(
            f"The GPU's driver is for CUDA {version}, and does not load what {image.compiler} makes: {error}. Update "
            f"the driver, or install a compiler that is not newer: pip install "
            f"nvidia-cuda-nvrtc-cu{self._binding.version // 1000}"
        )

    def _fault(self, error: CudaError) -> DeviceFailed:
        """What a status means; from a fault on that ends the context, every call says so."""
        if error.status in LOST:
            names = ", ".join(repr(name) for name in reversed(self._launched))
            self._unusable = (
                f"A kernel failed on {self._binding.device_name}: {LOST[error.status]} ({error}). It is one of those "
                f"launched since the device was last waited for, the latest first: {names or 'unknown'}. The context "
                f"is lost, and with it all memory on the device: this process must be started again to use the GPU. "
                f"To find the line, run it under 'compute-sanitizer python …', or compile with target='cuda-emulated'; "
                f"the environment variable CUDA_LAUNCH_BLOCKING=1 makes every launch wait, so that one kernel is named."
            )
            self._binding.abandon()
            return DeviceFailed(self._unusable)
        if error.status in (NOT_INITIALIZED, DEINITIALIZED):
            return DeviceFailed(f"The GPU's driver is not at work any more ({error}): {OPENING[NOT_INITIALIZED]}.")
        return DeviceFailed(f"{self._binding.device_name}: {error}.")

    def _refusal(
        self, error: CudaError, kernel: CudaKernel, block: Dimensions, shared_bytes: int, packed: bytes
    ) -> DeviceFailed:
        """Why the device does not start a kernel."""
        if error.status not in (INVALID_VALUE, OUT_OF_RESOURCES):
            return self._fault(error)
        has = self._binding.function_attribute
        threads, most = block[0] * block[1] * block[2], has(kernel.function, THREADS_OF_BLOCK)
        shared, most_shared = shared_bytes + has(kernel.function, STATIC_SHARED), self._binding.attribute(SHARED_OPTIN)
        what = f"Kernel {kernel.name!r} does not start on {self._binding.device_name}"
        if shared > most_shared:
            return DeviceFailed(
                f"{what}: a block of it wants {shared} bytes of shared memory, and can have {most_shared} there."
            )
        if error.status == OUT_OF_RESOURCES or threads > most:
            return DeviceFailed(
                f"{what}: a block of {threads} threads with {has(kernel.function, REGISTERS)} registers each is more "
                f"than a multiprocessor has; it could have {most} threads ({error})."
            )
        return DeviceFailed(
            f"{what}: {error}. It was given {len(packed)} bytes of arguments; are they what it declares?"
        )


# Forks ---------------------------------------------------------------------------------------------------------------

_drivers: weakref.WeakSet[CudaDriver] = weakref.WeakSet()


def _abandon_in_child() -> None:
    for driver in _drivers:
        driver._unusable = (
            f"This process was forked from one that had used the GPU already, and {OPENING[NOT_INITIALIZED]}."
        )
        driver._binding.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_in_child)


# Below the driver ----------------------------------------------------------------------------------------------------


def _within(binding: Binding, call: Callable[..., _T], *arguments: Any) -> _T:
    """Call with the device's context current."""
    binding.push()
    try:
        return call(*arguments)
    finally:
        binding.pop()


def _memory(binding: Binding) -> DeviceMemory:
    """A device's memory, which knows the binding alone, so that it outlives nobody."""
    allocate, free = partial(_within, binding, binding.allocate), partial(_within, binding, binding.free)
    return DeviceMemory(allocate, free, binding.total_memory // KEPT_SHARE)


def _give_back(memory: DeviceMemory) -> None:
    with suppress(CudaError):
        memory.close()  # buffers hold their driver: nobody has any


def _layout(kernel: str, arguments: Sequence[Argument]) -> struct.Struct:
    """How arguments of such types lie behind one another, each aligned as C has it."""
    codes = []
    for position, argument in enumerate(arguments):
        if isinstance(argument, Buffer):
            codes.append("P")
        elif isinstance(argument, np.generic) and argument.dtype.kind in "biuf" and argument.dtype.itemsize <= 8:
            codes.append(argument.dtype.char)
        else:
            raise InvalidArgument(
                f"Kernel {kernel!r}, argument {position}: {type(argument).__name__} is neither a buffer nor a number. "
                f"Give numbers as NumPy scalars of the right dtype."
            )
    return struct.Struct("@" + "".join(codes))


def _bytes(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count} bytes"
