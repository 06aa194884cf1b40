"""What can go wrong on a GPU, by the statuses of its driver, as errors that say what to do.

Not for noticing faults; that is who calls the driver.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphopt.errors import TargetUnavailable

__all__ = ["LOST", "OPENING", "OUT_OF_MEMORY", "REFUSED_IMAGE", "CudaError", "unavailable", "version_text"]

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

#: Why a device cannot be opened.
OPENING = {
    NOT_INITIALIZED: (
        "CUDA does not work in a process that was forked from one which had used it; start workers by 'spawn' or "
        "'forkserver', or use the GPU in them alone"
    ),
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
