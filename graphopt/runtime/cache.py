"""A private store of compiled artifacts on disk, addressed by a hash of everything they were made from.

An entry is a folder ``entries/<key>`` with its files and a ``manifest.json`` that records the SHA-256 of each. Entries
are written aside (``work/``) and renamed into place, so any number of processes may share the store without waiting
for each other, and one that is killed half-way leaves nothing but a folder that a later one sweeps. Locks (``turns/``)
only save work that another process is doing already. What does not match its manifest
counts as missing. Because its contents are loaded into the process, the directory must belong to the user (or root)
and be writable by nobody else.

Not for knowing what a key is made of: that is the business of those who compile.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import random
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from graphopt.errors import CompilationFailed, InvalidArgument

__all__ = ["DEFAULT_LIMIT", "Cache", "Entry", "digest"]

DEFAULT_LIMIT = 2**30  # bytes
STALE_AFTER = 3600.0  # seconds after which an abandoned temporary is swept
MANIFEST = "manifest.json"
_USED_RESOLUTION = 3600.0  # seconds; an entry's time of use is renewed at most this often
_PATIENCE = 30.0  # seconds to wait for another process: it may have been stopped
_POLL = 0.01  # seconds
_ATTEMPTS = 16  # at replacing an entry that others replace at the same time
_KEY = re.compile(r"[0-9a-z]{8,128}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,200}")


def digest(*parts: str | bytes) -> str:
    """SHA-256 (hexadecimal) of a sequence of texts; each is preceded by its length, so no two sequences collide."""
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", errors="surrogatepass") if isinstance(part, str) else part
        hasher.update(b"%d:" % len(data))
        hasher.update(data)
    return hasher.hexdigest()


@dataclass(frozen=True)
class Entry:
    """One entry of the cache: its key, its folder, its size in bytes, and when it was last used (seconds since 1970,
    to within an hour)."""

    key: str
    path: Path
    size: int
    used: float


class Cache:
    """A content-addressed store of files.

    Parameters
    ----------
    directory : path, optional
        Where it lives. Default: the environment variable ``GRAPHOPT_CACHE``, else the user's cache directory. It is
        created, readable by the user alone, when something is first stored.
    limit : int
        Bytes. When the entries exceed it, those unused for longest are removed.

    Notes
    -----
    Looking at all sizes is not done for each entry stored but with a probability in proportion to its size, so the
    limit may be exceeded by about 1/64 of itself.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None, *, limit: int = DEFAULT_LIMIT) -> None:
        if limit <= 0:
            raise InvalidArgument(f"The cache's limit is a positive number of bytes, not {limit}.")
        self.directory = Path(os.path.abspath(directory if directory is not None else _default_directory()))
        self.limit = limit

    def __repr__(self) -> str:
        return f"Cache({str(self.directory)!r}, limit={self.limit})"

    def path(self, key: str) -> Path:
        """The folder in which the entry ``key`` is, or would be.

        Raises
        ------
        InvalidArgument
            A key is 8 to 128 digits and lower-case letters.
        """
        if not _KEY.fullmatch(key):
            raise InvalidArgument(f"A cache key is 8 to 128 digits and lower-case letters, not {key!r}.")
        return self.directory / "entries" / key

    def get(self, key: str) -> Path | None:
        """The folder of a verified entry, or None if there is none or if any of its files is not as it was stored.

        Raises
        ------
        CompilationFailed
            The cache directory is not private.
        """
        path = self.path(key)
        if not self._exists_and_is_private() or not _is_intact(path, key):
            return None
        with contextlib.suppress(OSError):  # a store one may only read is fine
            if time.time() - path.stat().st_mtime > _USED_RESOLUTION:
                os.utime(path)
        return path

    def put(self, key: str, files: Mapping[str, bytes]) -> Path:
        """Store files under a key and return their folder. An intact entry of that key is kept as it is.

        Raises
        ------
        CompilationFailed
            The directory is not private, cannot be written, or is full.
        InvalidArgument
            The key, or the name of a file, is not one.
        """
        path = self.path(key)
        for name in files:
            if not _FILE_NAME.fullmatch(name) or name == MANIFEST:
                raise InvalidArgument(
                    f"{name!r} cannot be the name of a file in the cache: use letters, digits, '_.+-'."
                )
        with self.workspace() as work:
            try:
                new = work / key
                new.mkdir(mode=0o700)
                for name, data in files.items():
                    (new / name).write_bytes(data)
                recorded = {name: {"bytes": len(data), "sha256": _sha256(data)} for name, data in files.items()}
                (new / MANIFEST).write_text(json.dumps({"key": key, "files": recorded}, indent=1), encoding="ascii")
                path.parent.mkdir(mode=0o700, exist_ok=True)
                self._move_into_place(new, path, key)
            except OSError as error:
                raise self._unwritable(error) from None
        written = sum(map(len, files.values()))
        if random.random() < 64 * written / self.limit:
            self._evict(keep=key)
        return path

    def remove(self, key: str) -> bool:
        """Remove an entry; True if there was one."""
        path = self.path(key)
        if not self._exists_and_is_private() or not os.path.lexists(path):
            return False
        with self.workspace() as work:
            return _move_aside(path, work)

    def entries(self) -> list[Entry]:
        """All entries, those unused for longest first. Costs a look at every file; none is read."""
        found = []
        if self._exists_and_is_private():
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                for item in os.scandir(self.directory / "entries"):
                    with contextlib.suppress(OSError):  # gone meanwhile, or not ours
                        if item.is_dir(follow_symlinks=False):
                            size = sum(file.stat(follow_symlinks=False).st_size for file in os.scandir(item.path))
                            used = item.stat(follow_symlinks=False).st_mtime
                            found.append(Entry(item.name, Path(item.path), size, used))
        return sorted(found, key=lambda entry: (entry.used, entry.key))

    def size(self) -> int:
        """Bytes in all entries together."""
        return sum(entry.size for entry in self.entries())

    def clear(self) -> int:
        """Remove every entry and return how many there were. Libraries that are already loaded stay usable.

        Raises
        ------
        CompilationFailed
            The directory is not private or cannot be written.
        """
        entries = self.entries()
        if not entries:
            return 0
        with self.workspace() as work:
            return sum(_move_aside(entry.path, work) for entry in entries)

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """A temporary folder on the cache's own file system, removed on leaving; stale ones of others are swept.

        Raises
        ------
        CompilationFailed
            The directory is not private or cannot be written.
        """
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._exists_and_is_private()
            parent = self.directory / "work"
            parent.mkdir(mode=0o700, exist_ok=True)
            _sweep(parent)
            with contextlib.suppress(FileNotFoundError):
                _sweep(self.directory / "turns")
            work = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)

    @contextlib.contextmanager
    def turn(self, key: str) -> Iterator[None]:
        """Processes that are about to make the same entry go one after the other, so that all but the first find it.

        A lock that ends with its process, whatever ends it. It is a courtesy: nothing is wrong where it cannot be had
        (on a read-only file system, or because its holder takes longer than half a minute); work is only done twice.
        """
        with contextlib.ExitStack() as stack:
            path = self.directory / "turns" / key
            try:
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.parent.mkdir(mode=0o700, exist_ok=True)
                handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
                stack.callback(os.close, handle)
                if _locked(handle):
                    stack.callback(path.unlink, missing_ok=True)
            except OSError:
                pass
            yield

    def _exists_and_is_private(self) -> bool:
        """Whether the directory exists; raises if others could change what is in it."""
        try:
            _require_trusted_link(self.directory)
            for directory in (self.directory, self.directory / "entries"):
                _require_private(directory)
        except FileNotFoundError:
            return self.directory.is_dir()
        except NotADirectoryError as error:
            raise self._unwritable(error) from None
        except OSError as error:
            raise CompilationFailed(
                f"The cache directory {self.directory} cannot be read ({error.strerror})."
            ) from None
        return True

    def _move_into_place(self, new: Path, path: Path, key: str) -> None:
        for _ in range(_ATTEMPTS):
            try:
                os.rename(new, path)
                return
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR):
                    raise
                if _is_intact(path, key):  # someone else was first with the same contents
                    return
                _move_aside(path, new.parent)
        raise OSError(errno.EBUSY, f"the entry {key} is being damaged as fast as it is written")

    def _evict(self, keep: str) -> None:
        entries = self.entries()
        excess = sum(entry.size for entry in entries) - self.limit
        if excess <= 0:
            return
        with self.workspace() as work:
            for entry in entries:
                if excess <= 0:
                    return
                if entry.key != keep and _move_aside(entry.path, work):
                    excess -= entry.size

    def _unwritable(self, error: OSError) -> CompilationFailed:
        return CompilationFailed(
            f"The cache directory {self.directory} cannot be written ({error.strerror or error}). Compiled code is "
            f"kept there: make it writable, free some space, or set the environment variable GRAPHOPT_CACHE to a "
            f"directory of your own."
        )


