"""From source text to a loaded shared library, through the artifact cache.

A library is addressed by a hash of its text, flags, compiler, processor and everything else that went into it; if the
cache has it, no compiler runs. Several sources are compiled side by side, each to an object with a hash of its own,
and linked.

Not for finding compilers (`toolchain.py`) or for knowing what the text means.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from graphopt.errors import CompilationFailed, InvalidArgument
from graphopt.runtime.cache import Cache, digest
from graphopt.runtime.diagnostics import explain
from graphopt.runtime.features import cpu_identity
from graphopt.runtime.outside import hash_outside_files
from graphopt.runtime.process import DEFAULT_TIMEOUT, Outcome, compiler_runs, processors, run_compiler
from graphopt.runtime.toolchain import Compiler, default_flags, default_link_flags, find_compiler

__all__ = ["Library", "build_library", "compiler_runs"]

LIBRARY, LOG = "library.so", "compiler.log"
_HEADER_SUFFIXES = (".h", ".hh", ".hpp", ".inc")
_SOURCE_SUFFIXES = (".c", ".cc", ".cpp", ".cxx")
# Linked with one of these, some compilers add start-up code that changes the whole process's arithmetic.
_NOT_FOR_LINKING = {"-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-mdaz-ftz"}


@dataclass(frozen=True)
class _Request:
    """Everything that determines a library."""

    sources: tuple[tuple[str, str], ...]
    compiler: Compiler
    flags: tuple[str, ...]
    link: tuple[str, ...]
    cache: Cache = field(compare=False)
    timeout: float = field(compare=False)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return tuple(item for item in self.sources if item[0].endswith(_HEADER_SUFFIXES))

    @property
    def units(self) -> tuple[tuple[str, str], ...]:
        return tuple(item for item in self.sources if not item[0].endswith(_HEADER_SUFFIXES))

    def common_key(self) -> str:
        outside = hash_outside_files((*self.flags, *self.link))
        return digest("build 1", self.compiler.identity, self.compiler.version, cpu_identity(), outside, *self.flags)

    def library_key(self) -> str:
        texts = (part for item in self.sources for part in item)
        return digest("library", self.common_key(), str(len(self.link)), *self.link, *texts)

    def object_key(self, unit: tuple[str, str]) -> str:
        texts = (part for item in (*self.headers, unit) for part in item)
        return digest("object", self.common_key(), *texts)


class Library:
    """A compiled shared library in the cache.

    Attributes
    ----------
    path : Path
        The file. Another process may evict it from the cache at any time, so load it through `handle`.
    sources : dict of str to str
        The text of each file, by name.
    compiler_log : str
        Command lines and warnings of the compiler run that made it.
    """

    def __init__(self, request: _Request, path: Path, compiler_log: str) -> None:
        self._request = request
        self.path = path
        self.compiler_log = compiler_log

    def __repr__(self) -> str:
        return f"Library({str(self.path)!r})"

    @property
    def sources(self) -> dict[str, str]:
        return dict(self._request.sources)

    @property
    def source(self) -> str:
        """The text; that of several files is joined, each under a comment with its name."""
        sources = self._request.sources
        if len(sources) == 1:
            return sources[0][1]
        return "\n".join(f"/* {name} */\n{text}" for name, text in sources)

    @property
    def handle(self) -> ctypes.CDLL:
        """The loaded library; its symbols are visible to nobody else. Each path is loaded once in a process.

        If the file was evicted or damaged since it was built, it is built again first.

        Raises
        ------
        CompilationFailed
            It cannot be loaded: a symbol is missing, or the cache is on a file system that forbids execution.
        """
        with _loading:
            if self.path not in _loaded:
                _loaded[self.path] = _load(self._request)
            return _loaded[self.path]


def build_library(
    sources: Mapping[str, str] | str,
    *,
    compiler: str | Compiler | None = None,
    language: str = "c",
    flags: Sequence[str] | None = None,
    extra_flags: Sequence[str] = (),
    link: Sequence[str] = (),
    cache: Cache | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> Library:
    """Compile text to a shared library, or find it in the cache.

    Parameters
    ----------
    sources : str, or mapping of str to str
        One text, or several by file name. Names without a suffix get the language's; those that end in ``.h`` or
        ``.hpp`` are headers, which the others may include. Each other is a translation unit.
    compiler : str or Compiler, optional
        A name or path as for `find_compiler`, or what that has returned, which also settles the language.
    language : str
        ``"c"`` or ``"c++"``.
    flags : sequence of str, optional
        Compile flags in place of the default ones. Folders to include from must be absolute; the contents of theirs
        and of files named here or in ``link`` are part of the cache's key.
    extra_flags : sequence of str
        Compile flags after these.
    link : sequence of str
        Arguments for linking, after the sources (``-L…``, ``-l…``, ``-Wl,…``).
    cache : Cache, optional
        Where to keep the result; the default cache if None.
    timeout : float
        Seconds that one compiler run may take (less than an hour).

    Raises
    ------
    CompilerNotFound
        There is no usable compiler.
    CompilationFailed
        The compiler rejected the text, did not finish in time, or the result could not be stored.
    InvalidArgument
        There is no source, or a name or a flag has an impossible form.
    """
    cache = cache or Cache()
    if not isinstance(compiler, Compiler):
        compiler = find_compiler(compiler, language, cache=cache)
    chosen = default_flags(compiler, cache=cache) if flags is None else tuple(flags)
    chosen += tuple(extra_flags)
    if "-fPIC" not in chosen:
        chosen += ("-fPIC",)
    named = _named(sources, compiler)
    request = _Request(named, compiler, chosen, (*link, *default_link_flags(chosen)), cache, timeout)
    folder = _built(request)
    try:
        log = (folder / LOG).read_text(encoding="utf-8")
    except OSError:  # evicted by another process just now; loading will build it again
        log = ""
    return Library(request, folder / LIBRARY, log)


# Loading -------------------------------------------------------------------------------------------------------------

_loading = threading.RLock()
_loaded: dict[Path, ctypes.CDLL] = {}


def _load(request: _Request) -> ctypes.CDLL:
    for _ in range(3):
        path = _built(request) / LIBRARY
        try:
            return ctypes.CDLL(str(path), mode=ctypes.RTLD_LOCAL)
        except OSError as error:
            if path.exists():
                raise CompilationFailed(
                    f"The compiled library cannot be loaded: {error}. If a symbol is undefined, name its library in "
                    f"'link' and check that the text declares it; if the file system forbids execution, set the "
                    f"environment variable GRAPHOPT_CACHE to a directory on another one."
                ) from None
    raise CompilationFailed(f"The cache directory {request.cache.directory} is being emptied as fast as it is filled.")


# Building ------------------------------------------------------------------------------------------------------------


class _Turn:
    """A lock that can be referred to weakly."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


