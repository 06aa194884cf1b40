"""The driver for real GPUs: compiles CUDA C to machine code, and keeps memory, launches and faults of one device.

Everything goes through the legacy default stream of the device's primary context. That is the stream in which PyTorch,
CuPy and PyCUDA work unless they are told otherwise, so that what they have prepared is ready when our kernels read it,
and the other way round, without any event; and one stream is what lets freed memory be used again at once. For arrays
of other streams, which may be of the kind that does not wait for this one either, all of the device is waited for.

Not for speaking to the driver's library (`cuda_binding.py`) or for choosing a compiler (`cuda_compiler.py`).
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy.typing as npt

from graphopt.errors import InvalidArgument
from graphopt.runtime.cublas import CublasProducts
from graphopt.runtime.cuda_binding import CAPABILITY_MAJOR, CAPABILITY_MINOR, MULTIPROCESSORS, Binding, open_binding
from graphopt.runtime.cuda_compiler import Compile, find_compiler
from graphopt.runtime.cuda_context import CudaContext
from graphopt.runtime.cuda_faults import (
    INVALID_VALUE,
    OUT_OF_MEMORY,
    OUT_OF_RESOURCES,
    REFUSED_IMAGE,
    SHARED_OPTIN,
    CudaError,
    out_of_memory,
    refused_image,
    refused_launch,
    version_text,
)
from graphopt.runtime.cuda_kernel import CudaEvent, CudaKernel, CudaModule
from graphopt.runtime.device_memory import DeviceMemory
from graphopt.runtime.driver import Argument, Buffer, Dimensions, Kernel, check_copy, check_launch
from graphopt.runtime.multiplication import Multiplication

__all__ = ["CudaDriver"]

WAITED_FOR = (1, 2)  # the default streams, the legacy one and a thread's own, as the exchange of arrays numbers them
KEPT_SHARE = 4  # a quarter of the device's memory may be kept


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
    shared_memory : int
        Bytes of shared memory that a block can have, once a kernel has been allowed to.
    capability : int
        Its compute capability; 90 is 9.0.
    context : CudaContext
        Its primary context. Within `context.current()` other libraries may be called on it.

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
    stream = 1  # the legacy default one, as the exchange of arrays numbers it

    def __init__(self, device: int = 0, *, binding: Binding | None = None, compile: Compile | None = None) -> None:
        self._binding = binding or open_binding(device)
        self.context = CudaContext(self._binding)
        self._compile = compile or find_compiler(self._binding.version)
        self.device = device
        self.dlpack_device = (2, device)  # kDLCUDA
        self.multiprocessors = self._binding.attribute(MULTIPROCESSORS)
        self.shared_memory = self._binding.attribute(SHARED_OPTIN)
        self.capability = 10 * self._binding.attribute(CAPABILITY_MAJOR) + self._binding.attribute(CAPABILITY_MINOR)
        self._memory = _memory(self.context)
        self._products = CublasProducts(0)
        finalizer = weakref.finalize(self, _give_back, self.context, self._memory)
        finalizer.atexit = False  # a process that ends gives everything back

    def __repr__(self) -> str:
        return f"<CudaDriver on {self._binding.device_name} through {self._binding.name}>"

    @property
    def description(self) -> str:
        """The device, and what speaks to it."""
        binding = self._binding
        return (
            f"{binding.device_name}, compute capability {self.capability / 10}, "
            f"{binding.total_memory / 2**30:.0f} GiB, {self.multiprocessors} multiprocessors; driver for CUDA "
            f"{version_text(binding.version)}, {binding.name}"
        )

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
        self.context.check()
        image = self._compile(source, self.capability)
        try:
            return CudaModule(self.context, image)
        except CudaError as error:
            if error.status not in REFUSED_IMAGE:
                raise self.context.fault(error) from None
            raise refused_image(self._binding, error, image) from None

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
        self.context.check()
        try:
            return Buffer(self._memory.take(nbytes), nbytes, name, self)
        except CudaError as error:
            if error.status != OUT_OF_MEMORY:
                raise self.context.fault(error) from None
        free = self.context.do(self._binding.free_memory)
        raise out_of_memory(self._binding, name, nbytes, free, self._memory.used)

    def free(self, buffer: Buffer) -> None:
        """Give memory back, which is kept for what comes next.

        Raises
        ------
        InvalidArgument
            It was freed before, or is not this driver's.
        """
        if self.context.unusable:  # it has gone with the context, or is the parent's
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
        self.context.check()
        try:
            self._memory.release()
        except CudaError as error:
            raise self.context.fault(error) from None

    def copy_in(self, buffer: Buffer, array: npt.NDArray[Any]) -> None:
        """Copy a contiguous array to the start of a buffer."""
        check_copy(buffer, array, writable=False)
        if array.nbytes:
            self.context.do(self._binding.copy_in, buffer.address, array)

    def copy_out(self, buffer: Buffer, array: npt.NDArray[Any]) -> None:
        """Fill a contiguous array from the start of a buffer, after all earlier calls are finished."""
        check_copy(buffer, array, writable=True)
        if not array.nbytes:
            self.synchronize()
            return
        self.context.do(self._binding.copy_out, array, buffer.address)
        self.context.launched.clear()

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
        self.context.check()
        try:
            device = self.context.attempt(self._binding.device_of, address)
        except CudaError as error:
            if error.status != INVALID_VALUE:
                raise self.context.fault(error) from None
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
        if not isinstance(kernel, CudaKernel) or kernel.module.context is not self.context:
            raise InvalidArgument(f"Kernel {kernel.name!r} was not compiled by this driver.")
        packed = kernel.pack(arguments)
        self.context.check()
        binding = self._binding
        binding.push()
        try:
            if shared_bytes > kernel.shared_allowed:
                binding.allow_shared(kernel.function, shared_bytes)
                kernel.shared_allowed = shared_bytes
            self.context.launched.append(kernel.name)
            binding.launch(kernel.function, grid, block, shared_bytes, packed)
        except CudaError as error:
            if error.status not in (INVALID_VALUE, OUT_OF_RESOURCES):
                raise self.context.fault(error) from None
            # What is wrong with a launch is looked for once the device has refused it: looking takes longer.
            check_launch(kernel.name, grid, block, shared_bytes)
            threads = block[0] * block[1] * block[2]
            raise refused_launch(
                binding, error, kernel.name, kernel.function, threads, shared_bytes, len(packed)
            ) from None
        finally:
            binding.pop()

    @property
    def multiplies(self) -> frozenset[str]:
        """The dtypes of matrices that cuBLAS multiplies; none where there is no cuBLAS."""
        return self._products.multiplies

    def multiply(self, todo: Multiplication) -> None:
        """Multiply matrices by cuBLAS.

        Raises
        ------
        DeviceFailed
            cuBLAS reports an error, or a buffer is too small.
        """
        with self.context.current():
            self._products.multiply(todo)

    def synchronize(self) -> None:
        """Wait until everything is finished.

        Raises
        ------
        DeviceFailed
            A kernel has failed.
        """
        self.context.do(self._binding.synchronize)
        self.context.launched.clear()

    def wait_for(self, stream: int) -> None:
        """See to it that what is launched from now on runs after what a stream of the device has been given.

        Raises
        ------
        DeviceFailed
            A kernel has failed.
        """
        if stream not in WAITED_FOR:
            self.synchronize()

    def record(self) -> CudaEvent:
        """Mark this moment in the stream."""
        return CudaEvent(self.context)


def _memory(context: CudaContext) -> DeviceMemory:
    """A device's memory. It knows the context alone, so that it keeps no driver alive."""
    binding = context.binding
    allocate, free = partial(context.attempt, binding.allocate), partial(context.attempt, binding.free)
    return DeviceMemory(allocate, free, binding.total_memory // KEPT_SHARE)


def _give_back(context: CudaContext, memory: DeviceMemory) -> None:
    if not context.unusable:
        with suppress(CudaError):
            memory.close()  # buffers hold their driver: nobody has any