def _sha256(data: bytes) -> str:
    """SHA-256 (hexadecimal) of the bytes alone, as ``sha256sum`` prints it."""
    return hashlib.sha256(data).hexdigest()


def _default_directory() -> str:
    if chosen := os.environ.get("GRAPHOPT_CACHE"):
        return os.path.expanduser(chosen)
    return _user_directory(os.environ.get("HOME"), os.environ.get("XDG_CACHE_HOME"))


@functools.lru_cache(maxsize=8)
def _user_directory(*asked: str | None) -> str:
    """The user's cache directory, of which the system is asked once for each value of what it depends on."""
    import platformdirs

    return platformdirs.user_cache_dir("graphopt", appauthor=False)


def _require_trusted_link(directory: Path) -> None:
    """The path may be a symbolic link, but only one that the user or root has set."""
    status = os.lstat(directory)
    if stat.S_ISLNK(status.st_mode) and not _is_trusted(status.st_uid):
        raise CompilationFailed(
            f"The cache directory {directory} is a symbolic link set by {_owner(status.st_uid)}, who could point it "
            f"elsewhere. Remove it, or set the environment variable GRAPHOPT_CACHE to a directory of your own."
        )


def _require_private(directory: Path) -> None:
    status = os.stat(directory)
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is not a directory")
    if not _is_trusted(status.st_uid):
        raise CompilationFailed(
            f"The cache directory {directory} belongs to {_owner(status.st_uid)}; code from it would run as you. "
            f"Remove it, or set the environment variable GRAPHOPT_CACHE to a directory of your own."
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CompilationFailed(
            f"The cache directory {directory} may be written by others than its owner (mode "
            f"{stat.S_IMODE(status.st_mode):04o}); code from it would run as you. Run 'chmod 700 {directory}' after "
            f"emptying it, or set the environment variable GRAPHOPT_CACHE to a directory of your own."
        )


def _is_trusted(uid: int) -> bool:
    return uid in (os.geteuid(), 0)


def _owner(uid: int) -> str:
    import pwd

    try:
        return f"another user ({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return f"another user (number {uid})"


def _is_intact(path: Path, key: str) -> bool:
    """Whether an entry holds exactly the regular files that its manifest lists, with the recorded contents."""
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return False
        manifest = json.loads((path / MANIFEST).read_bytes())
        recorded = manifest["files"]
        if manifest["key"] != key or {*recorded, MANIFEST} != set(os.listdir(path)):
            return False
        for name, facts in recorded.items():
            status = os.lstat(path / name)
            if not stat.S_ISREG(status.st_mode) or status.st_size != facts["bytes"]:
                return False
            if _sha256((path / name).read_bytes()) != facts["sha256"]:
                return False
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def _move_aside(path: Path, work: Path) -> bool:
    """Take an entry out of sight in one step; its files go when the workspace goes. False if it was gone already."""
    try:
        os.rename(path, Path(tempfile.mkdtemp(dir=work)) / "removed")
    except FileNotFoundError:
        return False
    return True


def _locked(handle: int) -> bool:
    """Whether the lock was to be had within `_PATIENCE`."""
    import fcntl

    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(_POLL)
    return False


def _sweep(parent: Path) -> None:
    """Remove what killed processes have left in the folder of temporaries."""
    horizon = time.time() - STALE_AFTER
    for item in os.scandir(parent):
        with contextlib.suppress(OSError):
            if item.stat(follow_symlinks=False).st_mtime < horizon:
                if item.is_dir(follow_symlinks=False):
                    shutil.rmtree(item.path, ignore_errors=True)
                else:
                    os.unlink(item.path)
