"""The cases of `suite_device.py` as each library computes them on a GPU: arrays lie there, results stay there.

Every library marks moments in its own stream by its own events, except JAX, which shows no stream: there a mark waits
for the last result and reads the host's clock, so that batches have to be long beside a wait (20 µs).
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from namespaces import CUPY, GRAPHOPT, JAX, NUMPY, TORCH, declared, namespace
from suite_contestants import dtype, listed, program
from suite_device import INDUCTOR_NAME, DeviceCase

import graphopt as go
from graphopt.runtime.device_array import put

__all__ = ["BUILDERS", "MODULES", "STEPS", "Contestant", "copy", "marks_of", "truth"]

STEPS = 3  # calls of a case with a state whose results are held against NumPy's
MODULES = {TORCH: "torch", INDUCTOR_NAME: "torch", JAX: "jax", CUPY: "cupy"}

Arrays = Sequence[Any]
CUDA, EMULATED = "cuda", "cuda-emulated"


@dataclass(frozen=True)
class Contestant:
    """One way to compute a case.

    Attributes
    ----------
    call
        Launches one call on arrays that lie on the device; its results stay there.
    check
        The results as NumPy's arrays: of one call, or of `STEPS` calls from the first state on.
    record
        Marks this moment in the stream that calls run in (`graphopt.bench.events.Mark`); None on an emulated device.
    """

    call: Callable[[], Any]
    check: Callable[[], list[Any]]
    record: Callable[[], Any] | None


def stateful(
    function: Callable[..., Sequence[Any]], held: Arrays, state: int, to_numpy: Callable[[Any], Any]
) -> tuple[Callable[[], Any], Callable[[], list[Any]]]:
    """`call` and `check` of a function; each call replaces the first `state` arguments by the results but the first."""
    first, rest = list(held[:state]), list(held[state:])
    current = list(first)

    def call() -> Any:
        results = function(*current, *rest)
        if state:
            current[:] = results[1:]
        return results

    def check() -> list[Any]:
        if not state:
            return [to_numpy(each) for each in call()]
        current[:] = first
        costs = [to_numpy(call()[0]) for _ in range(STEPS)]
        return [*costs, *map(to_numpy, current)]

    return call, check


# The libraries --------------------------------------------------------------------------------------------------------


def by_graphopt(device_case: DeviceCase, arguments: Arrays, target: str = CUDA) -> Contestant:
    """With shared variables for the state; arguments lie on the device, and results stay there."""
    case, state = device_case.case, device_case.state
    names = namespace(GRAPHOPT, dtype(arguments))
    shared = [go.shared(array, name=f"p{k}") for k, array in enumerate(arguments[:state])]
    variables = declared(arguments)[state:]
    outputs = listed(program(case, GRAPHOPT)(names, *shared, *variables))
    updates = dict(zip(shared, outputs[1:], strict=True)) if state else None
    function: Any = go.function(
        variables, outputs[:1] if state else outputs, updates, target=target,
        options=go.Options(device_outputs=True), name=program(case, GRAPHOPT).__name__, on_unused_input="ignore",
    )  # fmt: skip
    device = function(*arguments[state:])[0].device
    held = [put(device, np.asarray(each, order="C")) for each in arguments[state:]]

    def check() -> list[Any]:
        if not state:
            return [np.asarray(each) for each in function(*held)]
        for variable, array in zip(shared, arguments, strict=False):
            variable.set_value(array)
        costs = [np.asarray(function(*held)[0]) for _ in range(STEPS)]
        return [*costs, *(variable.get_value() for variable in shared)]

    record = device.record if device.times_mean_something else None
    return Contestant(lambda: function(*held), check, record)


def by_torch(device_case: DeviceCase, arguments: Arrays, compiled: bool = False) -> Contestant:
    """Eagerly, or by torch.compile, whose kernels are Triton's. In float32 proper, without TF32."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    written, kind = program(device_case.case, TORCH), dtype(arguments)
    function: Callable[..., Any] = partial(written, namespace(TORCH, kind))
    if compiled:  # which reads names more easily where they are made
        function = torch.compile(lambda *arrays: written(namespace(TORCH, kind), *arrays), dynamic=False)

    def called(*arrays: Any) -> list[Any]:
        with torch.no_grad():
            return listed(function(*arrays))

    held = [torch.from_numpy(np.asarray(each)).cuda() for each in arguments]
    call, check = stateful(called, held, device_case.state, lambda each: each.cpu().numpy())
    return Contestant(call, check, torch_mark)


