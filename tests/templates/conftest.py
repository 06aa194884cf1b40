"""Compiles loops over the scalar functions of `templates/c`, so that tests can call them on whole arrays."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
import pytest

TEMPLATES = Path(__file__).parents[2] / "templates"
C_TYPES = {
    "f32": ("float", np.float32),
    "f64": ("double", np.float64),
    **{f"i{bits}": (f"int{bits}_t", np.dtype(f"i{bits // 8}").type) for bits in (8, 16, 32, 64)},
    **{f"u{bits}": (f"uint{bits}_t", np.dtype(f"u{bits // 8}").type) for bits in (8, 16, 32, 64)},
}
FLAGS = [
    *("-std=c11", "-O3", "-fopenmp", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
    *("-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"),
]


@dataclass(frozen=True)
class Loop:
    """A function to run over arrays: `go_<name>`, or an expression in a[i], b[i]; types are suffixes such as f32."""

    name: str
    arguments: tuple[str, ...]
    result: str
    expression: str = ""

    def text(self) -> str:
        """The driver on a single line, so that a compiler's remark about the line is one about the loop."""
        names = "abc"[: len(self.arguments)]
        typed = zip(self.arguments, names, strict=True)
        parameters = ", ".join(f"const {C_TYPES[kind][0]} *restrict {name}" for kind, name in typed)
        call = self.expression or f"go_{self.name}({', '.join(f'{name}[i]' for name in names)})"
        body = f'_Pragma("omp simd") for (long i = 0; i < n; i++) out[i] = {call};'
        return f"void loop_{self.name}(long n, {C_TYPES[self.result][0]} *restrict out, {parameters}) {{ {body} }}\n"


@dataclass(frozen=True)
class Compiled:
    """A shared object: `compiled(name, *arrays)` runs a loop; `remarks` is what the compiler said about vectorizing."""

    library: ctypes.CDLL
    loops: dict[str, Loop]
    path: Path
    lines: dict[str, int]
    remarks: str

    def __call__(self, name: str, *arrays: np.ndarray) -> np.ndarray:
        loop = self.loops[name]
        held = [
            np.ascontiguousarray(array, dtype=C_TYPES[kind][1])
            for kind, array in zip(loop.arguments, arrays, strict=True)
        ]
        out = np.empty(held[0].shape, dtype=C_TYPES[loop.result][1])
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (out, *held)]
        self.library[f"loop_{name}"](ctypes.c_long(out.size), *pointers)
        return out

    def is_vectorized(self, name: str) -> bool:
        return f"loops.c:{self.lines[name]}:" in self.remarks


@pytest.fixture(scope="session")
def compile_loops(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Compiled]:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler found")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def build(
        headers: Iterable[str], loops: Iterable[Loop], *flags: str, libraries: Iterable[str] = ("-lm",)
    ) -> Compiled:
        by_name = {loop.name: loop for loop in loops}
        text = "".join(environment.get_template(f"c/{header}.h.j2").render() for header in headers)
        lines = {}
        for loop in by_name.values():
            text += loop.text()
            lines[loop.name] = text.count("\n")
        folder = tmp_path_factory.mktemp("loops")
        (folder / "loops.c").write_text(text)
        command = [compiler, *FLAGS, *flags, "-fopt-info-vec-optimized", "loops.c", "-o", "loops.so", *libraries]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr
        path = folder / "loops.so"
        remarks = "\n".join(line for line in ran.stderr.splitlines() if "loop vectorized" in line)
        return Compiled(ctypes.CDLL(str(path)), by_name, path, lines, remarks)

    return build


@pytest.fixture(scope="session")
def make_loop() -> type[Loop]:
    return Loop
