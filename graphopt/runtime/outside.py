"""Hashing the files outside the generated text that a compilation depends on: headers, and libraries named as files."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from graphopt.errors import InvalidArgument
from graphopt.runtime.cache import digest

__all__ = ["hash_outside_files"]

_INCLUDE_FLAG = re.compile(r"(-I|-isystem|-iquote|-idirafter)(.*)", re.DOTALL)
_READ_AT_MOST = 2**25  # bytes; of larger folders only names, sizes and times count

_seen: dict[str, str] = {}  # hashes of folders' contents, by their names, sizes and times


def hash_outside_files(arguments: Sequence[str]) -> str:
    """Hash the files that compiler arguments name, and everything in the folders they include from.

    Raises
    ------
    InvalidArgument
        A folder to include from is not an absolute path: compilers run elsewhere.
    """
    parts: list[str] = []
    folder_follows = False
    for argument in arguments:
        match = _INCLUDE_FLAG.fullmatch(argument)
        if folder_follows:
            parts.append(_folder_hash(argument))
            folder_follows = False
        elif match and match[2]:
            parts.append(_folder_hash(match[2]))
        elif match:
            folder_follows = True
        elif not argument.startswith("-") and os.path.isfile(argument):
            parts.append(digest(argument, Path(argument).read_bytes()))
    return digest(*parts)


def _folder_hash(folder: str) -> str:
    if not os.path.isabs(folder):
        raise InvalidArgument(f"Folders to include from must be absolute paths; {folder!r} is not.")
    files, facts, total = [], [folder], 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = os.path.join(place, name)
            with contextlib.suppress(OSError):
                status = os.stat(file)
                files.append(file)
                facts.append(f"{file} {status.st_size} {status.st_mtime_ns}")
                total += status.st_size
    outline = digest(*facts)
    if total > _READ_AT_MOST:
        return outline
    if outline not in _seen:
        _seen[outline] = digest(folder, *(part for file in files for part in (file, _contents(file))))
    return _seen[outline]


def _contents(file: str) -> bytes:
    with contextlib.suppress(OSError):  # unreadable for the compiler as well, or gone meanwhile
        return Path(file).read_bytes()
    return b""
