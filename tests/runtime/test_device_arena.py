"""What a call takes for itself: rooms that do not overlap, in one block or in buffers apart, kept and bounded."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as go
import graphopt.tensor as T
from graphopt.dimensions import evaluate
from graphopt.runtime.arena import Arena, Arenas
from graphopt.runtime.driver import Buffer
from graphopt.runtime.shared_device import device_of
from graphopt.schedule.memory import LINE


class Counting:
    """A driver of which nothing is asked but memory."""

    name = "counting"
    times_mean_something = False

    def __init__(self, separates=False):
        self.separates, self.live, self.next = separates, {}, 4096

    def allocate(self, nbytes, name=""):
        buffer = Buffer(self.next, nbytes, name)
        self.next += -(-nbytes // 256) * 256 + 256
        self.live[buffer.address] = buffer
        return buffer

    def free(self, buffer):
        assert self.live.pop(buffer.address) is buffer

    @property
    def bytes(self):
        return sum(buffer.nbytes for buffer in self.live.values())


def drawn_rooms(draw):
    counts = draw(st.lists(st.integers(1, 3), max_size=5))
    names = iter(range(100))
    return tuple({f"t{next(names)}": draw(st.integers(0, 500)) for _ in range(count)} for count in counts)


@given(st.data(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_rooms_lie_apart_and_every_tenant_has_its_bytes(data, separates):
    driver = Counting(separates)
    device = device_of(driver)
    arena = Arena(device)
    largest = -1  # an empty block is one, too
    for key in range(3):
        rooms = drawn_rooms(data.draw)
        with device.counted() as tally:
            found = arena.lay(key, lambda rooms=rooms: rooms)
        taken = []
        for room in rooms:
            for name, nbytes in room.items():
                assert found[name].nbytes == nbytes and (separates or found[name].address % LINE == 0)
            begin = min(found[name].address for name in room)
            end = max(found[name].address + nbytes for name, nbytes in room.items())
            spans = [(found[name].address, found[name].address + nbytes) for name, nbytes in room.items()]
            taken += spans if separates else [(begin, end)]
        held = [(b.address, b.address + b.nbytes) for b in driver.live.values()]
        assert all(any(a <= begin and end <= b for a, b in held) for begin, end in taken)
        taken = sorted(span for span in taken if span[0] < span[1])
        assert all(end <= begin for (_, end), (begin, _) in pairwise(taken))
        if not separates:
            assert tally.allocations == (arena.planned_bytes > largest)
            largest = max(largest, arena.planned_bytes)
            assert len(driver.live) == 1 and driver.bytes == largest
        else:
            assert driver.bytes == arena.planned_bytes == sum(sum(room.values()) for room in rooms)
        assert arena.lay(key, lambda: 1 / 0) is found  # nobody is asked again
    arena.free()
    assert not driver.live


def test_the_block_of_a_program_is_what_its_plan_says():
    x = go.variable("x", "float64[n, m]")
    y = T.exp(x @ T.transpose(x)) @ x
    program = go.lower([x], T.sum(y @ T.transpose(y), axis=0), target="cuda").program
    for n, m in ((3, 4), (40, 7), (1, 1), (0, 5)):
        sizes = {"n": n, "m": m}
        rooms = tuple(
            {name: 8 * evaluate(program.buffers[name].type.size, sizes) for name in room.tenants}
            for room in program.memory.block
        )
        assert len({size for room in rooms for size in room.values()}) > (n > 1)  # tenants of several sizes
        arena = Arena(device_of(Counting()))
        arena.lay(0, lambda rooms=rooms: rooms)
        assert arena.planned_bytes == program.memory.bytes(sizes)


def test_arenas_that_wait_are_bounded():
    driver = Counting()
    arenas = Arenas(device_of(driver), kept_bytes=1000)
    taken = [arenas.take() for _ in range(5)]
    for arena, nbytes in zip(taken, (400, 400, 400, 64, 2000), strict=True):
        arena.lay(0, lambda nbytes=nbytes: ({"a": nbytes},))
    for arena in taken:
        arenas.put(arena)
    assert sorted(buffer.nbytes for buffer in driver.live.values()) == [64, 448, 448]
    assert arenas.take().bytes == 64  # the one that was put back last
    arenas.release()
    assert [buffer.nbytes for buffer in driver.live.values()] == [64]
