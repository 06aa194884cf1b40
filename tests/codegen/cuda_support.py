"""Shared by the tests of CUDA text: a program compiled once, run under emulation, compared with the interpreter."""

from functools import cached_property

import numpy as np

from graphopt.codegen.cuda import cuda_source
from graphopt.frontend.declare import declare
from graphopt.graph import Graph
from graphopt.graph.counts import settle
from graphopt.interpret import bind_dimensions, interpret
from graphopt.lowering import optimize
from graphopt.options import Options
from graphopt.runtime.device import DeviceProgram
from graphopt.runtime.driver import Driver
from graphopt.runtime.emulation import EmulatedDriver
from graphopt.schedule.schedule import schedule

SEEDS = (0, 1, 2, 3)
DRIVERS = [(seed, guard) for seed in SEEDS for guard in ("end", "start")]
FUSED = "lower,cse,fuse"


class Case:
    """Expressions as one program. `check` runs them and compares every output with the interpreter's.

    `multiplies` are the dtypes of matrices that the driver multiplies itself, where they are large enough.
    """

    def __init__(self, inputs, outputs, pipeline=FUSED, templates=(), multiplies=("float32", "float64")):
        declared = declare(inputs, outputs, None)
        self.written = Graph.from_outputs(declared.inputs, declared.outputs)
        self.graph = self.written.copy()
        optimize(self.graph, pipeline)
        self.program = schedule(self.graph, "case", keep=False)
        self.options = Options(templates=templates)
        self.multiplies = multiplies

    @cached_property
    def source(self):
        return cuda_source(self.program, templates=self.options.templates)

    def on(self, seed, guard):
        driver = EmulatedDriver(seed, guard, multiplies=self.multiplies)
        assert isinstance(driver, Driver)
        return DeviceProgram(self.program, driver, self.options)

    def forms(self):
        return {launch.form for launch in self.source.launches}

    def run(self, arrays, seed=0, guard="end"):
        arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        sizes = bind_dimensions(self.graph, arrays)
        return self.on(seed, guard).run(arrays, sizes, settle=lambda node, n: settle(self.graph, node, n, sizes))

    def check(self, arrays, drivers=DRIVERS, tolerance=32):
        """Floats agree to `tolerance` units in the last place of the largest element; the rest exactly."""
        with np.errstate(all="ignore"):
            expected = interpret(self.written, arrays)
        for seed, guard in drivers:
            found = self.run(arrays, seed, guard)
            for name, value in expected.items():
                assert_close(found[name], np.asarray(value), tolerance, f"{name}, seed {seed}, guard {guard}")


def assert_close(found, expected, tolerance, what):
    assert found.dtype == expected.dtype and found.shape == expected.shape, what
    if found.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected, err_msg=what)
        return
    finite = np.abs(expected[np.isfinite(expected)])
    unit = np.finfo(found.dtype).eps * tolerance
    scale = float(finite.max()) if finite.size else 0.0
    np.testing.assert_allclose(found, expected, rtol=unit, atol=unit * scale, equal_nan=True, err_msg=what)


def normal(shape, dtype="float32", seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)
