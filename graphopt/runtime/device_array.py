"""Arrays in a device's memory: what functions of a device target take and, if asked to, return.

    f = go.function([x], y, target="cuda-emulated", options=go.Options(device_outputs=True))
    numpy.asarray(g(f(data)))        # nothing is copied between f and g

They are exchanged with other libraries by DLPack and by ``__cuda_array_interface__``. Not for computing: that is what
functions are for.
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

from graphopt.errors import InvalidArgument
from graphopt.runtime.driver import FOREIGN, Buffer
from graphopt.runtime.shared_device import CUDA, Device

__all__ = ["DeviceArray", "empty", "put"]


class DeviceArray:
    """A row-major array in a device's memory.

    `numpy.asarray(array)` and `array.numpy()` copy it to the host. The memory goes back to the device when nobody
    refers to the array, nor to what was made of it without copying.

    Parameters
    ----------
    device
        Where it lies.
    buffer
        Its memory, or memory that begins with it.
    shape, dtype
        Sizes and kind of its elements.
    keeper
        What has to live as long as this array does, if the memory is not its own.

    Attributes
    ----------
    device : Device
        Where it lies.
    buffer : Buffer
        Its memory, of `nbytes` bytes.
    shape : tuple of int
    dtype : numpy.dtype
    """

    __slots__ = ("__weakref__", "_finalizer", "_keeper", "buffer", "device", "dtype", "shape")

    def __init__(
        self, device: Device, buffer: Buffer, shape: tuple[int, ...], dtype: npt.DTypeLike, keeper: object = None
    ) -> None:
        self.device = device
        self.shape = tuple(shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.buffer = buffer
        self._keeper = keeper
        self._finalizer: Any = None
        if keeper is None:
            self._finalizer = weakref.finalize(self, device.release, buffer)
            self._finalizer.atexit = False  # memory goes with the process, and the driver may be gone before

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def is_foreign(self) -> bool:
        """Whether another library owns the memory."""
        return self.buffer.handle is FOREIGN

    def __repr__(self) -> str:
        return f"<device array {self.dtype}{list(self.shape)} on {self.device.name} at {self.buffer.address:#x}>"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a device array without axes")
        return self.shape[0]

    def reshape(self, *shape: Any) -> DeviceArray:
        """The same memory as an array of another shape of as many elements, one size of which may be -1.

        Raises
        ------
        InvalidArgument
            If the number of elements is another.
        """
        wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        try:  # NumPy knows what -1 means, and an array without strides takes no memory
            found = np.broadcast_to(np.empty((), np.bool_), (self.size,)).reshape(wanted).shape
        except ValueError as error:
            raise InvalidArgument(f"{self!r}: {error}") from None
        return DeviceArray(self.device, self.buffer, found, self.dtype, keeper=self)

    def numpy(self) -> npt.NDArray[Any]:
        """A copy on the host, once all that computes it is finished."""
        result = np.empty(self.shape, self.dtype)
        self.device.copy_out(self.buffer, result)
        return result

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError(f"{self!r} is in the memory of a device: an array on the host is always a copy")
        return self.numpy() if dtype is None else self.numpy().astype(dtype, copy=False)

    def __reduce__(self) -> tuple[object, ...]:
        """A pickle holds a copy as a NumPy array, and becomes one: where it lands, there may be no such device."""
        return (np.asarray, (self.numpy(),))

    def shares_memory(self, other: DeviceArray) -> bool:
        """Whether some byte belongs to both."""
        here, there = self.buffer.address, other.buffer.address
        return (
            self.device is other.device
            and min(self.nbytes, other.nbytes) > 0
            and here < there + other.nbytes
            and there < here + self.nbytes
        )

    def let_go(self) -> None:
        """Give the memory back although somebody may still refer to the array: it must not be used any more."""
        if self._finalizer is not None:
            self._finalizer()

    # --- other libraries -----------------------------------------------------------------------------------------
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3. Who reads it waits for the driver's stream; if the driver does not name one, all is finished."""
        if self.device.dlpack_device[0] != CUDA:
            raise AttributeError(f"{self!r} is not in the memory of a GPU")
        stream = self.device.stream
        if stream is None:
            self.device.synchronize()
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.buffer.address if self.size else 0, False),
            "strides": None,
            "stream": stream,
            "version": 3,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device.dlpack_device

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule of this very memory. Raises BufferError for another device, or if a copy is asked for."""
        if dl_device is not None and tuple(dl_device) != self.device.dlpack_device:
            raise BufferError(f"{self!r} is given where it lies, as DLPack device {self.device.dlpack_device}")
        if copy:
            raise BufferError(f"{self!r} is given where it lies; copy what comes of it")
        if stream != -1:  # -1: who asks looks after the order itself
            self.device.synchronize()
        from graphopt.runtime.dlpack import exported

        return exported(self)


def empty(device: Device, shape: tuple[int, ...], dtype: npt.DTypeLike, name: str = "") -> DeviceArray:
    """A new array with unspecified contents; DeviceFailed if there is no memory."""
    buffer = device.allocate(math.prod(shape) * np.dtype(dtype).itemsize, name)
    return DeviceArray(device, buffer, shape, dtype)


def put(device: Device, array: npt.NDArray[Any], name: str = "") -> DeviceArray:
    """A copy of an array of the host's; DeviceFailed if there is no memory."""
    return DeviceArray(device, device.uploaded(array, name), array.shape, array.dtype)
