"""How many warps of a kernel a multiprocessor holds at once, as a share of the most that it can hold.

A block is resident as a whole or not at all: its warps, its registers and its shared memory must all be free. Which of
them runs out first bounds how many blocks there are. Few resident warps hide little of the memory's latency; many do
not make a kernel fast.

Not for measuring: this is arithmetic over what the compiler reports, and needs neither a GPU nor a driver.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphopt.errors import InvalidArgument

__all__ = ["LIMITS", "Multiprocessor", "occupancy", "resident_blocks"]

WARP = 32  # threads
MAX_THREADS = 1024  # of a block
MAX_REGISTERS = 255  # of a thread
REGISTER_UNIT = 256  # registers are given to a warp in such portions
PARTITIONS = 4  # of a multiprocessor, each with its share of the registers; a warp lives in one of them
SHARED_UNIT = 128  # bytes; shared memory is given to a block in such portions
SHARED_RESERVED = 1024  # bytes of a block's shared memory that the system takes for itself


@dataclass(frozen=True)
class Multiprocessor:
    """What one multiprocessor has.

    Attributes
    ----------
    warps, blocks
        The most that are resident at once.
    registers
        Of 32 bits; a block can have all of them.
    shared
        Bytes of shared memory of all resident blocks.
    shared_of_block
        Bytes that one block may ask for, statically and dynamically together, once the kernel has opted in.
    """

    warps: int
    blocks: int
    registers: int
    shared: int
    shared_of_block: int


KIB = 1024

LIMITS: dict[str, Multiprocessor] = {
    "sm_80": Multiprocessor(64, 32, 65536, 164 * KIB, 163 * KIB),
    "sm_86": Multiprocessor(48, 16, 65536, 100 * KIB, 99 * KIB),
    "sm_89": Multiprocessor(48, 24, 65536, 100 * KIB, 99 * KIB),
    "sm_90": Multiprocessor(64, 32, 65536, 228 * KIB, 227 * KIB),
}
"""By architecture: CUDA C++ Programming Guide, "Compute Capabilities", table of technical specifications. The units of
allocation above are those of `cuda_occupancy.h` in the toolkit."""


def resident_blocks(registers: int, shared: int, threads: int, architecture: str = "sm_90") -> int:
    """How many blocks of a kernel are resident on a multiprocessor at once; 0 if not even one fits.

    Parameters
    ----------
    registers
        Of a thread, as the compiler reports them.
    shared
        Bytes of a block, static and dynamic together.
    threads
        Of a block, in all three dimensions together.
    architecture
        A key of `LIMITS`; letters behind the number ("sm_90a") change nothing here.

    Raises
    ------
    InvalidArgument
        A number is negative, a block has no thread, or the architecture is none of those in the table.

    Notes
    -----
    With everything that a multiprocessor has given to shared memory, as the driver does for a kernel that needs it.
    """
    limits = LIMITS.get(architecture.rstrip("af"))
    if limits is None:
        raise InvalidArgument(f"no limits are known of {architecture!r}; they are of {', '.join(LIMITS)}")
    if registers < 0 or shared < 0 or threads < 1:
        raise InvalidArgument(
            f"a block has at least one thread and a kernel no negative resources; found {threads} threads, "
            f"{registers} registers, {shared} bytes of shared memory"
        )
    if threads > MAX_THREADS or registers > MAX_REGISTERS or shared > limits.shared_of_block:
        return 0
    warps = _portions(threads, WARP)
    taken = _rounded(shared + SHARED_RESERVED, SHARED_UNIT)
    bounds = [limits.blocks, limits.warps // warps, limits.shared // taken]
    if registers:
        of_warp = _rounded(registers * WARP, REGISTER_UNIT)
        if of_warp * _rounded(warps, PARTITIONS) > limits.registers:  # a launch is checked as if partitions were even
            return 0
        bounds.append(limits.registers // PARTITIONS // of_warp * PARTITIONS // warps)
    return min(bounds)


def occupancy(registers: int, shared: int, threads: int, architecture: str = "sm_90") -> float:
    """Resident warps over the most that there can be, from 0 (no block fits) to 1; see `resident_blocks`."""
    blocks = resident_blocks(registers, shared, threads, architecture)
    return blocks * _portions(threads, WARP) / LIMITS[architecture.rstrip("af")].warps


def _portions(count: int, size: int) -> int:
    return -(-count // size)


def _rounded(count: int, size: int) -> int:
    return _portions(count, size) * size
