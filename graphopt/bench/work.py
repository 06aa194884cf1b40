"""What is known about a contestant without running it: how it was made, of which packages, and what a call has to do.

Of any callable its packages are known; of a graphopt function also target, pipeline, compiler, flags, threads, the
bytes and operations of a call, how long its text is, and what its kernels take on a GPU.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from types import CodeType, FunctionType, ModuleType
from typing import Any

from graphopt.bench.static import Static
from graphopt.bench.validate import Arguments
from graphopt.function import Function
from graphopt.runtime.resources import Resources

__all__ = ["Facts", "facts", "packages"]

DEPTH = 3  # how far from a contestant the functions it calls are looked at


@dataclass(frozen=True)
class Facts:
    """What is known about a contestant.

    Attributes
    ----------
    made
        How it was made, for the record; numbers, texts, and lists and dicts of them.
    counts
        Bytes and operations ("flops") of one call; empty if unknown.
    emulated
        Whether it runs on an emulated device, so that its time says nothing.
    kernels, lines
        How many kernels a call launches, and how many lines the text has; None if unknown.
    resources
        What its CUDA kernels take.
    """

    made: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    emulated: bool = False
    kernels: int | None = None
    lines: int | None = None
    resources: Resources | None = None


def facts(contestant: object, arguments: Arguments) -> Facts:
    """What is known about a contestant and a call of it."""
    if not isinstance(contestant, Function | Static):
        found = packages(contestant)
        return Facts({"packages": found} if found else {})
    counts = contestant.counts(*arguments.positional, **arguments.keywords)
    made: dict[str, Any] = {"target": contestant.target, "pipeline": str(contestant.pipeline)}
    kernels = lines = resources = None
    if contestant.target != "numpy":
        made |= _compiled(contestant)
        kernels, lines = len(contestant.kernels), len(contestant.source.splitlines())
    if contestant.target.startswith("cuda"):
        resources = contestant.resources(*arguments.positional, **arguments.keywords)
        kernels = len(resources.kernels)
    emulated = contestant.target == "cuda-emulated"
    return Facts(made, {key: float(value) for key, value in counts.items()}, emulated, kernels, lines, resources)


def _compiled(function: Function | Static) -> dict[str, Any]:
    options = function.options
    made: dict[str, Any] = {"source": hashlib.sha256(function.source.encode()).hexdigest()[:12]}
    if function.is_edited:
        made["edited"] = True
    if options.templates:
        made["templates"] = [str(folder) for folder in options.templates]
    if function.target == "c":
        from graphopt.runtime.toolchain import default_flags, find_compiler

        compiler = find_compiler(options.compiler)
        flags = options.flags if options.flags is not None else default_flags(compiler)
        made |= {
            "compiler": compiler.version,
            "flags": " ".join([*flags, *options.extra_flags]),
            "threads": options.threads or len(os.sched_getaffinity(0)),
        }
    return made


def packages(contestant: object) -> dict[str, str]:
    """The installed packages that a callable comes from or names, with their versions.

    A function's globals and closure are followed for a few steps, as far as it names them; what is imported inside its
    body is not seen.
    """
    roots = dict.fromkeys(_roots(contestant, DEPTH, set()))
    found: dict[str, str] = {}
    for root in roots:
        if root in sys.stdlib_module_names:
            continue
        for distribution in _distributions().get(root, (root,)):
            try:
                found[distribution] = version(distribution)
            except PackageNotFoundError:
                continue
    return dict(sorted(found.items()))


@lru_cache(maxsize=1)
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def _roots(value: object, depth: int, seen: set[int]) -> Iterator[str]:
    """Names of the top-level modules that a value comes from or names."""
    if id(value) in seen or depth < 0:
        return
    seen.add(id(value))
    if isinstance(value, ModuleType):
        yield value.__name__.partition(".")[0]
        return
    for module in (getattr(value, "__module__", None), type(value).__module__):
        if isinstance(module, str):
            yield module.partition(".")[0]
    inner = [getattr(value, name, None) for name in ("__wrapped__", "__func__")]
    if isinstance(value, partial):
        inner.append(value.func)
    if isinstance(value, FunctionType):
        inner += [value.__globals__.get(name) for name in _names(value.__code__)]
        inner += [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
    for each in inner:
        if isinstance(each, ModuleType) or callable(each):
            yield from _roots(each, depth - 1, seen)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
