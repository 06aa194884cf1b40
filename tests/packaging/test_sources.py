"""Rules for every source file: target text lives in the templates, and no text is run as Python."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "graphopt").rglob("*.py"), *(ROOT / "passes").rglob("*.py")])
TARGET_TEXT = re.compile(
    r"^\s*#\s*(include|define|pragma|ifdef|ifndef|if|endif)\b|__global__|__device__|\bint main\s*\("
    r"|\bfor\s*\((unsigned|long|int|size_t|int\d+_t) \w+ = |;\s*\n\s*}",
    re.MULTILINE,
)


def texts(path: Path) -> list[tuple[int, str]]:
    """Every text in a file that is not a docstring, with its line; an f-string's fixed parts count, too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_python_holds_no_target_text(path: Path) -> None:
    # A regular expression that looks for such text is told by its backslashes.
    found = [(line, text) for line, text in texts(path) if TARGET_TEXT.search(text) and r"\s" not in text]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_text_is_run_as_python_or_by_a_shell(path: Path) -> None:
    forbidden = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            shell = any(k.arg == "shell" and ast.unparse(k.value) != "False" for k in node.keywords)
            if called in ("eval", "exec", "os.system", "os.popen", "parse_expr", "sympy.parse_expr") or shell:
                forbidden.append(f"line {node.lineno}: {called}")
    assert forbidden == []