_turns: weakref.WeakValueDictionary[str, _Turn] = weakref.WeakValueDictionary()
_turns_guard = threading.Lock()


def _renew_after_fork() -> None:
    global _loading, _turns, _turns_guard  # a lock held by another thread of the parent would never be released here
    _loading, _turns, _turns_guard = threading.RLock(), weakref.WeakValueDictionary(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


@contextlib.contextmanager
def _turn(key: str) -> Iterator[None]:
    """Threads of this process build the same thing one after the other: all but the first find it in the cache."""
    with _turns_guard:
        turn = _turns.setdefault(key, _Turn())
    with turn.lock:
        yield


def _built(request: _Request) -> Path:
    """The folder of the library's intact cache entry, built now if need be."""
    key = request.library_key()
    with _turn(key):
        folder = request.cache.get(key)
        if folder is not None:
            return folder
        with request.cache.turn(key), request.cache.workspace() as work:
            folder = request.cache.get(key)
            if folder is not None:
                return folder
            for name, text in request.sources:
                (work / name).write_text(text, encoding="utf-8", newline="")
            outcomes = _compile_all(request, work)
            files = {name: text.encode("utf-8") for name, text in request.sources}
            files[LIBRARY] = (work / LIBRARY).read_bytes()
            files[LOG] = "".join(f"{outcome.shell}\n{outcome.log}" for outcome in outcomes).encode("utf-8")
            return request.cache.put(key, files)


def _compile_all(request: _Request, work: Path) -> list[Outcome]:
    units = request.units
    command = [*request.compiler.command, *request.flags]
    if len(units) == 1 and _NOT_FOR_LINKING.isdisjoint(request.flags):
        name = units[0][0]
        return [_run(request, [*command, "-shared", name, "-o", LIBRARY, *request.link], work, LIBRARY)]
    with ThreadPoolExecutor(min(len(units), processors())) as threads:
        results = list(threads.map(lambda unit: _object(request, unit, work), units))
    objects = [name for name, _ in results]
    linking = [flag for flag in command if flag not in _NOT_FOR_LINKING]
    linked = _run(request, [*linking, "-shared", *objects, "-o", LIBRARY, *request.link], work, LIBRARY)
    return [*(outcome for _, outcome in results if outcome is not None), linked]


def _object(request: _Request, unit: tuple[str, str], work: Path) -> tuple[str, Outcome | None]:
    """Compile one translation unit to an object in ``work``, or take it from the cache (then without an outcome)."""
    source = unit[0]
    target = f"{source}.o"
    key = request.object_key(unit)
    with _turn(key):
        folder = request.cache.get(key)
        if folder is not None:
            with contextlib.suppress(OSError):
                (work / target).write_bytes((folder / "unit.o").read_bytes())
                return target, None
        command = [*request.compiler.command, *request.flags, "-c", source, "-o", target]
        outcome = _run(request, command, work, target)
        request.cache.put(key, {"unit.o": (work / target).read_bytes()})
    return target, outcome


def _run(request: _Request, command: list[str], work: Path, target: str) -> Outcome:
    outcome = run_compiler(command, work, request.timeout)
    if not outcome.ok:
        raise CompilationFailed(explain(outcome, request.compiler.path.name, dict(request.sources)))
    if not (work / target).is_file() or (work / target).stat().st_size == 0:
        raise CompilationFailed(
            f"The compiler {request.compiler.path} reported success but wrote nothing. Choose another one with the "
            f"option 'compiler' or the environment variable CC or CXX.\ncommand: {outcome.shell}"
        )
    return outcome


def _named(sources: Mapping[str, str] | str, compiler: Compiler) -> tuple[tuple[str, str], ...]:
    """The sources as sorted pairs of file name and text, checked."""
    if isinstance(sources, str):
        sources = {"generated": sources}
    named: dict[str, str] = {}
    for given, text in sources.items():
        name = given if given.endswith(_HEADER_SUFFIXES + _SOURCE_SUFFIXES) else given + compiler.suffix
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", name) or name in named:
            raise InvalidArgument(f"{given!r} cannot be the name of a source file, or stands for the same file twice.")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidArgument(f"The source {given!r} is not text that UTF-8 can hold: {error}.") from None
        named[name] = text
    if all(name.endswith(_HEADER_SUFFIXES) for name in named):
        raise InvalidArgument("There is nothing to compile: give at least one source that is not a header.")
    return tuple(sorted(named.items()))
