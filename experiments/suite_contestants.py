"""The suite's cases as each library computes them, made in the process that will be timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from namespaces import GRAPHOPT, JAX, NUMPY, PACKAGES, PYTENSOR, TORCH, declared, namespace
from suite import CASES, Case

import graphopt as go

__all__ = ["BUILDERS", "ENVIRONMENT", "INDUCTOR", "NEEDS", "NUMBA", "NUMEXPR", "THREADS", "build", "converted", "dtype",
           "inputs", "listed", "program", "takes", "truth"]  # fmt: skip

NUMBA, NUMEXPR, INDUCTOR = "Numba", "numexpr", "PyTorch, compiled"
NEEDS = {**PACKAGES, NUMBA: "numba", NUMEXPR: "numexpr", INDUCTOR: "torch"}
THREADS = 2
ENVIRONMENT = {
    f"{name}_NUM_THREADS": str(THREADS) for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "NUMEXPR", "NUMEXPR_MAX")
} | {"NUMEXPR_MAX_THREADS": str(THREADS)}

Arrays = Sequence[Any]


def build(name: str, library: str, divided: int) -> Callable[..., Any]:
    """A case as a library computes it; called in the process of that library."""
    case = CASES[name]
    return BUILDERS[library](case, inputs(case, divided))


def inputs(case: Case, divided: int) -> tuple[Any, ...]:
    return case.inputs(np.random.default_rng(6), divided)


def by_graphopt(case: Case, arguments: Arrays) -> Callable[..., Any]:
    variables = declared(arguments)
    outputs = listed(program(case, GRAPHOPT)(namespace(GRAPHOPT, dtype(arguments)), *variables))
    return go.function(
        variables, outputs, name=program(case, GRAPHOPT).__name__, options=go.Options(threads=THREADS),
        on_unused_input="ignore",
    )  # fmt: skip


def by_numpy(case: Case, arguments: Arrays) -> Callable[..., Any]:
    names = namespace(NUMPY, dtype(arguments))
    return lambda *arrays: listed(program(case, NUMPY)(names, *arrays))


def by_numexpr(case: Case, arguments: Arrays) -> Callable[..., Any]:
    import numexpr

    numexpr.set_num_threads(THREADS)
    return lambda x: [numexpr.evaluate(case.text, {"x": x})]


def by_numba(case: Case, arguments: Arrays) -> Callable[..., Any]:
    import numba
    import suite_loops

    function = numba.njit(vars(suite_loops)[case.program.__name__], parallel=True)
    return lambda *arrays: listed(function(*arrays))


def by_jax(case: Case, arguments: Arrays) -> Callable[..., Any]:
    import jax

    jax.config.update("jax_enable_x64", True)
    jitted = jax.jit(partial(case.program, namespace(JAX, dtype(arguments))))
    return converted(jax.numpy.asarray, lambda *arrays: jax.block_until_ready(jitted(*arrays)))


def by_torch(case: Case, arguments: Arrays, compiled: bool = False) -> Callable[..., Any]:
    import torch

    torch.set_num_threads(THREADS)
    function = partial(case.program, namespace(TORCH, dtype(arguments)))
    if compiled:
        function = torch.compile(lambda *arrays: case.program(namespace(TORCH, dtype(arguments)), *arrays))

    def called(*arrays: Any) -> Any:
        with torch.no_grad():
            return function(*arrays)

    return converted(lambda array: torch.from_numpy(np.asarray(array)), called)


def by_pytensor(case: Case, arguments: Arrays) -> Callable[..., Any]:
    import pytensor
    import pytensor.tensor as tensor

    variables = [tensor.tensor(f"x{k}", dtype=str(a.dtype), shape=a.shape) for k, a in enumerate(arguments)]
    outputs = listed(case.program(namespace(PYTENSOR, dtype(arguments)), *variables))
    compiled = pytensor.function(variables, outputs, mode="NUMBA", trust_input=True, on_unused_input="ignore")
    return converted(np.asarray, compiled)


BUILDERS: dict[str, Callable[[Case, Arrays], Callable[..., Any]]] = {
    GRAPHOPT: by_graphopt, NUMPY: by_numpy, NUMEXPR: by_numexpr, NUMBA: by_numba, JAX: by_jax, TORCH: by_torch,
    INDUCTOR: partial(by_torch, compiled=True), PYTENSOR: by_pytensor,
}  # fmt: skip


def takes(case: Case, library: str) -> bool:
    """Whether there is a program of the case for a library."""
    return {NUMBA: case.loops, NUMEXPR: bool(case.text)}.get(library, True)


def program(case: Case, library: str) -> Callable[..., Any]:
    return case.own.get(library, case.program)


def dtype(arguments: Arrays) -> str:
    """The float dtype of the first array of floats."""
    return str(next(np.asarray(a).dtype for a in arguments if np.asarray(a).dtype.kind == "f"))


def listed(outputs: Any) -> list[Any]:
    """The outputs of a program one after another, whatever they are nested in."""
    if isinstance(outputs, tuple | list):
        return [leaf for each in outputs for leaf in listed(each)]
    return [outputs]


def converted(convert: Callable[[Any], Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy's arrays that converts the same arrays once, and returns NumPy's arrays."""
    last: list[Any] = []

    def called(*arrays: Any) -> Any:
        if len(last) != 2 or any(a is not b for a, b in zip(last[0], arrays, strict=True)):
            last[:] = arrays, [convert(array) for array in arrays]
        return [np.asarray(each) for each in listed(function(*last[1]))]

    return called


def truth(case: Case, arguments: Arrays) -> list[Any]:
    """What NumPy computes in float64, in the dtype of the arguments."""
    wide = [np.asarray(a, "float64") if np.asarray(a).dtype.kind == "f" else a for a in arguments]
    found = listed(program(case, NUMPY)(namespace(NUMPY, "float64"), *wide))
    return [np.asarray(each, dtype(arguments)) for each in found]
