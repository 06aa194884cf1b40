"""Memory that is kept: no block has two owners, waste and what is kept are bounded, and the device gets all back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from graphopt.runtime.cuda_faults import OUT_OF_MEMORY, CudaError
from graphopt.runtime.device_memory import LARGEST_STEP, SMALLEST, DeviceMemory, size_class

CAPACITY, LIMIT = 2**16, 2**14


@given(st.integers(0, 2**40))
def test_a_class_holds_its_sizes_and_wastes_little(nbytes):
    size = size_class(nbytes)
    assert size >= max(nbytes, SMALLEST) and size % SMALLEST == 0
    assert size - nbytes <= max(SMALLEST, min(nbytes // 8, LARGEST_STEP))
    assert size_class(size) == size  # so that it is found again


def test_there_are_eight_classes_for_a_factor_of_two():
    assert len({size_class(int(n)) for n in np.geomspace(2**13 + 1, 2**14, 3000)}) == 8


class Device:
    """A device of little memory."""

    def __init__(self):
        self.blocks = {}
        self._next = 256

    def allocate(self, size):
        if sum(self.blocks.values()) + size > CAPACITY:
            raise CudaError(OUT_OF_MEMORY, "cuMemAlloc_v2", "out of memory")
        self._next += size
        self.blocks[self._next - size] = size
        return self._next - size

    def free(self, address):
        del self.blocks[address]


class Users(RuleBasedStateMachine):
    """Takes and gives at random, and knows what it has."""

    def __init__(self):
        super().__init__()
        self.device = Device()
        self.memory = DeviceMemory(self.device.allocate, self.device.free, LIMIT)
        self.taken = {}

    @rule(nbytes=st.integers(0, CAPACITY // 2))
    def take(self, nbytes):
        try:
            address = self.memory.take(nbytes)
        except CudaError:
            in_use = sum(size_class(size) for size in self.taken.values())
            assert in_use + size_class(nbytes) > CAPACITY and self.memory.kept == 0
            return
        assert address not in self.taken
        self.taken[address] = nbytes

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def give(self, data):
        address = data.draw(st.sampled_from(sorted(self.taken)))
        del self.taken[address]
        self.memory.give(address)

    @rule()
    def release(self):
        self.memory.release()
        assert self.memory.kept == 0

    @rule()
    def give_what_is_not_in_use(self):
        with pytest.raises(KeyError):
            self.memory.give(1)

    @invariant()
    def nothing_is_lost_and_little_is_kept(self):
        assert self.memory.used == sum(self.device.blocks[address] for address in self.taken)
        assert self.memory.used + self.memory.kept == sum(self.device.blocks.values())
        assert self.memory.kept <= LIMIT

    def teardown(self):
        self.memory.close()
        assert self.device.blocks == {}


TestUsers = Users.TestCase


def test_another_fault_than_short_memory_is_not_tried_again():
    tried = []

    def fail(size):
        tried.append(size)
        raise CudaError(719, "cuMemAlloc_v2", "unspecified launch failure")

    with pytest.raises(CudaError):
        DeviceMemory(fail, None, LIMIT).take(8)
    assert len(tried) == 1
