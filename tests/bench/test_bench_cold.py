"""Emptying caches: how large they are, and how much is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphopt.bench.cold import UNKNOWN, Flush, cache_sizes, flush


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """Four cores as Linux describes them: two share a third level each, all have a second level of their own."""
    for core in range(4):
        for index, (level, kind, size, shared) in enumerate(
            [
                (1, "Data", "32K", f"{core}"),
                (1, "Instruction", "64M", f"{core}"),
                (2, "Unified", "1024K", f"{core}"),
                (3, "Unified", "16M", "0-1" if core < 2 else "2-3"),
            ]
        ):
            folder = tmp_path / f"cpu{core}" / "cache" / f"index{index}"
            folder.mkdir(parents=True)
            for name, value in (("level", level), ("type", kind), ("size", size), ("shared_cpu_list", shared)):
                (folder / name).write_text(f"{value}\n")
    return tmp_path


def test_last_level_caches_are_counted_once_each_and_only_those_of_usable_cores(system: Path) -> None:
    assert cache_sizes([0, 1, 2, 3], system) == (32 * 2**20, 2**20)
    assert cache_sizes([1], system) == (16 * 2**20, 2**20)


def test_a_system_that_names_no_caches_is_answered_by_zero(tmp_path: Path) -> None:
    assert cache_sizes([0], tmp_path) == (0, 0)


def test_every_core_reads_twice_its_share_and_at_least_twice_its_own_cache() -> None:
    assert Flush(8 * 2**20, 2**20, [0, 0]).size == 16 * 2**20
    assert Flush(2**20, 2**20, [0, 0]).size == 4 * 2**20
    assert "2 times the last-level caches" in Flush(2**20, 0, [0]).method


def test_unknown_caches_are_taken_to_be_large_and_the_record_says_so() -> None:
    flush = Flush(0, 0, [0])
    assert flush.size == 2 * UNKNOWN
    assert "unknown" in flush.method


def test_the_whole_buffer_is_read_and_has_memory_of_its_own() -> None:
    emptied = Flush(2**20, 0, [0, 0, 0])
    read: list[int] = []
    original = emptied._read
    emptied._read = lambda part: (read.append(part), original(part))[1]  # type: ignore[method-assign]
    emptied()
    assert sorted(read) == [0, 1, 2]
    assert (emptied._parts == 1).all()  # pages that were never written would all be the same one


def test_this_machine_is_flushed_with_one_buffer_for_the_whole_process() -> None:
    assert flush() is flush()
    flush()()