def by_jax(device_case: DeviceCase, arguments: Arrays) -> Contestant:
    """Compiled by jit, with products in float32 proper."""
    import jax

    if jax.default_backend() not in ("gpu", "cuda"):
        raise RuntimeError(f"JAX has no GPU here; it computes on {jax.default_backend()}")
    jax.config.update("jax_default_matmul_precision", "highest")
    jitted = jax.jit(partial(device_case.case.program, namespace(JAX, dtype(arguments))))
    held = [jax.device_put(np.asarray(each)) for each in arguments]
    call, check = stateful(lambda *arrays: listed(jitted(*arrays)), held, device_case.state, np.asarray)
    last: list[Any] = [None]

    def remembered() -> Any:
        last[0] = call()
        return last[0]

    def record() -> HostMark:
        jax.block_until_ready(last[0])
        return HostMark(time.perf_counter())

    return Contestant(remembered, check, record)


def by_cupy(device_case: DeviceCase, arguments: Arrays) -> Contestant:
    """Operation by operation; derivatives are those by hand, for want of others."""
    import cupy

    names = namespace(CUPY, dtype(arguments))
    held = [cupy.asarray(each) for each in arguments]
    call, check = stateful(
        lambda *arrays: listed(program(device_case.case, NUMPY)(names, *arrays)), held, device_case.state, cupy.asnumpy
    )
    return Contestant(call, check, cupy_mark)


BUILDERS: dict[str, Callable[[DeviceCase, Arrays], Contestant]] = {
    GRAPHOPT: by_graphopt, TORCH: by_torch, INDUCTOR_NAME: partial(by_torch, compiled=True), JAX: by_jax, CUPY: by_cupy,
}  # fmt: skip


def truth(device_case: DeviceCase, arguments: Arrays) -> list[Any]:
    """What NumPy computes in float64, in the dtype of the arguments."""
    case, kind = device_case.case, dtype(arguments)
    wide = [np.asarray(a, "float64") if np.asarray(a).dtype.kind == "f" else a for a in arguments]
    function = partial(program(case, NUMPY), namespace(NUMPY, "float64"))
    _, check = stateful(lambda *arrays: listed(function(*arrays)), wide, device_case.state, np.asarray)
    return [np.asarray(each, kind) for each in check()]


# Marks in streams -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HostMark:
    """A moment on the host's clock, at which everything launched before was finished."""

    seconds: float

    def seconds_since(self, earlier: HostMark) -> float:
        return self.seconds - earlier.seconds


@dataclass(frozen=True)
class EventMark:
    """An event of PyTorch or CuPy, with what tells the milliseconds between two."""

    event: Any
    milliseconds: Callable[[Any, Any], float]

    def seconds_since(self, earlier: EventMark) -> float:
        self.event.synchronize()
        return self.milliseconds(earlier.event, self.event) * 1e-3


def torch_mark() -> EventMark:
    import torch

    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return EventMark(event, lambda start, stop: start.elapsed_time(stop))


def cupy_mark() -> EventMark:
    import cupy

    event = cupy.cuda.Event()
    event.record()
    return EventMark(event, cupy.cuda.get_elapsed_time)


def marks_of(library: str) -> str:
    """How a library's batches are timed, in words."""
    return "host clock, waiting for the last result" if library == JAX else "device events"


# The yardstick --------------------------------------------------------------------------------------------------------


def copy(nbytes: int, by: str, ours: Contestant | None = None) -> Contestant:
    """Copying on the device so that `nbytes` bytes are moved, read and written together.

    Parameters
    ----------
    by
        "torch", "cupy", or "driver": the driver's library itself, in the stream of graphopt's contestant `ours`.
    """
    half = max(nbytes // 2, 1)
    if by == "torch":
        import torch

        source, target = (torch.zeros(half, dtype=torch.uint8, device="cuda") for _ in range(2))
        return Contestant(lambda: target.copy_(source), list, torch_mark)
    if by == "cupy":
        import cupy

        source, target = (cupy.zeros(half, cupy.uint8) for _ in range(2))
        return Contestant(lambda: target.data.copy_from_device_async(source.data, half), list, cupy_mark)
    assert ours is not None and ours.record is not None
    device = ours.call()[0].device
    library = ctypes.CDLL("libcuda.so.1")
    source, target = (device.allocate(half, "copy") for _ in range(2))

    def call() -> None:
        with device.current():
            status = library.cuMemcpyDtoDAsync_v2(
                ctypes.c_uint64(target.address), ctypes.c_uint64(source.address), ctypes.c_size_t(half), None
            )
        if status:
            raise RuntimeError(f"cuMemcpyDtoDAsync answers {status}")

    return Contestant(call, list, ours.record)
