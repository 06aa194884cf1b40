"""Importing the package and generating text need numpy, networkx, sympy, mpmath and jinja2 alone, and little time."""

import subprocess
import sys
from pathlib import Path

import pytest

NEEDED = {"numpy", "networkx", "sympy", "mpmath", "jinja2"}
BROUGHT_ALONG = {"markupsafe", "gmpy2", "flint"}  # jinja2's, and those that mpmath takes when they are there
OTHERS = (
    "scipy", "platformdirs", "typer", "rich", "scipy_openblas32", "matplotlib", "pytest", "hypothesis", "pycuda",
    "egglog", "dask", "numba", "numexpr", "jax", "torch", "pytensor", "symengine", "opt_einsum", "sklearn",
)  # fmt: skip

BLOCK = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OTHERS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""
EXPRESSIONS = """
import sympy
import graphopt as go, graphopt.tensor as T

x, w = T.matrix("x"), T.matrix("w")
e = T.exp(x)
a = sympy.Symbol("a", positive=True)
cases = [([x], T.log(e / e.sum(axis=1, keepdims=True))), ([x, w], T.tanh(x @ w)), ([a], sympy.log(1 + a) / a)]
"""


def run(code: str, tmp_path: Path) -> str:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_package_imports_with_everything_else_blocked(tmp_path: Path) -> None:
    assert run(f"{BLOCK}\nimport graphopt, graphopt.tensor; print(graphopt.__version__)", tmp_path).strip()


@pytest.mark.parametrize("target", ["c", "cuda"])
def test_text_is_generated_with_everything_else_blocked(target: str, tmp_path: Path) -> None:
    show = f"import os; os.environ.pop('GRAPHOPT_CACHE', None)\nfor i, o in cases: print(go.{target}_source(i, o))"
    text = run(f"{BLOCK}\n{EXPRESSIONS}\n{show}", tmp_path)
    assert ("__global__" if target == "cuda" else "#include") in text


def test_expressions_are_interpreted_with_everything_else_blocked(tmp_path: Path) -> None:
    show = "print(go.function([x], cases[0][1], target='numpy')([[1000.0, 0.0]]).tolist())"
    assert run(f"{BLOCK}\n{EXPRESSIONS}\n{show}", tmp_path).strip() == "[[0.0, -1000.0]]"


def test_importing_loads_no_package_that_is_not_needed(tmp_path: Path) -> None:
    code = "import sys; before = set(sys.modules); import graphopt, graphopt.tensor; print(*set(sys.modules) - before)"
    loaded = {name.partition(".")[0] for name in run(code, tmp_path).split()}
    foreign = {name for name in loaded if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert foreign <= NEEDED | BROUGHT_ALONG | {"graphopt"}


def test_importing_leaves_sympy_to_those_who_use_it(tmp_path: Path) -> None:
    """It takes longer to import than everything else together."""
    code = """
import sys, graphopt as go, graphopt.tensor as T
x = T.vector("x")
go.c_source([x], [T.exp(x), go.grad(T.exp(x).sum(), x)])
print("sympy" in sys.modules, go.to_sympy(x + 1), go.from_sympy.__module__, "sympy" in sys.modules)
"""
    assert run(code, tmp_path).split() == ["False", "x", "+", "1", "graphopt.frontend.sympy_import", "True"]
