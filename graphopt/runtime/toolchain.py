"""Finding a C or C++ compiler, and remembering what it can do.

Whatever was learned is kept in the artifact cache under the compiler's path, modification time and size, so a later
process starts without running any compiler.

Not for the probes themselves (`features.py`) or for compiling generated text (`compile.py`).
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graphopt.errors import CompilationFailed, CompilerNotFound, InvalidArgument
from graphopt.runtime.cache import Cache, digest
from graphopt.runtime.features import (
    LIBMVEC_LINK,
    LIBMVEC_MACRO,
    PROBE_TIMEOUT,
    Features,
    cpu_identity,
    probe_features,
)
from graphopt.runtime.process import SEARCH_VARIABLES, run_compiler

__all__ = ["Compiler", "Features", "cpu_identity", "default_flags", "default_link_flags", "find_compiler"]

_SETTING = {"c": "CC", "c++": "CXX"}
_CANDIDATES = {"c": ("cc", "gcc", "clang"), "c++": ("c++", "g++", "clang++")}
_SUFFIX = {"c": ".c", "c++": ".cpp"}
_DOUBT_AFTER = 86400.0  # seconds after which what a compiler could not do is tried again: it may have been installed


@dataclass(frozen=True)
class Compiler:
    """A compiler that answered.

    Attributes
    ----------
    path : Path
        The program, absolute. Symbolic links are kept: some compilers look at the name they were called by.
    family : str
        ``"gcc"``, ``"clang"`` or ``"unknown"``.
    version : str
        The first line of what ``--version`` prints.
    language : str
        ``"c"`` or ``"c++"``.
    arguments : tuple of str
        Arguments that go first, as in ``CC="ccache gcc"``.
    """

    path: Path
    family: str
    version: str
    language: str
    arguments: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """The beginning of every command line."""
        return (str(self.path), *self.arguments)

    @property
    def identity(self) -> str:
        """A hash that changes when the program, or what the environment makes it find, changes.

        Raises
        ------
        CompilerNotFound
            The program is gone.
        """
        return _identity(self.path, self.arguments, self.language)

    @property
    def suffix(self) -> str:
        """What names of source files end with."""
        return _SUFFIX[self.language]

    def features(self, *, cache: Cache | None = None, fresh: bool = False) -> Features:
        """What the compiler can do, found by compiling and running tiny programs.

        Parameters
        ----------
        cache : Cache, optional
            Where results are kept; the default cache if None.
        fresh : bool
            Try again rather than believe what was found before. Otherwise success is believed as long as neither the
            compiler nor the processor changes, and failure for a day.

        Raises
        ------
        CompilationFailed
            The compiler could not be started, was killed, or took more than a minute for a few lines.
        CompilerNotFound
            The program is gone.
        """
        cache = cache or Cache()
        key = digest("features 1", self.identity, cpu_identity())
        if not fresh:
            known = _recall(cache, key)
            if known is not None:
                with contextlib.suppress(TypeError, KeyError):
                    features = Features(**{**known["features"], "flags": tuple(known["features"]["flags"])})
                    complete = features.openmp and features.native  # the C library, with libmvec, is in the key
                    if complete or time.time() - known["time"] < _DOUBT_AFTER:
                        return features
        with _probing_folder(cache) as folder:
            features = probe_features(self.command, self.suffix, folder)
        _remember(cache, key, {"features": asdict(features), "time": time.time()})
        return features


def find_compiler(name: str | None = None, language: str = "c", *, cache: Cache | None = None) -> Compiler:
    """Find a compiler.

    Parameters
    ----------
    name : str, optional
        A program's name (``"gcc"``, ``"clang-15"``) or path, with arguments if need be. For C++, ``"gcc"`` and
        ``"clang"`` mean ``"g++"`` and ``"clang++"``. Default: the environment variable CC (CXX for C++); if that is
        not set, the first of cc, gcc, clang (c++, g++, clang++) that works.
    language : str
        ``"c"`` or ``"c++"``.
    cache : Cache, optional
        Where the compiler's version is remembered; the default cache if None.

    Raises
    ------
    CompilerNotFound
        None was found, or none that answers to ``--version``.
    InvalidArgument
        The language is neither ``"c"`` nor ``"c++"``.
    """
    if language not in _SETTING:
        raise InvalidArgument(f"A compiler is for the language 'c' or 'c++', not {language!r}.")
    cache = cache or Cache()
    setting = _SETTING[language]
    from_setting = os.environ.get(setting, "").strip()
    if name is not None:
        wanted, reason = [_spelling(name, language)], "as asked for"
    elif from_setting:
        wanted, reason = [from_setting], f"as the environment variable {setting} says"
    else:
        wanted, reason = list(_CANDIDATES[language]), "in this order"
    failures = []
    for command in wanted:
        try:
            return _examine(command, language, cache)
        except (CompilerNotFound, CompilationFailed) as error:
            failures.append(f"{command}: {error}")
    raise CompilerNotFound(
        f"No usable {language.upper()} compiler. Looked for {', '.join(wanted)} ({reason}):\n  "
        + "\n  ".join(failures)
        + "\nInstall one (Debian and Ubuntu: apt install gcc g++; Fedora: dnf install gcc gcc-c++; "
        f"conda: conda install compilers; macOS: xcode-select --install), or set {setting} to the path of one. "
        "The target 'numpy' needs none."
    )


def default_flags(compiler: Compiler, *, cache: Cache | None = None) -> tuple[str, ...]:
    """The compile flags for generated code, as far as the compiler supports them.

    Optimization for this machine, OpenMP, and IEEE arithmetic: no contraction, no ``-ffast-math``; only ``errno`` and
    floating-point traps are given up. ``GO_HAVE_LIBMVEC`` is defined where glibc's vector functions can be used.
    """
    features = compiler.features(cache=cache)
    flags = list(features.flags)
    if features.native:
        flags.append("-march=native")
    if features.openmp:
        flags.append("-fopenmp")
    if features.libmvec:
        flags.append(LIBMVEC_MACRO)
    if compiler.family == "clang":
        flags.append("-Wno-pass-failed")  # a loop that stays scalar, such as that of gcd, is no fault of the text
    return tuple(flags)


def default_link_flags(flags: Iterable[str]) -> tuple[str, ...]:
    """The libraries that code compiled with ``flags`` needs."""
    return LIBMVEC_LINK if LIBMVEC_MACRO in flags else ("-lm",)


def _spelling(name: str, language: str) -> str:
    """The C++ driver that goes with the name of a C compiler."""
    folder, base = os.path.split(name)
    if language == "c++" and "++" not in base:
        for c, cpp in {"gcc": "g++", "clang": "clang++", "cc": "c++"}.items():
            if base == c or base.startswith(f"{c}-"):
                return os.path.join(folder, cpp + base.removeprefix(c))
    return name


def _examine(command: str, language: str, cache: Cache) -> Compiler:
    """The compiler that a command names, if it answers."""
    try:
        program, *arguments = [command] if os.path.isfile(command) else shlex.split(command)
    except ValueError:
        raise CompilerNotFound("that is no command") from None
    found = shutil.which(os.path.expanduser(program))
    if found is None:
        place = "there is no such program" if os.sep in program else "not on the PATH"
        raise CompilerNotFound(place)
    path = Path(os.path.abspath(found))
    key = digest("version 1", _identity(path, tuple(arguments), language))
    known = _recall(cache, key)
    if known is None:
        with tempfile.TemporaryDirectory(prefix="graphopt-") as folder:
            outcome = run_compiler([str(path), *arguments, "--version"], Path(folder), PROBE_TIMEOUT)
        if not outcome.ok:
            said = outcome.log.strip().splitlines()[:1]
            raise CompilerNotFound(f"{path} --version failed with status {outcome.status} {''.join(said)}".rstrip())
        known = {"version": next(iter(outcome.log.splitlines()), ""), "family": _family(outcome.log)}
        _remember(cache, key, known)
    return Compiler(path, str(known.get("family")), str(known.get("version")), language, tuple(arguments))


def _family(version: str) -> str:
    if "clang" in version.lower():
        return "clang"
    return "gcc" if "Free Software Foundation" in version or "gcc" in version.lower() else "unknown"


def _identity(path: Path, arguments: tuple[str, ...], language: str) -> str:
    real = path.resolve()
    try:
        status = real.stat()
    except OSError as error:
        raise CompilerNotFound(f"The compiler {path} is gone ({error.strerror}).") from None
    surroundings = [f"{name}={os.environ.get(name, '')}" for name in SEARCH_VARIABLES]
    facts = [str(path), str(real), str(status.st_mtime_ns), str(status.st_size), language, _c_library()]
    return digest(*facts, *surroundings, *arguments)


@functools.cache
def _c_library() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return platform.platform()


_known: dict[str, Mapping[str, Any]] = {}  # what this process has learned or read, by key


def _recall(cache: Cache, key: str) -> Mapping[str, Any] | None:
    if key in _known:
        return _known[key]
    with contextlib.suppress(CompilationFailed, OSError, ValueError):
        folder = cache.get(key)
        if folder is not None:
            facts = json.loads((folder / "facts.json").read_bytes())
            if isinstance(facts, dict):
                return _known.setdefault(key, facts)
    return None


def _remember(cache: Cache, key: str, facts: Mapping[str, Any]) -> None:
    _known[key] = facts
    with contextlib.suppress(CompilationFailed):  # knowing it for this process is enough
        cache.remove(key)
        cache.put(key, {"facts.json": json.dumps(facts, indent=1).encode("ascii")})


@contextlib.contextmanager
def _probing_folder(cache: Cache) -> Iterator[Path]:
    """A folder where libraries will live, or any other if the cache is unusable (which is then said elsewhere)."""
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(cache.workspace())
        except CompilationFailed:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="graphopt-")))
        yield folder
