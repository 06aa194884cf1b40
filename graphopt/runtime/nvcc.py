"""Compiling CUDA C with nvcc, and reading what its assembler says about registers, spills and shared memory.

Needs the CUDA toolkit but no GPU: this is how generated kernels are held to "no warnings, no spills" where there is
none.

Not for running kernels.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphopt.errors import CompilationFailed, TargetUnavailable
from graphopt.runtime.cache import Cache, digest
from graphopt.runtime.process import DEFAULT_TIMEOUT, run_compiler

__all__ = ["CompiledCuda", "compile_cubin", "find_nvcc", "nvcc_release"]

FLAGS = (
    "-std=c++17",
    "--fmad=false",  # contraction is explicit, as on every target
    "--ptxas-options=-v",
)

STRICT = ("-Werror", "all-warnings")

SHOWN_LINES = 30  # of a compiler's complaints

_FUNCTION = re.compile(r"ptxas info\s*:\s*(?:Compiling entry function|Function properties for) '?(\w+)'?")
_ENTRY = re.compile(r"ptxas info\s*:\s*Compiling entry function '(\w+)'")
_REGISTERS = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")
_RELEASE = re.compile(r"release (\d+)\.(\d+)")
_SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")


@dataclass(frozen=True)
class CompiledCuda:
    """What nvcc made of a text.

    Attributes
    ----------
    cubin : bytes
        Machine code that a CUDA driver loads.
    registers, spills, shared : mapping of str to int
        For each kernel: registers of a thread; bytes of registers that a thread stores to and loads from local memory
        for want of registers; bytes of static shared memory of a block.
    log : str
        The compiler's output.
    """

    cubin: bytes
    registers: Mapping[str, int]
    spills: Mapping[str, int]
    shared: Mapping[str, int]
    log: str


def find_nvcc() -> Path | None:
    """The CUDA compiler: what the environment variable ``NVCC`` names, or the first ``nvcc`` on the PATH, or the one
    of the toolkit in ``CUDA_HOME``, ``CUDA_PATH`` or ``/usr/local/cuda``."""
    named = os.environ.get("NVCC")
    found = shutil.which(named or "nvcc")
    if found or named:
        return Path(found).absolute() if found else None
    for toolkit in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"):
        if toolkit and (program := shutil.which(os.path.join(toolkit, "bin", "nvcc"))):
            return Path(program).absolute()
    return None


def compile_cubin(
    source: str,
    architecture: str = "sm_90",
    extra: Sequence[str] = (),
    *,
    strict: bool = True,
    cache: Cache | None = None,
) -> CompiledCuda:
    """Compile CUDA C to machine code, or find it in the cache.

    Parameters
    ----------
    source : str
        The text.
    architecture : str
        What to compile for, as nvcc's ``-arch`` has it.
    extra : sequence of str
        More arguments.
    strict : bool
        Whether any warning is an error.
    cache : Cache, optional
        Where to keep the result.

    Raises
    ------
    TargetUnavailable
        There is no nvcc.
    CompilationFailed
        It rejects the text.
    """
    nvcc = find_nvcc()
    if nvcc is None:
        raise TargetUnavailable(
            "There is no nvcc: looked at the environment variable NVCC, on the PATH, in CUDA_HOME, CUDA_PATH and "
            "/usr/local/cuda. Install the CUDA toolkit, or emulate: EmulatedDriver needs a C++ compiler only."
        )
    cache = cache or Cache()
    flags = (*FLAGS, *(STRICT if strict else ()), f"-arch={architecture}", *extra)
    key = digest("cubin 1", str(nvcc), _version(nvcc), *flags, source)
    folder = cache.get(key)
    if folder is None:
        with cache.workspace() as work:
            (work / "kernel.cu").write_text(source, encoding="utf-8")
            command = [str(nvcc), "-cubin", *flags, "kernel.cu", "-o", "kernel.cubin"]
            outcome = run_compiler(command, work, DEFAULT_TIMEOUT)
            if not outcome.ok:
                said = "\n".join(outcome.log.strip().splitlines()[:SHOWN_LINES])
                raise CompilationFailed(f"nvcc rejected the text.\n{said}\ncommand: {outcome.shell}")
            cubin = (work / "kernel.cubin").read_bytes()
        log = json.dumps(outcome.log).encode("ascii")
        folder = cache.put(key, {"kernel.cu": source.encode("utf-8"), "kernel.cubin": cubin, "log.json": log})
    try:
        cubin, log_text = (folder / "kernel.cubin").read_bytes(), json.loads((folder / "log.json").read_bytes())
    except OSError:
        raise CompilationFailed(
            f"The cache directory {cache.directory} is being emptied as fast as it is filled."
        ) from None
    return CompiledCuda(cubin, *read_resources(log_text), log_text)


def read_resources(log: str) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Registers, spilled bytes and static shared memory of each kernel, from what ``--ptxas-options=-v`` prints."""
    registers: dict[str, int] = {}
    spills: dict[str, int] = {}
    shared: dict[str, int] = {}
    kernel = function = ""
    for line in log.splitlines():
        if entry := _ENTRY.search(line):
            kernel = function = entry[1]
            registers[kernel] = spills[kernel] = shared[kernel] = 0
        elif properties := _FUNCTION.search(line):
            function = properties[1]
        elif spilled := _SPILLS.search(line):
            # A function that is called rather than inlined is reported on its own; its spills count for the kernel
            # that the assembler was at.
            owner = function if function in spills else kernel
            if owner:
                spills[owner] += int(spilled[1]) + int(spilled[2])
        elif (used := _REGISTERS.search(line)) and kernel:
            registers[kernel] = int(used[1])
            memory = _SHARED.search(line)
            shared[kernel] = int(memory[1]) if memory else 0
    return registers, spills, shared


def nvcc_release() -> int:
    """The CUDA version that nvcc belongs to; 13000 is 13.0, and 0 that there is none, or one that does not say.

    Raises
    ------
    TargetUnavailable
        It does not run.
    """
    nvcc = find_nvcc()
    release = _RELEASE.search(_version(nvcc)) if nvcc else None
    return 1000 * int(release[1]) + 10 * int(release[2]) if release else 0


@functools.cache
def _version(nvcc: Path) -> str:
    try:
        result = subprocess.run([nvcc, "--version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise TargetUnavailable(f"{nvcc} does not run: {error}.") from None
    return result.stdout
