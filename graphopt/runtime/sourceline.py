"""Naming the source line of a machine instruction, from the line numbers in a shared library.

Only for messages: where binutils' ``addr2line`` is missing, or the library is gone, there is no line.
"""

from __future__ import annotations

import re
import shutil
import subprocess

__all__ = ["source_line"]

_LINE_DIRECTIVE = re.compile(r'^\s*#\s*line\s+\d+\s+"([^"]+)"', re.MULTILINE)


def source_line(library: str, offset: int, source: str, default: str = "kernel.cu") -> str:
    """The place in a text that an instruction was compiled from, as ``"file:line"``, or ``""`` if it is not known.

    Parameters
    ----------
    library : str
        The file that holds the instruction.
    offset : int
        Its offset from where the library was loaded.
    source : str
        The text. Of the functions inlined into each other at that place, the innermost from the file counts that this
        text begins with, and only where there is none one from another file that it includes.
    default : str
        What lines of the text before its first ``#line`` directive are called.
    """
    program = shutil.which("addr2line")
    if program is None or not library:
        return ""
    try:
        command = [program, "-i", "-e", library, hex(offset)]
        output = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    named = list(dict.fromkeys((*_LINE_DIRECTIVE.findall(source), default)))
    for files in (named[:1], named):
        for place in output.splitlines():
            path, _, line = place.split(" ", 1)[0].rpartition(":")
            for file in files:
                if line.isdigit() and (path == file or path.endswith(f"/{file}")):
                    return f"{file}:{line}"
    return ""
