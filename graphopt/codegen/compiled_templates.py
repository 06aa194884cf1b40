"""Templates as Python's bytecode in the artifact cache, so that a process need not compile them again.

Compiling all templates of C takes a quarter of a second, ten times what writing a program with them takes. Entries are
found by the template's name and text; the directory is private, as bytecode is run when it is loaded.
"""

from __future__ import annotations

import contextlib
import marshal
import sys

import jinja2
from jinja2.bccache import Bucket

from graphopt.errors import CompilationFailed

__all__ = ["CompiledTemplates"]

FILE = "template.bytecode"


class CompiledTemplates(jinja2.BytecodeCache):
    """What Jinja asks for bytecode: the default artifact cache. One that cannot be used is done without."""

    def load_bytecode(self, bucket: Bucket) -> None:
        from graphopt.runtime.cache import Cache  # the one thing of the runtime that text is written with

        with contextlib.suppress(CompilationFailed, ImportError, OSError, ValueError, EOFError, TypeError):
            folder = Cache().get(_key(bucket))
            if folder is not None:
                bucket.code = marshal.loads((folder / FILE).read_bytes())

    def dump_bytecode(self, bucket: Bucket) -> None:
        from graphopt.runtime.cache import Cache

        with contextlib.suppress(CompilationFailed, ImportError):  # without platformdirs there is no default cache
            Cache().put(_key(bucket), {FILE: marshal.dumps(bucket.code)})


def _key(bucket: Bucket) -> str:
    from graphopt.runtime.cache import digest

    return digest("bytecode of a template 1", jinja2.__version__, sys.version, bucket.key, bucket.checksum)
