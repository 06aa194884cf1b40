"""OpenBLAS for matrix products, from the wheel ``scipy-openblas32``: where it is, and how to link with it.

Its own threads are switched off: generated code calls it on panels inside its own parallel region, and two thread
pools on the same cores slow each other down several times. Switching them off touches this copy of OpenBLAS alone;
NumPy and SciPy carry their own.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from graphopt.errors import CompilationFailed

__all__ = ["Blas", "find_blas", "prepare"]


@dataclass(frozen=True)
class Blas:
    """A BLAS library to link with.

    Attributes
    ----------
    library : Path
        The shared library.
    include : Path
        The folder with its headers.
    prefix : str
        What its symbols begin with: ``scipy_`` makes ``cblas_sgemm`` into ``scipy_cblas_sgemm``.
    """

    library: Path
    include: Path
    prefix: str

    @property
    def version(self) -> str:
        """The version of its package."""
        return metadata.version("scipy-openblas32")

    @property
    def link_flags(self) -> tuple[str, ...]:
        """What to link with, so that the library is found again at run time."""
        folder, name = self.library.parent, self.library.name.removeprefix("lib").split(".")[0]
        return (f"-L{folder}", f"-l{name}", f"-Wl,-rpath,{folder}")


@functools.cache
def find_blas() -> Blas | None:
    """The OpenBLAS that is installed with graphopt, or None where its package is missing or incomplete.

    Integers in its interface are 32 bits wide.
    """
    found = find_spec("scipy_openblas32")  # importing it would ask for its version, which takes milliseconds
    for package in map(Path, (found.submodule_search_locations or ()) if found is not None else ()):
        for name in ("libscipy_openblas.so", "libscipy_openblas.dylib"):
            if (package / "lib" / name).is_file():
                return Blas(package / "lib" / name, package / "include", "scipy_")
    return None


_preparing = threading.Lock()
_prepared: list[ctypes.CDLL] = []


def prepare() -> ctypes.CDLL:
    """Load OpenBLAS with its own threads switched off, once for this process, and return it.

    Call it before a function that uses BLAS runs for the first time.

    Raises
    ------
    CompilationFailed
        OpenBLAS is missing or cannot be loaded.
    """
    with _preparing:
        if not _prepared:
            blas = find_blas()
            if blas is None:
                raise CompilationFailed("OpenBLAS is missing; matrix products need it: pip install scipy-openblas32.")
            try:
                library = ctypes.CDLL(str(blas.library), mode=ctypes.RTLD_LOCAL)
                library[f"{blas.prefix}openblas_set_num_threads"](ctypes.c_int(1))
            except (OSError, AttributeError) as error:
                raise CompilationFailed(
                    f"OpenBLAS cannot be used ({error}). Run 'pip install --force-reinstall scipy-openblas32'."
                ) from None
            _prepared.append(library)
        return _prepared[0]
