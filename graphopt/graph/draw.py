"""Pictures of programs, by Graphviz's program `dot`: in notebooks, and as files."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphopt.errors import InvalidArgument, TargetUnavailable, TypeMismatch
from graphopt.graph.dot import dot_text
from graphopt.graph.outline import Outline, outline
from graphopt.variable import Variable

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph

__all__ = ["FORMATS", "bundle", "draw"]

FORMATS = ("svg", "png", "pdf")
"""What `dot` draws; "dot" is the text itself."""
PATIENCE = 10.0  # seconds that a notebook waits for a picture
LARGEST = 120  # parts of a program that a notebook shows as a picture
LARGEST_PICTURE = 2**20  # bytes
LONGEST = 200  # lines of text that a notebook shows


def draw(shown: Any, path: str | os.PathLike[str], *, timeout: float = 120.0) -> Path:
    """Draw an expression, a graph or a compiled function (its optimized graph) to a file.

    Parameters
    ----------
    shown
        A variable, a graph, or anything whose `.graph` is one.
    path
        Where to; the ending chooses the format: .svg, .png, .pdf, or .dot, which needs no Graphviz. The file appears
        whole or not at all.
    timeout
        Seconds that the layout may take.

    Returns
    -------
    Path
        Where the picture is.

    Raises
    ------
    InvalidArgument
        If the ending is another.
    TypeMismatch
        If there is nothing to draw.
    TargetUnavailable
        If Graphviz is not there, fails, or takes too long.
    """
    path = Path(path)
    format = path.suffix.removeprefix(".").lower()
    if format not in (*FORMATS, "dot"):
        endings = ", ".join(f".{known}" for known in (*FORMATS, "dot"))
        raise InvalidArgument(f"a picture's name ends in one of {endings}; found {path.name!r}")
    text = dot_text(_outlined(shown))
    _write_whole(path, text.encode() if format == "dot" else run_dot(text, format, timeout))
    return path


def run_dot(text: str, format: str, timeout: float) -> bytes:
    """What `dot` makes of a text. Raises TargetUnavailable saying why there is nothing."""
    program = shutil.which("dot")
    if program is None:
        raise TargetUnavailable(
            "Graphviz's program 'dot' is not on PATH; install Graphviz (the package 'graphviz' of most systems), "
            "or draw to a file that ends in .dot"
        )
    try:
        done = subprocess.run(
            [program, f"-T{format}"], input=text.encode(), capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise TargetUnavailable(f"{program} took longer than {timeout:g} s; draw less, or allow more time") from None
    except OSError as error:
        raise TargetUnavailable(f"{program} cannot be started: {error}") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()[:500] or "and says nothing"
        raise TargetUnavailable(f"{program} failed with exit code {done.returncode}: {said}")
    return done.stdout


def bundle(
    shown: Variable | Graph, text: str, include: Container[str] | None, exclude: Container[str] | None
) -> dict[str, str]:
    """What a notebook shows: the text, and a picture of a small program where Graphviz is there. Never fails."""
    found = {"text/plain": _cut(text)}
    if _wanted("image/svg+xml", include, exclude) and shutil.which("dot") is not None:
        seen = outline(shown)
        if len(seen.parts) <= LARGEST:
            with contextlib.suppress(TargetUnavailable):
                picture = run_dot(dot_text(seen), "svg", PATIENCE)
                if len(picture) <= LARGEST_PICTURE:
                    found["image/svg+xml"] = picture.decode(errors="replace")
    return {kind: value for kind, value in found.items() if kind == "text/plain" or _wanted(kind, include, exclude)}


def _wanted(kind: str, include: Container[str] | None, exclude: Container[str] | None) -> bool:
    return (include is None or kind in include) and (exclude is None or kind not in exclude)


def _cut(text: str) -> str:
    lines = text.rstrip("\n").split("\n")
    left_out = len(lines) - LONGEST
    if left_out > 1:
        lines[LONGEST // 2 : -LONGEST // 2] = [f"… {left_out} lines more; print() shows all …"]
    return "\n".join(lines)


def _outlined(shown: Any) -> Outline:
    from graphopt.graph.graph import Graph

    program = shown if isinstance(shown, Variable | Graph) else getattr(shown, "graph", None)
    if not isinstance(program, Variable | Graph):
        raise TypeMismatch(f"a variable, a graph or a compiled function can be drawn; found {type(shown).__name__}")
    return outline(program)


def _write_whole(path: Path, data: bytes) -> None:
    """Write aside and rename, so that nobody meets half a file and a failure leaves the old one."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        aside.write_bytes(data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
