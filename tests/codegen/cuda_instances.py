"""Shared by the tests that run every instance of every launch: who takes which, buffers that lie askew, and what ran.

A call takes the first instance whose conditions hold. As limits are upper limits, those for long rows may be taken for
short ones as well, and what holds for wide accesses holds for single ones: a small program can run them all. So it is
with the tiles of products, which may be larger than their matrices, and their library; depths are cut into short parts.
"""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from cuda_support import assert_close

from graphopt.codegen import cuda
from graphopt.dimensions import evaluate
from graphopt.graph.counts import settle
from graphopt.interpret import bind_dimensions, interpret
from graphopt.runtime import device
from graphopt.runtime.device import DeviceProgram
from graphopt.runtime.emulation import EmulatedDriver
from graphopt.schedule import device_product
from graphopt.schedule.device_product import Routes
from graphopt.schedule.kernel_launch import Launch


@dataclass
class Taking:
    """Stands in for `choose`: of the instances that a call may take, the one whose turn it is.

    Attributes
    ----------
    turn
        Which of them. Where there are fewer, they are counted through again.
    most
        The most instances that one call could have taken.
    """

    turn: int = 0
    most: int = 1

    def __call__(self, instances, sizes, addresses, shared):
        return self._of(may_be_taken(instances, sizes, addresses, shared))

    def route(self, routes, sizes, multiplies):
        """In place of `Routes.taken`: what a call takes by itself in the first turns, which are for the instances of
        the maps in it; then the other kernels that it may take."""
        usual = TAKEN(routes, sizes, multiplies)
        others = [way for way in (routes.large, routes.small) if way and way != usual]
        return self._of([usual] * OF_MAPS + others)

    def _of(self, allowed):
        self.most = max(self.most, len(allowed))
        return allowed[self.turn % len(allowed)]


TAKEN = Routes.taken
OF_MAPS = 3
"""Instances of a map, at most: wide, single, and counted in 64 bits."""


def may_be_taken(instances, sizes, addresses, shared):
    """The instances whose conditions hold. A part is only for those who do not do everything at once: where there is
    one part, there is no second launch."""
    allowed = [
        i
        for i in instances
        if all(condition.holds(sizes, addresses) for condition in i.conditions)
        and evaluate(i.shared, sizes) + i.fixed <= shared
    ]
    whole = [i for i in allowed if i.body != "parts"]
    return whole or allowed


class CountingDriver(EmulatedDriver):
    """Counts how often each kernel is launched, into `launched`, which several drivers may share.

    Buffers that have a number in `askew` begin so many bytes behind an address that any access may have.
    """

    def __init__(self, seed=0, guard="end", multiprocessors=2, askew=None, launched=None, **others):
        super().__init__(seed, guard, **others)
        self.multiprocessors = multiprocessors
        self.launched = Counter() if launched is None else launched
        self._askew, self._wholes = askew or {}, {}

    def launch(self, kernel, grid, block, shared_bytes, arguments):
        self.launched[kernel.name] += 1
        super().launch(kernel, grid, block, shared_bytes, arguments)

    def allocate(self, nbytes, name=""):
        if name not in self._askew:
            return super().allocate(nbytes, name)
        whole = super().allocate(nbytes + self._askew[name], name)
        part = whole.part(self._askew[name], nbytes)
        self._wholes[part.address] = whole
        return part

    def free(self, buffer):
        super().free(self._wholes.pop(buffer.address, buffer))


class Forced:
    """A program of which a test says which instances are run, by which drivers.

    A driver is a tuple: seed, guard, number of multiprocessors, and the names of the buffers that lie askew, by one
    element, or None for all.
    """

    def __init__(self, case, monkeypatch):
        self.case, self.taking, self.launched = case, Taking(), Counter()
        self._programs = {}
        monkeypatch.setattr(device, "choose", self.taking)
        monkeypatch.setattr(Routes, "taken", lambda *given: self.taking.route(*given))
        monkeypatch.setattr(device_product, "LARGE", 1)  # for the library
        for module in (device_product, cuda):
            monkeypatch.setattr(module, "PART", 8)

    def launches(self):
        return [launch for launch in self.case.source.launches if isinstance(launch, Launch)]

    def never_launched(self):
        """The instances that have not been run."""
        return [i.name for launch in self.launches() for i in launch.instances if not self.launched[i.name]]

    def program(self, seed=0, guard="end", multiprocessors=2, askew=()):
        key = seed, guard, multiprocessors, askew
        if key not in self._programs:
            sizes = {name: np.dtype(b.type.dtype).itemsize for name, b in self.case.program.buffers.items()}
            for scratch in (scratch for launch in self.launches() for scratch in launch.scratch):
                sizes[scratch.name] = np.dtype(scratch.dtype).itemsize
            offsets = {name: size for name, size in sizes.items() if askew is None or name in askew}
            driver = CountingDriver(
                seed, guard, multiprocessors, offsets, self.launched, multiplies=self.case.multiplies
            )
            self._programs[key] = DeviceProgram(self.case.program, driver, self.case.options)
        return self._programs[key]

    def run(self, arrays, driver=()):
        graph = self.case.graph
        arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        sizes = bind_dimensions(graph, arrays)
        program = self.program(*driver)
        program._shapes.clear()  # what was chosen in an earlier turn
        return program.run(arrays, sizes, settle=lambda node, n: settle(graph, node, n, sizes))

    def check(self, arrays, drivers, *, every=False, tolerance=256):
        """Each instance that may be taken agrees with the interpreter.

        What a call takes by itself is run by the first two drivers, the others by one each, in turn; all of them by
        `every` driver.
        """
        with np.errstate(all="ignore"):
            expected = interpret(self.case.written, arrays)
        turn, self.taking.most = 0, 1
        while turn < self.taking.most:
            self.taking.turn = turn
            for driver in drivers if every else drivers[:2] if turn == 0 else [drivers[turn % len(drivers)]]:
                found = self.run(arrays, driver)
                for name, value in expected.items():
                    assert_close(found[name], np.asarray(value), tolerance, f"{name}, turn {turn}, driver {driver}")
            turn += 1


class Daring(Taking):
    """Takes the instance `name`, of which it disregards one condition; of other launches the last, which has none."""

    def __init__(self, name, condition):
        super().__init__()
        self.name, self.condition = name, condition

    def __call__(self, instances, sizes, addresses, shared):
        for instance in instances:
            if instance.name == self.name:
                left = tuple(c for c in instance.conditions if c != self.condition)
                return may_be_taken((replace(instance, conditions=left),), sizes, addresses, shared)[0]
        return may_be_taken(instances, sizes, addresses, shared)[-1]
