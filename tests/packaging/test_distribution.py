"""What pyproject.toml promises: every package and every template is in the wheel, and versions agree."""

import tomllib
from pathlib import Path

import pytest

import graphopt

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
MAPPED = {name: ROOT / folder for name, folder in SETUPTOOLS["package-dir"].items()}


def folder_of(package: str) -> Path:
    """Where a package's files are, by the longest prefix that is mapped."""
    if package in MAPPED:
        return MAPPED[package]
    parent, _, name = package.rpartition(".")
    return folder_of(parent) / name


def data_of(package: str) -> set[Path]:
    patterns = SETUPTOOLS["package-data"].get(package, [])
    return {path for pattern in patterns for path in folder_of(package).glob(pattern)}


def test_every_template_is_package_data() -> None:
    files = {path for path in (ROOT / "templates").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert files
    assert files - data_of("graphopt.templates") == set()


def test_every_folder_with_python_files_is_a_package_that_is_installed() -> None:
    written = {
        ".".join([package, *folder.relative_to(root).parts])
        for package, root in MAPPED.items()
        for folder in [root, *(path for path in root.rglob("*") if path.is_dir() and path not in MAPPED.values())]
        if any(folder.glob("*.py"))
    }
    assert written == set(SETUPTOOLS["packages"])


@pytest.mark.parametrize("package", SETUPTOOLS["packages"])
def test_every_package_has_an_init_file(package: str) -> None:
    assert (folder_of(package) / "__init__.py").is_file()


def test_the_package_is_marked_as_typed() -> None:
    assert ROOT / "graphopt" / "py.typed" in data_of("graphopt")


def test_the_version_is_the_same_everywhere() -> None:
    assert graphopt.__version__ == PROJECT["project"]["version"]
