"""Where the buffers of a device program lie during a call: with the user, in results, in the call's arena, or late.

Arguments and results that are on the device are used where they are. Others are copied to and from the arena, and
arguments only if a kernel reads them: what the host computes takes the host's arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphopt.dimensions import DimLike, evaluate, symbols
from graphopt.runtime.arena import Arena, Rooms
from graphopt.runtime.device_array import DeviceArray, empty
from graphopt.runtime.driver import Buffer
from graphopt.runtime.shared_device import Device
from graphopt.schedule.launch import Scratch
from graphopt.schedule.program import Program
from graphopt.schedule.steps import Settle
from graphopt.types import TensorType

__all__ = ["Residence", "shape_of"]

Array = Any


@dataclass
class Residence:
    """Where everything lies in one call.

    Attributes
    ----------
    device, program
        What runs, and where.
    read
        The buffers that launches read.
    scratch
        What passes between launches of one step.
    stay
        The outputs that are left on the device.
    sizes
        The sizes that are known.
    held
        Memory on the device, by the names of the program's buffers; constants from the beginning.
    on_host
        Arguments and constants that the host has, likewise.
    results
        Outputs on the device, by their own names.
    """

    device: Device
    program: Program
    read: frozenset[str]
    scratch: Callable[[], Iterable[Scratch]]
    stay: frozenset[str]
    sizes: dict[str, int]
    held: dict[str, Buffer]
    on_host: dict[str, Array]
    results: dict[str, DeviceArray] = field(default_factory=dict)
    _late: list[Buffer] = field(default_factory=list)

    def begin(self, arrays: Mapping[str, Array], into: Mapping[str, Array], arena: Arena) -> None:
        """Place what has a size that is known, and copy in what has to be.

        Raises
        ------
        DeviceFailed
            If there is not enough memory.
        """
        program, constants = self.program, set(self.held)
        for name, buffer in program.inputs.items():
            if isinstance(arrays[name], DeviceArray):
                self.held[buffer] = arrays[name].buffer
            else:
                self.on_host[buffer] = arrays[name]
        early = {buffer.name for buffer in program.early("output")}
        for name, buffer in program.outputs.items():
            if isinstance(into.get(name), DeviceArray):
                self.results[name] = into[name]
            elif name in self.stay and name not in into and buffer in early:
                self.results[name] = self._result(buffer)
        self.held |= {program.outputs[name]: array.buffer for name, array in self.results.items()}
        # The rest depends on nothing but the sizes and what the user and the results have taken over.
        self.held |= arena.lay((tuple(self.sizes.values()), tuple(self.held)), self._rooms)
        for room in program.memory.rooms:
            for name in room.tenants:
                if room.within is not None and name not in self.held:
                    self.held[name] = self.held[room.within].part(0, self._bytes(name))
        for buffer, array in self.on_host.items():
            if buffer in self.read and buffer not in constants:
                self.device.copy_in(self.held[buffer], array)

    def _rooms(self) -> Rooms:
        """What the call takes an arena for."""
        program, apart = self.program, self.device.separates
        rooms = [room.tenants for room in program.memory.rooms if room.within is None or apart]
        passing = [name for name in program.inputs.values() if name in self.read]
        passing += [buffer.name for buffer in program.early("output")]
        rooms += [(name,) for name in passing if name not in self.held]
        known = [scratch for scratch in self.scratch() if symbols(scratch.count) <= self.sizes.keys()]
        return (
            *({name: self._bytes(name) for name in room} for room in rooms),
            *({scratch.name: _bytes(scratch.dtype, scratch.count, self.sizes)} for scratch in known),
        )

    def _bytes(self, buffer: str) -> int:
        type = self.program.buffers[buffer].type
        return _bytes(type.dtype, type.size, self.sizes)

    def _result(self, buffer: str) -> DeviceArray:
        type = self.program.buffers[buffer].type
        return empty(self.device, shape_of(type, self.sizes), type.dtype, buffer)

    # --- what has a size that the call counts ----------------------------------------------------------------------
    def settled(self, step: Settle) -> None:
        """Allocate what has a size that is known now; DeviceFailed if there is not enough memory."""
        stays = {buffer: name for name, buffer in self.program.outputs.items() if name in self.stay}
        for made in self.program.settled_by[step.name]:
            if made.name in stays:
                result = self.results[stays[made.name]] = self._result(made.name)
                self.held[made.name] = result.buffer
            else:
                self._allocate(made.name, self._bytes(made.name))

    def reached(self, scratch: Iterable[Scratch]) -> None:
        """The same for scratch of a launch."""
        for each in scratch:
            if each.name not in self.held:
                self._allocate(each.name, _bytes(each.dtype, each.count, self.sizes))

    def _allocate(self, name: str, nbytes: int) -> None:
        self.held[name] = self.device.allocate(nbytes, name)
        self._late.append(self.held[name])

    # --- between host and device -----------------------------------------------------------------------------------
    def fetched(self, buffer: str, type: TensorType) -> Array:
        """What a buffer holds, for the host to read."""
        array = self.on_host.get(buffer)
        if array is None:
            array = np.empty(shape_of(type, self.sizes), type.dtype)
            self.device.copy_out(self.held[buffer], array)
        array = array.reshape(shape_of(type, self.sizes)).view()
        array.flags.writeable = False
        return array

    def outputs(self, into: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs, in their order; those that do not stay are copied out."""
        results: dict[str, Array] = {}
        if self.results.keys() != self.program.outputs.keys():
            self.device.synchronize()  # a fault shows here, before any array of the caller's is written
        for name, buffer in self.program.outputs.items():
            if name in self.results:
                results[name] = self.results[name]
                continue
            type = self.program.buffers[buffer].type
            results[name] = into[name] if name in into else np.empty(shape_of(type, self.sizes), type.dtype)
            self.device.copy_out(self.held[buffer], results[name])
        return results

    # --- the end ---------------------------------------------------------------------------------------------------
    def end(self) -> None:
        """Give back what was allocated late."""
        while self._late:
            self.device.release(self._late.pop())

    def failed(self, into: Mapping[str, Array]) -> None:
        """Give back the memory of results, although an error that somebody keeps may refer to them."""
        for name, array in self.results.items():
            if name not in into:
                array.let_go()


def _bytes(dtype: str, count: DimLike, sizes: Mapping[str, int]) -> int:
    return evaluate(count, sizes) * np.dtype(dtype).itemsize


def shape_of(type: TensorType, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape of a type where sizes are known."""
    return tuple([evaluate(size, sizes) for size in type.shape])
