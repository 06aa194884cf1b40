"""Programs to compile in every way there is, and to hold against the interpreter: specimens, integers, large loops.

    python tests/codegen/c_corpus.py '{"compiler": "gcc", "extra": ["-fsanitize=undefined"], "every": 20}'

As a script, for compilers whose code needs a process of its own, it compiles and runs a part of them and says how many.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

import graphopt as go
import graphopt.tensor as T
from graphopt.errors import GraphoptError
from graphopt.graph import Graph
from graphopt.graph.union import is_joinable, label, union
from graphopt.interpret import interpret
from graphopt.ops.shape import stack
from graphopt.options import Options
from graphopt.rewrite.pipeline import Pipeline
from graphopt.testing.specimens import SPECIMENS
from graphopt.variant import Variant

Array = Any
TOGETHER = 40
TOLERANCE = {"float32": 5e-4, "float64": 1e-9}
EDGES = [0.0, -0.0, 0.5, -0.5, 1.0, 127.5, -128.9, 255.9, 3e4, -4e4, 7e4, 2.0**31, -(2.0**31), 2.0**32, 2.0**63,
         -(2.0**63), 2.0**64, 1e300, -1e300, np.inf, -np.inf, np.nan]  # fmt: skip


@dataclass(frozen=True)
class Program:
    """A program as it was written, arguments, and what the interpreter makes of them."""

    name: str
    graph: Graph
    arguments: Mapping[str, Array]

    def expected(self) -> dict[str, Array]:
        return interpret(self.graph, self.arguments)


def specimens(dtype: str = "float64") -> Iterator[Program]:
    """Every specimen with its gradient, where it has one."""
    rng = np.random.default_rng(0)
    for specimen in (one for family in SPECIMENS.values() for one in family):
        inputs, output = specimen.build(dtype)
        outputs = {"y": output}
        try:
            slopes = go.grad(output.sum(), [inputs[k] for k in specimen.wrt]) if specimen.generic else []
        except GraphoptError:
            slopes = []  # some specimens say that there is none
        outputs |= {f"d{k}": slope for k, slope in enumerate(slopes)}
        yield Program(str(specimen), Graph.from_outputs(inputs, outputs), specimen.point(rng, dtype))


def whole_numbers() -> Iterator[Program]:
    """What C leaves undefined, or to the machine: overflow, shifts, division, conversions out of range."""
    for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        limits = np.iinfo(dtype)
        values = [limits.min, limits.max, limits.max - 1, limits.max // 2, 0, 1, 2, 3, 7, 9, 31, 32, 63, 64, 100]
        if limits.min < 0:
            values += [limits.min + 1, -1, -2, -3, -64]
        a, b = (grid.ravel() for grid in np.meshgrid(np.array(values, dtype), np.array(values, dtype)))
        x, y = go.variable("x", f"{dtype}[n]"), go.variable("y", f"{dtype}[n]")
        binary = (T.add, T.subtract, T.multiply, T.floor_divide, T.remainder, T.fmod, T.left_shift, T.right_shift,
                  T.maximum, T.gcd, T.lcm, T.bitwise_xor)  # fmt: skip
        outputs = [f(x, y) for f in binary] + [T.absolute(x), -x, T.sign(x), T.bitwise_count(x), x.sum(), x.prod()]
        outputs += [x.astype(other) for other in ("bool", "int8", "uint16", "int64", "float32")]
        yield _program(f"{dtype} arithmetic", [x, y], outputs, {"x": a, "y": b})
        for real in ("float32", "float64"):
            z = go.variable("z", f"{real}[n]")
            with np.errstate(over="ignore"):
                edges = np.array(EDGES).astype(real)
            yield _program(f"{real} to {dtype}", [z], [z.astype(dtype)], {"z": edges})


def large() -> Iterator[Program]:
    """Every form of loop, at sizes where threads are started and vectors leave elements over."""
    rng = np.random.default_rng(1)
    for dtype in ("float32", "float64"):
        x, y = go.variable("x", f"{dtype}[n, k]"), go.variable("y", f"{dtype}[k]")
        outputs = [T.softmax(x, axis=1), T.softmax(x, axis=0), x.var(axis=0), x.var(axis=1), T.logsumexp(x), x @ y]
        outputs += [T.cumsum(x, axis=1), x.T @ x, T.tanh(x) + y, x[:, ::-1] * 2, x.T + 1, x.argmax()]
        arguments = {"x": rng.standard_normal((301, 77)).astype(dtype), "y": rng.standard_normal(77).astype(dtype)}
        rows_and_columns = [T.sum(x * y, axis=1), T.sum(T.tanh(x), axis=0)]
        yield _program(f"{dtype} rows and columns", [x, y], rows_and_columns, arguments)
        yield _program(f"{dtype} loops", [x, y], outputs, arguments)
        v, i = go.variable("v", f"{dtype}[n]"), go.variable("i", "int64[m]")
        outputs = [T.sin(v) * 2 + v, v.sum(), v[i], T.zeros_like(v).at[i].add(v[i] * 2), T.exp(v).max()]
        arguments = {"v": rng.standard_normal(50_001).astype(dtype), "i": rng.integers(-50_001, 50_001, 333)}
        yield _program(f"{dtype} vectors", [v, i], outputs, arguments)
        chosen = {"v": arguments["v"]}
        yield _program(f"{dtype} counted", [v], [v[v > 0], T.sort(v)], chosen)
        value = v
        for step in range(500):
            value = value * (0.5 + step / 1e4) + (T.cos(v) if step % 100 == 7 else v)
        yield _program(
            f"{dtype} straight line", [v], [value, stack(value, v, shape=(2,))], {"v": arguments["v"][:1001]}
        )


def _program(name: str, inputs: Sequence[Any], outputs: Sequence[Any], arguments: Mapping[str, Array]) -> Program:
    return Program(name, Graph.from_outputs(inputs, {f"out{k}": value for k, value in enumerate(outputs)}), arguments)


def corpus(every: int = 1, start: int = 0) -> list[Program]:
    """All programs, or every so many-th of the specimens with some of the others."""
    chosen = list(islice(specimens(), start, None, every)) if every > 1 else [*specimens(), *specimens("float32")]
    if every == 1:
        return [*chosen, *whole_numbers(), *large()]
    return [*chosen, *islice(whole_numbers(), 3, None, 10), *islice(large(), 4)]


def batches(programs: Sequence[Program]) -> list[list[Program]]:
    """What is compiled together."""
    together = [p for p in programs if is_joinable(p.graph)]
    alone = [[p] for p in programs if not is_joinable(p.graph)]
    return [*(together[k : k + TOGETHER] for k in range(0, len(together), TOGETHER)), *alone]


def compiled(batch: Sequence[Program], options: Options, pipeline: str = "default") -> Variant:
    """The programs of a batch as one library."""
    graphs = [program.graph.copy() for program in batch]
    for graph in graphs:
        Pipeline.named(pipeline).run(graph)
    return Variant(graphs[0] if len(graphs) == 1 else union(graphs), "corpus", "c", options, None)


def results(batch: Sequence[Program], variant: Variant) -> list[dict[str, Array]]:
    """What each program of a batch computes."""
    if len(batch) == 1:
        return [variant.run({name: np.array(value) for name, value in batch[0].arguments.items()}, None)]
    joint = {label(n, k): np.array(value) for k, p in enumerate(batch) for n, value in p.arguments.items()}
    found = variant.run(joint, None)
    return [{name: found[label(name, k)] for name in p.graph.results} for k, p in enumerate(batch)]


def check(batch: Sequence[Program], options: Options) -> int:
    """Compile and run a batch, and compare with the interpreter; how many arrays were compared.

    Raises
    ------
    CompilationFailed
        If the compiler does not like the text.
    AssertionError
        Naming program and output.
    """
    count = 0
    for program, found in zip(batch, results(batch, compiled(batch, options)), strict=True):
        with np.errstate(all="ignore"):
            expected = program.expected()
        for name, value in found.items():
            tolerance = TOLERANCE.get(str(value.dtype), 0.0)
            scale = np.abs(expected[name][np.isfinite(expected[name])]).max(initial=1.0) if tolerance else 0.0
            np.testing.assert_allclose(
                value, expected[name], rtol=tolerance, atol=tolerance * scale, err_msg=f"{program.name}, {name}"
            )
            count += 1
    return count


def digests(programs: Sequence[Program], options: Options) -> list[str]:
    """A hash of the bits of each result."""
    found = (results([program], compiled([program], options))[0] for program in programs)
    return [
        f"{name}:{hashlib.sha256(value.tobytes()).hexdigest()[:16]}" for each in found for name, value in each.items()
    ]


def main(text: str) -> None:
    """Do what a JSON object says: compiler, flags, extra (flags), every, start, threads; or digest, of large loops."""
    wanted = json.loads(text)
    if wanted.get("digest"):
        print(*digests(list(large())[:3], Options(threads=wanted["threads"])))
        return
    options = Options(
        compiler=wanted.get("compiler"), flags=wanted.get("flags"), extra_flags=wanted.get("extra", ()),
        threads=wanted.get("threads", 2),
    )  # fmt: skip
    programs = corpus(wanted.get("every", 1), wanted.get("start", 0))
    print(len(programs), "programs,", sum(check(batch, options) for batch in batches(programs)), "arrays")


if __name__ == "__main__":
    main(sys.argv[1])
