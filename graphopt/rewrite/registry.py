"""Finding passes by name: the built-in ones, one module each in `graphopt.passes`, and those of installed packages.

A package offers a pass by an entry point in the group `graphopt.passes` that names its class. Nothing registers
itself; the order is that of names.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import warnings
from difflib import get_close_matches
from functools import lru_cache
from importlib import metadata
from typing import TypeGuard

from graphopt.errors import InvalidArgument
from graphopt.rewrite.passes import Pass

__all__ = ["GROUP", "available_passes", "find_pass"]

GROUP = "graphopt.passes"


@lru_cache(maxsize=1)
def _built_in() -> dict[str, type[Pass]]:
    import graphopt.passes as package

    found: dict[str, type[Pass]] = {}
    for module_info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        for _, value in sorted(inspect.getmembers(module, inspect.isclass)):
            if _is_own_pass(value, module.__name__):
                found[value.name] = value
    return dict(sorted(found.items()))


def _is_own_pass(value: object, module: str) -> TypeGuard[type[Pass]]:
    return inspect.isclass(value) and issubclass(value, Pass) and value.__module__ == module and bool(value.name)


@lru_cache(maxsize=1)
def entry_points(*, group: str) -> tuple[metadata.EntryPoint, ...]:
    """What installed packages offer, read once: reading opens a file of every package there is."""
    return tuple(metadata.entry_points(group=group))


def available_passes() -> dict[str, type[Pass]]:
    """Every pass by name: built-in ones, then those that installed packages offer, each group in order of names.

    A package whose pass cannot be loaded, or has a name that is taken, is left out with a warning.
    """
    found = dict(_built_in())
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            value = entry.load()
        except Exception as error:  # another package's trouble must not be everyone's
            warnings.warn(f"pass {entry.name} ({entry.value}) cannot be loaded: {error}", stacklevel=2)
            continue
        if not (inspect.isclass(value) and issubclass(value, Pass)) or value.name != entry.name:
            warnings.warn(f"entry point {entry.name} ({entry.value}) is not a pass of that name", stacklevel=2)
        elif found.setdefault(value.name, value) is not value:
            warnings.warn(f"pass {value.name} of {entry.value} is left out: the name is taken", stacklevel=2)
    return found


def find_pass(name: str) -> type[Pass]:
    """The pass of that name.

    Raises
    ------
    InvalidArgument
        If there is none; the message names those that are spelled alike.
    """
    stem = name.replace("-", "_")
    module = importlib.util.find_spec(f"graphopt.passes.{stem}") if stem.isidentifier() else None
    if module is not None:  # of that name, as most are: the others, and what is installed, need not be read
        for value in vars(importlib.import_module(module.name)).values():
            if _is_own_pass(value, module.name) and value.name == name:
                return value
    known = available_passes()
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
    raise InvalidArgument(f"there is no pass called {name!r}; {hint}")
