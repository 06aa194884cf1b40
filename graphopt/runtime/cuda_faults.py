"""What can go wrong on a GPU, by the statuses of its driver, as errors that say what to do.

Not for noticing faults; that is who calls the driver.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphopt.errors import DeviceFailed, GraphoptError, TargetUnavailable

if TYPE_CHECKING:
    from graphopt.runtime.cuda_binding import Binding
    from graphopt.runtime.cuda_compiler import CompiledImage

__all__ = [
    "FORKED",
    "LOST",
    "OPENING",
    "OUT_OF_MEMORY",
    "REFUSED_IMAGE",
    "SHARED_OPTIN",
    "CudaError",
    "context_lost",
    "out_of_memory",
    "refused_image",
    "refused_launch",
    "unavailable",
    "version_text",
]

SHARED_OPTIN = 97  # of the type CUdevice_attribute
THREADS_OF_BLOCK, STATIC_SHARED, REGISTERS = 0, 1, 4  # of the type CUfunction_attribute

# Of the type CUresult.
INVALID_VALUE, OUT_OF_MEMORY, NOT_INITIALIZED, DEINITIALIZED = 1, 2, 3, 4
NOT_FOUND, OUT_OF_RESOURCES = 500, 701

#: What the driver says of machine code that it cannot load: no image, none for this device, or a newer format.
REFUSED_IMAGE = (200, 209, 218, 222, 223)

#: Faults after which nothing works in the context any more, and what each means.
LOST = {
    700: "a kernel accessed memory that is not its own",
    702: "a kernel ran longer than the device's display allows",
    710: "a kernel's assertion failed",
    714: "a kernel's stack was damaged",
    715: "a kernel met an illegal instruction",
    716: "a kernel accessed an address that is not aligned to its type",
    717: "a kernel used an address of another space",
    718: "a kernel jumped to where there is no code",
    719: "a kernel failed, most likely by accessing memory that is not its own",
}

FORKED = (
    "CUDA does not work in a process that was forked from one which had used it; start workers by 'spawn' or "
    "'forkserver', or use the GPU in them alone"
)

#: Why a device cannot be opened.
OPENING = {
    NOT_INITIALIZED: FORKED,
    OUT_OF_MEMORY: "the device has no memory left for one more process",
    34: "this libcuda.so.1 is a stub for linking, not a driver; take the folder 'stubs' off LD_LIBRARY_PATH",
    46: "another process has the device for itself (its compute mode is exclusive)",
    100: "the driver finds no GPU; see what 'nvidia-smi' says, and the environment variable CUDA_VISIBLE_DEVICES",
    101: "the driver has no such device",
    802: "the system is not ready: the fabric manager of its GPUs does not run yet",
    803: (
        "libcuda.so.1 and the kernel's module are of different versions: the driver was updated without a reboot, or "
        "an older one is in use; see what 'nvidia-smi' says"
    ),
    804: "the driver is older than this CUDA needs, and forward compatibility is not for this device; update it",
}


class CudaError(Exception):
    """A call of the GPU's driver failed. It never leaves `CudaDriver`, which says what it means.

    Attributes
    ----------
    status : int
        What the call returned.
    function : str
        What was called.
    """

    def __init__(self, status: int, function: str, text: str) -> None:
        super().__init__(f"{function} says {status}, {text or 'unknown'}")
        self.status = status
        self.function = function


def version_text(version: int) -> str:
    """``"12.4"`` for 12040."""
    return f"{version // 1000}.{version % 1000 // 10}"


def unavailable(reason: str, looked: Sequence[str]) -> TargetUnavailable:
    """The error of a target without its GPU.

    Parameters
    ----------
    reason
        Why there is none.
    looked
        What was looked for, and what became of it.
    """
    lines = "".join(f"\n  {line}" for line in looked)
    return TargetUnavailable(
        f"The target 'cuda' needs a GPU of NVIDIA with its driver: {reason}.\nLooked for:{lines}\n"
        f"Without a GPU, target='cuda-emulated' runs the same text on the CPU, slowly; Options(fallback='c') runs C "
        f"wherever there is no GPU; 'graphopt doctor' says what this machine offers."
    )


def context_lost(device: str, error: CudaError, launched: Sequence[str]) -> str:
    """What a kernel's fault means; `launched` are those that may have been it, the latest last."""
    names = ", ".join(repr(name) for name in reversed(launched)) or "unknown"
    return (
        f"A kernel failed on {device}: {LOST[error.status]} ({error}). It is one of those launched since the device "
        f"was last waited for, the latest first: {names}. The context is lost, and with it all memory on the device: "
        f"this process must be started again to use the GPU. To find the line, run it under "
        f"'compute-sanitizer python …', or compile with target='cuda-emulated'; the environment variable "
        f"CUDA_LAUNCH_BLOCKING=1 makes every launch wait, so that one kernel is named."
    )


def out_of_memory(binding: Binding, name: str, nbytes: int, free: int, used: int) -> DeviceFailed:
    """The error of a buffer for which the device has no memory, after all that was kept has been given back to it."""
    return DeviceFailed(
        f"{binding.device_name} has no memory for buffer {name!r} of {_bytes(nbytes)}: {_bytes(free)} of "
        f"{_bytes(binding.total_memory)} are free, and graphopt holds {_bytes(used)} (results, shared variables, "
        f"temporaries). Delete what is not needed, or have smaller arrays; others may hold memory as well "
        f"('nvidia-smi' says who)."
    )


def refused_image(binding: Binding, error: CudaError, image: CompiledImage) -> GraphoptError:
    """Why machine code is not loaded: the driver is older than the compiler, or something is wrong with it."""
    if image.version <= binding.version:
        return DeviceFailed(f"{binding.device_name} does not take what {image.compiler} has compiled for it: {error}.")
    return TargetUnavailable(
        f"The GPU's driver is for CUDA {version_text(binding.version)}, and does not load what {image.compiler} makes: "
        f"{error}. Update the driver, or install a compiler that is not newer: pip install "
        f"nvidia-cuda-nvrtc-cu{binding.version // 1000}"
    )


def refused_launch(
    binding: Binding, error: CudaError, kernel: str, function: Any, threads: int, shared_bytes: int, argument_bytes: int
) -> DeviceFailed:
    """Why a kernel does not start: it wants more than there is, or was given what it does not take."""
    what = f"Kernel {kernel!r} does not start on {binding.device_name}"
    shared = shared_bytes + binding.function_attribute(function, STATIC_SHARED)
    most_shared = binding.attribute(SHARED_OPTIN)
    if shared > most_shared:
        return DeviceFailed(
            f"{what}: a block of it wants {shared} bytes of shared memory, and can have {most_shared} there."
        )
    most = binding.function_attribute(function, THREADS_OF_BLOCK)
    if error.status == OUT_OF_RESOURCES or threads > most:
        registers = binding.function_attribute(function, REGISTERS)
        return DeviceFailed(
            f"{what}: a block of {threads} threads with {registers} registers each is more than a multiprocessor has; "
            f"it could have {most} threads ({error})."
        )
    return DeviceFailed(
        f"{what}: {error}. It was given {argument_bytes} bytes of arguments; are they what it declares?"
    )


def _bytes(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count} bytes"
