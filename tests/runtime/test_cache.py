"""The artifact cache: private, verified, bounded, and safe without locks."""

import errno
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

import pytest

from graphopt.errors import CompilationFailed, InvalidArgument
from graphopt.runtime import cache as cache_module
from graphopt.runtime.cache import Cache, digest

KEY, OTHER = digest("key"), digest("other")
FILES = {"a.txt": b"first", "b.bin": bytes(range(256))}


def leftovers(cache: Cache) -> list[str]:
    work = cache.directory / "work"
    return os.listdir(work) if work.exists() else []


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make something belong to another user, whoever runs the tests."""
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345, follow_symlinks=False)
    else:
        mine = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: mine + 1)


def test_what_was_stored_is_found_with_its_contents():
    cache = Cache()
    assert cache.get(KEY) is None
    stored = cache.put(KEY, FILES)
    assert stored == cache.get(KEY) == cache.path(KEY)
    assert {name: (stored / name).read_bytes() for name in FILES} == FILES
    assert Cache().get(KEY) == stored
    assert leftovers(cache) == []


def test_the_environment_says_where_the_cache_is(cache_directory):
    assert Cache().directory == cache_directory


def test_without_the_environment_it_is_in_the_users_cache_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("GRAPHOPT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert "graphopt" in Cache().directory.parts


def test_asking_creates_nothing_and_storing_creates_a_private_directory():
    cache = Cache()
    assert cache.get(KEY) is None and cache.entries() == [] and cache.clear() == 0 and not cache.remove(KEY)
    assert not cache.directory.exists()
    cache.put(KEY, FILES)
    assert stat.S_IMODE(cache.directory.stat().st_mode) == 0o700


def flip_a_byte(entry: Path) -> None:
    data = bytearray((entry / "b.bin").read_bytes())
    data[7] ^= 1
    (entry / "b.bin").write_bytes(data)


def truncate(entry: Path) -> None:
    os.truncate(entry / "b.bin", 100)


def delete_the_manifest(entry: Path) -> None:
    (entry / "manifest.json").unlink()


def empty_the_manifest(entry: Path) -> None:
    (entry / "manifest.json").write_bytes(b"")


def nonsense_in_the_manifest(entry: Path) -> None:
    (entry / "manifest.json").write_text('{"key": 3, "files": [1, 2]}')


def delete_a_file(entry: Path) -> None:
    (entry / "a.txt").unlink()


def add_a_file(entry: Path) -> None:
    (entry / "extra").write_bytes(b"")


def link_a_file_elsewhere(entry: Path) -> None:
    shutil.move(entry / "a.txt", entry.parent.parent / "elsewhere")
    (entry / "a.txt").symlink_to(entry.parent.parent / "elsewhere")


def swap_in_another_entry(entry: Path) -> None:
    other = Cache().put(OTHER, FILES)
    shutil.rmtree(entry)
    os.rename(other, entry)


def put_a_file_in_its_place(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_bytes(b"")


def put_a_link_in_its_place(entry: Path) -> None:
    os.rename(entry, entry.parent.parent / "moved")
    entry.symlink_to(entry.parent.parent / "moved")


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        truncate,
        delete_the_manifest,
        empty_the_manifest,
        nonsense_in_the_manifest,
        delete_a_file,
        add_a_file,
        link_a_file_elsewhere,
        swap_in_another_entry,
        put_a_file_in_its_place,
        put_a_link_in_its_place,
    ],
)
def test_a_damaged_entry_counts_as_missing_and_is_replaced(damage):
    cache = Cache()
    damage(cache.put(KEY, FILES))
    assert cache.get(KEY) is None
    repaired = cache.put(KEY, FILES)
    assert cache.get(KEY) == repaired
    assert (repaired / "b.bin").read_bytes() == FILES["b.bin"]
    assert leftovers(cache) == []


def test_an_intact_entry_is_not_written_again():
    cache = Cache()
    before = (cache.put(KEY, FILES) / "a.txt").stat().st_ino
    assert (cache.put(KEY, FILES) / "a.txt").stat().st_ino == before


@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_directory_that_others_may_write_is_refused(cache_directory, mode):
    cache_directory.mkdir()
    cache_directory.chmod(mode)
    for use in (lambda: Cache().get(KEY), lambda: Cache().put(KEY, FILES), lambda: Cache().entries()):
        with pytest.raises(CompilationFailed, match="chmod 700"):
            use()
    assert os.listdir(cache_directory) == []


def test_a_directory_of_another_user_is_refused(cache_directory, monkeypatch):
    cache_directory.mkdir(mode=0o700)
    if os.geteuid() != 0 and cache_directory.stat().st_uid == 0:
        pytest.skip("root's directories are trusted")
    give_away(cache_directory, monkeypatch)
    for use in (lambda: Cache().get(KEY), lambda: Cache().put(KEY, FILES)):
        with pytest.raises(CompilationFailed, match=r"belongs to another user.*GRAPHOPT_CACHE"):
            use()


def test_a_link_set_by_another_user_is_refused(cache_directory, tmp_path, monkeypatch):
    (tmp_path / "real").mkdir(mode=0o700)
    cache_directory.symlink_to(tmp_path / "real")
    give_away(cache_directory, monkeypatch)
    with pytest.raises(CompilationFailed, match="symbolic link set by another user"):
        Cache().put(KEY, FILES)
    assert os.listdir(tmp_path / "real") == []


def test_a_link_of_ones_own_is_followed(cache_directory, tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    cache_directory.symlink_to(tmp_path / "real")
    assert Cache().put(KEY, FILES) == Cache().get(KEY)


def test_a_place_that_cannot_be_a_directory_gives_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "cache"):
        with pytest.raises(CompilationFailed, match=r"cannot be written.*GRAPHOPT_CACHE") as caught:
            Cache(directory).put(KEY, FILES)
        assert caught.value.__suppress_context__
    assert os.listdir(tmp_path) == ["file"]


def test_a_read_only_file_system_gives_one_clear_error_and_still_serves_what_it_has(monkeypatch):
    cache = Cache()
    cache.put(KEY, FILES)
    before = sorted(cache.directory.rglob("*"))

    def refuse(*_: object, **__: object) -> str:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(cache_module, "_USED_RESOLUTION", -1.0)
    assert cache.get(KEY) is not None
    with pytest.raises(CompilationFailed, match="Read-only file system"):
        cache.put(OTHER, FILES)
    assert sorted(cache.directory.rglob("*")) == before


def test_a_full_disk_gives_one_clear_error_and_leaves_nothing(monkeypatch):
    cache = Cache()

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(CompilationFailed, match="No space left"):
        cache.put(KEY, FILES)
    assert leftovers(cache) == [] and cache.entries() == []


def test_entries_tell_sizes_and_the_order_of_use():
    cache = Cache()
    for age, key in ((3, KEY), (2, OTHER)):
        os.utime(cache.put(key, FILES), (time.time() - age * 86400,) * 2)
    assert [entry.key for entry in cache.entries()] == [KEY, OTHER]
    assert cache.size() == sum(entry.size for entry in cache.entries()) > 2 * 261
    assert cache.get(KEY) is not None  # and so used
    assert [entry.key for entry in cache.entries()] == [OTHER, KEY]


def test_clearing_and_removing_leave_nothing():
    cache = Cache()
    for key in (KEY, OTHER):
        cache.put(key, FILES)
    assert cache.remove(KEY) and cache.get(KEY) is None
    assert cache.clear() == 1 and cache.size() == 0 and leftovers(cache) == []


def test_when_the_limit_is_exceeded_those_unused_for_longest_go():
    cache = Cache(limit=5000)
    keys = [digest(str(number)) for number in range(6)]
    for age, key in enumerate(keys):
        path = cache.put(key, {"data": bytes(1500)})
        os.utime(path, (time.time() - 86400 * (10 - age),) * 2)
    assert cache.size() <= 5000
    assert [cache.get(key) is not None for key in keys] == [False, False, False, False, True, True]


def test_an_entry_larger_than_the_limit_is_kept_until_the_next():
    cache = Cache(limit=1000)
    cache.put(KEY, {"data": bytes(3000)})
    assert cache.get(KEY) is not None
    cache.put(OTHER, {"data": bytes(3000)})
    assert cache.get(KEY) is None and cache.get(OTHER) is not None


def test_abandoned_temporaries_are_swept_once_they_are_an_hour_old():
    cache = Cache()
    cache.put(KEY, FILES)
    old, young = cache.directory / "work" / "1-old", cache.directory / "work" / "1-young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "half-written.so").write_bytes(b"\x7fELF")
    os.utime(old, (time.time() - 3700,) * 2)
    cache.put(OTHER, FILES)
    assert leftovers(cache) == ["1-young"]


@pytest.mark.parametrize("key", ["", "short", "../../etc/passwd", "A" * 64, "x" * 200])
def test_a_key_that_could_leave_the_directory_is_refused(key):
    with pytest.raises(InvalidArgument, match="cache key"):
        Cache().path(key)


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "manifest.json"])
def test_a_file_name_that_could_leave_the_entry_is_refused(name):
    with pytest.raises(InvalidArgument, match="name of a file"):
        Cache().put(KEY, {name: b""})


def test_a_limit_is_positive():
    with pytest.raises(InvalidArgument, match="positive"):
        Cache(limit=0)


def test_digests_tell_apart_what_concatenation_would_confuse():
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("ab", "c", "")}) == 4


KILLED_WHILE_STORING = """
import os, signal, sys
from graphopt.runtime.cache import Cache
os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Cache().put(sys.argv[1], {"a": b"x" * 1000})
"""


def test_a_process_killed_while_storing_leaves_a_working_cache(start):
    process = start(KILLED_WHILE_STORING, KEY)
    process.communicate(timeout=60)
    assert process.returncode == -9
    cache = Cache()
    (abandoned,) = (cache.directory / "work").iterdir()
    assert cache.get(KEY) is None and cache.entries() == []
    os.utime(abandoned, (0, 0))
    cache.put(KEY, FILES)
    assert cache.get(KEY) is not None and leftovers(cache) == []


HAMMER = """
import random, sys
from graphopt.runtime.cache import Cache, digest
rng, cache = random.Random(int(sys.argv[1])), Cache(limit=20_000)
for step in range(150):
    number = rng.randrange(6)
    key, data = digest(str(number)), bytes([number]) * 4000
    action = rng.random()
    if action < 0.6:
        cache.put(key, {"data": data})
    elif action < 0.7:
        cache.remove(key)
    elif action < 0.8:
        try:
            (cache.path(key) / "data").write_bytes(b"damaged")
        except OSError:
            pass
    else:
        found = cache.get(key)
        try:
            held = found and (found / "data").read_bytes()
        except OSError:
            held = None
        assert held in (None, data, b"damaged", b""), held
"""


def test_many_processes_may_store_remove_and_damage_at_once(start):
    processes = [start(HAMMER, str(seed)) for seed in range(4)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    cache = Cache()
    assert leftovers(cache) == []
    for number in range(6):
        assert (cache.put(digest(str(number)), {"data": bytes([number]) * 4000}) / "data").stat().st_size == 4000
