"""What a compiler can do on this machine, found by compiling and running tiny programs.

Flags are stated one by one and never include ``-ffast-math``: linking with it makes some compilers switch the whole
process to flush-to-zero.

Not for finding compilers or for remembering results: that is `toolchain.py`.
"""

from __future__ import annotations

import functools
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphopt.errors import CompilationFailed
from graphopt.runtime.cache import digest
from graphopt.runtime.process import run_compiler

__all__ = ["LIBMVEC_LINK", "LIBMVEC_MACRO", "PROBE_TIMEOUT", "Features", "cpu_identity", "probe_features"]

LIBMVEC_MACRO = "-DGO_HAVE_LIBMVEC"
LIBMVEC_LINK = ("-lmvec", "-lm")
PROBE_TIMEOUT = 60.0  # seconds
_IEEE = ("-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fPIC")
_STANDARD_FLAGS: dict[str, tuple[str, ...]] = {".c": ("-std=gnu11", *_IEEE), ".cpp": ("-std=gnu++17", *_IEEE)}

_VECTOR_FUNCTION = b"_ZGV"  # how the names of vector functions begin


@dataclass(frozen=True)
class Features:
    """What a compiler was seen to do on this machine.

    Attributes
    ----------
    openmp : bool
        ``-fopenmp`` compiles, links and runs.
    native : bool
        ``-march=native`` compiles, and its code runs.
    libmvec : bool
        A vectorized loop over ``exp`` and ``erf`` links with glibc's vector functions and runs. (The second stands for
        the many that came years after the first.)
    flags : tuple of str
        Those of the other default flags that are accepted.
    """

    openmp: bool
    native: bool
    libmvec: bool
    flags: tuple[str, ...]


def probe_features(command: Sequence[str], suffix: str, folder: Path) -> Features:
    """Try everything at once, and only if that fails, one thing after the other (11 compiler runs at most).

    Parameters
    ----------
    command : sequence of str
        The compiler, and arguments that go first.
    suffix : str
        ``".c"`` or ``".cpp"``.
    folder : Path
        Where to do it.

    Raises
    ------
    CompilationFailed
        The compiler could not be started, was killed, or took more than a minute for a few lines.
    """
    from graphopt.codegen.environment import environment

    standard = _STANDARD_FLAGS[suffix]
    works = functools.partial(_works, command, folder / f"probe{suffix}")
    template = environment().get_template("c/probe.c.j2")
    nothing = template.render(openmp=False, vectors=False)
    parallel = template.render(openmp=True, vectors=False)
    vectors = template.render(openmp=False, vectors=True)
    everything = template.render(openmp=True, vectors=True)
    if works(everything, (*standard, "-march=native", "-fopenmp"), LIBMVEC_LINK, needs=_VECTOR_FUNCTION):
        return Features(openmp=True, native=True, libmvec=True, flags=standard)
    flags: tuple[str, ...] = tuple(flag for flag in standard if works(nothing, (flag,)))
    native = works(nothing, (*flags, "-march=native"))
    openmp = works(parallel, (*flags, "-fopenmp"))
    if not openmp and works(nothing, (*flags, "-fopenmp-simd")):
        flags = (*flags, "-fopenmp-simd")  # vector loops do not need the run-time library
    chosen = (*flags, *(["-march=native"] if native else []), *(["-fopenmp"] if openmp else []))
    libmvec = works(vectors, chosen, LIBMVEC_LINK, needs=_VECTOR_FUNCTION)
    return Features(openmp, native, libmvec, flags)


@functools.cache
def cpu_identity() -> str:
    """A hash of the processor's model and instruction sets, on which ``-march=native`` depends."""
    facts = [platform.machine()]
    relevant = {"vendor_id", "cpu family", "model", "model name", "stepping", "flags"}  # x86
    relevant |= {"CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features", "isa", "cpu"}  # others
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not line.strip():
                    break  # the first processor stands for all
                name, _, value = line.partition(":")
                if name.strip() in relevant:
                    facts += [name.strip(), value.strip()]
    except OSError:
        facts.append(platform.processor())
    return digest(*facts)


def _works(
    command: Sequence[str],
    source: Path,
    text: str,
    flags: Sequence[str],
    link: Sequence[str] = (),
    *,
    needs: bytes = b"",
) -> bool:
    """Whether a program compiles, links, contains what it needs, runs, and returns 0."""
    program = source.with_suffix("")
    program.unlink(missing_ok=True)
    source.write_text(text, encoding="ascii")
    outcome = run_compiler([*command, *flags, source.name, "-o", program.name, *link], source.parent, PROBE_TIMEOUT)
    if outcome.was_killed:
        raise CompilationFailed(f"The compiler was killed while compiling a few lines.\ncommand: {outcome.shell}")
    if not outcome.ok or not program.is_file() or needs not in program.read_bytes():
        return False
    try:
        return subprocess.run([program], capture_output=True, timeout=PROBE_TIMEOUT, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        raise CompilationFailed(f"A program of a few lines did not end.\ncompiled by: {outcome.shell}") from None
    except OSError:  # not executable, or in a place where nothing is
        return False
